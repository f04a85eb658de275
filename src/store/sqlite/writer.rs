//! The one thread that writes: it drains its queue, runs the rules, commits everything with one
//! fsync, publishes what it committed to the cache, and only then answers.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{OpenError, rows};
use crate::{
    domain::{Account, AppId, ChangeNumber, ChatGroupId, Conversation, Organizer, Owner},
    store::{
        ChatGroupRule, Next, OwnerRule, Seen, StoreError,
        cache::{self, OwnerCache},
        document::Stored,
        guarded,
    },
};

/// How many changes may wait; more are refused.
const QUEUE: usize = 8_192;
/// How many changes share one transaction at the most.
const BATCH: usize = 512;
/// After how many bytes written the WAL is copied into the database.
const CHECKPOINT_BYTES: usize = 8 << 20;

type Done = oneshot::Sender<Result<(), StoreError>>;

/// One change to make.
pub(super) enum Job {
    Owner { owner: Owner, named: Vec<Conversation>, rule: OwnerRule, done: Done },
    ChatGroup { app: AppId, id: ChatGroupId, rule: ChatGroupRule, done: Done },
}

/// The handle of the writer thread.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(db: Connection, cache: Arc<OwnerCache>) -> Result<Writer, OpenError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let commits = Arc::new(AtomicU64::new(0));
        let desk = Desk { db, cache, commits: Arc::clone(&commits), unchecked: 0 };
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || desk.work(queue))
            .map_err(OpenError::Thread)?;
        Ok(Writer { jobs: Some(jobs), thread: Some(thread), commits })
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
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
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the writer thread works with.
struct Desk {
    db: Connection,
    cache: Arc<OwnerCache>,
    commits: Arc<AtomicU64>,
    /// Bytes committed since the last checkpoint.
    unchecked: usize,
}

impl Desk {
    fn work(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(BATCH);
        let mut company = false;
        while queue.blocking_recv_many(&mut jobs, BATCH) > 0 {
            if company {
                gather(&mut queue, &mut jobs);
            }
            company = jobs.len() > 1;
            let mut answers = Vec::with_capacity(jobs.len());
            let committed = self.commit(&mut jobs, &mut answers);
            if let Err(error) = &committed {
                tracing::error!(%error, changes = answers.len(), "a transaction failed");
            }
            for (done, outcome) in answers {
                // Whoever asked may have given up waiting; the change is made all the same.
                let _ = done.send(committed.clone().and(outcome));
            }
            if self.unchecked > CHECKPOINT_BYTES {
                self.checkpoint("PASSIVE");
            }
        }
        self.checkpoint("TRUNCATE");
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
        let mut batch = Batch {
            db: &transaction,
            cache: &self.cache,
            owners: HashMap::new(),
            disbanded: Vec::new(),
            bytes: 0,
        };
        let mut jobs = jobs.drain(..);
        while let Some(job) = jobs.next() {
            let (outcome, done) = match job {
                Job::Owner { owner, named, rule, done } => (batch.change_owner(&owner, named, rule), done),
                Job::ChatGroup { app, id, rule, done } => (batch.change_chat_group(app, id, rule), done),
            };
            let alone = match outcome {
                Err(error) if !matches!(error, StoreError::Rule) => {
                    answers.push((done, Ok(())));
                    answers.extend(jobs.map(|job| (job.done(), Ok(()))));
                    return Err(error);
                }
                alone => alone,
            };
            answers.push((done, alone));
        }
        batch.write_organizers()?;
        let Batch { owners, disbanded, bytes, .. } = batch;
        if bytes == 0 {
            return Ok(());
        }
        transaction.commit()?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.unchecked += bytes;
        publish(&self.cache, owners, disbanded);
        Ok(())
    }

    fn checkpoint(&mut self, mode: &str) {
        self.unchecked = 0;
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        if let Err(error) = self.db.query_row(&sql, [], |_| Ok(())) {
            tracing::error!(%error, "a checkpoint failed; the write-ahead log keeps growing");
        }
    }
}

/// Lets those who are about to send a change do so, for as long as more keep coming: they were just
/// answered together, and without this the first of them would have an fsync to itself. A writer who
/// is alone never waits.
fn gather(queue: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>) {
    loop {
        thread::yield_now();
        let before = jobs.len();
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

impl Job {
    fn done(self) -> Done {
        match self {
            Job::Owner { done, .. } | Job::ChatGroup { done, .. } => done,
        }
    }
}

/// One transaction on its way.
struct Batch<'a> {
    db: &'a Connection,
    cache: &'a OwnerCache,
    owners: HashMap<Owner, Working>,
    disbanded: Vec<(AppId, ChatGroupId)>,
    /// Roughly how much was written; 0 when there is nothing to commit.
    bytes: usize,
}

/// One owner within a transaction. What happens to a hot owner in one batch is written once.
struct Working {
    account: Option<Arc<Account>>,
    stored: Stored,
    dead: Vec<ChangeNumber>,
    /// The organizer as the changes of this batch left it.
    organizer: Arc<Organizer>,
    changed: bool,
}

impl Batch<'_> {
    fn change_owner(
        &mut self,
        owner: &Owner,
        named: Vec<Conversation>,
        mut rule: OwnerRule,
    ) -> Result<(), StoreError> {
        let presences = rows::presences(self.db, owner.app, named)?;
        let working = match self.owners.entry(owner.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Working::begin(self.db, self.cache, owner)?),
        };
        if self.disbanded.iter().any(|(app, _)| *app == owner.app) {
            working.dead = rows::dead(self.db, owner.app, &working.organizer)?;
        }
        let buried = match working.dead.is_empty() {
            true => None,
            false => Some(working.organizer.buried(&working.dead)),
        };
        let seen = Seen {
            account: working.account.as_ref(),
            organizer: buried.as_ref().unwrap_or(&working.organizer),
            presences: &presences,
        };
        let Next { account, organizer } = guarded(|| rule(&seen))?;
        if let Some(account) = account {
            rows::write_account(self.db, owner, account.as_deref())?;
            self.bytes += 64;
            working.account = account;
            working.changed = true;
        }
        if let Some(organizer) = organizer {
            working.organizer = Arc::new(organizer);
            working.dead = Vec::new();
            working.changed = true;
        }
        Ok(())
    }

    fn change_chat_group(
        &mut self,
        app: AppId,
        id: ChatGroupId,
        mut rule: ChatGroupRule,
    ) -> Result<(), StoreError> {
        let old = rows::chat_group(self.db, app, &id)?;
        let Some(next) = guarded(|| rule(old.as_ref()))? else { return Ok(()) };
        rows::write_chat_group(self.db, app, &id, &next)?;
        self.bytes += 256;
        if next.incarnation > old.map_or(0, |old| old.incarnation) {
            rows::write_disbanding(self.db, app, &id, next.incarnation)?;
            self.disbanded.push((app, id));
        }
        Ok(())
    }

    fn write_organizers(&mut self) -> Result<(), StoreError> {
        for (owner, working) in &mut self.owners {
            if !Arc::ptr_eq(&working.organizer, &working.stored.organizer) {
                let edits = working.stored.advance(Arc::clone(&working.organizer));
                self.bytes +=
                    edits.iter().map(|(_, doc)| 64 + doc.as_ref().map_or(0, Vec::len)).sum::<usize>();
                rows::write_organizer(self.db, owner, &edits)?;
            }
        }
        Ok(())
    }
}

impl Working {
    /// An owner as last committed: from the cache, which is exact, or from the database.
    fn begin(db: &Connection, cache: &OwnerCache, owner: &Owner) -> Result<Working, StoreError> {
        let (account, stored, dead) = if let Some(entry) = cache.get(owner) {
            (entry.account.clone(), Stored::clone(&entry.stored), entry.dead.clone())
        } else {
            let stored = rows::organizer(db, owner)?;
            let dead = rows::dead(db, owner.app, &stored.organizer)?;
            (rows::account(db, owner)?, stored, dead)
        };
        let organizer = Arc::clone(&stored.organizer);
        Ok(Working { account, stored, dead, organizer, changed: false })
    }
}

/// Makes a committed batch visible. The owners first, as true up to the disbandings before this
/// batch: those of the batch, published after them, make each entry compare itself.
fn publish(cache: &OwnerCache, owners: HashMap<Owner, Working>, disbanded: Vec<(AppId, ChatGroupId)>) {
    for (owner, working) in owners.into_iter().filter(|(_, working)| working.changed) {
        let disbandings = cache.disbandings(owner.app);
        let seen = disbandings.count();
        let entry =
            cache::Entry::new(working.account, Arc::new(working.stored), working.dead, disbandings, seen);
        cache.publish(owner, entry);
    }
    for (app, id) in disbanded {
        cache.disbandings(app).publish(id);
    }
}
