//! The embedded store: SQLite in WAL mode, one writer thread with group commit, a few reader
//! threads for what the cache misses.
//!
//! `synchronous=FULL` makes every commit durable before it is answered. The database belongs to
//! one process (`vfs=unix-excl`, and a lock file whose refusal explains itself).

mod alarm;
mod attempt;
mod batch;
mod caller;
mod chat_groups;
mod checkpoints;
mod directory;
mod error;
mod files;
mod health;
mod job;
mod listing;
mod notices;
mod open_error;
mod opening;
mod queue;
mod reader;
mod rows;
mod schema;
mod survey;
mod threads;
mod waitlist;
mod wal;
mod work;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::oneshot;

pub use alarm::StoreFailure;
pub use open_error::OpenError;
pub use opening::Opening;
pub use survey::{is_in_use, is_read_only, survey};

use self::{
    alarm::Alarm,
    files::Files,
    health::Health,
    job::{Change, Job},
    reader::{Readers, Shared},
    writer::Writer,
};
use super::{
    ChatGroupPage, ChatGroupQuery, ChatGroupRule, Loaded, OwnerRule, Pending, Readiness, Scope, Statistics,
    Store, StoreError, cache::OwnerCache,
};
use crate::{
    clock::Clock,
    domain::{AppId, ChatGroup, ChatGroupId, Conversation, Owner, Presence, UserId},
};

/// How to open a [`SqliteStore`].
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The directory of its files.
    pub directory: PathBuf,
    /// Whether the directory and a store are made if they are not there.
    pub create: bool,
    /// Bytes of owners kept in memory.
    pub cache_bytes: u64,
    /// Threads that read what the cache misses.
    pub readers: usize,
    /// How many reads may wait for them; more are refused.
    pub read_queue: usize,
    /// How long a call waits for its reading to begin; it is refused then. Part of the time that the call has.
    pub read_patience: Duration,
    /// How many changes may wait to be written; more are refused.
    pub queue: usize,
    /// How long closing the store may take.
    pub close_within: Duration,
    /// What time it is, for events that are removed when they are old.
    pub clock: Clock,
}

impl SqliteOptions {
    /// The usual options for a store in `directory`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> SqliteOptions {
        SqliteOptions {
            directory: directory.into(),
            create: true,
            cache_bytes: 256 << 20,
            readers: 2,
            read_queue: 16_384,
            read_patience: Duration::from_millis(2_400),
            queue: 8_192,
            close_within: Duration::from_secs(5),
            clock: Clock::system(),
        }
    }
}

/// The embedded store.
pub struct SqliteStore {
    shared: Shared,
    readers: Readers,
    writer: Writer,
    unfilled: bool,
    opening: Opening,
    close_within: Duration,
    /// Held while a readiness check writes.
    probing: tokio::sync::Mutex<()>,
    // Held, and given up last: the lock on the directory.
    files: Arc<Files>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqliteStore")
    }
}

impl SqliteStore {
    /// Opens the store in a directory, or creates it there.
    ///
    /// # Errors
    /// [`OpenError`], with a message for the operator.
    pub fn open(options: &SqliteOptions) -> Result<SqliteStore, OpenError> {
        let files = Arc::new(Files::lock(&options.directory, options.create)?);
        let opened = schema::open(&files, options.create, options.clock.now())?;
        let has_aside = rows::has_aside(&opened.connection)
            .map_err(|source| OpenError::Database { file: files.database.clone(), source })?;
        let shared = Shared {
            cache: Arc::new(OwnerCache::new(options.cache_bytes)),
            health: Arc::new(Health::new(Clock::system(), has_aside)),
            alarm: Alarm::new(),
            clock: Clock::system(),
        };
        let (unfilled, opening) = (opened.unfilled, opened.opening.clone());
        let readers = Readers::start(&files, options, &shared)?;
        let writer = Writer::start(opened, Arc::clone(&files), options, shared.clone())?;
        Ok(SqliteStore {
            shared,
            readers,
            writer,
            unfilled,
            opening,
            close_within: options.close_within,
            probing: tokio::sync::Mutex::default(),
            files,
        })
    }

    /// Whether there is a store in this directory.
    #[must_use]
    pub fn exists(directory: &Path) -> bool {
        files::database(directory).exists()
    }

    /// What was found when it was opened.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// What there is to say about who can read its files: nothing, if all is well.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.files.remarks
    }

    /// Whether initial data still has to be loaded: the store is new, or the first filling did not come to its
    /// end.
    #[must_use]
    pub fn is_unfilled(&self) -> bool {
        self.unfilled
    }

    /// Notes that the first filling is complete.
    #[must_use = "it is noted only when this has been waited for"]
    pub fn note_filled(&self) -> Pending<'_, ()> {
        self.write(Change::Filled)
    }

    /// Ends when the store cannot go on: the disk has failed under a commit, so that what it holds is not known, or
    /// one of its threads has ended. Whoever uses the store has to stop, and to start again from what is there.
    pub fn failure(&self) -> impl Future<Output = StoreFailure> + use<> {
        self.shared.alarm.raised()
    }

    /// How many transactions were committed since it was opened: one fsync each.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    fn queue_change(&self, owner: Owner, named: Vec<Conversation>, rule: OwnerRule) -> Pending<'static, ()> {
        // Looked up when the rule is run.
        let unknown = |conversation: Conversation| {
            let presence = match conversation {
                Conversation::User(_) => Presence::User { imported: false },
                Conversation::ChatGroup(_) => Presence::ChatGroup(None),
            };
            (conversation, presence)
        };
        let presences = named.into_iter().map(unknown).collect();
        self.write(Change::Owner { owner, presences, rule })
    }

    /// Queues a change at once; what it returns only waits for the answer.
    fn write(&self, change: Change) -> Pending<'static, ()> {
        let (done, answer) = oneshot::channel();
        let sent = self.writer.send(Job { change, done });
        Box::pin(async move {
            sent?;
            answer.await.map_err(|_| StoreError::Closed)?
        })
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        let mut ending = self.readers.close();
        ending.extend(self.writer.close());
        threads::wait(&ending, self.close_within);
    }
}

impl Store for SqliteStore {
    fn load(&self, owner: &Owner) -> Pending<'_, Loaded> {
        if let Some(loaded) = self.peek(owner) {
            return Box::pin(async { Ok(loaded) });
        }
        self.readers.load(owner)
    }

    fn peek(&self, owner: &Owner) -> Option<Loaded> {
        self.shared.cache.get(owner).map(|entry| entry.loaded())
    }

    fn accounts(&self, owners: Vec<Owner>) -> Pending<'_, Vec<bool>> {
        self.readers.run(move |reader| reader.accounts(&owners))
    }

    fn change(&self, owner: Owner, named: Vec<Conversation>, rule: OwnerRule) -> Pending<'_, ()> {
        self.queue_change(owner, named, rule)
    }

    fn chat_groups(&self, app: AppId, ids: Vec<ChatGroupId>) -> Pending<'_, Vec<Option<ChatGroup>>> {
        self.readers.run(move |reader| reader.chat_groups(app, &ids))
    }

    fn change_chat_group(&self, app: AppId, id: ChatGroupId, rule: ChatGroupRule) -> Pending<'_, ()> {
        self.write(Change::ChatGroup { app, id, rule })
    }

    fn list_chat_groups(&self, app: AppId, query: ChatGroupQuery) -> Pending<'_, ChatGroupPage> {
        self.readers.run(move |reader| reader.list_chat_groups(app, query))
    }

    fn apps(&self) -> Pending<'_, Vec<AppId>> {
        self.readers.run_patiently(|reader| reader.apps())
    }

    fn list_owners(&self, app: AppId, after: Option<UserId>) -> Pending<'_, Vec<(UserId, Loaded)>> {
        self.readers.run_patiently(move |reader| reader.list_owners(app, after.as_ref()))
    }

    fn all_chat_groups(&self, app: AppId, after: u64) -> Pending<'_, Vec<(u64, ChatGroupId, ChatGroup)>> {
        self.readers.run_patiently(move |reader| reader.all_chat_groups(app, after))
    }

    fn reset(&self, scope: Scope) -> Pending<'_, ()> {
        self.write(Change::Reset(scope))
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
            // One check at a time writes something. The others wait for it and then see that it succeeded just now.
            let _turn = self.probing.lock().await;
            if !self.shared.health.is_fresh()? {
                self.write(Change::Probe).await?;
            }
            // The probe itself may have met damage.
            self.shared.health.is_fresh()?;
            Ok(Readiness { damaged: self.shared.health.damaged() })
        })
    }
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "damage_tests.rs"]
mod damage_tests;
