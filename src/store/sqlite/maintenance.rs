//! Operations on the store as a whole: readiness, statistics, reset, closing.

use std::{pin::Pin, sync::atomic::Ordering};

use super::{
    SqliteStore,
    job::Job,
    opening::Opening,
    threads::{self, StoreThread},
};
use crate::store::{
    Maintenance, OpeningReport, Pending, Readiness, Scope, Statistics, StoreError, StoreFailure,
};

impl Maintenance for SqliteStore {
    fn opening(&self) -> OpeningReport {
        let Opening { doubts, losses, .. } = &self.opening;
        OpeningReport {
            summary: Some(self.opening.summary()),
            doubts: self.files.remarks.iter().chain(doubts).cloned().collect(),
            losses: losses.clone(),
        }
    }

    fn is_unfilled(&self) -> bool {
        self.unfilled
    }

    fn note_filled(&self) -> Pending<'_, ()> {
        self.queue(Job::Filled)
    }

    fn statistics(&self) -> Statistics {
        let (commits, changes, waiting) = self.writer.statistics();
        let (cache_hits, cache_misses, cache_bytes) = self.shared.cache.statistics();
        let (reads_waiting, reads_refused) = self.readers.statistics();
        let (database, log) = self.files.sizes();
        let checkpoints = &self.writer.checkpoints;
        Statistics {
            commits,
            changes,
            writing: self.writer.writing(),
            waiting,
            cache_hits,
            cache_misses,
            cache_bytes,
            reads_waiting,
            reads_refused,
            disk_bytes: database + log,
            log_bytes: log,
            log_in_use: checkpoints.length.load(Ordering::Relaxed),
            log_held: checkpoints.held.load(Ordering::Relaxed),
            damaged: self.shared.health.damaged(),
            unwritable: self.shared.health.is_unwritable().into(),
        }
    }

    fn ready(&self) -> Pending<'_, Readiness> {
        Box::pin(async {
            // Only one check at a time writes. The others wait, and then find its recent commit.
            let _turn = self.probing.lock().await;
            if self.closed.load(Ordering::Acquire) {
                return Err(StoreError::Closed);
            }
            if !self.shared.health.is_fresh()? {
                self.queue(Job::Probe).await?;
            }
            // The probe itself may have found damage.
            self.shared.health.is_fresh()?;
            Ok(Readiness { damaged: self.shared.health.damaged() })
        })
    }

    fn reset(&self, scope: Scope) -> Pending<'_, ()> {
        self.queue(|slot| Job::Reset(scope, slot))
    }

    fn between_writes(&self, work: Box<dyn FnOnce() + Send>) -> Pending<'_, ()> {
        self.queue(|slot| Job::Pause(work, slot))
    }

    fn failure(&self) -> Pin<Box<dyn Future<Output = StoreFailure> + Send>> {
        Box::pin(self.shared.alarm.raised())
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            self.closed.store(true, Ordering::Release);
            // Close the readers, too, because the last checkpoint can only copy the whole log if none is using it.
            let mut ending: Vec<&StoreThread> = self.readers.close().iter().collect();
            ending.push(self.writer.close());
            if threads::wait(&ending, self.close_within).await {
                self.files.release();
            }
        })
    }
}
