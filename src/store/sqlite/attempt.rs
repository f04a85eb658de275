//! One attempt of the writer to commit the jobs at the front of its queue.

use std::{
    collections::{HashSet, VecDeque},
    sync::atomic::Ordering,
};

use rusqlite::{Transaction, TransactionBehavior};

use super::{
    batch::{Batch, PAGE},
    error::committing,
    files::Misplaced,
    job::Job,
    rows::Rows,
    runs,
    scrubbing::note_traces,
    verdict::Culprit,
    writer::WriterThread,
};
use crate::{domain::Owner, store::StoreError};

/// The approximate maximum size of one transaction, in bytes, which keeps the write-ahead log short.
const BATCH_BYTES: usize = 4 << 20;

/// The result of an attempt to commit the jobs at the front of the queue.
pub(super) enum Attempt {
    /// The first jobs are durable. Each has its own result, since a single job may still have failed.
    Committed(Vec<Result<(), StoreError>>),
    /// Nothing of the first `taken` jobs was stored, because one job, or the jobs of one owner, failed.
    Spoiled { taken: usize, by: Culprit, error: StoreError },
    /// Nothing of the first `taken` jobs was stored, for a reason that none of them caused.
    Failed { taken: usize, error: StoreError },
}

impl WriterThread {
    /// Commits jobs from the front of the queue and publishes their changes, or none of them. It takes `most` jobs, or
    /// fewer if they are large.
    pub(super) fn attempt(
        &mut self,
        jobs: &mut VecDeque<Job>,
        most: usize,
        aside: &HashSet<Owner>,
    ) -> Attempt {
        // Check the files before writing anything, because a write would hide that a file was truncated.
        if self.is_marked
            && let Err(error) = self.look_at_files()
        {
            return Attempt::Failed { taken: most, error };
        }
        if !self.is_marked
            && let Err(error) = runs::begin(&self.db)
        {
            return Attempt::Failed { taken: most, error };
        }
        // Dropping the transaction rolls it back.
        let transaction = match Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => return Attempt::Failed { taken: most, error: error.into() },
        };
        let mut batch = Batch::new(&transaction, &self.shared, aside, self.head);
        if !self.is_marked
            && let Err(error) = batch.mark_in_use()
        {
            return Attempt::Failed { taken: most, error };
        }
        let mut outcomes = Vec::with_capacity(most);
        for job in jobs.iter_mut().take(most) {
            if batch.weight() > BATCH_BYTES {
                break;
            }
            let outcome = job.make(&mut batch, &self.clock);
            match outcome {
                Err(error) if error.is_storage_failure() => {
                    return Attempt::Failed { taken: most, error };
                }
                // A rule that panicked and a conflict have not written anything. Other failures may have. After finding
                // damage in a transaction, SQLite also refuses other changes in it.
                Err(error)
                    if !matches!(
                        error,
                        StoreError::Rule
                            | StoreError::Conflict(_)
                            | StoreError::Elsewhere(_)
                            | StoreError::KeyReused
                    ) =>
                {
                    let by = Culprit::Job(outcomes.len());
                    return Attempt::Spoiled { taken: outcomes.len() + 1, by, error };
                }
                outcome => outcomes.push(outcome),
            }
        }
        let taken = outcomes.len();
        // After a crash, the next startup then removes the traces.
        if batch.has_erased
            && let Err(error) = note_traces(&transaction, true)
        {
            return Attempt::Failed { taken, error: error.into() };
        }
        let (bytes, changed) = match batch.complete() {
            Ok(complete) => complete,
            Err((_, error)) if error.is_storage_failure() => return Attempt::Failed { taken, error },
            Err((owner, error)) => return Attempt::Spoiled { taken, by: Culprit::Owner(owner), error },
        };
        if bytes == 0 {
            return Attempt::Committed(outcomes);
        }
        if let Err(error) = transaction.commit() {
            return Attempt::Failed { taken, error: committing(error) };
        }
        // Even if every system call succeeded, the files may have been moved in the meantime.
        if let Err(error) = self.look_at_files() {
            return Attempt::Failed { taken, error };
        }
        if !self.is_marked {
            // Checkpoint the mark into the database file, so that it survives the loss of the write-ahead log.
            self.is_marked = true;
            if let Err(error) = self.checkpoints.run(&self.db, "PASSIVE") {
                return Attempt::Failed { taken, error };
            }
        }
        self.shared.health.committed();
        self.counts.commits.fetch_add(1, Ordering::Relaxed);
        self.counts.changes.fetch_add(taken as u64, Ordering::Relaxed);
        self.checkpoints.note((bytes + 2 * PAGE) as u64);
        if !aside.is_empty() {
            self.shared.health.note_aside();
        }
        self.has_erased |= changed.has_erased;
        self.head = changed.head;
        changed.publish(&self.shared.cache, &self.shared.lists);
        if jobs.iter().take(taken).any(Job::is_visible) {
            self.shared.changes.send_modify(|count| *count += 1);
        }
        Attempt::Committed(outcomes)
    }

    /// Checks that the files on disk are still those that were opened.
    ///
    /// # Errors
    /// Returns [`StoreError::Moved`] if not.
    fn look_at_files(&mut self) -> Result<(), StoreError> {
        let Err(misplaced) = self.files.check_identity() else { return Ok(()) };
        if misplaced == Misplaced::Log {
            // Save the content of the open log into the database file, which has not been moved.
            let _ = self.checkpoints.run(&self.db, "PASSIVE");
        }
        Err(StoreError::Moved(self.files.describe(misplaced)))
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        let health = &self.shared.health;
        Rows { db: &self.db, health, has_aside: health.has_aside() }
    }
}
