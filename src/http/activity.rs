//! What one connection is doing: which requests are in work, which bytes moved, what it still owes its client.
//!
//! Slow and idle connections are found by a tick per connection, not by hyper's time-out, which sets a
//! timer per request.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, Semaphore};

use super::{task::TaskHandle, unsent::Unsent};
use crate::call::SmallBodies;

/// How long a connection may take its time.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a request to the end of its head, and for a TLS handshake.
    pub head: Duration,
    /// Without a request; and, while one is in work, without a byte in either direction.
    pub idle: Duration,
}

/// How long a connection that was accepted beyond the limit may take its time.
const PROBE: Duration = Duration::from_secs(1);

/// Bytes per second that have to move while a request is in work, on average over the time that a connection
/// may stand still. A client that trickles would otherwise hold an import or export for ever.
const SLOWEST: u64 = 1_024;

/// Requests that are in work at once on a connection that never carried a good signature. The others wait.
pub(super) const STRANGER_REQUESTS: usize = 4;

/// The state of one connection, shared by its task, its stream, its requests and the registry.
#[derive(Debug)]
pub(super) struct Activity {
    /// The address that the socket is connected to, or the one that a trusted proxy named when the connection
    /// began.
    pub(super) peer: IpAddr,
    /// Whether requests may name their source, because a trusted proxy sends them.
    pub(super) forwards: bool,
    /// Whether the connection was accepted beyond the limit: to answer health checks, or to wait for a place.
    probe: AtomicBool,
    pub(super) begun: AtomicU64,
    pub(super) finished: AtomicU64,
    /// Bytes that came, and bytes that went.
    received: AtomicU64,
    sent: AtomicU64,
    /// Whether bytes came in since the last answer that belong to no request yet.
    pub(super) partial: AtomicBool,
    /// Whether bytes between requests belong to the head of the next one. They do not in HTTP/2.
    pub(super) heads: AtomicBool,
    /// Milliseconds of the monotonic clock when the last request began, or the connection did.
    last: AtomicU64,
    /// Whether a request carried a good signature.
    signed: AtomicBool,
    /// Whether a part of a request was left unread, so that closing at once could destroy the answer.
    unread: AtomicBool,
    /// Bytes of answers that the client has not taken yet, and since when there are some, in milliseconds of the
    /// monotonic clock.
    pub(super) unsent: AtomicUsize,
    pub(super) unsent_since: AtomicU64,
    /// How many answers, or parts of them, the client has taken whole.
    pub(super) taken: AtomicU64,
    pub(super) all_unsent: Arc<Unsent>,
    /// Bodies without their end for which nothing is reserved. Only of a connection that carries several requests at
    /// once.
    pub(super) small_bodies: SmallBodies,
    /// Wakes requests that wait for bytes to be taken.
    pub(super) wake: Notify,
    pub(super) strangers: Arc<Semaphore>,
    handle: Arc<TaskHandle>,
}

impl Activity {
    /// A new connection of `peer` at `now` of the monotonic clock.
    pub(super) fn new(
        peer: IpAddr,
        forwards: bool,
        probe: bool,
        all_unsent: &Arc<Unsent>,
        handle: Arc<TaskHandle>,
        now: Duration,
    ) -> Activity {
        Activity {
            peer,
            forwards,
            probe: AtomicBool::new(probe),
            begun: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            unsent_since: AtomicU64::new(0),
            partial: AtomicBool::new(false),
            heads: AtomicBool::new(true),
            last: AtomicU64::new(milliseconds(now)),
            signed: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            unsent: AtomicUsize::new(0),
            all_unsent: Arc::clone(all_unsent),
            small_bodies: SmallBodies::default(),
            wake: Notify::new(),
            strangers: Arc::new(Semaphore::new(STRANGER_REQUESTS)),
            handle,
        }
    }

    /// Whether the connection was accepted beyond the limit.
    pub(super) fn is_probe(&self) -> bool {
        self.probe.load(Ordering::Relaxed)
    }

    /// The connection got a place like any other.
    pub(super) fn promote(&self) {
        self.probe.store(false, Ordering::Relaxed);
    }

    /// The connection speaks HTTP/2: bytes between requests are not the beginning of a head.
    pub(super) fn speak_http2(&self) {
        self.heads.store(false, Ordering::Relaxed);
    }

    /// Bytes came in.
    pub(super) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.heads.load(Ordering::Relaxed) && self.is_quiet() {
            self.partial.store(true, Ordering::Relaxed);
        }
    }

    /// Bytes went out.
    pub(super) fn send(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many bytes moved in the direction that is waited for: outwards while answers wait to be taken, in both
    /// otherwise. What a client sends meanwhile does not make it a reader.
    fn progress(&self) -> u64 {
        let sent = self.sent.load(Ordering::Relaxed);
        match self.unsent() {
            0 => sent + self.received.load(Ordering::Relaxed),
            _ => sent,
        }
    }

    /// How many answers, or parts of them, the client has taken whole.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Since when answers wait, in milliseconds of the monotonic clock.
    pub(super) fn unsent_since(&self) -> u64 {
        self.unsent_since.load(Ordering::Relaxed)
    }

    /// How many requests have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Notes when a request began.
    pub(super) fn touch(&self, now: Duration) {
        self.last.store(milliseconds(now), Ordering::Relaxed);
    }

    /// When the last request began, in milliseconds of the monotonic clock.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// Whether no request is in work.
    pub(super) fn is_quiet(&self) -> bool {
        self.begun.load(Ordering::Relaxed) == self.finished.load(Ordering::Relaxed)
    }

    /// A request carried a good signature: from now on requests need no place among those of a stranger.
    pub(super) fn mark_signed(&self) {
        if !self.is_signed() {
            self.signed.store(true, Ordering::Relaxed);
            self.strangers.close();
        }
    }

    /// Whether a request carried a good signature.
    pub(super) fn is_signed(&self) -> bool {
        self.signed.load(Ordering::Relaxed)
    }

    /// Bytes of answers that the client has not taken yet.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.load(Ordering::Relaxed)
    }

    /// A part of a request was left unread.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether a part of a request was left unread.
    pub(super) fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Ends the connection, because its place is needed.
    pub(super) fn evict(&self) {
        self.handle.end();
    }

    /// Returns why the connection is too slow, at most a quarter of the limit late. A call, which may take `call`
    /// without a byte, is not cut off before that.
    pub(super) async fn until_too_slow(&self, patience: Patience, call: Duration) -> &'static str {
        let least = patience.head.min(patience.idle);
        let least = if self.is_probe() { least.min(PROBE) } else { least };
        let period = (least / 4).max(Duration::from_millis(10));
        let mut ticks = tokio::time::interval(period);
        ticks.tick().await;
        let (mut finished, mut moved) = (0, 0);
        let (mut quiet, mut partial, mut slow, mut busy) =
            (Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let usual = patience;
        loop {
            ticks.tick().await;
            let patience = match self.is_probe() {
                false => usual,
                true => Patience { head: usual.head.min(PROBE), idle: usual.idle.min(PROBE) },
            };
            let now_finished = self.finished.load(Ordering::Relaxed);
            if now_finished != finished || !self.is_quiet() {
                (quiet, partial) = (Duration::ZERO, Duration::ZERO);
            } else {
                quiet += period;
                let waits = self.partial.load(Ordering::Relaxed);
                partial = if waits { partial + period } else { Duration::ZERO };
            }
            // Under a request the average counts, from the last time that it was good.
            slow += period;
            let now_moved = self.progress();
            let enough = u128::from(SLOWEST) * slow.as_millis() / 1_000;
            // It counts less than before when it counts one direction instead of two.
            if now_finished != finished
                || now_moved.checked_sub(moved).is_none_or(|more| u128::from(more) > enough)
            {
                (slow, moved) = (Duration::ZERO, now_moved);
            }
            if partial > patience.head {
                return "the head of a request did not arrive in time";
            }
            if quiet > patience.idle {
                return "a connection was idle for too long";
            }
            busy = if self.is_quiet() || now_finished != finished { Duration::ZERO } else { busy + period };
            if busy > usual.head.max(call) && !self.is_signed() {
                return "a request without a good signature was in work for too long";
            }
            finished = now_finished;
            if !self.is_quiet() && slow > usual.idle.saturating_add(call) {
                return "too few bytes moved for too long while a request was in work";
            }
        }
    }
}

/// A time as whole milliseconds.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
