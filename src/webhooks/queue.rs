//! One lane with the events that were read for it.

use std::collections::VecDeque;

use crate::{
    domain::{EventContent, FeedEntry},
    store::{GivenUp, Lane, Placed},
};

/// A lane with the events that were read for it.
#[derive(Debug)]
pub(super) struct LaneQueue {
    pub(super) lane: Lane,
    /// Events that were read from the feed, and the number of the last one.
    pub(super) queue: VecDeque<Placed>,
    pub(super) read: u64,
    /// When the next event was sent, in milliseconds, until it is answered.
    pub(super) sent: Option<u64>,
    /// Since when the receiver has been too busy for the next event, in milliseconds, and how many events had been delivered
    /// until then.
    pub(super) busy: Option<(u64, u64)>,
    /// Whether there were no further events in the feed when it was last read.
    pub(super) is_at_end: bool,
    /// The number that was stored last.
    pub(super) stored: u64,
    /// Whether the lane has to be stored.
    pub(super) is_changed: bool,
    /// The time of the next event, if it waits to be sent again, in milliseconds.
    pub(super) waits_since: Option<u64>,
}

impl LaneQueue {
    /// Continues with a stored lane.
    pub(super) fn of(lane: &Lane) -> LaneQueue {
        LaneQueue {
            lane: *lane,
            queue: VecDeque::new(),
            read: lane.number,
            sent: None,
            busy: None,
            is_at_end: false,
            stored: lane.number,
            is_changed: false,
            waits_since: None,
        }
    }

    /// Checks whether the next event was sent without success.
    pub(super) fn waits(&self) -> bool {
        self.lane.attempts > 0 || self.lane.due > 0
    }

    /// Moves past an event that was delivered, given up or not wanted.
    pub(super) fn pass(&mut self, number: u64) {
        self.lane = Lane { stream: self.lane.stream, number, attempts: 0, due: 0 };
        (self.is_changed, self.waits_since, self.busy) = (true, None, None);
    }

    /// Moves to where the feed was read, if no event waits before it.
    pub(super) fn advance(&mut self, read: u64) {
        self.read = self.read.max(read);
        if self.queue.is_empty() && self.sent.is_none() && self.lane.attempts == 0 {
            self.lane.number = self.read;
        }
    }

    /// Forgets the events that were read. They are read again when they are due, because their content may be erased
    /// until then.
    pub(super) fn forget_queue(&mut self) {
        self.queue.clear();
        (self.read, self.is_at_end) = (self.lane.number, false);
    }

    /// Forgets the events after the next one.
    pub(super) fn forget_rest(&mut self) {
        self.queue.truncate(1);
        if let Some(next) = self.queue.front() {
            (self.read, self.is_at_end) = (next.number, false);
        }
    }

    /// Returns the number of changes that were read and not sent yet, events included.
    pub(super) fn weight(&self) -> usize {
        let changes = |placed: &Placed| match &placed.entry {
            FeedEntry::Owner { event, .. } => match &event.content {
                EventContent::Changed(deltas) => deltas.len(),
                EventContent::AccountDeleted | EventContent::Erased => 0,
            },
            FeedEntry::Disbanded { .. } => 0,
        };
        self.queue.iter().map(|placed| 1 + changes(placed)).sum()
    }
}

/// Returns the time of an entry, in milliseconds.
pub(super) fn time_of(entry: &FeedEntry) -> u64 {
    match entry {
        FeedEntry::Owner { event, .. } => event.at,
        FeedEntry::Disbanded { at, .. } => *at,
    }
}

/// Returns the record of an event that is given up at this time.
pub(super) fn given_up(placed: &Placed, at: u64, reason: &str) -> GivenUp {
    let event = match &placed.entry {
        FeedEntry::Owner { event, .. } => &event.id,
        FeedEntry::Disbanded { event, .. } => event,
    };
    GivenUp {
        stream: placed.stream,
        number: placed.number,
        event: event.clone(),
        at,
        reason: reason.to_owned(),
    }
}
