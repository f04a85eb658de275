//! Every key of the server.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::key::{Key, Kind, assign};
use crate::{
    address::Address,
    auth::{CallRates, Network},
    http::{DoorLimits, RateLimit, is_host_name},
    listen,
    log::{LogFormat, LogLevel},
    secret_file::Readers,
    store::SqliteOptions,
};

/// The settings of the server while they are read.
#[derive(Debug)]
pub struct ServerDraft {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) tls_listen: Vec<SocketAddr>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) workers: usize,
    pub(super) directory: Option<PathBuf>,
    pub(super) store: SqliteOptions,
    pub(super) limits: DoorLimits,
    pub(super) rates: CallRates,
    pub(super) drain: Duration,
    pub(super) token_file: Option<PathBuf>,
    pub(super) key_readers: Readers,
    pub(super) metrics: bool,
    pub(super) traces: Option<Address>,
    pub(super) log_format: LogFormat,
    pub(super) log_level: LogLevel,
}

impl ServerDraft {
    /// Nothing said; every default is then put in.
    pub(super) fn new() -> ServerDraft {
        ServerDraft {
            listen: Vec::new(),
            tls_listen: Vec::new(),
            certificate: None,
            key: None,
            trusted_proxies: Vec::new(),
            allowed_hosts: Vec::new(),
            workers: 0,
            directory: None,
            store: SqliteOptions::new(""),
            limits: DoorLimits::default(),
            rates: CallRates::default(),
            drain: Duration::ZERO,
            token_file: None,
            key_readers: Readers::Nobody,
            metrics: false,
            traces: None,
            log_format: LogFormat::Text,
            log_level: LogLevel::Info,
        }
    }
}

const NETWORKS: &str = "IP addresses or networks, such as \"10.0.0.5\" or \"10.0.0.0/8\"";
const HOSTS: &str = "host names without a port, such as \"metrics.example.com\"";
use listen::FORMS as ADDRESSES;

/// The keys of the server.
#[must_use]
pub fn server_keys() -> &'static [Key<ServerDraft>] {
    SERVER
}

static SERVER: &[Key<ServerDraft>] = &[
    Key {
        name: "listen",
        kind: Kind::Listen,
        default: "127.0.0.1:8080",
        about: "Where plain HTTP is spoken; port 0 takes a free one. An empty list closes it.",
        set: |draft, value| assign(&mut draft.listen, value.items(ADDRESSES, |item| item.parse().ok())?),
    },
    Key {
        name: "trusted_proxies",
        kind: Kind::List(NETWORKS),
        default: "",
        about: "Proxies that may say where a connection or request comes from, by the PROXY protocol or by X-Forwarded-For. List a TCP proxy only if it sends the PROXY protocol on every connection.",
        set: |draft, value| assign(&mut draft.trusted_proxies, value.items(NETWORKS, Network::parse)?),
    },
    Key {
        name: "allowed_hosts",
        kind: Kind::List(HOSTS),
        default: "",
        about: "Host names accepted for /metrics (protection from DNS rebinding), besides IP addresses and local names: those without a dot, and those under .localhost, .internal and .local.",
        set: |draft, value| {
            let name = |item: &str| is_host_name(item).then(|| item.to_owned());
            assign(&mut draft.allowed_hosts, value.items(HOSTS, name)?)
        },
    },
    Key {
        name: "workers",
        kind: Kind::Number(0, 1_024),
        default: "0",
        about: "Threads that serve; 0 means one for each processor.",
        set: |draft, value| assign(&mut draft.workers, value.size()),
    },
    Key {
        name: "allow_readable_key_files",
        kind: Kind::Switch,
        default: "false",
        about: "Whether files with keys and tokens may be readable by every user of the machine, as secrets are that a container mounts with mode 0444. On a file system that is mounted read-only they may be without this setting. A file that every user can change is refused all the same.",
        set: |draft, value| {
            let readers = if value.switch() { Readers::Everybody } else { Readers::Nobody };
            assign(&mut draft.key_readers, readers)
        },
    },
    Key {
        name: "tls.listen",
        kind: Kind::Listen,
        default: "",
        about: "Where TLS is spoken: HTTP/1.1 and HTTP/2, whichever the client asks for.",
        set: |draft, value| assign(&mut draft.tls_listen, value.items(ADDRESSES, |item| item.parse().ok())?),
    },
    Key {
        name: "tls.certificate",
        kind: Kind::Path,
        default: "",
        about: "The certificate with its chain, a PEM file. It is read again within a second when it changes.",
        set: |draft, value| assign(&mut draft.certificate, Some(value.path())),
    },
    Key {
        name: "tls.key",
        kind: Kind::Path,
        default: "",
        about: "The key of the certificate, a PEM file that others cannot read.",
        set: |draft, value| assign(&mut draft.key, Some(value.path())),
    },
    Key {
        name: "store.directory",
        kind: Kind::Path,
        default: "",
        about: "Where everything is kept; made if it is not there. Required.",
        set: |draft, value| assign(&mut draft.directory, Some(value.path())),
    },
    Key {
        name: "store.create",
        kind: Kind::Switch,
        default: "true",
        about: "Whether a new store is made if the directory holds none. Set it to false once the store exists: a volume that is not mounted is then an error instead of an empty store.",
        set: |draft, value| assign(&mut draft.store.create, value.switch()),
    },
    Key {
        name: "store.cache",
        kind: Kind::Size,
        default: "256MiB",
        about: "Memory for owners, so that reading them needs no disk.",
        set: |draft, value| assign(&mut draft.store.cache_bytes, value.number()),
    },
    Key {
        name: "store.readers",
        kind: Kind::Number(1, 64),
        default: "2",
        about: "Threads that read what is not in memory.",
        set: |draft, value| assign(&mut draft.store.readers, value.size()),
    },
    Key {
        name: "store.read_queue",
        kind: Kind::Number(1, 1_000_000),
        default: "16384",
        about: "Calls that may wait for such a thread; beyond it calls are refused (60018). So is a call that has waited for four fifths of `limits.call_timeout`. Calls that wait for the same owner are answered by one read. While many wait, those that came last are read first, because they are the ones that can still be answered in time.",
        set: |draft, value| assign(&mut draft.store.read_queue, value.size()),
    },
    Key {
        name: "store.queue",
        kind: Kind::Number(1, 1_000_000),
        default: "8192",
        about: "Changes that may wait to be written; beyond it calls are refused (60018).",
        set: |draft, value| assign(&mut draft.store.queue, value.size()),
    },
    Key {
        name: "limits.connections",
        kind: Kind::Number(1, 1_000_000),
        default: "10000",
        about: "Open connections. When full, the longest idle one without a good signature is closed; if there is none, calls wait for a place and get 60018 in the end. Health checks are answered.",
        set: |draft, value| assign(&mut draft.limits.connections.all, value.size()),
    },
    Key {
        name: "limits.connections_per_source",
        kind: Kind::Number(0, 1_000_000),
        default: "0",
        about: "Connections that may be open from one source address (in IPv6 from one /64); with 0, all of `limits.connections` but a tenth (at least 1, at most 100), which is kept for others. Loopback is not counted, unless a trusted proxy names it.",
        set: |draft, value| assign(&mut draft.limits.connections.per_source, value.size()),
    },
    Key {
        name: "limits.unsent",
        kind: Kind::Size,
        default: "16MiB",
        about: "Memory for answers that clients have not taken yet, over all connections. Beyond it connections that do not read are closed.",
        set: |draft, value| match value.size() {
            0 => Err("must be larger than nothing".to_owned()),
            size => assign(&mut draft.limits.unsent_bytes, size),
        },
    },
    Key {
        name: "limits.body",
        kind: Kind::Size,
        default: "1MiB",
        about: "The largest body of a call (60002 above).",
        set: |draft, value| match value.size() {
            0 => Err("must be larger than nothing".to_owned()),
            size => assign(&mut draft.limits.body_bytes, size),
        },
    },
    Key {
        name: "limits.bodies",
        kind: Kind::Size,
        default: "64MiB",
        about: "Memory for the bodies of calls that are being received or worked on, over all connections; at least `limits.body`. Beyond it calls are refused (60018). A body of up to 16 KiB does not count and always passes (over HTTP/2 four of them on a connection).",
        set: |draft, value| assign(&mut draft.limits.bodies_bytes, value.size()),
    },
    Key {
        name: "limits.head_timeout",
        kind: Kind::Duration,
        default: "10s",
        about: "How long a request may take from its first byte to the end of its head, and a TLS handshake.",
        set: |draft, value| assign(&mut draft.limits.patience.head, above_zero(value.duration())?),
    },
    Key {
        name: "limits.idle_timeout",
        kind: Kind::Duration,
        default: "60s",
        about: "How long a connection may be without a request.",
        set: |draft, value| assign(&mut draft.limits.patience.idle, above_zero(value.duration())?),
    },
    Key {
        name: "limits.call_timeout",
        kind: Kind::Duration,
        default: "3s",
        about: "How long a call may take (60008 then); what it has begun to write is written all the same.",
        set: |draft, value| assign(&mut draft.limits.answer_within, above_zero(value.duration())?),
    },
    Key {
        name: "limits.drain_timeout",
        kind: Kind::Duration,
        default: "10s",
        about: "How long a stop may take, from the signal to the end of the process. Calls may go on for all of it but a fifth (at most a second), which is kept for spans that still wait, the store and the log.",
        set: |draft, value| assign(&mut draft.drain, value.duration()),
    },
    Key {
        name: "limits.rate_limit",
        kind: Kind::Switch,
        default: "true",
        about: "Whether calls per second are counted, for each app and command (60007 above).",
        set: |draft, value| {
            let rate = if value.switch() { RateLimit::On } else { RateLimit::Off };
            assign(&mut draft.limits.rate, rate)
        },
    },
    Key {
        name: "limits.rate",
        kind: Kind::Rates,
        default: "",
        about: "Calls per second of each command that an app may make (60007 above), unless the `rate` of the app says otherwise. When nothing is said it is as in the service: 100 of account_check, account_delete and multiaccount_import, 200 of every other command. It changes when the apps are read again.",
        set: |draft, value| assign(&mut draft.rates, value.rates()),
    },
    Key {
        name: "limits.strict",
        kind: Kind::Switch,
        default: "false",
        about: "Whether fields that a command does not have (50002), and a `random` that is not a number from 0 to \
                4294967295 (60002), are refused instead of ignored.",
        set: |draft, value| assign(&mut draft.limits.strict, value.switch()),
    },
    Key {
        name: "metrics.enabled",
        kind: Kind::Switch,
        default: "false",
        about: "Whether calls are counted, and the counts shown at /metrics to everybody who reaches the server.",
        set: |draft, value| assign(&mut draft.metrics, value.switch()),
    },
    Key {
        name: "traces.endpoint",
        kind: Kind::Address,
        default: "",
        about: "An OpenTelemetry collector that gets a span of every call, such as http://localhost:4318 (OTLP over HTTP, JSON); off when nothing is said.",
        set: |draft, value| assign(&mut draft.traces, Some(value.address())),
    },
    Key {
        name: "controls.token_file",
        kind: Kind::Path,
        default: "",
        about: "A file that holds the token which opens /_dev/, the controls of an emulator, and that others cannot read; without it they are closed.",
        set: |draft, value| assign(&mut draft.token_file, Some(value.path())),
    },
    Key {
        name: "log.format",
        kind: Kind::Choice(&["text", "json"]),
        default: "text",
        about: "The form of the log on standard error.",
        set: |draft, value| {
            assign(
                &mut draft.log_format,
                if value.text() == "json" { LogFormat::Json } else { LogFormat::Text },
            )
        },
    },
    Key {
        name: "log.level",
        kind: Kind::Choice(&["error", "warn", "info", "debug"]),
        default: "info",
        about: "How much is logged. `error`: failures of the server; `warn`: also what an operator should look at; `info`: also failed and slow calls; `debug`: every call.",
        set: |draft, value| {
            let level = match value.text().as_str() {
                "error" => LogLevel::Error,
                "warn" => LogLevel::Warn,
                "debug" => LogLevel::Debug,
                _ => LogLevel::Info,
            };
            assign(&mut draft.log_level, level)
        },
    },
];

fn above_zero(duration: Duration) -> Result<Duration, String> {
    (!duration.is_zero()).then_some(duration).ok_or_else(|| "must be longer than nothing".to_owned())
}
