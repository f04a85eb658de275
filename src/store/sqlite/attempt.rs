//! One attempt of the writer to commit what is at the front of its queue, and what to make of one that damage spoiled.

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
    writer::WriterThread,
};
use crate::{
    domain::{AppId, ChatGroupId, Owner},
    store::{Damaged, StoreError},
};

/// Roughly how many bytes share one transaction at the most, so that the log stays short.
const BATCH_BYTES: usize = 4 << 20;

/// What became of an attempt to commit the jobs at the front of the queue.
pub(super) enum Attempt {
    /// The first jobs are durable, each with what is wrong with it alone.
    Committed(Vec<Result<(), StoreError>>),
    /// Nothing of the first `taken` jobs is kept, because of one of them or of those that change one owner.
    Spoiled { taken: usize, by: Culprit, error: StoreError },
    /// Nothing of the first `taken` jobs is kept, and none of them is to blame.
    Failed { taken: usize, error: StoreError },
}

/// Whose fault it is.
pub(super) enum Culprit {
    Job(usize),
    Owner(Owner),
}

impl WriterThread {
    /// Makes the changes at the front of the queue – `most` of them, or fewer if they are large – durable and visible,
    /// or none of them.
    pub(super) fn attempt(
        &mut self,
        jobs: &mut VecDeque<Job>,
        most: usize,
        aside: &HashSet<Owner>,
    ) -> Attempt {
        // Before anything is written: a write would hide that a file was cut.
        if self.is_marked
            && let Err(error) = self.look_at_files()
        {
            return Attempt::Failed { taken: most, error };
        }
        // Rolled back by its drop when anything fails.
        let transaction = match Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => return Attempt::Failed { taken: most, error: error.into() },
        };
        let mut batch = Batch::new(&transaction, &self.shared.cache, &self.shared.health, aside);
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
                // A rule that panicked and a conflict have not written anything. Other failures may have, and after SQLite met damage
                // in a transaction, it refuses sound changes in it as well.
                Err(error) if !matches!(error, StoreError::Rule | StoreError::Conflict(_)) => {
                    let by = Culprit::Job(outcomes.len());
                    return Attempt::Spoiled { taken: outcomes.len() + 1, by, error };
                }
                outcome => outcomes.push(outcome),
            }
        }
        let taken = outcomes.len();
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
        // Every system call has succeeded, but the files may have been moved meanwhile.
        if let Err(error) = self.look_at_files() {
            return Attempt::Failed { taken, error };
        }
        if !self.is_marked {
            // Into the database file itself: the log may be lost.
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
        changed.publish(&self.shared.cache);
        Attempt::Committed(outcomes)
    }

    /// Checks that the files are those that were opened.
    ///
    /// # Errors
    /// [`StoreError::Moved`].
    fn look_at_files(&mut self) -> Result<(), StoreError> {
        let Err(misplaced) = self.files.check_identity() else { return Ok(()) };
        if misplaced == Misplaced::Log {
            // The log that is open has everything, and the database is in its place.
            let _ = self.checkpoints.run(&self.db, "PASSIVE");
        }
        Err(StoreError::Moved(self.files.describe(misplaced)))
    }

    /// Finds out what damage that spoiled a transaction means, and whether the changes can be made in another way.
    pub(super) fn examine(
        &self,
        by: &Culprit,
        jobs: &VecDeque<Job>,
        aside: &HashSet<Owner>,
        error: StoreError,
    ) -> Verdict {
        let health = &self.shared.health;
        match error {
            StoreError::Damaged { what: Damaged::Directory(app), .. } if self.learns(app, by, jobs) => {
                return Verdict::Retry;
            }
            StoreError::Damaged { what: Damaged::Database, .. } => {}
            error => {
                health.note(&error);
                return Verdict::Refuse(error);
            }
        }
        if let Some((app, id)) = by.chat_group(jobs) {
            let error =
                StoreError::Damaged { what: Damaged::ChatGroup(app, id.clone()), reason: error.to_string() };
            health.note(&error);
            return Verdict::Refuse(error);
        }
        if let Some(owner) = by.owner(jobs) {
            match self.rows().owner(owner) {
                Err(found @ StoreError::Damaged { .. }) => {
                    health.note(&found);
                    return Verdict::Refuse(found);
                }
                Ok(_) if !aside.contains(owner) => return Verdict::PutAside(owner.clone()),
                _ => {}
            }
        }
        match by.job(jobs) {
            Some(Job::Probe(_)) if health.note_probe_damaged() => Verdict::Retry,
            // What belongs to nobody says nothing about the changes of owners.
            Some(Job::Filled(_) | Job::Reset(..)) => Verdict::Refuse(error),
            _ => {
                health.note_unwritable(&error);
                Verdict::Refuse(error)
            }
        }
    }

    /// Looks up one after the other what the change of an owner needs to know of others. Whether something was found that
    /// cannot be read, and was not known before.
    fn learns(&self, app: AppId, by: &Culprit, jobs: &VecDeque<Job>) -> bool {
        let Culprit::Job(index) = by else { return false };
        let Some(Job::Owner { write, presences, .. }) = jobs.get(*index) else { return false };
        let named = self.rows().learns_of(app, presences.keys());
        self.rows().learns_about(&write.owner) || named
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        let health = &self.shared.health;
        Rows { db: &self.db, health, has_aside: health.has_aside() }
    }
}

/// What is to be done after damage spoiled a transaction.
pub(super) enum Verdict {
    /// The culprit is refused, and the others are run again.
    Refuse(StoreError),
    /// The owner himself is sound: his data is put aside, out of the reach of the damage that is next to it.
    PutAside(Owner),
    /// Everything is run again, with what is known now.
    Retry,
}

impl Culprit {
    /// The job, if it is a single one.
    fn job<'a>(&self, jobs: &'a VecDeque<Job>) -> Option<&'a Job> {
        match self {
            Culprit::Job(index) => jobs.get(*index),
            Culprit::Owner(_) => None,
        }
    }

    /// The chat group that it edits.
    fn chat_group<'a>(&self, jobs: &'a VecDeque<Job>) -> Option<(AppId, &'a ChatGroupId)> {
        match self.job(jobs)? {
            Job::ChatGroup { write, .. } => Some((write.app, &write.id)),
            _ => None,
        }
    }

    /// The owner that it edits.
    fn owner<'a>(&'a self, jobs: &'a VecDeque<Job>) -> Option<&'a Owner> {
        match self {
            Culprit::Owner(owner) => Some(owner),
            Culprit::Job(_) => match self.job(jobs)? {
                Job::Owner { write, .. } => Some(&write.owner),
                _ => None,
            },
        }
    }

    /// Whether it is this job, the one at `index`.
    pub(super) fn is(&self, index: usize, job: &Job) -> bool {
        match (self, job) {
            (Culprit::Job(culprit), _) => index == *culprit,
            (Culprit::Owner(culprit), Job::Owner { write, .. }) => write.owner == *culprit,
            (Culprit::Owner(_), _) => false,
        }
    }
}
