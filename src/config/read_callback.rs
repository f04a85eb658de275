//! Reads the `[app.callback]` table.

use std::sync::Arc;

use toml::de::DeValue;

use super::{
    Origin, Setting,
    callback_keys::{CallbackDraft, callback_keys, read_secret_word, read_token},
    given::Given,
    reading::Reading,
};
use crate::{auth::Callback, domain::AppId};

/// The name of the table in the table of an app.
pub(super) const CALLBACK: &str = "callback";

impl<'a> Reading<'a> {
    /// Reads how an app receives webhooks, with the effective settings.
    pub(super) fn callback(
        &mut self,
        at: usize,
        app: AppId,
        value: &'a DeValue<'a>,
    ) -> (Option<Arc<Callback>>, Vec<Setting>) {
        let DeValue::Table(table) = value else {
            self.problem(at, "callback is a table; write it as [app.callback]");
            return (None, Vec::new());
        };
        let problems = self.problems.len();
        let mut draft = CallbackDraft::default();
        let mut settings = Reading::defaults(callback_keys(), &mut draft);
        for (name, value) in table {
            let (at, full): (usize, &str) = (name.span().start, name.get_ref());
            let Some(key) = callback_keys().iter().find(|key| key.name == full) else {
                let known = callback_keys().iter().map(|key| key.name);
                self.unknown(at, "app.callback.", full, known, false);
                continue;
            };
            let location = self.location(at, &format!("app.callback.{full}"));
            self.set(location, key, &Given::Toml(value.get_ref()), &mut draft, &mut settings);
        }
        settings.retain(|setting| setting.origin != Origin::Default || !setting.value.is_empty());
        let of = format!("the callback of app {app}");
        let CallbackDraft { secret, token, membership, forward, body_bytes, calls_per_second } = draft;
        let secret = self.place(at, &of, "secret", secret, read_secret_word);
        let token = self.place(at, &of, "token", token, read_token);
        if secret.is_none() && self.problems.len() == problems {
            self.problem(at, format!("{of} has no secret; set secret_file to a file that contains one"));
        }
        let callback = secret.map(|secret| {
            Arc::new(Callback { secret, token, membership, forward, body_bytes, calls_per_second })
        });
        (callback.filter(|_| self.problems.len() == problems), settings)
    }
}
