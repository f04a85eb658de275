//! The credentials of a tool that calls a server: an app, its key and an administrator.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::app_option::{AppName, administrator};
use crate::{
    auth::{Identifier, SecretKey},
    domain::AppId,
    secret_file::{Readers, read_secret},
};

/// The environment variable for the key, used if no option gives one.
const KEY: &str = "CONFOLD_KEY";

/// The options that give the credentials.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Options {
    /// The app. Prefer --key-file or the `CONFOLD_KEY` variable for its key: other users can see arguments with `ps`.
    #[arg(long, value_name = "ID[:KEY[:ADMIN]]")]
    pub(super) app: Option<AppName>,
    /// A file that contains the key of the app; other users must not be able to read it.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The administrator who calls [default: administrator].
    #[arg(long, value_name = "NAME")]
    admin: Option<String>,
}

/// The credentials of a caller.
pub(super) struct Caller {
    pub(super) app: AppId,
    pub(super) key: SecretKey,
    pub(super) admin: Identifier,
}

impl Options {
    /// Combines the options, the environment and the defaults into credentials.
    pub(super) fn caller(&self, default: Option<AppName>) -> anyhow::Result<Caller> {
        if let (None, Some(file)) = (&self.app, &self.key_file) {
            bail!(
                "--key-file {} is given without --app; add --app with the app that the key belongs to",
                file.display()
            );
        }
        // For a default app of `confold dev`, its published key and administrator are the defaults.
        let published = default.as_ref().and(self.app.as_ref()).and_then(|app| AppName::published(app.id));
        let app = self.app.clone().or(default).context("--app is missing; give the SDKAppID of the app")?;
        let key = match (&self.key_file, app.key) {
            (Some(_), Some(_)) => bail!("both --app and --key-file give a key; use one of them"),
            (Some(file), None) => {
                let text = read_secret(file, Readers::Nobody).context("--key-file")?;
                SecretKey::new(&text).expect("read_secret has checked the text")
            }
            (None, Some(key)) => key,
            (None, None) => from_environment()?
                .or(published.as_ref().and_then(|known| known.key.clone()))
                .ok_or_else(|| {
                    anyhow!(
                        "the key of app {} is missing; use --key-file FILE, or set the environment variable {KEY}",
                        app.id
                    )
                })?,
        };
        let admin = identifier("--admin", self.admin.as_deref())?
            .or(app.admin)
            .or(published.and_then(|known| known.admin))
            .unwrap_or_else(administrator);
        Ok(Caller { app: app.id, key, admin })
    }
}

/// Parses the identifier given by an option.
pub(super) fn identifier(option: &str, text: Option<&str>) -> anyhow::Result<Option<Identifier>> {
    (text.map(Identifier::parse).transpose()).map_err(|reason| anyhow!("{option}: the identifier {reason}"))
}

fn from_environment() -> anyhow::Result<Option<SecretKey>> {
    let Some(text) = std::env::var_os(KEY) else { return Ok(None) };
    let key = SecretKey::new(&text.to_string_lossy());
    key.map(Some).map_err(|reason| anyhow!("the key in the variable {KEY} {reason}"))
}
