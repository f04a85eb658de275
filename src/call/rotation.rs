//! Logs calls that still use the previous key of an app, at most once a minute per app.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    auth::PreviousUse,
    domain::AppId,
    excerpt,
    log_lines::{log, unquoted},
    masking,
};

/// The shortest time between two log lines about an app.
const PAUSE: Duration = Duration::from_secs(60);

/// The last log line about each app: when it was written, and how many calls there had been.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<HashMap<AppId, (Duration, u64)>>);

impl Reports {
    /// Logs new calls at `now` of the monotonic clock. Called about once a second.
    pub(super) fn report(&self, all: &[PreviousUse], now: Duration) {
        for PreviousUse { app, until, calls, last } in self.due(all, now) {
            let (identifier, source) = last.unzip();
            let identifier =
                identifier.as_deref().map(|text| excerpt::plain(&masking::text(text)).to_string());
            log!(
                PREVIOUS_KEY_USED,
                app = app.number(),
                calls,
                until,
                identifier = identifier.map(unquoted),
                source = source.map(unquoted)
            );
        }
    }

    /// Returns what has to be logged, with the number of calls since the last line.
    fn due(&self, all: &[PreviousUse], now: Duration) -> Vec<PreviousUse> {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A smaller count belongs to a newer previous key, which is counted from 0.
        logged.retain(|app, (_, calls)| all.iter().any(|one| one.app == *app && one.calls >= *calls));
        let mut due = Vec::new();
        for one in all {
            let (at, before) = logged.get(&one.app).copied().unwrap_or_default();
            if one.calls > before && (before == 0 || now >= at + PAUSE) {
                logged.insert(one.app, (now, one.calls));
                due.push(PreviousUse { calls: one.calls - before, ..one.clone() });
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_has_a_line_a_minute_at_most() {
        let reports = Reports::default();
        let used = |number, calls| {
            let app = AppId::new(number).unwrap();
            PreviousUse { app, until: 0, calls, last: None }
        };
        let due = |all: &[PreviousUse], second| {
            let due = reports.due(all, Duration::from_secs(second));
            due.into_iter().map(|one| (one.app.number(), one.calls)).collect::<Vec<_>>()
        };
        assert_eq!(due(&[used(1, 0), used(2, 0)], 10), []);
        assert_eq!(due(&[used(1, 3), used(2, 0)], 11), [(1, 3)]);
        assert_eq!(due(&[used(1, 5), used(2, 1)], 12), [(2, 1)]);
        assert_eq!(due(&[used(1, 9), used(2, 1)], 71), [(1, 6)]);
        assert_eq!(due(&[used(1, 9), used(2, 1)], 500), [], "no new calls");
        assert_eq!(due(&[used(1, 2)], 501), [(1, 2)], "a new key should be counted from 0");
    }
}
