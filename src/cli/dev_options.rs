//! The options of `confold dev`, and the apps and settings that they define.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::{
    app_option::AppOption, dev_recent::DevRecent, dev_values, dev_webhook::DevWebhook, profile::Profile,
};
use crate::{
    auth::{App, CallRates, Edition, MessageMode, Network},
    config::read_rates,
    domain::{DirectoryMode, batch},
    listen, log,
};

/// The options of `dev`.
#[expect(clippy::struct_excessive_bools, reason = "each one is a separate option")]
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The address to listen on: an IP address and a port, a port alone for this machine only, or :PORT for every IPv4
    /// address. Port 0 chooses a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = listen::read)]
    pub(super) listen: SocketAddr,
    /// Also listen for TLS on this address, with a certificate from a local authority that is created once.
    #[arg(long, value_name = "ADDRESS", value_parser = listen::read)]
    pub(super) tls_listen: Option<SocketAddr>,
    /// Require the token in this file for the controls under /_dev/; the file must not be readable by other users. If
    /// other machines can reach the server, a token is always required: without this option, one is generated and
    /// printed.
    #[arg(long = "controls-token-file", alias = "dev-token-file", value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Keep all data in this directory. Without this option, all data is deleted at exit.
    #[arg(long = "store-directory", visible_alias = "data", value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Load this NDJSON file into the data directory when it is created.
    #[arg(long, value_name = "FILE")]
    pub(super) seed: Option<PathBuf>,
    /// Start without the example data of the documentation, and only load the file of --seed.
    #[arg(long)]
    pub(super) empty: bool,
    /// Write all data to this file when the server stops.
    #[arg(long, value_name = "FILE")]
    pub(super) export_on_exit: Option<PathBuf>,
    /// Write the server's address to this file when it is ready, and the TLS address to a second line. The file is
    /// removed when the server stops.
    #[arg(long, value_name = "FILE")]
    pub(super) ready_file: Option<PathBuf>,
    /// Limit calls per second as the original service does.
    #[arg(long = "limits-rate-limit", alias = "rate-limit", value_name = "true|false", default_value = "true",
          num_args = 0..=1, default_missing_value = "true", value_parser = dev_values::switch)]
    pub(super) rate_limit: bool,
    /// The calls per second that an app may make, for all commands or single ones [default: as in the original
    /// service].
    #[arg(long = "limits-rate", value_name = "NUMBER|COMMAND=NUMBER,…", value_parser = read_rates)]
    pub(super) rates: Option<CallRates>,
    /// Count calls and serve the counts at /metrics.
    #[arg(long = "metrics-enabled", alias = "metrics", value_name = "true|false", default_value = "true",
          num_args = 0..=1, default_missing_value = "true", value_parser = dev_values::switch)]
    pub(super) metrics: bool,
    /// Send a span for each call to an OpenTelemetry collector, such as `http://localhost:4318`.
    #[arg(long = "traces-endpoint", alias = "traces", value_name = "URL")]
    pub(super) traces: Option<String>,
    #[command(flatten)]
    pub(super) webhook: DevWebhook,
    /// Refuse fields that a command does not define and a `random` that is not a number, which are otherwise ignored.
    #[arg(long = "limits-strict", alias = "strict", value_name = "true|false", default_value = "false",
          num_args = 0..=1, default_missing_value = "true", value_parser = dev_values::switch)]
    pub(super) strict: bool,
    /// Allow this host name for the controls, the metrics, imports and exports, in addition to IP addresses and local
    /// names. May be given several times, or with commas between the names.
    #[arg(long = "allowed-hosts", alias = "allow-host", value_name = "NAME", value_delimiter = ',', value_parser = dev_values::host_name)]
    pub(super) allow_host: Vec<String>,
    /// Trust this proxy or network of proxies to name the source of connections and requests, by the PROXY protocol or
    /// X-Forwarded-For. May be given several times, or with commas between the networks.
    #[arg(long, value_name = "NETWORK", value_delimiter = ',', value_parser = dev_values::network)]
    pub(super) trusted_proxies: Vec<Network>,
    /// Serve this app as well. May be given several times.
    #[arg(long, value_name = "ID:KEY[:ADMIN]")]
    pub(super) app: Vec<AppOption>,
    /// Require accounts and chat groups to be imported (strict), or treat every id as existing (open).
    #[arg(long, value_name = "MODE", value_enum, default_value_t = DirectoryOption::Strict)]
    pub(super) directory: DirectoryOption,
    /// Let apps write everything (ultimate), or everything except groups and standard marks (basic).
    #[arg(long, value_enum, default_value_t = EditionName::Ultimate)]
    pub(super) edition: EditionName,
    /// Refuse the message commands (refuse), or check and answer them, drop the messages, and let them move the recent list
    /// (accept).
    #[arg(long, value_name = "MODE", value_enum, default_value_t = MessagesOption::Refuse)]
    pub(super) messages: MessagesOption,
    /// Limit each owner to 20 groups and 1,000 conversations (tencent), or to 100 and 10,000 (open). With tencent-2026, owners
    /// also have to be members of the chat groups that they organize.
    #[arg(long, value_enum, default_value_t = Profile::Tencent)]
    pub(super) profile: Profile,
    /// Return at most this many conversations in one reply of `get_contact_group`.
    #[arg(long, value_name = "NUMBER", default_value_t = batch::PAGE, value_parser = dev_values::page_size)]
    pub(super) page_size: usize,
    #[command(flatten)]
    pub(super) recent: DevRecent,
    /// Choose the format of the log on standard error.
    #[arg(long = "log-format", alias = "log", value_enum, default_value_t = log::LogFormat::Text)]
    pub(super) log: log::LogFormat,
    /// Choose the lowest level that is logged.
    #[arg(long, value_enum, default_value_t = log::LogLevel::Info)]
    pub(super) log_level: log::LogLevel,
}

impl Options {
    /// Returns the served apps: the built-in ones and those of the command line.
    pub(super) fn apps(&self) -> anyhow::Result<Vec<AppOption>> {
        let mut apps = Vec::from(AppOption::known());
        for (index, app) in self.app.iter().enumerate() {
            if self.app[..index].iter().any(|other| other.id == app.id) {
                bail!("--app names app {} twice", app.id);
            }
            // A key given for a built-in app replaces the published one.
            apps.retain(|known| known.id != app.id);
            apps.push(app.clone());
        }
        Ok(apps)
    }

    /// Returns the app with the settings that the options define for all apps.
    pub(super) fn settings(&self, app: App) -> App {
        App {
            directory: match self.directory {
                DirectoryOption::Strict => DirectoryMode::Strict,
                DirectoryOption::Open => DirectoryMode::Open,
            },
            edition: match self.edition {
                EditionName::Ultimate => Edition::Ultimate,
                EditionName::Basic => Edition::Basic,
            },
            messages: match self.messages {
                MessagesOption::Refuse => MessageMode::Refuse,
                MessagesOption::Accept => MessageMode::Accept,
            },
            limits: self.profile.limits(),
            membership: self.profile.membership(),
            page_size: self.page_size,
            recent: self.recent.rules(),
            extensions: self.recent.extensions(),
            rates: self.rates.clone().unwrap_or_default(),
            // Unlimited, because developers make mistakes and need the specific error of each one.
            failed_signatures: None,
            ..app
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum EditionName {
    Ultimate,
    Basic,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum DirectoryOption {
    Strict,
    Open,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum MessagesOption {
    Refuse,
    Accept,
}
