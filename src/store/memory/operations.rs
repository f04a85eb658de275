//! The outcomes of writes that a caller may repeat.

use std::sync::Arc;

use super::MemoryStore;
use crate::{
    domain::{Outcome, Receipt, UnixSeconds},
    store::{OPERATION_SECONDS, OPERATIONS, Operation, StoreError, Write},
};

/// An operation that was done.
pub(super) struct Done {
    identifier: Arc<str>,
    key: Arc<str>,
    fingerprint: u128,
    at: UnixSeconds,
    receipt: Receipt,
}

impl Done {
    fn is(&self, operation: &Operation) -> bool {
        (&self.identifier, &self.key) == (&operation.identifier, &operation.key)
    }

    fn is_kept_at(&self, now: UnixSeconds) -> bool {
        self.at >= now.saturating_sub(OPERATION_SECONDS)
    }
}

impl MemoryStore {
    /// Returns the outcome of a write that was done before.
    pub(super) fn find_repeated(&self, write: &Write) -> Result<Option<Outcome>, StoreError> {
        let Some(operation) = write.kept_operation() else { return Ok(None) };
        let kept = self.owners(&write.owner);
        let mut done = kept.operations.get(&write.owner).into_iter().flatten();
        match done.find(|done| done.is(operation) && done.is_kept_at(write.terms.now)) {
            None => Ok(None),
            Some(done) if done.fingerprint != operation.fingerprint => Err(StoreError::KeyReused),
            Some(done) => operation.repeated(&done.receipt, &write.edit).map(Some).ok_or(StoreError::Rule),
        }
    }

    /// Records a write that may be repeated.
    pub(super) fn record_operation(&self, write: &Write, outcome: &Outcome) {
        let Some(operation) = write.kept_operation() else { return };
        let Some(receipt) = Receipt::of(&write.edit, outcome) else { return };
        let Operation { identifier, key, fingerprint, .. } = operation.clone();
        let mut kept = self.owners(&write.owner);
        let done = kept.operations.entry(write.owner.clone()).or_default();
        done.retain(|done| !done.is(operation) && done.is_kept_at(write.terms.now));
        if done.len() == OPERATIONS {
            done.remove(0);
        }
        done.push(Done { identifier, key, fingerprint, at: write.terms.now, receipt });
    }
}
