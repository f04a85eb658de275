//! `get_group_info`: the base fields of chat groups. Each group has its own result code.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value as Json, json};

use super::{
    Call, Error,
    shapes::{chat_group_id, check_count},
};
use crate::{
    domain::{AppId, ChatGroupId, ChatGroupProfile, batch},
    wire::Fields,
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    group_info: Vec<GroupInfo>,
}

/// The fields of one group in the order of the page.
struct GroupInfo(Vec<(&'static str, Json)>);

impl Serialize for GroupInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let ids = request.required("GroupIdList", |value| {
        check_count(value, batch::CHAT_GROUPS)?;
        value.each(|item| Ok((item.read::<&str>()?.to_owned(), chat_group_id(item)?)))
    })?;
    let wanted = request
        .optional("ResponseFilter", |value| {
            value.fields()?.optional("GroupBaseInfoFilter", |value| {
                value.each(|name| Ok(name.read::<&str>()?.to_owned()))
            })
        })?
        .flatten();
    let readable: Vec<ChatGroupId> = ids.iter().filter_map(|(_, id)| id.clone().ok()).collect();
    let mut found = call.service.store.chat_groups(call.app.id, readable).await?.into_iter();
    let mut group_info = Vec::with_capacity(ids.len());
    for (text, id) in ids {
        let profile = match id {
            Ok(id) => match found.next().flatten().and_then(|group| group.profile) {
                Some(profile) => Ok(profile),
                None => Err(Error::NoChatGroup(id)),
            },
            Err(fault) => Err(Error::ChatGroupIdForm(fault)),
        };
        group_info.push(match profile {
            Ok(profile) => described(call.app.id, &text, &profile, wanted.as_deref()),
            Err(error) => failed(&text, &error),
        });
    }
    Ok(call.ok(&Reply { group_info }))
}

fn described(app: AppId, id: &str, profile: &ChatGroupProfile, wanted: Option<&[String]>) -> GroupInfo {
    let members = u32::from(profile.owner.is_some());
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
        ("MemberNum", json!(members)),
        ("MaxMemberNum", json!(profile.max_members)),
        ("ApplyJoinOption", json!(profile.join_option.name())),
        ("MuteAllMember", json!("Off")),
    ];
    let mut fields = vec![("GroupId", json!(id)), ("ErrorCode", json!(0)), ("ErrorInfo", json!(""))];
    fields.extend(
        base.into_iter()
            .filter(|(name, _)| wanted.is_none_or(|wanted| wanted.iter().any(|field| field == name))),
    );
    GroupInfo(fields)
}

fn failed(id: &str, error: &Error) -> GroupInfo {
    let code = error.code(super::Family::Group).number();
    GroupInfo(vec![
        ("GroupId", json!(id)),
        ("ErrorCode", json!(code)),
        ("ErrorInfo", json!(error.to_string())),
    ])
}
