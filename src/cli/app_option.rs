//! `--app ID:KEY[:ADMIN]`, and the apps that `dev` always knows.

use std::str::FromStr;

use crate::{
    auth::{App, SecretKey},
    domain::AppId,
};

/// The app of the published sample key: it stands in the tests of the official signature libraries.
pub(super) const SAMPLE_APP: &str =
    "1400000000:5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e:administrator";

/// The app of the documentation page's sample request.
pub(super) const PAGE_APP: &str =
    "88888888:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef:admin";

/// An app as a tool is told of it: only the number is needed.
#[derive(Clone, Debug)]
pub(super) struct AppName {
    pub(super) id: AppId,
    pub(super) key: Option<SecretKey>,
    pub(super) admin: Option<String>,
}

impl FromStr for AppName {
    type Err = String;

    fn from_str(text: &str) -> Result<AppName, String> {
        let mut parts = text.splitn(3, ':');
        let id = parts.next().unwrap_or_default();
        let id = (id.parse().ok().and_then(AppId::new))
            .ok_or_else(|| format!("the app is a number from 1 to 4294967295, found {id:?}"))?;
        let key = match parts.next().map(SecretKey::new) {
            Some(None) => return Err("the key is empty: the form is ID:KEY or ID:KEY:ADMIN".to_owned()),
            key => key.flatten(),
        };
        let admin = match parts.next() {
            Some("") => return Err("the administrator is empty".to_owned()),
            admin => admin.map(str::to_owned),
        };
        Ok(AppName { id, key, admin })
    }
}

/// An app as a server is told of it.
#[derive(Clone, Debug)]
pub(super) struct AppOption {
    pub(super) id: AppId,
    pub(super) key: SecretKey,
    pub(super) admin: String,
}

impl FromStr for AppOption {
    type Err = String;

    fn from_str(text: &str) -> Result<AppOption, String> {
        let AppName { id, key, admin } = text.parse()?;
        let key = key.ok_or("the key is missing: the form is ID:KEY or ID:KEY:ADMIN")?;
        Ok(AppOption { id, key, admin: admin.unwrap_or_else(|| "administrator".to_owned()) })
    }
}

impl AppOption {
    /// One of the apps above.
    pub(super) fn known(text: &str) -> AppOption {
        text.parse().expect("the constants of this file are well-formed")
    }

    /// How `dev` tells of it.
    pub(super) fn line(&self) -> String {
        format!("  app {}, administrator {}\n", self.id, self.admin)
    }

    /// The app with its default settings.
    pub(super) fn app(&self) -> App {
        App::new(self.id, self.key.clone(), vec![self.admin.clone()])
    }
}
