//! The door: HTTP/1.1 on one side, commands on the other.
//!
//! Every answer on `/v4/…`, `/` and unknown paths has status 200 with the outcome in its body
//! (decision 22); only the health checks use others.

mod admission;
mod answer;
mod connection;
mod faultless;
mod health;
mod journal;
mod query;
mod rate;
mod request;

pub use connection::{Listening, serve};
pub use rate::RateLimit;

use std::{sync::Arc, time::Duration};

use crate::{api::Service, auth::Gate};

/// Everything a request needs, shared by all connections.
pub struct Door {
    gate: Gate,
    service: Service,
    rates: rate::Rates,
    limits: DoorLimits,
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
}

impl Default for DoorLimits {
    /// The service's own: 1 MiB and 3 seconds, calls counted.
    fn default() -> DoorLimits {
        DoorLimits { rate: RateLimit::On, body_bytes: 1 << 20, answer_within: Duration::from_secs(3) }
    }
}

impl Door {
    /// A door to `service` for those whom `gate` lets in.
    #[must_use]
    pub fn new(gate: Gate, service: Service, limits: DoorLimits) -> Arc<Door> {
        let rates = rate::Rates::new(limits.rate, gate.apps());
        Arc::new(Door { gate, service, rates, limits })
    }
}
