//! The single items that a call refuses while the call itself succeeds.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::wire::code::Code;

/// The codes of refused items of one call, each with how often it was given.
#[derive(Debug, Default)]
pub struct RefusedItems(Mutex<BTreeMap<u32, u32>>);

impl RefusedItems {
    /// Counts one item by its code; one that succeeded is not counted.
    pub(super) fn note(&self, code: u32) {
        if code != Code::OK.number() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
        }
    }

    /// What was counted.
    #[must_use]
    pub fn into_counts(self) -> BTreeMap<u32, u32> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
