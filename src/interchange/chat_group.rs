//! Reads and writes the lines of chat groups.

use serde::Serialize;

use super::{
    known::{self, only},
    values::{any_seconds, any_user, is_false, is_no_time, is_zero, optional_number, parsed, text_of, write},
};
use crate::{
    domain::{
        AppId, ChatGroup, ChatGroupId, ChatGroupKind, ChatGroupProfile, ChatGroupState, InviteOption,
        JoinOption, MAX_NUMBER, Member, MemberDetails, ProfileDetails, UnixSeconds,
    },
    wire::{Fault, Fields, UnknownFields, Value},
};

/// The maximum number of members. It is above the limits of any service, and low enough that no exported line exceeds the
/// longest accepted one.
const MOST_MEMBERS: u32 = 100_000;

/// Reads the fields of a chat group.
pub(super) fn chat_group(fields: Fields<'_>, unknown: UnknownFields) -> Result<ChatGroupState, Fault> {
    let incarnation = optional_number(fields, &known::INCARNATION)?.unwrap_or(0);
    if fields.optional(&known::DESTROYED, |value| value.read::<bool>())? == Some(true) {
        let group = ChatGroup { incarnation, ..ChatGroup::default() };
        return Ok(ChatGroupState { group, members: Vec::new() });
    }
    let incarnation = match incarnation {
        // With the highest incarnation, the chat group could never be destroyed.
        MAX_NUMBER => {
            return fields.required(&known::INCARNATION, |value| {
                let rule = format!("at most {} while the chat group exists", MAX_NUMBER - 1);
                Err(Fault::unfit(value.path, rule, value.node))
            });
        }
        below => below,
    };
    let text = |field| text_of(fields, field);
    let profile = ChatGroupProfile {
        kind: fields
            .optional(&known::CHAT_GROUP_TYPE, |value| parsed(value, ChatGroupKind::parse))?
            .unwrap_or(ChatGroupKind::Public),
        name: text(&known::NAME)?,
        owner: fields.optional(&known::OWNER_ACCOUNT, any_user)?,
        introduction: text(&known::INTRODUCTION)?,
        notification: text(&known::NOTIFICATION)?,
        face_url: text(&known::FACE_URL)?,
        max_members: fields
            .optional(&known::MAX_MEMBER_COUNT, |value| {
                (u32::try_from(value.read::<i64>()?).ok().filter(|count| *count <= MOST_MEMBERS)).ok_or_else(
                    || Fault::unfit(value.path, format!("a number from 0 to {MOST_MEMBERS}"), value.node),
                )
            })?
            .unwrap_or(ChatGroupProfile::DEFAULT_MEMBERS),
        join_option: fields
            .optional(&known::APPLY_JOIN_OPTION, |value| parsed(value, JoinOption::parse))?
            .unwrap_or_default(),
        created_at: fields.optional(&known::CREATE_TIME, any_seconds)?.unwrap_or(0),
        details: ProfileDetails {
            changed_at: fields.optional(&known::LAST_INFO_TIME, any_seconds)?.unwrap_or(0),
            mute_all: fields.optional_text(&known::MUTE_ALL_MEMBER)? == Some("On"),
            invite_option: fields
                .optional(&known::INVITE_JOIN_OPTION, |value| parsed(value, InviteOption::parse))?
                .unwrap_or_default(),
            owner_joined_at: fields.optional(&known::OWNER_JOIN_TIME, any_seconds)?.unwrap_or(0),
            owner: MemberDetails { name_card: text(&known::OWNER_NAME_CARD)?, millis: 0 },
        },
    };
    let members = fields.optional(&known::MEMBER_LIST, |list| members(list, unknown))?.unwrap_or_default();
    let group =
        ChatGroup { incarnation, profile: Some(profile), listed: members.len(), ..ChatGroup::default() };
    Ok(ChatGroupState { group, members })
}

fn members(list: Value<'_>, unknown: UnknownFields) -> Result<Vec<Member>, Fault> {
    let path = list.path;
    let members = list.each(|item| member(item, unknown))?;
    match members.len() {
        found if found > MOST_MEMBERS as usize => {
            Err(Fault::refused(path, format!("it may have at most {MOST_MEMBERS} members, found {found}")))
        }
        _ => Ok(members),
    }
}

fn member(item: Value<'_>, unknown: UnknownFields) -> Result<Member, Fault> {
    let fields = item.fields()?;
    let fields = only(fields, known::MEMBER, unknown, "a member")?;
    Ok(Member {
        user: fields.required(&known::MEMBER_ACCOUNT, any_user)?,
        admin: fields.optional_text(&known::ROLE)? == Some("Admin"),
        joined_at: fields.optional(&known::JOIN_TIME, any_seconds)?.unwrap_or(0),
        details: MemberDetails { name_card: text_of(fields, &known::NAME_CARD)?, millis: 0 },
    })
}

/// Appends the line of a chat group, existing or destroyed. `last` is the time of its newest message, or 0.
pub fn write_chat_group(
    app: AppId,
    id: &ChatGroupId,
    state: &ChatGroupState,
    last: UnixSeconds,
    out: &mut Vec<u8>,
) {
    let ChatGroupState { group, members } = state;
    let ChatGroup { incarnation, profile, listed: _, began: _, joined: _ } = group;
    let line = ChatGroupOut {
        kind: "chat_group",
        app: app.number(),
        id: id.as_str(),
        incarnation: *incarnation,
        destroyed: profile.is_none(),
        profile: profile.as_ref().map(|profile| ProfileOut::new(profile, members)),
        last,
    };
    write(&line, out);
}

impl<'a> ProfileOut<'a> {
    fn new(profile: &'a ChatGroupProfile, members: &'a [Member]) -> ProfileOut<'a> {
        let ChatGroupProfile {
            kind,
            name,
            owner,
            introduction,
            notification,
            face_url,
            max_members,
            join_option,
            created_at,
            details,
        } = profile;
        let ProfileDetails { changed_at, mute_all, invite_option, owner_joined_at, owner: of_owner } =
            details;
        let member = |Member { user, admin, joined_at, details }: &'a Member| MemberOut {
            user: user.as_str(),
            role: admin.then_some("Admin"),
            joined_at: *joined_at,
            name_card: &details.name_card,
        };
        ProfileOut {
            kind: kind.name(),
            name,
            owner: owner.as_ref().map(|owner| owner.as_str()),
            introduction,
            notification,
            face_url,
            max_members: *max_members,
            join_option: (*join_option != JoinOption::default()).then(|| join_option.name()),
            created_at: *created_at,
            changed_at: *changed_at,
            mute_all: mute_all.then_some("On"),
            invite_option: (*invite_option != InviteOption::default()).then(|| invite_option.name()),
            owner_joined_at: *owner_joined_at,
            owner_name_card: &of_owner.name_card,
            members: members.iter().map(member).collect(),
        }
    }
}

#[derive(Serialize)]
struct ChatGroupOut<'a> {
    #[serde(rename = "Kind")]
    kind: &'static str,
    #[serde(rename = "SdkAppId")]
    app: u32,
    #[serde(rename = "GroupId")]
    id: &'a str,
    #[serde(rename = "Incarnation", skip_serializing_if = "is_zero")]
    incarnation: u32,
    #[serde(rename = "Destroyed", skip_serializing_if = "is_false")]
    destroyed: bool,
    #[serde(flatten)]
    profile: Option<ProfileOut<'a>>,
    #[serde(rename = "LastMsgTime", skip_serializing_if = "is_no_time")]
    last: u64,
}

#[derive(Serialize)]
struct ProfileOut<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "Name", skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(rename = "Owner_Account", skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    #[serde(rename = "Introduction", skip_serializing_if = "str::is_empty")]
    introduction: &'a str,
    #[serde(rename = "Notification", skip_serializing_if = "str::is_empty")]
    notification: &'a str,
    #[serde(rename = "FaceUrl", skip_serializing_if = "str::is_empty")]
    face_url: &'a str,
    #[serde(rename = "MaxMemberCount")]
    max_members: u32,
    #[serde(rename = "ApplyJoinOption", skip_serializing_if = "Option::is_none")]
    join_option: Option<&'static str>,
    #[serde(rename = "CreateTime", skip_serializing_if = "is_no_time")]
    created_at: u64,
    #[serde(rename = "LastInfoTime", skip_serializing_if = "is_no_time")]
    changed_at: u64,
    #[serde(rename = "MuteAllMember", skip_serializing_if = "Option::is_none")]
    mute_all: Option<&'static str>,
    #[serde(rename = "InviteJoinOption", skip_serializing_if = "Option::is_none")]
    invite_option: Option<&'static str>,
    #[serde(rename = "OwnerJoinTime", skip_serializing_if = "is_no_time")]
    owner_joined_at: u64,
    #[serde(rename = "OwnerNameCard", skip_serializing_if = "str::is_empty")]
    owner_name_card: &'a str,
    #[serde(rename = "MemberList", skip_serializing_if = "Vec::is_empty")]
    members: Vec<MemberOut<'a>>,
}

#[derive(Serialize)]
struct MemberOut<'a> {
    #[serde(rename = "Member_Account")]
    user: &'a str,
    #[serde(rename = "Role", skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(rename = "JoinTime", skip_serializing_if = "is_no_time")]
    joined_at: u64,
    #[serde(rename = "NameCard", skip_serializing_if = "str::is_empty")]
    name_card: &'a str,
}
