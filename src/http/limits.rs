//! The limits of the service over HTTP.

use std::time::Duration;

use super::{patience::Patience, registry::ConnectionLimits};
use crate::call::{CallLimits, RateLimit};

/// The limits of the service over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Whether calls per second are counted.
    pub rate: RateLimit,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// How long a request may take, from its head to its answer.
    pub answer_within: Duration,
    /// How long a client may be slow or idle.
    pub patience: Patience,
    /// How many connections may be open.
    pub connections: ConnectionLimits,
    /// How many bytes of answers may wait for clients to read them, across all connections. Beyond this, connections
    /// that do not read are closed.
    pub unsent_bytes: usize,
    /// How many bytes of request bodies may be received or processed at once, across all connections. Small bodies do
    /// not count.
    pub bodies_bytes: usize,
    /// Whether to refuse fields that the command does not define (decision 23) and a `random` that is not a number
    /// (decision 27).
    pub strict: bool,
}

impl Default for HttpLimits {
    /// Returns the limits of the original service, such as bodies of 1 MiB, 3 seconds per call and limited call rates,
    /// and confold's own defaults for the rest.
    fn default() -> HttpLimits {
        HttpLimits {
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

impl HttpLimits {
    /// Returns the limits that apply to single calls.
    #[must_use]
    pub fn of_calls(&self) -> CallLimits {
        CallLimits {
            rate: self.rate,
            body_bytes: self.body_bytes,
            bodies_bytes: self.bodies_bytes,
            answer_within: self.answer_within,
            idle: self.patience.idle,
            strict: self.strict,
        }
    }
}
