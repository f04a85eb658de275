//! The activity of one connection: its requests in progress, the bytes that moved, and the answers its client has yet
//! to read.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, Semaphore};

use super::{task::TaskHandle, unsent::Unsent};
use crate::call::{SendingTime, SmallBodies};

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
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    /// How many streamed answers have nothing to send at the moment.
    pub(super) waiting: AtomicUsize,
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
    /// How many of these bytes belong to streams that have a limit of their own.
    pub(super) apart: AtomicUsize,
    /// How many answers, or parts of streamed answers, were sent completely.
    pub(super) taken: AtomicU64,
    pub(super) all_unsent: Arc<Unsent>,
    /// Where to add the time that sending takes, once the connection has carried a stream for which it is measured.
    pub(super) sending_time: OnceLock<Arc<SendingTime>>,
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
            waiting: AtomicUsize::new(0),
            partial: AtomicBool::new(false),
            heads: AtomicBool::new(true),
            last: AtomicU64::new(milliseconds(now)),
            signed: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            unsent: AtomicUsize::new(0),
            apart: AtomicUsize::new(0),
            all_unsent: Arc::clone(all_unsent),
            sending_time: OnceLock::new(),
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

    /// Returns whether a streamed answer has nothing to send and the client has read everything, so that it is not slow.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 && self.unsent() == 0
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

    /// Returns how many bytes of answers without a limit of their own the client has not read yet.
    pub(super) fn unsent_and_limited(&self) -> usize {
        self.unsent().saturating_sub(self.apart.load(Ordering::Relaxed))
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
}

/// Converts a time to whole milliseconds.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
