//! The configuration of `confold serve`. Flags override the environment, which overrides the file.
//!
//! Four tables define all keys (`server_keys.rs`, `app_keys.rs`, `callback_keys.rs`, `webhook_keys.rs`). Parsing, error messages, flags, the names of environment
//! variables, `docs/configuration.md` and the annotated example are all derived from them. The settings of apps are
//! in the file only, except that keys of apps may be in files of their own or in the environment.

mod app_keys;
mod app_secrets;
mod callback_keys;
mod changes;
mod document;
mod effective;
mod finish;
mod given;
mod key;
mod rates;
mod read;
mod read_app;
mod read_callback;
mod read_webhook;
mod reading;
mod restrict;
mod server_keys;
mod syntax;
mod time;
mod units;
mod webhook_keys;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

pub use app_keys::app_keys;
pub use callback_keys::callback_keys;
pub use changes::{AppSettings, Changes};
pub use document::{example, reference};
pub use key::environment_name;
pub use rates::read_rates;
pub use read::{Problems, Refused, Sources, read, read_again};
pub use restrict::{RefusedApps, restrict};
pub use server_keys::server_keys;
pub use webhook_keys::webhook_keys;

use crate::{
    address::Address,
    auth::{App, Network, Token},
    http::HttpLimits,
    log::{LogFormat, LogLevel},
    log_lines::Finding,
    secret_file::Readers,
    store::StoreConfig,
    webhooks::Webhook,
};

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses to listen on for plain HTTP.
    pub listen: Vec<SocketAddr>,
    /// Addresses to listen on for TLS.
    pub tls_listen: Vec<SocketAddr>,
    /// The files of the certificate and its key.
    pub tls_files: Option<(PathBuf, PathBuf)>,
    /// Which users may have access to files that hold keys.
    pub key_readers: Readers,
    /// Proxies that are trusted to report the source address of a connection or request.
    pub trusted_proxies: Vec<Network>,
    /// Host names accepted for paths that need no secret, such as `/metrics`.
    pub allowed_hosts: Vec<String>,
    /// The number of worker threads; 0 means one per processor.
    pub workers: usize,
    /// The directory and the resources of the store.
    pub store: StoreConfig,
    /// Limits on connections, requests and answers.
    pub limits: HttpLimits,
    /// How long a graceful stop may take.
    pub drain: Duration,
    /// Whether `/metrics` is served.
    pub metrics: bool,
    /// The collector that receives spans, if tracing is on.
    pub traces: Option<Address>,
    /// The token that grants access to `/_dev/`; without one, nobody has access.
    pub token: Option<Token>,
    /// The format of the log.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
    /// The apps, sorted by id.
    pub apps: Vec<App>,
    /// The webhooks of all apps.
    pub webhooks: Vec<Webhook>,
}

/// A valid configuration, together with what is needed to display it.
#[derive(Debug)]
pub struct LoadedConfig {
    /// The configuration to run.
    pub config: Config,
    /// The effective settings of the server.
    pub settings: Vec<Setting>,
    /// The effective settings of each app, without those that have no value.
    pub apps: Vec<Vec<Setting>>,
    /// The effective settings of the webhooks that each app receives; empty if it receives none.
    pub callbacks: Vec<Vec<Setting>>,
    /// The effective settings of the webhooks of each app.
    pub webhooks: Vec<Vec<Vec<Setting>>>,
    /// Settings that are valid, but probably not intended.
    pub warnings: Vec<Finding>,
}

/// An effective setting for display; secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The name of the key.
    pub name: &'static str,
    /// The value as TOML; empty if the key is not set.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
}

impl LoadedConfig {
    /// Returns the effective configuration as TOML. Secrets are masked, and a comment names the origin of each value.
    #[must_use]
    pub fn effective(&self) -> String {
        effective::effective(self)
    }
}

/// Where a value comes from. Later variants override earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The built-in default.
    Default,
    /// The configuration file.
    File,
    /// An environment variable.
    Environment,
    /// The command line.
    Flag,
}
