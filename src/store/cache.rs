//! Owners in memory, for a store whose process is the only writer.
//!
//! The cache is exact. Only the writer publishes, after the fsync and before the answer. A reader
//! that fills a miss takes a placeholder before it looks at the database, and its value counts
//! only if the placeholder is still there: a commit of that owner in between has replaced it.
//!
//! Disbanding a chat group touches no owner (decision 20), so an entry cannot be replaced then.
//! Instead each entry knows up to which disbanding of its app it is true, and one that lags behind
//! is compared with the few chat groups disbanded since.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{
    Weighter,
    sync::{Cache, GuardResult},
};

use super::{Loaded, Revision, Scope, document::Stored};
use crate::domain::{Account, AppId, ChangeNumber, ChatGroupId, Organizer, Owner, OwnerState};

/// How many disbandings of an app are remembered; an entry that lags further behind is read anew.
const REMEMBERED: usize = 1_024;

/// One owner, as committed.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) account: Option<Arc<Account>>,
    /// The organizer as it is stored.
    pub(super) stored: Arc<Stored>,
    pub(super) revision: Revision,
    /// The records of it that are dead.
    pub(super) dead: Vec<ChangeNumber>,
    /// The organizer without them.
    living: Arc<Organizer>,
    /// Roughly its bytes in memory.
    weight: u64,
    disbandings: Arc<Disbandings>,
    /// Up to which disbanding `dead` is true.
    seen: AtomicU64,
}

/// One owner as read from the database.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) account: Option<Arc<Account>>,
    pub(super) stored: Arc<Stored>,
    pub(super) revision: Revision,
    /// The records of it that are dead.
    pub(super) dead: Vec<ChangeNumber>,
}

/// The disbandings of one app since this process started.
#[derive(Debug, Default)]
pub(super) struct Disbandings {
    count: AtomicU64,
    latest: Mutex<VecDeque<ChatGroupId>>,
}

/// Owners in memory, bounded in bytes.
pub(super) struct OwnerCache {
    entries: Cache<Owner, Arc<Entry>, ByBytes>,
    disbandings: Mutex<HashMap<AppId, Arc<Disbandings>>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Owner, Arc<Entry>> for ByBytes {
    fn weight(&self, _: &Owner, entry: &Arc<Entry>) -> u64 {
        entry.weight
    }
}

impl Entry {
    pub(super) fn new(snapshot: Snapshot, disbandings: Arc<Disbandings>, seen: u64) -> Entry {
        let Snapshot { account, stored, revision, dead } = snapshot;
        let living = match dead.is_empty() {
            true => Arc::clone(&stored.organizer),
            false => Arc::new(stored.organizer.living(&dead)),
        };
        let texts = account.as_ref().map_or(0, |account| account.nick.len() + account.face_url.len());
        // A view of its own shares the records, but has a list of them.
        let view = if dead.is_empty() { 0 } else { 8 * living.records().len() };
        let weight = (stored.weight() + texts + view) as u64;
        Entry { account, stored, revision, dead, living, weight, disbandings, seen: AtomicU64::new(seen) }
    }

    pub(super) fn loaded(&self) -> Loaded {
        let state = OwnerState { account: self.account.clone(), organizer: Arc::clone(&self.living) };
        Loaded { state, revision: self.revision }
    }

    /// The owner as stored.
    pub(super) fn snapshot(&self) -> Snapshot {
        let Entry { account, stored, revision, dead, .. } = self;
        Snapshot {
            account: account.clone(),
            stored: Arc::clone(stored),
            revision: *revision,
            dead: dead.clone(),
        }
    }

    /// Whether no chat group of this owner was disbanded since the entry was made.
    fn is_true(&self) -> bool {
        let seen = self.seen.load(Ordering::Acquire);
        if seen == self.disbandings.count() {
            return true;
        }
        // Counted anew under the lock, which is held while one is added.
        let latest = self.disbandings.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.disbandings.count();
        let lag = usize::try_from(count - seen).unwrap_or(usize::MAX);
        if lag > latest.len() || latest.iter().rev().take(lag).any(|id| self.is_about(id)) {
            return false;
        }
        drop(latest);
        self.seen.fetch_max(count, Ordering::AcqRel);
        true
    }

    fn is_about(&self, id: &ChatGroupId) -> bool {
        self.living.records().iter().any(|record| record.conversation.chat_group() == Some(id))
    }
}

impl Disbandings {
    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Makes every entry of the app lag behind further than is remembered.
    fn forget(&self) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clear();
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes a disbanding visible to readers.
    pub(super) fn publish(&self, id: ChatGroupId) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == REMEMBERED {
            latest.pop_front();
        }
        latest.push_back(id);
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

impl OwnerCache {
    pub(super) fn new(bytes: u64) -> OwnerCache {
        let items = usize::try_from(bytes / 1_024).unwrap_or(usize::MAX).max(16);
        OwnerCache {
            entries: Cache::with_weighter(items, bytes, ByBytes),
            disbandings: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(super) fn disbandings(&self, app: AppId) -> Arc<Disbandings> {
        let mut apps = self.disbandings.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(apps.entry(app).or_default())
    }

    /// The entry of an owner, if there is one and it is true now.
    pub(super) fn get(&self, owner: &Owner) -> Option<Arc<Entry>> {
        let found = self.entries.get(owner).filter(|entry| entry.is_true());
        if found.is_some() {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// How often an owner was in memory, how often not, and the bytes of those who are.
    pub(super) fn statistics(&self) -> (u64, u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed), self.entries.weight())
    }

    /// The entry of an owner, read by `load` if there is none that is true now. Waits for another
    /// reader of the same owner rather than reading twice.
    pub(super) fn get_or_load<E>(
        &self,
        owner: &Owner,
        load: impl FnOnce() -> Result<Snapshot, E>,
    ) -> Result<Arc<Entry>, E> {
        let disbandings = self.disbandings(owner.app);
        loop {
            match self.entries.get_value_or_guard(owner, None) {
                GuardResult::Value(entry) if entry.is_true() => return Ok(entry),
                // Only this very entry: the writer may have published a new one just now.
                GuardResult::Value(old) => {
                    self.entries.remove_if(owner, |entry| Arc::ptr_eq(entry, &old));
                }
                GuardResult::Guard(guard) => {
                    // Counted before the snapshot is taken: a disbanding in between makes the entry
                    // lag, never lie.
                    let seen = disbandings.count();
                    self.misses.fetch_add(1, Ordering::Relaxed);
                    let entry = Arc::new(Entry::new(load()?, disbandings, seen));
                    // Refused when a commit of this owner has passed: the value is then good for
                    // this reader, who asked before that commit was answered, and for nobody else.
                    let _ = guard.insert(Arc::clone(&entry));
                    return Ok(entry);
                }
                GuardResult::Timeout => unreachable!("no time-out was asked for"),
            }
        }
    }

    /// For the writer: nothing in `scope` is there any more. Entries and readers' values of before count
    /// as lagging behind, and are read anew.
    pub(super) fn forget(&self, scope: &Scope) {
        let apps = self.disbandings.lock().unwrap_or_else(PoisonError::into_inner);
        match scope {
            Scope::All => apps.values().for_each(|disbandings| disbandings.forget()),
            Scope::App(app) => apps.get(app).into_iter().for_each(|disbandings| disbandings.forget()),
            Scope::Owner(owner) => drop(self.entries.remove(owner)),
        }
    }

    /// For the writer: what was committed.
    pub(super) fn publish(&self, owner: Owner, entry: Entry) {
        // An entry too heavy to be kept replaces no placeholder, and would leave a reader's older
        // value to count: so whatever is there goes first.
        self.entries.remove(&owner);
        self.entries.insert(owner, Arc::new(entry));
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
