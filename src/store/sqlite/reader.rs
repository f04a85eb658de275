//! The threads that read what the cache misses, so that a cold or hung read holds up nobody else.

use std::{collections::HashMap, sync::Arc};

use rusqlite::Connection;

use super::{
    OpenError, StoreConfig, alarm::Alarm, caller::Answer, chat_groups, error::attribute_damage, files::Files,
    health::Health, listing, queue::Queue, rows::Rows, threads::StoreThread,
};
use crate::{
    clock::Clock,
    domain::{AppId, ChatGroupId, Conversation, Owner, OwnerState, Presence, UserId, WantedMembers},
    store::{
        ChatGroupPage, ChatGroupQuery, ChatGroupState, Cursor, Damaged, Loaded, Part, Pending, StoreError,
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
    pub(super) fn start(files: &Files, options: &StoreConfig, shared: &Shared) -> Result<Readers, OpenError> {
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

    /// Ends the threads, each after what it is doing.
    pub(super) fn close(&self) -> &[StoreThread] {
        self.queue.close();
        &self.threads
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
            let found = self.noted(read)?;
            self.health.note_sound(owner);
            Ok::<Snapshot, StoreError>(found)
        })?;
        Ok(entry.loaded())
    }

    pub(super) fn accounts(&self, app: AppId, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        let imported = self.rows(&self.db).imported(app, users.iter());
        let imported = self.noted(attribute_damage(|| Damaged::Directory(app), imported))?;
        Ok(users.iter().map(|user| imported.contains(user.as_str())).collect())
    }

    pub(super) fn presences(&self, app: AppId, named: &[Conversation]) -> Result<Vec<Presence>, StoreError> {
        let mut presences: HashMap<Conversation, Presence> =
            named.iter().map(|conversation| (conversation.clone(), Presence::Unreadable)).collect();
        let look_up = |presences: &mut HashMap<_, _>| self.rows(&self.db).look_up(app, None, presences);
        match look_up(&mut presences) {
            // What cannot be read is known from here on, and the others can be looked up without it.
            Err(StoreError::Damaged { .. }) if self.rows(&self.db).learns_of(app, named.iter()) => {
                self.noted(look_up(&mut presences))?;
            }
            found => self.noted(found)?,
        }
        Ok(named.iter().map(|conversation| presences[conversation]).collect())
    }

    pub(super) fn chat_groups(
        &self,
        app: AppId,
        ids: &[ChatGroupId],
        wanted: &WantedMembers,
    ) -> Result<Vec<Option<ChatGroupState>>, StoreError> {
        // A chat group and its members are read as of one moment.
        let snapshot = self.db.unchecked_transaction()?;
        let found =
            ids.iter().map(|id| self.noted(chat_groups::loaded(&snapshot, app, id, wanted))).collect();
        snapshot.finish()?;
        found
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
        from: Option<&Cursor>,
    ) -> Result<Part<(UserId, OwnerState)>, StoreError> {
        let snapshot = self.db.unchecked_transaction()?;
        let owners = listing::owners(self.rows(&snapshot), app, from);
        snapshot.finish()?;
        self.noted(attribute_damage(|| Damaged::Directory(app), owners))
    }

    pub(super) fn list_all_chat_groups(
        &self,
        app: AppId,
        from: Option<&Cursor>,
    ) -> Result<Part<(ChatGroupId, ChatGroupState)>, StoreError> {
        let snapshot = self.db.unchecked_transaction()?;
        let part = listing::chat_groups(&snapshot, app, from);
        snapshot.finish()?;
        self.noted(attribute_damage(|| Damaged::Directory(app), part))
    }
}
