//! Time: the only module that reads the system's clocks. All others get a [`Clock`], or the time, as an argument.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::domain::{LAST_SECOND, UnixSeconds};

/// A wall clock, which can be set for tests, and a monotonic clock, which cannot. Clones share their state.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    wall: Arc<WallClock>,
}

/// How the wall clock differs from the system's.
#[derive(Debug, Default)]
struct WallClock {
    /// The time at which it is frozen; 0 while it runs.
    frozen: AtomicU64,
    /// How many seconds it is ahead of the system's clock while it runs.
    ahead: AtomicI64,
}

impl Clock {
    /// Creates a clock that follows the system's.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn system() -> Clock {
        Clock { started: Instant::now(), wall: Arc::default() }
    }

    /// Returns the wall clock's time, for signatures and timestamps.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        let now = match self.wall.frozen.load(Ordering::Relaxed) {
            0 => system_seconds().saturating_add_signed(self.wall.ahead.load(Ordering::Relaxed)),
            at => at,
        };
        // Exports and imports cannot represent a later time.
        now.min(LAST_SECOND)
    }

    /// The wall clock's time in milliseconds since 1970, for events. While the clock is frozen, it is a whole second.
    #[must_use]
    pub fn now_in_milliseconds(&self) -> u64 {
        let now = match self.wall.frozen.load(Ordering::Relaxed) {
            0 => {
                let ahead = self.wall.ahead.load(Ordering::Relaxed).saturating_mul(1_000);
                u64::try_from(self.system_time().as_millis()).unwrap_or(u64::MAX).saturating_add_signed(ahead)
            }
            at => at.saturating_mul(1_000),
        };
        now.min(LAST_SECOND.saturating_mul(1_000))
    }

    /// Returns the monotonic time since this clock was created. Setting the wall clock does not change it.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the system's time since 1970, even if the wall clock was set. Traces and metrics use it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn system_time(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// Returns whether the wall clock is frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.wall.frozen.load(Ordering::Relaxed) != 0
    }

    /// Returns whether the wall clock was set, so that it differs from the system's.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.is_frozen() || self.wall.ahead.load(Ordering::Relaxed) != 0
    }

    /// Freezes the wall clock at `at`, or at its current time.
    pub fn freeze(&self, at: Option<UnixSeconds>) {
        self.wall.frozen.store(at.unwrap_or_else(|| self.now()).max(1), Ordering::Relaxed);
    }

    /// Moves the wall clock forward, whether it is frozen or running.
    pub fn advance(&self, seconds: u32) {
        match self.wall.frozen.load(Ordering::Relaxed) {
            0 => drop(self.wall.ahead.fetch_add(i64::from(seconds), Ordering::Relaxed)),
            at => self.wall.frozen.store(at.saturating_add(u64::from(seconds)), Ordering::Relaxed),
        }
    }

    /// Makes the wall clock follow the system's again.
    pub fn resume(&self) {
        self.wall.ahead.store(0, Ordering::Relaxed);
        self.wall.frozen.store(0, Ordering::Relaxed);
    }
}

/// A point in time by which something must be complete. Code that waits for one step of the work can ask how much time
/// is left.
#[derive(Clone, Debug)]
pub struct Deadline {
    clock: Clock,
    at: Duration,
}

impl Deadline {
    /// Returns the deadline at `time` from now.
    #[must_use]
    pub fn after(clock: &Clock, time: Duration) -> Deadline {
        Deadline { clock: clock.clone(), at: clock.elapsed().saturating_add(time) }
    }

    /// Returns a deadline that is earlier by `by`.
    #[must_use]
    pub fn earlier(&self, by: Duration) -> Deadline {
        Deadline { clock: self.clock.clone(), at: self.at.saturating_sub(by) }
    }

    /// Returns this deadline, or `time` from now if that is later.
    #[must_use]
    pub fn at_least(&self, time: Duration) -> Deadline {
        Deadline { clock: self.clock.clone(), at: self.at.max(self.clock.elapsed().saturating_add(time)) }
    }

    /// Returns the time that is left; zero after the deadline.
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
    fn setting_the_wall_clock_changes_all_clones_but_not_the_monotonic_time() {
        let clock = Clock::system();
        let (other, before) = (clock.clone(), clock.elapsed());
        clock.freeze(Some(1_700_000_000));
        assert_eq!((other.now(), other.is_frozen()), (1_700_000_000, true));
        other.advance(86_400);
        assert_eq!(clock.now(), 1_700_086_400);
        assert_eq!(other.now_in_milliseconds(), 1_700_086_400_000);
        assert!(clock.elapsed() >= before && clock.elapsed() < Duration::from_secs(60));
        clock.resume();
        assert!(!other.is_frozen() && other.now().abs_diff(system_seconds()) < 60);
        clock.advance(1_000_000);
        assert!(other.now() >= system_seconds() + 1_000_000);
        assert!((other.now_in_milliseconds() / 1_000).abs_diff(clock.now()) < 60);
    }
}
