//! The webhook of `confold dev`.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use crate::{
    address::Address,
    domain::AppId,
    secret_file::{Readers, read_secret},
    webhooks::{Secret, Webhook},
};

/// The name of the webhook.
const NAME: &str = "dev";

/// The options for a webhook.
#[derive(Debug, Args)]
pub(super) struct DevWebhook {
    /// Send what changes in every app to this address; see docs/webhooks.md.
    #[arg(long = "webhook", value_name = "URL")]
    url: Option<String>,
    /// Sign what is sent to the webhook with the secret in this file (`whsec_…`).
    #[arg(long = "webhook-secret-file", value_name = "FILE", requires = "url")]
    secret_file: Option<PathBuf>,
}

impl DevWebhook {
    /// Returns one webhook for each app. Receivers of a developer may have private addresses.
    pub(super) fn of_each(&self, apps: impl Iterator<Item = AppId>) -> anyhow::Result<Vec<Webhook>> {
        let Some(url) = &self.url else { return Ok(Vec::new()) };
        // Parsed here, because the command-line parser would print a refused value, which may contain a secret.
        let url = url.parse().map_err(|refused| anyhow!("--webhook {refused}"))?;
        let mut secrets = Vec::new();
        if let Some(file) = &self.secret_file {
            let refused = |said| anyhow!("--webhook-secret-file: the content of {} {said}", file.display());
            secrets.push(Secret::parse(&read_secret(file, Readers::Nobody)?).map_err(refused)?);
        }
        let webhook = |app| Webhook {
            allow_private: true,
            secrets: secrets.clone(),
            ..Webhook::new(app, NAME, Address::clone(&url))
        };
        Ok(apps.map(webhook).collect())
    }
}
