//! What to send next, and what follows from each answer.

use super::{
    super::{
        queue::{given_up, time_of},
        sending::{Outcome, Verdict},
    },
    Lanes,
};
use crate::{domain::FeedEntry, store::Placed};

/// After how many seconds an event is sent again, for each attempt that failed. After the last one it is given up.
pub(super) const RETRIES: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// The time that all attempts take together, in milliseconds.
const WHOLE: u64 = {
    let (mut whole, mut attempt) = (0, 0);
    while attempt < RETRIES.len() {
        whole += RETRIES[attempt] * 1_000;
        attempt += 1;
    }
    whole
};
/// The part of a wait by which it may be longer, so that not all events come back at the same time.
const JITTER: f64 = 0.2;
/// The longest wait, in milliseconds.
pub(super) const LONGEST: u64 = 103_680_000;
/// How long every attempt has to fail until a destination is paused, in milliseconds.
const PAUSE_AFTER: u64 = 3_600_000;
/// How often a paused destination is tried, in milliseconds.
pub(super) const PROBE_EVERY: u64 = 300_000;
/// After this time without an answer, in milliseconds, a message does not keep others from being sent. Otherwise, a few
/// users whose messages are not answered would hold up all others.
pub(super) const SLOW: u64 = 250;
/// The maximum number of messages that wait for their answers, slow ones included, as a multiple of the maximum
/// without slow ones.
const WITH_SLOW: usize = 4;

/// An event to send.
#[derive(Clone, Debug)]
pub(in crate::webhooks) struct Due {
    pub(in crate::webhooks) placed: Placed,
    /// Whether it is sent because its time has come, and not only to find out whether the receiver is back.
    is_due: bool,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::webhooks) enum Turn {
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
    /// Takes the next event that may be sent at this time, if fewer than `most` are being sent. `wants` says which ones are
    /// to be sent at all.
    pub(in crate::webhooks) fn take(
        &mut self,
        now: u64,
        most: usize,
        wants: impl Fn(&FeedEntry) -> bool,
    ) -> Option<Due> {
        let (most, in_all) = if self.is_paused { (1, 1) } else { (most, most * WITH_SLOW) };
        let is_new = |lane: &&super::LaneQueue| lane.sent.is_some_and(|sent| now < sent + SLOW);
        let new = self.queues.iter().filter(is_new).count();
        if self.is_off || self.rests_until > now || new >= most || self.in_flight >= in_all {
            return None;
        }
        // Events that failed before may fail again, so some room is left for others.
        let again = self.queues.iter().filter(is_new).filter(|lane| lane.lane.attempts > 0).count();
        let may_repeat = self.is_paused || again < most.div_ceil(2);
        let count = self.queues.len();
        // A paused destination is tried with the event that has waited longest for its turn.
        let is_paused = self.is_paused;
        let mut order: Vec<usize> = (0..count).map(|step| (self.next + step) % count).collect();
        if is_paused {
            order.sort_by_key(|index| self.queues[*index].lane.due);
        }
        for index in order {
            let lane = &mut self.queues[index];
            if lane.sent.is_some()
                || (lane.lane.due > now && !is_paused)
                || (lane.lane.attempts > 0 && !may_repeat)
            {
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
                lane.sent = Some(now);
                self.in_flight += 1;
                self.next = (index + 1) % count;
                return Some(due);
            }
        }
        None
    }

    /// Takes an answer into account. `jitter` is a random number below 1.
    pub(in crate::webhooks) fn answered(
        &mut self,
        due: &Due,
        outcome: &Outcome,
        now: u64,
        jitter: f64,
    ) -> Turn {
        let Some(lane) = self.queues.iter_mut().find(|lane| lane.lane.stream == due.placed.stream) else {
            return Turn::GoOn;
        };
        if lane.sent.take().is_none() {
            // The lanes began again while the event was on its way.
            return Turn::GoOn;
        }
        self.in_flight -= 1;
        let reason = match &outcome.verdict {
            Verdict::Delivered => {
                lane.queue.pop_front();
                lane.pass(due.placed.number);
                self.delivered += 1;
                (self.failing_since, self.rest_asked_by) = (None, None);
                self.rest(outcome.rest, now);
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
            Verdict::Busy(_) => lane.is_busy_alone(now, self.delivered),
            Verdict::Refused(_) => due.is_due || !self.is_paused,
            _ => !self.is_paused,
        };
        lane.forget_queue();
        lane.waits_since = Some(time_of(&due.placed.entry));
        if counts {
            lane.is_changed = true;
            let attempts = usize::try_from(lane.lane.attempts).unwrap_or(usize::MAX);
            lane.lane.attempts = lane.lane.attempts.saturating_add(1);
            let wait = match &outcome.verdict {
                Verdict::Busy(_) => None,
                _ => RETRIES.get(attempts),
            };
            let Some(seconds) = wait else {
                self.given_up.push(given_up(&due.placed, now, reason));
                lane.pass(due.placed.number);
                lane.read = due.placed.number;
                return Turn::GaveUp;
            };
            lane.lane.due = now + milliseconds(*seconds, jitter);
        }
        if let Some(rest) = outcome.rest {
            lane.lane.due = lane.lane.due.max(now + rest * 1_000);
        }
        let stream = due.placed.stream;
        // A receiver that is overloaded asks for a rest whatever it is sent. So all lanes rest only after a message
        // of a second lane was answered in this way. Otherwise, a single event that is always answered like this
        // would hold up all lanes.
        if outcome.rest.is_some() && self.rest_asked_by.replace(stream).is_some_and(|other| other != stream) {
            self.rest(outcome.rest, now);
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

    /// Sends nothing for this time, in seconds.
    fn rest(&mut self, seconds: Option<u64>, now: u64) {
        if let Some(seconds) = seconds {
            self.rests_until = self.rests_until.max(now + seconds * 1_000);
        }
    }
}

impl super::LaneQueue {
    /// Records that the receiver was too busy for the next event. Returns true if it has been too busy for this event
    /// for as long as a failed event is repeated, although it has accepted others in the meantime.
    fn is_busy_alone(&mut self, now: u64, delivered: u64) -> bool {
        let (since, before) = *self.busy.get_or_insert((now, delivered));
        delivered > before && now >= since + WHOLE
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
