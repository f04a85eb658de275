//! The configuration of `confold serve`: flags over environment over file.
//!
//! Two tables say what there is (`server_keys.rs`, `app_keys.rs`): from them come the reading, the refusals, the flags, the
//! names of environment variables, `docs/configuration.md` and the annotated example. An app's
//! settings are in the file only, its key in a file or the environment.

mod app_keys;
mod changes;
mod document;
mod finish;
mod key;
mod rates;
mod read;
mod read_app;
mod restrict;
mod server_keys;
mod syntax;
mod time;
mod units;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

pub use app_keys::app_keys;
pub use changes::{AppSettings, Changes};
pub use document::{example, reference};
pub use key::environment_name;
pub use rates::read_rates;
pub use read::{Problems, Refused, Sources, read, read_again};
pub use restrict::{RefusedApps, restrict};
pub use server_keys::server_keys;

use crate::{
    address::Address,
    auth::{App, Network, Token},
    http::DoorLimits,
    log::{LogFormat, LogLevel},
    secret_file::Readers,
    store::SqliteOptions,
};

/// A configuration that can be run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where plain HTTP is spoken.
    pub listen: Vec<SocketAddr>,
    /// Where TLS is spoken.
    pub tls_listen: Vec<SocketAddr>,
    /// The files of certificate and key.
    pub tls_files: Option<(PathBuf, PathBuf)>,
    /// Who may be able to read the files of keys.
    pub key_readers: Readers,
    /// Proxies that may name the source of a connection or request.
    pub trusted_proxies: Vec<Network>,
    /// Names by which what needs no secret may be called.
    pub allowed_hosts: Vec<String>,
    /// Threads that serve.
    pub workers: usize,
    /// Where everything is kept, and with how much memory.
    pub store: SqliteOptions,
    /// What the door accepts.
    pub limits: DoorLimits,
    /// How long a stop may take.
    pub drain: Duration,
    /// Whether calls are counted and told at `/metrics`.
    pub metrics: bool,
    /// Where spans go, if somewhere.
    pub traces: Option<Address>,
    /// What opens the controls, if they can be opened.
    pub token: Option<Token>,
    /// The form of the log.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
    /// The apps, by number.
    pub apps: Vec<App>,
}

/// A configuration as it was read: ready to run, and ready to be shown.
#[derive(Debug)]
pub struct Loaded {
    /// What to run.
    pub config: Config,
    /// The effective settings of the server, each with where it comes from.
    pub settings: Vec<Setting>,
    /// The settings of each app that are not as by default.
    pub apps: Vec<Vec<Setting>>,
    /// What runs, but hardly as meant.
    pub warnings: Vec<String>,
}

/// One setting, as it is shown: secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Its value, in TOML.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl Loaded {
    /// The effective configuration as TOML, secrets masked, each value with where it comes from.
    #[must_use]
    pub fn effective(&self) -> String {
        document::effective(self)
    }
}

/// Where a setting comes from; the later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File,
    /// An environment variable.
    Environment,
    /// The command line.
    Flag,
}
