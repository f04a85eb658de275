//! `get_group_member_info`: lists the members of a chat group.

use serde::Serialize;

use super::{
    Call, Error,
    describe::{groups, neighbours as field},
    get_group_info::{FieldList, Names, member_fields},
    members::{checked_size, number},
    shapes::chat_group_id,
};
use crate::{
    domain::{ChatGroupKind, ChatGroupProfile, ChatGroupState, Member, WantedMembers},
    wire::{Fault, Fields},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    member_num: usize,
    member_list: Vec<FieldList>,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&groups::GROUP_ID, chat_group_id)?;
    let most = ChatGroupProfile::MOST_MEMBERS as usize;
    let limit = request.optional(&field::MEMBER_LIMIT, |value| number(value, most))?.unwrap_or(0);
    let offset = request.optional(&field::OFFSET, |value| number(value, usize::MAX))?.unwrap_or(0);
    let after = request.optional(&field::MEMBER_NEXT, |value| {
        let text: &str = value.read()?;
        let place = text.split_once(' ').and_then(|(joined_at, user)| Some((joined_at.parse().ok()?, user)));
        place
            .map(|(joined_at, user): (u64, &str)| (joined_at, user.to_owned()))
            .ok_or_else(|| Fault::unfit(value.path, "empty, or the Next of a reply", value.node))
    })?;
    let wanted = request.optional(&groups::MEMBER_INFO_FILTER, Names::read)?.unwrap_or_default();
    let roles = request.optional(&field::MEMBER_ROLE_FILTER, |value| {
        value.each(|role| Ok::<_, Fault>(role.word()?.to_owned()))
    })?;
    let groups = call.service.store.chat_groups(call.app.id, vec![id.clone()], WantedMembers::All).await?;
    let state = groups.into_iter().next().flatten();
    let found = state.as_ref().and_then(|state| Some((state, state.group.profile.as_ref()?)));
    let (state, profile) = found.ok_or(Error::NoChatGroup(id))?;
    let all = sorted(state, profile);
    let is_community = profile.kind == ChatGroupKind::Community;
    let follows = |(index, member): &(usize, &Member)| match &after {
        Some((joined_at, user)) if is_community => {
            *index > 0 && (member.joined_at, member.user.as_str()) > (*joined_at, user.as_str())
        }
        _ => true,
    };
    let role = |member: &Member| profile.role(&member.user, Some(member)).name();
    let mut listed: Vec<&Member> = (all.iter().enumerate().filter(follows))
        .map(|(_, member)| member)
        .filter(|member| roles.as_ref().is_none_or(|roles| roles.iter().any(|wanted| wanted == role(member))))
        .skip(if is_community { 0 } else { offset })
        .collect();
    let has_more = limit > 0 && listed.len() > limit;
    if has_more {
        listed.truncate(limit);
    }
    let next = match listed.last() {
        Some(last) if has_more => format!("{} {}", last.joined_at, last.user.as_str()),
        _ => String::new(),
    };
    let fields = |member: &&Member| {
        let fields = member_fields(profile, member);
        FieldList::of(&[&fields[..1], &wanted.kept_of(&fields[1..], &[])].concat())
    };
    checked_size(call.ok(&Reply {
        next: is_community.then_some(next),
        member_num: state.group.member_count(),
        member_list: listed.iter().map(fields).collect(),
    }))
}

/// Returns the owner, and then the members in the order in which they joined.
fn sorted(state: &ChatGroupState, profile: &ChatGroupProfile) -> Vec<Member> {
    let mut members = state.members.clone();
    members.sort_by(|one, other| {
        (one.joined_at, one.user.as_str()).cmp(&(other.joined_at, other.user.as_str()))
    });
    profile.owner_seat().into_iter().chain(members).collect()
}
