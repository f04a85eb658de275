//! What of a refused configuration is applied all the same: whatever takes rights away.
//!
//! An administrator who was removed because they left, or a key that was replaced because it leaked, must not stay
//! valid for as long as a misspelt word elsewhere in the file keeps the whole of it from being taken over. So a
//! refused configuration removes apps, administrators and keys, previous ones included, closes services, narrows the
//! allowed sources, and denies and disables. It gives nobody anything. Where the file does not say clearly what is meant – a value that
//! cannot be read, or one that is absent beside a misspelt key – the running value stays.

use super::app_keys;
use crate::{
    auth::{App, Network, PreviousKey, SecretKey},
    domain::AppId,
    excerpt::quoted,
};

/// The apps of a file that is refused, as far as they can be read.
#[derive(Clone, Debug, Default)]
pub struct RefusedApps {
    /// Each table with an id.
    pub(super) apps: Vec<RefusedApp>,
    /// Whether no other app can be meant by the file: then the others are removed.
    pub(super) complete: bool,
}

/// One app of it.
#[derive(Clone, Debug)]
pub(super) struct RefusedApp {
    /// The app, with defaults where nothing could be read.
    pub(super) app: App,
    /// The keys of which it is not clear what they say.
    pub(super) unclear: Vec<&'static str>,
}

/// The running apps without the rights that the file takes away, and what was taken away, in words.
#[must_use]
pub fn restrict(running: &[App], standing: &RefusedApps) -> (Vec<App>, Vec<String>) {
    let (mut apps, mut changes) = (Vec::new(), Vec::new());
    for app in running {
        match standing.of(app.id) {
            None if standing.complete => changes.push(format!("app {} is removed", app.id)),
            None => apps.push(app.clone()),
            Some(file) => {
                let (next, taken) = file.narrow(app);
                changes.extend(taken.into_iter().map(|taken| format!("app {}: {taken}", app.id)));
                apps.push(next);
            }
        }
    }
    (apps, changes)
}

impl RefusedApps {
    /// What the file says of an app. Of two tables with one id it is only clear who is in neither of them.
    fn of(&self, id: AppId) -> Option<RefusedApp> {
        let mut tables = self.apps.iter().filter(|table| table.app.id == id);
        let mut found = tables.next()?.clone();
        for other in tables {
            let admins_unclear = found.unclear.contains(&"admins") || other.unclear.contains(&"admins");
            found.app.admins.extend(other.app.admins.iter().cloned());
            found.unclear = app_keys()
                .iter()
                .map(|key| key.name)
                .filter(|name| admins_unclear || *name != "admins")
                .collect();
        }
        Some(found)
    }
}

impl RefusedApp {
    fn is_clear(&self, key: &str) -> bool {
        !self.unclear.contains(&key)
    }

    /// A running app without the rights that this takes away.
    fn narrow(&self, running: &App) -> (App, Vec<String>) {
        let (file, mut next, mut taken) = (&self.app, running.clone(), Vec::new());
        if self.is_clear("admins") {
            next.admins.retain(|admin| file.admins.contains(admin));
            let gone = running.admins.iter().filter(|admin| !file.admins.contains(admin));
            taken.extend(gone.map(|admin| format!("the administrator {} is removed", quoted(admin))));
        }
        if self.is_clear("key")
            && let Some(said) = restrict_key(&mut next.key, file.key.as_ref())
        {
            taken.push(said.to_owned());
        }
        if self.is_clear("previous_key") {
            next.previous_key = restrict_previous_key(running, &next, file.previous_key.as_ref());
            taken.extend(previous_key_change(running, &next).map(str::to_owned));
        }
        if self.is_clear("denied") {
            for denied in file.denied.iter().filter(|denied| !running.denied.contains(denied)) {
                next.denied.push(denied.clone());
                taken.push(format!("{} is denied", quoted(denied)));
            }
        }
        if self.is_clear("disabled") && file.disabled && !running.disabled {
            next.disabled = true;
            taken.push("it is disabled".to_owned());
        }
        if self.is_clear("closed_services") {
            for service in file.closed_services.iter().filter(|one| !running.closed_services.contains(one)) {
                next.closed_services.push(service.clone());
                taken.push(format!("the service {service} is closed"));
            }
        }
        if self.is_clear("allowed_sources") {
            next.allowed_sources =
                intersection(running.allowed_sources.as_ref(), file.allowed_sources.as_ref());
            if next.allowed_sources != running.allowed_sources {
                taken.push("fewer sources are allowed".to_owned());
            }
        }
        if self.is_clear("plan_until")
            && let Some(until) = file.plan_until
            && running.plan_until.is_none_or(|now| until < now)
        {
            next.plan_until = Some(until);
            taken.push("its plan ends earlier".to_owned());
        }
        (next, taken)
    }
}

/// Takes a key away, or puts another in its place: it opens the same app to the same administrators. A key where
/// there was none would let somebody in.
fn restrict_key(running: &mut Option<SecretKey>, file: Option<&SecretKey>) -> Option<&'static str> {
    if running.is_none() || running.as_ref() == file {
        return None;
    }
    *running = file.cloned();
    Some(if file.is_some() { "its key is replaced" } else { "its key is removed" })
}

/// The previous key of the file, as far as that key is accepted already: as the present one, or as the previous one
/// until its end. A rotation in a file with a mistake so keeps in whom it means to keep in, and lets nobody in.
fn restrict_previous_key(running: &App, next: &App, file: Option<&PreviousKey>) -> Option<PreviousKey> {
    let file = file.filter(|file| next.key.as_ref() != Some(&file.key))?;
    if running.key.as_ref() == Some(&file.key) {
        return Some(file.clone());
    }
    let previous = running.previous_key.as_ref().filter(|previous| previous.key == file.key)?;
    Some(PreviousKey { until: previous.until.min(file.until), ..file.clone() })
}

/// What became of the previous key, if something was taken away.
fn previous_key_change(running: &App, next: &App) -> Option<&'static str> {
    let before = running.previous_key.as_ref()?;
    match &next.previous_key {
        Some(after) if after.key == before.key => {
            (after.until < before.until).then_some("its previous key ends earlier")
        }
        // It may have become the key again.
        _ if next.key.as_ref() == Some(&before.key) => None,
        _ => Some("its previous key is removed"),
    }
}

/// The sources that two settings both allow; nothing allows all.
fn intersection(one: Option<&Vec<Network>>, other: Option<&Vec<Network>>) -> Option<Vec<Network>> {
    let (one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (one, other) => return one.or(other).cloned(),
    };
    let mut common: Vec<Network> = Vec::new();
    for network in one.iter().flat_map(|one| other.iter().filter_map(|other| one.common(*other))) {
        if !common.contains(&network) {
            common.push(network);
        }
    }
    // The same sources in another order are no news.
    let same = common.len() == one.len() && one.iter().all(|network| common.contains(network));
    Some(if same { one.clone() } else { common })
}

#[cfg(test)]
#[path = "restrict_tests.rs"]
mod tests;
