//! Reading one `[[app]]`.

use super::{
    Origin, Setting, Sources, app_keys,
    app_keys::AppDraft,
    key::Given,
    read::{Reading, Table, chain},
};
use crate::{
    auth::{App, SecretKey},
    secret_file::{check_private, read_secret},
};

/// What one table told.
pub(super) struct ReadApp {
    /// Where it stands in the file.
    pub(super) at: usize,
    /// The app, if it has an id.
    pub(super) app: Option<App>,
    /// What it says.
    pub(super) settings: Vec<Setting>,
    /// The keys of which it is not clear what they say.
    pub(super) unsure: Vec<&'static str>,
}

impl<'a> Reading<'a> {
    /// Reads one app.
    pub(super) fn app(&mut self, (at, table): &Table<'a>, sources: &Sources) -> ReadApp {
        let mut draft = AppDraft::new();
        let mut settings = Reading::defaults(app_keys(), &mut draft);
        let (mut unsure, mut strange) = (Vec::new(), false);
        for (name, value) in *table {
            let (at, full): (usize, &str) = (name.span().start, name.get_ref());
            let Some(key) = app_keys().iter().find(|key| key.name == full) else {
                let known = app_keys().iter().map(|key| key.name);
                self.unknown(at, "app.", full, known, false);
                strange = true;
                continue;
            };
            let given = Given::Toml(value.get_ref());
            if !self.take(self.spot(at, &format!("app.{full}")), key, &given, &mut draft, &mut settings) {
                unsure.push(key.name);
            }
        }
        if strange {
            // A key that is absent may be the one that is misspelt.
            let absent = app_keys().iter().map(|key| key.name).filter(|name| !table.contains_key(*name));
            unsure.extend(absent);
        }
        settings.retain(|setting| setting.origin != Origin::Default || !setting.value.is_empty());
        let Some(id) = draft.id else {
            if !table.iter().any(|(name, _)| name.get_ref() == "id") {
                self.problem(*at, "the app has no id");
            }
            return ReadApp { at: *at, app: None, settings, unsure };
        };
        let before = self.problems.len();
        let key = self.key(*at, id.number(), &draft, sources);
        // A key about which something is wrong replaces none, even if it could be read.
        let unread = self.problems.len() > before;
        let absent = key.is_none() && unsure.iter().any(|name| name.starts_with("key"));
        if unread || absent {
            unsure.push("key");
        } else {
            unsure.retain(|name| *name != "key");
        }
        if draft.app.admins.is_empty() {
            self.warnings.push(format!("app {id} has no administrator: nobody can call for it (60010)"));
        }
        ReadApp { at: *at, app: Some(App { id, key, ..draft.app }), settings, unsure }
    }

    /// The key of an app, from the one place that was named.
    fn key(&mut self, at: usize, id: u32, draft: &AppDraft, sources: &Sources) -> Option<SecretKey> {
        let inline = draft.app.key.is_some();
        let named = [inline, draft.key_file.is_some(), draft.key_env.is_some()];
        if named.iter().filter(|named| **named).count() > 1 {
            self.problem(at, format!("app {id} has more than one of key, key_file and key_env; keep one"));
            return None;
        }
        if inline && let Err(error) = check_private(self.file) {
            self.problem(at, format!("app {id} has its key in this file, but {}", chain(&error)));
        }
        let looks_like_a_key =
            |text: &str| text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let file = draft.key_file.as_ref().and_then(|file| file.file_name()?.to_str());
        if file.into_iter().chain(draft.key_env.as_deref()).any(looks_like_a_key) {
            self.problem(
                at,
                format!(
                    "app {id} names a file or variable that looks like a key; a key itself goes under key"
                ),
            );
            return None;
        }
        let read = match (&draft.key_file, &draft.key_env) {
            (Some(file), _) => {
                read_secret(file).map(Some).map_err(|error| format!("key_file: {}", chain(&error)))
            }
            (_, Some(name)) => match sources.environment.get(name) {
                Some(text) if !text.is_empty() => Ok(Some(text.clone())),
                _ => Err(format!("key_env: the environment variable {name} is not set, or empty")),
            },
            _ => Ok(None),
        };
        let key = match read {
            Ok(Some(text)) => SecretKey::new(&text),
            Ok(None) if inline => draft.app.key.clone(),
            Ok(None) => {
                self.warnings.push(format!("app {id} has no key: no signature can be verified (70016)"));
                None
            }
            Err(error) => {
                self.problem(at, format!("app {id}: {error}"));
                None
            }
        }?;
        if key.is_published() {
            self.problem(
                at,
                format!(
                    "the key of app {id} is one that confold dev uses, which everybody knows; make one of your own, \
                     for example with: openssl rand -hex 32"
                ),
            );
            return None;
        }
        if key.is_short() {
            self.warnings.push(format!(
                "the key of app {id} has fewer than 32 characters and can be guessed; make a longer one, for \
                 example with: openssl rand -hex 32"
            ));
        }
        Some(key)
    }
}
