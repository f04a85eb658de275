//! The lanes of a destination: what to send next, and what follows from each answer. This file does no I/O and gets the
//! time as an argument.

use super::{
    queue::{LaneQueue, given_up, time_of},
    sending::{Outcome, Verdict},
    summary::Summary,
};
use crate::{
    domain::FeedEntry,
    store::{DeliveryState, FeedCursor, FeedPart, GivenUp, Life, Placed, Progress, Stream},
};

/// After how many seconds an event is sent again, for each attempt that failed. After the last one it is given up.
const RETRIES: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// The part of a wait by which it may be longer, so that not all events come back at the same time.
const JITTER: f64 = 0.2;
/// How long every attempt has to fail until a destination is paused, in milliseconds.
const PAUSE_AFTER: u64 = 3_600_000;
/// How often a paused destination is tried, in milliseconds.
const PROBE_EVERY: u64 = 300_000;

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
    /// What has to be stored, apart from lanes.
    given_up: Vec<GivenUp>,
    off: Option<bool>,
}

/// An event to send.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) placed: Placed,
    /// Whether it is sent because its time has come, and not only to find out whether the receiver is back.
    is_due: bool,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing special.
    GoOn,
    /// The destination works again after a pause.
    Resumed,
    /// The event is given up.
    GaveUp,
    /// The destination is paused.
    Paused,
    /// The destination is off.
    Off,
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
            given_up: Vec::new(),
            off: None,
        }
    }

    /// Checks whether any event is being sent.
    pub(super) fn is_sending(&self) -> bool {
        self.in_flight > 0
    }

    pub(super) fn summary(&self) -> Summary {
        let waiting = self.queues.iter().filter(|lane| lane.lane.attempts > 0);
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

    /// Returns the cursor from which to read further events; lanes that need none are at their end in it. Returns `None`
    /// if no lane needs any at this time.
    pub(super) fn cursor(&self, now: u64) -> Option<FeedCursor> {
        if self.is_off || self.rests_until > now {
            return None;
        }
        let mut cursor = FeedCursor {
            incarnation: self.life.incarnation,
            epoch: self.life.epoch,
            disbandings: u64::MAX,
            buckets: Vec::new(),
        };
        let mut is_wanted = false;
        for lane in &self.queues {
            let is_hungry = lane.queue.is_empty()
                && !lane.is_in_flight
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

    /// Takes events that were read from a cursor. Returns how many lanes have missed events, because they were removed
    /// before they were delivered, or `None` if the events are from another life.
    pub(super) fn fill(&mut self, cursor: &FeedCursor, part: FeedPart) -> Option<usize> {
        let FeedPart { entries, start, end, has_more, .. } = part;
        if (start.incarnation, start.epoch) != (self.life.incarnation, self.life.epoch) {
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

    /// Takes the next event that may be sent at this time, if fewer than `most` are being sent. `wants` says which ones are
    /// to be sent at all.
    pub(super) fn take(&mut self, now: u64, most: usize, wants: impl Fn(&FeedEntry) -> bool) -> Option<Due> {
        let most = if self.is_paused { 1 } else { most };
        if self.is_off || self.rests_until > now || self.in_flight >= most {
            return None;
        }
        let count = self.queues.len();
        // A paused destination is tried with the event that has waited longest for its turn.
        let is_paused = self.is_paused;
        let mut order: Vec<usize> = (0..count).map(|step| (self.next + step) % count).collect();
        if is_paused {
            order.sort_by_key(|index| self.queues[*index].lane.due);
        }
        for index in order {
            let lane = &mut self.queues[index];
            if lane.is_in_flight || (lane.lane.due > now && !is_paused) {
                continue;
            }
            while let Some(placed) = lane.queue.front()
                && !wants(&placed.entry)
            {
                let number = placed.number;
                lane.queue.pop_front();
                lane.pass(number);
            }
            if let Some(placed) = lane.queue.front() {
                let due = Due { placed: placed.clone(), is_due: lane.lane.due <= now };
                lane.is_in_flight = true;
                self.in_flight += 1;
                self.next = (index + 1) % count;
                return Some(due);
            }
        }
        None
    }

    /// Takes an answer into account. `jitter` is a random number below 1.
    pub(super) fn answered(&mut self, due: &Due, outcome: &Outcome, now: u64, jitter: f64) -> Turn {
        let Some(lane) = self.queues.iter_mut().find(|lane| lane.lane.stream == due.placed.stream) else {
            return Turn::GoOn;
        };
        if !std::mem::take(&mut lane.is_in_flight) {
            // The lanes began again while the event was on its way.
            return Turn::GoOn;
        }
        self.in_flight -= 1;
        if let Some(rest) = outcome.rest {
            self.rests_until = self.rests_until.max(now + rest * 1_000);
        }
        let reason = match &outcome.verdict {
            Verdict::Delivered => {
                lane.queue.pop_front();
                lane.pass(due.placed.number);
                self.failing_since = None;
                if std::mem::take(&mut self.is_paused) {
                    for lane in &mut self.queues {
                        lane.lane.due = 0;
                    }
                    return Turn::Resumed;
                }
                return Turn::GoOn;
            }
            Verdict::Gone => {
                lane.forget_queue();
                self.is_off = true;
                self.off = Some(true);
                return Turn::Off;
            }
            other => other.reason(),
        };
        // A receiver that does not answer says nothing about the event.
        let counts = match &outcome.verdict {
            Verdict::Busy(_) => false,
            Verdict::Refused(_) => due.is_due || !self.is_paused,
            _ => !self.is_paused,
        };
        lane.forget_queue();
        lane.waits_since = Some(time_of(&due.placed.entry));
        if counts {
            lane.is_changed = true;
            let attempts = usize::try_from(lane.lane.attempts).unwrap_or(usize::MAX);
            lane.lane.attempts = lane.lane.attempts.saturating_add(1);
            let Some(seconds) = RETRIES.get(attempts) else {
                self.given_up.push(given_up(&due.placed, now, reason));
                lane.pass(due.placed.number);
                lane.read = due.placed.number;
                return Turn::GaveUp;
            };
            lane.lane.due = now + milliseconds(*seconds, jitter);
        }
        let since = *self.failing_since.get_or_insert(now);
        if self.is_paused {
            self.rests_until = self.rests_until.max(now + PROBE_EVERY);
        } else if now.saturating_sub(since) >= PAUSE_AFTER {
            self.is_paused = true;
            self.rests_until = self.rests_until.max(now + PROBE_EVERY);
            return Turn::Paused;
        }
        Turn::GoOn
    }

    /// Sends everything that waits at once, also if the destination was off or paused.
    pub(super) fn enable(&mut self) {
        if std::mem::take(&mut self.is_off) {
            self.off = Some(false);
        }
        (self.is_paused, self.failing_since, self.rests_until) = (false, None, 0);
        for lane in self.queues.iter_mut().filter(|lane| lane.lane.attempts > 0) {
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
        let waits = |lane: &&LaneQueue| !lane.is_in_flight && lane.lane.due > now;
        self.queues.iter().filter(waits).map(|lane| lane.lane.due).min()
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
        for lane in &mut self.queues {
            lane.is_changed |= progress.lanes.iter().any(|other| other.stream == lane.lane.stream);
        }
        self.given_up.splice(..0, progress.given_up);
        self.off = self.off.or(progress.off);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a few days in milliseconds"
)]
fn milliseconds(seconds: u64, jitter: f64) -> u64 {
    (seconds as f64 * 1_000.0 * (1.0 + JITTER * jitter)) as u64
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
