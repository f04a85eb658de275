//! The one thread that writes: it drains its queue, runs the rules, commits everything with one
//! fsync, publishes what it committed to the cache, and only then answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{
    OpenError, StoreFailure,
    alarm::Alarm,
    batch::{Batch, PAGE},
};
use crate::{
    domain::{AppId, ChatGroupId, Conversation, Owner},
    store::{ChatGroupRule, OwnerRule, Scope, StoreError, cache::OwnerCache, guarded},
};

/// How many changes share one transaction at the most.
const BATCH: usize = 512;
/// How long the writer waits for one more change when it had company: less than an fsync of a fast disk.
const MOMENT: Duration = Duration::from_micros(80);
/// With so many changes in hand it waits for no more: they share the fsync well enough.
const ENOUGH: usize = 24;
/// After how many bytes written the log is copied into the database.
const CHECKPOINT_BYTES: usize = 8 << 20;

type Done = oneshot::Sender<Result<(), StoreError>>;

/// One change to make.
pub(super) enum Job {
    Owner {
        owner: Owner,
        named: Vec<Conversation>,
        rule: OwnerRule,
        done: Done,
    },
    ChatGroup {
        app: AppId,
        id: ChatGroupId,
        rule: ChatGroupRule,
        done: Done,
    },
    /// Notes that the first filling of the store is complete.
    Filled {
        done: Done,
    },
    /// Forgets a part of what is kept.
    Reset {
        scope: Scope,
        done: Done,
    },
    /// Asks whether a transaction can be begun.
    Ready {
        done: Done,
    },
}

/// The handle of the writer thread.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
    changes: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(
        db: Connection,
        cache: Arc<OwnerCache>,
        queue: usize,
        alarm: Alarm,
    ) -> Result<Writer, OpenError> {
        let (jobs, queue) = mpsc::channel(queue);
        let commits = Arc::new(AtomicU64::new(0));
        let changes = Arc::new(AtomicU64::new(0));
        let counted = (Arc::clone(&commits), Arc::clone(&changes));
        let desk = Desk { db, cache, commits: counted.0, changes: counted.1, alarm, unchecked: 0 };
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || desk.work(queue))
            .map_err(OpenError::Thread)?;
        Ok(Writer { jobs: Some(jobs), thread: Some(thread), commits, changes })
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Commits, changes in them, and changes that wait.
    pub(super) fn statistics(&self) -> (u64, u64, u64) {
        let waiting = self.jobs.as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity());
        (self.commits(), self.changes.load(Ordering::Relaxed), waiting as u64)
    }

    pub(super) fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        super::join_within(self.thread.take());
    }
}

/// What the writer thread works with.
struct Desk {
    db: Connection,
    cache: Arc<OwnerCache>,
    commits: Arc<AtomicU64>,
    changes: Arc<AtomicU64>,
    alarm: Alarm,
    /// Bytes committed since the last checkpoint.
    unchecked: usize,
}

impl Desk {
    fn work(mut self, mut queue: mpsc::Receiver<Job>) {
        let guard = self.alarm.guard("writing");
        let mut jobs = Vec::with_capacity(BATCH);
        let mut company = false;
        while queue.blocking_recv_many(&mut jobs, BATCH) > 0 {
            if company {
                gather(&mut queue, &mut jobs);
            }
            company = jobs.len() > 1;
            let mut answers = Vec::with_capacity(jobs.len());
            let committed = self.commit(&mut jobs, &mut answers);
            let mut lost = match &committed {
                Err(StoreError::Lost(reason)) => Some(reason.clone()),
                _ => None,
            };
            if let Err(error) = &committed {
                tracing::error!(%error, changes = answers.len(), "a transaction failed");
            }
            for (done, outcome) in answers {
                // Whoever asked may have given up waiting; the change is made all the same.
                let _ = done.send(committed.clone().and(outcome));
            }
            // When nobody waits, or when the log has become long all the same.
            if lost.is_none()
                && self.unchecked > CHECKPOINT_BYTES
                && (queue.is_empty() || self.unchecked > 4 * CHECKPOINT_BYTES)
            {
                lost = self.checkpoint("PASSIVE").err().map(|error| match error {
                    StoreError::Lost(reason) => reason,
                    other => other.to_string(),
                });
            }
            if let Some(reason) = lost {
                // What is on the disk is not known any more: only a new start can show it.
                self.alarm.raise(StoreFailure::Disk(reason));
                return guard.end();
            }
        }
        // Too late to tell anybody; the log of the database stays for the next start.
        let _ = self.checkpoint("TRUNCATE");
        guard.end();
    }

    /// Makes all changes of one batch durable and visible, or – on an error – none. Every job ends
    /// in `answers`, with what is wrong with it alone.
    fn commit(
        &mut self,
        jobs: &mut Vec<Job>,
        answers: &mut Vec<(Done, Result<(), StoreError>)>,
    ) -> Result<(), StoreError> {
        // Rolled back by its drop when anything fails.
        let transaction = match self.db.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => {
                answers.extend(jobs.drain(..).map(|job| (job.done(), Ok(()))));
                return Err(error.into());
            }
        };
        let mut batch = Batch::new(&transaction, &self.cache);
        let mut jobs = jobs.drain(..);
        while let Some(job) = jobs.next() {
            let (outcome, done) = match job {
                Job::Owner { owner, named, mut rule, done } => {
                    let outcome = batch.change_owner(&owner, named, &mut rule);
                    discard(rule);
                    (outcome, done)
                }
                Job::ChatGroup { app, id, mut rule, done } => {
                    let outcome = batch.change_chat_group(app, id, &mut rule);
                    discard(rule);
                    (outcome, done)
                }
                Job::Filled { done } => (batch.note_filled(), done),
                Job::Reset { scope, done } => (batch.reset(scope), done),
                Job::Ready { done } => (Ok(()), done),
            };
            let alone = match outcome {
                // These two come before anything of the change is written.
                Err(error) if !matches!(error, StoreError::Rule | StoreError::Damaged { .. }) => {
                    answers.push((done, Ok(())));
                    answers.extend(jobs.map(|job| (job.done(), Ok(()))));
                    return Err(error);
                }
                alone => alone,
            };
            answers.push((done, alone));
        }
        let (bytes, changed) = batch.complete()?;
        if bytes == 0 {
            return Ok(());
        }
        transaction.commit().map_err(committing)?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(answers.len() as u64, Ordering::Relaxed);
        self.unchecked += bytes + 2 * PAGE;
        changed.publish(&self.cache);
        Ok(())
    }

    /// Copies the log into the database. What a reader still looks at, and what a full disk refuses,
    /// is left for the next time.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the disk failed.
    fn checkpoint(&mut self, mode: &str) -> Result<(), StoreError> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        match self.db.query_row(&sql, [], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?)) {
            Ok(left) => self.unchecked = usize::try_from(left).unwrap_or(0) * PAGE,
            Err(error) => {
                tracing::error!(%error, "a checkpoint failed");
                if let lost @ StoreError::Lost(_) = committing(error) {
                    return Err(lost);
                }
                // Not at every batch again.
                self.unchecked = 0;
            }
        }
        Ok(())
    }
}

/// Lets those who are about to send a change do so, for as long as more keep coming: some were
/// answered together just now. Without this the first of them would have an fsync to itself. A
/// writer who is alone never waits.
#[expect(clippy::disallowed_methods, reason = "nothing tells that somebody is about to send a change")]
fn gather(queue: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>) {
    while jobs.len() < ENOUGH {
        let before = jobs.len();
        thread::sleep(MOMENT);
        while jobs.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
        if jobs.len() == before {
            return;
        }
    }
}

/// Drops a rule. What it has done or refused stays so even if something it holds panics then.
fn discard<T>(rule: T) {
    if guarded(|| drop(rule)).is_err() {
        tracing::error!("a rule failed when it was dropped");
    }
}

/// What a failed commit means. When the disk is full nothing was written that counts; when the disk
/// itself fails – a write or a synchronisation – nobody knows what it holds.
fn committing(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::SystemIoFailure) => StoreError::Lost(error.to_string()),
        _ => error.into(),
    }
}

impl Job {
    fn done(self) -> Done {
        match self {
            Job::Owner { done, .. }
            | Job::ChatGroup { done, .. }
            | Job::Filled { done }
            | Job::Reset { done, .. }
            | Job::Ready { done } => done,
        }
    }
}
