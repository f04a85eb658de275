//! How fast a connection gets on: what has come in, what was begun, what was answered.
//!
//! Slow and idle connections are found by a tick per connection, not by hyper's time-out, which
//! sets a timer per request.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

/// How long a connection may take its time.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a request to the end of its head, and for a TLS handshake.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
}

/// What is known of one connection.
#[derive(Debug, Default)]
pub(super) struct Pace {
    begun: AtomicU64,
    answered: AtomicU64,
    /// Whether bytes came in since the last answer that belong to no request yet.
    partial: AtomicBool,
}

impl Pace {
    /// Bytes came in.
    pub(super) fn receive(&self) {
        if self.is_quiet() {
            self.partial.store(true, Ordering::Relaxed);
        }
    }

    /// A request's head is here.
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// A request is answered.
    pub(super) fn answer(&self) {
        self.partial.store(false, Ordering::Relaxed);
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether no request is being worked on.
    pub(super) fn is_quiet(&self) -> bool {
        self.begun.load(Ordering::Relaxed) == self.answered.load(Ordering::Relaxed)
    }

    /// Waits until the connection has been too slow: a quarter of the time late at the most.
    pub(super) async fn outlasts(&self, patience: Patience) -> &'static str {
        let period = (patience.head.min(patience.idle) / 4).max(Duration::from_millis(10));
        let mut ticks = tokio::time::interval(period);
        ticks.tick().await;
        let (mut answered, mut quiet, mut partial) = (0, Duration::ZERO, Duration::ZERO);
        loop {
            ticks.tick().await;
            let now = self.answered.load(Ordering::Relaxed);
            if now != answered || !self.is_quiet() {
                (answered, quiet, partial) = (now, Duration::ZERO, Duration::ZERO);
                continue;
            }
            quiet += period;
            partial = if self.partial.load(Ordering::Relaxed) { partial + period } else { Duration::ZERO };
            if partial > patience.head {
                return "the head of a request did not come in time";
            }
            if quiet > patience.idle {
                return "a connection was idle for too long";
            }
        }
    }
}
