//! Who still calls with a previous key: usage for each app, so that an operator sees when a rotation is complete.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::Apps;
use crate::domain::{AppId, UnixSeconds};

/// The use of the previous keys of all apps that have one.
#[derive(Clone, Debug, Default)]
pub(super) struct Rotations(HashMap<AppId, (UnixSeconds, Arc<Mutex<Usage>>)>);

#[derive(Clone, Debug, Default)]
struct Usage {
    calls: u64,
    last: Option<(String, IpAddr)>,
}

/// How the previous key of an app is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousUse {
    /// The app.
    pub app: AppId,
    /// The last second in which the key is accepted.
    pub until: UnixSeconds,
    /// Calls that were signed with it.
    pub calls: u64,
    /// Who made the last of them, and from where.
    pub last: Option<(String, IpAddr)>,
}

impl Rotations {
    /// Those of these apps; what was usage for an app goes on.
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

    /// All of them, by app.
    pub(super) fn all(&self) -> Vec<PreviousUse> {
        let told = |(app, (until, usage)): (&AppId, &(UnixSeconds, Arc<Mutex<Usage>>))| {
            let Usage { calls, last } = usage.lock().unwrap_or_else(PoisonError::into_inner).clone();
            PreviousUse { app: *app, until: *until, calls, last }
        };
        let mut all: Vec<PreviousUse> = self.0.iter().map(told).collect();
        all.sort_by_key(|one| one.app);
        all
    }
}
