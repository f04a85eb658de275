//! A cache of owners, for a store whose process is the only writer.
//!
//! The cache never returns outdated data. The writer updates it after the fsync and before the caller gets the
//! answer. On a cache miss, a reader inserts a placeholder before it reads the database. Its value is cached only if
//! the placeholder is still there, because a commit of that owner in the meantime removes it.
//!
//! Disbanding a chat group does not write the owners that have records about it (decision 20), so it cannot replace
//! their entries. Instead, disbandings are counted per app, and each entry stores the count up to which it was
//! checked. If there are newer disbandings, the entry is compared with those chat groups before it is used.

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

/// How many disbandings of an app are kept. An entry that is further behind is read from the database again.
const REMEMBERED: usize = 1_024;

/// A cached owner, as last committed.
#[derive(Debug)]
pub(super) struct CachedOwner {
    pub(super) account: Option<Arc<Account>>,
    /// The organizer as it is stored.
    pub(super) stored: Arc<Stored>,
    pub(super) revision: Revision,
    /// The number of the owner's latest event; 0 if there is none.
    event: u64,
    /// The records whose chat groups were disbanded.
    pub(super) dead: Vec<ChangeNumber>,
    /// The organizer without the dead records.
    living: Arc<Organizer>,
    /// Its approximate size in memory, in bytes.
    weight: u64,
    disbandings: Arc<Disbandings>,
    /// The number of disbandings that `dead` takes into account.
    seen: AtomicU64,
}

/// An owner as read from the database.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) account: Option<Arc<Account>>,
    pub(super) stored: Arc<Stored>,
    pub(super) revision: Revision,
    /// The number of the owner's latest event; 0 if there is none.
    pub(super) event: u64,
    /// The records whose chat groups were disbanded.
    pub(super) dead: Vec<ChangeNumber>,
}

/// The disbandings of one app since this process started.
#[derive(Debug, Default)]
pub(super) struct Disbandings {
    count: AtomicU64,
    latest: Mutex<VecDeque<ChatGroupId>>,
}

/// The cache of owners, limited by its size in bytes.
pub(super) struct OwnerCache {
    entries: Cache<Owner, Arc<CachedOwner>, ByBytes>,
    disbandings: Mutex<HashMap<AppId, Arc<Disbandings>>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Owner, Arc<CachedOwner>> for ByBytes {
    fn weight(&self, _: &Owner, entry: &Arc<CachedOwner>) -> u64 {
        entry.weight
    }
}

impl CachedOwner {
    pub(super) fn new(snapshot: Snapshot, disbandings: Arc<Disbandings>, seen: u64) -> CachedOwner {
        let Snapshot { account, stored, revision, event, dead } = snapshot;
        let living = match dead.is_empty() {
            true => Arc::clone(&stored.organizer),
            false => Arc::new(stored.organizer.living(&dead)),
        };
        let texts = account
            .as_ref()
            .map_or(0, |account| account.nick.len() + account.face_url.len() + account.profile.bytes());
        // A separate `living` shares the records with `stored`, but has its own list of pointers to them.
        let view = if dead.is_empty() { 0 } else { 8 * living.records().len() };
        let weight = (stored.weight() + texts + view) as u64;
        CachedOwner {
            account,
            stored,
            revision,
            event,
            dead,
            living,
            weight,
            disbandings,
            seen: AtomicU64::new(seen),
        }
    }

    pub(super) fn loaded(&self) -> Loaded {
        let state = OwnerState { account: self.account.clone(), organizer: Arc::clone(&self.living) };
        Loaded { state, revision: self.revision }
    }

    /// Returns the owner as stored, including dead records.
    pub(super) fn snapshot(&self) -> Snapshot {
        let CachedOwner { account, stored, revision, event, dead, .. } = self;
        Snapshot {
            account: account.clone(),
            stored: Arc::clone(stored),
            revision: *revision,
            event: *event,
            dead: dead.clone(),
        }
    }

    /// Checks that none of the owner's chat groups was disbanded since the entry was created.
    fn is_current(&self) -> bool {
        let seen = self.seen.load(Ordering::Acquire);
        if seen == self.disbandings.count() {
            return true;
        }
        // Read the count again under the lock, which `publish` holds while it adds a disbanding.
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
    /// Returns how many disbandings there were.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Invalidates every entry of the app, by counting a disbanding whose chat group is not kept.
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

    /// Returns the entry of an owner, if there is one and it is up to date.
    pub(super) fn get(&self, owner: &Owner) -> Option<Arc<CachedOwner>> {
        let found = self.entries.get(owner).filter(|entry| entry.is_current());
        if found.is_some() {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Returns the number of cache hits, the number of misses, and the size of the cache in bytes.
    pub(super) fn statistics(&self) -> (u64, u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed), self.entries.weight())
    }

    /// Returns the entry of an owner, and reads it with `load` if there is none that is up to date. If another reader
    /// is loading the same owner, this waits for it instead of reading twice.
    pub(super) fn get_or_load<E>(
        &self,
        owner: &Owner,
        load: impl FnOnce() -> Result<Snapshot, E>,
    ) -> Result<Arc<CachedOwner>, E> {
        let disbandings = self.disbandings(owner.app);
        loop {
            match self.entries.get_value_or_guard(owner, None) {
                GuardResult::Value(entry) if entry.is_current() => return Ok(entry),
                // Compare the pointers, because the writer may have published a new entry in the meantime.
                GuardResult::Value(old) => {
                    self.entries.remove_if(owner, |entry| Arc::ptr_eq(entry, &old));
                }
                GuardResult::Guard(guard) => {
                    // Read the count before the snapshot. If a chat group is disbanded in between, the entry is
                    // compared with it later, which is harmless if the snapshot already contained the disbanding.
                    let seen = disbandings.count();
                    self.misses.fetch_add(1, Ordering::Relaxed);
                    let entry = Arc::new(CachedOwner::new(load()?, disbandings, seen));
                    // If the owner was committed in the meantime, the insertion fails. This reader may still use its
                    // value, because it began before that commit was answered.
                    let _ = guard.insert(Arc::clone(&entry));
                    return Ok(entry);
                }
                GuardResult::Timeout => unreachable!("there is no time-out"),
            }
        }
    }

    /// Invalidates everything in `scope`, including the values of readers that are still loading. The writer calls this
    /// after deleting the data.
    pub(super) fn forget(&self, scope: &Scope) {
        let apps = self.disbandings.lock().unwrap_or_else(PoisonError::into_inner);
        match scope {
            Scope::All => apps.values().for_each(|disbandings| disbandings.forget()),
            Scope::App(app) => apps.get(app).into_iter().for_each(|disbandings| disbandings.forget()),
            Scope::Owner(owner) => drop(self.entries.remove(owner)),
        }
    }

    /// Replaces the entry of an owner. The writer calls this after a commit.
    pub(super) fn publish(&self, owner: Owner, entry: CachedOwner) {
        // The cache rejects an entry that is too large, and would then keep the placeholder of a reader with an older
        // value. So remove the old entry or placeholder first.
        self.entries.remove(&owner);
        self.entries.insert(owner, Arc::new(entry));
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
