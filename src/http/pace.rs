//! How fast a connection gets on: what moves over it, what was begun, what was answered.
//!
//! Slow and idle connections are found by a tick per connection, not by hyper's time-out, which
//! sets a timer per request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// How long a connection may take its time.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a request to the end of its head, and for a TLS handshake.
    pub head: Duration,
    /// Without a request; and, while one is worked on, without a byte in either direction.
    pub idle: Duration,
}

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    begun: AtomicU64,
    answered: AtomicU64,
    /// How often bytes came or went.
    moved: AtomicU64,
    /// Whether bytes came in since the last answer that belong to no request yet.
    partial: AtomicBool,
    /// Whether bytes outside a request are the head of the next: not so in HTTP/2.
    heads: bool,
}

/// A request that is worked on, until this is dropped.
#[derive(Debug)]
pub(super) struct Working(Arc<Pace>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.partial.store(false, Ordering::Relaxed);
        self.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

impl Pace {
    /// A new connection; `heads` whether what comes between requests begins the next.
    pub(super) fn new(heads: bool) -> Arc<Pace> {
        Arc::new(Pace {
            begun: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            partial: AtomicBool::new(false),
            heads,
        })
    }

    /// Bytes came in.
    pub(super) fn receive(&self) {
        self.moved.fetch_add(1, Ordering::Relaxed);
        if self.heads && self.is_quiet() {
            self.partial.store(true, Ordering::Relaxed);
        }
    }

    /// Bytes went out.
    pub(super) fn send(&self) {
        self.moved.fetch_add(1, Ordering::Relaxed);
    }

    /// A request's head is here. The request is worked on until the answer is made, or – when its body
    /// takes its time – until that has ended; or until its stream is given up.
    pub(super) fn begin(self: &Arc<Pace>) -> Working {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(self))
    }

    /// Whether no request is being worked on.
    pub(super) fn is_quiet(&self) -> bool {
        self.begun.load(Ordering::Relaxed) == self.answered.load(Ordering::Relaxed)
    }

    /// Waits until the connection has been too slow: a quarter of the time late at the most. A call,
    /// which may take `call` without a byte, is not cut off before that.
    pub(super) async fn outlasts(&self, patience: Patience, call: Duration) -> &'static str {
        let period = (patience.head.min(patience.idle) / 4).max(Duration::from_millis(10));
        let mut ticks = tokio::time::interval(period);
        ticks.tick().await;
        let (mut answered, mut moved) = (0, 0);
        let (mut quiet, mut partial, mut still) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        loop {
            ticks.tick().await;
            let now = (self.answered.load(Ordering::Relaxed), self.moved.load(Ordering::Relaxed));
            still = if now.1 == moved { still + period } else { Duration::ZERO };
            if now.0 != answered || !self.is_quiet() {
                (quiet, partial) = (Duration::ZERO, Duration::ZERO);
            } else {
                quiet += period;
                let waits = self.partial.load(Ordering::Relaxed);
                partial = if waits { partial + period } else { Duration::ZERO };
            }
            (answered, moved) = now;
            if partial > patience.head {
                return "the head of a request did not come in time";
            }
            if quiet > patience.idle {
                return "a connection was idle for too long";
            }
            if !self.is_quiet() && still > patience.idle.saturating_add(call) {
                return "nothing moved for too long under a request";
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_given_up_counts_as_over() {
        let pace = Pace::new(false);
        let (one, two) = (pace.begin(), pace.begin());
        drop(one);
        assert!(!pace.is_quiet());
        drop(two);
        assert!(pace.is_quiet());
    }
}
