//! The only thread that writes. It takes all jobs from its queue, runs the rules, commits all changes with one fsync,
//! updates the cache, and only then answers the callers.
//!
//! If a job makes the transaction fail, it is refused, and the others are run again without it.

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
    StoreConfig,
    attempt::Attempt,
    checkpoints::{CheckpointCounts, Checkpoints},
    events::Head,
    files::Files,
    job::Job,
    reader::Shared,
    schema::{self, Opened},
    scrubbing::Scrubber,
    threads::StoreThread,
    verdict::Verdict,
};
use crate::{
    clock::Clock,
    excerpt::quoted,
    log_lines::log,
    store::{OpenError, Retention, StoreError, StoreFailure},
};

/// The maximum number of changes in one transaction.
const BATCH: usize = 512;
/// How long the writer waits for more changes if the last batch had several. It is less than an fsync of a fast disk
/// takes.
const GROUP_COMMIT_WAIT: Duration = Duration::from_micros(80);
/// The number of changes at which the writer stops waiting for more, because the cost of the fsync is small for each.
const GROUP_COMMIT_TARGET: usize = 24;
/// The number of failed transactions in a batch after which each of its changes gets a transaction of its own.
const MAX_SHARED_FAILURES: usize = 16;
/// The handle of the writer thread.
pub(super) struct Writer {
    jobs: RwLock<Option<mpsc::Sender<Job>>>,
    thread: StoreThread,
    counts: Arc<Counts>,
    pub(super) checkpoints: Arc<CheckpointCounts>,
}

/// The writer's counters.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) commits: AtomicU64,
    pub(super) changes: AtomicU64,
    /// How long the thread was busy, in nanoseconds.
    pub(super) writing: AtomicU64,
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
        let own = Checkpoints::new(&mut opened.connection, Arc::clone(&checkpoints)).map_err(
            |source: rusqlite::Error| OpenError::Database {
                file: files.database.clone(),
                source: source.into(),
            },
        )?;
        let thread = WriterThread {
            db: opened.connection,
            shared,
            clock: options.clock.clone(),
            counts: Arc::clone(&counts),
            checkpoints: own,
            is_marked: opened.marked,
            head: None,
            retention: options.retention,
            renewals: 0,
            has_erased: opened.has_traces,
            scrubber: Scrubber::open(&files.database),
            files,
            clean_after: None,
            trimmed: None,
        };
        let thread = StoreThread::start("writer", move || thread.work(queue)).map_err(OpenError::Thread)?;
        Ok(Writer { jobs: RwLock::new(Some(jobs)), thread, counts, checkpoints })
    }

    pub(super) fn commits(&self) -> u64 {
        self.counts.commits.load(Ordering::Relaxed)
    }

    /// Returns the number of commits, of changes in them, and of waiting changes.
    pub(super) fn statistics(&self) -> (u64, u64, u64) {
        let waiting = self.jobs().as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity());
        (self.commits(), self.counts.changes.load(Ordering::Relaxed), waiting as u64)
    }

    /// Returns how long the thread was busy.
    pub(super) fn writing(&self) -> Duration {
        Duration::from_nanos(self.counts.writing.load(Ordering::Relaxed))
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

    /// Refuses new changes from now on. The thread ends after it has written the waiting ones.
    pub(super) fn close(&self) -> &StoreThread {
        *self.jobs.write().unwrap_or_else(PoisonError::into_inner) = None;
        &self.thread
    }
}

/// The state of the writer thread.
pub(super) struct WriterThread {
    pub(super) db: Connection,
    pub(super) files: Arc<Files>,
    pub(super) shared: Shared,
    pub(super) clock: Clock,
    pub(super) counts: Arc<Counts>,
    pub(super) checkpoints: Checkpoints,
    /// Whether the database is marked as in use.
    pub(super) is_marked: bool,
    /// The last event; `None` if it has not been read yet.
    pub(super) head: Option<Head>,
    /// How long events are kept.
    pub(super) retention: Retention,
    /// How often the tables of events and of keys were replaced.
    pub(super) renewals: u32,
    /// Whether content was erased since the files were last cleaned up.
    pub(super) has_erased: bool,
    pub(super) scrubber: Scrubber,
    /// When to try again to clean up, by the monotonic clock; `None` if the last attempt succeeded.
    pub(super) clean_after: Option<Duration>,
    /// When all old events were last removed, by the monotonic clock.
    pub(super) trimmed: Option<Duration>,
}

impl WriterThread {
    fn work(mut self, mut queue: mpsc::Receiver<Job>) {
        let guard = self.shared.alarm.guard("writing");
        // Take the log of an earlier process into account. If this fails, the first change will report the error.
        let _ = self.checkpoints.run(&self.db, "NOOP");
        let _ = self.clean_up(&queue);
        let mut received = Vec::with_capacity(BATCH);
        let mut company = false;
        while queue.blocking_recv_many(&mut received, BATCH) > 0 {
            let began = self.clock.elapsed();
            if company {
                gather(&mut queue, &mut received);
            }
            company = received.len() > 1;
            let lost = match self.make_in_order(received.drain(..).collect()) {
                Ok(()) => self
                    .trim_events()
                    .and_then(|()| self.clean_up(&queue))
                    .and_then(|()| self.checkpoints.run_due(&self.db, queue.is_empty())),
                lost => lost,
            };
            if let Err(error) = lost {
                // The content of the disk is unknown now. Only a restart can recover it.
                self.shared.alarm.raise(match error {
                    StoreError::Lost(reason) => StoreFailure::Disk(reason),
                    StoreError::Moved(reason) => StoreFailure::Moved(reason),
                    other => StoreFailure::Disk(other.to_string()),
                });
                return guard.end();
            }
            let busy = self.clock.elapsed().saturating_sub(began);
            let busy = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
            self.counts.writing.fetch_add(busy, Ordering::Relaxed);
        }
        self.close();
        guard.end();
    }

    /// Marks the store as closed and empties the log.
    fn close(&mut self) {
        // Ignore errors: without the mark, or with frames in the log, the next startup recovers the store.
        if self.is_marked && self.files.check_identity().is_ok() && schema::mark_closed(&self.db).is_ok() {
            let _ = self.checkpoints.run(&self.db, "TRUNCATE");
        }
    }

    /// Runs all these jobs, including pauses, in their order.
    ///
    /// # Errors
    /// Returns any error of [`WriterThread::make_all`].
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

    /// Runs all these jobs, in one or more transactions, and answers each.
    ///
    /// # Errors
    /// Returns [`StoreError::Lost`] or [`StoreError::Moved`] if the content of the disk is unknown.
    fn make_all(&mut self, mut jobs: VecDeque<Job>) -> Result<(), StoreError> {
        // Jobs for damaged owners and chat groups come last, each in its own transaction, so that they cannot make
        // others fail. The jobs of one owner or chat group keep their order.
        let mut last = VecDeque::new();
        if self.shared.health.damaged() > 0 && !jobs.iter().any(|job| job.is_about_all()) {
            (last, jobs) = jobs.into_iter().partition(|job| job.is_about_damage(&self.shared.health));
        }
        let alone = last.len();
        jobs.append(&mut last);
        if let Some(error) = self.shared.health.damaged_events() {
            self.gives_up_events(&error);
        }
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
                    // Run checkpoints between the transactions of one batch as well, since these may be large.
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
                            log!(OWNER_MOVED_ASIDE[quoted(owner.user.as_str()), owner.app]);
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
                    // Run the others again, in their old order.
                    jobs = others.into_iter().map(|(_, job)| job).chain(rest).collect();
                }
                // If the disk is full, a restarted log may provide enough room, because its space is used again.
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
}

/// Waits briefly for more changes, as long as they keep arriving. The callers of the last batch were answered at the
/// same time and may be about to send their next changes. Without waiting, the first of these would get an fsync of
/// its own. The writer does not do this after a batch with a single change.
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
