//! Stores for owners, accounts and chat groups. A store applies edits; the rules for them are in the domain.
//!
//! The contract consists of one trait per purpose: [`Owners`], [`Directory`], [`Touches`], [`Events`], [`Deliveries`],
//! [`Listing`] and [`Maintenance`]. A [`Store`] implements all of them. The contract allows stores that several processes share, and
//! promises nothing that only a single process could guarantee. Edits of the same owner that one process submits are
//! applied in the order in which they were submitted. There is no order between different owners or chat groups, and
//! lists may be in any order.

mod backends;
mod cache;
mod checksum;
mod config;
mod deliveries;
mod document;
mod error;
mod events;
mod failure;
mod membership;
mod memory;
mod open_error;
mod place;
mod recent;
mod report;
mod sqlite;
mod write;

#[cfg(test)]
mod contract;

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
};

pub use backends::{exists, in_memory, is_in_use, is_read_only, open, survey};
pub use config::{Backend, Retention, StoreConfig};
pub use deliveries::{DeliveryState, DestinationId, GivenUp, GivenUpPart, Lane, MAX_GIVEN_UP, Progress};
pub use error::{Damaged, StoreError};
pub use events::{
    BUCKETS, FeedCursor, FeedFrom, FeedPart, Followed, MAX_BUCKETS, Placed, Stream, WantedEvents,
};
pub use failure::StoreFailure;
pub use membership::Membership;
pub use open_error::OpenError;
pub use place::{HistoryPoint, Life, Place, check_place};
pub use recent::{Recent, RecentQuery};
pub use report::{OpeningReport, Readiness, Statistics};
pub use write::{
    CallContext, ChatGroupWrite, OPERATION_SECONDS, OPERATIONS, Operation, PlaceSlot, Revision, Write,
};

use tokio::sync::watch;

use crate::domain::{
    AppId, ChatGroupId, ChatGroupKind, ChatGroupOutcome, ChatGroupRejection, ChatGroupState, Conversation,
    LastMessage, Numbers, Outcome, Owner, OwnerState, Posting, Presence, Rejection, Session, SessionTimes,
    Touch, UserId, WantedMembers,
};

/// A future answer of a store.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// An owner as clients see them. Records about disbanded chat groups are left out.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The account and the organizer.
    pub state: OwnerState,
    /// The number of times the organizer has been written.
    pub revision: Revision,
}

/// Which chat groups to list.
#[derive(Clone, Copy, Debug)]
pub struct ChatGroupQuery {
    /// The kind, by either of its names; `None` lists all kinds.
    pub kind: Option<ChatGroupKind>,
    /// 0 for the first page, or the `next` of the page before.
    pub from: u64,
    /// The maximum number of chat groups on a page.
    pub limit: usize,
}

/// One page of a list of chat groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatGroupPage {
    /// The ids of the chat groups.
    pub ids: Vec<ChatGroupId>,
    /// The start of the next page; `None` after the last page. Only the store that returned it can interpret it. It
    /// fits into 53 bits, because some clients store numbers as floating-point values.
    pub next: Option<u64>,
    /// The number of chat groups on all pages together.
    pub total: usize,
}

/// A part of a long list.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// The items.
    pub items: Vec<T>,
    /// The start of the next part; `None` after the last part.
    pub next: Option<Cursor>,
}

/// A place in a list. Only the store that returned it can interpret it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

/// A part of the stored data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// Everything of one app.
    App(AppId),
    /// One owner, including their account.
    Owner(Owner),
}

impl Scope {
    /// Checks whether the scope includes an owner.
    #[must_use]
    pub fn covers(&self, owner: &Owner) -> bool {
        match self {
            Scope::All => true,
            Scope::App(app) => owner.app == *app,
            Scope::Owner(one) => owner == one,
        }
    }

    /// Checks whether the scope includes the chat groups of an app.
    #[must_use]
    pub fn covers_app(&self, of: AppId) -> bool {
        match self {
            Scope::All => true,
            Scope::App(app) => of == *app,
            Scope::Owner(_) => false,
        }
    }
}

/// Reads and changes owners: their accounts and organizers.
pub trait Owners: Send + Sync {
    /// Reads one owner if that is possible without waiting.
    fn peek(&self, owner: &Owner) -> Option<Loaded>;

    /// Reads one owner.
    fn load(&self, owner: &Owner) -> Pending<'_, Loaded>;

    /// Applies one edit of an owner. The future completes when the change is durable, or when the edit is refused or
    /// changes nothing. The edits of one owner that this process submits are applied in the order of these calls.
    /// Dropping the future does not cancel the edit.
    ///
    /// A dry run ([`Write::dry_run`]) takes its place in that order, and gets the outcome that the edit would have there. It
    /// changes nothing: no row, no number, no session and no revision.
    fn commit(&self, write: Write) -> Pending<'_, Result<Outcome, Rejection>>;

    /// Finds the outcome of the operation of a write ([`Write::operation`]), if it was done before. Nothing is changed. A
    /// caller uses it when it cannot even make the edit again, for example because the data for it is gone.
    fn repeated(&self, write: Write) -> Pending<'_, Option<Outcome>>;
}

/// Reads and changes the directory of accounts and chat groups.
pub trait Directory: Send + Sync {
    /// Returns for each of these users, in the same order, whether they have an account.
    fn accounts(&self, app: AppId, users: Vec<UserId>) -> Pending<'_, Vec<bool>>;

    /// Returns what an edit would see of each of these conversations, in the same order, but without membership.
    fn presences(&self, app: AppId, named: Vec<Conversation>) -> Pending<'_, Vec<Presence>>;

    /// Reads these chat groups, in the same order and including destroyed ones, each with the wanted members.
    fn chat_groups(
        &self,
        app: AppId,
        ids: Vec<ChatGroupId>,
        wanted: WantedMembers,
    ) -> Pending<'_, Vec<Option<ChatGroupState>>>;

    /// Applies one edit of a chat group, in the same way as [`Owners::commit`]. If the edit increases the
    /// incarnation, no read that begins after the answer returns records of an older incarnation.
    fn commit_chat_group(
        &self,
        write: ChatGroupWrite,
    ) -> Pending<'_, Result<ChatGroupOutcome, ChatGroupRejection>>;

    /// Lists the existing chat groups of an app, page by page. A chat group that exists throughout is on exactly one
    /// page.
    fn list_chat_groups(&self, app: AppId, query: ChatGroupQuery) -> Pending<'_, ChatGroupPage>;

    /// Lists the chat groups that a user owns or is a member of, in any order. Each change of members whose answer arrived
    /// before the call is included.
    ///
    /// Membership has two sides, which may be stored in different places. The chat group decides. The user's side, from
    /// which this list is made, may name too many chat groups, but never too few: it is written before a user is added to a
    /// chat group, and stays when a user is removed or the chat group is disbanded. So each entry is compared with the chat
    /// group before it is listed. Entries that prove dead are deleted with the user's next write. Resetting an owner does
    /// not change memberships.
    fn memberships(&self, owner: &Owner) -> Pending<'_, Vec<Membership>>;
}

/// Raises and reads the times of sessions, from which lists of recent conversations are made, and counts the messages to
/// chat groups.
///
/// A touch is not an edit. It takes no change number, and changes neither an owner's state nor the revision. Times are
/// maximums, so touches can be applied in any order and repeated at will. There is no order between touches, nor between
/// touches and edits, except that an edit which ends the sessions of an owner is applied after the touches of that owner
/// that this process submitted before it, and before those that it submitted later.
pub trait Touches: Send + Sync {
    /// Applies touches. The future completes when all of them are durable. A touch that raises nothing is not written.
    ///
    /// The touches of each owner and of each chat group stand alone, since they may be stored in different places. If some
    /// of them fail, the others are applied nevertheless, and the answer is one of the errors. Repeating all of them is
    /// harmless. Dropping the future does not cancel them.
    fn touch(&self, touches: Vec<Touch>) -> Pending<'_, ()>;

    /// Reads these sessions of an owner as they are stored, in the same order. One that is not stored is the default. All
    /// touches whose answer arrived before the call are included. Sessions end when the owner's account is deleted, see
    /// [`Edit::forgets_owner`].
    ///
    /// [`Edit::forgets_owner`]: crate::domain::Edit::forgets_owner
    fn sessions(&self, owner: &Owner, named: Vec<Conversation>) -> Pending<'_, Vec<Session>>;

    /// Reads the sessions of an owner that a list shows, in any order: all pinned ones, and at least the newest of the others.
    /// Those of users and chat groups that do not exist are left out. The time and memory depend on the query, and not on
    /// the number of sessions. What is submitted later than the call is not missed by a client that asks for everything since
    /// [`Recent::settled`], provided that it is submitted in the second in which it is seen.
    fn recent(&self, owner: &Owner, query: RecentQuery) -> Pending<'_, Recent>;

    /// Reads the times of these chat groups, each in the given incarnation, in the same order. The times of a group are
    /// the default if that incarnation was not touched, or if a later one was.
    fn chat_group_times(&self, app: AppId, lives: Vec<(ChatGroupId, u32)>) -> Pending<'_, Vec<SessionTimes>>;

    /// Gives messages to a chat group their numbers, and moves its sessions. Unlike touches, messages are counted, so a
    /// posting must not be repeated. The future completes when the numbers are durable. Returns `None` if the chat group
    /// was destroyed in the meantime.
    fn post(&self, posting: Posting) -> Pending<'_, Option<Numbers>>;

    /// Reads the last messages to these chat groups, each in the given incarnation, in the same order.
    fn last_messages(&self, app: AppId, lives: Vec<(ChatGroupId, u32)>) -> Pending<'_, Vec<LastMessage>>;
}

/// Reads what calls changed. Every edit that changes an owner is recorded as one event, in the transaction of the change.
///
/// There is an order between the events of one owner, and none between owners. Events are kept for some time; deleting an
/// account erases the content of the owner's events at once.
pub trait Events: Send + Sync {
    /// Reads an owner together with events, all of one moment.
    fn follow(&self, owner: &Owner, wanted: WantedEvents) -> Pending<'_, Followed>;

    /// Reads a part of the feed of an app, with about `most` entries. Entries that were committed before the call are
    /// not missing from it, unless they were removed.
    fn feed(&self, app: AppId, from: FeedFrom, most: usize) -> Pending<'_, FeedPart>;

    /// Returns a number that changes after changes were committed, for waiting until there may be more of the feed.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// Keeps how far the webhooks of apps have come. Only the process that delivers events to a destination records its
/// progress.
pub trait Deliveries: Send + Sync {
    /// Reads what is stored about a destination. A destination that is not known yet is stored, and begins with the next
    /// event of each stream.
    fn destination(&self, id: DestinationId) -> Pending<'_, DeliveryState>;

    /// Records what has happened to a destination. A destination that is not stored is ignored.
    fn progress(&self, id: DestinationId, progress: Progress) -> Pending<'_, ()>;

    /// Forgets all destinations except these.
    fn keep_destinations(&self, ids: Vec<DestinationId>) -> Pending<'_, ()>;

    /// Lists all stored destinations, sorted by app and name.
    fn destinations(&self) -> Pending<'_, Vec<DestinationId>>;

    /// Lists events that a destination has refused, after this place in the list; 0 begins with the oldest.
    fn given_up(&self, id: DestinationId, after: u64, most: usize) -> Pending<'_, GivenUpPart>;
}

/// Lists everything that is stored, part by part. Exports use it.
pub trait Listing: Send + Sync {
    /// Returns the apps that have any data, sorted by number.
    fn apps(&self) -> Pending<'_, Vec<AppId>>;

    /// Lists the owners of an app that have an account or an organizer. Each owner is consistent in itself.
    fn list_owners(&self, app: AppId, from: Option<Cursor>) -> Pending<'_, Part<(UserId, OwnerState)>>;

    /// Lists the chat groups of an app with all their members, including destroyed ones.
    fn list_all_chat_groups(
        &self,
        app: AppId,
        from: Option<Cursor>,
    ) -> Pending<'_, Part<(ChatGroupId, ChatGroupState)>>;

    /// Lists what is stored about sessions in an app. The times that the sessions of a chat group share are not included.
    fn list_sessions(
        &self,
        app: AppId,
        from: Option<Cursor>,
    ) -> Pending<'_, Part<(UserId, Conversation, Session)>>;
}

/// Operations on the store as a whole, for operators, tools and the emulator.
pub trait Maintenance: Send + Sync {
    /// Returns the findings at the opening of the store.
    fn opening(&self) -> OpeningReport;

    /// Checks whether initial data still has to be loaded, because the store is new or loading was interrupted.
    fn is_unfilled(&self) -> bool;

    /// Records that the initial data is complete.
    fn note_filled(&self) -> Pending<'_, ()>;

    /// Returns the current statistics.
    fn statistics(&self) -> Statistics;

    /// Checks whether changes can currently be made durable.
    ///
    /// # Errors
    /// Returns the reason if they cannot.
    fn ready(&self) -> Pending<'_, Readiness>;

    /// Deletes everything in `scope`, including counters and incarnations. Apart from a renumbering, which lowers
    /// versions, nothing else lowers them. Only the emulator uses this.
    fn reset(&self, scope: Scope) -> Pending<'_, ()>;

    /// Runs `work` while nothing is being written. Changes wait until it returns. Backups use this to copy files.
    fn between_writes(&self, work: Box<dyn FnOnce() + Send>) -> Pending<'_, ()>;

    /// Completes with the reason when the store cannot continue, because the content of the disk is unknown or a
    /// thread has ended. The server then has to stop, so that it can be restarted with the data on disk.
    fn failure(&self) -> Pin<Box<dyn Future<Output = StoreFailure> + Send>>;

    /// Writes the waiting changes, ends all threads and closes the files. From then on, the store answers
    /// [`StoreError::Closed`]. Closing it again does nothing.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A store for owners and chat groups.
pub trait Store: Owners + Directory + Touches + Events + Deliveries + Listing + Maintenance {}

impl<T: Owners + Directory + Touches + Events + Deliveries + Listing + Maintenance> Store for T {}

/// Runs a rule, and turns a panic into an error, so that the store continues.
fn guarded<T>(rule: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(rule)).map_err(|_| StoreError::Rule)
}
