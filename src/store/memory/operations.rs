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
}

impl MemoryStore {
    /// Returns the outcome of a write that was done before.
    pub(super) fn repeated(&self, write: &Write) -> Result<Option<Outcome>, StoreError> {
        let Some(operation) = write.operation.as_ref().filter(|_| !write.dry_run) else { return Ok(None) };
        let mut kept = self.owners(&write.owner);
        let done = kept.operations.entry(write.owner.clone()).or_default();
        done.retain(|done| done.at >= write.terms.now.saturating_sub(OPERATION_SECONDS));
        match done.iter().find(|done| done.is(operation)) {
            None => Ok(None),
            Some(done) if done.fingerprint != operation.fingerprint => Err(StoreError::KeyReused),
            Some(done) => operation.repeated(&done.receipt, &write.edit).map(Some).ok_or(StoreError::Rule),
        }
    }

    /// Records a write that may be repeated.
    pub(super) fn record_operation(&self, write: &Write, outcome: &Outcome) {
        let Some(operation) = &write.operation else { return };
        let Some(receipt) = Receipt::of(&write.edit, outcome) else { return };
        let Operation { identifier, key, fingerprint, .. } = operation.clone();
        let mut kept = self.owners(&write.owner);
        let done = kept.operations.entry(write.owner.clone()).or_default();
        if done.len() == OPERATIONS {
            done.remove(0);
        }
        done.push(Done { identifier, key, fingerprint, at: write.terms.now, receipt });
    }
}
