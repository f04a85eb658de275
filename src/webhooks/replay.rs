//! Sends single messages because somebody asked for it: a test, and events that were given up.

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    Webhooks,
    destination::{CONCURRENT, Destination},
    message::Message,
    sending::{Sender, Verdict},
    settings::Webhook,
};
use crate::{
    clock::Clock,
    domain::{EventContent, FeedEntry},
    store::{
        DestinationId, FeedCursor, FeedFrom, GivenUp, HistoryPoint, Life, MAX_BUCKETS, Placed, Progress,
        Store, StoreError, Stream,
    },
};

/// How many events are sent for one request, and how long that may take before the next one begins.
const AT_ONCE: usize = 100;
const WITHIN: Duration = Duration::from_secs(10);

/// What became of a single message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Whether it was delivered.
    pub is_delivered: bool,
    /// Why not.
    pub why: String,
    /// How long it took.
    pub took: Duration,
}

/// What became of events that were given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The number of events that were delivered now.
    pub delivered: u64,
    /// The number of events whose content is gone, because they are too old or the account was deleted.
    pub gone: u64,
    /// The number of events that were refused again. They stay in the list.
    pub refused: u64,
    /// Why the last event was not delivered.
    pub why: Option<String>,
    /// The number of events that are left.
    pub left: u64,
    /// The place in the list after which to go on; `None` if nothing comes after it, or if the receiver cannot be reached.
    pub next: Option<u64>,
}

impl Replayed {
    /// Returns everything as JSON.
    #[must_use]
    pub fn fields(&self) -> serde_json::Value {
        let Replayed { delivered, gone, refused, why, left, next } = self;
        serde_json::json!({
            "Delivered": delivered,
            "Gone": gone,
            "Refused": refused,
            "Reason": why,
            "Left": left,
            "Next": next,
        })
    }
}

impl Webhooks {
    /// Sends a message without an event, and returns what became of it; `None` if there is no such webhook.
    pub async fn test(&self, id: &DestinationId) -> Option<Tried> {
        let destination = self.find(id)?;
        let began = self.clock.elapsed();
        let sender = Sender::new(&destination.settings(), CONCURRENT);
        let message = Message::test(self.clock.now_in_milliseconds());
        let outcome = destination.send(sender, message, &self.clock).await;
        Some(Tried {
            is_delivered: outcome.verdict == Verdict::Delivered,
            why: outcome.verdict.reason().to_owned(),
            took: self.clock.elapsed().saturating_sub(began),
        })
    }

    /// Sends events again that were given up, oldest first, beginning after a place in the list. Returns `None` if there is
    /// no such webhook.
    ///
    /// # Errors
    /// Returns any error of the store.
    pub async fn replay(&self, id: &DestinationId, after: u64) -> Result<Option<Replayed>, StoreError> {
        let Some(destination) = self.find(id) else { return Ok(None) };
        let replay = Replay { store: &*self.store, clock: &self.clock, destination: &destination };
        replay.run(id, after).await.map(Some)
    }
}

/// Does the work of [`Webhooks::replay`] for the store of a stopped server.
///
/// # Errors
/// Returns any error of the store.
pub async fn replay_stopped(
    store: &dyn Store,
    clock: &Clock,
    webhook: Webhook,
    after: u64,
) -> Result<Replayed, StoreError> {
    let id = webhook.id.clone();
    let (destination, _commands) = Destination::new(webhook);
    Replay { store, clock, destination: &destination }.run(&id, after).await
}

/// What is needed to send events again.
struct Replay<'a> {
    store: &'a dyn Store,
    clock: &'a Clock,
    destination: &'a Destination,
}

impl Replay<'_> {
    async fn run(&self, id: &DestinationId, after: u64) -> Result<Replayed, StoreError> {
        let began = self.clock.elapsed();
        let part = self.store.given_up(id.clone(), after, AT_ONCE).await?;
        let (mut replayed, mut settled) = (Replayed::default(), Vec::new());
        let sender = Sender::new(&self.destination.settings(), CONCURRENT);
        for (place, given_up) in part.events {
            let mut is_settled = true;
            match self.entry(id, part.life, &given_up).await? {
                None => replayed.gone += 1,
                Some(entry) => {
                    let sent = self.destination.send(sender.clone(), Message::of(&entry), self.clock);
                    match sent.await.verdict {
                        Verdict::Delivered => replayed.delivered += 1,
                        Verdict::Refused(why) => {
                            is_settled = false;
                            (replayed.refused, replayed.why) = (replayed.refused + 1, Some(why));
                        }
                        other => {
                            (replayed.why, replayed.next) = (Some(other.reason().to_owned()), None);
                            break;
                        }
                    }
                }
            }
            if is_settled {
                settled.push((place, given_up.number));
            }
            replayed.next = Some(place);
            if self.clock.elapsed().saturating_sub(began) > WITHIN {
                break;
            }
        }
        self.store.progress(id.clone(), Progress { settled, ..Progress::default() }).await?;
        if let Some(place) = replayed.next {
            let rest = self.store.given_up(id.clone(), place, 1).await?;
            replayed.next = (!rest.events.is_empty()).then_some(place);
        }
        let state = self.store.destination(id.clone()).await?;
        replayed.left = state.given_up as u64;
        // Events that were given up meanwhile may not be stored yet, but count.
        let fewer = |count: u64| Some(count.saturating_sub(replayed.delivered + replayed.gone));
        let _ = self.destination.given_up.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        Ok(replayed)
    }

    /// Reads an event from the feed, unless its content is gone.
    async fn entry(
        &self,
        id: &DestinationId,
        life: Life,
        given_up: &GivenUp,
    ) -> Result<Option<FeedEntry>, StoreError> {
        // Only the stream of the event is not at its end in this cursor.
        let before = given_up.number.saturating_sub(1);
        let mut cursor = FeedCursor {
            point: HistoryPoint { run: life.run, event: 0 },
            epoch: life.epoch,
            disbandings: u64::MAX,
            buckets: vec![u64::MAX; usize::from(MAX_BUCKETS)],
        };
        match given_up.stream {
            Stream::Bucket(bucket) => cursor.buckets[usize::from(bucket)] = before,
            Stream::Disbandings => cursor.disbandings = before,
        }
        let part = self.store.feed(id.app, FeedFrom::After(cursor), 1).await?;
        if (part.start.point.run, part.start.epoch) != (life.run, life.epoch) {
            return Ok(None);
        }
        let is_it = |placed: &Placed| placed.stream == given_up.stream && placed.number == given_up.number;
        let found = part.entries.into_iter().find(is_it).map(|placed| placed.entry);
        Ok(found.filter(
            |entry| !matches!(entry, FeedEntry::Owner { event, .. } if event.content == EventContent::Erased),
        ))
    }
}
