//! What is known about the state of a store: which data is damaged, and whether the last change was durable.

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
    domain::{AppId, Conversation, Owner},
    store::{Damaged, StoreError},
};

/// For how long a commit shows that the next one would be durable, too.
const FRESH: Duration = Duration::from_millis(100);
/// How many damaged owners and chat groups are remembered. More than that are counted as so many.
const REMEMBERED: usize = 10_000;

/// The state of a store, shared by its threads.
pub(super) struct Health {
    clock: Clock,
    state: Mutex<State>,
    /// How much is damaged, for those who only ask whether anything is.
    damaged: AtomicU64,
    /// Whether the data of some owners has been put aside.
    aside: AtomicBool,
    /// Whether something cannot be looked up.
    has_unreadable: AtomicBool,
    /// Whether the pages that readiness checks use are damaged.
    probe_damaged: AtomicBool,
}

#[derive(Default)]
struct State {
    damaged: HashSet<Damaged>,
    /// Accounts and chat groups that cannot be looked up.
    unreadable: HashSet<(AppId, Conversation)>,
    /// When the last transaction was committed, by the monotonic clock; nothing after one failed.
    committed: Option<Duration>,
    /// Whether the last transaction failed as a whole.
    failing: bool,
    /// When the log said so last, and how many changes were refused since.
    complained: Option<Duration>,
    refused: usize,
    /// How damage made the change of an owner fail whose own data can be read.
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
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the data of some owners has been put aside.
    pub(super) fn has_aside(&self) -> bool {
        self.aside.load(Ordering::Acquire)
    }

    /// Takes note that owners were put aside. To be called before their new data is published.
    pub(super) fn note_aside(&self) {
        self.aside.store(true, Ordering::Release);
    }

    /// Takes note that readiness checks cannot use their own pages, if that is news.
    pub(super) fn note_probe_damaged(&self) -> bool {
        !self.probe_damaged.swap(true, Ordering::AcqRel)
    }

    /// Whether readiness checks cannot use their own pages.
    pub(super) fn is_probe_damaged(&self) -> bool {
        self.probe_damaged.load(Ordering::Acquire)
    }

    /// Whether damage is known to keep sound data from being changed.
    pub(super) fn is_unwritable(&self) -> bool {
        self.state().unwritable.is_some()
    }

    /// How many owners and chat groups are known to be damaged.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Takes note of damage, if that is what an error is about. The log names it once.
    pub(super) fn note(&self, error: &StoreError) {
        let StoreError::Damaged { what, reason } = error else { return };
        let mut state = self.state();
        if state.damaged.len() < REMEMBERED && state.damaged.insert(what.clone()) {
            self.damaged.store(state.damaged.len() as u64, Ordering::Relaxed);
            tracing::error!(
                reason,
                "stored data of {what} is damaged; calls about it fail (50004), everything else is served"
            );
        }
    }

    /// Takes note that an owner could be read from the disk.
    pub(super) fn note_sound(&self, owner: &Owner) {
        if self.damaged() == 0 {
            return;
        }
        let what = Damaged::Owner(owner.clone());
        let mut state = self.state();
        if state.damaged.remove(&what) {
            self.damaged.store(state.damaged.len() as u64, Ordering::Relaxed);
            tracing::warn!("stored data of {what} can be read again");
        }
    }

    /// Whether this is known to be damaged. What memory holds of it says nothing about the disk then.
    pub(super) fn is_damaged(&self, what: impl FnOnce() -> Damaged) -> bool {
        self.damaged() > 0 && self.state().damaged.contains(&what())
    }

    /// Takes note that an account or a chat group cannot be looked up, if that is news.
    pub(super) fn note_unreadable(&self, app: AppId, conversation: &Conversation) -> bool {
        let mut state = self.state();
        if state.unreadable.len() >= REMEMBERED {
            // Those that are asked for again are found again.
            state.unreadable.clear();
        }
        let is_news = state.unreadable.insert((app, conversation.clone()));
        self.has_unreadable.store(true, Ordering::Release);
        drop(state);
        // Accounts are not named: callers can ask for any number of names that would be on a page that is lost.
        let what = match conversation.chat_group() {
            Some(id) => Damaged::ChatGroup(app, id.clone()),
            None => Damaged::Directory(app),
        };
        self.note(&StoreError::Damaged { what, reason: "it cannot be looked up".to_owned() });
        is_news
    }

    /// Whether it is known that this account or chat group cannot be looked up.
    pub(super) fn is_unreadable(&self, app: AppId, conversation: &Conversation) -> bool {
        self.has_unreadable.load(Ordering::Acquire)
            && self.state().unreadable.contains(&(app, conversation.clone()))
    }

    /// Takes note that damage keeps changes of sound owners from being written.
    pub(super) fn note_unwritable(&self, error: &StoreError) {
        let reason = error.to_string();
        let mut state = self.state();
        if state.unwritable.is_none() {
            tracing::error!(
                reason,
                "the database is damaged in such a way that sound data cannot be changed"
            );
            state.unwritable = Some(reason);
        }
    }

    pub(super) fn committed(&self) {
        let mut state = self.state();
        (state.committed, state.failing, state.complained) = (Some(self.clock.elapsed()), false, None);
    }

    /// Takes note that a transaction failed as a whole. The log says so when it begins, and then once a second.
    pub(super) fn failed(&self, error: &StoreError, changes: usize) {
        let now = self.clock.elapsed();
        let mut state = self.state();
        (state.committed, state.failing) = (None, true);
        state.refused += changes;
        if state.complained.is_none_or(|complained| now >= complained + Duration::from_secs(1)) {
            state.complained = Some(now);
            let changes = std::mem::take(&mut state.refused);
            drop(state);
            tracing::error!(%error, changes, "transactions fail");
        }
    }

    /// Whether the last transaction failed.
    pub(super) fn is_failing(&self) -> bool {
        self.state().failing
    }

    /// Whether a change would be durable now, as far as that is known without trying.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when damage is known to keep sound data from being changed.
    pub(super) fn is_fresh(&self) -> Result<bool, StoreError> {
        let state = self.state();
        if let Some(reason) = &state.unwritable {
            return Err(StoreError::Damaged { what: Damaged::Database, reason: reason.clone() });
        }
        Ok(state.committed.is_some_and(|committed| self.clock.elapsed() < committed + FRESH))
    }
}
