//! Limits the memory of request bodies across all connections. Without a limit, clients could occupy any amount of it by
//! sending most of a body and withholding the rest.
//!
//! Small bodies are exempt, so that a client that exhausts the budget does not block ordinary calls.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use bytes::Bytes;

use super::{head::Headers, small_bodies::SmallBodies};
use crate::api::Error;

/// A body of up to this many bytes takes nothing from the budget. A larger one counts in full.
pub(super) const SMALL: usize = 16 * 1024;

/// The budget and its reservations.
#[derive(Debug)]
pub(super) struct Budget {
    reserved: AtomicUsize,
    /// How many requests were refused because their bodies did not fit.
    refused: AtomicU64,
    limit: usize,
}

impl Budget {
    /// Creates a budget of `limit` bytes.
    pub(super) fn new(limit: usize) -> Arc<Budget> {
        Arc::new(Budget { reserved: AtomicUsize::new(0), refused: AtomicU64::new(0), limit })
    }

    /// Returns how many bytes are reserved now.
    pub(super) fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Returns how many requests were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Returns how many bytes may be reserved.
    fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the size of the largest body that can ever fit.
    pub(super) fn most(&self) -> usize {
        self.limit.max(SMALL)
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |reserved: usize| reserved.checked_add(bytes).filter(|reserved| *reserved <= self.limit);
        let taken = self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if !taken {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

/// The reservation of one body, released when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Reservation {
    /// The budget, once bytes are reserved.
    of: Option<Arc<Budget>>,
    bytes: usize,
}

impl Reservation {
    /// Grows the reservation to `bytes`. Returns false if the budget has no room for that.
    #[must_use]
    fn grow_to(&mut self, bytes: usize, budget: &Arc<Budget>) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return true };
        let fits = budget.take(more);
        if fits {
            self.of.get_or_insert_with(|| Arc::clone(budget));
            self.bytes = bytes;
        }
        fits
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(budget) = &self.of {
            budget.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// The limits under which a body is read.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// The headers of the request, which name the encoding of the body.
    pub(super) headers: &'a dyn Headers,
    /// The most bytes of one body, before and after decompression.
    pub(super) bytes: usize,
    /// The budget of all bodies.
    pub(super) budget: &'a Arc<Budget>,
    /// The connection's counter of small bodies, if it may carry several requests at once.
    pub(super) small: Option<&'a SmallBodies>,
}

impl Bounds<'_> {
    /// Grows a reservation to `bytes`.
    ///
    /// # Errors
    /// Returns [`Error::ManyBodies`] when the budget has no room.
    pub(super) fn reserve(&self, reservation: &mut Reservation, bytes: usize) -> Result<(), Error> {
        let has_room = reservation.grow_to(bytes, self.budget);
        has_room.then_some(()).ok_or(Error::ManyBodies { limit: self.budget.limit() })
    }
}

/// A complete body with its reservation, which is released when this is dropped.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _reserved: Reservation,
}

impl Whole {
    /// Creates a body from bytes for which memory is reserved.
    pub(super) fn new(bytes: Bytes, reserved: Reservation) -> Whole {
        Whole { bytes, _reserved: reserved }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_are_released_and_never_exceed_the_budget() {
        let bodies = Budget::new(100);
        let (mut one, mut two) = (Reservation::default(), Reservation::default());
        assert!(one.grow_to(60, &bodies) && one.grow_to(40, &bodies), "a smaller size is already reserved");
        assert!(two.grow_to(40, &bodies));
        assert!(!one.grow_to(61, &bodies), "the budget is full");
        assert_eq!((bodies.reserved(), bodies.refused()), (100, 1));
        drop(two);
        assert!(one.grow_to(100, &bodies));
        assert!(!one.grow_to(usize::MAX, &bodies));
        drop(one);
        assert_eq!((bodies.reserved(), bodies.refused()), (0, 2));
    }
}
