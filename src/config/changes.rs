//! What has changed between two configurations that were read: the names of settings, never a secret.

use super::Setting;
use crate::{
    auth::{App, PreviousKey},
    domain::AppId,
};

/// The apps of a configuration, and what was written of each.
#[derive(Clone, Debug)]
pub struct AppSettings {
    /// The apps, by number.
    pub apps: Vec<App>,
    /// The settings of each, in the order of the file.
    pub settings: Vec<Vec<Setting>>,
}

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Apps that were not there before.
    pub added: Vec<AppId>,
    /// Apps that were there before only.
    pub removed: Vec<AppId>,
    /// Apps whose settings differ, with the names of these settings.
    pub changed: Vec<(AppId, Vec<&'static str>)>,
}

impl AppSettings {
    /// What has changed since `before`.
    #[must_use]
    pub fn since(&self, before: &AppSettings) -> Changes {
        let mut changes = Changes::default();
        for app in &self.apps {
            let Some(old) = before.apps.iter().find(|old| old.id == app.id) else {
                changes.added.push(app.id);
                continue;
            };
            let names = differences(before.settings_of(app.id), self.settings_of(app.id), old, app);
            if !names.is_empty() {
                changes.changed.push((app.id, names));
            }
        }
        let gone = before.apps.iter().filter(|old| self.apps.iter().all(|app| app.id != old.id));
        changes.removed = gone.map(|old| old.id).collect();
        changes
    }

    fn settings_of(&self, id: AppId) -> &[Setting] {
        let id = id.to_string();
        let is_of = |settings: &&Vec<Setting>| settings.iter().any(|one| one.name == "id" && one.value == id);
        self.settings.iter().find(is_of).map_or(&[], Vec::as_slice)
    }
}

/// The names of the settings of an app that differ. A secret is shown the same whatever it is, and that in a file may
/// have changed while the file is the same: so keys are compared themselves.
fn differences(before: &[Setting], after: &[Setting], old: &App, new: &App) -> Vec<&'static str> {
    let value = |settings: &[Setting], name: &str| {
        settings.iter().find(|one| one.name == name).map(|one| one.value.clone())
    };
    let all = after.iter().chain(before).map(|one| one.name);
    let mut names: Vec<&str> = all.filter(|name| value(before, name) != value(after, name)).collect();
    let previous = |app: &App| app.previous_key.as_ref().map(|PreviousKey { key, .. }| key.clone());
    for (first, old, new) in
        [("key", old.key.clone(), new.key.clone()), ("previous_key", previous(old), previous(new))]
    {
        if old != new && !names.iter().any(|name| is_place_of(first, name)) {
            names.extend(after.iter().map(|one| one.name).find(|name| is_place_of(first, name)));
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether a setting holds or names a key.
fn is_place_of(key: &str, name: &str) -> bool {
    name.strip_prefix(key).is_some_and(|rest| ["", "_file", "_env"].contains(&rest))
}
