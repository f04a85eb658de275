//! One lane with the events that were read for it.

use std::collections::VecDeque;

use crate::{
    domain::FeedEntry,
    store::{GivenUp, Lane, Placed},
};

/// A lane with the events that were read for it.
#[derive(Debug)]
pub(super) struct LaneQueue {
    pub(super) lane: Lane,
    /// Events that were read from the feed, and the number of the last one.
    pub(super) queue: VecDeque<Placed>,
    pub(super) read: u64,
    pub(super) is_in_flight: bool,
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
            is_in_flight: false,
            is_at_end: false,
            stored: lane.number,
            is_changed: false,
            waits_since: None,
        }
    }

    /// Moves past an event that was delivered, given up or not wanted.
    pub(super) fn pass(&mut self, number: u64) {
        self.lane = Lane { stream: self.lane.stream, number, attempts: 0, due: 0 };
        (self.is_changed, self.waits_since) = (true, None);
    }

    /// Moves to where the feed was read, if no event waits before it.
    pub(super) fn advance(&mut self, read: u64) {
        self.read = self.read.max(read);
        if self.queue.is_empty() && !self.is_in_flight && self.lane.attempts == 0 {
            self.lane.number = self.read;
        }
    }

    /// Forgets the events that were read. They are read again when they are due, because their content may be erased
    /// until then.
    pub(super) fn forget_queue(&mut self) {
        self.queue.clear();
        (self.read, self.is_at_end) = (self.lane.number, false);
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
