//! Where owners, accounts and chat groups live. A store runs edits and knows no rule.
//!
//! The contract is split by purpose: [`Owners`], [`Directory`], [`Listing`] and [`Maintenance`]; a [`Store`] is all of
//! them. Several processes may share a store, so nothing is promised that only one process could keep: edits of one
//! owner handed over by one process are made in that order, but there is no order between different owners or chat
//! groups, and lists have no order but their own.

mod cache;
mod checksum;
mod config;
mod document;
mod error;
mod memory;
mod sqlite;
mod write;

#[cfg(test)]
mod contract;

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    pin::Pin,
    sync::Arc,
};

pub use config::StoreConfig;
pub use error::{Damaged, StoreError};
pub use sqlite::{OpenError, StoreFailure, is_in_use, is_read_only, survey};
pub use write::{CallContext, ChatGroupWrite, OperationId, Revision, Write};

use crate::domain::{
    AppId, ChatGroupId, ChatGroupKind, ChatGroupOutcome, ChatGroupRejection, ChatGroupState, Conversation,
    Outcome, Owner, OwnerState, Presence, Rejection, UserId, WantedMembers,
};

/// A store's answer that may take a while.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// One owner as a reader sees them: records about chat groups disbanded since are left out.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The account and the organizer.
    pub state: OwnerState,
    /// How often the organizer has been written.
    pub revision: Revision,
}

/// Which chat groups to list.
#[derive(Clone, Copy, Debug)]
pub struct ChatGroupQuery {
    /// Only those of this kind, by either of its names.
    pub kind: Option<ChatGroupKind>,
    /// 0, or the `next` of the page before.
    pub from: u64,
    /// At most so many.
    pub limit: usize,
}

/// One page of a list of chat groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatGroupPage {
    /// Their ids.
    pub ids: Vec<ChatGroupId>,
    /// Where the next page begins; `None` when nothing is left. It means nothing outside this store, and fits into 53
    /// bits, so that clients can keep it as a floating-point number.
    pub next: Option<u64>,
    /// How many there are in all.
    pub total: usize,
}

/// Some of a long list, and where to go on.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins; `None` when nothing is left.
    pub next: Option<Cursor>,
}

/// A place in a list. It means nothing outside the store that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

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
    /// How often the log could not be used from its start again, because a reader used it for long.
    pub log_held: u64,
    /// How much stored data is known to be damaged: owners and chat groups.
    pub damaged: u64,
    /// 1 when damage is known to keep sound data from being changed.
    pub unwritable: u64,
}

/// What was found when a store was opened, in words for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpeningReport {
    /// What is there.
    pub summary: String,
    /// What an operator should look at.
    pub doubts: Vec<String>,
    /// What has been lost, or may have been.
    pub losses: Vec<String>,
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
    /// One owner, with the account.
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

/// Owners: their accounts and organizers.
pub trait Owners: Send + Sync {
    /// Reads one owner if that takes no waiting.
    fn peek(&self, owner: &Owner) -> Option<Loaded>;

    /// Reads one owner.
    fn load(&self, owner: &Owner) -> Pending<'_, Loaded>;

    /// Makes one edit of an owner. The answer comes when the change is durable, or when the edit is refused or changes
    /// nothing. Edits of one owner that this process hands over are made in the order of these calls; dropping the
    /// answer does not take an edit back.
    fn commit(&self, write: Write) -> Pending<'_, Result<Outcome, Rejection>>;
}

/// The directory of accounts and chat groups.
pub trait Directory: Send + Sync {
    /// Whether each of these users has an account, in their order.
    fn accounts(&self, app: AppId, users: Vec<UserId>) -> Pending<'_, Vec<bool>>;

    /// What an edit of this owner would see of these conversations, in their order. Membership is not looked up.
    fn presences(&self, app: AppId, named: Vec<Conversation>) -> Pending<'_, Vec<Presence>>;

    /// Reads these chat groups, in their order, destroyed ones included, each with the members that are wanted.
    fn chat_groups(
        &self,
        app: AppId,
        ids: Vec<ChatGroupId>,
        wanted: WantedMembers,
    ) -> Pending<'_, Vec<Option<ChatGroupState>>>;

    /// Makes one edit of a chat group, as [`Owners::commit`] does. When the incarnation rises, every record about an
    /// older one is absent from the moment of the answer.
    fn commit_chat_group(
        &self,
        write: ChatGroupWrite,
    ) -> Pending<'_, Result<ChatGroupOutcome, ChatGroupRejection>>;

    /// Lists the living chat groups of an app, page by page. A chat group that lives all the while is on one page.
    fn list_chat_groups(&self, app: AppId, query: ChatGroupQuery) -> Pending<'_, ChatGroupPage>;
}

/// Everything that is kept, part by part: for exports.
pub trait Listing: Send + Sync {
    /// The apps about which something is kept, by number.
    fn apps(&self) -> Pending<'_, Vec<AppId>>;

    /// The owners of an app who have an account or an organizer, each as of one moment.
    fn list_owners(&self, app: AppId, from: Option<Cursor>) -> Pending<'_, Part<(UserId, OwnerState)>>;

    /// The chat groups of an app with all their members, destroyed ones included.
    fn list_all_chat_groups(
        &self,
        app: AppId,
        from: Option<Cursor>,
    ) -> Pending<'_, Part<(ChatGroupId, ChatGroupState)>>;
}

/// What operators, tools and emulators do with a store as a whole.
pub trait Maintenance: Send + Sync {
    /// What was found when the store was opened.
    fn opening(&self) -> OpeningReport;

    /// Whether initial data still has to be loaded: the store is new, or the first filling did not come to its end.
    fn is_unfilled(&self) -> bool;

    /// Notes that the first filling is complete.
    fn note_filled(&self) -> Pending<'_, ()>;

    /// What the store counts of itself.
    fn statistics(&self) -> Statistics;

    /// Whether a change would be durable now.
    ///
    /// # Errors
    /// Why it would not.
    fn ready(&self) -> Pending<'_, Readiness>;

    /// Forgets everything in `scope`, counters and incarnations too, as if it had never been. For emulators: nothing
    /// else ever lowers a counter.
    fn reset(&self, scope: Scope) -> Pending<'_, ()>;

    /// Runs `work` while nothing is being written; changes wait until it ends. For backups, which copy files.
    fn between_writes(&self, work: Box<dyn FnOnce() + Send>) -> Pending<'_, ()>;

    /// Ends when the store cannot go on, and says why: what the disk holds is not known, or a thread has ended. The
    /// server has to stop, and to start again from what is there.
    fn failure(&self) -> Pin<Box<dyn Future<Output = StoreFailure> + Send>>;

    /// Makes the changes that wait, ends all threads and leaves the files in good order. The store answers
    /// [`StoreError::Closed`] from then on. Closing it a second time does nothing.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A place for owners and chat groups.
pub trait Store: Owners + Directory + Listing + Maintenance {}

impl<T: Owners + Directory + Listing + Maintenance> Store for T {}

/// Opens the store that a configuration names, or creates it. This is the only place that chooses a backend.
///
/// # Errors
/// [`OpenError`], with a message for the operator.
pub fn open(config: &StoreConfig) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(sqlite::SqliteStore::open(config)?))
}

/// Whether there is a store in this directory.
#[must_use]
pub fn exists(directory: &Path) -> bool {
    sqlite::SqliteStore::exists(directory)
}

/// An empty store that forgets everything at exit: for checks and tests.
#[must_use]
pub fn in_memory() -> Arc<dyn Store> {
    Arc::new(memory::MemoryStore::default())
}

/// Runs a rule; a panic in it is its own and stops no store.
fn guarded<T>(rule: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(rule)).map_err(|_| StoreError::Rule)
}
