//! The settings and the time that an edit is decided with.

use std::sync::Arc;

use super::{DirectoryMode, DirectoryRules, Limits, UnixSeconds, UserId};

/// The settings of an app and the time, both taken when the edit was submitted. The configuration may change before a
/// store decides the edit.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The limits per owner.
    pub limits: Limits,
    /// Whether users and chat groups have to be imported or created first.
    pub directory: DirectoryMode,
    /// Whether an owner has to be a member of a chat group to organize its conversation.
    pub membership: MembershipMode,
    /// The administrators of the app, who count as imported (decision 28).
    pub admins: Arc<Vec<String>>,
    /// The time of the edit.
    pub now: UnixSeconds,
}

/// Whether an owner has to be a member of a chat group to organize its conversation (decision 30).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MembershipMode {
    /// Owners may organize every chat group that exists.
    #[default]
    Ignore,
    /// Owners have to be members to set marks and to add the conversation to groups. Clearing and removing always work.
    Require,
}

impl Terms {
    /// Returns the terms of confold's own tools: the given limits, and a strict directory without administrators.
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

    /// Returns the rules that decide which users exist.
    #[must_use]
    pub fn directory(&self) -> DirectoryRules<'_> {
        DirectoryRules { mode: self.directory, appointed: &self.admins }
    }

    /// Checks whether a user counts as existing even without an imported account.
    #[must_use]
    pub fn takes_for_granted(&self, user: &UserId) -> bool {
        self.directory().takes_for_granted(user)
    }
}
