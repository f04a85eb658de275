//! Reads the `[[app]]` tables, and collects what can be applied of them if the file is refused.

use toml::de::DeValue;

use super::{
    Origin, Setting, Sources, app_keys,
    app_keys::AppDraft,
    app_secrets::{FEED_TOKEN, KEY, PREVIOUS},
    given::Given,
    read_callback::CALLBACK,
    read_webhook::{ReadWebhooks, WEBHOOK},
    reading::{Reading, Table},
    restrict::{RefusedApp, RefusedApps},
};
use crate::{auth::App, log_lines};

/// An `[[app]]` table after reading.
pub(super) struct ReadApp {
    /// The byte offset of the table in the file.
    pub(super) at: usize,
    /// The app, if it has an id.
    pub(super) app: Option<App>,
    /// Its effective settings.
    pub(super) settings: Vec<Setting>,
    /// The keys whose intended value is unclear, because of a mistake in the table.
    pub(super) unclear: Vec<&'static str>,
    /// The effective settings of the webhooks that it receives.
    pub(super) callback_settings: Vec<Setting>,
    /// Its webhooks.
    pub(super) webhooks: ReadWebhooks,
}

impl<'a> Reading<'a> {
    /// Reads an `[[app]]` table.
    pub(super) fn app(&mut self, (at, table): &Table<'a>, sources: &Sources) -> ReadApp {
        let mut draft = AppDraft::new();
        let mut settings = Reading::defaults(app_keys(), &mut draft);
        let (mut unclear, mut strange, mut webhooks, mut callback) = (Vec::new(), false, Vec::new(), None);
        for (name, value) in *table {
            let (at, full): (usize, &str) = (name.span().start, name.get_ref());
            if full == WEBHOOK {
                webhooks = self.webhook_tables(at, value.get_ref());
                continue;
            }
            if full == CALLBACK {
                callback = Some((at, value.get_ref()));
                continue;
            }
            let Some(key) = app_keys().iter().find(|key| key.name == full) else {
                let known = app_keys().iter().map(|key| key.name).chain([CALLBACK, WEBHOOK]);
                self.unknown(at, "app.", full, known, false);
                strange = true;
                continue;
            };
            let given = Given::Toml(value.get_ref());
            if !self.set(self.location(at, &format!("app.{full}")), key, &given, &mut draft, &mut settings) {
                unclear.push(key.name);
            }
        }
        if strange {
            // The unknown key may be a misspelling of any key that is absent.
            let names = app_keys().iter().map(|key| key.name).chain([CALLBACK]);
            let absent = names.filter(|name| !table.contains_key(*name));
            unclear.extend(absent);
        }
        settings.retain(|setting| setting.origin != Origin::Default || !setting.value.is_empty());
        let Some(id) = draft.id else {
            if !table.iter().any(|(name, _)| name.get_ref() == "id") {
                self.problem(*at, "the app has no id");
            }
            let (callback_settings, webhooks) = (Vec::new(), ReadWebhooks::default());
            return ReadApp { at: *at, app: None, settings, unclear, callback_settings, webhooks };
        };
        let before = self.problems.len();
        let key = self.key(*at, id, KEY, &draft.key, sources);
        self.note_clarity(&mut unclear, KEY, key.is_none(), before);
        if draft.key.count() == 0 {
            self.warnings.push(log_lines::APP_WITHOUT_KEY.found([&id]));
        }
        // Problems with keys that are unclear are reported already, so skip checks that depend on them.
        let is_clear = |name: &str| !unclear.iter().any(|other| other.starts_with(name));
        let previous_key = if is_clear(PREVIOUS) && (key.is_some() || is_clear(KEY)) {
            let before = self.problems.len();
            let previous_key = self.previous_key(*at, id, &draft, key.as_ref(), sources);
            self.note_clarity(&mut unclear, PREVIOUS, previous_key.is_none(), before);
            previous_key
        } else {
            unclear.push(PREVIOUS);
            None
        };
        if unclear.contains(&PREVIOUS) && table.iter().any(|(name, _)| name.get_ref().starts_with("prev")) {
            // A key rotation is intended, but its previous key is unclear. Applying the new key alone would lock out every
            // program that does not have it yet.
            unclear.push(KEY);
            if draft.previous.count() == 0
                && table.iter().all(|(name, _)| is_not_a_previous_key(name.get_ref()))
            {
                unclear.retain(|name| *name != PREVIOUS);
            }
        }
        let before = self.problems.len();
        let feed_token = self.feed_token(*at, id, &draft.feed_token);
        self.note_clarity(&mut unclear, FEED_TOKEN, feed_token.is_none(), before);
        if draft.app.admins.is_empty() {
            self.warnings.push(log_lines::APP_WITHOUT_ADMIN.found([&id]));
        }
        let membership = draft.membership.unwrap_or(draft.app.membership);
        let before = self.problems.len();
        let (callback, callback_settings) = match callback {
            Some((at, value)) => self.callback(at, id, value),
            None => (None, Vec::new()),
        };
        self.note_clarity(&mut unclear, CALLBACK, callback.is_none(), before);
        let webhooks = self.webhooks(id, &webhooks);
        ReadApp {
            at: *at,
            app: Some(App { id, key, previous_key, membership, feed_token, callback, ..draft.app }),
            settings,
            unclear,
            callback_settings,
            webhooks,
        }
    }

    /// Updates `unclear` for `key` (or `previous_key`) after reading it. The key is unclear if more than `before`
    /// problems have been reported by now, or if it is absent and one of its settings is unclear.
    fn note_clarity(
        &self,
        unclear: &mut Vec<&'static str>,
        key: &'static str,
        is_absent: bool,
        before: usize,
    ) {
        let unread = self.problems.len() > before;
        let absent = is_absent && unclear.iter().any(|name| name.starts_with(key));
        match unread || absent {
            true => unclear.push(key),
            false => unclear.retain(|name| *name != key),
        }
    }
}

/// Collects the apps of a refused file. The list is not complete if the file has no app at all, because another program
/// may be writing the file at this moment.
pub(super) fn refused_apps(apps: Vec<ReadApp>, hides_apps: bool) -> RefusedApps {
    let complete = !hides_apps && !apps.is_empty() && apps.iter().all(|read| read.app.is_some());
    let apps = apps.into_iter().filter_map(|read| Some(RefusedApp { app: read.app?, unclear: read.unclear }));
    RefusedApps { apps: apps.collect(), complete }
}

/// Returns whether a value contains a table with a key of apps, at any depth.
pub(super) fn looks_like_an_app(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(table) => {
            table.keys().any(|name| app_keys().iter().any(|key| key.name == name.get_ref().as_ref()))
                || table.values().any(|value| looks_like_an_app(value.get_ref()))
        }
        DeValue::Array(items) => items.iter().any(|item| looks_like_an_app(item.get_ref())),
        _ => false,
    }
}

/// Returns whether a name is certainly not a (misspelt) setting that gives a previous key. Names that begin with `prev`
/// may be one, except `previous_key_until`, which gives only its time.
fn is_not_a_previous_key(name: &str) -> bool {
    !name.starts_with("prev") || name == "previous_key_until"
}
