//! Makes the feed give way to writes. Sending every change to many readers takes time from the calls that make the
//! changes. The feed therefore sends as much as it can while little is being written, but takes only a small part of
//! the machine's time while the writer of the store is busy. Events that are held back reach their readers later.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::call::answer::SendingTime;

/// The part of the machine's time that sending may take while the writer is busy, and while nothing is being written.
const LEAST: f64 = 1.0 / 96.0;
const MOST: f64 = 0.5;
/// If the writer works for at least this part of the time, it counts as busy, because calls often have to wait for it
/// then.
const BUSY: f64 = 0.5;
/// The load of the writer is averaged over about this many seconds: over fewer when it rises, because until then the feed
/// takes time from the calls, and over more when it falls, because pauses between calls are no sign of an idle writer.
const RISING: f64 = 0.05;
const FALLING: f64 = 0.5;
/// The shortest time over which the load of the writer is measured.
const WINDOW: Duration = Duration::from_millis(20);
/// The longest time until the load is measured again while readers wait, because the writer may have become idle.
const AGAIN: Duration = Duration::from_millis(50);

/// Decides when the feed may send more.
#[derive(Debug)]
pub(super) struct Pace {
    /// The time that sending has taken.
    pub(super) sending: Arc<SendingTime>,
    /// How many processors the machine has.
    processors: f64,
    measured: Mutex<Measured>,
}

/// What was measured, and when.
#[derive(Debug)]
struct Measured {
    at: Instant,
    /// The time that sending had taken, and how long the writer had been busy.
    sending: Duration,
    writing: Duration,
    /// The load of the writer: the part of the time in which it is busy.
    busy: f64,
    /// The time in seconds, on all processors, by which sending is ahead of the part that it may take.
    ahead: f64,
    /// The part that sending may take.
    part: f64,
}

impl Pace {
    /// Creates the pace of a machine with this many processors.
    pub(super) fn new(processors: usize) -> Pace {
        Pace {
            sending: Arc::default(),
            processors: u32::try_from(processors).map_or(1.0, f64::from).max(1.0),
            measured: Mutex::new(Measured {
                at: Instant::now(),
                sending: Duration::ZERO,
                writing: Duration::ZERO,
                busy: 0.0,
                ahead: 0.0,
                part: MOST,
            }),
        }
    }

    /// Waits until the feed may send more. `writing` returns how long the writer of the store has been busy since it was
    /// opened.
    pub(super) async fn turn(&self, writing: impl Fn() -> Duration) {
        while let Some(wait) = self.wait(Instant::now(), &writing) {
            sleep_until(Instant::now() + wait.min(AGAIN)).await;
        }
    }

    /// Returns how free the feed is to send: from 0, while the writer is busy, to 1, while it is idle.
    pub(super) fn freedom(&self) -> f64 {
        let part = self.measured.lock().unwrap_or_else(PoisonError::into_inner).part;
        (part - LEAST) / (MOST - LEAST)
    }

    /// Returns how long the feed has to wait at `now`, as far as this is known; `None` if it need not wait.
    fn wait(&self, now: Instant, writing: impl Fn() -> Duration) -> Option<Duration> {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(measured.at) >= WINDOW {
            measured.add(now, self.sending.get(), writing(), self.processors);
        }
        let wait = measured.ahead / measured.part;
        (wait > 0.0).then(|| Duration::from_secs_f64(wait).max(WINDOW))
    }
}

impl Measured {
    fn add(&mut self, now: Instant, sending: Duration, writing: Duration, processors: f64) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let busy = (writing.saturating_sub(self.writing).as_secs_f64() / passed).min(1.0);
        let memory = if busy > self.busy { RISING } else { FALLING };
        self.busy += (busy - self.busy) * (passed / memory).min(1.0);
        let free = (1.0 - self.busy / BUSY).max(0.0);
        self.part = LEAST + (MOST - LEAST) * free * free;
        let sent = sending.saturating_sub(self.sending).as_secs_f64() / processors;
        self.ahead = (self.ahead + sent - passed * self.part).max(0.0);
        (self.at, self.sending, self.writing) = (now, sending, writing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESSORS: u32 = 2;

    /// A pace whose clock is moved by hand, and a writer.
    struct Try {
        pace: Pace,
        now: Instant,
        writing: Duration,
    }

    impl Try {
        fn new() -> Try {
            Try { pace: Pace::new(PROCESSORS as usize), now: Instant::now(), writing: Duration::ZERO }
        }

        /// Lets time pass in short steps while the writer is busy for a part of it. Returns when the feed was allowed to
        /// send for the first time; `None` if it was not.
        fn pass(&mut self, time: Duration, busy: f64) -> Option<Duration> {
            let (began, mut allowed) = (self.now, None);
            while self.now < began + time {
                self.now += WINDOW;
                self.writing += WINDOW.mul_f64(busy);
                if self.pace.wait(self.now, || self.writing).is_none() {
                    allowed.get_or_insert(self.now - began);
                }
            }
            allowed
        }

        /// Sends for this part of the machine's time in `time`.
        fn send(&self, time: Duration) {
            self.pace.sending.add(time * PROCESSORS);
        }
    }

    #[test]
    fn sending_does_not_wait_while_nothing_is_written_or_little_was_sent() {
        let mut one = Try::new();
        one.send(Duration::from_millis(900).mul_f64(MOST));
        assert_eq!(one.pass(Duration::from_secs(1), 0.0), Some(Duration::from_millis(900)));
        one.pass(Duration::from_secs(20), 1.0);
        assert_eq!(one.pass(Duration::from_secs(1), 1.0), Some(WINDOW), "nothing was sent");
    }

    #[test]
    fn while_the_writer_is_busy_sending_takes_a_small_part_of_the_time() {
        for busy in [BUSY, 0.9, 1.0] {
            let mut one = Try::new();
            one.pass(Duration::from_secs(20), busy);
            one.send(Duration::from_millis(10));
            let allowed = one.pass(Duration::from_secs(2), busy).unwrap();
            let expected = Duration::from_millis(10).div_f64(LEAST);
            assert!(allowed.abs_diff(expected) <= WINDOW * 2, "{busy}: {allowed:?}");
        }
    }

    #[test]
    fn the_feed_gives_way_soon_after_the_writer_has_become_busy() {
        let mut one = Try::new();
        one.pass(Duration::from_millis(150), 1.0);
        assert!(one.pace.freedom() < 0.01, "{}", one.pace.freedom());
        // A short pause changes little.
        one.pass(Duration::from_millis(40), 0.0);
        assert!(one.pace.freedom() < 0.1, "{}", one.pace.freedom());
    }

    #[test]
    fn readers_catch_up_soon_after_the_writer_has_become_idle() {
        let mut one = Try::new();
        one.pass(Duration::from_secs(20), 1.0);
        one.send(Duration::from_millis(300));
        assert_eq!(one.pass(Duration::from_secs(10), 1.0), None, "it would take 19 seconds");
        let allowed = one.pass(Duration::from_secs(10), 0.0).unwrap();
        assert!(allowed < Duration::from_secs(2), "{allowed:?}");
    }
}
