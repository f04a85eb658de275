//! Sends single messages because somebody asked for it: a test, and events that were given up.

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    Webhooks,
    destination::{CONCURRENT, Destination},
    message::Message,
    sending::{Sender, Verdict},
};
use crate::{
    domain::{EventContent, FeedEntry},
    store::{
        DestinationId, FeedCursor, FeedFrom, GivenUp, Life, MAX_BUCKETS, Placed, Progress, StoreError, Stream,
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
    /// Why the last event was refused again. Those after it were not sent.
    pub refused: Option<String>,
    /// The number of events that are left.
    pub left: u64,
}

impl Webhooks {
    /// Sends a message without an event, and returns what became of it; `None` if there is no such webhook.
    pub async fn test(&self, id: &DestinationId) -> Option<Tried> {
        let destination = self.find(id)?;
        let message = Message::test(self.clock.now_in_milliseconds());
        Some(self.try_once(&destination, message).await)
    }

    async fn try_once(&self, destination: &Destination, message: Message) -> Tried {
        let began = self.clock.elapsed();
        let sender = Sender::new(&destination.settings(), CONCURRENT);
        let outcome = destination.send(sender, message, &self.clock).await;
        Tried {
            is_delivered: outcome.verdict == Verdict::Delivered,
            why: outcome.verdict.reason().to_owned(),
            took: self.clock.elapsed().saturating_sub(began),
        }
    }

    /// Sends events again that were given up, oldest first, until one is refused again. Returns `None` if there is no
    /// such webhook.
    ///
    /// # Errors
    /// Returns any error of the store.
    pub async fn replay(&self, id: &DestinationId) -> Result<Option<Replayed>, StoreError> {
        let Some(destination) = self.find(id) else { return Ok(None) };
        let began = self.clock.elapsed();
        let part = self.store.given_up(id.clone(), 0, AT_ONCE).await?;
        let (mut replayed, mut settled) = (Replayed::default(), Vec::new());
        for (place, given_up) in part.events {
            match self.entry(id, part.life, &given_up).await? {
                None => replayed.gone += 1,
                Some(entry) => {
                    let tried = self.try_once(&destination, Message::of(&entry)).await;
                    if !tried.is_delivered {
                        replayed.refused = Some(tried.why);
                        break;
                    }
                    replayed.delivered += 1;
                }
            }
            settled.push(place);
            if self.clock.elapsed().saturating_sub(began) > WITHIN {
                break;
            }
        }
        self.store.progress(id.clone(), Progress { settled, ..Progress::default() }).await?;
        let state = self.store.destination(id.clone()).await?;
        replayed.left = state.given_up as u64;
        destination.given_up.store(replayed.left, Ordering::Relaxed);
        Ok(Some(replayed))
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
            incarnation: life.incarnation,
            epoch: life.epoch,
            disbandings: u64::MAX,
            buckets: vec![u64::MAX; usize::from(MAX_BUCKETS)],
        };
        match given_up.stream {
            Stream::Bucket(bucket) => cursor.buckets[usize::from(bucket)] = before,
            Stream::Disbandings => cursor.disbandings = before,
        }
        let part = self.store.feed(id.app, FeedFrom::After(cursor), 1).await?;
        if (part.start.incarnation, part.start.epoch) != (life.incarnation, life.epoch) {
            return Ok(None);
        }
        let is_it = |placed: &Placed| placed.stream == given_up.stream && placed.number == given_up.number;
        let found = part.entries.into_iter().find(is_it).map(|placed| placed.entry);
        Ok(found.filter(
            |entry| !matches!(entry, FeedEntry::Owner { event, .. } if event.content == EventContent::Erased),
        ))
    }
}
