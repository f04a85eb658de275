//! The state that all requests share.

use std::{
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use super::{
    access::Access,
    exchange::Observers,
    feed::Feed,
    memory::Budget,
    observers::{self, log::LogBudget},
    origin::AllowedHosts,
    permits::Transfers,
    rate::RateLimit,
    rotation::Reports,
};
use crate::{
    api::Service,
    auth::{Apps, Gate},
    controls::Controls,
    metrics::{ConnectionCounts, Metrics, Now, Process},
    traces::Traces,
    webhooks::{Forwarder, Webhooks},
};

/// The name of the import and export service, as used in an app's list of services.
pub const INTERCHANGE: &str = "interchange";
/// The name of the feed, as used in an app's list of services.
pub const FEED: &str = "feed";

/// Features that not every server has.
#[derive(Debug, Default)]
pub struct Options {
    /// The controls below `/_dev/`.
    pub controls: Option<Controls>,
    /// The counters for `/metrics`.
    pub metrics: Option<Arc<Metrics>>,
    /// The destination of spans.
    pub traces: Option<Arc<Traces>>,
    /// The webhooks of the apps.
    pub webhooks: Option<Arc<Webhooks>>,
    /// The allowed host names, for paths that are not protected by a secret.
    pub hosts: AllowedHosts,
    /// Whether apps may have published keys, so that a web page could sign as well.
    pub published_keys: bool,
}

/// The limits of calls.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Whether calls per second are limited.
    pub rate: RateLimit,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// How many bytes of bodies may be received or processed at once. Small bodies do not count.
    pub bodies_bytes: usize,
    /// How long a request may take, from its head to its answer.
    pub answer_within: Duration,
    /// How long a body of lines may go without progress.
    pub idle: Duration,
    /// Whether to refuse fields that a command does not define (decision 23) and a `random` that is not a number
    /// (decision 27).
    pub strict: bool,
}

/// The current access rules.
pub(super) struct Current(RwLock<Arc<Access>>);

impl Current {
    pub(super) fn get(&self) -> Arc<Access> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A callback that returns the current connection counts.
type AskConnections = Box<dyn Fn() -> ConnectionCounts + Send + Sync>;

/// The state of a pipeline.
pub(super) struct State {
    access: Arc<Current>,
    /// The feeds of all apps.
    pub(super) feed: Arc<Feed>,
    pub(super) service: Service,
    pub(super) limits: CallLimits,
    /// The memory budget of request bodies.
    pub(super) budget: Arc<Budget>,
    /// The budget of log lines in the current second.
    pub(super) lines: Arc<LogBudget>,
    pub(super) observers: Observers,
    /// The running imports and exports.
    pub(super) transfers: Transfers,
    /// The last log lines about previous keys.
    rotations: Reports,
    pub(super) hosts: AllowedHosts,
    pub(super) published_keys: bool,
    pub(super) webhooks: Option<Arc<Webhooks>>,
    /// Sends received webhooks on to other servers.
    pub(super) forwarder: Forwarder,
    pub(super) controls: Option<Arc<Controls>>,
    metrics: Option<Arc<Metrics>>,
    connections: OnceLock<AskConnections>,
}

impl State {
    pub(super) fn new(gate: Gate, service: Service, limits: CallLimits, options: Options) -> State {
        let Options { controls, metrics, traces, webhooks, hosts, published_keys } = options;
        let (controls, lines) = (controls.map(Arc::new), Arc::<LogBudget>::default());
        let observers =
            observers::all(&lines, metrics.as_ref(), traces.as_ref(), controls.as_ref(), &service.clock);
        State {
            access: Arc::new(Current(RwLock::new(Arc::new(Access::new(
                gate,
                limits.rate,
                limits.strict,
                webhooks.clone(),
            ))))),
            feed: Feed::new(Arc::clone(&service.store)),
            service,
            limits,
            budget: Budget::new(limits.bodies_bytes),
            lines,
            observers,
            transfers: Transfers::default(),
            rotations: Reports::default(),
            hosts,
            published_keys,
            webhooks,
            forwarder: Forwarder::default(),
            controls,
            metrics,
            connections: OnceLock::new(),
        }
    }

    /// Returns the current access rules.
    pub(super) fn access(&self) -> Arc<Access> {
        self.access.get()
    }

    /// Returns the access rules as they will be at any later time.
    pub(super) fn current_access(&self) -> Arc<Current> {
        Arc::clone(&self.access)
    }

    /// Admits only the administrators of these apps from now on.
    pub(super) fn admit_only(&self, apps: Apps) {
        let next = self.access().with(apps);
        *self.access.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// Sets the function that returns the counts of connections. Later calls have no effect.
    pub(super) fn count_connections(&self, ask: impl Fn() -> ConnectionCounts + Send + Sync + 'static) {
        // A server has a single protocol layer, so a second call is not expected.
        let _ = self.connections.set(Box::new(ask));
    }

    /// Renders the metrics, if they are enabled.
    pub(super) fn render_metrics(&self) -> Option<String> {
        let metrics = self.metrics.as_ref()?;
        let access = self.access();
        Some(metrics.text(&Now {
            store: self.service.store.statistics(),
            signatures: access.gate.cached_signatures() as u64,
            connections: self.connections.get().map(|ask| ask()).unwrap_or_default(),
            bodies: self.budget.reserved() as u64,
            bodies_refused: self.budget.refused(),
            previous_keys: access.gate.previous_use(),
            feed: self.feed.counts(),
            apps: access.calls.clone(),
            webhooks: self.webhooks.as_ref().map(|webhooks| webhooks.status()).unwrap_or_default(),
            process: Process::now(),
        }))
    }

    /// Writes summarized log lines.
    pub(super) fn housekeep(&self) {
        self.lines.report();
        self.rotations.report(&self.access().gate.previous_use(), self.service.clock.elapsed());
    }
}
