//! The embedded store: SQLite in WAL mode, one writer thread with group commit, a few reader
//! threads for what the cache misses.
//!
//! `synchronous=FULL` makes every commit durable before it is answered. The database belongs to
//! one process (`vfs=unix-excl`, and a lock file whose refusal explains itself).

mod alarm;
mod batch;
mod listing;
mod reader;
mod rows;
mod schema;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;

pub use alarm::StoreFailure;
pub use schema::OpenError;

use self::{
    alarm::Alarm,
    reader::Readers,
    schema::Files,
    writer::{Job, Writer},
};
use super::{
    ChatGroupPage, ChatGroupQuery, ChatGroupRule, Loaded, OwnerRule, Pending, Scope, Statistics, Store,
    StoreError, cache::OwnerCache,
};
use crate::domain::{AppId, ChatGroup, ChatGroupId, Conversation, Owner, UserId};

/// How to open a [`SqliteStore`].
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The directory of its files, made if it is not there.
    pub directory: PathBuf,
    /// Bytes of owners kept in memory.
    pub cache_bytes: u64,
    /// Threads that read what the cache misses.
    pub readers: usize,
    /// How many changes may wait to be written; more are refused.
    pub queue: usize,
}

impl SqliteOptions {
    /// The usual options for a store in `directory`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> SqliteOptions {
        SqliteOptions { directory: directory.into(), cache_bytes: 256 << 20, readers: 2, queue: 8_192 }
    }
}

/// The embedded store.
pub struct SqliteStore {
    cache: Arc<OwnerCache>,
    readers: Readers,
    writer: Writer,
    alarm: Alarm,
    unfilled: bool,
    // Held, and given up last: the lock on the directory.
    files: Files,
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
    /// [`OpenError`], in words for whoever started the server.
    pub fn open(options: &SqliteOptions) -> Result<SqliteStore, OpenError> {
        let files = Files::lock(&options.directory)?;
        let (connection, unfilled) = schema::open(&files)?;
        let cache = Arc::new(OwnerCache::new(options.cache_bytes));
        let alarm = Alarm::new();
        let readers = Readers::start(&files, options.readers, &cache, &alarm)?;
        let writer = Writer::start(connection, Arc::clone(&cache), options.queue, alarm.clone())?;
        Ok(SqliteStore { cache, readers, writer, alarm, unfilled, files })
    }

    /// Whether there is a store in this directory.
    #[must_use]
    pub fn exists(directory: &Path) -> bool {
        schema::database(directory).exists()
    }

    /// What there is to say about who can read its files: nothing, if all is well.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.files.remarks
    }

    /// Whether what it shall begin with is still to be put into it: it is new, or the first filling
    /// did not come to its end.
    #[must_use]
    pub fn is_unfilled(&self) -> bool {
        self.unfilled
    }

    /// Notes that the first filling is complete.
    #[must_use = "it is noted only when this has been waited for"]
    pub fn note_filled(&self) -> Pending<'_, ()> {
        self.write(|done| Job::Filled { done })
    }

    /// Ends when the store cannot go on: the disk has failed under a commit, so that what it holds is not known, or
    /// one of its threads has ended. Whoever uses the store has to stop, and to start again from what is there.
    pub fn failure(&self) -> impl Future<Output = StoreFailure> + use<> {
        self.alarm.raised()
    }

    /// How many transactions were committed since it was opened: one fsync each.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Queues a change at once; what it returns only waits for the answer.
    fn write(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<(), StoreError>>) -> Job,
    ) -> Pending<'static, ()> {
        let (done, answer) = oneshot::channel();
        let sent = self.writer.send(job(done));
        Box::pin(async move {
            sent?;
            answer.await.map_err(|_| StoreError::Closed)?
        })
    }
}

/// How long a store that is closed waits for its threads.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// Waits for threads to end, but not for ever: one that hangs in the disk must not keep the process
/// from ending, and ending without it loses nothing that was acknowledged.
fn join_within(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        let (ended, has_ended) = mpsc::channel();
        thread::spawn(move || {
            let _ = thread.join();
            let _ = ended.send(());
        });
        if has_ended.recv_timeout(CLOSED_WITHIN).is_err() {
            tracing::error!("a thread of the store hangs, probably in the disk; it is left behind");
        }
    }
}

impl Store for SqliteStore {
    fn load(&self, owner: &Owner) -> Pending<'_, Loaded> {
        if let Some(loaded) = self.peek(owner) {
            return Box::pin(async { Ok(loaded) });
        }
        let owner = owner.clone();
        self.readers.run(move |reader| reader.owner(&owner))
    }

    fn peek(&self, owner: &Owner) -> Option<Loaded> {
        self.cache.get(owner).map(|entry| entry.loaded())
    }

    fn accounts(&self, owners: Vec<Owner>) -> Pending<'_, Vec<bool>> {
        self.readers.run(move |reader| reader.accounts(&owners))
    }

    fn change(&self, owner: Owner, named: Vec<Conversation>, rule: OwnerRule) -> Pending<'_, ()> {
        self.write(|done| Job::Owner { owner, named, rule, done })
    }

    fn chat_groups(&self, app: AppId, ids: Vec<ChatGroupId>) -> Pending<'_, Vec<Option<ChatGroup>>> {
        self.readers.run(move |reader| reader.chat_groups(app, &ids))
    }

    fn change_chat_group(&self, app: AppId, id: ChatGroupId, rule: ChatGroupRule) -> Pending<'_, ()> {
        self.write(move |done| Job::ChatGroup { app, id, rule, done })
    }

    fn list_chat_groups(&self, app: AppId, query: ChatGroupQuery) -> Pending<'_, ChatGroupPage> {
        self.readers.run(move |reader| reader.list_chat_groups(app, query))
    }

    fn apps(&self) -> Pending<'_, Vec<AppId>> {
        self.readers.run(|reader| reader.apps())
    }

    fn list_owners(&self, app: AppId, after: Option<UserId>) -> Pending<'_, Vec<(UserId, Loaded)>> {
        self.readers.run(move |reader| reader.list_owners(app, after.as_ref()))
    }

    fn all_chat_groups(&self, app: AppId, after: u64) -> Pending<'_, Vec<(u64, ChatGroupId, ChatGroup)>> {
        self.readers.run(move |reader| reader.all_chat_groups(app, after))
    }

    fn reset(&self, scope: Scope) -> Pending<'_, ()> {
        self.write(|done| Job::Reset { scope, done })
    }

    fn statistics(&self) -> Statistics {
        let (commits, changes, waiting) = self.writer.statistics();
        let (cache_hits, cache_misses, cache_bytes) = self.cache.statistics();
        let disk_bytes = self.files.size();
        Statistics { commits, changes, waiting, cache_hits, cache_misses, cache_bytes, disk_bytes }
    }

    fn ready(&self) -> Pending<'_, ()> {
        let writer = self.write(|done| Job::Ready { done });
        let reader = self.readers.run(|reader| reader.ready());
        Box::pin(async move {
            reader.await?;
            writer.await
        })
    }
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
