//! The rules of chat groups: create, add and remove members, destroy, import.

use std::collections::HashSet;

use super::{
    ChatGroup, ChatGroupChange, ChatGroupDelta, ChatGroupKind, ChatGroupLife, ChatGroupProfile,
    ChatGroupRejection, ChatGroupWorld, DirectoryMode, Joining, MAX_NUMBER, Member, UserId,
};

pub(super) fn create(
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
    // The incarnation of an existing chat group must stay below `MAX_NUMBER`, because destroying the group increases
    // it once more.
    if incarnation >= MAX_NUMBER {
        return Err(ChatGroupRejection::Spent);
    }
    let mut deltas = vec![ChatGroupDelta::Profiled { before: None, profile: profile.clone() }];
    deltas.extend(members.iter().map(|member| ChatGroupDelta::Joined((*member).clone())));
    let next = ChatGroup {
        incarnation,
        profile: Some(profile.clone()),
        listed: members.len(),
        ..old.cloned().unwrap_or_default()
    };
    Ok(ChatGroupChange { next, deltas })
}

pub(super) fn add(
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

pub(super) fn remove(
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

pub(super) fn destroy(
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
    let next = ChatGroup { incarnation, profile: None, listed: 0, ..old.cloned().unwrap_or_default() };
    Ok(ChatGroupChange { next, deltas })
}

pub(super) fn restore(
    old: Option<&ChatGroup>,
    imported: &ChatGroup,
    members: &[Member],
    world: ChatGroupWorld<'_>,
) -> Result<Option<ChatGroupChange>, ChatGroupRejection> {
    let mut users = HashSet::new();
    let members: Vec<Member> = members.iter().filter(|member| users.insert(&member.user)).cloned().collect();
    let life = imported.life().imported_over(old.map(ChatGroup::life))?;
    let next = ChatGroup {
        incarnation: life.incarnation,
        profile: imported.profile.clone(),
        listed: members.len(),
        ..old.cloned().unwrap_or_default()
    };
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
    if old.map_or(0, |old| old.incarnation) != life.incarnation {
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
    pub(super) fn knows(&self, user: &UserId) -> bool {
        self.imported.contains(user) || self.terms.takes_for_granted(user)
    }
}

/// Returns the chat group if it exists and its kind has a list of members.
pub(super) fn with_members(
    old: Option<&ChatGroup>,
) -> Result<(&ChatGroup, &ChatGroupProfile), ChatGroupRejection> {
    let (old, profile) =
        (old.and_then(|old| Some((old, old.profile.as_ref()?)))).ok_or(ChatGroupRejection::Unknown)?;
    match profile.kind {
        ChatGroupKind::AvChatRoom => Err(ChatGroupRejection::NoMemberList),
        _ => Ok((old, profile)),
    }
}
