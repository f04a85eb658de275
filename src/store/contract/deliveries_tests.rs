//! The tests of webhooks that every store has to pass.

use std::sync::Arc;

use super::{Scope, Store, app, destroy, keep, owner, profile, revive, user};
use crate::store::{
    DeliveryState, DestinationId, FeedFrom, GivenUp, Lane, Life, MAX_GIVEN_UP, Progress, Stream,
};

fn id(app_number: u32, name: &str) -> DestinationId {
    DestinationId { app: app(app_number), name: Arc::from(name) }
}

async fn state(store: &dyn Store, id: &DestinationId) -> DeliveryState {
    store.destination(id.clone()).await.unwrap()
}

fn lane(state: &DeliveryState, stream: Stream) -> Lane {
    *state.lanes.iter().find(|lane| lane.stream == stream).unwrap()
}

/// Returns the numbers of all lanes.
fn numbers(state: &DeliveryState) -> Vec<u64> {
    state.lanes.iter().map(|lane| lane.number).collect()
}

fn given_up(number: u64) -> GivenUp {
    let event = format!("event-{number}");
    GivenUp { stream: Stream::Bucket(0), number, event, at: 5, reason: "HTTP 500".to_owned() }
}

async fn note(store: &dyn Store, id: &DestinationId, progress: Progress) {
    store.progress(id.clone(), progress).await.unwrap();
}

pub(super) async fn a_new_destination_begins_with_the_next_event(store: &dyn Store) {
    let (alice, hook) = (owner(1, "alice"), id(1, "hook"));
    keep(store, &alice, "a", &[user("bob")]).await;
    revive(store, app(1), "gone", profile("gone")).await;
    destroy(store, app(1), "gone").await;
    let before = state(store, &hook).await;
    assert!(!before.is_off && before.given_up == 0);
    let latest = store.feed(app(1), FeedFrom::Latest, 0).await.unwrap().start;
    assert_eq!(before.life, Life { run: latest.point.run, epoch: latest.epoch });
    for lane in &before.lanes {
        let expected = match lane.stream {
            Stream::Bucket(bucket) => latest.of_bucket(bucket),
            Stream::Disbandings => latest.disbandings,
        };
        assert_eq!((lane.number, lane.attempts, lane.due), (expected, 0, 0));
    }
    keep(store, &alice, "b", &[user("bob")]).await;
    assert_eq!(state(store, &hook).await, before, "later events are not skipped");
}

pub(super) async fn progress_is_kept_by_lane(store: &dyn Store) {
    let (hook, other) = (id(1, "hook"), id(1, "other"));
    let (before, of_other) = (state(store, &hook).await, state(store, &other).await);
    let next = Lane { stream: Stream::Bucket(1), number: 7, attempts: 3, due: 99 };
    let progress = Progress { life: before.life, lanes: vec![next], ..Progress::default() };
    note(store, &hook, progress.clone()).await;
    let after = state(store, &hook).await;
    assert_eq!(lane(&after, Stream::Bucket(1)), next);
    assert_eq!(lane(&after, Stream::Bucket(0)), lane(&before, Stream::Bucket(0)));
    assert_eq!(state(store, &other).await, of_other);
    note(store, &hook, Progress { off: Some(true), ..Progress::default() }).await;
    assert!(state(store, &hook).await.is_off && !state(store, &other).await.is_off);
    note(store, &hook, Progress { off: Some(false), ..Progress::default() }).await;
    assert_eq!(state(store, &hook).await, after);
    // A destination that was forgotten starts over, and late progress does not bring it back.
    store.keep_destinations(vec![other.clone()]).await.unwrap();
    note(store, &hook, progress).await;
    assert_eq!(lane(&state(store, &hook).await, Stream::Bucket(1)).attempts, 0);
    assert_eq!(state(store, &other).await, of_other);
}

pub(super) async fn a_reset_makes_lanes_begin_again(store: &dyn Store) {
    let (alice, hook, other) = (owner(1, "alice"), id(1, "hook"), id(2, "hook"));
    keep(store, &alice, "a", &[user("bob")]).await;
    let (before, of_other) = (state(store, &hook).await, state(store, &other).await);
    let progress = Progress {
        life: before.life,
        given_up: vec![given_up(1)],
        lanes: before.lanes.clone(),
        ..Progress::default()
    };
    note(store, &hook, progress.clone()).await;
    store.reset(Scope::App(app(1))).await.unwrap();
    let after = state(store, &hook).await;
    assert!(after.life != before.life && after.given_up == 0);
    let latest = store.feed(app(1), FeedFrom::Latest, 0).await.unwrap().start;
    assert_eq!(after.lanes.iter().map(|lane| latest.of(lane.stream)).collect::<Vec<_>>(), numbers(&after));
    note(store, &hook, progress).await;
    assert_eq!(state(store, &hook).await, after, "what happened in another life is ignored");
    assert_eq!(state(store, &other).await, of_other);
}

pub(super) async fn given_up_events_are_listed_until_they_are_settled(store: &dyn Store) {
    let (hook, other) = (id(1, "hook"), id(2, "hook"));
    let life = state(store, &hook).await.life;
    let of_other = state(store, &other).await.life;
    let note_all = |numbers: std::ops::Range<u64>| Progress {
        life,
        given_up: numbers.map(given_up).collect(),
        ..Progress::default()
    };
    let theirs = Progress { life: of_other, given_up: vec![given_up(1)], ..Progress::default() };
    note(store, &other, theirs).await;
    note(store, &hook, note_all(0..3)).await;
    let part = store.given_up(hook.clone(), 0, 2).await.unwrap();
    let listed: Vec<_> = part.events.iter().map(|(_, event)| event.clone()).collect();
    assert_eq!((part.life, listed), (life, vec![given_up(0), given_up(1)]));
    let rest = store.given_up(hook.clone(), part.events[1].0, 9).await.unwrap();
    assert_eq!(rest.events.iter().map(|(_, event)| event.clone()).collect::<Vec<_>>(), [given_up(2)]);
    let (place, event) = &part.events[0];
    let settled = vec![(*place, event.number)];
    note(store, &hook, Progress { settled: vec![(*place, event.number + 1)], ..Progress::default() }).await;
    assert_eq!(state(store, &hook).await.given_up, 3, "another event at this place");
    assert_eq!(store.destinations().await.unwrap(), [hook.clone(), other.clone()]);
    note(store, &other, Progress { settled: settled.clone(), ..Progress::default() }).await;
    assert_eq!(state(store, &hook).await.given_up, 3, "each destination settles its own");
    note(store, &hook, Progress { settled, ..Progress::default() }).await;
    assert_eq!(state(store, &hook).await.given_up, 2);
    note(store, &hook, note_all(3..MAX_GIVEN_UP as u64 + 2)).await;
    let (of_hook, of_other) = (state(store, &hook).await.given_up, state(store, &other).await.given_up);
    assert_eq!((of_hook, of_other), (MAX_GIVEN_UP, 1), "the oldest ones of the same destination make room");
    let first = store.given_up(hook.clone(), 0, 1).await.unwrap().events.remove(0).1;
    assert_eq!(first, given_up(2));
}
