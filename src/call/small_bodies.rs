//! Small bodies of one connection that wait for their end: no memory is reserved for them, so only a few may.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many small bodies of one connection may be without their end while nothing is reserved for them. Those of further
/// ones count like large ones.
const SMALL_BODIES: usize = 4;

/// Bodies of one connection that are without their end and for which nothing is reserved.
#[derive(Debug, Default)]
pub struct SmallBodies(AtomicUsize);

/// A small body whose end is not here.
pub(super) struct SmallBody<'a>(&'a SmallBodies);

impl SmallBodies {
    /// Takes one of the few places.
    pub(super) fn take(&self) -> Option<SmallBody<'_>> {
        let place = SmallBody(self);
        // The place is given back at once when there are too many.
        (self.0.fetch_add(1, Ordering::Relaxed) < SMALL_BODIES).then_some(place)
    }
}

impl Drop for SmallBody<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
