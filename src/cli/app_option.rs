//! `--app ID:KEY[:ADMIN]`, and the apps that `dev` always knows.

use std::{ffi::OsStr, marker::PhantomData, str::FromStr};

use clap::{Arg, Command, builder::TypedValueParser, error::ErrorKind};

use crate::{
    auth::{App, PAGE_KEY, SAMPLE_KEY, SecretKey},
    domain::AppId,
    excerpt,
};

/// The longest number of an app, in characters: what is longer may be a key in the wrong place.
const LONGEST_ID: usize = 10;

/// An app as a tool is told of it: only the number is needed.
#[derive(Clone, Debug)]
pub(super) struct AppName {
    pub(super) id: AppId,
    pub(super) key: Option<SecretKey>,
    pub(super) admin: Option<String>,
}

impl AppName {
    /// The app of the published sample key: it stands in the tests of the official signature libraries.
    pub(super) fn sample() -> AppName {
        AppName::of(1_400_000_000, SAMPLE_KEY, "administrator")
    }

    fn of(id: u32, key: &str, admin: &str) -> AppName {
        let id = AppId::new(id).expect("the numbers of this file are not 0");
        AppName { id, key: SecretKey::new(key), admin: Some(admin.to_owned()) }
    }
}

impl FromStr for AppName {
    type Err = String;

    fn from_str(text: &str) -> Result<AppName, String> {
        let mut parts = text.splitn(3, ':');
        let id = parts.next().unwrap_or_default();
        let id = (id.parse().ok().and_then(AppId::new)).ok_or_else(|| {
            let found = match id.chars().count() {
                0..=LONGEST_ID => excerpt::quoted(id).to_string(),
                count => format!("a text of {count} characters"),
            };
            format!("the app is a number from 1 to 4294967295, found {found}")
        })?;
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

/// Reads an app. The command line itself would print what it refuses, and with it the key.
#[derive(Clone)]
pub(super) struct Unshown<T>(PhantomData<fn() -> T>);

/// The reading of `--app`.
pub(super) fn unshown<T>() -> Unshown<T> {
    Unshown(PhantomData)
}

impl<T: FromStr<Err = String> + Clone + Send + Sync + 'static> TypedValueParser for Unshown<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let read = value.to_str().ok_or_else(|| "it is not UTF-8".to_owned()).and_then(str::parse);
        read.map_err(|reason| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("--app: {reason}\n")).with_cmd(command)
        })
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
    /// The app of the published sample key, and the app of the documentation's sample request.
    pub(super) fn known() -> [AppOption; 2] {
        [AppName::sample(), AppName::of(88_888_888, PAGE_KEY, "admin")].map(|AppName { id, key, admin }| {
            let key = key.expect("the apps of this file have keys");
            AppOption { id, key, admin: admin.expect("the apps of this file have administrators") }
        })
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
