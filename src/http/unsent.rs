//! The bytes of all answers that clients have not taken yet: how much memory readers who do not read can hold.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the bytes of answers over all connections.
#[derive(Debug)]
pub(super) struct Unsent {
    bytes: AtomicUsize,
    /// Above so many, a connection that has not taken its last answer gets no further one.
    limit: usize,
}

/// Above so many times the limit, requests are refused until slow readers have been sent away.
const REFUSED_ABOVE: usize = 4;

impl Unsent {
    /// A count with this limit.
    pub(super) fn new(limit: usize) -> Unsent {
        Unsent { bytes: AtomicUsize::new(0), limit }
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The bytes that wait now.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many may wait.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether more than the limit waits, so that connections that do not read have to make room.
    pub(super) fn is_tight(&self) -> bool {
        self.bytes() > self.limit
    }

    /// Whether so much waits that no further answer may be made.
    pub(super) fn is_full(&self) -> bool {
        self.bytes() > self.limit.saturating_mul(REFUSED_ABOVE)
    }
}
