//! `get_group_info`: returns the base fields of chat groups. Each group has its own result code.

use std::collections::HashSet;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value as Json, json};

use super::{
    Call, Error,
    describe::groups::{self as field, info},
    shapes::{chat_group_id, check_count},
};
use crate::{
    domain::{
        AppId, ChatGroupId, ChatGroupKind, ChatGroupProfile, LastMessage, Member, WantedMembers, batch,
    },
    excerpt,
    wire::{Fault, Field, Fields, Value},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    group_info: Vec<GroupInfo>,
}

/// The names of the requested fields; `None` requests all of them.
#[derive(Default)]
struct Wanted {
    base: Option<HashSet<String>>,
    members: Option<HashSet<String>>,
}

/// The fields of one group or member, in the order of the vendor's documentation.
#[derive(Default)]
struct GroupInfo {
    fields: Vec<(&'static Field, Json)>,
    members: Option<Vec<GroupInfo>>,
}

impl Serialize for GroupInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in &self.fields {
            map.serialize_entry(field.name, value)?;
        }
        if let Some(members) = &self.members {
            map.serialize_entry(info::MEMBER_LIST.name, members)?;
        }
        map.end()
    }
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let ids = request.required(&field::GROUP_ID_LIST, |value| -> Result<_, Fault> {
        check_count(value, batch::CHAT_GROUPS)?;
        value.each(|item| Ok((item.read::<&str>()?.to_owned(), chat_group_id(item))))
    })?;
    let wanted = request.optional(&field::RESPONSE_FILTER, |value| -> Result<_, Fault> {
        let fields = value.fields()?;
        let text = |name: Value<'_>| name.read::<&str>().map(str::to_owned);
        let names =
            |field: &'static Field| fields.optional(field, |value| value.each(text).map(HashSet::from_iter));
        Ok(Wanted {
            base: names(&field::GROUP_BASE_INFO_FILTER)?,
            members: names(&field::MEMBER_INFO_FILTER)?,
        })
    })?;
    let wanted = wanted.unwrap_or_default();
    let readable: Vec<ChatGroupId> = ids.iter().filter_map(|(_, id)| id.as_ref().ok().cloned()).collect();
    let found = call.service.store.chat_groups(call.app.id, readable.clone(), WantedMembers::All).await?;
    let lives = readable.into_iter().zip(&found);
    let lives = lives.map(|(id, state)| (id, state.as_ref().map_or(0, |state| state.group.incarnation)));
    let last = call.service.store.last_messages(call.app.id, lives.collect()).await?;
    let mut found = found.into_iter().zip(last);
    let mut group_info = Vec::with_capacity(ids.len());
    for (text, id) in ids {
        let found = id.and_then(|id| {
            let (state, last) = found.next().unwrap_or_default();
            let count = state.as_ref().map_or(0, |state| state.group.member_count());
            let alive = state.and_then(|state| Some((state.group.profile?, state.members)));
            let (profile, members) = alive.ok_or(Error::NoChatGroup(id))?;
            Ok(described(call.app.id, &text, &profile, (count, last), &members, &wanted))
        });
        group_info.push(found.unwrap_or_else(|error| failed(&text, &error)));
    }
    Ok(call.ok(&Reply { group_info }))
}

fn described(
    app: AppId,
    id: &str,
    profile: &ChatGroupProfile,
    (count, last): (usize, LastMessage),
    members: &[Member],
    wanted: &Wanted,
) -> GroupInfo {
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
    } = profile;
    let base: [(&Field, Json); 15] = [
        (&info::TYPE, json!(kind.name())),
        (&info::NAME, json!(name)),
        (&info::APP_ID, json!(app.number())),
        (&info::INTRODUCTION, json!(introduction)),
        (&info::NOTIFICATION, json!(notification)),
        (&info::FACE_URL, json!(face_url)),
        (&info::OWNER_ACCOUNT, json!(owner.as_ref().map_or("", |owner| owner.as_str()))),
        (&info::CREATE_TIME, json!(created_at)),
        (&info::LAST_INFO_TIME, json!(created_at)),
        (&info::LAST_MSG_TIME, json!(last.at)),
        (&info::NEXT_MSG_SEQ, json!(last.number.saturating_add(1))),
        (&info::MEMBER_NUM, json!(count)),
        (&info::MAX_MEMBER_NUM, json!(max_members)),
        (&info::APPLY_JOIN_OPTION, json!(join_option.name())),
        (&info::MUTE_ALL_MEMBER, json!("Off")),
    ];
    let base = base
        .into_iter()
        .filter(|(field, _)| wanted.base.as_ref().is_none_or(|names| names.contains(field.name)));
    let mut fields =
        vec![(&info::GROUP_ID, json!(id)), (&info::ERROR_CODE, json!(0)), (&info::ERROR_INFO, json!(""))];
    fields.extend(base);
    let members = (*kind != ChatGroupKind::AvChatRoom).then(|| {
        let owner = owner.iter().map(|owner| (owner, None, created_at));
        let others = members.iter().map(|member| {
            let Member { user, joined_at, admin: _ } = member;
            (user, Some(member), joined_at)
        });
        let members = owner.chain(others).map(|(user, member, joined_at)| {
            let all: [(&Field, Json); 7] = [
                (&info::MEMBER_ACCOUNT, json!(user.as_str())),
                (&info::ROLE, json!(profile.role(user, member).name())),
                (&info::JOIN_TIME, json!(joined_at)),
                (&info::MSG_SEQ, json!(0)),
                (&info::MSG_FLAG, json!("AcceptAndNotify")),
                (&info::LAST_SEND_MSG_TIME, json!(0)),
                (&info::MUTE_UNTIL, json!(0)),
            ];
            let named = |name: &str| wanted.members.as_ref().is_none_or(|names| names.contains(name));
            let kept = all
                .into_iter()
                .filter(|(field, _)| field.name == info::MEMBER_ACCOUNT.name || named(field.name));
            GroupInfo { fields: kept.collect(), members: None }
        });
        members.collect()
    });
    GroupInfo { fields, members }
}

fn failed(id: &str, error: &Error) -> GroupInfo {
    let code = error.code(super::Family::Group).number();
    let fields = vec![
        (&info::GROUP_ID, json!(id)),
        (&info::ERROR_CODE, json!(code)),
        (&info::ERROR_INFO, json!(excerpt::line(&error.reply_text().info))),
    ];
    GroupInfo { fields, members: None }
}
