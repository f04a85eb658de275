//! The one thread that writes: it drains its queue, runs the rules, commits everything with one
//! fsync, publishes what it committed to the cache, and only then answers.
//!
//! A change that fails is set aside, and the others are run again without it.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::{
    OpenError, StoreConfig, StoreFailure,
    attempt::{Attempt, Verdict},
    batch::PAGE,
    checkpoints::{CheckpointCounts, Checkpoints},
    disbandings,
    error::committing,
    files::Files,
    job::Job,
    reader::Shared,
    schema::{self, Opened},
    threads::StoreThread,
};
use crate::{clock::Clock, excerpt::quoted, store::StoreError};

/// How many changes share one transaction at the most.
const BATCH: usize = 512;
/// How long the writer waits for one more change when it had company: less than an fsync of a fast disk.
const GROUP_COMMIT_WAIT: Duration = Duration::from_micros(80);
/// With so many changes in hand it waits for no more: they share the fsync well enough.
const GROUP_COMMIT_TARGET: usize = 24;
/// After so many failures that cost a transaction, every change of a batch gets a transaction of its own.
const MAX_SHARED_FAILURES: usize = 16;
/// How often old events are looked for.
const TRIM_EVERY: Duration = Duration::from_secs(3_600);

/// The handle of the writer thread.
pub(super) struct Writer {
    jobs: RwLock<Option<mpsc::Sender<Job>>>,
    thread: StoreThread,
    counts: Arc<Counts>,
    pub(super) checkpoints: Arc<CheckpointCounts>,
}

/// What the writer counts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) commits: AtomicU64,
    pub(super) changes: AtomicU64,
}

impl Writer {
    pub(super) fn start(
        mut opened: Opened,
        files: Arc<Files>,
        options: &StoreConfig,
        shared: Shared,
    ) -> Result<Writer, OpenError> {
        let (jobs, queue) = mpsc::channel(options.queue);
        let (counts, checkpoints) = (Arc::<Counts>::default(), Arc::<CheckpointCounts>::default());
        let own = Checkpoints::new(&mut opened.connection, Arc::clone(&checkpoints))
            .map_err(|source| OpenError::Database { file: files.database.clone(), source })?;
        let thread = WriterThread {
            db: opened.connection,
            files,
            shared,
            clock: options.clock.clone(),
            counts: Arc::clone(&counts),
            checkpoints: own,
            is_marked: opened.marked,
            trimmed: None,
        };
        let thread = StoreThread::start("writer", move || thread.work(queue)).map_err(OpenError::Thread)?;
        Ok(Writer { jobs: RwLock::new(Some(jobs)), thread, counts, checkpoints })
    }

    pub(super) fn commits(&self) -> u64 {
        self.counts.commits.load(Ordering::Relaxed)
    }

    /// Commits, changes in them, and changes that wait.
    pub(super) fn statistics(&self) -> (u64, u64, u64) {
        let waiting = self.jobs().as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity());
        (self.commits(), self.counts.changes.load(Ordering::Relaxed), waiting as u64)
    }

    pub(super) fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs();
        let jobs = jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })
    }

    fn jobs(&self) -> RwLockReadGuard<'_, Option<mpsc::Sender<Job>>> {
        self.jobs.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no more changes; the thread ends when it has made those that wait.
    pub(super) fn close(&self) -> &StoreThread {
        *self.jobs.write().unwrap_or_else(PoisonError::into_inner) = None;
        &self.thread
    }
}

/// What the writer thread works with.
pub(super) struct WriterThread {
    pub(super) db: Connection,
    pub(super) files: Arc<Files>,
    pub(super) shared: Shared,
    pub(super) clock: Clock,
    pub(super) counts: Arc<Counts>,
    pub(super) checkpoints: Checkpoints,
    /// Whether the database says that it is in use.
    pub(super) is_marked: bool,
    /// When old events were looked for last, by the monotonic clock.
    pub(super) trimmed: Option<Duration>,
}

impl WriterThread {
    fn work(mut self, mut queue: mpsc::Receiver<Job>) {
        let guard = self.shared.alarm.guard("writing");
        // What an earlier process left in the log counts, too. An error shows at the first change.
        let _ = self.checkpoints.run(&self.db, "NOOP");
        let mut received = Vec::with_capacity(BATCH);
        let mut company = false;
        while queue.blocking_recv_many(&mut received, BATCH) > 0 {
            if company {
                gather(&mut queue, &mut received);
            }
            company = received.len() > 1;
            let lost = match self.make_in_order(received.drain(..).collect()) {
                Ok(()) => {
                    self.trim_events().and_then(|()| self.checkpoints.run_due(&self.db, queue.is_empty()))
                }
                lost => lost,
            };
            if let Err(error) = lost {
                // What is on the disk is not known any more: only a new start can show it.
                self.shared.alarm.raise(match error {
                    StoreError::Lost(reason) => StoreFailure::Disk(reason),
                    StoreError::Moved(reason) => StoreFailure::Moved(reason),
                    other => StoreFailure::Disk(other.to_string()),
                });
                return guard.end();
            }
        }
        self.close();
        guard.end();
    }

    /// Leaves the store as one that was closed in good order.
    fn close(&mut self) {
        // Too late for an error to matter: without the mark, or with a log, the next start looks more closely.
        if self.is_marked && self.files.check_identity().is_ok() && schema::mark_closed(&self.db).is_ok() {
            let _ = self.checkpoints.run(&self.db, "TRUNCATE");
        }
    }

    /// Makes all these changes, and pauses where one of the jobs asks for it.
    ///
    /// # Errors
    /// Those of [`WriterThread::make_all`].
    fn make_in_order(&mut self, mut jobs: VecDeque<Job>) -> Result<(), StoreError> {
        while let Some(place) = jobs.iter().position(|job| matches!(job, Job::Pause(..))) {
            let after = jobs.split_off(place + 1);
            let pause = jobs.pop_back();
            self.make_all(jobs)?;
            if let Some(pause) = pause {
                pause.answer(Ok(()));
            }
            jobs = after;
        }
        self.make_all(jobs)
    }

    /// Makes all these changes, in one transaction or in several, and answers each.
    ///
    /// # Errors
    /// When it is not known any more what the disk holds: [`StoreError::Lost`] or [`StoreError::Moved`].
    fn make_all(&mut self, mut jobs: VecDeque<Job>) -> Result<(), StoreError> {
        // Changes of what is known to be damaged come last and alone, so that they cost nobody a transaction. Those of one
        // owner or chat group keep their order.
        let mut last = VecDeque::new();
        if self.shared.health.damaged() > 0 && !jobs.iter().any(|job| job.is_about_all()) {
            (last, jobs) = jobs.into_iter().partition(|job| job.is_about_damage(&self.shared.health));
        }
        let alone = last.len();
        jobs.append(&mut last);
        let (mut failures, mut made_room, mut aside) = (0, false, HashSet::new());
        while !jobs.is_empty() {
            let most = match jobs.len().saturating_sub(alone) {
                0 => 1,
                _ if failures >= MAX_SHARED_FAILURES => 1,
                all => all,
            };
            match self.attempt(&mut jobs, most, &aside) {
                Attempt::Committed(outcomes) => {
                    for outcome in outcomes {
                        if let Some(job) = jobs.pop_front() {
                            job.answer(outcome);
                        }
                    }
                    // Also between the transactions of one batch, which may be large.
                    if let Err(error) = self.checkpoints.run_due(&self.db, false) {
                        for job in jobs {
                            job.answer(Err(error.clone()));
                        }
                        return Err(error);
                    }
                }
                Attempt::Spoiled { taken, by, error } => {
                    failures += 1;
                    let error = match self.examine(&by, &jobs, &aside, error) {
                        Verdict::Refuse(error) => error,
                        Verdict::PutAside(owner) => {
                            tracing::error!(
                                "user {} of app {} cannot be changed where his data is, because the database is damaged \
                                 next to it; his data is put aside",
                                quoted(owner.user.as_str()),
                                owner.app
                            );
                            aside.insert(owner);
                            continue;
                        }
                        Verdict::Retry => continue,
                    };
                    let rest = jobs.split_off(taken);
                    let (spoilers, others): (Vec<_>, Vec<_>) =
                        (0..).zip(jobs).partition(|(index, job)| by.is(*index, job));
                    for (_, job) in spoilers {
                        job.answer(Err(error.clone()));
                    }
                    // The others are run again, in the order they had.
                    jobs = others.into_iter().map(|(_, job)| job).chain(rest).collect();
                }
                // A full disk: what the log holds may go into the database, and the log be used from its start.
                Attempt::Failed { error: StoreError::Full(_), .. } if !made_room => {
                    made_room = true;
                    self.checkpoints.restart(&self.db)?;
                }
                Attempt::Failed { taken, error } => {
                    self.shared.health.failed(&error, taken);
                    let is_end = matches!(error, StoreError::Lost(_) | StoreError::Moved(_));
                    let failed = if is_end { jobs.len() } else { taken };
                    jobs.drain(..failed).for_each(|job| job.answer(Err(error.clone())));
                    if is_end {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes events that have become old, now and then, in transactions of their own.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the disk failed.
    fn trim_events(&mut self) -> Result<(), StoreError> {
        let now = self.shared.clock.elapsed();
        if self.trimmed.is_some_and(|trimmed| now < trimmed + TRIM_EVERY) {
            return Ok(());
        }
        match disbandings::trim_all_events(&self.db, self.clock.now()) {
            // Some at a time: the rest after the next changes.
            Ok(removed) if removed > 0 => self.checkpoints.note((removed * PAGE) as u64),
            Ok(_) => self.trimmed = Some(now),
            Err(error) => {
                self.trimmed = Some(now);
                tracing::error!(%error, "old events cannot be removed");
                if let lost @ StoreError::Lost(_) = committing(error) {
                    return Err(lost);
                }
            }
        }
        Ok(())
    }
}

/// Lets those who are about to send a change do so, for as long as more keep coming: some were
/// answered together just now. Without this the first of them would have an fsync to itself. A
/// writer who is alone never waits.
#[expect(clippy::disallowed_methods, reason = "there is no signal for an upcoming write, so wait briefly")]
fn gather(queue: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>) {
    while jobs.len() < GROUP_COMMIT_TARGET {
        let before = jobs.len();
        thread::sleep(GROUP_COMMIT_WAIT);
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
