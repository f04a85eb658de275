//! The threads that read from the database when the cache has no entry, so that a slow read does not delay other calls.

use std::{collections::HashMap, sync::Arc};

use rusqlite::Connection;
use tokio::sync::watch;

use super::{
    StoreConfig,
    alarm::Alarm,
    caller::Answer,
    chat_groups, deliveries,
    error::attribute_damage,
    events::{self, OfOwner},
    feed,
    files::Files,
    health::Health,
    listing,
    lists::Lists,
    lives,
    memberships::{self, DeadRows},
    operations,
    queue::Queue,
    rows::Rows,
    runs,
    threads::StoreThread,
    touches,
};
use crate::{
    clock::Clock,
    domain::{
        AppId, ChatGroupId, ChatGroupTraffic, Conversation, Outcome, Owner, OwnerState, Presence, UserId,
        WantedMembers,
    },
    store::{
        ChatGroupPage, ChatGroupQuery, ChatGroupState, Cursor, Damaged, DestinationId, FeedFrom, FeedPart,
        Followed, GivenUpPart, Loaded, Membership, OpenError, Part, Pending, StoreError, WantedEvents, Write,
        cache::{OwnerCache, Snapshot},
    },
};

/// The reader threads, each with a connection of its own.
pub(super) struct Readers {
    queue: Arc<Queue>,
    threads: Vec<StoreThread>,
}

/// The connection of one reader thread.
pub(super) struct Reader {
    pub(super) db: Connection,
    cache: Arc<OwnerCache>,
    health: Arc<Health>,
    pub(super) dead_memberships: Arc<DeadRows>,
    pub(super) lists: Arc<Lists>,
}

/// The state that readers and the writer share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) cache: Arc<OwnerCache>,
    pub(super) health: Arc<Health>,
    pub(super) alarm: Alarm,
    /// The monotonic clock of the store.
    pub(super) clock: Clock,
    /// Counts the transactions that were committed, for those who wait for events.
    pub(super) changes: watch::Sender<u64>,
    /// The number of buckets of the store.
    pub(super) buckets: u8,
    /// The rows of memberships that readers found dead.
    pub(super) dead_memberships: Arc<DeadRows>,
    /// Lists of recent conversations.
    pub(super) lists: Arc<Lists>,
}

impl Readers {
    pub(super) fn start(files: &Files, options: &StoreConfig, shared: &Shared) -> Result<Readers, OpenError> {
        let queue = Arc::new(Queue::new(options.read_queue, options.read_patience));
        // If a later thread cannot be started, dropping this ends the earlier ones.
        let mut readers = Readers { queue: Arc::clone(&queue), threads: Vec::new() };
        for _ in 0..options.readers.max(1) {
            let Shared { cache, health, alarm, dead_memberships, lists, .. } = shared.clone();
            let reader = Reader { db: files.connect()?, cache, health, dead_memberships, lists };
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

    /// Loads an owner on one of the threads, or fails if none is free soon enough.
    pub(super) fn load(&self, owner: &Owner) -> Pending<'static, Loaded> {
        self.wait(self.queue.load(owner))
    }

    /// Runs `read` on one of the threads, or fails if none is free soon enough.
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

    /// Runs `read` on one of the threads, and waits until one is free.
    pub(super) fn run_patiently<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'static, T> {
        let asked = self.queue.read(read, true);
        Box::pin(async move { asked?.wait().await })
    }

    /// Returns the number of waiting callers and the number of refused ones.
    pub(super) fn statistics(&self) -> (u64, u64) {
        self.queue.statistics()
    }

    /// Ends the threads as soon as they have finished their current reads.
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

    /// Records damage, if that is the error.
    pub(super) fn noted<T>(&self, read: Result<T, StoreError>) -> Result<T, StoreError> {
        read.inspect_err(|error| self.health.note(error))
    }

    pub(super) fn owner(&self, owner: &Owner) -> Result<Loaded, StoreError> {
        let entry = self.cache.get_or_load(owner, || {
            let snapshot = self.db.unchecked_transaction()?;
            let read = self.rows(&snapshot).owner_noting_damage(owner);
            snapshot.finish()?;
            let found = self.noted(read)?;
            self.health.note_sound(owner);
            Ok::<Snapshot, StoreError>(found)
        })?;
        Ok(entry.loaded())
    }

    /// Finds the outcome of the operation of a write, if it was done before. Damage to keys is not noted, because the writer
    /// gives them up.
    pub(super) fn repeated(&self, write: &Write) -> Result<Option<Outcome>, StoreError> {
        operations::repeated(&self.db, write)
    }

    /// Reads an owner with events, without the cache, so that all of it is of one moment.
    pub(super) fn follow(&self, owner: &Owner, wanted: &WantedEvents) -> Result<Followed, StoreError> {
        let db = self.db.unchecked_transaction()?;
        let read = || {
            let rows = self.rows(&db);
            let Snapshot { account, stored, event, dead, .. } = rows.owner_noting_damage(owner)?;
            let lives = lives::lives(&db, owner.app)?;
            let organizer = &stored.organizer;
            let place = lives.place_of(organizer);
            let disbanded = rows.disbanded(owner.app, organizer, &dead, lives)?;
            let found = events::of_owner(&db, owner, event, wanted);
            // The owner is readable even if their events are not.
            let OfOwner { events, is_complete, has_more, knows_before } =
                self.noted(found).or_else(|error| match error {
                    StoreError::Damaged { .. } => Ok(OfOwner::default()),
                    other => Err(other),
                })?;
            let living =
                if dead.is_empty() { Arc::clone(organizer) } else { Arc::new(organizer.living(&dead)) };
            let state = OwnerState { account, organizer: living };
            let foreign = match wanted.point {
                Some(point) if !runs::has_been_through(&db, point)? => Some(point),
                _ => None,
            };
            Ok(Followed {
                state,
                place,
                dead: disbanded,
                events,
                is_complete,
                has_more,
                knows_before,
                foreign,
            })
        };
        let followed = self.noted(read());
        db.finish()?;
        followed
    }

    /// Reads a part of the feed of an app.
    pub(super) fn feed(&self, app: AppId, from: &FeedFrom, most: usize) -> Result<FeedPart, StoreError> {
        let db = self.db.unchecked_transaction()?;
        let part = feed::feed(&db, app, from, most);
        db.finish()?;
        self.noted(part)
    }

    /// Lists all stored destinations of events.
    pub(super) fn destinations(&self) -> Result<Vec<DestinationId>, StoreError> {
        deliveries::destinations(&self.db)
    }

    /// Reads a part of the list of events that a destination has refused.
    pub(super) fn given_up(
        &self,
        id: &DestinationId,
        after: u64,
        most: usize,
    ) -> Result<GivenUpPart, StoreError> {
        let db = self.db.unchecked_transaction()?;
        let part = deliveries::given_up(&db, id, after, most);
        db.finish()?;
        part
    }

    pub(super) fn accounts(&self, app: AppId, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        let imported = self.rows(&self.db).imported(app, users.iter());
        let imported = self.noted(attribute_damage(|| Damaged::Directory(app), imported))?;
        Ok(users.iter().map(|user| imported.contains(user.as_str())).collect())
    }

    pub(super) fn presences(&self, app: AppId, named: &[Conversation]) -> Result<Vec<Presence>, StoreError> {
        self.look_up(app, None, named)
    }

    /// Looks up conversations, and the membership of `member` if it is given.
    pub(super) fn look_up(
        &self,
        app: AppId,
        member: Option<&UserId>,
        named: &[Conversation],
    ) -> Result<Vec<Presence>, StoreError> {
        let mut presences: HashMap<Conversation, Presence> =
            named.iter().map(|conversation| (conversation.clone(), Presence::Unreadable)).collect();
        let look_up = |presences: &mut HashMap<_, _>| self.rows(&self.db).look_up(app, member, presences);
        match look_up(&mut presences) {
            // Unreadable conversations are known now, so the second look-up leaves them out.
            Err(StoreError::Damaged { .. })
                if self.rows(&self.db).finds_damage_among(app, member, named.iter()) =>
            {
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
        // Read chat groups and members in one transaction, so that they are consistent.
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

    /// Reads the memberships of an owner. The rows of all chat groups are of one moment.
    pub(super) fn memberships(&self, owner: &Owner) -> Result<Vec<Membership>, StoreError> {
        let snapshot = self.db.unchecked_transaction()?;
        let found = memberships::of(&snapshot, owner, &self.dead_memberships);
        snapshot.finish()?;
        self.noted(found)
    }

    /// Reads what is kept of the messages to these chat groups, and returns a part of it for each incarnation.
    pub(super) fn traffic<T>(
        &self,
        app: AppId,
        lives: &[(ChatGroupId, u32)],
        part: fn(ChatGroupTraffic, u32) -> T,
    ) -> Result<Vec<T>, StoreError> {
        let read = |(id, incarnation): &(ChatGroupId, u32)| {
            Ok(part(touches::traffic(&self.db, app, id)?, *incarnation))
        };
        self.noted(lives.iter().map(read).collect())
    }

    pub(super) fn apps(&self) -> Result<Vec<AppId>, StoreError> {
        listing::apps(&self.db)
    }

    /// Lists owners without the cache, since listing all owners would evict those that are read often.
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
