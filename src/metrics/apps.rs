//! The counters of each app. The number of series is bounded by the numbers of configured apps and codes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{CODES, Now, exposition::Exposition, place_of};
use crate::{auth::Apps, domain::AppId, wire::code::Code};

/// The calls of each app, by code.
#[derive(Clone, Debug, Default)]
pub struct CallsOfApps(HashMap<AppId, Arc<[AtomicU64; CODES]>>);

impl CallsOfApps {
    /// Returns counters for these apps. Apps that were counted before keep their counts.
    #[must_use]
    pub fn with(&self, apps: &Apps) -> CallsOfApps {
        let none = || Arc::new(std::array::from_fn(|_| AtomicU64::new(0)));
        let counted = |id| self.0.get(&id).map_or_else(none, Arc::clone);
        CallsOfApps(apps.all().into_iter().map(|app| (app.id, counted(app.id))).collect())
    }

    /// Counts a call by an app. Apps that are not in the configuration are not counted.
    pub fn count(&self, app: AppId, code: Code) {
        if let Some(codes) = self.0.get(&app) {
            codes[place_of(code.number())].fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(super) fn render(now: &Now, out: &mut Exposition) {
    let family = "confold_app_calls_total";
    out.family(
        family,
        "counter",
        "Calls by app and code of the reply. A refused call counts for the app that it names.",
    );
    let mut apps: Vec<_> = now.apps.0.iter().collect();
    apps.sort_by_key(|(app, _)| **app);
    for (app, codes) in apps {
        for (place, count) in codes.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 || place == place_of(Code::OK.number()) {
                let code =
                    Code::ALL.get(place).map_or("other".to_owned(), |(_, code)| code.number().to_string());
                out.sample(family, &[("app", &app.to_string()), ("code", &code)], count);
            }
        }
    }
    let previous = &now.previous_keys;
    let (calls, until) = ("confold_previous_key_calls_total", "confold_previous_key_until_timestamp_seconds");
    out.family(calls, "counter", "Calls signed with the previous key of an app.");
    for one in previous {
        out.sample(calls, &[("app", &one.app.to_string())], one.calls);
    }
    out.family(until, "gauge", "When the previous key of an app stops being accepted.");
    for one in previous {
        out.sample(until, &[("app", &one.app.to_string())], one.until);
    }
}
