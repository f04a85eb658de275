//! Why a store could not do what it was asked, and what of its data is damaged.

use super::Revision;
use crate::{
    domain::{AppId, ChatGroupId, Owner},
    excerpt::quoted,
};

/// What of the stored data is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Damaged {
    /// One owner: his account, his groups and records.
    Owner(Owner),
    /// One chat group.
    ChatGroup(AppId, ChatGroupId),
    /// Accounts or chat groups of an app that were looked up together, so that it is not known which.
    Directory(AppId),
    /// Something that belongs to nobody in particular.
    Database,
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damaged::Owner(owner) => write!(f, "user {} of app {}", quoted(owner.user.as_str()), owner.app),
            Damaged::ChatGroup(app, id) => write!(f, "chat group {} of app {app}", quoted(id.as_str())),
            Damaged::Directory(app) => write!(f, "accounts or chat groups of app {app}"),
            Damaged::Database => f.write_str("the database"),
        }
    }
}

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The medium failed; nothing of the change was acknowledged, and it may or may not be kept.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The medium failed under a commit: what it holds is not known, and the store is closed.
    #[error("the store failed and has to be opened anew: {0}")]
    Lost(String),
    /// There is no room left; nothing of the change is kept.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The medium can only be read; nothing of the change is kept.
    #[error("the database can only be read: {0}")]
    ReadOnly(String),
    /// The files were moved or deleted while they were in use, and the store is closed.
    #[error("the files of the store were moved or deleted: {0}")]
    Moved(String),
    /// What is stored cannot be understood.
    #[error("stored data of {what} is damaged: {reason}")]
    Damaged {
        /// Whose data.
        what: Damaged,
        /// What is wrong with it.
        reason: String,
    },
    /// A rule panicked or contradicted itself: a defect, by which nothing was changed.
    #[error("a rule failed inside")]
    Rule,
    /// The organizer has another revision than the write expected; nothing was changed.
    #[error("the owner was changed meanwhile and has revision {}", .0.0)]
    Conflict(Revision),
    /// More is waiting to be read or written than the store accepts.
    #[error("too many calls are waiting for the store")]
    Busy,
    /// The store has been closed, or is being closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether it is about the medium as a whole, so that no change is to blame.
    pub(super) fn is_storage_failure(&self) -> bool {
        matches!(
            self,
            StoreError::Full(_) | StoreError::ReadOnly(_) | StoreError::Lost(_) | StoreError::Moved(_)
        )
    }
}
