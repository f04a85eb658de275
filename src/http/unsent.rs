//! Counts the bytes of all answers that clients have not read yet, and so limits the memory that slow readers can
//! occupy.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the bytes of answers across all connections.
#[derive(Debug)]
pub(super) struct Unsent {
    bytes: AtomicUsize,
    /// How many of them belong to streams that have a limit of their own.
    apart: AtomicUsize,
    /// The number of bytes above which a connection that has not read its last answer does not get another one.
    limit: usize,
}

/// How many times the limit has to be exceeded before requests of clients that do not read are refused.
const REFUSED_ABOVE: usize = 4;

impl Unsent {
    /// Creates a counter with this limit.
    pub(super) fn new(limit: usize) -> Unsent {
        Unsent { bytes: AtomicUsize::new(0), apart: AtomicUsize::new(0), limit }
    }

    /// Adds bytes; `is_apart` if they belong to a stream that has a limit of its own.
    pub(super) fn add(&self, bytes: usize, is_apart: bool) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if is_apart {
            self.apart.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Removes bytes that were added in the same way.
    pub(super) fn remove(&self, bytes: usize, is_apart: bool) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if is_apart {
            self.apart.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Returns how many bytes wait that count towards the limit.
    pub(super) fn limited(&self) -> usize {
        self.bytes().saturating_sub(self.apart.load(Ordering::Relaxed))
    }

    /// Returns how many bytes wait now.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns how many bytes may wait.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns whether more bytes wait than the limit, so that connections that do not read have to make room.
    pub(super) fn is_tight(&self) -> bool {
        self.limited() > self.limit
    }

    /// Returns whether so many bytes wait that clients that do not read must not get further answers.
    pub(super) fn is_full(&self) -> bool {
        self.limited() > self.limit.saturating_mul(REFUSED_ABOVE)
    }
}
