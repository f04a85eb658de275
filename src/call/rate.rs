//! Limits calls per second, in fixed windows of the monotonic clock, per app and command (decision 19).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    api::{Command, Error},
    auth::{App, Apps},
    domain::AppId,
};

/// Whether the rate of calls is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// Limited, as in the original service.
    On,
    /// Unlimited.
    Off,
}

/// The counters: one per app and command, with the second in the upper half of the number and the calls during it in
/// the lower half.
pub(super) struct Rates {
    limit: RateLimit,
    windows: HashMap<AppId, Arc<Windows>>,
}

/// How close an app has come to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NearLimit {
    /// Whether it is the limit of one command, or that of all commands together.
    pub(super) is_of_command: bool,
    /// The calls in this second so far.
    pub(super) calls: u32,
    /// The limit.
    pub(super) limit: u32,
}

/// The shortest time between two warnings about the commands of one app, and between two about its own limit, in
/// seconds.
const WARN_EVERY: u64 = 60;

struct Windows {
    commands: [AtomicU64; Command::ALL.len()],
    /// All commands together.
    app: AtomicU64,
    /// Received webhooks.
    callbacks: AtomicU64,
    /// The second from which the next warning about a command is allowed, and the same for the app's own limit.
    warn_from: AtomicU64,
    warn_of_app_from: AtomicU64,
}

impl Rates {
    pub(super) fn new(limit: RateLimit, apps: &Apps) -> Rates {
        Rates { limit, windows: HashMap::new() }.with(apps)
    }

    /// Returns the counters of these apps. Existing ones keep their values.
    pub(super) fn with(&self, apps: &Apps) -> Rates {
        let windows = |id| self.windows.get(&id).map_or_else(Arc::default, Arc::clone);
        Rates {
            limit: self.limit,
            windows: apps.all().into_iter().map(|app| (app.id, windows(app.id))).collect(),
        }
    }

    /// Counts one call at `elapsed` of the monotonic clock. Returns a warning if this call reaches 80 % of the limit
    /// of the command or of the app: at most one a minute about the commands of an app, and one a minute about its
    /// own limit.
    ///
    /// # Errors
    /// Returns [`Error::Frequency`] or [`Error::AppFrequency`] when the limit of this second is reached.
    pub(super) fn take(
        &self,
        app: &App,
        command: Command,
        elapsed: Duration,
    ) -> Result<Option<NearLimit>, Error> {
        let Some(windows) = self.windows.get(&app.id).filter(|_| self.limit == RateLimit::On) else {
            return Ok(None);
        };
        let wait_ms = 1_000 - elapsed.subsec_millis();
        let of_app = match app.calls_per_second {
            None => None,
            Some(limit) => match count(&windows.app, limit, elapsed) {
                None => return Err(Error::AppFrequency { limit, wait_ms }),
                Some(calls) => Some(NearLimit { is_of_command: false, calls, limit }),
            },
        };
        let limit = app.rates.of(command.name()).unwrap_or_else(|| command.per_second());
        if let Some(calls) = count(&windows.commands[command as usize], limit, elapsed) {
            let of_command = NearLimit { is_of_command: true, calls, limit };
            let is_near = |near: &NearLimit| windows.is_near_limit(near, elapsed.as_secs());
            return Ok(of_app.filter(is_near).or_else(|| Some(of_command).filter(is_near)));
        }
        // A refused call must not count towards the app's limit either.
        if app.calls_per_second.is_some() {
            let given_back = |seen: u64| (seen & 0xffff_ffff > 0).then(|| seen - 1);
            let _ = windows.app.fetch_update(Ordering::Relaxed, Ordering::Relaxed, given_back);
        }
        Err(Error::Frequency { command: command.name(), limit, wait_ms })
    }
}

impl Rates {
    /// Counts one received webhook at `elapsed` of the monotonic clock. Returns false when the limit of this second is
    /// reached. Webhooks do not count as calls.
    pub(super) fn take_callback(&self, app: AppId, limit: Option<u32>, elapsed: Duration) -> bool {
        let windows = self.windows.get(&app);
        let Some((limit, windows)) = limit.zip(windows) else { return true };
        count(&windows.callbacks, limit, elapsed).is_some()
    }
}

impl Windows {
    /// Checks whether this call is the one that reaches 80 % of a limit, and whether a warning is allowed now.
    fn is_near_limit(&self, near: &NearLimit, second: u64) -> bool {
        if u64::from(near.calls) != (u64::from(near.limit) * 4).div_ceil(5) {
            return false;
        }
        let warn_from = if near.is_of_command { &self.warn_from } else { &self.warn_of_app_from };
        let next = |from: u64| (from <= second).then_some(second + WARN_EVERY);
        warn_from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

impl Default for Windows {
    fn default() -> Windows {
        Windows {
            commands: std::array::from_fn(|_| AtomicU64::new(0)),
            app: AtomicU64::new(0),
            callbacks: AtomicU64::new(0),
            warn_from: AtomicU64::new(0),
            warn_of_app_from: AtomicU64::new(0),
        }
    }
}

/// Counts a call in the window of this second, and returns the calls in it so far. Returns `None` if the limit is
/// reached.
fn count(window: &AtomicU64, limit: u32, elapsed: Duration) -> Option<u32> {
    let second = elapsed.as_secs() << 32;
    let one_more = |seen: u64| {
        // A thread that read the clock just before the second ended counts in the newer window.
        let in_window = if seen >> 32 >= second >> 32 { seen } else { second };
        (in_window & 0xffff_ffff < u64::from(limit)).then_some(in_window + 1)
    };
    let before = window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
    let calls = one_more(before).map_or(0, |after| after & 0xffff_ffff);
    u32::try_from(calls).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{App, CallRates, SecretKey};

    fn app(calls_per_second: Option<u32>) -> App {
        let app = App::new(AppId::new(1).unwrap(), SecretKey::new("k").unwrap(), Vec::new());
        App { calls_per_second, ..app }
    }

    fn rates() -> (Rates, App) {
        (Rates::new(RateLimit::On, &Apps::new([app(None)])), app(None))
    }

    #[test]
    fn the_201st_call_of_a_second_is_refused_and_the_next_second_is_free() {
        let (rates, app) = rates();
        let at = Duration::from_millis;
        for call in 0..200 {
            assert!(rates.take(&app, Command::MarkContact, at(5_000 + call)).is_ok(), "call {call}");
        }
        let refused = rates.take(&app, Command::MarkContact, at(5_750)).unwrap_err();
        assert!(matches!(refused, Error::Frequency { limit: 200, wait_ms: 250, .. }), "{refused:?}");
        assert!(rates.take(&app, Command::GetContactGroup, at(5_750)).is_ok(), "another command");
        assert!(rates.take(&app, Command::MarkContact, at(6_000)).is_ok(), "the next second");
    }

    #[test]
    fn the_call_that_reaches_80_percent_of_a_limit_is_noticed_at_most_once_a_minute() {
        let (rates, app) = rates();
        let near = |command, second| -> Vec<NearLimit> {
            (0..200).filter_map(|_| rates.take(&app, command, Duration::from_secs(second)).unwrap()).collect()
        };
        assert_eq!(
            near(Command::MarkContact, 5),
            [NearLimit { is_of_command: true, calls: 160, limit: 200 }]
        );
        assert_eq!(near(Command::MarkContact, 6), []);
        assert_eq!(near(Command::GetContactGroup, 64), []);
        assert_eq!(
            near(Command::GetContactGroup, 65),
            [NearLimit { is_of_command: true, calls: 160, limit: 200 }]
        );
        let few = App { rates: CallRates { named: Vec::new(), others: Some(1) }, ..app };
        let second = Duration::from_secs(125);
        let only = rates.take(&few, Command::MarkContact, second).unwrap();
        assert_eq!(only, Some(NearLimit { is_of_command: true, calls: 1, limit: 1 }));
    }

    #[test]
    fn an_app_may_have_a_limit_over_all_commands() {
        let app = app(Some(3));
        let rates = Rates::new(RateLimit::On, &Apps::new([app.clone()]));
        let take = |command, second| rates.take(&app, command, Duration::from_secs(second));
        for command in [Command::MarkContact, Command::GetContactGroup, Command::MarkContact] {
            assert!(take(command, 7).is_ok());
        }
        assert!(matches!(take(Command::AccountCheck, 7), Err(Error::AppFrequency { limit: 3, .. })));
        assert!(take(Command::AccountCheck, 8).is_ok());
    }

    #[test]
    fn the_call_that_reaches_80_percent_of_the_limit_of_an_app_is_noticed_besides_those_of_commands() {
        let app = app(Some(250));
        let rates = Rates::new(RateLimit::On, &Apps::new([app.clone()]));
        let near = |command| -> Vec<NearLimit> {
            let take = |_| rates.take(&app, command, Duration::from_secs(7)).ok()?;
            (0..160).filter_map(take).collect()
        };
        let of = |is_of_command, calls, limit| [NearLimit { is_of_command, calls, limit }];
        assert_eq!(near(Command::MarkContact), of(true, 160, 200));
        assert_eq!(near(Command::GetContactGroup), of(false, 200, 250));
    }

    #[test]
    fn a_refused_call_counts_nowhere() {
        let app = app(Some(250));
        let rates = Rates::new(RateLimit::On, &Apps::new([app.clone()]));
        let take = |command| rates.take(&app, command, Duration::from_secs(7));
        assert_eq!((0..300).filter(|_| take(Command::MarkContact).is_ok()).count(), 200);
        assert_eq!(
            (0..300).filter(|_| take(Command::GetContactGroup).is_ok()).count(),
            50,
            "the rest of the app's limit"
        );
        assert!(
            matches!(take(Command::GetContactGroup), Err(Error::AppFrequency { .. })),
            "the app's limit should refuse it, not the command's"
        );
    }

    #[test]
    fn counting_continues_when_the_apps_change() {
        let (rates, app) = rates();
        let take = |rates: &Rates, app: &App| {
            rates.take(app, Command::GetContactGroup, Duration::from_secs(7)).is_ok()
        };
        assert_eq!((0..300).filter(|_| take(&rates, &app)).count(), 200);
        let stricter = App { calls_per_second: Some(1), ..app };
        let other = App { id: AppId::new(2).unwrap(), ..stricter.clone() };
        let next = rates.with(&Apps::new([stricter.clone(), other.clone()]));
        assert!(!take(&next, &stricter), "the counter of this second should be kept");
        assert!(take(&next, &other) && !take(&next, &other), "a new app should start with an empty counter");
    }

    #[test]
    fn most_commands_have_200_a_second() {
        for command in Command::ALL {
            let (rates, app) = rates();
            let passed = (0..300).filter(|_| rates.take(&app, *command, Duration::ZERO).is_ok()).count();
            let expected = match command {
                Command::MultiaccountImport
                | Command::AccountCheck
                | Command::AccountDelete
                | Command::Undo => 100,
                _ => 200,
            };
            assert_eq!(passed, expected, "{}", command.name());
        }
    }

    #[test]
    fn an_app_may_have_other_limits_for_its_commands() {
        let app = App {
            rates: CallRates { named: vec![("get_contact_group", 250)], others: Some(3) },
            ..app(None)
        };
        let rates = Rates::new(RateLimit::On, &Apps::new([app.clone()]));
        let passed =
            |command| (0..300).filter(|_| rates.take(&app, command, Duration::from_secs(7)).is_ok()).count();
        assert_eq!((passed(Command::GetContactGroup), passed(Command::MarkContact)), (250, 3));
        let refused = rates.take(&app, Command::MarkContact, Duration::from_secs(7)).unwrap_err();
        assert!(matches!(refused, Error::Frequency { limit: 3, .. }), "{refused:?}");
    }

    #[test]
    fn account_lists_have_100_a_second() {
        let (rates, app) = rates();
        let passed = (0..150).filter(|_| rates.take(&app, Command::AccountCheck, Duration::ZERO).is_ok());
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
                            rates.take(&app, Command::GetContactGroup, Duration::from_secs(9)).is_ok()
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
