//! The option `--app ID:KEY[:ADMIN]`, and the two apps that `dev` always has.

use std::{ffi::OsStr, marker::PhantomData, str::FromStr};

use clap::{
    Arg, Command, Error,
    builder::{TypedValueParser, ValueParserFactory},
    error::ErrorKind,
};

use crate::{
    auth::{App, Identifier, PAGE_KEY, SAMPLE_KEY, SecretKey},
    domain::AppId,
    excerpt,
};

/// The value of `--app` for tools. Only the id is required.
#[derive(Clone, Debug)]
pub(super) struct AppName {
    pub(super) id: AppId,
    pub(super) key: Option<SecretKey>,
    pub(super) admin: Option<Identifier>,
}

impl AppName {
    /// Returns the app of the sample key that is published in the tests of the official signature libraries.
    pub(super) fn sample() -> AppName {
        AppName::of(1_400_000_000, SAMPLE_KEY, "administrator")
    }

    /// Returns the app with this id if every `confold dev` has it.
    pub(super) fn published(id: AppId) -> Option<AppName> {
        AppName::all_published().into_iter().find(|app| app.id == id)
    }

    fn all_published() -> [AppName; 2] {
        [AppName::sample(), AppName::of(88_888_888, PAGE_KEY, "admin")]
    }

    fn of(id: u32, key: &str, admin: &str) -> AppName {
        let id = AppId::new(id).expect("the ids in this file are valid");
        AppName { id, key: SecretKey::new(key).ok(), admin: Identifier::parse(admin).ok() }
    }
}

impl FromStr for AppName {
    type Err = String;

    fn from_str(text: &str) -> Result<AppName, String> {
        let mut parts = text.splitn(3, ':');
        let id = parts.next().unwrap_or_default();
        let id = (id.parse().ok().and_then(AppId::new))
            .ok_or_else(|| format!("the app must be a number from 1 to 4294967295, found {}", shown(id)))?;
        let key = parts.next().map(SecretKey::new).transpose();
        let key = key.map_err(|reason| format!("the key {reason}; write ID:KEY or ID:KEY:ADMIN"))?;
        let admin = parts.next().map(Identifier::parse).transpose();
        let admin = admin.map_err(|reason| format!("the administrator {reason}"))?;
        Ok(AppName { id, key, admin })
    }
}

/// Formats an invalid app id for a message. A long string may be a key that was given without an id, so it is not
/// shown.
fn shown(id: &str) -> String {
    match id.len() {
        0..=12 => excerpt::quoted(id).to_string(),
        bytes => format!("a string of {bytes} bytes"),
    }
}

/// A value parser for options that may contain a key. Unlike clap's own parsers, its errors do not repeat the value.
#[derive(Clone)]
pub(super) struct RedactingParser<T>(PhantomData<T>);

impl<T: FromStr<Err = String> + Clone + Send + Sync + 'static> TypedValueParser for RedactingParser<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, option: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        let read =
            value.to_str().ok_or_else(|| "the value is not valid UTF-8".to_owned()).and_then(str::parse);
        read.map_err(|reason: String| {
            let option = option.map_or_else(String::new, |option| format!("{option}: "));
            Error::raw(ErrorKind::ValueValidation, format!("{option}{reason}\n")).with_cmd(command)
        })
    }
}

impl ValueParserFactory for AppName {
    type Parser = RedactingParser<AppName>;

    fn value_parser() -> Self::Parser {
        RedactingParser(PhantomData)
    }
}

impl ValueParserFactory for AppOption {
    type Parser = RedactingParser<AppOption>;

    fn value_parser() -> Self::Parser {
        RedactingParser(PhantomData)
    }
}

/// The value of `--app` for a server, which needs the key.
#[derive(Clone, Debug)]
pub(super) struct AppOption {
    pub(super) id: AppId,
    pub(super) key: SecretKey,
    pub(super) admin: Identifier,
}

impl FromStr for AppOption {
    type Err = String;

    fn from_str(text: &str) -> Result<AppOption, String> {
        let AppName { id, key, admin } = text.parse()?;
        let key = key.ok_or("the key is missing; write ID:KEY or ID:KEY:ADMIN")?;
        Ok(AppOption { id, key, admin: admin.unwrap_or_else(administrator) })
    }
}

/// Returns the default administrator.
pub(super) fn administrator() -> Identifier {
    Identifier::parse("administrator").expect("the default is a valid identifier")
}

impl AppOption {
    /// Returns the app of the published sample key, and the app of the documentation's sample request.
    pub(super) fn known() -> [AppOption; 2] {
        AppName::all_published().map(|AppName { id, key, admin }| {
            let key = key.expect("the apps in this file have keys");
            AppOption { id, key, admin: admin.expect("the apps in this file have administrators") }
        })
    }

    /// Formats the app for the greeting of `dev`.
    pub(super) fn line(&self) -> String {
        format!("  app {}, administrator {}\n", self.id, self.admin)
    }

    /// Returns the app with its default settings.
    pub(super) fn app(&self) -> App {
        App::new(self.id, self.key.clone(), vec![self.admin.to_string()])
    }
}
