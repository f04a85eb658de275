//! Counts the small bodies of one connection that are still arriving. No memory is reserved for them, so their number
//! is limited.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many small bodies of one connection may be arriving without a reservation. Further ones count like large
/// bodies.
const SMALL_BODIES: usize = 4;

/// The number of bodies of one connection that are still arriving and have no reservation.
#[derive(Debug, Default)]
pub struct SmallBodies(AtomicUsize);

/// A small body that is still arriving. Dropping this subtracts it from the count.
pub(super) struct SmallBody<'a>(&'a SmallBodies);

impl SmallBodies {
    /// Counts one more body, or returns `None` at the limit.
    pub(super) fn take(&self) -> Option<SmallBody<'_>> {
        let place = SmallBody(self);
        // At the limit, dropping `place` undoes the count.
        (self.0.fetch_add(1, Ordering::Relaxed) < SMALL_BODIES).then_some(place)
    }
}

impl Drop for SmallBody<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
