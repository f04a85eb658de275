//! Reads a part of the feed from the store for one reader who is behind, and keeps only a small piece of it as text.

use std::sync::Arc;

use super::{cursor, form::Form, hub::Feed, ring::Ring};
use crate::{
    store::{FeedCursor, FeedFrom, Placed, StoreError, Stream},
    wire,
};

/// How many entries are read at once, apart from those that each stream may add.
const AT_ONCE: usize = 64;
/// The approximate number of bytes of text that a reader keeps.
const PIECE: usize = 24 * 1024;

/// What a reader wants to read.
pub(super) struct Wanted {
    pub(super) from: FeedFrom,
    pub(super) form: Form,
    /// The number of entries that the reader has been sent.
    pub(super) before: u64,
    /// The entry of which a part has been sent already.
    pub(super) begun: Option<Begun>,
    /// Whether the answer has begun. Its rest may then wait until there is less to write.
    pub(super) can_wait: bool,
    /// Whether a gap ends the answer.
    pub(super) ends_at_gap: bool,
}

/// An entry that is too large to be kept. It is read again for each piece that is sent.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    stream: Stream,
    number: u64,
    /// How many bytes were sent, how many there are, and a hash of all.
    sent: usize,
    length: usize,
    hash: u64,
}

/// What was read.
pub(super) struct Batch {
    pub(super) text: Vec<u8>,
    pub(super) events: u64,
    /// The cursor before the first entry.
    pub(super) start: FeedCursor,
    /// The cursor after the entries whose text is complete.
    pub(super) cursor: FeedCursor,
    /// Whether entries are missing before those that were read.
    pub(super) gap: bool,
    pub(super) begun: Option<Begun>,
    /// Whether nothing is left to read.
    pub(super) is_complete: bool,
}

/// Reads what a reader wants.
///
/// # Errors
/// Returns the error of the store. An entry of which a part was sent must not have changed.
pub(super) async fn read(feed: Arc<Feed>, ring: Arc<Ring>, wanted: Wanted) -> Result<Batch, StoreError> {
    let Wanted { from, form, before, begun, can_wait, ends_at_gap } = wanted;
    let _turn = if can_wait {
        let turn = feed.turns.acquire().await.map_err(|_| StoreError::Closed)?;
        feed.turn().await;
        Some(turn)
    } else {
        None
    };
    // Waiting readers occupy no memory for entries.
    let _permit = feed.reads.acquire().await.map_err(|_| StoreError::Closed)?;
    let end = ring.end();
    let part = feed.store.feed(ring.app, from, AT_ONCE).await?;
    let mut batch = Batch {
        text: Vec::new(),
        events: 0,
        start: part.start.clone(),
        cursor: part.start.clone(),
        gap: part.has_gap,
        begun: None,
        is_complete: false,
    };
    if part.has_gap {
        if begun.is_some() {
            return Err(changed());
        }
        if ends_at_gap {
            return Ok(batch);
        }
        form.gap(ring.app, &part.start, &mut batch.text);
    }
    let text_of = |placed: &Placed, after: &FeedCursor, before: u64| {
        let (mut json, mut text) = (Vec::new(), Vec::new());
        wire::write_feed_entry(&placed.entry, &mut json);
        form.entry(wire::kind_of(&placed.entry), &json, &cursor::encode(ring.app, after), before, &mut text);
        text
    };
    if let Some(begun) = begun {
        let is_begun = |placed: &&Placed| (placed.stream, placed.number) == (begun.stream, begun.number);
        let placed = part.entries.iter().find(is_begun).ok_or_else(changed)?;
        let mut after = batch.cursor.clone();
        after.advance(placed);
        let text = text_of(placed, &after, before);
        if (text.len(), hash(&text)) != (begun.length, begun.hash) {
            return Err(changed());
        }
        batch.go_on(&text, begun, after);
        return Ok(batch);
    }
    for placed in &part.entries {
        let mut after = batch.cursor.clone();
        after.advance(placed);
        let text = text_of(placed, &after, before + batch.events);
        if batch.text.len() + text.len() <= PIECE {
            batch.text.extend_from_slice(&text);
            batch.events += 1;
            batch.cursor = after;
            continue;
        }
        if batch.text.is_empty() {
            let (stream, number) = (placed.stream, placed.number);
            let begun = Begun { stream, number, sent: 0, length: text.len(), hash: hash(&text) };
            batch.go_on(&text, begun, after);
        }
        return Ok(batch);
    }
    batch.cursor = part.end;
    batch.is_complete = !part.has_more;
    // Everything that the ring had before was committed before, so it has been read.
    if let Some(end) = end.filter(|end| batch.is_complete && end.is_in_life_of(&batch.cursor)) {
        batch.cursor.catch_up_with(&end);
    }
    Ok(batch)
}

impl Batch {
    /// Adds the next piece of a large entry. `after` is the cursor after the entry.
    fn go_on(&mut self, text: &[u8], begun: Begun, after: FeedCursor) {
        let end = text.len().min(begun.sent + PIECE);
        self.text.extend_from_slice(&text[begun.sent..end]);
        if end == text.len() {
            (self.events, self.cursor) = (1, after);
        } else {
            self.begun = Some(Begun { sent: end, ..begun });
        }
    }
}

fn changed() -> StoreError {
    StoreError::Failed("an event was removed or erased while it was being sent".to_owned())
}

fn hash(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::{call::feed::hub::READS, domain::AppId, store};

    #[tokio::test]
    async fn readers_that_wait_for_their_turn_do_not_hold_up_the_first_reading_of_others() {
        let feed = Feed::new(store::in_memory());
        let ring = Arc::new(Ring::new(AppId::new(7).unwrap()));
        feed.pace.sending.add(Duration::from_hours(1));
        // The time that sending took is measured only from time to time.
        while timeout(Duration::from_millis(1), feed.turn()).await.is_ok() {}
        let one = |can_wait| {
            let (from, form) = (FeedFrom::Latest, Form::Object);
            let wanted = Wanted { from, form, before: 0, begun: None, can_wait, ends_at_gap: false };
            read(Arc::clone(&feed), Arc::clone(&ring), wanted)
        };
        let mut waiting: Vec<_> = (0..=READS).map(|_| Box::pin(one(true))).collect();
        for one in &mut waiting {
            assert!(timeout(Duration::ZERO, one).await.is_err());
        }
        assert!(timeout(Duration::from_secs(10), one(false)).await.unwrap().unwrap().is_complete);
    }
}
