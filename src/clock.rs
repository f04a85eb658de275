//! The time. Everything below `server` is told the time; this is where it is asked for.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::UnixSeconds;

/// A clock with two hands: the wall clock, which may step, and a monotonic one for rates.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// The clock of this machine.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn system() -> Clock {
        Clock { started: Instant::now() }
    }

    /// Seconds since 1970, for signatures and timestamps.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn now(&self) -> UnixSeconds {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Time since the clock was made, never stepping.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
