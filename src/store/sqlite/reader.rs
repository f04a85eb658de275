//! The threads that read what the cache misses, so that a cold or hung read holds up nobody else.

use std::sync::Arc;

use rusqlite::Connection;

use super::{
    OpenError, SqliteOptions, alarm::Alarm, caller::Answer, chat_groups, error::attribute_damage,
    files::Files, health::Health, listing, queue::Queue, rows::Rows, threads::StoreThread,
};
use crate::{
    clock::Clock,
    domain::{AppId, ChatGroup, ChatGroupId, Owner, UserId},
    store::{
        ChatGroupPage, ChatGroupQuery, Damaged, Loaded, Pending, StoreError,
        cache::{OwnerCache, Snapshot},
    },
};

/// A few threads with a connection each.
pub(super) struct Readers {
    queue: Arc<Queue>,
    threads: Vec<StoreThread>,
}

/// One reading connection.
pub(super) struct Reader {
    db: Connection,
    cache: Arc<OwnerCache>,
    health: Arc<Health>,
}

/// What readers share with the writer.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) cache: Arc<OwnerCache>,
    pub(super) health: Arc<Health>,
    pub(super) alarm: Alarm,
    /// The monotonic clock of the store.
    pub(super) clock: Clock,
}

impl Readers {
    pub(super) fn start(
        files: &Files,
        options: &SqliteOptions,
        shared: &Shared,
    ) -> Result<Readers, OpenError> {
        let queue = Arc::new(Queue::new(options.read_queue, options.read_patience));
        // Closed by its drop when a later thread cannot be started.
        let mut readers = Readers { queue: Arc::clone(&queue), threads: Vec::new() };
        for _ in 0..options.readers.max(1) {
            let Shared { cache, health, alarm, .. } = shared.clone();
            let reader = Reader { db: files.connect()?, cache, health };
            let queue = Arc::clone(&queue);
            let work = move || {
                let guard = alarm.guard("reading");
                while let Some(work) = queue.next() {
                    work.run(&reader);
                }
                guard.end();
            };
            readers.threads.push(StoreThread::start("reader", work).map_err(OpenError::Thread)?);
        }
        Ok(readers)
    }

    /// Loads an owner on one of the threads, if that begins soon enough for a call.
    pub(super) fn load(&self, owner: &Owner) -> Pending<'static, Loaded> {
        self.wait(self.queue.load(owner))
    }

    /// Runs `read` on one of the threads, if that begins soon enough for a call.
    pub(super) fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'static, T> {
        self.wait(self.queue.read(read, false))
    }

    fn wait<T: Send + 'static>(&self, asked: Result<Answer<T>, StoreError>) -> Pending<'static, T> {
        let queue = Arc::clone(&self.queue);
        Box::pin(async move { queue.wait(asked?).await })
    }

    /// Runs `read` on one of the threads, whenever that begins.
    pub(super) fn run_patiently<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'static, T> {
        let asked = self.queue.read(read, true);
        Box::pin(async move { asked?.wait().await })
    }

    /// How many callers wait now, and how many were refused.
    pub(super) fn statistics(&self) -> (u64, u64) {
        self.queue.statistics()
    }

    /// Ends the threads, each after what it is doing. They are to be waited for.
    pub(super) fn close(&mut self) -> Vec<StoreThread> {
        self.queue.close();
        std::mem::take(&mut self.threads)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Reader {
    fn rows<'a>(&'a self, db: &'a Connection) -> Rows<'a> {
        Rows { db, health: &self.health, has_aside: self.health.has_aside() }
    }

    /// Takes note of damage, if that is what was met.
    fn noted<T>(&self, read: Result<T, StoreError>) -> Result<T, StoreError> {
        read.inspect_err(|error| self.health.note(error))
    }

    pub(super) fn owner(&self, owner: &Owner) -> Result<Loaded, StoreError> {
        let entry = self.cache.get_or_load(owner, || {
            let snapshot = self.db.unchecked_transaction()?;
            let read = self.rows(&snapshot).owner_and_learn(owner);
            snapshot.finish()?;
            let (stored, account, dead) = self.noted(read)?;
            self.health.note_sound(owner);
            Ok::<_, StoreError>(Snapshot { account, stored, dead })
        })?;
        Ok(entry.loaded())
    }

    pub(super) fn accounts(&self, owners: &[Owner]) -> Result<Vec<bool>, StoreError> {
        let Some(first) = owners.first() else { return Ok(Vec::new()) };
        let imported = self.rows(&self.db).imported(first.app, owners.iter().map(|owner| &owner.user));
        let imported = self.noted(attribute_damage(|| Damaged::Directory(first.app), imported))?;
        Ok(owners.iter().map(|owner| imported.contains(owner.user.as_str())).collect())
    }

    pub(super) fn chat_groups(
        &self,
        app: AppId,
        ids: &[ChatGroupId],
    ) -> Result<Vec<Option<ChatGroup>>, StoreError> {
        ids.iter().map(|id| self.noted(chat_groups::chat_group(&self.db, app, id))).collect()
    }

    pub(super) fn list_chat_groups(
        &self,
        app: AppId,
        query: ChatGroupQuery,
    ) -> Result<ChatGroupPage, StoreError> {
        let page = chat_groups::list_chat_groups(&self.db, app, query);
        self.noted(attribute_damage(|| Damaged::Directory(app), page))
    }

    pub(super) fn apps(&self) -> Result<Vec<AppId>, StoreError> {
        listing::apps(&self.db)
    }

    /// Not by the cache: what is listed once must not drive out what is read often.
    pub(super) fn list_owners(
        &self,
        app: AppId,
        after: Option<&UserId>,
    ) -> Result<Vec<(UserId, Loaded)>, StoreError> {
        let snapshot = self.db.unchecked_transaction()?;
        let owners = listing::owners(self.rows(&snapshot), app, after);
        snapshot.finish()?;
        self.noted(attribute_damage(|| Damaged::Directory(app), owners))
    }

    pub(super) fn all_chat_groups(
        &self,
        app: AppId,
        after: u64,
    ) -> Result<Vec<(u64, ChatGroupId, ChatGroup)>, StoreError> {
        let page = listing::chat_groups(&self.db, app, after);
        self.noted(attribute_damage(|| Damaged::Directory(app), page))
    }
}
