//! Counts calls that use the previous key of an app, so that operators see when a key rotation is complete.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::Apps;
use crate::domain::{AppId, UnixSeconds};

/// The usage of previous keys, for all apps that have one.
#[derive(Clone, Debug, Default)]
pub(super) struct Rotations(HashMap<AppId, (UnixSeconds, Arc<Mutex<Usage>>)>);

#[derive(Clone, Debug, Default)]
struct Usage {
    calls: u64,
    last: Option<(String, IpAddr)>,
}

/// The usage of an app's previous key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousUse {
    /// The app.
    pub app: AppId,
    /// The last second in which the key is accepted.
    pub until: UnixSeconds,
    /// The number of calls signed with it.
    pub calls: u64,
    /// The identifier and source address of the last such call.
    pub last: Option<(String, IpAddr)>,
}

impl Rotations {
    /// Returns the counters for these apps; existing counters are kept.
    pub(super) fn with(&self, apps: &Apps) -> Rotations {
        let usage = |id| self.0.get(&id).map_or_else(Arc::default, |(_, usage)| Arc::clone(usage));
        let all = apps.all().into_iter();
        let previous = all.filter_map(|app| Some((app.id, app.previous_key.as_ref()?.until)));
        Rotations(previous.map(|(id, until)| (id, (until, usage(id)))).collect())
    }

    /// Counts a call that was signed with a previous key.
    pub(super) fn count(&self, app: AppId, identifier: &str, source: IpAddr) {
        let Some((_, usage)) = self.0.get(&app) else { return };
        let mut usage = usage.lock().unwrap_or_else(PoisonError::into_inner);
        usage.calls += 1;
        if usage.last.as_ref().is_none_or(|(last, from)| last != identifier || *from != source) {
            usage.last = Some((identifier.to_owned(), source));
        }
    }

    /// Returns the usage for all apps, sorted by id.
    pub(super) fn all(&self) -> Vec<PreviousUse> {
        let usage_of = |(app, (until, usage)): (&AppId, &(UnixSeconds, Arc<Mutex<Usage>>))| {
            let Usage { calls, last } = usage.lock().unwrap_or_else(PoisonError::into_inner).clone();
            PreviousUse { app: *app, until: *until, calls, last }
        };
        let mut all: Vec<PreviousUse> = self.0.iter().map(usage_of).collect();
        all.sort_by_key(|one| one.app);
        all
    }
}
