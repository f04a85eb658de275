//! Counts the items that are refused in calls that succeed as a whole.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::wire::code::Code;

/// The codes of the refused items of one call, and how often each occurred.
#[derive(Debug, Default)]
pub struct RefusedItems(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    counts: BTreeMap<u32, u32>,
    hint: Option<String>,
}

impl RefusedItems {
    /// Counts the result of one item, unless it is success.
    pub(super) fn note(&self, code: u32) {
        if code != Code::OK.number() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner).counts.entry(code).or_default() += 1;
        }
    }

    /// Keeps confold's own text for an item whose `ResultInfo` has only the vendor's sentence (decision 29). Only the
    /// first one is kept.
    pub(super) fn hint(&self, said: impl FnOnce() -> String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hint.get_or_insert_with(said);
    }

    /// Returns whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).counts.is_empty()
    }

    /// Returns the counts by code, and the hint.
    #[must_use]
    pub fn into_parts(self) -> (BTreeMap<u32, u32>, Option<String>) {
        let Noted { counts, hint } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        (counts, hint)
    }
}
