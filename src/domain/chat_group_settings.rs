//! The rules for the profile of a chat group, the entries of its members and its owner.

use super::{
    ChatGroup, ChatGroupChange, ChatGroupDelta, ChatGroupKind, ChatGroupProfile, ChatGroupRejection,
    ChatGroupWorld, InviteOption, JoinOption, Joining, Member, UserId, chat_group_rules::with_members,
};

/// What to change in a profile; fields that are `None` keep their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfilePatch {
    /// The name.
    pub name: Option<String>,
    /// The introduction.
    pub introduction: Option<String>,
    /// The notification.
    pub notification: Option<String>,
    /// The address of the portrait.
    pub face_url: Option<String>,
    /// The highest number of members. A kind of chat group without a list of members has none, and ignores it.
    pub max_members: Option<u32>,
    /// How users join.
    pub join_option: Option<JoinOption>,
    /// How users are invited. A kind of chat group without a list of members ignores it.
    pub invite_option: Option<InviteOption>,
    /// Whether all members are muted.
    pub mute_all: Option<bool>,
}

/// What to change in the entry of a member; fields that are `None` keep their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberPatch {
    /// Whether the member becomes an administrator of the chat group, or an ordinary member.
    pub admin: Option<bool>,
    /// The name that the member has in the chat group.
    pub name_card: Option<String>,
    /// Whether the request mutes the member or ends that. Nothing of it is kept, but not every kind of chat group allows it.
    pub mutes: bool,
}

/// Refuses the edit if the user who makes it does not exist.
pub(super) fn check_operator(
    operator: Option<&UserId>,
    world: ChatGroupWorld<'_>,
) -> Result<(), ChatGroupRejection> {
    match operator.filter(|operator| !world.knows(operator)) {
        Some(unknown) => Err(ChatGroupRejection::UnknownUser(unknown.clone())),
        None => Ok(()),
    }
}

pub(super) fn change_profile(
    old: Option<&ChatGroup>,
    patch: &ProfilePatch,
    world: ChatGroupWorld<'_>,
) -> Result<Option<ChatGroupChange>, ChatGroupRejection> {
    let (old, before) = existing(old)?;
    let has_list = before.kind != ChatGroupKind::AvChatRoom;
    let mut profile = before.clone();
    let ProfilePatch {
        name,
        introduction,
        notification,
        face_url,
        max_members,
        join_option,
        invite_option,
        mute_all,
    } = patch.clone();
    set(&mut profile.name, name);
    set(&mut profile.introduction, introduction);
    set(&mut profile.notification, notification);
    set(&mut profile.face_url, face_url);
    set(&mut profile.join_option, join_option);
    set(&mut profile.details.mute_all, mute_all);
    set(&mut profile.details.invite_option, invite_option.filter(|_| has_list));
    if let Some(most) = max_members.filter(|_| has_list) {
        if old.member_count() > most as usize {
            return Err(ChatGroupRejection::TooMany { members: old.member_count(), most });
        }
        profile.max_members = most;
    }
    if profile == *before {
        return Ok(None);
    }
    profile.details.changed_at = world.terms.now;
    Ok(Some(profiled(old, before, profile)))
}

pub(super) fn change_member(
    old: Option<&ChatGroup>,
    user: &UserId,
    patch: &MemberPatch,
    world: ChatGroupWorld<'_>,
) -> Result<Option<ChatGroupChange>, ChatGroupRejection> {
    let (old, before) = existing(old)?;
    let MemberPatch { admin, name_card, mutes } = patch;
    let is_private = matches!(before.kind, ChatGroupKind::Private | ChatGroupKind::Work);
    if before.owner.as_ref() == Some(user) {
        if admin.is_some() {
            return Err(ChatGroupRejection::OwnersRole(user.clone()));
        }
        check_muting(*mutes && is_private)?;
        let mut profile = before.clone();
        set(&mut profile.details.owner.name_card, name_card.clone());
        return Ok((profile != *before).then(|| profiled(old, before, profile)));
    }
    if before.kind == ChatGroupKind::AvChatRoom {
        return Err(ChatGroupRejection::OwnerOnly);
    }
    let member = (world.members.iter().find(|member| member.user == *user))
        .ok_or_else(|| ChatGroupRejection::NotInGroup(user.clone()))?;
    check_muting(*mutes && is_private)?;
    let mut amended = member.clone();
    set(&mut amended.admin, *admin);
    set(&mut amended.details.name_card, name_card.clone());
    let change =
        |amended| ChatGroupChange { next: old.clone(), deltas: vec![ChatGroupDelta::Amended(amended)] };
    Ok((amended != *member).then(|| change(amended)))
}

/// Makes a member the owner. The owner until then becomes an ordinary member.
pub(super) fn change_owner(
    old: Option<&ChatGroup>,
    user: &UserId,
    world: ChatGroupWorld<'_>,
) -> Result<Option<ChatGroupChange>, ChatGroupRejection> {
    let (old, before) = with_members(old)?;
    if before.owner.as_ref() == Some(user) {
        return Ok(None);
    }
    if !world.knows(user) {
        return Err(ChatGroupRejection::UnknownUser(user.clone()));
    }
    let member = (world.members.iter().find(|member| member.user == *user))
        .ok_or_else(|| ChatGroupRejection::NotInGroup(user.clone()))?;
    let mut profile = before.clone();
    let former = profile.take_owner();
    profile.set_owner(Some(member.clone()));
    let mut deltas = vec![
        ChatGroupDelta::Left(user.clone()),
        ChatGroupDelta::Profiled { before: Some(before.clone()), profile: profile.clone() },
    ];
    let listed = old.listed - 1 + usize::from(former.is_some());
    deltas.extend(former.map(ChatGroupDelta::Joined));
    Ok(Some(ChatGroupChange { next: ChatGroup { profile: Some(profile), listed, ..old.clone() }, deltas }))
}

/// Adds members with the times at which they joined elsewhere. Those for whom there is no room, or whose time is not
/// between the creation of the chat group and now, are left out.
pub(super) fn import_members(
    old: Option<&ChatGroup>,
    members: &[Member],
    world: ChatGroupWorld<'_>,
) -> Result<(Vec<Joining>, Option<ChatGroupChange>), ChatGroupRejection> {
    let (old, profile) = with_members(old)?;
    let mut present: Vec<&UserId> = world.members.iter().map(|member| &member.user).collect();
    present.extend(&profile.owner);
    let mut count = old.member_count();
    let mut deltas = Vec::new();
    let joined = (members.iter())
        .map(|member| {
            let is_possible = (profile.created_at..=world.terms.now).contains(&member.joined_at);
            if !world.knows(&member.user) {
                Joining::Unknown
            } else if present.contains(&&member.user) {
                Joining::Present
            } else if !is_possible || count >= profile.max_members as usize {
                Joining::Impossible
            } else {
                count += 1;
                present.push(&member.user);
                deltas.push(ChatGroupDelta::Joined(member.clone()));
                Joining::Added
            }
        })
        .collect();
    let next = ChatGroup { listed: old.listed + deltas.len(), ..old.clone() };
    Ok((joined, (!deltas.is_empty()).then_some(ChatGroupChange { next, deltas })))
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn check_muting(is_refused: bool) -> Result<(), ChatGroupRejection> {
    if is_refused { Err(ChatGroupRejection::NoMuting) } else { Ok(()) }
}

fn profiled(old: &ChatGroup, before: &ChatGroupProfile, profile: ChatGroupProfile) -> ChatGroupChange {
    ChatGroupChange {
        next: ChatGroup { profile: Some(profile.clone()), ..old.clone() },
        deltas: vec![ChatGroupDelta::Profiled { before: Some(before.clone()), profile }],
    }
}

fn existing(old: Option<&ChatGroup>) -> Result<(&ChatGroup, &ChatGroupProfile), ChatGroupRejection> {
    old.and_then(|old| Some((old, old.profile.as_ref()?))).ok_or(ChatGroupRejection::Unknown)
}

#[cfg(test)]
#[path = "chat_group_settings_tests.rs"]
mod tests;
