//! The configuration keys of the server.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::key::{Key, Kind, assign, count, each};
use crate::{
    address::Address,
    auth::{CallRates, Network},
    call::{RateLimit, is_host_name},
    domain::RecentRules,
    http::HttpLimits,
    listen,
    log::{LogFormat, LogLevel},
    secret_file::Readers,
    store::{MAX_BUCKETS, StoreConfig},
};

/// The settings of the server while the configuration is read.
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
    pub(super) store: StoreConfig,
    pub(super) limits: HttpLimits,
    pub(super) rates: CallRates,
    pub(super) recent: RecentRules,
    pub(super) drain: Duration,
    pub(super) token_file: Option<PathBuf>,
    pub(super) key_readers: Readers,
    pub(super) metrics: bool,
    pub(super) traces: Option<Address>,
    pub(super) log_format: LogFormat,
    pub(super) log_level: LogLevel,
}

impl ServerDraft {
    /// Creates a draft without values; [`Reading::defaults`](super::reading::Reading::defaults) stores the defaults.
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
            store: StoreConfig::new(""),
            limits: HttpLimits::default(),
            rates: CallRates::default(),
            recent: RecentRules::default(),
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

/// Returns the configuration keys of the server.
#[must_use]
pub fn server_keys() -> &'static [Key<ServerDraft>] {
    SERVER
}

static SERVER: &[Key<ServerDraft>] = &[
    Key {
        name: "listen",
        kind: Kind::Listen(|draft, value| {
            assign(&mut draft.listen, each(&value, ADDRESSES, |item| item.parse().ok())?)
        }),
        default: "127.0.0.1:8080",
        about: "Addresses to listen on for plain HTTP; port 0 picks a free port. An empty list turns plain HTTP off.",
    },
    Key {
        name: "trusted_proxies",
        kind: Kind::List(NETWORKS, |draft, value| {
            assign(&mut draft.trusted_proxies, each(&value, NETWORKS, Network::parse)?)
        }),
        default: "",
        about: "Proxies that are trusted to report the source address of a connection or request, by the PROXY protocol or by X-Forwarded-For. List a TCP proxy only if it sends the PROXY protocol on every connection.",
    },
    Key {
        name: "allowed_hosts",
        kind: Kind::List(HOSTS, |draft, value| {
            let name = |item: &str| is_host_name(item).then(|| item.to_owned());
            assign(&mut draft.allowed_hosts, each(&value, HOSTS, name)?)
        }),
        default: "",
        about: "Host names accepted for /metrics (protection from DNS rebinding), besides IP addresses and local names: those without a dot, and those under .localhost, .internal and .local.",
    },
    Key {
        name: "workers",
        kind: Kind::Number(0, 1_024, |draft, value| assign(&mut draft.workers, count(value))),
        default: "0",
        about: "The number of worker threads; 0 means one per processor.",
    },
    Key {
        name: "allow_readable_key_files",
        kind: Kind::Switch(|draft, value| {
            let readers = if value { Readers::Everybody } else { Readers::Nobody };
            assign(&mut draft.key_readers, readers)
        }),
        default: "false",
        about: "Whether files with keys and tokens may be readable by every user of the machine, like secrets mounted into a container with mode 0444. On a file system that is mounted read-only this is always allowed. A file that every user can change is refused in any case.",
    },
    Key {
        name: "tls.listen",
        kind: Kind::Listen(|draft, value| {
            assign(&mut draft.tls_listen, each(&value, ADDRESSES, |item| item.parse().ok())?)
        }),
        default: "",
        about: "Addresses to listen on for TLS. The client chooses HTTP/1.1 or HTTP/2.",
    },
    Key {
        name: "tls.certificate",
        kind: Kind::Path(|draft, value| assign(&mut draft.certificate, Some(value))),
        default: "",
        about: "A PEM file with the certificate and its chain. A change is noticed within a second.",
    },
    Key {
        name: "tls.key",
        kind: Kind::Path(|draft, value| assign(&mut draft.key, Some(value))),
        default: "",
        about: "A PEM file with the private key of the certificate. Other users must not be able to read it.",
    },
    Key {
        name: "store.directory",
        kind: Kind::Path(|draft, value| assign(&mut draft.directory, Some(value))),
        default: "",
        about: "The folder for all data; it is created if it does not exist. Required.",
    },
    Key {
        name: "store.create",
        kind: Kind::Switch(|draft, value| assign(&mut draft.store.create, value)),
        default: "true",
        about: "Whether a new store is created if the directory has none. Set it to false once the store exists: if a volume is not mounted, startup then fails instead of creating an empty store.",
    },
    Key {
        name: "store.cache",
        kind: Kind::Size(|draft, value| assign(&mut draft.store.cache_bytes, value)),
        default: "256MiB",
        about: "Memory for caching owners, so that they are read without disk access.",
    },
    Key {
        name: "store.readers",
        kind: Kind::Number(1, 64, |draft, value| assign(&mut draft.store.readers, count(value))),
        default: "2",
        about: "The number of threads that read owners which are not in the cache.",
    },
    Key {
        name: "store.read_queue",
        kind: Kind::Number(1, 1_000_000, |draft, value| assign(&mut draft.store.read_queue, count(value))),
        default: "16384",
        about: "How many calls may wait for such a thread; further calls are refused (60018). A call that has waited for four fifths of `limits.call_timeout` is refused, too. Calls that wait for the same owner share one read. While many calls wait, the latest are served first, because they can still be answered in time.",
    },
    Key {
        name: "store.queue",
        kind: Kind::Number(1, 1_000_000, |draft, value| assign(&mut draft.store.queue, count(value))),
        default: "8192",
        about: "How many changes may wait to be written; further calls are refused (60018).",
    },
    Key {
        name: "store.buckets",
        kind: Kind::Number(1, MAX_BUCKETS as u64, |draft, value| {
            assign(&mut draft.store.buckets, u8::try_from(value).unwrap_or(MAX_BUCKETS))
        }),
        default: "64",
        about: "The number of buckets to which owners are assigned when a store is created; an existing store keeps its number. Recorded changes have an order within a bucket, and the number limits into how many parts the data can ever be divided.",
    },
    Key {
        name: "store.events_for",
        kind: Kind::Duration(|draft, value| {
            assign(&mut draft.store.retention.seconds, above_zero(value)?.as_secs().max(1))
        }),
        default: "7d",
        about: "How long recorded changes are kept for those who follow them: the feed, histories and the like.",
    },
    Key {
        name: "store.events_bytes",
        kind: Kind::Size(|draft, value| assign(&mut draft.store.retention.bytes, value)),
        default: "4GiB",
        about: "The approximate size of all recorded changes, above which the oldest are removed even if `store.events_for` has not passed.",
    },
    Key {
        name: "limits.connections",
        kind: Kind::Number(1, 1_000_000, |draft, value| {
            assign(&mut draft.limits.connections.all, count(value))
        }),
        default: "10000",
        about: "The maximum number of open connections. When it is reached, the longest idle connection that has not sent a valid signature is closed; if there is none, new calls wait for a free connection and finally get 60018. Health checks are still answered.",
    },
    Key {
        name: "limits.connections_per_source",
        kind: Kind::Number(0, 1_000_000, |draft, value| {
            assign(&mut draft.limits.connections.per_source, count(value))
        }),
        default: "0",
        about: "The maximum number of open connections from one source address (in IPv6 from one /64). 0 means `limits.connections` minus a tenth (at least 1, at most 100), which is reserved for other sources. Loopback addresses are not counted, unless a trusted proxy reports them.",
    },
    Key {
        name: "limits.unsent",
        kind: Kind::Size(|draft, value| match value {
            0 => Err("must be larger than 0".to_owned()),
            size => assign(&mut draft.limits.unsent_bytes, count(size)),
        }),
        default: "16MiB",
        about: "Memory for answers that clients have not received yet, across all connections. When it is full, connections whose clients do not read are closed.",
    },
    Key {
        name: "limits.body",
        kind: Kind::Size(|draft, value| match value {
            0 => Err("must be larger than 0".to_owned()),
            size => assign(&mut draft.limits.body_bytes, count(size)),
        }),
        default: "1MiB",
        about: "The maximum size of a call's body; larger ones are refused (60002).",
    },
    Key {
        name: "limits.bodies",
        kind: Kind::Size(|draft, value| assign(&mut draft.limits.bodies_bytes, count(value))),
        default: "64MiB",
        about: "Memory for the bodies of calls in progress, across all connections; at least `limits.body`. When it is full, further calls are refused (60018). Bodies of up to 16 KiB are not counted and always accepted (over HTTP/2 four at a time per connection).",
    },
    Key {
        name: "limits.head_timeout",
        kind: Kind::Duration(|draft, value| assign(&mut draft.limits.patience.head, above_zero(value)?)),
        default: "10s",
        about: "How long a client may take to send a request's head, from its first byte, or to complete a TLS handshake.",
    },
    Key {
        name: "limits.idle_timeout",
        kind: Kind::Duration(|draft, value| assign(&mut draft.limits.patience.idle, above_zero(value)?)),
        default: "60s",
        about: "How long a connection may stay open without a request.",
    },
    Key {
        name: "limits.call_timeout",
        kind: Kind::Duration(|draft, value| assign(&mut draft.limits.answer_within, above_zero(value)?)),
        default: "3s",
        about: "How long a call may take before it is answered with 60008. A change that it has started to write is still written.",
    },
    Key {
        name: "limits.drain_timeout",
        kind: Kind::Duration(|draft, value| assign(&mut draft.drain, value)),
        default: "10s",
        about: "How long a graceful stop may take, from the signal to the end of the process. A fifth of it (at most a second) is reserved for sending spans, closing the store and writing the log; calls may use the rest.",
    },
    Key {
        name: "limits.rate_limit",
        kind: Kind::Switch(|draft, value| {
            let rate = if value { RateLimit::On } else { RateLimit::Off };
            assign(&mut draft.limits.rate, rate)
        }),
        default: "true",
        about: "Whether calls per second are limited, for each app and command (60007).",
    },
    Key {
        name: "limits.rate",
        kind: Kind::Rates(|draft, value| assign(&mut draft.rates, value)),
        default: "",
        about: "How many calls per second an app may make of each command (60007 beyond that), unless the app has a `rate` of its own. The default is that of Tencent's service: 100 for account_check, account_delete and multiaccount_import, 200 for every other command. It changes when the apps are reloaded.",
    },
    Key {
        name: "limits.strict",
        kind: Kind::Switch(|draft, value| assign(&mut draft.limits.strict, value)),
        default: "false",
        about: "Whether unknown fields (50002), and a `random` that is not a number from 0 to 4294967295 (60002), are \
                refused instead of ignored.",
    },
    Key {
        name: "recent.listed",
        kind: Kind::Number(1, RecentRules::MOST_LISTED as u64, |draft, value| {
            assign(&mut draft.recent.listed, count(value))
        }),
        default: "100",
        about: "How many recent conversations get_list shows of a user, besides the pinned ones: the newest. The others are kept, and are shown again when newer ones are deleted. It changes when the apps are reloaded.",
    },
    Key {
        name: "recent.page_size",
        kind: Kind::Number(1, 1_000, |draft, value| assign(&mut draft.recent.page_size, count(value))),
        default: "500",
        about: "The maximum number of recent conversations in one reply of get_list, besides the pinned ones. A reply is longer if more conversations have moved in the same second. With the default, one reply is always complete. It changes when the apps are reloaded.",
    },
    Key {
        name: "recent.retention_days",
        kind: Kind::Number(0, 36_500, |draft, value| assign(&mut draft.recent.retention, 86_400 * value)),
        default: "0",
        about: "How many days after its newest message get_list shows a conversation; 0 means for ever. It changes when the apps are reloaded.",
    },
    Key {
        name: "metrics.enabled",
        kind: Kind::Switch(|draft, value| assign(&mut draft.metrics, value)),
        default: "false",
        about: "Whether metrics are served at /metrics, to every client that can reach the server.",
    },
    Key {
        name: "traces.endpoint",
        kind: Kind::Address(|draft, value| assign(&mut draft.traces, Some(value))),
        default: "",
        about: "An OpenTelemetry collector that receives a span for every call, such as http://localhost:4318 (OTLP over HTTP, JSON). Without it no spans are sent.",
    },
    Key {
        name: "controls.token_file",
        kind: Kind::Path(|draft, value| assign(&mut draft.token_file, Some(value))),
        default: "",
        about: "A file with the token that grants access to the test controls under /_dev/; other users must not be able to read it. Without it the controls are turned off.",
    },
    Key {
        name: "log.format",
        kind: Kind::Choice(&["text", "json"], |draft, value| {
            assign(&mut draft.log_format, if value == "json" { LogFormat::Json } else { LogFormat::Text })
        }),
        default: "text",
        about: "The format of the log on standard error.",
    },
    Key {
        name: "log.level",
        kind: Kind::Choice(&["error", "warn", "info", "debug"], |draft, value| {
            let level = match value.as_str() {
                "error" => LogLevel::Error,
                "warn" => LogLevel::Warn,
                "debug" => LogLevel::Debug,
                _ => LogLevel::Info,
            };
            assign(&mut draft.log_level, level)
        }),
        default: "info",
        about: "How much is logged. `error`: failures of the server; `warn`: also problems that an operator should look into; `info`: also failed and slow calls; `debug`: also all other calls.",
    },
];

fn above_zero(duration: Duration) -> Result<Duration, String> {
    (!duration.is_zero()).then_some(duration).ok_or_else(|| "must be longer than 0".to_owned())
}
