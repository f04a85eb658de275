//! The differences between the apps of two configurations, by the names of their settings and without any secret.

use super::{Setting, read_callback::CALLBACK};
use crate::{
    auth::{App, PreviousKey},
    domain::AppId,
};

/// The apps of a configuration and their settings.
#[derive(Clone, Debug)]
pub struct AppSettings {
    /// The apps, sorted by id.
    pub apps: Vec<App>,
    /// The settings of each app, in the order of the file.
    pub settings: Vec<Vec<Setting>>,
}

/// The differences between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Apps that are new.
    pub added: Vec<AppId>,
    /// Apps that were removed.
    pub removed: Vec<AppId>,
    /// Apps whose settings changed, with the names of these settings.
    pub changed: Vec<(AppId, Vec<&'static str>)>,
}

impl AppSettings {
    /// Returns the changes since `before`.
    #[must_use]
    pub fn since(&self, before: &AppSettings) -> Changes {
        let mut changes = Changes::default();
        for app in &self.apps {
            let Some(old) = before.apps.iter().find(|old| old.id == app.id) else {
                changes.added.push(app.id);
                continue;
            };
            let mut names = differences(before.settings_of(app.id), self.settings_of(app.id), old, app);
            // The settings of a callback are in a table of their own, and its secrets look the same after a change.
            names.extend((old.callback != app.callback).then_some(CALLBACK));
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

/// Returns the names of the settings of an app that differ. Keys are compared by value, because their settings look the
/// same after a change: a secret is masked, and a key in a file changes while the path stays the same.
fn differences(before: &[Setting], after: &[Setting], old: &App, new: &App) -> Vec<&'static str> {
    let value = |settings: &[Setting], name: &str| {
        settings.iter().find(|one| one.name == name).map(|one| one.value.clone())
    };
    let all = after.iter().chain(before).map(|one| one.name);
    let mut names: Vec<&str> = all.filter(|name| value(before, name) != value(after, name)).collect();
    let previous = |app: &App| app.previous_key.as_ref().map(|PreviousKey { key, .. }| key.clone());
    for (first, differs) in [
        ("key", old.key != new.key),
        ("previous_key", previous(old) != previous(new)),
        ("feed_token", old.feed_token != new.feed_token),
    ] {
        if differs && !names.iter().any(|name| is_place_of(first, name)) {
            names.extend(after.iter().map(|one| one.name).find(|name| is_place_of(first, name)));
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns whether `name` is one of the settings that give a key: `key`, `key_file` or `key_env`.
fn is_place_of(key: &str, name: &str) -> bool {
    name.strip_prefix(key).is_some_and(|rest| ["", "_file", "_env"].contains(&rest))
}
