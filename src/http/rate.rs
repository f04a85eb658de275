//! Calls per second: fixed windows of the monotonic clock, per app and command (decision 19).

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{
    api::{Command, Error},
    auth::Apps,
    domain::AppId,
};

/// Whether calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// As the service does.
    On,
    /// Every call passes.
    Off,
}

/// The counters: for each app one per command, the second in the upper half of the number and the
/// calls in it in the lower.
pub(super) struct Rates {
    limit: RateLimit,
    windows: HashMap<AppId, [AtomicU64; Command::ALL.len()]>,
}

impl Rates {
    pub(super) fn new(limit: RateLimit, apps: &Apps) -> Rates {
        let windows = (apps.all().into_iter())
            .map(|app| (app.id, std::array::from_fn(|_| AtomicU64::new(0))))
            .collect();
        Rates { limit, windows }
    }

    /// Counts one call at `elapsed` of the monotonic clock.
    ///
    /// # Errors
    /// [`Error::Frequency`] when the second is full; the call is then not counted.
    pub(super) fn take(&self, app: AppId, command: Command, elapsed: Duration) -> Result<(), Error> {
        let Some(windows) = self.windows.get(&app).filter(|_| self.limit == RateLimit::On) else {
            return Ok(());
        };
        let limit = command.per_second();
        let second = elapsed.as_secs() << 32;
        let count = |seen: u64| {
            // A thread that read the clock before the last second ended counts in the newer one.
            let in_window = if seen >> 32 >= second >> 32 { seen } else { second };
            (in_window & 0xffff_ffff < u64::from(limit)).then_some(in_window + 1)
        };
        match windows[command as usize].fetch_update(Ordering::Relaxed, Ordering::Relaxed, count) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Frequency {
                command: command.name(),
                limit,
                wait_ms: 1_000 - elapsed.subsec_millis(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{App, SecretKey};

    fn rates() -> (Rates, AppId) {
        let id = AppId::new(1).unwrap();
        let app = App::new(id, SecretKey::new("k").unwrap(), Vec::new());
        (Rates::new(RateLimit::On, &Apps::new([app])), id)
    }

    #[test]
    fn the_201st_call_of_a_second_is_refused_and_the_next_second_is_free() {
        let (rates, app) = rates();
        let at = Duration::from_millis;
        for call in 0..200 {
            assert!(rates.take(app, Command::MarkContact, at(5_000 + call)).is_ok(), "call {call}");
        }
        let refused = rates.take(app, Command::MarkContact, at(5_750)).unwrap_err();
        assert!(matches!(refused, Error::Frequency { limit: 200, wait_ms: 250, .. }), "{refused:?}");
        assert!(rates.take(app, Command::GetContactGroup, at(5_750)).is_ok(), "another command");
        assert!(rates.take(app, Command::MarkContact, at(6_000)).is_ok(), "the next second");
    }

    #[test]
    fn account_lists_have_100_a_second() {
        let (rates, app) = rates();
        let passed = (0..150).filter(|_| rates.take(app, Command::AccountCheck, Duration::ZERO).is_ok());
        assert_eq!(passed.count(), 100);
    }

    #[test]
    fn many_threads_share_one_window_exactly() {
        let (rates, app) = rates();
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let take = |_: &u32| {
                            rates.take(app, Command::GetContactGroup, Duration::from_secs(9)).is_ok()
                        };
                        (0..100u32).filter(take).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 200);
    }
}
