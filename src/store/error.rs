//! The errors of a store, and which of its data is damaged.

use super::{Place, Revision};
use crate::{
    domain::{AppId, ChatGroupId, Owner},
    excerpt::quoted,
};

/// Which part of the stored data is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Damaged {
    /// One owner: their account, groups and records.
    Owner(Owner),
    /// One chat group.
    ChatGroup(AppId, ChatGroupId),
    /// The sessions of one owner with other users.
    Sessions(Owner),
    /// In which chat groups one user may be.
    Memberships(Owner),
    /// The keys of one owner's calls that may be repeated.
    Keys(Owner),
    /// The times that the sessions of one chat group share.
    ChatGroupTimes(AppId, ChatGroupId),
    /// The recorded events.
    Events,
    /// Accounts or chat groups of an app. They were looked up together, so it is unknown which of them are damaged.
    Directory(AppId),
    /// Data that does not belong to a single owner or chat group.
    Database,
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damaged::Owner(owner) => write!(f, "user {} of app {}", quoted(owner.user.as_str()), owner.app),
            Damaged::ChatGroup(app, id) => write!(f, "chat group {} of app {app}", quoted(id.as_str())),
            Damaged::Sessions(owner) => {
                write!(f, "sessions of user {} of app {}", quoted(owner.user.as_str()), owner.app)
            }
            Damaged::Keys(owner) => {
                write!(f, "idempotency keys of user {} of app {}", quoted(owner.user.as_str()), owner.app)
            }
            Damaged::Memberships(owner) => {
                write!(f, "memberships of user {} of app {}", quoted(owner.user.as_str()), owner.app)
            }
            Damaged::ChatGroupTimes(app, id) => {
                write!(f, "sessions of chat group {} of app {app}", quoted(id.as_str()))
            }
            Damaged::Events => f.write_str("recorded events"),
            Damaged::Directory(app) => write!(f, "accounts or chat groups of app {app}"),
            Damaged::Database => f.write_str("the database"),
        }
    }
}

/// The reason why a store could not complete a request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed. The change was not acknowledged; it may or may not be stored.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The disk failed during a commit. Its content is unknown, so the store was closed.
    #[error("the store failed and has to be reopened: {0}")]
    Lost(String),
    /// The disk is full. Nothing was stored.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The database can only be read. Nothing was stored.
    #[error("the database can only be read: {0}")]
    ReadOnly(String),
    /// The files were moved or deleted while they were in use, so the store was closed.
    #[error("the files of the store were moved or deleted: {0}")]
    Moved(String),
    /// The stored data is damaged.
    #[error("stored data of {what} is damaged: {reason}")]
    Damaged {
        /// The damaged data.
        what: Damaged,
        /// The kind of damage.
        reason: String,
    },
    /// A defect in a rule: it panicked or contradicted itself. Nothing was changed.
    #[error("a rule failed because of a defect")]
    Rule,
    /// The organizer does not have the revision that the write expected. Nothing was changed.
    #[error("the owner was changed in the meantime and has revision {}", .0.0)]
    Conflict(Revision),
    /// The owner is at another place than the write expected. Nothing was changed.
    #[error("the owner was changed meanwhile and has version {}", .0.version)]
    Elsewhere(Place),
    /// The caller's key stands for another operation, which was done before. Nothing was changed.
    #[error("the key of the operation was used for another one before")]
    KeyReused,
    /// Too many reads or writes are waiting.
    #[error("too many calls are waiting for the store")]
    Busy,
    /// The store has been closed, or is being closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Checks whether the error concerns the whole store, rather than one change.
    pub(super) fn is_storage_failure(&self) -> bool {
        matches!(
            self,
            StoreError::Full(_) | StoreError::ReadOnly(_) | StoreError::Lost(_) | StoreError::Moved(_)
        )
    }
}
