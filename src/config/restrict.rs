//! Applies the restrictions in a refused configuration: changes that take rights away.
//!
//! An administrator who left, or a key that leaked, must not stay valid because a mistake elsewhere in the file prevents
//! it from being applied as a whole. So even a refused configuration removes apps, administrators and keys (previous keys,
//! too), closes services, narrows the allowed sources, denies identifiers and disables apps. It never grants a right.
//! Where the file is unclear – a value is invalid, or absent next to an unknown key that may be its misspelling – the
//! running value stays.

use super::{app_keys, read_callback::CALLBACK};
use crate::{
    auth::{App, Callback, Network, PreviousKey, SecretKey},
    domain::AppId,
    excerpt::quoted,
};
use std::sync::Arc;

/// The apps of a refused file that can be read.
#[derive(Clone, Debug, Default)]
pub struct RefusedApps {
    /// The tables that have an id.
    pub(super) apps: Vec<RefusedApp>,
    /// Whether the file certainly contains no further app, so that all others can be removed.
    pub(super) complete: bool,
}

/// An app of a refused file.
#[derive(Clone, Debug)]
pub(super) struct RefusedApp {
    /// The app, with defaults in place of values that could not be read.
    pub(super) app: App,
    /// The keys whose intended value is unclear.
    pub(super) unclear: Vec<&'static str>,
}

/// Returns the running apps without the rights that the file takes away, and a description of each change.
#[must_use]
pub fn restrict(running: &[App], refused: &RefusedApps) -> (Vec<App>, Vec<String>) {
    let (mut apps, mut changes) = (Vec::new(), Vec::new());
    for app in running {
        match refused.of(app.id) {
            None if refused.complete => changes.push(format!("app {} is removed", app.id)),
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
    /// Returns the app with this id. If several tables have the id, only one thing is clear: an administrator who is
    /// in none of them is to be removed. So their lists are merged, and all other settings are marked as unclear.
    fn of(&self, id: AppId) -> Option<RefusedApp> {
        let mut tables = self.apps.iter().filter(|table| table.app.id == id);
        let mut found = tables.next()?.clone();
        for other in tables {
            let admins_unclear = found.unclear.contains(&"admins") || other.unclear.contains(&"admins");
            Arc::make_mut(&mut found.app.admins).extend(other.app.admins.iter().cloned());
            found.unclear = app_keys()
                .iter()
                .map(|key| key.name)
                .chain([CALLBACK])
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

    /// Returns a running app without the rights that this table takes away, and a description of each change.
    fn narrow(&self, running: &App) -> (App, Vec<String>) {
        let (file, mut next, mut taken) = (&self.app, running.clone(), Vec::new());
        if self.is_clear("admins") {
            Arc::make_mut(&mut next.admins).retain(|admin| file.admins.contains(admin));
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
        if self.is_clear("feed_token")
            && running.feed_token.is_some()
            && running.feed_token != file.feed_token
        {
            // Replacing the token grants no right, because the new one reads the same feed.
            next.feed_token.clone_from(&file.feed_token);
            let what = if file.feed_token.is_some() { "replaced" } else { "removed" };
            taken.push(format!("its feed token is {what}"));
        }
        if self.is_clear(CALLBACK)
            && let Some(now) = &running.callback
        {
            taken.extend(restrict_callback(&mut next.callback, now, file.callback.as_deref()));
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

/// Removes or replaces the running key. Replacing grants no right, because the new key signs for the same administrators
/// of the same app. A first key would grant one, so it is not added.
fn restrict_key(running: &mut Option<SecretKey>, file: Option<&SecretKey>) -> Option<&'static str> {
    if running.is_none() || running.as_ref() == file {
        return None;
    }
    *running = file.cloned();
    Some(if file.is_some() { "its key is replaced" } else { "its key is removed" })
}

/// Takes rights away from those who send webhooks to an app, and describes what was taken. Replacing the secret or the token
/// grants no right, because the new one does the same.
fn restrict_callback(
    next: &mut Option<Arc<Callback>>,
    running: &Arc<Callback>,
    file: Option<&Callback>,
) -> Vec<String> {
    let Some(file) = file else {
        *next = None;
        return vec!["it receives no webhooks any more".to_owned()];
    };
    let (mut callback, mut taken) = (Callback::clone(running), Vec::new());
    if callback.secret != file.secret {
        callback.secret = file.secret.clone();
        taken.push("its callback secret is replaced".to_owned());
    }
    if file.token.is_some() && callback.token != file.token {
        callback.token.clone_from(&file.token);
        taken.push("the token of its callback is replaced".to_owned());
    }
    if callback.membership && !file.membership {
        callback.membership = false;
        taken.push("its callback does not change memberships any more".to_owned());
    }
    *next = Some(Arc::new(callback));
    taken
}

/// Returns the file's previous key if the server accepts that key already, as its current key or as its previous one
/// (in that case not for longer than before). So programs that still use the old key keep working, and no other key is
/// accepted.
fn restrict_previous_key(running: &App, next: &App, file: Option<&PreviousKey>) -> Option<PreviousKey> {
    let file = file.filter(|file| next.key.as_ref() != Some(&file.key))?;
    if running.key.as_ref() == Some(&file.key) {
        return Some(file.clone());
    }
    let previous = running.previous_key.as_ref().filter(|previous| previous.key == file.key)?;
    Some(PreviousKey { until: previous.until.min(file.until), ..file.clone() })
}

/// Describes how the previous key was restricted, if it was.
fn previous_key_change(running: &App, next: &App) -> Option<&'static str> {
    let before = running.previous_key.as_ref()?;
    match &next.previous_key {
        Some(after) if after.key == before.key => {
            (after.until < before.until).then_some("its previous key expires earlier")
        }
        // The file made it the current key again.
        _ if next.key.as_ref() == Some(&before.key) => None,
        _ => Some("its previous key is removed"),
    }
}

/// Returns the sources that both settings allow; `None` allows all.
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
    // The same networks in another order are not a change.
    let same = common.len() == one.len() && one.iter().all(|network| common.contains(network));
    Some(if same { one.clone() } else { common })
}

#[cfg(test)]
#[path = "restrict_tests.rs"]
mod tests;
