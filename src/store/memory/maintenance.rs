//! Operations on the store as a whole.

use std::{future::pending, pin::Pin, sync::atomic::Ordering};

use super::{MemoryStore, PARTITIONS, lock};
use crate::store::{
    Maintenance, OpeningReport, Pending, Readiness, Scope, Statistics, StoreError, StoreFailure, guarded,
};

impl Maintenance for MemoryStore {
    fn opening(&self) -> OpeningReport {
        OpeningReport::default()
    }

    fn is_unfilled(&self) -> bool {
        true
    }

    fn note_filled(&self) -> Pending<'_, ()> {
        self.read(|| ())
    }

    fn statistics(&self) -> Statistics {
        Statistics::default()
    }

    fn ready(&self) -> Pending<'_, Readiness> {
        self.read(Readiness::default)
    }

    fn reset(&self, scope: Scope) -> Pending<'_, ()> {
        if self.is_closed() {
            return Box::pin(async { Err(StoreError::Closed) });
        }
        for partition in 0..PARTITIONS {
            self.run_queued(partition);
            let mut kept = lock(&self.partitions[partition].kept);
            kept.owners.retain(|owner, _| !scope.covers(owner));
            kept.chat_groups.retain(|(app, _), _| !scope.covers_app(*app));
            kept.listed.retain(|(app, _)| !scope.covers_app(*app));
            kept.exits.retain(|(app, _), _| !scope.covers_app(*app));
            kept.memberships.retain(|owner, _| !scope.covers_app(owner.app));
            kept.sessions.retain(|owner, _| !scope.covers(owner));
            kept.times.retain(|(app, _), _| !scope.covers_app(*app));
            kept.forget_events(&scope);
            kept.operations.retain(|owner, _| !scope.covers(owner));
        }
        self.begin_lanes_again(&scope);
        self.begin_new_life(&scope);
        self.read(|| ())
    }

    fn between_writes(&self, work: Box<dyn FnOnce() + Send>) -> Pending<'_, ()> {
        if self.is_closed() {
            return Box::pin(async { Err(StoreError::Closed) });
        }
        let held: Vec<_> = self.partitions.iter().map(|partition| lock(&partition.queue)).collect();
        let done = guarded(work);
        drop(held);
        Box::pin(async { done })
    }

    fn failure(&self) -> Pin<Box<dyn Future<Output = StoreFailure> + Send>> {
        Box::pin(pending())
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            (0..PARTITIONS).for_each(|partition| self.run_queued(partition));
            self.closed.store(true, Ordering::Release);
        })
    }
}
