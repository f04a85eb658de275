//! The memory that bodies of requests take, over all connections: how much of it clients can hold by sending most of a
//! body and keeping back the rest.
//!
//! A small body takes nothing from this budget, so that a client that fills it stops nobody's ordinary calls.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use bytes::Bytes;

use super::{head::Headers, small_bodies::SmallBodies};
use crate::api::Error;

/// A body of up to so many bytes takes nothing from the budget. One that is larger takes all of its bytes from it.
pub(super) const SMALL: usize = 16 * 1024;

/// The budget, and what is reserved of it.
#[derive(Debug)]
pub(super) struct Budget {
    reserved: AtomicUsize,
    /// Requests that were refused because their body did not fit.
    refused: AtomicU64,
    limit: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub(super) fn new(limit: usize) -> Arc<Budget> {
        Arc::new(Budget { reserved: AtomicUsize::new(0), refused: AtomicU64::new(0), limit })
    }

    /// The bytes that are reserved now.
    pub(super) fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// How many requests were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many bytes may be reserved.
    fn limit(&self) -> usize {
        self.limit
    }

    /// The largest body that there can ever be memory for.
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

/// What one body has reserved. It is given back when this is dropped, however the request ends.
#[derive(Debug, Default)]
pub(super) struct Reservation {
    /// The budget, once something is reserved.
    of: Option<Arc<Budget>>,
    bytes: usize,
}

impl Reservation {
    /// Reserves as much as is missing to so many bytes; whether there is room for it.
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

/// What bodies are read with.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// The headers of the request, which say how the body is encoded.
    pub(super) headers: &'a dyn Headers,
    /// The most bytes of one, also when it is unpacked.
    pub(super) bytes: usize,
    /// The budget of all.
    pub(super) budget: &'a Arc<Budget>,
    /// Those of the connection, when it may carry several requests at once.
    pub(super) small: Option<&'a SmallBodies>,
}

impl Bounds<'_> {
    /// Reserves as much as is missing to so many bytes.
    ///
    /// # Errors
    /// [`Error::ManyBodies`] when there is no room.
    pub(super) fn reserve(&self, reservation: &mut Reservation, bytes: usize) -> Result<(), Error> {
        let has_room = reservation.grow_to(bytes, self.budget);
        has_room.then_some(()).ok_or(Error::ManyBodies { limit: self.budget.limit() })
    }
}

/// A whole body. What it has reserved is given back with it.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _reserved: Reservation,
}

impl Whole {
    /// These bytes, for which memory is reserved.
    pub(super) fn new(bytes: Bytes, reserved: Reservation) -> Whole {
        Whole { bytes, _reserved: reserved }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_given_back_and_never_exceeds_the_budget() {
        let bodies = Budget::new(100);
        let (mut one, mut two) = (Reservation::default(), Reservation::default());
        assert!(one.grow_to(60, &bodies) && one.grow_to(40, &bodies), "less is already there");
        assert!(two.grow_to(40, &bodies));
        assert!(!one.grow_to(61, &bodies), "it is full");
        assert_eq!((bodies.reserved(), bodies.refused()), (100, 1));
        drop(two);
        assert!(one.grow_to(100, &bodies));
        assert!(!one.grow_to(usize::MAX, &bodies));
        drop(one);
        assert_eq!((bodies.reserved(), bodies.refused()), (0, 2));
    }
}
