//! The known state of a store: which data is damaged, and whether the last change was durable.

use std::{
    collections::HashSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    clock::Clock,
    domain::{AppId, Conversation, Owner, UserId},
    log_lines::log,
    store::{Damaged, StoreError},
};

/// How long a successful commit counts as proof that changes can be made durable.
const FRESH: Duration = Duration::from_millis(100);
/// How many damaged owners and chat groups are recorded. The count does not rise beyond this number.
const REMEMBERED: usize = 10_000;

/// The state of a store, shared by its threads.
pub(super) struct Health {
    clock: Clock,
    state: Mutex<State>,
    /// The size of `State::damaged`, which can be read without the lock.
    damaged: AtomicU64,
    /// Whether the data of some owners is in the separate tables, away from damage.
    aside: AtomicBool,
    /// Whether `State::unreadable` has ever had an entry.
    has_unreadable: AtomicBool,
    /// Whether the pages that readiness checks use are damaged.
    probe_damaged: AtomicBool,
    /// Whether events are known to be damaged and have not been given up yet.
    events_damaged: AtomicBool,
}

#[derive(Default)]
struct State {
    damaged: HashSet<Damaged>,
    /// Accounts and chat groups that cannot be looked up; with a user, chat groups that can be looked up, but not
    /// whether this user is a member.
    unreadable: HashSet<(AppId, Conversation, Option<UserId>)>,
    /// When the last transaction was committed, by the monotonic clock; `None` if a later one failed.
    committed: Option<Duration>,
    /// Whether the last transaction failed as a whole.
    failing: bool,
    /// When this was last logged, and how many changes were refused since then.
    complained: Option<Duration>,
    refused: usize,
    /// The error, if damage elsewhere has prevented the change of an undamaged owner.
    unwritable: Option<String>,
}

impl Health {
    pub(super) fn new(clock: Clock, has_aside: bool) -> Health {
        Health {
            clock,
            state: Mutex::default(),
            damaged: AtomicU64::new(0),
            aside: AtomicBool::new(has_aside),
            has_unreadable: AtomicBool::new(false),
            probe_damaged: AtomicBool::new(false),
            events_damaged: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks whether the data of some owners is in the separate tables, away from damage.
    pub(super) fn has_aside(&self) -> bool {
        self.aside.load(Ordering::Acquire)
    }

    /// Records that owners were moved to the separate tables. This has to be called before their new data is published.
    pub(super) fn note_aside(&self) {
        self.aside.store(true, Ordering::Release);
    }

    /// Records that readiness checks cannot use their own pages. Returns false if that was known already.
    pub(super) fn note_probe_damaged(&self) -> bool {
        !self.probe_damaged.swap(true, Ordering::AcqRel)
    }

    /// Checks whether readiness checks cannot use their own pages.
    pub(super) fn is_probe_damaged(&self) -> bool {
        self.probe_damaged.load(Ordering::Acquire)
    }

    /// Checks whether damage has prevented changes of undamaged data.
    pub(super) fn is_unwritable(&self) -> bool {
        self.state().unwritable.is_some()
    }

    /// Returns how many owners and chat groups are known to be damaged.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Records the damage that an error reports, and logs it the first time. Other errors are ignored.
    pub(super) fn note(&self, error: &StoreError) {
        let StoreError::Damaged { what, reason } = error else { return };
        if *what == Damaged::Events {
            if !self.events_damaged.swap(true, Ordering::AcqRel) {
                log!(EVENTS_DAMAGED, reason);
            }
            return;
        }
        let mut state = self.state();
        if state.damaged.len() < REMEMBERED && state.damaged.insert(what.clone()) {
            self.damaged.store(state.damaged.len() as u64, Ordering::Relaxed);
            log!(DATA_DAMAGED[what], reason);
        }
    }

    /// Returns the error if events are known to be damaged.
    pub(super) fn damaged_events(&self) -> Option<StoreError> {
        let reason = || "found by a read".to_owned();
        let is_damaged = self.events_damaged.load(Ordering::Acquire);
        is_damaged.then(|| StoreError::Damaged { what: Damaged::Events, reason: reason() })
    }

    /// Records that damaged events were given up.
    pub(super) fn note_events_given_up(&self) {
        self.events_damaged.store(false, Ordering::Release);
    }

    /// Records that an owner could be read from the disk.
    pub(super) fn note_sound(&self, owner: &Owner) {
        if self.damaged() == 0 {
            return;
        }
        let what = Damaged::Owner(owner.clone());
        let mut state = self.state();
        if state.damaged.remove(&what) {
            self.damaged.store(state.damaged.len() as u64, Ordering::Relaxed);
            log!(DATA_READABLE_AGAIN[what]);
        }
    }

    /// Checks whether this is known to be damaged, in which case the cache may differ from the data on disk.
    pub(super) fn is_damaged(&self, what: impl FnOnce() -> Damaged) -> bool {
        self.damaged() > 0 && self.state().damaged.contains(&what())
    }

    /// Records that an account or a chat group cannot be looked up, or only whether `member` is a member of it. Returns
    /// false if that was known already.
    pub(super) fn note_unreadable(
        &self,
        app: AppId,
        conversation: &Conversation,
        member: Option<&UserId>,
    ) -> bool {
        let mut state = self.state();
        if state.unreadable.len() >= REMEMBERED {
            // Forgotten entries are found again when they are next looked up.
            state.unreadable.clear();
        }
        let is_news = state.unreadable.insert((app, conversation.clone(), member.cloned()));
        self.has_unreadable.store(true, Ordering::Release);
        drop(state);
        // Don't name accounts: for a lost page, callers could add any number of names that would be stored on it.
        let what = match conversation.chat_group() {
            Some(id) => Damaged::ChatGroup(app, id.clone()),
            None => Damaged::Directory(app),
        };
        self.note(&StoreError::Damaged { what, reason: "it cannot be looked up".to_owned() });
        is_news
    }

    /// Checks whether it is known that this account or chat group, or the membership of `member` in it, cannot be looked
    /// up.
    pub(super) fn is_unreadable(
        &self,
        app: AppId,
        conversation: &Conversation,
        member: Option<&UserId>,
    ) -> bool {
        self.has_unreadable.load(Ordering::Acquire)
            && self.state().unreadable.contains(&(app, conversation.clone(), member.cloned()))
    }

    /// Records that damage elsewhere has prevented a change of undamaged data.
    pub(super) fn note_unwritable(&self, error: &StoreError) {
        let reason = error.to_string();
        let mut state = self.state();
        if state.unwritable.is_none() {
            log!(STORE_UNWRITABLE, reason);
            state.unwritable = Some(reason);
        }
    }

    pub(super) fn committed(&self) {
        let mut state = self.state();
        (state.committed, state.failing, state.complained) = (Some(self.clock.elapsed()), false, None);
    }

    /// Records that a transaction failed as a whole. This is logged at first and then at most once a second.
    pub(super) fn failed(&self, error: &StoreError, changes: usize) {
        let now = self.clock.elapsed();
        let mut state = self.state();
        (state.committed, state.failing) = (None, true);
        state.refused += changes;
        if state.complained.is_none_or(|complained| now >= complained + Duration::from_secs(1)) {
            state.complained = Some(now);
            let changes = std::mem::take(&mut state.refused);
            drop(state);
            log!(TRANSACTIONS_FAIL, %error, changes);
        }
    }

    /// Checks whether the last transaction failed as a whole.
    pub(super) fn is_failing(&self) -> bool {
        self.state().failing
    }

    /// Checks whether a recent commit proves that changes can be made durable.
    ///
    /// # Errors
    /// Returns [`StoreError::Damaged`] if damage has prevented changes of undamaged data.
    pub(super) fn is_fresh(&self) -> Result<bool, StoreError> {
        let state = self.state();
        if let Some(reason) = &state.unwritable {
            return Err(StoreError::Damaged { what: Damaged::Database, reason: reason.clone() });
        }
        Ok(state.committed.is_some_and(|committed| self.clock.elapsed() < committed + FRESH))
    }
}
