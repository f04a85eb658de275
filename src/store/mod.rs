//! Where organizers, accounts and chat groups live. A store knows no rule.
//!
//! Its contract is the same for both things it keeps – owners and chat groups: `load` what is
//! there, and `change` it by a rule that the caller passes in. A change is answered only when its
//! result is durable; the rule may run more than once and may not assume when or where.

mod cache;
mod document;
mod error;
mod memory;
mod sqlite;

#[cfg(test)]
mod contract;

use std::{
    collections::HashMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

pub use error::{Damaged, StoreError};
pub use memory::MemoryStore;
pub use sqlite::{
    OpenError, Opening, SqliteOptions, SqliteStore, StoreFailure, is_in_use, is_read_only, survey,
};

use crate::domain::{
    Account, AppId, ChatGroup, ChatGroupId, ChatGroupKind, Conversation, Organizer, Owner, Presence, UserId,
};

/// A store's answer that may take a while.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// One owner as a reader sees him: records about chat groups disbanded since are left out.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// His account, if it is imported.
    pub account: Option<Arc<Account>>,
    /// His organizer; empty when he never had one.
    pub organizer: Arc<Organizer>,
}

/// What a rule on an owner looks at.
#[derive(Debug)]
pub struct Seen<'a> {
    /// His account, if it is imported.
    pub account: Option<&'a Arc<Account>>,
    /// His organizer, without the dead records.
    pub organizer: &'a Organizer,
    /// The presence of each conversation that the change was said to name.
    pub presences: &'a HashMap<Conversation, Presence>,
}

/// What a rule on an owner wants kept; `None` keeps what is there.
#[derive(Debug, Default)]
pub struct Next {
    /// The account: set, or removed by the inner `None`.
    pub account: Option<Option<Arc<Account>>>,
    /// The organizer.
    pub organizer: Option<Organizer>,
}

/// A rule on one owner.
pub type OwnerRule = Box<dyn FnMut(&Seen<'_>) -> Next + Send>;

/// A rule on one chat group, which the store may never have heard of; `None` keeps what is there.
pub type ChatGroupRule = Box<dyn FnMut(Option<&ChatGroup>) -> Option<ChatGroup> + Send>;

/// Which chat groups to list.
#[derive(Clone, Copy, Debug)]
pub struct ChatGroupQuery {
    /// Only those of this kind, by whichever of its names.
    pub kind: Option<ChatGroupKind>,
    /// 0, or where the page before told to go on.
    pub from: u64,
    /// At most so many.
    pub limit: usize,
}

/// One page of a list of chat groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatGroupPage {
    /// Their ids.
    pub ids: Vec<ChatGroupId>,
    /// Where the next page begins; `None` when nothing is left.
    pub next: Option<u64>,
    /// How many there are in all.
    pub total: usize,
}

/// What a store counts of itself, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Transactions: one fsync each.
    pub commits: u64,
    /// Changes in them.
    pub changes: u64,
    /// Changes that wait to be written now.
    pub waiting: u64,
    /// Owners that were read from memory.
    pub cache_hits: u64,
    /// Owners that were read from the disk.
    pub cache_misses: u64,
    /// Bytes of owners in memory now.
    pub cache_bytes: u64,
    /// Reads that wait for a thread now.
    pub reads_waiting: u64,
    /// Reads that were refused, because too many waited or they had waited too long.
    pub reads_refused: u64,
    /// Bytes on the disk now: the database and its log.
    pub disk_bytes: u64,
    /// Bytes of the log's file now.
    pub log_bytes: u64,
    /// Bytes of it that are in use.
    pub log_in_use: u64,
    /// How often the log could not be used from its start again, because something was reading from it for long.
    pub log_held: u64,
    /// How much stored data is known to be damaged: owners and chat groups.
    pub damaged: u64,
    /// 1 when damage is known to keep sound data from being changed.
    pub unwritable: u64,
}

/// A store whose next change would be durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// How many owners and chat groups are known to be damaged. Everything else is served.
    pub damaged: u64,
}

/// A part of what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    All,
    /// Everything of one app.
    App(AppId),
    /// One owner, with his account.
    Owner(Owner),
}

impl Scope {
    /// Whether an owner is within it.
    #[must_use]
    pub fn covers(&self, owner: &Owner) -> bool {
        match self {
            Scope::All => true,
            Scope::App(app) => owner.app == *app,
            Scope::Owner(one) => owner == one,
        }
    }

    /// Whether the chat groups of an app are within it.
    #[must_use]
    pub fn covers_app(&self, of: AppId) -> bool {
        match self {
            Scope::All => true,
            Scope::App(app) => of == *app,
            Scope::Owner(_) => false,
        }
    }
}

/// A place for owners and chat groups.
pub trait Store: Send + Sync {
    /// Reads one owner.
    fn load(&self, owner: &Owner) -> Pending<'_, Loaded>;

    /// Reads one owner if that takes no waiting.
    fn peek(&self, owner: &Owner) -> Option<Loaded> {
        let _ = owner;
        None
    }

    /// Whether each of these users has an account, in their order.
    fn accounts(&self, owners: Vec<Owner>) -> Pending<'_, Vec<bool>>;

    /// Changes one owner by `rule`, which sees the presence of the conversations in `named`.
    /// The change is queued by this call, in the order of calls; the answer comes when what the
    /// rule wants kept is durable. Not waiting for the answer does not take the change back.
    fn change(&self, owner: Owner, named: Vec<Conversation>, rule: OwnerRule) -> Pending<'_, ()>;

    /// Reads these chat groups, in their order, destroyed ones included.
    fn chat_groups(&self, app: AppId, ids: Vec<ChatGroupId>) -> Pending<'_, Vec<Option<ChatGroup>>>;

    /// Changes one chat group by `rule`. When its incarnation rises, every record about an older
    /// one is absent from the moment of the answer, and one event of the app tells so.
    fn change_chat_group(&self, app: AppId, id: ChatGroupId, rule: ChatGroupRule) -> Pending<'_, ()>;

    /// Lists the living chat groups of an app, page by page, in an order that never changes.
    fn list_chat_groups(&self, app: AppId, query: ChatGroupQuery) -> Pending<'_, ChatGroupPage>;

    /// The apps about which something is kept, by number.
    fn apps(&self) -> Pending<'_, Vec<AppId>>;

    /// Owners of an app, by user id from the first one after `after`: some at a time, none at the end.
    /// Each is as he was at one moment; who has neither account nor organizer is left out.
    fn list_owners(&self, app: AppId, after: Option<UserId>) -> Pending<'_, Vec<(UserId, Loaded)>>;

    /// The chat groups of an app, destroyed ones included, in the order in which the store first heard
    /// of them and after the place `after`: some at a time, each with its place, none at the end.
    fn all_chat_groups(&self, app: AppId, after: u64) -> Pending<'_, Vec<(u64, ChatGroupId, ChatGroup)>>;

    /// Forgets everything in `scope`, counters and incarnations too, as if it had never been. For
    /// emulators: nothing else ever lowers a counter.
    fn reset(&self, scope: Scope) -> Pending<'_, ()>;

    /// What it counts of itself.
    fn statistics(&self) -> Statistics {
        Statistics::default()
    }

    /// Whether a change would be durable now.
    ///
    /// # Errors
    /// Why it would not.
    fn ready(&self) -> Pending<'_, Readiness>;
}

impl dyn Store + '_ {
    /// [`Store::change`] by a rule that also tells something: what it told when it ran last.
    pub fn change_telling<T: Send + 'static>(
        &self,
        owner: Owner,
        named: Vec<Conversation>,
        mut rule: impl FnMut(&Seen<'_>) -> (T, Next) + Send + 'static,
    ) -> Pending<'_, T> {
        let told = Told::new();
        let tell = told.clone();
        let change = self.change(owner, named, Box::new(move |seen| tell.keep(rule(seen))));
        Box::pin(async move {
            change.await?;
            Ok(told.take())
        })
    }

    /// [`Store::change_chat_group`] by a rule that also tells something.
    pub fn change_chat_group_telling<T: Send + 'static>(
        &self,
        app: AppId,
        id: ChatGroupId,
        mut rule: impl FnMut(Option<&ChatGroup>) -> (T, Option<ChatGroup>) + Send + 'static,
    ) -> Pending<'_, T> {
        let told = Told::new();
        let tell = told.clone();
        let change = self.change_chat_group(app, id, Box::new(move |old| tell.keep(rule(old))));
        Box::pin(async move {
            change.await?;
            Ok(told.take())
        })
    }
}

/// Carries a rule's result from the writer thread back to the caller.
struct Told<T>(Arc<Mutex<Option<T>>>);

impl<T> Told<T> {
    fn new() -> Told<T> {
        Told(Arc::new(Mutex::new(None)))
    }

    fn clone(&self) -> Told<T> {
        Told(Arc::clone(&self.0))
    }

    fn keep<N>(&self, (told, next): (T, N)) -> N {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
        next
    }

    fn take(&self) -> T {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        told.expect("a store that answers Ok has run the rule")
    }
}

/// Runs a rule; a panic in it is that rule's alone and stops no store.
fn guarded<T>(rule: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(rule)).map_err(|_| StoreError::Rule)
}
