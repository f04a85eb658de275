//! One lane with the events that were read for it.

use std::collections::VecDeque;

use crate::{
    domain::FeedEntry,
    store::{Lane, Placed},
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
            is_changed: false,
            waits_since: None,
        }
    }

    /// Moves past an event that was delivered, given up or not wanted.
    pub(super) fn pass(&mut self, number: u64) {
        self.lane = Lane { stream: self.lane.stream, number, attempts: 0, due: 0 };
        (self.is_changed, self.waits_since) = (true, None);
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
