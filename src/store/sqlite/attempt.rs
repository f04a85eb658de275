//! One attempt of the writer to commit what is at the front of its queue, and what to make of one that damage spoiled.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::atomic::Ordering,
};

use rusqlite::{Transaction, TransactionBehavior};

use super::{
    batch::{Batch, PAGE},
    error::committing,
    job::{Change, Job},
    rows::Rows,
    writer::WriterThread,
};
use crate::{
    domain::{AppId, Conversation, Owner, Presence},
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
            let outcome = job.change.make(&mut batch, &self.clock);
            match outcome {
                Err(error) if error.is_of_the_medium() => {
                    return Attempt::Failed { taken: most, error };
                }
                // A rule that panicked has not written anything. Other failures may have, and after SQLite met damage
                // in a transaction, it refuses sound changes in it as well.
                Err(error) if !matches!(error, StoreError::Rule) => {
                    let by = Culprit::Job(outcomes.len());
                    return Attempt::Spoiled { taken: outcomes.len() + 1, by, error };
                }
                outcome => outcomes.push(outcome),
            }
        }
        let taken = outcomes.len();
        let (bytes, changed) = match batch.complete() {
            Ok(complete) => complete,
            Err((_, error)) if error.is_of_the_medium() => return Attempt::Failed { taken, error },
            Err((owner, error)) => return Attempt::Spoiled { taken, by: Culprit::Owner(owner), error },
        };
        if bytes == 0 {
            return Attempt::Committed(outcomes);
        }
        if let Err(error) = transaction.commit() {
            return Attempt::Failed { taken, error: committing(error) };
        }
        // Every system call has succeeded; whether the files are still where they are looked for is another question.
        if let Err(reason) = self.files.check_place() {
            return Attempt::Failed { taken, error: StoreError::Moved(reason) };
        }
        self.is_marked = true;
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
            StoreError::Damaged { what: Damaged::Directory(app), .. }
                if self.finds_unreadable(app, by, jobs) =>
            {
                return Verdict::Again;
            }
            StoreError::Damaged { what: Damaged::Database, .. } => {}
            error => {
                health.note(&error);
                return Verdict::Refuse(error);
            }
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
        health.note_unwritable(&error);
        Verdict::Refuse(error)
    }

    /// Looks up one after the other what a job names. Whether something was found that cannot be read, and was not
    /// known before.
    fn finds_unreadable(&self, app: AppId, by: &Culprit, jobs: &VecDeque<Job>) -> bool {
        let Culprit::Job(index) = by else { return false };
        let Some(Job { change: Change::Owner { presences, .. }, .. }) = jobs.get(*index) else {
            return false;
        };
        let health = &self.shared.health;
        let is_damaged = |conversation: &Conversation| {
            let mut alone = HashMap::from([(conversation.clone(), Presence::Unreadable)]);
            matches!(self.rows().look_up(app, &mut alone, health), Err(StoreError::Damaged { .. }))
        };
        let damaged: Vec<_> = presences.keys().filter(|conversation| is_damaged(conversation)).collect();
        // All of them are to be remembered, not only the first.
        let news = damaged.iter().filter(|conversation| health.note_unreadable(app, conversation));
        news.count() > 0
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { db: &self.db, has_aside: self.shared.health.has_aside() }
    }
}

/// What is to be done after damage spoiled a transaction.
pub(super) enum Verdict {
    /// The culprit is refused, and the others are run again.
    Refuse(StoreError),
    /// The owner himself is sound: his data is put aside, out of the reach of the damage that is next to it.
    PutAside(Owner),
    /// Everything is run again, with what is known now.
    Again,
}

impl Culprit {
    /// The owner whose change it is.
    fn owner<'a>(&'a self, jobs: &'a VecDeque<Job>) -> Option<&'a Owner> {
        match self {
            Culprit::Owner(owner) => Some(owner),
            Culprit::Job(index) => match &jobs.get(*index)?.change {
                Change::Owner { owner, .. } => Some(owner),
                _ => None,
            },
        }
    }

    /// Whether it is this job, the one at `index`.
    pub(super) fn is(&self, index: usize, job: &Job) -> bool {
        match (self, &job.change) {
            (Culprit::Job(culprit), _) => index == *culprit,
            (Culprit::Owner(culprit), Change::Owner { owner, .. }) => owner == culprit,
            (Culprit::Owner(_), _) => false,
        }
    }
}
