//! The door: HTTP/1.1 and HTTP/2, with TLS or without, on one side, commands on the other.
//!
//! Every answer on `/v4/…` and `/` has status 200 with the outcome in its body; everything else uses ordinary
//! statuses (decision 22).

mod activity;
mod admission;
mod answer;
mod bodies;
mod body;
mod call_log;
mod connection;
mod control_requests;
mod controls;
mod encoding;
mod export_body;
mod health;
mod listener;
mod origin;
mod overload;
mod query;
mod rate;
mod record;
mod registry;
mod request;
mod rotation;
mod run;
mod socket;
mod sources;
mod stream;
mod taken;
mod transfer;
mod unsent;

pub use activity::Patience;
pub use answer::SPEAKS_TLS;
pub use listener::serve;
pub use origin::{AllowedHosts, is_host_name};
pub use rate::RateLimit;
pub use registry::ConnectionLimits;
pub use socket::{Bound, Listening};
pub use sources::Proxies;

/// The name under which the file format is served, as a service that an app may close.
pub const INTERCHANGE: &str = "interchange";

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use crate::{
    api::Service,
    auth::{Apps, Gate},
    clock::Deadline,
    controls::Controls,
    metrics::{CallsOfApps, Metrics, Now, Process},
    traces::Traces,
};

/// Everything a request needs, shared by all connections.
pub struct Door {
    entrance: RwLock<Arc<Entrance>>,
    service: Service,
    limits: DoorLimits,
    /// The connections that are open.
    registry: Arc<registry::Registry>,
    /// The bytes of answers that clients have not taken yet.
    unsent: Arc<unsent::Unsent>,
    /// The memory for bodies of requests.
    bodies: Arc<bodies::Bodies>,
    /// The imports and exports that run.
    transfers: transfer::Transfers,
    /// The log lines of the present second.
    lines: call_log::LogBudget,
    /// What was logged about previous keys.
    rotations: rotation::Reports,
    proxies: Proxies,
    hosts: AllowedHosts,
    published_keys: bool,
    /// What an emulator lets tests do to it.
    controls: Option<Controls>,
    /// What is counted, if something is.
    metrics: Option<Metrics>,
    /// Where spans go, if somewhere.
    traces: Option<Traces>,
}

/// Who is let in, and how often. A new one takes its place when the apps change; a call in progress
/// keeps the one it came in by.
struct Entrance {
    gate: Gate,
    rates: rate::Rates,
    /// Whether what has no meaning has to be well-formed all the same.
    strict: bool,
    /// What is counted of each app.
    calls: CallsOfApps,
}

/// What not every server has.
#[derive(Debug, Default)]
pub struct Sides {
    /// What opens `/_dev/`.
    pub controls: Option<Controls>,
    /// Where calls are counted, for `/metrics`.
    pub metrics: Option<Metrics>,
    /// Where spans go.
    pub traces: Option<Traces>,
    /// The proxies that may name the source of a connection or request.
    pub proxies: Proxies,
    /// Names by which the server may be called, for what is not protected by a secret.
    pub hosts: AllowedHosts,
    /// Whether apps may have keys that everybody knows, so that a signature proves nothing against a web page.
    pub published_keys: bool,
}

/// What the door accepts.
#[derive(Clone, Copy, Debug)]
pub struct DoorLimits {
    /// Whether calls per second are counted.
    pub rate: RateLimit,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// How long a request may take, from its head to its answer.
    pub answer_within: Duration,
    /// How long a connection may take its time.
    pub patience: Patience,
    /// How many connections may be open.
    pub connections: ConnectionLimits,
    /// Bytes of answers that may wait for clients to take them, over all connections; beyond it connections that
    /// do not read are closed.
    pub unsent_bytes: usize,
    /// Bytes of bodies that may be received or worked on at once, over all connections; small bodies do not count.
    pub bodies_bytes: usize,
    /// Whether fields that a command does not have are refused (decision 23), and a `random` that is not a number
    /// (decision 27).
    pub strict: bool,
}

impl Default for DoorLimits {
    /// The service's own: 1 MiB and 3 seconds, calls counted.
    fn default() -> DoorLimits {
        DoorLimits {
            rate: RateLimit::On,
            body_bytes: 1 << 20,
            answer_within: Duration::from_secs(3),
            patience: Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60) },
            connections: ConnectionLimits { all: 10_000, per_source: 0 },
            unsent_bytes: 16 << 20,
            bodies_bytes: 64 << 20,
            strict: false,
        }
    }
}

impl Door {
    /// A door to `service` for those whom `gate` lets in.
    #[must_use]
    pub fn new(gate: Gate, service: Service, limits: DoorLimits) -> Arc<Door> {
        Door::with_sides(gate, service, limits, Sides::default())
    }

    /// The same, with what not every server has.
    #[must_use]
    pub fn with_sides(gate: Gate, service: Service, limits: DoorLimits, sides: Sides) -> Arc<Door> {
        let Sides { controls, metrics, traces, proxies, hosts, published_keys } = sides;
        let rates = rate::Rates::new(limits.rate, gate.apps());
        let unsent = Arc::new(unsent::Unsent::new(limits.unsent_bytes));
        let calls = CallsOfApps::default().with(gate.apps());
        let entrance = RwLock::new(Arc::new(Entrance { gate, rates, calls, strict: limits.strict }));
        Arc::new(Door {
            entrance,
            service,
            limits,
            registry: registry::Registry::new(limits.connections, Arc::clone(&unsent)),
            unsent,
            bodies: bodies::Bodies::new(limits.bodies_bytes),
            transfers: transfer::Transfers::default(),
            lines: call_log::LogBudget::default(),
            rotations: rotation::Reports::default(),
            proxies,
            hosts,
            published_keys,
            controls,
            metrics,
            traces,
        })
    }

    /// Lets these apps' administrators in from now on, and nobody else. Calls in progress end as they
    /// began; what was counted and remembered stays, as far as it is still true.
    pub fn admit_only(&self, apps: Apps) {
        let old = self.entrance();
        let rates = old.rates.with(&apps);
        let calls = old.calls.with(&apps);
        let next = Entrance { gate: old.gate.with(apps), rates, calls, strict: old.strict };
        *self.entrance.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// The metrics as they are now.
    fn rendered_metrics(&self) -> Option<String> {
        let metrics = self.metrics.as_ref()?;
        let (open, evicted, refused) = self.registry.counts();
        let entrance = self.entrance();
        Some(metrics.text(&Now {
            store: self.service.store.statistics(),
            signatures: entrance.gate.cached_signatures() as u64,
            open,
            evicted,
            refused,
            unsent: self.unsent.bytes() as u64,
            bodies: self.bodies.reserved() as u64,
            bodies_refused: self.bodies.refused(),
            previous_keys: entrance.gate.previous_use(),
            apps: entrance.calls.clone(),
            process: Process::now(),
        }))
    }

    /// Writes summed log lines, and sends readers away who take nothing while memory is tight.
    fn housekeep(&self) {
        self.lines.report();
        self.rotations.report(&self.entrance().gate.previous_use(), self.service.clock.elapsed());
        self.registry.shed_slow_readers(self.service.clock.elapsed(), false);
    }

    /// Sends the spans that still wait, as far as that is possible by then. For the end of a server.
    pub fn finish_traces(&self, by: &Deadline) {
        if let Some(traces) = &self.traces {
            traces.finish(by);
        }
    }

    fn entrance(&self) -> Arc<Entrance> {
        Arc::clone(&self.entrance.read().unwrap_or_else(PoisonError::into_inner))
    }
}
