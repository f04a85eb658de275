//! Who a tool is towards a server: an app, its key and an administrator.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::app_option::{AppName, administrator};
use crate::{
    auth::{Identifier, SecretKey},
    domain::AppId,
    secret_file::{Readers, read_secret},
};

/// The variable that holds a key when nothing else does.
const KEY: &str = "CONFOLD_KEY";

/// The options that say who calls.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Options {
    /// The app; its key had better be in a file or in the variable `CONFOLD_KEY`, where `ps` does not show
    /// it.
    #[arg(long, value_name = "ID[:KEY[:ADMIN]]")]
    pub(super) app: Option<AppName>,
    /// A file that holds the key of the app, and that others cannot read.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The administrator who calls [default: administrator].
    #[arg(long, value_name = "NAME")]
    admin: Option<String>,
}

/// Who calls.
pub(super) struct Caller {
    pub(super) app: AppId,
    pub(super) key: SecretKey,
    pub(super) admin: Identifier,
}

impl Options {
    /// Who calls, when it is said in full.
    pub(super) fn caller(&self, default: Option<AppName>) -> anyhow::Result<Caller> {
        if let (None, Some(file)) = (&self.app, &self.key_file) {
            bail!("--key-file {} is given without --app: name the app whose key it holds", file.display());
        }
        // A tool that knows an app of the emulator knows its published key as well.
        let published = default.as_ref().and(self.app.as_ref()).and_then(|app| AppName::published(app.id));
        let app = self.app.clone().or(default).context("--app is missing: the number of the app")?;
        let key = match (&self.key_file, app.key) {
            (Some(_), Some(_)) => bail!("--app holds a key, and --key-file another: give one of them"),
            (Some(file), None) => {
                let text = read_secret(file, Readers::Nobody).context("--key-file")?;
                SecretKey::new(&text).expect("a secret file holds one word")
            }
            (None, Some(key)) => key,
            (None, None) => from_environment()?
                .or(published.as_ref().and_then(|known| known.key.clone()))
                .ok_or_else(|| {
                    anyhow!(
                        "the key of app {} is missing: give --key-file FILE, or set the variable {KEY}",
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

/// The identifier given by an option, if it was given.
pub(super) fn identifier(option: &str, text: Option<&str>) -> anyhow::Result<Option<Identifier>> {
    (text.map(Identifier::parse).transpose()).map_err(|reason| anyhow!("{option}: the identifier {reason}"))
}

fn from_environment() -> anyhow::Result<Option<SecretKey>> {
    let Some(text) = std::env::var_os(KEY) else { return Ok(None) };
    let key = SecretKey::new(&text.to_string_lossy());
    key.map(Some).map_err(|reason| anyhow!("the key in the variable {KEY} {reason}"))
}
