use tokio::sync::oneshot;

use super::*;
use crate::{
    call::feed::{hub::Feed, ring::Ring},
    domain::{Edit, Limits, Owner, Terms, UserId},
    store::{self, FeedPart, Store, Write},
};

const HOUR: Duration = Duration::from_hours(1);

fn app() -> AppId {
    AppId::new(7).unwrap()
}

/// Returns an answer that begins with the next event, without its beginning, and the ring and the store that it reads.
async fn begun(form: Form, wait: Duration) -> (FeedBody, Arc<Ring>, Arc<dyn Store>) {
    let store = store::in_memory();
    let feed = Feed::new(Arc::clone(&store));
    let subscription = feed.subscribe(app()).unwrap();
    let ring = Arc::clone(&subscription.ring);
    let begun = FeedBody::begin(subscription, Box::new(|| true), form, FeedFrom::Latest, wait);
    let mut body = begun.await.unwrap();
    next(&mut body).await;
    (body, ring, store)
}

async fn next(body: &mut FeedBody) -> String {
    let piece = std::future::poll_fn(|context| body.poll_next(context)).await;
    String::from_utf8(piece.unwrap().unwrap()).unwrap()
}

async fn read_latest(store: &dyn Store) -> FeedPart {
    store.feed(app(), FeedFrom::Latest, 1).await.unwrap()
}

/// Returns what a reader has read who found nothing.
fn nothing(part: FeedPart) -> Batch {
    Batch {
        text: Vec::new(),
        events: 0,
        start: part.start,
        cursor: part.end,
        gap: false,
        begun: None,
        is_complete: true,
    }
}

#[tokio::test]
async fn an_event_between_a_reading_and_the_first_one_of_the_ring_does_not_wait_for_the_next_event() {
    let (mut body, ring, store) = begun(Form::Events, HOUR).await;
    let read = nothing(read_latest(&*store).await);
    let owner = Owner { app: app(), user: UserId::parse("ann").unwrap() };
    let edit = Edit::ImportAccount { nick: None, face_url: None };
    store.commit(Write::new(owner, edit, Terms::of_tools(Limits::OPEN, 1))).await.unwrap().unwrap();
    ring.add(read_latest(&*store).await, 1 << 20);
    body.absorb(read);
    let text = next(&mut body).await;
    assert!(text.starts_with("event: changed\n"), "{text}");
}

#[tokio::test]
async fn a_long_poll_whose_time_ends_while_it_reads_does_not_wait_for_as_long_again() {
    let (mut body, _, store) = begun(Form::Object, HOUR).await;
    let read = nothing(read_latest(&*store).await);
    let (send, receive) = oneshot::channel();
    body.doing = Doing::Reading(Box::pin(async move { Ok(receive.await.unwrap()) }));
    body.timer.reset_immediately();
    // This timer is set later, so the time of the poll has ended when it ends.
    let mut later = interval_at(Instant::now() + Duration::from_millis(1), HOUR);
    std::future::poll_fn(|context| {
        let ended = later.poll_tick(context).map(drop);
        assert!(body.poll_next(context).is_pending());
        ended
    })
    .await;
    assert!(send.send(read).is_ok());
    let ended = std::future::poll_fn(|context| Poll::Ready(body.poll_next(context))).await;
    assert!(matches!(ended, Poll::Ready(Some(Ok(_)))), "{ended:?}");
}
