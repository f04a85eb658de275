//! Edits of chat groups: every way in which one can change, as data, and the one function that decides them.
//!
//! They are decided on the profile, the number of members and the members that the edit names, never on the whole list:
//! a chat group may have 6,000 members.

use std::collections::HashSet;

use super::{
    ChatGroup, ChatGroupLife, ChatGroupProfile, Decision, MAX_NUMBER, Member, Terms, UserId, chat_group_rules,
};
use crate::excerpt::quoted;

/// One change of a chat group that is asked for.
#[derive(Clone, Debug)]
pub enum ChatGroupEdit {
    /// Creates the chat group, if its id is free.
    Create {
        /// Its profile.
        profile: ChatGroupProfile,
        /// Its first members beside the owner, in the order they came.
        members: Vec<Member>,
    },
    /// Adds members; those who are members stay as they are.
    AddMembers(Vec<Member>),
    /// Removes members; removing those who are not members succeeds.
    RemoveMembers(Vec<UserId>),
    /// Disbands the chat group: whatever was kept about it is dead from then on (decision 20).
    Destroy,
    /// Puts an imported chat group in the place of what was there.
    Restore {
        /// The chat group; its incarnation is a floor.
        group: ChatGroup,
        /// Its members beside the owner, in the order they came.
        members: Vec<Member>,
    },
}

/// What an edit of a chat group looks at beside the chat group.
#[derive(Clone, Copy, Debug)]
pub struct ChatGroupWorld<'a> {
    /// What the app allows.
    pub terms: &'a Terms,
    /// Those of [`ChatGroupEdit::users`] whose accounts are imported.
    pub imported: &'a HashSet<UserId>,
    /// The members that the edit asked for by [`ChatGroupEdit::wanted`], in the order they came.
    pub members: &'a [Member],
}

/// The members that an edit has to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedMembers {
    /// Those of these users who are members.
    Named(Vec<UserId>),
    /// Every member.
    All,
}

/// What an edit of a chat group has to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatGroupOutcome {
    /// What became of each user that [`ChatGroupEdit::AddMembers`] names, in their order.
    pub joined: Vec<Joining>,
    /// Where the chat group stood in its life before; `None` when it was unknown.
    pub before: Option<ChatGroupLife>,
    /// Where it stands now.
    pub after: Option<ChatGroupLife>,
    /// Whether anything changed.
    pub changed: bool,
}

/// What became of a user who is added to a chat group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// The user does not exist.
    Unknown,
    /// The user is a member now.
    Added,
    /// The user was a member already.
    Present,
}

/// The effect of an edit that changes a chat group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatGroupChange {
    /// The chat group to keep, without its members.
    pub next: ChatGroup,
    /// What changed.
    pub deltas: Vec<ChatGroupDelta>,
}

/// One thing that changed in a chat group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatGroupDelta {
    /// It was created or its profile changed.
    Profiled {
        /// The profile as it was, if it existed.
        before: Option<ChatGroupProfile>,
        /// The profile as it is now.
        profile: ChatGroupProfile,
    },
    /// It was disbanded.
    Destroyed(ChatGroupProfile),
    /// Everything kept about it so far is dead: it has this incarnation now.
    Reincarnated(u32),
    /// Somebody became a member.
    Joined(Member),
    /// A member left.
    Left(UserId),
    /// All members but the owner left.
    AllLeft,
}

/// Why an edit of a chat group is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChatGroupRejection {
    /// There is no such chat group.
    #[error("the chat group does not exist")]
    Unknown,
    /// An owner or first member does not exist.
    #[error("the account {} has not been imported", quoted(.0.as_str()))]
    UnknownUser(UserId),
    /// The id belongs to another chat group.
    #[error("the id belongs to another chat group")]
    Taken,
    /// The id belongs to a chat group of the same owner.
    #[error("the owner already has a chat group of this id")]
    Own,
    /// The id was destroyed so often that no incarnation is left.
    #[error(
        "this chat group was destroyed {MAX_NUMBER} times, and its id cannot be used again; choose another id"
    )]
    Spent,
    /// The kind of chat group has no list of members.
    #[error("a chat group of this kind has no list of members")]
    NoMemberList,
    /// Not all would fit, so that nobody was added.
    #[error("a chat group has at most {0} members")]
    Full(u32),
    /// The owner cannot be removed.
    #[error("the owner of a chat group cannot be removed")]
    OwnerStays(UserId),
}

impl ChatGroupEdit {
    /// The users whose accounts matter.
    #[must_use]
    pub fn users(&self) -> Vec<&UserId> {
        match self {
            ChatGroupEdit::Create { profile, members } => {
                profile.owner.iter().chain(members.iter().map(|member| &member.user)).collect()
            }
            ChatGroupEdit::AddMembers(members) => members.iter().map(|member| &member.user).collect(),
            ChatGroupEdit::RemoveMembers(_) | ChatGroupEdit::Destroy | ChatGroupEdit::Restore { .. } => {
                Vec::new()
            }
        }
    }

    /// The members that matter.
    #[must_use]
    pub fn wanted(&self) -> WantedMembers {
        match self {
            ChatGroupEdit::AddMembers(members) => {
                WantedMembers::Named(members.iter().map(|member| member.user.clone()).collect())
            }
            ChatGroupEdit::RemoveMembers(users) => WantedMembers::Named(users.clone()),
            ChatGroupEdit::Create { .. } | ChatGroupEdit::Destroy => WantedMembers::Named(Vec::new()),
            ChatGroupEdit::Restore { .. } => WantedMembers::All,
        }
    }

    /// Decides the edit for a chat group; `None` is one that the directory does not know.
    ///
    /// # Errors
    /// Why the edit is refused; nothing changes then.
    pub fn decide(
        &self,
        old: Option<&ChatGroup>,
        world: ChatGroupWorld<'_>,
    ) -> Result<Decision<ChatGroupOutcome, ChatGroupChange>, ChatGroupRejection> {
        let (joined, change) = match self {
            ChatGroupEdit::Create { profile, members } => {
                (Vec::new(), Some(chat_group_rules::create(old, profile, members, world)?))
            }
            ChatGroupEdit::AddMembers(members) => chat_group_rules::add(old, members, world)?,
            ChatGroupEdit::RemoveMembers(users) => (Vec::new(), chat_group_rules::remove(old, users, world)?),
            ChatGroupEdit::Destroy => (Vec::new(), Some(chat_group_rules::destroy(old, world)?)),
            ChatGroupEdit::Restore { group, members } => {
                (Vec::new(), chat_group_rules::restore(old, group, members, world)?)
            }
        };
        let before = old.map(ChatGroup::life);
        let after = change.as_ref().map(|change| change.next.life()).or(before);
        let outcome = ChatGroupOutcome { joined, before, after, changed: change.is_some() };
        Ok(Decision { outcome, change })
    }
}

/// A chat group with its members, or with those of them that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatGroupState {
    /// The chat group.
    pub group: ChatGroup,
    /// Its members beside the owner, in the order they came.
    pub members: Vec<Member>,
}

impl ChatGroupState {
    /// The state after these deltas. The rules do not need it: it defines what deltas mean, and tests and the store in
    /// memory hold every rule to it.
    #[must_use]
    pub fn folded(&self, deltas: &[ChatGroupDelta]) -> ChatGroupState {
        let ChatGroupState { mut group, mut members } = self.clone();
        for delta in deltas {
            match delta {
                ChatGroupDelta::Profiled { profile, .. } => group.profile = Some(profile.clone()),
                ChatGroupDelta::Destroyed(_) => group.profile = None,
                ChatGroupDelta::Reincarnated(incarnation) => group.incarnation = *incarnation,
                ChatGroupDelta::Joined(member) => members.push(member.clone()),
                ChatGroupDelta::Left(user) => members.retain(|member| member.user != *user),
                ChatGroupDelta::AllLeft => members.clear(),
            }
        }
        group.listed = members.len();
        ChatGroupState { group, members }
    }
}

#[cfg(test)]
#[path = "chat_group_tests.rs"]
mod tests;
