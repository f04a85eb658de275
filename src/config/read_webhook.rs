//! Reads the `[[app.webhook]]` tables.

use std::path::Path;

use toml::de::DeValue;

use super::{
    Origin, Setting,
    given::Given,
    reading::{Reading, Table, chain},
    webhook_keys::{Place, WebhookDraft, webhook_keys},
};
use crate::{
    address::Address,
    domain::AppId,
    log_lines,
    secret_file::{check_private, read_secret},
    store::DestinationId,
    tls::Authorities,
    webhooks::{Secret, Token, Webhook},
};

/// The name of the tables of webhooks in the table of an app.
pub(super) const WEBHOOK: &str = "webhook";

/// The webhooks of an app, with their effective settings.
#[derive(Default)]
pub(super) struct ReadWebhooks {
    pub(super) webhooks: Vec<Webhook>,
    pub(super) settings: Vec<Vec<Setting>>,
}

impl<'a> Reading<'a> {
    /// Returns the tables of the webhooks of an app.
    pub(super) fn webhook_tables(&mut self, at: usize, value: &'a DeValue<'a>) -> Vec<Table<'a>> {
        match value {
            DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_table()) => items
                .iter()
                .filter_map(|item| Some((item.span().start, item.get_ref().as_table()?)))
                .collect(),
            _ => {
                self.problem(at, "write each webhook as a table under [[app.webhook]], with double brackets");
                Vec::new()
            }
        }
    }

    /// Reads the webhooks of an app.
    pub(super) fn webhooks(&mut self, app: AppId, tables: &[Table<'a>]) -> ReadWebhooks {
        let mut read = ReadWebhooks::default();
        for table in tables {
            let mut draft = WebhookDraft::default();
            let mut settings = Reading::defaults(webhook_keys(), &mut draft);
            for (name, value) in table.1 {
                let (at, full): (usize, &str) = (name.span().start, name.get_ref());
                let Some(key) = webhook_keys().iter().find(|key| key.name == full) else {
                    let known = webhook_keys().iter().map(|key| key.name);
                    self.unknown(at, "app.webhook.", full, known, false);
                    continue;
                };
                let location = self.location(at, &format!("app.webhook.{full}"));
                self.set(location, key, &Given::Toml(value.get_ref()), &mut draft, &mut settings);
            }
            settings.retain(|setting| setting.origin != Origin::Default || !setting.value.is_empty());
            if let Some(webhook) = self.webhook(app, table, draft) {
                if read.webhooks.iter().any(|other| other.id == webhook.id) {
                    let said = format!("app {app} has two webhooks with the name {}", webhook.id.name);
                    self.problem(table.0, said);
                }
                read.webhooks.push(webhook);
            }
            read.settings.push(settings);
        }
        read
    }

    fn webhook(&mut self, app: AppId, (at, table): &Table<'a>, draft: WebhookDraft) -> Option<Webhook> {
        for key in ["name", "url"] {
            if !table.iter().any(|(name, _)| name.get_ref() == key) {
                self.problem(*at, format!("a webhook of app {app} has no {key}"));
            }
        }
        let of = format!("a webhook of app {app}");
        let secret = self.place(*at, &of, "secret", draft.secret, Secret::parse);
        let previous = self.place(*at, &of, "previous_secret", draft.previous_secret, Secret::parse);
        let token = self.place(*at, &of, "token", draft.token, Token::parse);
        let authorities = self.authorities(*at, app, draft.ca_file.as_deref(), draft.url.as_ref());
        let (name, url) = (draft.name?, draft.url?);
        if secret.is_none() && token.is_none() {
            self.warnings.push(log_lines::WEBHOOK_UNSIGNED.found([&name, &app]));
        }
        Some(Webhook {
            id: DestinationId { app, name: name.into() },
            url,
            kinds: draft.kinds,
            secrets: secret.into_iter().chain(previous).collect(),
            token,
            authorities,
            allow_private: draft.allow_private,
        })
    }

    /// Reads the authorities that may issue a receiver's certificate.
    fn authorities(
        &mut self,
        at: usize,
        app: AppId,
        file: Option<&Path>,
        url: Option<&Address>,
    ) -> Option<Authorities> {
        let file = file?;
        let said = match Authorities::read(file) {
            Ok(_) if url.is_some_and(|url| !url.origin().starts_with("https:")) => {
                "is set, but the url does not begin with https://; change the url, or remove ca_file"
                    .to_owned()
            }
            Ok(authorities) => return Some(authorities),
            Err(error) => chain(&error),
        };
        self.problem(at, format!("a webhook of app {app}: ca_file: {said}"));
        None
    }

    /// Reads a secret from its place. `of` says whose secret it is.
    pub(super) fn place<T>(
        &mut self,
        at: usize,
        of: &str,
        name: &str,
        place: Place<T>,
        parse: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let said = match place {
            Place { inline: Some(_), file: Some(_) } => {
                format!("has both {name} and {name}_file; keep one")
            }
            Place { inline: Some(secret), file: None } => match check_private(self.file, self.readers) {
                Ok(()) => return Some(secret),
                Err(error) => format!("has its {name} in this file, but {}", chain(&error)),
            },
            Place { inline: None, file: Some(file) } => match self.secret_in(&file, parse) {
                Ok(secret) => return Some(secret),
                Err(said) => format!("{name}_file: {said}"),
            },
            Place { inline: None, file: None } => return None,
        };
        self.problem(at, format!("{of}: {said}"));
        None
    }

    fn secret_in<T>(&self, file: &Path, parse: fn(&str) -> Result<T, String>) -> Result<T, String> {
        let text = read_secret(file, self.readers).map_err(|error| chain(&error))?;
        parse(&text).map_err(|said| format!("the content of {} {said}", file.display()))
    }
}
