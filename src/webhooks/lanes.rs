//! The lanes of a destination: what to read, what to store, and when something is due. `turns.rs` decides what to
//! send next, and what follows from each answer. Neither file does any I/O, and both get the time as an argument.

mod turns;

use super::{queue::LaneQueue, summary::Summary};
use crate::store::{DeliveryState, FeedCursor, FeedPart, GivenUp, HistoryPoint, Life, Progress, Stream};

pub(super) use turns::{Due, Turn};
use turns::{LONGEST, SLOW};

/// About how many changes of records and groups are read in advance, so that a receiver that has a lot to catch up with
/// costs a bounded amount of memory.
const READ_AHEAD: usize = 4_096;

/// All lanes of a destination.
#[derive(Debug)]
pub(super) struct Lanes {
    life: Life,
    queues: Vec<LaneQueue>,
    /// The lane with which the search for the next event begins, so that each gets its turn.
    next: usize,
    in_flight: usize,
    is_off: bool,
    is_paused: bool,
    /// Since when every attempt has failed, in milliseconds.
    failing_since: Option<u64>,
    /// Before this time, in milliseconds, nothing is sent.
    rests_until: u64,
    /// The lane whose message was last answered with a request to wait, if nothing has been delivered since.
    rest_asked_by: Option<Stream>,
    /// How many events were delivered.
    delivered: u64,
    /// The time that was last given to [`Lanes::note_time`], in milliseconds.
    time: u64,
    /// What has to be stored, apart from lanes.
    given_up: Vec<GivenUp>,
    off: Option<bool>,
}

impl Lanes {
    /// Continues with a stored state.
    pub(super) fn of(state: &DeliveryState) -> Lanes {
        Lanes {
            life: state.life,
            queues: state.lanes.iter().map(LaneQueue::of).collect(),
            next: 0,
            in_flight: 0,
            is_off: state.is_off,
            is_paused: false,
            failing_since: None,
            rests_until: 0,
            rest_asked_by: None,
            delivered: 0,
            time: 0,
            given_up: Vec::new(),
            off: None,
        }
    }

    /// Checks whether any event is being sent.
    pub(super) fn is_sending(&self) -> bool {
        self.in_flight > 0
    }

    pub(super) fn summary(&self) -> Summary {
        let waiting = self.queues.iter().filter(|lane| lane.waits());
        Summary {
            is_off: self.is_off,
            is_paused: self.is_paused,
            failing_since: self.failing_since,
            waiting: waiting.clone().count(),
            oldest: waiting.filter_map(|lane| lane.waits_since).min(),
        }
    }

    /// Takes into account that the feed may have further events.
    pub(super) fn note_changes(&mut self) {
        for lane in &mut self.queues {
            lane.is_at_end = false;
        }
    }

    /// Takes the time into account. If the clock was set back, waits do not become longer.
    pub(super) fn note_time(&mut self, now: u64) {
        let back = self.time.saturating_sub(now);
        self.time = now;
        let moved = |time: u64| time.saturating_sub(back).min(now + LONGEST);
        for lane in &mut self.queues {
            lane.lane.due = moved(lane.lane.due);
            lane.sent = lane.sent.map(moved);
            lane.busy = lane.busy.map(|(since, before)| (moved(since), before));
        }
        self.rests_until = moved(self.rests_until);
        self.failing_since = self.failing_since.map(moved);
    }

    /// Returns the cursor from which to read further events; lanes that need none are at their end in it. Returns `None`
    /// if no lane needs any at this time.
    pub(super) fn cursor(&mut self, now: u64) -> Option<FeedCursor> {
        if self.is_off || self.rests_until > now || !self.has_room() {
            return None;
        }
        let mut cursor = FeedCursor {
            // The cursor is made from numbers that the store has kept itself.
            point: HistoryPoint { run: self.life.run, event: 0 },
            epoch: self.life.epoch,
            disbandings: u64::MAX,
            buckets: Vec::new(),
        };
        let mut is_wanted = false;
        for lane in &self.queues {
            let is_hungry = lane.queue.is_empty()
                && lane.sent.is_none()
                && !lane.is_at_end
                && (lane.lane.due <= now || self.is_paused);
            is_wanted |= is_hungry;
            let after = if is_hungry { lane.read } else { u64::MAX };
            match lane.lane.stream {
                Stream::Bucket(bucket) => {
                    let place = usize::from(bucket);
                    if cursor.buckets.len() <= place {
                        cursor.buckets.resize(place + 1, u64::MAX);
                    }
                    cursor.buckets[place] = after;
                }
                Stream::Disbandings => cursor.disbandings = after,
            }
        }
        is_wanted.then_some(cursor)
    }

    /// Checks whether further events may be read. Lanes that wait for an answer forget what they have read in advance if
    /// others need the room.
    fn has_room(&mut self) -> bool {
        let is_full = |queues: &[LaneQueue]| queues.iter().map(LaneQueue::weight).sum::<usize>() > READ_AHEAD;
        if is_full(&self.queues) {
            self.queues.iter_mut().filter(|lane| lane.sent.is_some()).for_each(LaneQueue::forget_rest);
        }
        !is_full(&self.queues)
    }

    /// Takes events that were read from a cursor. Returns how many lanes have missed events, because these were
    /// removed before they were delivered. Returns `None` if the app has begun another life ([`Life`]), so that the
    /// numbers of the lanes mean nothing.
    pub(super) fn fill(&mut self, cursor: &FeedCursor, part: FeedPart) -> Option<usize> {
        let FeedPart { entries, start, end, has_more, .. } = part;
        if (start.point.run, start.epoch) != (self.life.run, self.life.epoch) {
            return None;
        }
        let mut gaps = 0;
        for lane in &mut self.queues {
            let (asked, began) = match lane.lane.stream {
                Stream::Bucket(bucket) => (cursor.of_bucket(bucket), start.of_bucket(bucket)),
                Stream::Disbandings => (cursor.disbandings, start.disbandings),
            };
            lane.is_at_end |= asked != u64::MAX && !has_more;
            if asked != u64::MAX && began > asked {
                gaps += 1;
                lane.read = began;
                lane.pass(began);
            }
        }
        for placed in entries {
            if let Some(lane) = self.queues.iter_mut().find(|lane| lane.lane.stream == placed.stream)
                && placed.number > lane.read
            {
                lane.read = placed.number;
                lane.queue.push_back(placed);
            }
        }
        // Nothing that a lane wants lies between its last event and the end of this part.
        for lane in &mut self.queues {
            if cursor.of(lane.lane.stream) != u64::MAX {
                lane.advance(end.of(lane.lane.stream));
            }
        }
        Some(gaps)
    }

    /// Sends everything that is waiting at once, even if the destination was off or paused.
    pub(super) fn enable(&mut self) {
        if std::mem::take(&mut self.is_off) {
            self.off = Some(false);
        }
        (self.is_paused, self.failing_since, self.rests_until, self.rest_asked_by) = (false, None, 0, None);
        for lane in self.queues.iter_mut().filter(|lane| lane.waits()) {
            (lane.lane.attempts, lane.lane.due, lane.is_changed) = (0, 0, true);
        }
    }

    /// Returns the time before which nothing has to be done, if anything waits.
    pub(super) fn next_due(&self, now: u64) -> Option<u64> {
        if self.is_off {
            return None;
        }
        if self.rests_until > now {
            return Some(self.rests_until);
        }
        // When a message is not answered for some time, others may be sent.
        let next = |lane: &LaneQueue| lane.sent.map_or(lane.lane.due, |sent| sent + SLOW);
        self.queues.iter().map(next).filter(|due| *due > now).min()
    }

    /// Makes all lanes be stored that have come further without an event, so that old events can be removed.
    pub(super) fn note_positions(&mut self) {
        for lane in self.queues.iter_mut().filter(|lane| lane.lane.number != lane.stored) {
            lane.is_changed = true;
        }
    }

    /// Returns how many changes have to be stored.
    pub(super) fn changes(&self) -> usize {
        let lanes = self.queues.iter().filter(|lane| lane.is_changed).count();
        lanes + self.given_up.len() + usize::from(self.off.is_some())
    }

    /// Takes everything that has to be stored.
    pub(super) fn take_progress(&mut self) -> Progress {
        let mut lanes = Vec::new();
        for lane in self.queues.iter_mut().filter(|lane| lane.is_changed) {
            (lane.is_changed, lane.stored) = (false, lane.lane.number);
            lanes.push(lane.lane);
        }
        let (given_up, off) = (std::mem::take(&mut self.given_up), self.off.take());
        Progress { life: self.life, lanes, given_up, settled: Vec::new(), off }
    }

    /// Takes back what could not be stored.
    pub(super) fn restore_progress(&mut self, progress: Progress) {
        if progress.life != self.life {
            // The lanes began again, and the numbers of earlier events mean nothing now.
            self.off = self.off.or(progress.off);
            return;
        }
        for lane in &mut self.queues {
            lane.is_changed |= progress.lanes.iter().any(|other| other.stream == lane.lane.stream);
        }
        self.given_up.splice(..0, progress.given_up);
        self.off = self.off.or(progress.off);
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
