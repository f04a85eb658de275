//! The single items that a call refuses while the call itself succeeds.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::wire::code::Code;

/// The codes of refused items of one call, each with how often it was given.
#[derive(Debug, Default)]
pub struct RefusedItems(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    counts: BTreeMap<u32, u32>,
    hint: Option<String>,
}

impl RefusedItems {
    /// Counts one item by its code; one that succeeded is not counted.
    pub(super) fn note(&self, code: u32) {
        if code != Code::OK.number() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner).counts.entry(code).or_default() += 1;
        }
    }

    /// Notes what confold says of an item whose text in the reply is the vendor's and nothing else (decision 29). The
    /// first one is kept.
    pub(super) fn hint(&self, said: impl FnOnce() -> String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hint.get_or_insert_with(said);
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).counts.is_empty()
    }

    /// What was counted, and the hint.
    #[must_use]
    pub fn into_parts(self) -> (BTreeMap<u32, u32>, Option<String>) {
        let Noted { counts, hint } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        (counts, hint)
    }
}
