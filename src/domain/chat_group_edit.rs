//! Edits of chat groups: every possible change as data, and the one function that decides them.
//!
//! A chat group may have 6,000 members. Therefore, all edits apart from an import see only the profile, the number of
//! members and the members that they name, not the whole list.

use std::collections::HashSet;

use super::{
    ChatGroup, ChatGroupLife, ChatGroupProfile, Decision, MAX_NUMBER, Member, Terms, UserId, chat_group_rules,
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
}

/// Which members an edit needs to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedMembers {
    /// The given users, as far as they are members.
    Named(Vec<UserId>),
    /// Every member.
    All,
}

/// The result of an edit of a chat group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatGroupOutcome {
    /// The result for each user of [`ChatGroupEdit::AddMembers`], in the same order.
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
    /// A member left.
    Left(UserId),
    /// All members except the owner left.
    AllLeft,
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
    #[error("the owner already has a chat group of this id")]
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
    #[error("a chat group has at most {0} members")]
    Full(u32),
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
            ChatGroupEdit::AddMembers(members) => members.iter().map(|member| &member.user).collect(),
            ChatGroupEdit::RemoveMembers(_) | ChatGroupEdit::Destroy | ChatGroupEdit::Restore { .. } => {
                Vec::new()
            }
        }
    }

    /// Returns the members that the edit depends on.
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

<<<<<<< HEAD
=======
fn create(
    old: Option<&ChatGroup>,
    profile: &ChatGroupProfile,
    members: &[Member],
    world: ChatGroupWorld<'_>,
) -> Result<ChatGroupChange, ChatGroupRejection> {
    if profile.kind == ChatGroupKind::AvChatRoom && !members.is_empty() {
        return Err(ChatGroupRejection::NoMemberList);
    }
    let users = profile.owner.iter().chain(members.iter().map(|member| &member.user));
    if let Some(unknown) = users.into_iter().find(|user| !world.knows(user)) {
        return Err(ChatGroupRejection::UnknownUser(unknown.clone()));
    }
    let mut present: HashSet<&UserId> = profile.owner.iter().collect();
    let members: Vec<&Member> = members.iter().filter(|member| present.insert(&member.user)).collect();
    if present.len() > profile.max_members as usize {
        return Err(ChatGroupRejection::Full(profile.max_members));
    }
    if let Some(living) = old.and_then(|old| old.profile.as_ref()) {
        let own = living.owner.is_some() && living.owner == profile.owner;
        return Err(if own { ChatGroupRejection::Own } else { ChatGroupRejection::Taken });
    }
    let incarnation = old.map_or(0, |old| old.incarnation);
    // A chat group that exists is below the last incarnation, so that it can always be destroyed once more.
    if incarnation >= MAX_NUMBER {
        return Err(ChatGroupRejection::Spent);
    }
    let mut deltas = vec![ChatGroupDelta::Profiled { before: None, profile: profile.clone() }];
    deltas.extend(members.iter().map(|member| ChatGroupDelta::Joined((*member).clone())));
    let next = ChatGroup { incarnation, profile: Some(profile.clone()), listed: members.len() };
    Ok(ChatGroupChange { next, deltas })
}

fn add(
    old: Option<&ChatGroup>,
    members: &[Member],
    world: ChatGroupWorld<'_>,
) -> Result<(Vec<Joining>, Option<ChatGroupChange>), ChatGroupRejection> {
    let (old, profile) = with_members(old)?;
    let mut present: HashSet<&UserId> = world.members.iter().map(|member| &member.user).collect();
    present.extend(&profile.owner);
    let mut deltas = Vec::new();
    let joined = (members.iter())
        .map(|member| {
            if !world.knows(&member.user) {
                return Joining::Unknown;
            }
            if !present.insert(&member.user) {
                return Joining::Present;
            }
            deltas.push(ChatGroupDelta::Joined(member.clone()));
            Joining::Added
        })
        .collect();
    let next = ChatGroup { listed: old.listed + deltas.len(), ..old.clone() };
    if next.member_count() > profile.max_members as usize {
        return Err(ChatGroupRejection::Full(profile.max_members));
    }
    Ok((joined, (!deltas.is_empty()).then_some(ChatGroupChange { next, deltas })))
}

fn remove(
    old: Option<&ChatGroup>,
    users: &[UserId],
    world: ChatGroupWorld<'_>,
) -> Result<Option<ChatGroupChange>, ChatGroupRejection> {
    let (old, profile) = with_members(old)?;
    if let Some(owner) = profile.owner.as_ref().filter(|owner| users.contains(owner)) {
        return Err(ChatGroupRejection::OwnerStays(owner.clone()));
    }
    let deltas: Vec<_> =
        world.members.iter().map(|member| ChatGroupDelta::Left(member.user.clone())).collect();
    let next = ChatGroup { listed: old.listed.saturating_sub(deltas.len()), ..old.clone() };
    Ok((!deltas.is_empty()).then_some(ChatGroupChange { next, deltas }))
}

fn destroy(
    old: Option<&ChatGroup>,
    world: ChatGroupWorld<'_>,
) -> Result<ChatGroupChange, ChatGroupRejection> {
    let mut deltas = Vec::new();
    match old {
        Some(ChatGroup { profile: Some(profile), listed, .. }) => {
            deltas.extend((*listed > 0).then_some(ChatGroupDelta::AllLeft));
            deltas.push(ChatGroupDelta::Destroyed(profile.clone()));
        }
        // In an open directory, a chat group exists even if it was never created.
        None if world.terms.directory == DirectoryMode::Open => {}
        _ => return Err(ChatGroupRejection::Unknown),
    }
    let incarnation = old.map_or(0, |old| old.incarnation).saturating_add(1).min(MAX_NUMBER);
    deltas.push(ChatGroupDelta::Reincarnated(incarnation));
    Ok(ChatGroupChange { next: ChatGroup { incarnation, profile: None, listed: 0 }, deltas })
}

fn restore(
    old: Option<&ChatGroup>,
    imported: &ChatGroup,
    members: &[Member],
    world: ChatGroupWorld<'_>,
) -> Result<Option<ChatGroupChange>, ChatGroupRejection> {
    let mut users = HashSet::new();
    let members: Vec<Member> = members.iter().filter(|member| users.insert(&member.user)).cloned().collect();
    let life = imported.life().imported_over(old.map(ChatGroup::life))?;
    let next =
        ChatGroup { incarnation: life.incarnation, profile: imported.profile.clone(), listed: members.len() };
    let same_members = world.members == members;
    if old == Some(&next) && same_members {
        return Ok(None);
    }
    let before = old.and_then(|old| old.profile.clone());
    let mut deltas = Vec::new();
    if !same_members && !world.members.is_empty() {
        deltas.push(ChatGroupDelta::AllLeft);
    }
    match (&next.profile, before) {
        (Some(profile), before) if before.as_ref() != Some(profile) => {
            deltas.push(ChatGroupDelta::Profiled { before, profile: profile.clone() });
        }
        (None, Some(before)) => deltas.push(ChatGroupDelta::Destroyed(before)),
        _ => {}
    }
    if old.is_none_or(|old| old.incarnation != life.incarnation) {
        deltas.push(ChatGroupDelta::Reincarnated(life.incarnation));
    }
    if !same_members {
        deltas.extend(members.into_iter().map(ChatGroupDelta::Joined));
    }
    Ok(Some(ChatGroupChange { next, deltas }))
}

impl ChatGroupLife {
    /// Returns the life of a chat group after importing `self` over `old`. The incarnation becomes the higher of
    /// both; if the import destroys the chat group, it also becomes higher than the old one.
    ///
    /// # Errors
    /// Returns [`ChatGroupRejection::Spent`] for a chat group that exists in the last incarnation, because it could
    /// not be destroyed again.
    pub fn imported_over(self, old: Option<ChatGroupLife>) -> Result<ChatGroupLife, ChatGroupRejection> {
        let before = old.map_or(0, |old| old.incarnation);
        let dies = !self.alive && old.is_none_or(|old| old.alive);
        let incarnation = self.incarnation.max(before.saturating_add(u32::from(dies)).min(MAX_NUMBER));
        match self.alive && incarnation == MAX_NUMBER {
            true => Err(ChatGroupRejection::Spent),
            false => Ok(ChatGroupLife { incarnation, alive: self.alive }),
        }
    }
}

impl ChatGroupWorld<'_> {
    /// Checks whether a user exists.
    fn knows(&self, user: &UserId) -> bool {
        self.imported.contains(user) || self.terms.takes_for_granted(user)
    }
}

/// Returns the chat group if it exists and its kind has a list of members.
fn with_members(old: Option<&ChatGroup>) -> Result<(&ChatGroup, &ChatGroupProfile), ChatGroupRejection> {
    let (old, profile) =
        (old.and_then(|old| Some((old, old.profile.as_ref()?)))).ok_or(ChatGroupRejection::Unknown)?;
    match profile.kind {
        ChatGroupKind::AvChatRoom => Err(ChatGroupRejection::NoMemberList),
        _ => Ok((old, profile)),
    }
}

>>>>>>> 3dd38cc (Wrap the new comments at 118 columns and correct a few)
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
