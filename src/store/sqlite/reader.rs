//! The threads that read what the cache misses, so that a cold or hung read holds up nobody else.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{OpenError, alarm::Alarm, listing, rows, schema::Files};
use crate::{
    domain::{AppId, ChatGroup, ChatGroupId, Owner, UserId},
    store::{
        ChatGroupPage, ChatGroupQuery, Loaded, Pending, StoreError,
        cache::{OwnerCache, Snapshot},
        guarded,
    },
};

type Task = Box<dyn FnOnce(&Reader) + Send>;

/// A few threads with a connection each.
pub(super) struct Readers {
    tasks: Option<mpsc::Sender<Task>>,
    threads: Vec<JoinHandle<()>>,
}

/// One reading connection.
pub(super) struct Reader {
    db: Connection,
    cache: Arc<OwnerCache>,
}

impl Readers {
    pub(super) fn start(
        files: &Files,
        count: usize,
        cache: &Arc<OwnerCache>,
        alarm: &Alarm,
    ) -> Result<Readers, OpenError> {
        let (tasks, queue) = mpsc::channel::<Task>();
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::new();
        for _ in 0..count.max(1) {
            let reader = Reader { db: files.connect()?, cache: Arc::clone(cache) };
            let (queue, alarm) = (Arc::clone(&queue), alarm.clone());
            let work = move || {
                let guard = alarm.guard("reading");
                loop {
                    let task = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match task {
                        Ok(task) => task(&reader),
                        Err(mpsc::RecvError) => return guard.end(),
                    }
                }
            };
            let thread =
                thread::Builder::new().name("reader".to_owned()).spawn(work).map_err(OpenError::Thread)?;
            threads.push(thread);
        }
        Ok(Readers { tasks: Some(tasks), threads })
    }

    /// Runs `task` on one of the threads.
    pub(super) fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'static, T> {
        let (done, answer) = oneshot::channel();
        let sent = self.tasks.as_ref().map(|tasks| {
            tasks.send(Box::new(move |reader| {
                // Whoever asked may have given up; then nobody listens.
                let _ = done.send(guarded(|| task(reader)).and_then(|outcome| outcome));
            }))
        });
        Box::pin(async move {
            match sent {
                Some(Ok(())) => answer.await.map_err(|_| StoreError::Closed)?,
                _ => Err(StoreError::Closed),
            }
        })
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.tasks = None;
        super::join_within(self.threads.drain(..));
    }
}

impl Reader {
    pub(super) fn owner(&self, owner: &Owner) -> Result<Loaded, StoreError> {
        let entry = self.cache.get_or_load(owner, || {
            let snapshot = self.db.unchecked_transaction()?;
            let stored = rows::organizer(&snapshot, owner)?;
            let account = rows::account(&snapshot, owner)?;
            let dead = rows::dead(&snapshot, owner.app, &stored.organizer)?;
            snapshot.finish()?;
            Ok::<_, StoreError>(Snapshot { account, stored, dead })
        })?;
        Ok(entry.loaded())
    }

    pub(super) fn accounts(&self, owners: &[Owner]) -> Result<Vec<bool>, StoreError> {
        let Some(first) = owners.first() else { return Ok(Vec::new()) };
        let imported = rows::imported(&self.db, first.app, owners.iter().map(|owner| &owner.user))?;
        Ok(owners.iter().map(|owner| imported.contains(owner.user.as_str())).collect())
    }

    pub(super) fn chat_groups(
        &self,
        app: AppId,
        ids: &[ChatGroupId],
    ) -> Result<Vec<Option<ChatGroup>>, StoreError> {
        ids.iter().map(|id| rows::chat_group(&self.db, app, id)).collect()
    }

    pub(super) fn list_chat_groups(
        &self,
        app: AppId,
        query: ChatGroupQuery,
    ) -> Result<ChatGroupPage, StoreError> {
        rows::list_chat_groups(&self.db, app, query)
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
        let owners = listing::owners(&snapshot, app, after)?;
        snapshot.finish()?;
        Ok(owners)
    }

    pub(super) fn all_chat_groups(
        &self,
        app: AppId,
        after: u64,
    ) -> Result<Vec<(u64, ChatGroupId, ChatGroup)>, StoreError> {
        listing::chat_groups(&self.db, app, after)
    }

    pub(super) fn ready(&self) -> Result<(), StoreError> {
        self.db.query_row("SELECT 1 FROM store", [], |_| Ok(()))?;
        Ok(())
    }
}
