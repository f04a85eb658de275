//! The door: HTTP/1.1 and HTTP/2, with TLS or without, on one side, commands on the other.
//!
//! Every answer on `/v4/…`, `/` and unknown paths has status 200 with the outcome in its body
//! (decision 22); only the health checks use others.

mod admission;
mod answer;
mod connection;
mod controls;
mod faultless;
mod health;
mod interchange;
mod journal;
mod pace;
mod query;
mod rate;
mod request;

pub use connection::{Listening, serve};
pub use pace::Patience;
pub use rate::RateLimit;

/// The name under which the file format is served, as a service that an app may close.
pub const INTERCHANGE: &str = "interchange";

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::{
    api::Service,
    auth::{Apps, Gate},
    controls::Controls,
    metrics::{Metrics, Now, Process},
    traces::Traces,
};

/// Imports that may run at once: each may have a line of tens of megabytes in memory.
const IMPORTS: usize = 2;

/// Everything a request needs, shared by all connections.
pub struct Door {
    entrance: RwLock<Arc<Entrance>>,
    service: Service,
    limits: DoorLimits,
    /// One for each connection that may be open.
    connections: Arc<Semaphore>,
    /// One for each import that may run.
    imports: Semaphore,
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
    /// How many connections may be open; further ones wait.
    pub connections: usize,
    /// Whether fields that a command does not have are refused (decision 23).
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
            connections: 10_000,
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
        let Sides { controls, metrics, traces } = sides;
        let rates = rate::Rates::new(limits.rate, gate.apps());
        let connections = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        let entrance = RwLock::new(Arc::new(Entrance { gate, rates }));
        Arc::new(Door {
            entrance,
            service,
            limits,
            connections,
            imports: Semaphore::new(IMPORTS),
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
        let next = Entrance { gate: old.gate.with(apps), rates };
        *self.entrance.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// The metrics as they are now.
    fn told_metrics(&self) -> Option<String> {
        let metrics = self.metrics.as_ref()?;
        let free = self.connections.available_permits();
        Some(metrics.text(&Now {
            store: self.service.store.statistics(),
            signatures: self.entrance().gate.remembers() as u64,
            open: self.limits.connections.saturating_sub(free) as u64,
            process: Process::now(),
        }))
    }

    fn entrance(&self) -> Arc<Entrance> {
        Arc::clone(&self.entrance.read().unwrap_or_else(PoisonError::into_inner))
    }
}
