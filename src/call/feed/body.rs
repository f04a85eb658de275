//! An answer with the feed, as a stream of pieces. A piece is made only when it can be sent, and nothing waits for a
//! reader, so a slow one costs little memory.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use super::{
    batch::{Batch, Begun, Wanted, read},
    cursor,
    form::Form,
    hub::Subscription,
    ring::Next,
};
use crate::{
    call::answer::{Pieces, SendingTime},
    domain::AppId,
    log_lines::log,
    store::{FeedCursor, FeedFrom, StoreError},
};

/// The size of a piece. A connection over HTTP/1 may hold 16 of them.
const PIECE: usize = 2 * 1024;
/// How often a comment is sent if there is nothing else, so that a connection that broke is noticed.
const COMMENT: Duration = Duration::from_secs(15);
/// The approximate number of bytes after which an object ends.
const OBJECT: u64 = 256 * 1024;

type Reading = Pin<Box<dyn Future<Output = Result<Batch, StoreError>> + Send>>;
type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Returns whether a reader still may read.
pub(in crate::call) type MayRead = Box<dyn FnMut() -> bool + Send>;

/// The answer to one reader.
pub(in crate::call) struct FeedBody {
    subscription: Subscription,
    /// Returns whether the reader still may read.
    may_read: MayRead,
    form: Form,
    /// Whether an object is to end even if there is no entry yet.
    is_immediate: bool,
    cursor: FeedCursor,
    /// The place in the ring, if the reader keeps up, and whether it has read exactly the entries before that place.
    place: Option<(u64, bool)>,
    begun: Option<Begun>,
    /// Notices entries in the ring, and changes in the store.
    news: watch::Receiver<u64>,
    changes: watch::Receiver<u64>,
    doing: Doing,
    /// Text that is being sent, and how much of it has been.
    text: Vec<u8>,
    sent: usize,
    /// How many entries and bytes were sent.
    events: u64,
    bytes: u64,
    has_gap: bool,
    is_stopping: bool,
    timer: Interval,
}

enum Doing {
    /// Nothing; the next step is to be decided.
    Nothing,
    Reading(Reading),
    Waiting(Waiting),
    /// The rest of the text is sent, and then the answer ends.
    Ending,
}

impl FeedBody {
    /// Creates the answer to a reader who begins at `from`. An object without entries ends after `wait`.
    ///
    /// # Errors
    /// Returns the error of the store.
    pub(in crate::call) async fn begin(
        subscription: Subscription,
        may_read: MayRead,
        form: Form,
        from: FeedFrom,
        wait: Duration,
    ) -> Result<FeedBody, StoreError> {
        let period = match form {
            Form::Events => COMMENT,
            Form::Object => wait.max(Duration::from_millis(1)),
        };
        let mut timer = interval_at(Instant::now() + period, period);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut body = FeedBody {
            news: subscription.ring.news(),
            changes: subscription.feed.store.changes(),
            subscription,
            may_read,
            form,
            is_immediate: wait.is_zero(),
            cursor: FeedCursor::default(),
            place: None,
            begun: None,
            doing: Doing::Nothing,
            text: Vec::new(),
            sent: 0,
            events: 0,
            bytes: 0,
            has_gap: false,
            is_stopping: false,
            timer,
        };
        if let FeedFrom::After(cursor) = &from {
            body.place = body.subscription.ring.place_of(cursor);
            body.cursor.clone_from(cursor);
        }
        if body.place.is_none() {
            let batch = body.read(from, false).await?;
            // With a gap, the client has to keep its old cursor until it has read the notice.
            let id = (!batch.gap).then(|| batch.start.clone());
            form.begin(body.app(), id.as_ref(), &mut body.text);
            body.absorb(batch);
        } else {
            form.begin(body.app(), Some(&body.cursor), &mut body.text);
        }
        Ok(body)
    }

    fn app(&self) -> AppId {
        self.subscription.ring.app
    }

    /// Begins to read from the store.
    fn read(&mut self, from: FeedFrom, can_wait: bool) -> Reading {
        self.news.mark_unchanged();
        self.changes.mark_unchanged();
        let Subscription { feed, ring } = &self.subscription;
        let (form, before, begun) = (self.form, self.events, self.begun);
        let ends_at_gap = form == Form::Object && before > 0;
        let wanted = Wanted { from, form, before, begun, can_wait, ends_at_gap };
        Box::pin(read(Arc::clone(feed), Arc::clone(ring), wanted))
    }

    /// Takes what was read from the store.
    fn absorb(&mut self, batch: Batch) {
        if batch.gap && self.form == Form::Object {
            if self.events > 0 {
                return self.finish(true);
            }
            self.has_gap = true;
        }
        let is_empty = batch.text.is_empty();
        (self.cursor, self.begun) = (batch.cursor, batch.begun);
        self.text.extend_from_slice(&batch.text);
        self.count(batch.events, batch.text.len());
        self.place = match self.begun {
            None => self.subscription.ring.place_of(&self.cursor),
            Some(_) => None,
        };
        self.doing = Doing::Nothing;
        if is_empty && batch.is_complete && self.place.is_none() {
            self.wait();
        }
    }

    fn count(&mut self, events: u64, bytes: usize) {
        self.events += events;
        self.bytes += bytes as u64;
        self.subscription.feed.count(events);
        if self.form == Form::Events {
            self.timer.reset();
        }
    }

    /// Decides what to do when all text was sent.
    fn decide(&mut self) {
        if !(self.may_read)() {
            return self.finish(true);
        }
        if self.form == Form::Object && self.bytes >= OBJECT && self.begun.is_none() {
            return self.finish(true);
        }
        let Some((mut place, is_exact)) = self.place else {
            let from = FeedFrom::After(self.cursor.clone());
            self.doing = Doing::Reading(self.read(from, true));
            return;
        };
        self.news.mark_unchanged();
        let ring = Arc::clone(&self.subscription.ring);
        match ring.take(&mut place, &self.cursor, PIECE) {
            Next::Entries(entries) => {
                let (before, count) = (self.events, entries.len() as u64);
                for (index, ((stream, number, event), text)) in (0..).zip(entries) {
                    self.cursor.pass(stream, number, event);
                    let is_needed = !is_exact && self.form == Form::Events;
                    let own = is_needed.then(|| cursor::encode(ring.app, &self.cursor));
                    text.write(self.form, own.as_deref(), before + index, &mut self.text);
                }
                self.count(count, self.text.len());
                self.place = Some((place, is_exact));
            }
            Next::Nothing => {
                self.place = Some((place, is_exact));
                self.catch_up();
                self.wait();
            }
            Next::Elsewhere => self.place = None,
        }
    }

    /// Moves the cursor past the events of other apps, if the reader has read everything in the ring.
    fn catch_up(&mut self) {
        let Some((place, _)) = self.place else { return };
        if let Some(end) = self.subscription.ring.end_at(place) {
            self.cursor.catch_up_with(&end);
            self.place = Some((place, self.cursor == end));
        }
    }

    /// Waits until there may be new entries. A reply that is one JSON object ends instead, if it already has
    /// something to report.
    fn wait(&mut self) {
        if self.form == Form::Object && (self.events > 0 || self.has_gap || self.is_immediate) {
            return self.finish(false);
        }
        let (mut news, mut changes) = (self.news.clone(), self.changes.clone());
        // A reader without a place in the ring may lack entries that the ring will never have, because they were made before
        // it was read for the first time. The reader finds them in the store.
        let is_elsewhere = self.place.is_none();
        self.doing = Doing::Waiting(Box::pin(async move {
            // A channel that is closed means that the server stops, which the stream notices otherwise.
            tokio::select! {
                Ok(()) = news.changed() => {}
                Ok(()) = changes.changed(), if is_elsewhere => {}
                else => std::future::pending().await,
            }
        }));
    }

    /// Ends the answer, and appends whether there is more to read.
    fn finish(&mut self, more: bool) {
        self.doing = Doing::Ending;
        self.catch_up();
        if self.begun.is_none() {
            let app = self.app();
            self.form.end(app, &self.cursor, more, self.has_gap, &mut self.text);
        }
    }

    /// Returns whether something is to be done because time has passed.
    fn is_time(&mut self, context: &mut Context<'_>) -> bool {
        if self.timer.poll_tick(context).is_pending() {
            return false;
        }
        match self.form {
            // Nothing may come between the pieces of a large entry.
            Form::Events if self.begun.is_some() => return self.is_time(context),
            Form::Events if !(self.may_read)() => self.finish(true),
            Form::Events => {
                self.catch_up();
                self.form.comment(self.subscription.ring.app, &self.cursor, &mut self.text);
            }
            // What is being read is sent, but nothing more is waited for.
            Form::Object if matches!(self.doing, Doing::Reading(_)) => {
                self.is_immediate = true;
                return self.is_time(context);
            }
            Form::Object => self.finish(false),
        }
        true
    }
}

impl Pieces for FeedBody {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, StoreError>>> {
        loop {
            if self.sent < self.text.len() {
                let end = self.text.len().min(self.sent + PIECE);
                let piece = self.text[self.sent..end].to_vec();
                self.sent = end;
                return Poll::Ready(Some(Ok(piece)));
            }
            (self.text, self.sent) = (Vec::new(), 0);
            if self.is_stopping && !matches!(self.doing, Doing::Ending) {
                self.finish(true);
                continue;
            }
            let done = match &mut self.doing {
                Doing::Nothing => {
                    self.decide();
                    continue;
                }
                // A part of an entry must not look like the end of the answer.
                Doing::Ending if self.begun.take().is_some() => {
                    return Poll::Ready(Some(Err(StoreError::Closed)));
                }
                Doing::Ending => return Poll::Ready(None),
                Doing::Waiting(waiting) => waiting.as_mut().poll(context).map(|()| None),
                Doing::Reading(reading) => reading.as_mut().poll(context).map(Some),
            };
            match done {
                Poll::Ready(None) => self.doing = Doing::Nothing,
                Poll::Ready(Some(Ok(batch))) => self.absorb(batch),
                Poll::Ready(Some(Err(error))) => {
                    log!(FEED_BROKE_OFF, app = self.app().number(), %error);
                    (self.doing, self.begun) = (Doing::Ending, None);
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Pending if self.is_time(context) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// There is a maximum number of readers, see [`Feed::subscribe`](super::Feed::subscribe).
    fn has_own_limit(&self) -> bool {
        true
    }

    fn sending_time(&self) -> Option<&Arc<SendingTime>> {
        Some(&self.subscription.feed.pace.sending)
    }

    fn waits(&self) -> bool {
        matches!(self.doing, Doing::Reading(_) | Doing::Waiting(_))
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
