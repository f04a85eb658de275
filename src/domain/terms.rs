//! The terms on which an edit is decided.

use std::sync::Arc;

use super::{Directory, DirectoryMode, Limits, UnixSeconds, UserId};

/// What an app allows, as it was when the edit was handed over: an edit may be decided later than that, when the
/// configuration has changed.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The limits of an owner.
    pub limits: Limits,
    /// Whether users and chat groups have to be imported or created first.
    pub directory: DirectoryMode,
    /// Whether an owner has to be a member of a chat group to organize the conversation in it.
    pub membership: MembershipMode,
    /// The administrators of the app, who count as imported (decision 28).
    pub admins: Arc<Vec<String>>,
    /// The time.
    pub now: UnixSeconds,
}

/// Whether membership of a chat group matters (decision 30).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MembershipMode {
    /// Owners may organize every chat group that exists.
    #[default]
    Ignore,
    /// Owners who are not members of a chat group may not set anything about it; clearing and removing always work.
    Require,
}

impl Terms {
    /// The terms of confold's own tools: generous limits, a strict directory without administrators.
    #[must_use]
    pub fn of_tools(limits: Limits, now: UnixSeconds) -> Terms {
        Terms {
            limits,
            directory: DirectoryMode::Strict,
            membership: MembershipMode::Ignore,
            admins: Arc::default(),
            now,
        }
    }

    /// Who exists, by these terms.
    #[must_use]
    pub fn directory(&self) -> Directory<'_> {
        Directory { mode: self.directory, appointed: &self.admins }
    }

    /// Whether a user counts as existing without an account.
    #[must_use]
    pub fn takes_for_granted(&self, user: &UserId) -> bool {
        self.directory().takes_for_granted(user)
    }
}
