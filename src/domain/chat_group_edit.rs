//! Edits of chat groups: every possible change as data, and the one function that decides them.
//!
//! A chat group may have 6,000 members. Therefore, all edits apart from an import see only the profile, the number of
//! members and the members that they name, not the whole list.

use std::collections::HashSet;

use super::{
    ChatGroup, ChatGroupEvent, ChatGroupKind, ChatGroupLife, ChatGroupProfile, Decision, MAX_NUMBER, Member,
    MemberPatch, Moment, ProfilePatch, Terms, UserId, chat_group_events, chat_group_rules,
    chat_group_settings,
};
use crate::excerpt::quoted;

/// A requested change of a chat group.
#[derive(Clone, Debug)]
pub enum ChatGroupEdit {
    /// Creates the chat group, if its id is free.
    Create {
        /// Its profile.
        profile: ChatGroupProfile,
        /// Its first members besides the owner, in the order in which they join.
        members: Vec<Member>,
    },
    /// Adds members; users who are members already stay as they are.
    AddMembers(Vec<Member>),
    /// Adds members with the times at which they joined elsewhere. Those who cannot be added are left out.
    ImportMembers(Vec<Member>),
    /// Changes the profile.
    ChangeProfile {
        /// What to change.
        patch: ProfilePatch,
        /// The user who makes the change, if the call names one.
        operator: Option<UserId>,
    },
    /// Changes the entry of a member.
    ChangeMember {
        /// The member.
        user: UserId,
        /// What to change.
        patch: MemberPatch,
    },
    /// Makes a member the owner.
    ChangeOwner {
        /// The member.
        user: UserId,
        /// The user who makes the change, if the call names one.
        operator: Option<UserId>,
    },
    /// Records what another service has reported. Such events lead to the same members in any order, and repeatedly.
    Observed {
        /// What happened.
        event: ChatGroupEvent,
        /// The kind of the chat group.
        kind: ChatGroupKind,
        /// When it happened, in milliseconds.
        at: u64,
    },
    /// Removes members; removing users who are not members succeeds.
    RemoveMembers(Vec<UserId>),
    /// Disbands the chat group: all records that owners keep about it become invalid (decision 20).
    Destroy,
    /// Replaces the chat group with an imported one.
    Restore {
        /// The imported chat group; its incarnation is the lowest that the result may have.
        group: ChatGroup,
        /// Its members besides the owner, in the order in which they joined.
        members: Vec<Member>,
    },
}

/// What an edit depends on besides the chat group itself.
#[derive(Clone, Copy, Debug)]
pub struct ChatGroupWorld<'a> {
    /// What the app allows.
    pub terms: &'a Terms,
    /// The users among [`ChatGroupEdit::users`] whose accounts were imported.
    pub imported: &'a HashSet<UserId>,
    /// The members that [`ChatGroupEdit::wanted`] selects, in the order in which they joined.
    pub members: &'a [Member],
    /// When users among [`ChatGroupEdit::leavers`] left, in milliseconds, as far as it is known.
    pub exits: &'a [(UserId, u64)],
}

/// Which members an edit needs to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedMembers {
    /// The members among these users.
    Named(Vec<UserId>),
    /// Every member.
    All,
}

/// The result of an edit of a chat group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatGroupOutcome {
    /// The result for each user of [`ChatGroupEdit::AddMembers`] or [`ChatGroupEdit::ImportMembers`], in the same order.
    pub joined: Vec<Joining>,
    /// The chat group's life before the edit; `None` if it was unknown.
    pub before: Option<ChatGroupLife>,
    /// The chat group's life after the edit.
    pub after: Option<ChatGroupLife>,
    /// Whether anything changed.
    pub changed: bool,
}

/// The result of adding a user to a chat group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// The user does not exist.
    Unknown,
    /// The user has become a member.
    Added,
    /// The user was a member already.
    Present,
    /// There is no room for the user, or the time of joining is not possible.
    Impossible,
}

/// The effect of an edit that changes a chat group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatGroupChange {
    /// The new state of the chat group, without its members.
    pub next: ChatGroup,
    /// What changed.
    pub deltas: Vec<ChatGroupDelta>,
}

/// One thing that changed in a chat group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatGroupDelta {
    /// The chat group was created, or its profile changed.
    Profiled {
        /// The profile as it was, if it existed.
        before: Option<ChatGroupProfile>,
        /// The profile as it is now.
        profile: ChatGroupProfile,
    },
    /// The chat group was disbanded.
    Destroyed(ChatGroupProfile),
    /// The incarnation changed to this one, which makes all older records about the chat group invalid.
    Reincarnated(u32),
    /// A user became a member.
    Joined(Member),
    /// The entry of a member changed.
    Amended(Member),
    /// A member left.
    Left(UserId),
    /// All members except the owner left.
    AllLeft,
    /// It became known that a user left at this time, in milliseconds.
    ExitNoted(UserId, u64),
    /// The present life of the chat group began at another moment than was known.
    Began(Moment),
    /// It became known that somebody joined at this moment.
    JoinNoted(Moment),
}

/// Why an edit of a chat group is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChatGroupRejection {
    /// The chat group does not exist.
    #[error("the chat group does not exist")]
    Unknown,
    /// The owner or a first member does not exist.
    #[error("the account {} has not been imported", quoted(.0.as_str()))]
    UnknownUser(UserId),
    /// The id belongs to another chat group.
    #[error("the id belongs to another chat group")]
    Taken,
    /// The id belongs to a chat group of the same owner.
    #[error("the owner already has a chat group with this id")]
    Own,
    /// The chat group was destroyed so often that no incarnation is left.
    #[error(
        "this chat group was destroyed {MAX_NUMBER} times, and its id cannot be used again; choose another id"
    )]
    Spent,
    /// The kind of chat group has no list of members.
    #[error("a chat group of this kind has no list of members")]
    NoMemberList,
    /// There is not enough room for all new members, so none was added.
    #[error("a chat group may have at most {0} members")]
    Full(u32),
    /// There are more members than the highest number that is asked for.
    #[error("the chat group has {members} members, which is more than {most}")]
    TooMany {
        /// The number of members.
        members: usize,
        /// The highest number that is asked for.
        most: u32,
    },
    /// The user is not a member.
    #[error("{} is not a member of the chat group", quoted(.0.as_str()))]
    NotInGroup(UserId),
    /// The role of the owner can change only when another member becomes the owner.
    #[error("{} is the owner of the chat group, whose role cannot be changed", quoted(.0.as_str()))]
    OwnersRole(UserId),
    /// In this kind of chat group, only the entry of the owner can be changed.
    #[error("in a chat group of this kind, only the entry of the owner can be changed")]
    OwnerOnly,
    /// In this kind of chat group, nobody can be muted.
    #[error("nobody can be muted in a chat group of this kind")]
    NoMuting,
    /// The owner cannot be removed.
    #[error("the owner of a chat group cannot be removed")]
    OwnerStays(UserId),
}

impl ChatGroupEdit {
    /// Returns the users whose accounts the edit depends on.
    #[must_use]
    pub fn users(&self) -> Vec<&UserId> {
        match self {
            ChatGroupEdit::Create { profile, members } => {
                profile.owner.iter().chain(members.iter().map(|member| &member.user)).collect()
            }
            ChatGroupEdit::AddMembers(members) | ChatGroupEdit::ImportMembers(members) => {
                members.iter().map(|member| &member.user).collect()
            }
            ChatGroupEdit::ChangeProfile { operator, .. } => operator.iter().collect(),
            ChatGroupEdit::ChangeMember { user, .. } => vec![user],
            ChatGroupEdit::ChangeOwner { user, operator } => operator.iter().chain([user]).collect(),
            ChatGroupEdit::Observed { event, .. } => event.users(),
            ChatGroupEdit::RemoveMembers(_) | ChatGroupEdit::Destroy | ChatGroupEdit::Restore { .. } => {
                Vec::new()
            }
        }
    }

    /// Returns the members that the edit depends on.
    #[must_use]
    pub fn wanted(&self) -> WantedMembers {
        match self {
            ChatGroupEdit::AddMembers(members) | ChatGroupEdit::ImportMembers(members) => {
                WantedMembers::Named(members.iter().map(|member| member.user.clone()).collect())
            }
            ChatGroupEdit::RemoveMembers(users) => WantedMembers::Named(users.clone()),
            ChatGroupEdit::ChangeMember { user, .. } | ChatGroupEdit::ChangeOwner { user, .. } => {
                WantedMembers::Named(vec![user.clone()])
            }
            ChatGroupEdit::Observed { event, .. } if !event.concerns_all() => {
                WantedMembers::Named(event.users().into_iter().cloned().collect())
            }
            ChatGroupEdit::Create { .. } | ChatGroupEdit::ChangeProfile { .. } | ChatGroupEdit::Destroy => {
                WantedMembers::Named(Vec::new())
            }
            ChatGroupEdit::Observed { .. } | ChatGroupEdit::Restore { .. } => WantedMembers::All,
        }
    }

    /// Returns the users of whom the edit depends on when they left.
    #[must_use]
    pub fn leavers(&self) -> Vec<&UserId> {
        match self {
            ChatGroupEdit::Observed { event, .. } => event.users(),
            _ => Vec::new(),
        }
    }

    /// Decides the edit. `old` is the chat group, or `None` if the directory does not know it.
    ///
    /// # Errors
    /// Returns the reason if the edit is refused; nothing changes then.
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
            ChatGroupEdit::ImportMembers(members) => {
                chat_group_settings::import_members(old, members, world)?
            }
            ChatGroupEdit::ChangeProfile { patch, operator } => {
                chat_group_settings::check_operator(operator.as_ref(), world)?;
                (Vec::new(), chat_group_settings::change_profile(old, patch, world)?)
            }
            ChatGroupEdit::ChangeMember { user, patch } => {
                (Vec::new(), chat_group_settings::change_member(old, user, patch, world)?)
            }
            ChatGroupEdit::ChangeOwner { user, operator } => {
                chat_group_settings::check_operator(operator.as_ref(), world)?;
                (Vec::new(), chat_group_settings::change_owner(old, user, world)?)
            }
            ChatGroupEdit::Observed { event, kind, at } => {
                (Vec::new(), chat_group_events::observe(old, event, *kind, *at, world))
            }
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

/// A chat group with all of its members, or with a selection of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatGroupState {
    /// The chat group.
    pub group: ChatGroup,
    /// The members besides the owner, in the order in which they joined.
    pub members: Vec<Member>,
}

impl ChatGroupState {
    /// Applies the deltas to this state. The rules do not use this function. It defines what each delta means, so
    /// that the tests can check every rule against it; the in-memory store uses it to apply changes.
    #[must_use]
    pub fn folded(&self, deltas: &[ChatGroupDelta]) -> ChatGroupState {
        let ChatGroupState { mut group, mut members } = self.clone();
        for delta in deltas {
            match delta {
                ChatGroupDelta::Profiled { profile, .. } => group.profile = Some(profile.clone()),
                ChatGroupDelta::Destroyed(_) => group.profile = None,
                ChatGroupDelta::Reincarnated(incarnation) => group.incarnation = *incarnation,
                ChatGroupDelta::Joined(member) => members.push(member.clone()),
                ChatGroupDelta::Amended(member) => {
                    members.iter_mut().filter(|known| known.user == member.user).for_each(|known| {
                        known.clone_from(member);
                    });
                }
                ChatGroupDelta::Began(moment) => group.began = *moment,
                ChatGroupDelta::JoinNoted(moment) => group.joined = *moment,
                ChatGroupDelta::ExitNoted(..) => {}
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
