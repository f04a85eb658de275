//! What the rules need to know about which accounts and chat groups exist.

use std::collections::HashMap;

use super::{Conversation, KnownSessions, MembershipMode, Rejection, Terms, UserId};

/// Whether a chat group exists, and which incarnation it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatGroupLife {
    /// Increases each time the chat group is destroyed; 0 if it has never been destroyed.
    pub incarnation: u32,
    /// Whether it exists now.
    pub alive: bool,
}

/// What the directory contains about the user or chat group of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A user.
    User {
        /// Whether the user's account was imported.
        imported: bool,
    },
    /// A chat group.
    ChatGroup {
        /// Its incarnation and whether it exists; `None` if the directory does not know it.
        life: Option<ChatGroupLife>,
        /// Whether the owner is a member. Everybody counts as a member of a chat group without a list of members.
        /// Stores look this up only if the terms require membership or the edit is about sessions, and set it to true
        /// otherwise.
        is_member: bool,
        /// Whether the recent list can show it, which is false for an `AVChatRoom`. It is looked up together with
        /// `is_member`.
        is_listable: bool,
    },
    /// The stored data is damaged, so it is unknown whether the user or chat group exists.
    Unreadable,
}

/// Whether users and chat groups have to be imported before owners can organize them (decision 14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectoryMode {
    /// Accounts and chat groups have to be imported or created first.
    #[default]
    Strict,
    /// Every well-formed id counts as existing, for installations that keep users and chat groups elsewhere. A
    /// destroyed chat group stays refused until it is created again.
    Open,
}

/// Which users of an app exist even if nothing is stored about them.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectoryRules<'a> {
    /// Whether users and chat groups have to be imported or created first.
    pub mode: DirectoryMode,
    /// Users who count as imported without being stored: the administrators of the app (decision 28).
    pub appointed: &'a [String],
}

impl From<DirectoryMode> for DirectoryRules<'_> {
    /// Returns a directory without administrators.
    fn from(mode: DirectoryMode) -> Self {
        DirectoryRules { mode, appointed: &[] }
    }
}

impl DirectoryRules<'_> {
    /// Checks whether a user counts as imported because they are an administrator of the app.
    #[must_use]
    pub fn appoints(&self, user: &UserId) -> bool {
        self.appointed.iter().any(|name| name == user.as_str())
    }

    /// Checks whether a user counts as existing even without an imported account.
    #[must_use]
    pub fn takes_for_granted(&self, user: &UserId) -> bool {
        self.appoints(user) || self.mode == DirectoryMode::Open && user.is_importable()
    }
}

/// What an edit depends on besides the state of the owner.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The owner.
    pub owner: &'a UserId,
    /// What the app allows.
    pub terms: &'a Terms,
    /// What the directory contains about each conversation that the edit names.
    pub presences: &'a HashMap<Conversation, Presence>,
    /// The sessions that the edit depends on; `None` if it is not about sessions.
    pub sessions: Option<&'a KnownSessions>,
}

impl World<'_> {
    /// Returns the incarnation under which a record about `conversation` may be stored; 0 for a one-to-one
    /// conversation.
    ///
    /// # Errors
    /// Returns [`Rejection::UnknownPeer`], [`Rejection::UnknownChatGroup`], [`Rejection::DisbandedChatGroup`],
    /// [`Rejection::NotMember`] or [`Rejection::UnreadablePeer`] if nothing may be stored about the conversation.
    pub fn incarnation(&self, conversation: &Conversation) -> Result<u32, Rejection> {
        let takes_for_granted = |user: &UserId| self.terms.takes_for_granted(user);
        match (conversation, self.presences.get(conversation)) {
            (Conversation::User(_), Some(Presence::User { imported: true })) => Ok(0),
            (Conversation::User(user), Some(_)) if takes_for_granted(user) => Ok(0),
            (Conversation::ChatGroup(id), Some(Presence::ChatGroup { life, is_member, .. })) => match life {
                Some(ChatGroupLife { alive: false, .. }) => Err(Rejection::DisbandedChatGroup(id.clone())),
                Some(_) if !is_member && self.terms.membership == MembershipMode::Require => {
                    Err(Rejection::NotMember(id.clone()))
                }
                Some(ChatGroupLife { alive: true, incarnation }) => Ok(*incarnation),
                None if self.terms.directory == DirectoryMode::Open => Ok(0),
                None => Err(Rejection::UnknownChatGroup(id.clone())),
            },
            (conversation, Some(Presence::Unreadable)) => {
                Err(Rejection::UnreadablePeer(conversation.clone()))
            }
            (Conversation::User(user), _) => Err(Rejection::UnknownPeer(user.clone())),
            (Conversation::ChatGroup(id), _) => Err(Rejection::UnknownChatGroup(id.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{ChatGroupId, Limits};

    #[test]
    fn what_cannot_be_read_is_refused_unless_it_is_taken_for_granted() {
        let user = Conversation::User(UserId::parse("a").unwrap());
        let group = Conversation::ChatGroup(ChatGroupId::parse("g").unwrap());
        let presences = HashMap::from([&user, &group].map(|named| (named.clone(), Presence::Unreadable)));
        let owner = UserId::parse("owner").unwrap();
        let incarnation = |directory: DirectoryMode, admins: &[&str], conversation| {
            let admins = Arc::new(admins.iter().map(|name| (*name).to_owned()).collect());
            let terms = Terms { directory, admins, ..Terms::of_tools(Limits::OPEN, 0) };
            World { owner: &owner, terms: &terms, presences: &presences, sessions: None }
                .incarnation(conversation)
        };
        let refused = |conversation: &Conversation| Err(Rejection::UnreadablePeer(conversation.clone()));
        assert_eq!(incarnation(DirectoryMode::Strict, &[], &user), refused(&user));
        assert_eq!(incarnation(DirectoryMode::Open, &[], &user), Ok(0));
        // A chat group is refused even in an open directory, because its incarnation is unknown.
        assert_eq!(incarnation(DirectoryMode::Strict, &[], &group), refused(&group));
        assert_eq!(incarnation(DirectoryMode::Open, &[], &group), refused(&group));
        assert_eq!(
            incarnation(DirectoryMode::Strict, &["a"], &user),
            Ok(0),
            "an administrator needs no account"
        );
    }

    #[test]
    fn membership_matters_only_where_it_is_required() {
        let id = ChatGroupId::parse("g").unwrap();
        let group = Conversation::ChatGroup(id.clone());
        let owner = UserId::parse("owner").unwrap();
        let incarnation = |membership, is_member| {
            let life = Some(ChatGroupLife { incarnation: 7, alive: true });
            let presence = Presence::ChatGroup { life, is_member, is_listable: true };
            let presences = HashMap::from([(group.clone(), presence)]);
            let terms = Terms { membership, ..Terms::of_tools(Limits::OPEN, 0) };
            World { owner: &owner, terms: &terms, presences: &presences, sessions: None }.incarnation(&group)
        };
        assert_eq!(incarnation(MembershipMode::Ignore, false), Ok(7));
        assert_eq!(incarnation(MembershipMode::Require, true), Ok(7));
        assert_eq!(incarnation(MembershipMode::Require, false), Err(Rejection::NotMember(id)));
    }
}
