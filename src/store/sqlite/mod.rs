//! The embedded store: SQLite in WAL mode, with one writer thread that commits changes in groups, and a few reader
//! threads for reads that miss the cache.
//!
//! `synchronous=FULL` makes every commit durable before its changes are acknowledged. Only one process can use the
//! database: `vfs=unix-excl` keeps other processes out, and a lock file makes a clear error message possible.

mod alarm;
mod attempt;
mod batch;
mod caller;
mod changed;
mod chat_groups;
mod checkpoints;
mod deliveries;
mod directory;
mod disbandings;
mod error;
mod events;
mod feed;
mod files;
mod first_formats;
mod forgetting;
mod general;
mod health;
mod job;
mod listing;
mod lists;
mod lives;
mod maintenance;
mod members;
mod memberships;
mod notices;
mod opening;
mod operations;
mod queue;
mod reader;
mod recent;
mod rows;
mod runs;
mod schema;
mod scrubbing;
mod sessions;
mod steps;
mod sums;
mod survey;
mod threads;
mod touches;
mod trimming;
mod upgrade;
mod upkeep;
mod verdict;
mod waitlist;
mod wal;
mod work;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

pub(super) use survey::{is_in_use, is_read_only, survey};

use self::{
    alarm::Alarm,
    deliveries::DeliveryJob,
    files::Files,
    health::Health,
    job::{Job, OutcomeSlot},
    lists::{Lists, Unsettled},
    memberships::DeadRows,
    opening::Opening,
    reader::{Readers, Shared},
    writer::Writer,
};
use super::{
    ChatGroupPage, ChatGroupQuery, ChatGroupState, ChatGroupWrite, Cursor, Deliveries, DeliveryState,
    DestinationId, Directory, Events, FeedFrom, FeedPart, Followed, GivenUpPart, Listing, Loaded, Membership,
    OpenError, Owners, Part, Pending, Progress, StoreConfig, StoreError, WantedEvents, Write,
    cache::OwnerCache,
};
use crate::{
    clock::Clock,
    domain::{
        AppId, ChatGroupId, ChatGroupOutcome, ChatGroupRejection, Conversation, Outcome, Owner, OwnerState,
        Presence, Rejection, Session, UnixSeconds, UserId, WantedMembers,
    },
};

/// The embedded store.
pub(super) struct SqliteStore {
    shared: Shared,
    readers: Readers,
    writer: Writer,
    unfilled: bool,
    opening: Opening,
    close_within: Duration,
    /// A lock that a readiness check holds while it writes.
    probing: tokio::sync::Mutex<()>,
    /// The files, which stay locked until the store is closed.
    files: Arc<Files>,
    /// Whether [`Maintenance::close`] has been called.
    closed: AtomicBool,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqliteStore")
    }
}

impl SqliteStore {
    /// Opens the store in a directory, or creates it.
    ///
    /// # Errors
    /// Returns [`OpenError`], with a message for the operator.
    pub(super) fn open(options: &StoreConfig) -> Result<SqliteStore, OpenError> {
        let files = Arc::new(Files::lock(&options.directory, options.create)?);
        let opened = schema::open(&files, options.create.then_some(options.buckets), options.clock.now())?;
        let has_aside = rows::has_aside(&opened.connection).map_err(|source: rusqlite::Error| {
            OpenError::Database { file: files.database.clone(), source: source.into() }
        })?;
        let shared = Shared {
            cache: Arc::new(OwnerCache::new(options.cache_bytes)),
            health: Arc::new(Health::new(Clock::system(), has_aside)),
            alarm: Alarm::new(),
            clock: Clock::system(),
            changes: watch::Sender::new(0),
            buckets: opened.buckets,
            dead_memberships: Arc::new(DeadRows::default()),
            lists: Arc::new(Lists::new(options.cache_bytes / 8)),
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
            closed: AtomicBool::new(false),
        })
    }

    /// Checks whether there is a store in this directory.
    #[must_use]
    pub(super) fn exists(directory: &Path) -> bool {
        files::database(directory).exists()
    }

    /// Returns how many transactions were committed since the store was opened.
    #[cfg(test)]
    fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Records that something which was seen in this second is about to be written.
    fn unsettled(&self, seen: Option<UnixSeconds>) -> Option<Unsettled> {
        seen.map(|seen| Unsettled::new(&self.shared.lists, seen))
    }

    /// Queues a job immediately. The future only waits for the answer.
    fn queue<T: Send + 'static>(&self, job: impl FnOnce(OutcomeSlot<T>) -> Job) -> Pending<'static, T> {
        let (slot, answer) = OutcomeSlot::new();
        let sent = self.writer.send(job(slot));
        Box::pin(async move {
            sent?;
            answer.await.map_err(|_| StoreError::Closed)?
        })
    }
}

impl Owners for SqliteStore {
    fn peek(&self, owner: &Owner) -> Option<Loaded> {
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        self.shared.cache.get(owner).map(|entry| entry.loaded())
    }

    fn load(&self, owner: &Owner) -> Pending<'_, Loaded> {
        if let Some(loaded) = self.peek(owner) {
            return Box::pin(async { Ok(loaded) });
        }
        self.readers.load(owner)
    }

    fn commit(&self, write: Write) -> Pending<'_, Result<Outcome, Rejection>> {
        // These are placeholders. The writer looks up the presences when it runs the edit.
        let presences =
            write.edit.named().into_iter().map(|named| (named.clone(), Presence::Unreadable)).collect();
        let write = Box::new(write);
        let unsettled = self.unsettled(write.edit.is_about_sessions().then_some(write.terms.now));
        self.queue(|slot| Job::Owner { write, presences, slot, unsettled })
    }

    fn repeated(&self, write: Write) -> Pending<'_, Option<Outcome>> {
        self.readers.run(move |reader| reader.repeated(&write))
    }
}

impl Directory for SqliteStore {
    fn accounts(&self, app: AppId, users: Vec<UserId>) -> Pending<'_, Vec<bool>> {
        self.readers.run(move |reader| reader.accounts(app, &users))
    }

    fn presences(&self, app: AppId, named: Vec<Conversation>) -> Pending<'_, Vec<Presence>> {
        self.readers.run_patiently(move |reader| reader.presences(app, &named))
    }

    fn chat_groups(
        &self,
        app: AppId,
        ids: Vec<ChatGroupId>,
        wanted: WantedMembers,
    ) -> Pending<'_, Vec<Option<ChatGroupState>>> {
        self.readers.run(move |reader| reader.chat_groups(app, &ids, &wanted))
    }

    fn commit_chat_group(
        &self,
        write: ChatGroupWrite,
    ) -> Pending<'_, Result<ChatGroupOutcome, ChatGroupRejection>> {
        let write = Box::new(write);
        // Joining a chat group moves its session.
        let unsettled = self.unsettled(Some(write.terms.now));
        self.queue(|slot| Job::ChatGroup { write, slot, unsettled })
    }

    fn list_chat_groups(&self, app: AppId, query: ChatGroupQuery) -> Pending<'_, ChatGroupPage> {
        self.readers.run(move |reader| reader.list_chat_groups(app, query))
    }

    fn memberships(&self, owner: &Owner) -> Pending<'_, Vec<Membership>> {
        let owner = owner.clone();
        self.readers.run(move |reader| reader.memberships(&owner))
    }
}

impl Events for SqliteStore {
    fn follow(&self, owner: &Owner, wanted: WantedEvents) -> Pending<'_, Followed> {
        let owner = owner.clone();
        self.readers.run(move |reader| reader.follow(&owner, &wanted))
    }

    fn feed(&self, app: AppId, from: FeedFrom, most: usize) -> Pending<'_, FeedPart> {
        self.readers.run(move |reader| reader.feed(app, &from, most))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

impl Deliveries for SqliteStore {
    fn destination(&self, id: DestinationId) -> Pending<'_, DeliveryState> {
        self.queue(|slot| Job::Delivery(DeliveryJob::Open(id, slot)))
    }

    fn progress(&self, id: DestinationId, progress: Progress) -> Pending<'_, ()> {
        self.queue(|slot| Job::Delivery(DeliveryJob::Progress(id, progress, slot)))
    }

    fn keep_destinations(&self, ids: Vec<DestinationId>) -> Pending<'_, ()> {
        self.queue(|slot| Job::Delivery(DeliveryJob::Keep(ids, slot)))
    }

    fn destinations(&self) -> Pending<'_, Vec<DestinationId>> {
        self.readers.run_patiently(|reader| reader.destinations())
    }

    fn given_up(&self, id: DestinationId, after: u64, most: usize) -> Pending<'_, GivenUpPart> {
        self.readers.run_patiently(move |reader| reader.given_up(&id, after, most))
    }
}

impl Listing for SqliteStore {
    fn apps(&self) -> Pending<'_, Vec<AppId>> {
        self.readers.run_patiently(|reader| reader.apps())
    }

    fn list_owners(&self, app: AppId, from: Option<Cursor>) -> Pending<'_, Part<(UserId, OwnerState)>> {
        self.readers.run_patiently(move |reader| reader.list_owners(app, from.as_ref()))
    }

    fn list_all_chat_groups(
        &self,
        app: AppId,
        from: Option<Cursor>,
    ) -> Pending<'_, Part<(ChatGroupId, ChatGroupState)>> {
        self.readers.run_patiently(move |reader| reader.list_all_chat_groups(app, from.as_ref()))
    }

    fn list_sessions(
        &self,
        app: AppId,
        from: Option<Cursor>,
    ) -> Pending<'_, Part<(UserId, Conversation, Session)>> {
        self.readers.run_patiently(move |reader| reader.list_sessions(app, from.as_ref()))
    }
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "damage_tests.rs"]
mod damage_tests;
