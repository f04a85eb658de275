//! Lists of recent conversations in memory. A list depends on many rows: the owner's sessions and memberships, the times and
//! members of each chat group, and the accounts of the other users. So that none of them has to be read again, each list
//! records when it was read, and each row leaves the number of its last change in a small table.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    domain::{AppId, Conversation, DirectoryMode, Owner, RecentSession, UnixSeconds, UserId},
    store::RecentQuery,
};

/// The number of places in the table of changes. Rows with the same place are read again together.
const PLACES: usize = 1 << 16;
/// The number of parts of the lists, each with a lock of its own.
const PARTS: usize = 16;

/// What a list depends on: the place of something that can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u16);

/// Lists of recent conversations, and the changes that make them outdated.
pub(super) struct Lists {
    hasher: RandomState,
    /// The number of the last change.
    last: AtomicU64,
    /// The number of the last change that concerns every list.
    last_of_all: AtomicU64,
    /// For each place, the number of its last change.
    changes: Box<[AtomicU64]>,
    parts: [Mutex<Part>; PARTS],
    /// The seconds in which changes were seen that are being written, with their numbers.
    unsettled: Mutex<BTreeMap<UnixSeconds, usize>>,
    /// The approximate size that each part may have, in bytes.
    part_bytes: usize,
}

#[derive(Default)]
struct Part {
    lists: HashMap<Owner, List>,
    bytes: usize,
}

struct List {
    query: Query,
    sessions: Arc<[RecentSession]>,
    depends_on: Box<[Place]>,
    /// The number of the last change before the list was read.
    read_at: u64,
}

/// What a list was read for.
struct Query {
    listed: usize,
    oldest: u64,
    directory: DirectoryMode,
    admins: Arc<Vec<String>>,
}

impl Query {
    /// Checks whether the list contains everything that another query needs.
    fn covers(&self, query: &RecentQuery) -> bool {
        let RecentQuery { listed, oldest, terms } = query;
        let is_same_directory = self.directory == terms.directory
            && (Arc::ptr_eq(&self.admins, &terms.admins) || self.admins == terms.admins);
        // What is too old for the list is left out later.
        self.listed == *listed && self.oldest <= *oldest && is_same_directory
    }
}

/// The number of a moment before a list is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(u64);

impl Lists {
    /// Creates an empty collection of at most about this size.
    pub(super) fn new(bytes: u64) -> Lists {
        Lists {
            hasher: RandomState::new(),
            last: AtomicU64::new(0),
            last_of_all: AtomicU64::new(0),
            changes: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            parts: Default::default(),
            unsettled: Mutex::default(),
            part_bytes: usize::try_from(bytes).unwrap_or(usize::MAX) / PARTS,
        }
    }

    /// Returns the place of a user: of the account, the sessions and the memberships.
    pub(super) fn place_of_user(&self, app: AppId, user: &UserId) -> Place {
        self.place((app, 1u8, user.as_str()))
    }

    /// Returns the place of the other side of a conversation. For a chat group these are its members and its times.
    pub(super) fn place_of(&self, app: AppId, conversation: &Conversation) -> Place {
        match conversation {
            Conversation::User(user) => self.place_of_user(app, user),
            Conversation::ChatGroup(id) => self.place((app, 2u8, id.as_str())),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any part of a hash is good enough")]
    fn place(&self, what: impl std::hash::Hash) -> Place {
        Place(self.hasher.hash_one(what) as u16)
    }

    /// Returns the second up to which everything that was seen has been written, at most `now`.
    pub(super) fn settled(&self, now: UnixSeconds) -> UnixSeconds {
        let unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        unsettled.first_key_value().map_or(now, |(seen, _)| now.min(*seen))
    }

    fn part(&self, owner: &Owner) -> MutexGuard<'_, Part> {
        let Place(number) = self.place_of_user(owner.app, &owner.user);
        self.parts[usize::from(number) % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an owner's list, if nothing that it depends on has changed.
    pub(super) fn get(&self, owner: &Owner, query: &RecentQuery) -> Option<Arc<[RecentSession]>> {
        let part = self.part(owner);
        let list = part.lists.get(owner)?;
        let is_unchanged = |Place(number): &Place| {
            self.changes[usize::from(*number)].load(Ordering::Acquire) <= list.read_at
        };
        let is_current = list.query.covers(query)
            && self.last_of_all.load(Ordering::Acquire) <= list.read_at
            && list.depends_on.iter().all(is_unchanged);
        is_current.then(|| Arc::clone(&list.sessions))
    }

    /// Returns the present moment. It has to be asked for before a list is read.
    pub(super) fn moment(&self) -> Moment {
        Moment(self.last.load(Ordering::Acquire))
    }

    /// Keeps a list that was read after this moment.
    pub(super) fn keep(
        &self,
        owner: &Owner,
        query: &RecentQuery,
        sessions: Arc<[RecentSession]>,
        depends_on: Vec<Place>,
        Moment(read_at): Moment,
    ) {
        let bytes = 256 + 144 * sessions.len() + size_of::<Place>() * depends_on.len();
        if bytes > self.part_bytes {
            return;
        }
        let RecentQuery { listed, oldest, terms } = query;
        let (directory, admins) = (terms.directory, Arc::clone(&terms.admins));
        let query = Query { listed: *listed, oldest: *oldest, directory, admins };
        let depends_on = depends_on.into_boxed_slice();
        let mut part = self.part(owner);
        if part.bytes + bytes > self.part_bytes {
            *part = Part::default();
        }
        part.bytes += bytes;
        part.lists.insert(owner.clone(), List { query, sessions, depends_on, read_at });
    }

    /// Records changes that were committed, before their callers are answered.
    pub(super) fn note(&self, changed: &[Place]) {
        if changed.is_empty() {
            return;
        }
        let number = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        for Place(place) in changed {
            self.changes[usize::from(*place)].store(number, Ordering::Release);
        }
    }

    /// Records that everything may have changed.
    pub(super) fn note_all(&self) {
        let number = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        self.last_of_all.store(number, Ordering::Release);
        for part in &self.parts {
            *part.lock().unwrap_or_else(PoisonError::into_inner) = Part::default();
        }
    }
}

/// A change that was seen in some second and is being written, until it is dropped.
pub(super) struct Unsettled {
    lists: Arc<Lists>,
    seen: UnixSeconds,
}

impl Unsettled {
    /// Records a change.
    pub(super) fn new(lists: &Arc<Lists>, seen: UnixSeconds) -> Unsettled {
        let mut unsettled = lists.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        *unsettled.entry(seen).or_default() += 1;
        drop(unsettled);
        Unsettled { lists: Arc::clone(lists), seen }
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        let mut unsettled = self.lists.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = unsettled.entry(self.seen) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
