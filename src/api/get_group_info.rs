//! `get_group_info`: the base fields of chat groups. Each group has its own result code.

use std::collections::HashSet;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value as Json, json};

use super::{
    Call, Error,
    shapes::{chat_group_id, check_count},
};
use crate::{
    domain::{AppId, ChatGroupId, ChatGroupKind, ChatGroupProfile, Member, WantedMembers, batch},
    excerpt,
    wire::{Fault, Fields, Value},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    group_info: Vec<GroupInfo>,
}

/// Which fields a caller wants to see; `None` for all.
#[derive(Default)]
struct Wanted {
    base: Option<HashSet<String>>,
    members: Option<HashSet<String>>,
}

/// The fields of one group or member in the order of the page.
#[derive(Default)]
struct GroupInfo {
    fields: Vec<(&'static str, Json)>,
    members: Option<Vec<GroupInfo>>,
}

impl Serialize for GroupInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        if let Some(members) = &self.members {
            map.serialize_entry("MemberList", members)?;
        }
        map.end()
    }
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let ids = request.required("GroupIdList", |value| -> Result<_, Fault> {
        check_count(value, batch::CHAT_GROUPS)?;
        value.each(|item| Ok((item.read::<&str>()?.to_owned(), chat_group_id(item))))
    })?;
    let wanted = request.optional("ResponseFilter", |value| -> Result<_, Fault> {
        let fields = value.fields()?;
        let text = |name: Value<'_>| name.read::<&str>().map(str::to_owned);
        let names = |name| fields.optional(name, |value| value.each(text).map(HashSet::from_iter));
        Ok(Wanted { base: names("GroupBaseInfoFilter")?, members: names("MemberInfoFilter")? })
    })?;
    let wanted = wanted.unwrap_or_default();
    let readable: Vec<ChatGroupId> = ids.iter().filter_map(|(_, id)| id.as_ref().ok().cloned()).collect();
    let mut found =
        call.service.store.chat_groups(call.app.id, readable, WantedMembers::All).await?.into_iter();
    let mut group_info = Vec::with_capacity(ids.len());
    for (text, id) in ids {
        let found = id.and_then(|id| {
            let state = found.next().flatten();
            let count = state.as_ref().map_or(0, |state| state.group.member_count());
            let alive = state.and_then(|state| Some((state.group.profile?, state.members)));
            let (profile, members) = alive.ok_or(Error::NoChatGroup(id))?;
            Ok(described(call.app.id, &text, &profile, count, &members, &wanted))
        });
        group_info.push(found.unwrap_or_else(|error| failed(&text, &error)));
    }
    Ok(call.ok(&Reply { group_info }))
}

fn described(
    app: AppId,
    id: &str,
    profile: &ChatGroupProfile,
    count: usize,
    members: &[Member],
    wanted: &Wanted,
) -> GroupInfo {
    let base = [
        ("Type", json!(profile.kind.name())),
        ("Name", json!(profile.name)),
        ("Appid", json!(app.number())),
        ("Introduction", json!(profile.introduction)),
        ("Notification", json!(profile.notification)),
        ("FaceUrl", json!(profile.face_url)),
        ("Owner_Account", json!(profile.owner.as_ref().map_or("", |owner| owner.as_str()))),
        ("CreateTime", json!(profile.created_at)),
        ("LastInfoTime", json!(profile.created_at)),
        ("LastMsgTime", json!(0)),
        ("NextMsgSeq", json!(1)),
        ("MemberNum", json!(count)),
        ("MaxMemberNum", json!(profile.max_members)),
        ("ApplyJoinOption", json!(profile.join_option.name())),
        ("MuteAllMember", json!("Off")),
    ];
    let base =
        base.into_iter().filter(|(name, _)| wanted.base.as_ref().is_none_or(|names| names.contains(*name)));
    let mut fields = vec![("GroupId", json!(id)), ("ErrorCode", json!(0)), ("ErrorInfo", json!(""))];
    fields.extend(base);
    let members = (profile.kind != ChatGroupKind::AvChatRoom).then(|| {
        let owner = profile.owner.iter().map(|owner| (owner, None, profile.created_at));
        let others = members.iter().map(|member| (&member.user, Some(member), member.joined_at));
        let members = owner.chain(others).map(|(user, member, joined_at)| {
            let all = [
                ("Member_Account", json!(user.as_str())),
                ("Role", json!(profile.role(user, member).name())),
                ("JoinTime", json!(joined_at)),
                ("MsgSeq", json!(0)),
                ("MsgFlag", json!("AcceptAndNotify")),
                ("LastSendMsgTime", json!(0)),
                ("MuteUntil", json!(0)),
            ];
            let named = |name: &str| wanted.members.as_ref().is_none_or(|names| names.contains(name));
            let kept = all.into_iter().filter(|(name, _)| *name == "Member_Account" || named(name));
            GroupInfo { fields: kept.collect(), members: None }
        });
        members.collect()
    });
    GroupInfo { fields, members }
}

fn failed(id: &str, error: &Error) -> GroupInfo {
    let code = error.code(super::Family::Group).number();
    let fields = vec![
        ("GroupId", json!(id)),
        ("ErrorCode", json!(code)),
        ("ErrorInfo", json!(excerpt::line(&error.told().info))),
    ];
    GroupInfo { fields, members: None }
}
