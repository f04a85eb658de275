//! `create_group` and `import_group`: create a chat group, so that users can organize the conversation with it.

use serde::Serialize;

use super::{
    Call, Error,
    describe::groups as field,
    members::{check_members, max_members, user},
    shapes::{bounded, chat_group_id, named},
};
use crate::{
    domain::{
        ChatGroupEdit, ChatGroupId, ChatGroupKind, ChatGroupProfile, JoinOption, Member, ProfileDetails,
        UnixSeconds, UserId, batch,
    },
    random,
    wire::{Fault, Field, Fields},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    group_id: &'a str,
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    huge_group_flag: Option<u8>,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = read_id(request)?;
    let kind = read_kind(request)?;
    if id.as_ref().is_some_and(|id| id.as_str().starts_with(ChatGroupId::RESERVED_PREFIX)) {
        let rule = "an id of your own must not begin with @TGS#; only import_group may give one";
        return Err(request.refused(&field::NEW_GROUP_ID, rule).into());
    }
    let now = call.service.clock.now();
    let profile = read_profile(request, kind, now)?;
    let members = read_members(request, now)?;
    create(call, id, profile, members).await
}

pub(super) async fn run_import(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = read_id(request)?;
    let kind = read_kind(request)?;
    let created_at = request.optional(&field::CREATE_TIME, |value| {
        u64::try_from(value.read::<i64>()?)
            .map_err(|_| Fault::unfit(value.path, "a time in seconds since 1970", value.node))
    })?;
    let now = call.service.clock.now();
    let profile = read_profile(request, kind, created_at.unwrap_or(now))?;
    create(call, id, profile, Vec::new()).await
}

async fn create(
    call: Call<'_>,
    id: Option<ChatGroupId>,
    profile: ChatGroupProfile,
    members: Vec<Member>,
) -> Result<Vec<u8>, Error> {
    let community = profile.kind == ChatGroupKind::Community;
    let edit = ChatGroupEdit::Create { profile, members };
    let id = match id {
        Some(id) => {
            call.edit_chat_group(&id, edit).await?;
            id
        }
        // Generated ids rarely collide (36^9 are possible); on a collision, try another one.
        None => loop {
            let id = generated_id(community);
            match call.edit_chat_group(&id, edit.clone()).await {
                Ok(_) => break id,
                Err(Error::ChatGroupTaken(_) | Error::ChatGroupOwn(_)) => {}
                Err(error) => return Err(error),
            }
        },
    };
    let reply = Reply {
        group_id: id.as_str(),
        kind: community.then_some("Community"),
        huge_group_flag: community.then_some(1),
    };
    Ok(call.ok(&reply))
}

/// Generates an id in the vendor's format: `@TGS#` and nine capital letters and digits, or for a
/// community `@TGS#_@TGS#` and twelve characters in which small letters occur as well.
fn generated_id(community: bool) -> ChatGroupId {
    let text = match community {
        false => format!("@TGS#{}", random::text(9, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")),
        true => format!(
            "@TGS#_@TGS#{}",
            random::text(12, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        ),
    };
    ChatGroupId::parse(&text).expect("printable ASCII of at most 23 bytes")
}

fn read_id(request: Fields<'_>) -> Result<Option<ChatGroupId>, Error> {
    request.optional(&field::NEW_GROUP_ID, chat_group_id)
}

fn read_kind(request: Fields<'_>) -> Result<ChatGroupKind, Fault> {
    request.required(&field::TYPE, |value| named(value, ChatGroupKind::parse))
}

fn read_profile(
    request: Fields<'_>,
    kind: ChatGroupKind,
    created_at: UnixSeconds,
) -> Result<ChatGroupProfile, Error> {
    let text = |field: &'static Field, limit| {
        request.optional(field, |value| bounded(value, limit)).map(Option::unwrap_or_default)
    };
    Ok(ChatGroupProfile {
        kind,
        name: request.required(&field::NAME, |value| match bounded(value, 30)? {
            name if name.is_empty() => {
                Err(Error::Fault(Fault::refused(value.path, "it must have 1 to 30 bytes, found 0")))
            }
            name => Ok(name),
        })?,
        owner: request.optional(&field::OWNER_ACCOUNT, |value| {
            UserId::parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))
        })?,
        introduction: text(&field::INTRODUCTION, 240)?,
        notification: text(&field::NOTIFICATION, 300)?,
        face_url: text(&field::FACE_URL, 100)?,
        max_members: request
            .optional(&field::MAX_MEMBER_COUNT, max_members)?
            .unwrap_or(ChatGroupProfile::DEFAULT_MEMBERS),
        join_option: request
            .optional(&field::APPLY_JOIN_OPTION, |value| named(value, JoinOption::parse))?
            .unwrap_or_default(),
        created_at,
        details: ProfileDetails::default(),
    })
}

/// Reads `MemberList`. If it is absent or empty, no members are added.
fn read_members(request: Fields<'_>, now: UnixSeconds) -> Result<Vec<Member>, Error> {
    if request.optional(&field::FIRST_MEMBERS, |_| Ok::<_, Fault>(()))?.is_none() {
        return Ok(Vec::new());
    }
    check_members(request, &field::FIRST_MEMBERS, batch::FIRST_MEMBERS)?;
    request.required(&field::FIRST_MEMBERS, |list| {
        list.each(|item| {
            let fields = item.fields()?;
            let admin = fields.optional(&field::ROLE, |role| Ok::<_, Fault>(role.word()? == "Admin"))?;
            let user = fields.required(&field::MEMBER_ACCOUNT, user)?;
            Ok(Member::new(user, admin.unwrap_or(false), now))
        })
    })
}
