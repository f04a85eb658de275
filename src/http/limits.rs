//! What a service accepts over HTTP.

use std::time::Duration;

use super::{activity::Patience, registry::ConnectionLimits};
use crate::call::{CallLimits, RateLimit};

/// What the service accepts.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
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

impl Default for HttpLimits {
    /// The service's own: 1 MiB and 3 seconds, calls counted.
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
    /// The part of them that is about calls.
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
