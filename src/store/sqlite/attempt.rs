//! One attempt of the writer to commit the jobs at the front of its queue, and the reaction if damage makes it fail.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, atomic::Ordering},
};

use rusqlite::{Transaction, TransactionBehavior};

use super::{
    batch::{Batch, PAGE},
    error::committing,
    events,
    files::Misplaced,
    job::Job,
    operations,
    reader::Shared,
    rows::Rows,
    writer::WriterThread,
};
use crate::{
    domain::{AppId, ChatGroupId, Owner},
    excerpt::quoted,
    log_lines::log,
    store::{Damaged, StoreError},
};

/// The approximate maximum size of one transaction, in bytes, which keeps the write-ahead log short.
const BATCH_BYTES: usize = 4 << 20;

/// How often the tables of events and of keys are replaced while the store is open.
const MAX_RENEWALS: u32 = 3;

/// The result of an attempt to commit the jobs at the front of the queue.
pub(super) enum Attempt {
    /// The first jobs are durable. Each has its own result, since a single job may still have failed.
    Committed(Vec<Result<(), StoreError>>),
    /// Nothing of the first `taken` jobs was stored, because one job, or the jobs of one owner, failed.
    Spoiled { taken: usize, by: Culprit, error: StoreError },
    /// Nothing of the first `taken` jobs was stored, for a reason that none of them caused.
    Failed { taken: usize, error: StoreError },
}

/// The job that made an attempt fail, or the owner if all changes of one owner did.
pub(super) enum Culprit {
    Job(usize),
    Owner(Owner),
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
        // Dropping the transaction rolls it back.
        let transaction = match Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => return Attempt::Failed { taken: most, error: error.into() },
        };
        let Shared { cache, health, .. } = &self.shared;
        let mut batch = Batch::new(&transaction, cache, health, aside, self.head, self.shared.buckets);
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
        changed.publish(&self.shared.cache);
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

    /// Finds out which data is damaged after a transaction failed, and decides how to continue.
    pub(super) fn examine(
        &mut self,
        by: &Culprit,
        jobs: &VecDeque<Job>,
        aside: &HashSet<Owner>,
        error: StoreError,
    ) -> Verdict {
        let health = Arc::clone(&self.shared.health);
        match error {
            StoreError::Damaged { what: Damaged::Directory(app), .. }
                if self.finds_new_damage(app, by, jobs) =>
            {
                return Verdict::Retry;
            }
            StoreError::Damaged { what: Damaged::Events, .. } if self.gives_up_events(&error) => {
                return Verdict::Retry;
            }
            StoreError::Damaged { what: Damaged::Keys(ref owner), .. }
                if self.gives_up_keys(owner, &error) =>
            {
                return Verdict::Retry;
            }
            StoreError::Damaged { what: Damaged::Database | Damaged::Events, .. } => {}
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
            // These jobs concern the whole database or other tables, so their failure does not show that edits of owners
            // fail, too.
            Some(Job::Filled(_) | Job::Reset(..) | Job::Delivery(_)) => Verdict::Refuse(error),
            _ => {
                health.note_unwritable(&error);
                Verdict::Refuse(error)
            }
        }
    }

    /// Gives up the recorded events because of damage to them. Returns false if that is not possible.
    pub(super) fn gives_up_events(&mut self, error: &StoreError) -> bool {
        self.shared.health.note(error);
        // If new tables are damaged as well, the reason is elsewhere.
        if self.renewals == MAX_RENEWALS {
            return false;
        }
        self.renewals += 1;
        self.head = None;
        let given_up = events::give_up(&self.db, self.clock.now_in_milliseconds());
        if let Err(error) = &given_up {
            log!(EVENTS_NOT_GIVEN_UP, %error);
        }
        self.shared.health.note_events_given_up();
        given_up.is_ok()
    }

    /// Gives up the keys of an owner because of damage to them, or those of everyone if only that is possible. Otherwise,
    /// no call with a key would succeed again, and the account could not be deleted. Returns false if neither is possible.
    fn gives_up_keys(&mut self, owner: &Owner, error: &StoreError) -> bool {
        // A deleted row ensures that repeated attempts end.
        if operations::forget(&self.db, owner).is_ok_and(|deleted| deleted > 0) {
            log!(KEYS_GIVEN_UP[quoted(owner.user.as_str()), owner.app], %error);
            return true;
        }
        if self.renewals == MAX_RENEWALS {
            return false;
        }
        self.renewals += 1;
        log!(ALL_KEYS_GIVEN_UP, %error);
        operations::renew(&self.db, self.clock.now_in_milliseconds()).is_ok()
    }

    /// Looks up one by one the accounts and chat groups that an edit needs. Returns true if this reveals damage that
    /// was not known before.
    fn finds_new_damage(&self, app: AppId, by: &Culprit, jobs: &VecDeque<Job>) -> bool {
        let Culprit::Job(index) = by else { return false };
        let Some(Job::Owner { write, presences, .. }) = jobs.get(*index) else { return false };
        let named = self.rows().finds_damage_among(app, write.required_member(), presences.keys());
        self.rows().finds_damage_around(&write.owner) || named
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        let health = &self.shared.health;
        Rows { db: &self.db, health, has_aside: health.has_aside() }
    }
}

/// The reaction to damage that made a transaction fail.
pub(super) enum Verdict {
    /// Refuse the culprit and run the other jobs again.
    Refuse(StoreError),
    /// Write this owner to a separate table. Their data is undamaged, but damage near it prevents changes.
    PutAside(Owner),
    /// Run all jobs again, with the newly found damage taken into account.
    Retry,
}

impl Culprit {
    /// Returns the job, if a single job failed.
    fn job<'a>(&self, jobs: &'a VecDeque<Job>) -> Option<&'a Job> {
        match self {
            Culprit::Job(index) => jobs.get(*index),
            Culprit::Owner(_) => None,
        }
    }

    /// Returns the chat group that the job edits.
    fn chat_group<'a>(&self, jobs: &'a VecDeque<Job>) -> Option<(AppId, &'a ChatGroupId)> {
        match self.job(jobs)? {
            Job::ChatGroup { write, .. } => Some((write.app, &write.id)),
            _ => None,
        }
    }

    /// Returns the owner that the jobs edit.
    fn owner<'a>(&'a self, jobs: &'a VecDeque<Job>) -> Option<&'a Owner> {
        match self {
            Culprit::Owner(owner) => Some(owner),
            Culprit::Job(_) => match self.job(jobs)? {
                Job::Owner { write, .. } => Some(&write.owner),
                _ => None,
            },
        }
    }

    /// Checks whether the given job, with the index `index`, is one of those that failed.
    pub(super) fn is(&self, index: usize, job: &Job) -> bool {
        match (self, job) {
            (Culprit::Job(culprit), _) => index == *culprit,
            (Culprit::Owner(culprit), Job::Owner { write, .. }) => write.owner == *culprit,
            (Culprit::Owner(_), _) => false,
        }
    }
}
