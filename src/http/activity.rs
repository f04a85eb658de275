//! The activity of one connection: its requests in progress, the bytes that moved, and the answers its client has yet
//! to read.
//!
//! Slow and idle connections are found by one timer per connection, because hyper's time-out would set a timer per
//! request.

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

/// How long the server waits for a slow or idle client.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The maximum time from the first byte of a request to the end of its head, and for a TLS handshake.
    pub head: Duration,
    /// The maximum time without a request and, while one is in progress, without a byte in either direction.
    pub idle: Duration,
}

/// Both limits of [`Patience`] for a connection that was accepted beyond the connection limit.
const PROBE: Duration = Duration::from_secs(1);

/// The lowest average rate, in bytes per second, at which bytes have to move while a request is in progress. Without
/// it, a client that sends or reads a byte now and then could hold an import or export open forever.
const SLOWEST: u64 = 1_024;

/// How many requests may be in progress at once on a connection that has not yet presented a valid signature. Further
/// ones wait.
pub(super) const STRANGER_REQUESTS: usize = 4;

/// The state of one connection, shared by its task, its stream, its requests and the registry.
#[derive(Debug)]
pub(super) struct Activity {
    /// The address of the socket's other end, or the one that a trusted proxy named when the connection began.
    pub(super) peer: IpAddr,
    /// Whether requests may name their source, because a trusted proxy sends them.
    pub(super) forwards: bool,
    /// Whether the connection was accepted beyond the connection limit, to answer health checks or to wait for a
    /// place.
    probe: AtomicBool,
    pub(super) begun: AtomicU64,
    pub(super) finished: AtomicU64,
    /// Bytes received and bytes sent.
    received: AtomicU64,
    sent: AtomicU64,
    /// Whether bytes have arrived since the last answer that do not belong to a request yet.
    pub(super) partial: AtomicBool,
    /// Whether bytes between requests belong to the head of the next one, which is not the case in HTTP/2.
    pub(super) heads: AtomicBool,
    /// When the last request began or, before the first one, the connection: milliseconds of the monotonic clock.
    last: AtomicU64,
    /// Whether a request carried a valid signature.
    signed: AtomicBool,
    /// Whether a part of a request was left unread, so that closing immediately could discard the answer.
    unread: AtomicBool,
    /// How many bytes of answers the client has not read yet, and when the oldest of them began to wait, in
    /// milliseconds of the monotonic clock.
    pub(super) unsent: AtomicUsize,
    pub(super) unsent_since: AtomicU64,
    /// How many answers, or parts of streamed answers, were sent completely.
    pub(super) taken: AtomicU64,
    pub(super) all_unsent: Arc<Unsent>,
    /// Bodies that are still being received and have no memory reserved. Used only on connections that carry several
    /// requests at once.
    pub(super) small_bodies: SmallBodies,
    /// Wakes requests that wait for earlier answers to be read.
    pub(super) wake: Notify,
    /// Permits for requests of a connection without a valid signature.
    pub(super) strangers: Arc<Semaphore>,
    handle: Arc<TaskHandle>,
}

impl Activity {
    /// Creates the state of a new connection from `peer`, accepted at `now` of the monotonic clock.
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

    /// Returns whether the connection was accepted beyond the connection limit.
    pub(super) fn is_probe(&self) -> bool {
        self.probe.load(Ordering::Relaxed)
    }

    /// Turns a connection beyond the limit into an ordinary one.
    pub(super) fn promote(&self) {
        self.probe.store(false, Ordering::Relaxed);
    }

    /// Marks the connection as HTTP/2, where bytes between requests are not the beginning of a head.
    pub(super) fn speak_http2(&self) {
        self.heads.store(false, Ordering::Relaxed);
    }

    /// Records received bytes.
    pub(super) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.heads.load(Ordering::Relaxed) && self.is_quiet() {
            self.partial.store(true, Ordering::Relaxed);
        }
    }

    /// Records sent bytes.
    pub(super) fn send(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns how many bytes moved in the direction that matters: only outwards while answers wait to be read,
    /// because a client that sends but does not read makes no progress; both directions otherwise.
    fn progress(&self) -> u64 {
        let sent = self.sent.load(Ordering::Relaxed);
        match self.unsent() {
            0 => sent + self.received.load(Ordering::Relaxed),
            _ => sent,
        }
    }

    /// Returns how many answers, or parts of streamed answers, were sent completely.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns when the oldest unsent answer began to wait, in milliseconds of the monotonic clock.
    pub(super) fn unsent_since(&self) -> u64 {
        self.unsent_since.load(Ordering::Relaxed)
    }

    /// Returns how many requests have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Records when a request began.
    pub(super) fn touch(&self, now: Duration) {
        self.last.store(milliseconds(now), Ordering::Relaxed);
    }

    /// Returns when the last request began, in milliseconds of the monotonic clock.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// Returns whether no request is in progress.
    pub(super) fn is_quiet(&self) -> bool {
        self.begun.load(Ordering::Relaxed) == self.finished.load(Ordering::Relaxed)
    }

    /// Records that a request carried a valid signature, which lifts the limit on requests of strangers.
    pub(super) fn mark_signed(&self) {
        if !self.is_signed() {
            self.signed.store(true, Ordering::Relaxed);
            self.strangers.close();
        }
    }

    /// Returns whether a request carried a valid signature.
    pub(super) fn is_signed(&self) -> bool {
        self.signed.load(Ordering::Relaxed)
    }

    /// Returns how many bytes of answers the client has not read yet.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.load(Ordering::Relaxed)
    }

    /// Records that a part of a request was left unread.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Returns whether a part of a request was left unread.
    pub(super) fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Ends the connection, because another one needs its place.
    pub(super) fn evict(&self) {
        self.handle.end();
    }

    /// Waits until the connection is too slow and returns the reason, at most a quarter of the limit late. A call may
    /// legitimately take `call` without moving a byte, so its connection is never cut off sooner.
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
            // During a request, the average rate counts, measured since it was last high enough.
            slow += period;
            let now_moved = self.progress();
            let enough = u128::from(SLOWEST) * slow.as_millis() / 1_000;
            // `progress` drops when it switches from both directions to one; measure afresh then.
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
                return "a request without a valid signature took too long";
            }
            finished = now_finished;
            if !self.is_quiet() && slow > usual.idle.saturating_add(call) {
                return "too few bytes moved for too long while a request was in progress";
            }
        }
    }
}

/// Converts a time to whole milliseconds.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
