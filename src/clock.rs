//! The time. Everything below `server` is told the time; this is where it is asked for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::domain::{LAST_SECOND, UnixSeconds};

/// A clock with two hands: the wall clock, which may step, and a monotonic one for rates. The first can
/// be set, for tests; all clones of a clock show the same.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    wall: Arc<WallClock>,
}

/// How the wall clock differs from the system's.
#[derive(Debug, Default)]
struct WallClock {
    /// Where it stands still; 0 while it runs.
    frozen: AtomicU64,
    /// How many seconds it is ahead.
    ahead: AtomicI64,
}

impl Clock {
    /// The clock of this machine.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn system() -> Clock {
        Clock { started: Instant::now(), wall: Arc::default() }
    }

    /// Seconds since 1970, for signatures and timestamps.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        let now = match self.wall.frozen.load(Ordering::Relaxed) {
            0 => system_seconds().saturating_add_signed(self.wall.ahead.load(Ordering::Relaxed)),
            at => at,
        };
        // No later time can be exported and imported again.
        now.min(LAST_SECOND)
    }

    /// Time since the clock was made, never stepping, whatever is done to the other hand.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The system's own time since 1970, whatever this clock shows: for traces.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn system_time(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// Whether the wall clock stands still.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.wall.frozen.load(Ordering::Relaxed) != 0
    }

    /// Whether the wall clock was set, and shows another time than the system's.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.is_frozen() || self.wall.ahead.load(Ordering::Relaxed) != 0
    }

    /// Lets the wall clock stand still, at `at` or where it is.
    pub fn freeze(&self, at: Option<UnixSeconds>) {
        self.wall.frozen.store(at.unwrap_or_else(|| self.now()).max(1), Ordering::Relaxed);
    }

    /// Moves the wall clock on, whether it stands still or runs.
    pub fn advance(&self, seconds: u32) {
        match self.wall.frozen.load(Ordering::Relaxed) {
            0 => drop(self.wall.ahead.fetch_add(i64::from(seconds), Ordering::Relaxed)),
            at => self.wall.frozen.store(at.saturating_add(u64::from(seconds)), Ordering::Relaxed),
        }
    }

    /// Lets the wall clock run again as the system's does.
    pub fn resume(&self) {
        self.wall.ahead.store(0, Ordering::Relaxed);
        self.wall.frozen.store(0, Ordering::Relaxed);
    }
}

/// A moment by which something has to have happened. All who wait for a part of it ask what is left.
#[derive(Clone, Debug)]
pub struct Deadline {
    clock: Clock,
    at: Duration,
}

impl Deadline {
    /// So long from now.
    #[must_use]
    pub fn after(clock: &Clock, time: Duration) -> Deadline {
        Deadline { clock: clock.clone(), at: clock.elapsed().saturating_add(time) }
    }

    /// So much earlier.
    #[must_use]
    pub fn earlier(&self, by: Duration) -> Deadline {
        Deadline { clock: self.clock.clone(), at: self.at.saturating_sub(by) }
    }

    /// The same, or so long from now if that is later.
    #[must_use]
    pub fn at_least(&self, time: Duration) -> Deadline {
        Deadline { clock: self.clock.clone(), at: self.at.max(self.clock.elapsed().saturating_add(time)) }
    }

    /// The time until then; none when it has passed.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.at.saturating_sub(self.clock.elapsed())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
fn system_seconds() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_shows_the_same_everywhere_and_its_other_hand_goes_on() {
        let clock = Clock::system();
        let (other, before) = (clock.clone(), clock.elapsed());
        clock.freeze(Some(1_700_000_000));
        assert_eq!((other.now(), other.is_frozen()), (1_700_000_000, true));
        other.advance(86_400);
        assert_eq!(clock.now(), 1_700_086_400);
        assert!(clock.elapsed() >= before && clock.elapsed() < Duration::from_secs(60));
        clock.resume();
        assert!(!other.is_frozen() && other.now().abs_diff(system_seconds()) < 60);
        clock.advance(1_000_000);
        assert!(other.now() >= system_seconds() + 1_000_000);
    }
}
