//! Reads the `[[app]]` tables, and collects what can be applied of them if the file is refused.

use toml::de::DeValue;

use super::{
    Origin, Setting, Sources, app_keys,
    app_keys::{AppDraft, KeySource, TokenSource},
    key::Given,
    read::{Reading, Table, chain},
    read_webhook::{ReadWebhooks, WEBHOOK},
    restrict::{RefusedApp, RefusedApps},
    time,
};
use crate::{
    auth::{App, PreviousKey, SecretKey, Token},
    domain::AppId,
    excerpt, log_lines,
    secret_file::{check_private, read_secret},
};

/// The configuration keys that hold an app's key; with `_file` or `_env` they name where it is.
const KEY: &str = "key";
const PREVIOUS: &str = "previous_key";
/// The configuration key that holds the token of an app's feed; with `_file` it names where it is.
const FEED_TOKEN: &str = "feed_token";

/// The minimum number of characters of such a token.
const FEED_TOKEN_CHARACTERS: usize = 32;

const DAY: u64 = 86_400;
/// The longest time for which a previous key can be accepted. Signatures are valid for 180 days by default, some longer.
const MAX_PREVIOUS_KEY_DAYS: u64 = 366;

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
    /// Its webhooks.
    pub(super) webhooks: ReadWebhooks,
}

impl<'a> Reading<'a> {
    /// Reads an `[[app]]` table.
    pub(super) fn app(&mut self, (at, table): &Table<'a>, sources: &Sources) -> ReadApp {
        let mut draft = AppDraft::new();
        let mut settings = Reading::defaults(app_keys(), &mut draft);
        let (mut unclear, mut strange, mut webhooks) = (Vec::new(), false, Vec::new());
        for (name, value) in *table {
            let (at, full): (usize, &str) = (name.span().start, name.get_ref());
            if full == WEBHOOK {
                webhooks = self.webhook_tables(at, value.get_ref());
                continue;
            }
            let Some(key) = app_keys().iter().find(|key| key.name == full) else {
                let known = app_keys().iter().map(|key| key.name).chain([WEBHOOK]);
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
            let absent = app_keys().iter().map(|key| key.name).filter(|name| !table.contains_key(*name));
            unclear.extend(absent);
        }
        settings.retain(|setting| setting.origin != Origin::Default || !setting.value.is_empty());
        let Some(id) = draft.id else {
            if !table.iter().any(|(name, _)| name.get_ref() == "id") {
                self.problem(*at, "the app has no id");
            }
            return ReadApp { at: *at, app: None, settings, unclear, webhooks: ReadWebhooks::default() };
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
        let webhooks = self.webhooks(id, &webhooks);
        ReadApp {
            at: *at,
            app: Some(App { id, key, previous_key, feed_token, ..draft.app }),
            settings,
            unclear,
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

    /// Reads the previous key of an app and the time until which it is accepted.
    fn previous_key(
        &mut self,
        at: usize,
        id: AppId,
        draft: &AppDraft,
        key: Option<&SecretKey>,
        sources: &Sources,
    ) -> Option<PreviousKey> {
        let until = match (draft.previous.count(), draft.previous_until) {
            (0, None) => return None,
            (0, Some(_)) => {
                let said = "has previous_key_until, but no previous key; set previous_key_file, or remove it";
                self.problem(at, format!("app {id} {said}"));
                return None;
            }
            (_, None) => {
                let example = time::display(sources.now + 30 * DAY);
                let said = format!("set it, for example to {example}");
                self.problem(at, format!("app {id} has a previous key, but no previous_key_until; {said}"));
                return None;
            }
            (_, Some(until)) => until,
        };
        if until > sources.now.saturating_add(MAX_PREVIOUS_KEY_DAYS * DAY) {
            let latest = time::display(sources.now + MAX_PREVIOUS_KEY_DAYS * DAY);
            let said = format!(
                "previous_key_until is more than {MAX_PREVIOUS_KEY_DAYS} days away; choose a time before {latest}"
            );
            self.problem(at, format!("app {id}: {said}"));
            return None;
        }
        if draft.key.count() == 0 {
            self.problem(
                at,
                format!("app {id} has a previous key, but no key; set key_file to the file of the new key"),
            );
            return None;
        }
        let previous = self.key(at, id, PREVIOUS, &draft.previous, sources)?;
        if key == Some(&previous) {
            let said = "has the same value for its key and its previous key; set key to the new one";
            self.problem(at, format!("app {id} {said}"));
            return None;
        }
        if until < sources.now {
            let ended = time::display(until);
            self.warnings.push(log_lines::PREVIOUS_KEY_EXPIRED.found([&id, &ended]));
        }
        Some(PreviousKey { key: previous, until })
    }

    /// Reads the token of an app's feed from its source.
    fn feed_token(&mut self, at: usize, id: AppId, source: &TokenSource) -> Option<Token> {
        if source.inline.is_some() && source.file.is_some() {
            self.problem(at, format!("app {id} has both feed_token and feed_token_file; keep one"));
            return None;
        }
        if source.inline.is_some()
            && let Err(error) = check_private(self.file, self.readers)
        {
            self.problem(at, format!("app {id} has its feed_token in this file, but {}", chain(&error)));
        }
        let token = match (&source.inline, &source.file) {
            (Some(token), _) => token.clone(),
            (None, Some(file)) => match read_secret(file, self.readers) {
                Ok(token) => token,
                Err(error) => {
                    self.problem(at, format!("app {id}: feed_token_file: {}", chain(&error)));
                    return None;
                }
            },
            (None, None) => return None,
        };
        if token.len() < FEED_TOKEN_CHARACTERS {
            self.problem(
                at,
                format!(
                    "the feed token of app {id} has fewer than {FEED_TOKEN_CHARACTERS} characters; make a longer one, for \
                     example with: openssl rand -hex 32"
                ),
            );
            return None;
        }
        Some(Token::new(&token))
    }

    /// Reads a key of an app from its source. `name` is its configuration key, `key` or `previous_key`.
    fn key(
        &mut self,
        at: usize,
        id: AppId,
        name: &str,
        source: &KeySource,
        sources: &Sources,
    ) -> Option<SecretKey> {
        if source.count() > 1 {
            let said = format!("has more than one of {name}, {name}_file and {name}_env; keep one");
            self.problem(at, format!("app {id} {said}"));
            return None;
        }
        if source.inline.is_some()
            && let Err(error) = check_private(self.file, self.readers)
        {
            self.problem(at, format!("app {id} has its key in this file, but {}", chain(&error)));
        }
        let looks_like_a_key =
            |text: &str| text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let file = source.file.as_ref().and_then(|file| file.file_name()?.to_str());
        if file.into_iter().chain(source.variable.as_deref()).any(looks_like_a_key) {
            self.problem(
                at,
                format!(
                    "app {id} has a key in place of the name of a file or variable; put the key itself under {name}"
                ),
            );
            return None;
        }
        let read = match (&source.inline, &source.file, &source.variable) {
            (Some(key), ..) => Ok(key.clone()),
            (_, Some(file), _) => read_secret(file, self.readers)
                .map_err(|error| format!("{name}_file: {}", chain(&error)))
                .map(|text| SecretKey::new(&text).expect("read_secret has checked the text")),
            (.., Some(variable)) => {
                let shown = excerpt::plain(variable);
                match sources.environment.get(variable) {
                    Some(text) if !text.is_empty() => SecretKey::new(text)
                        .map_err(|reason| format!("{name}_env: the environment variable {shown} {reason}")),
                    _ => Err(format!("{name}_env: the environment variable {shown} is not set or is empty")),
                }
            }
            _ => return None,
        };
        let key = match read {
            Ok(key) => key,
            Err(error) => {
                self.problem(at, format!("app {id}: {error}"));
                return None;
            }
        };
        let called = name.replace('_', " ");
        if key.is_published() {
            self.problem(
                at,
                format!(
                    "the {called} of app {id} is a published one that confold dev uses; make your own, for example \
                     with: openssl rand -hex 32"
                ),
            );
            return None;
        }
        if key.is_short() {
            self.warnings.push(log_lines::SHORT_KEY.found([&called, &id]));
        }
        Some(key)
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
