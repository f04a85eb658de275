//! What every request works with, shared by all of them.

use std::{
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use super::{
    access::Access,
    exchange::Observers,
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
};

/// The name under which the file format is served, as a service that an app may close.
pub const INTERCHANGE: &str = "interchange";

/// Features that not every server has.
#[derive(Debug, Default)]
pub struct Options {
    /// What opens `/_dev/`.
    pub controls: Option<Controls>,
    /// Where calls are counted, for `/metrics`.
    pub metrics: Option<Arc<Metrics>>,
    /// Where spans go.
    pub traces: Option<Arc<Traces>>,
    /// Names by which the server may be called, for what is not protected by a secret.
    pub hosts: AllowedHosts,
    /// Whether apps may have keys that everybody knows, so that a signature proves nothing against a web page.
    pub published_keys: bool,
}

/// What calls may take.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Whether calls per second are counted.
    pub rate: RateLimit,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// Bytes of bodies that may be received or worked on at once; small bodies do not count.
    pub bodies_bytes: usize,
    /// How long a request may take, from its head to its answer.
    pub answer_within: Duration,
    /// How long a body of lines may stand still.
    pub idle: Duration,
    /// Whether fields that a command does not have are refused (decision 23), and a `random` that is not a number
    /// (decision 27).
    pub strict: bool,
}

/// Asks for the connections there are.
type AskConnections = Box<dyn Fn() -> ConnectionCounts + Send + Sync>;

/// The state of a pipeline.
pub(super) struct State {
    access: RwLock<Arc<Access>>,
    pub(super) service: Service,
    pub(super) limits: CallLimits,
    /// The memory for bodies of requests.
    pub(super) budget: Arc<Budget>,
    /// The log lines of the present second.
    pub(super) lines: Arc<LogBudget>,
    pub(super) observers: Observers,
    /// The imports and exports that run.
    pub(super) transfers: Transfers,
    /// What was logged about previous keys.
    rotations: Reports,
    pub(super) hosts: AllowedHosts,
    pub(super) published_keys: bool,
    pub(super) controls: Option<Arc<Controls>>,
    metrics: Option<Arc<Metrics>>,
    connections: OnceLock<AskConnections>,
}

impl State {
    pub(super) fn new(gate: Gate, service: Service, limits: CallLimits, options: Options) -> State {
        let Options { controls, metrics, traces, hosts, published_keys } = options;
        let (controls, lines) = (controls.map(Arc::new), Arc::<LogBudget>::default());
        let observers =
            observers::all(&lines, metrics.as_ref(), traces.as_ref(), controls.as_ref(), &service.clock);
        State {
            access: RwLock::new(Arc::new(Access::new(gate, limits.rate, limits.strict))),
            service,
            limits,
            budget: Budget::new(limits.bodies_bytes),
            lines,
            observers,
            transfers: Transfers::default(),
            rotations: Reports::default(),
            hosts,
            published_keys,
            controls,
            metrics,
            connections: OnceLock::new(),
        }
    }

    /// Who has access now.
    pub(super) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives access to these apps' administrators from now on, and to nobody else.
    pub(super) fn admit_only(&self, apps: Apps) {
        let next = self.access().with(apps);
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// Asks for connections in this way from now on. The first way stays.
    pub(super) fn count_connections(&self, ask: impl Fn() -> ConnectionCounts + Send + Sync + 'static) {
        // One protocol layer holds the connections of a server.
        let _ = self.connections.set(Box::new(ask));
    }

    /// The metrics as they are now.
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
            apps: access.calls.clone(),
            process: Process::now(),
        }))
    }

    /// Writes summed log lines.
    pub(super) fn housekeep(&self) {
        self.lines.report();
        self.rotations.report(&self.access().gate.previous_use(), self.service.clock.elapsed());
    }
}
