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
    group_info: Vec<FieldList>,
}

/// The names of the fields that a request asks for. Without names, it asks for all of them.
#[derive(Default)]
pub(super) struct Names(Option<HashSet<String>>);

/// A field and its value.
pub(super) type Entry = (&'static Field, Json);

/// Fields that have an older name. A request that asks for the older name gets it.
const OLDER: [(&Field, &Field); 2] =
    [(&info::MUTE_ALL_MEMBER, &info::SHUT_UP_ALL_MEMBER), (&info::MUTE_UNTIL, &info::SHUT_UP_UNTIL)];

impl Names {
    pub(super) fn read(value: Value<'_>) -> Result<Names, Fault> {
        let text = |name: Value<'_>| name.read::<&str>().map(str::to_owned);
        Ok(Names(Some(value.each(text)?.into_iter().collect())))
    }

    /// Returns the fields that the request asks for; without names, all except those in `rare`.
    pub(super) fn kept_of(&self, fields: &[Entry], rare: &[&Field]) -> Vec<Entry> {
        if self.0.is_some() {
            return self.named_of(fields);
        }
        let is_rare = |field: &Field| rare.iter().any(|rare| rare.name == field.name);
        fields.iter().filter(|(field, _)| !is_rare(field)).cloned().collect()
    }

    /// Returns the fields whose names the request has, by the name that it uses.
    pub(super) fn named_of(&self, fields: &[Entry]) -> Vec<Entry> {
        let is_named = |field: &Field| self.0.as_ref().is_some_and(|names| names.contains(field.name));
        let names = |field: &'static Field| {
            let older = OLDER.iter().filter(move |(new, _)| new.name == field.name).map(|(_, older)| *older);
            [field].into_iter().chain(older).filter(|field| is_named(field))
        };
        fields.iter().flat_map(|(field, value)| names(field).map(move |name| (name, value.clone()))).collect()
    }

    pub(super) fn is_absent(&self) -> bool {
        self.0.is_none()
    }
}

/// The fields of one group or member, in the order of the vendor's documentation.
pub(super) struct FieldList {
    fields: Vec<Entry>,
    /// The last field, if it contains fields itself.
    last: Option<(&'static Field, Inner)>,
}

/// A value that contains fields. It is no JSON value, because those do not keep the order of their fields.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Inner {
    One(Box<FieldList>),
    Many(Vec<FieldList>),
}

impl FieldList {
    pub(super) fn of(fields: &[Entry]) -> FieldList {
        FieldList { fields: fields.to_vec(), last: None }
    }

    pub(super) fn extend(&mut self, fields: &[Entry]) {
        self.fields.extend_from_slice(fields);
    }

    pub(super) fn end_with(&mut self, field: &'static Field, inner: Inner) {
        self.last = Some((field, inner));
    }
}

impl Serialize for FieldList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in &self.fields {
            map.serialize_entry(field.name, value)?;
        }
        if let Some((field, inner)) = &self.last {
            map.serialize_entry(field.name, inner)?;
        }
        map.end()
    }
}

/// The fields that the request asks for, of groups and of members.
#[derive(Default)]
struct Wanted {
    base: Names,
    members: Names,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let ids = request.required(&field::GROUP_ID_LIST, |value| -> Result<_, Fault> {
        check_count(value, batch::CHAT_GROUPS)?;
        value.each(|item| Ok((item.read::<&str>()?.to_owned(), chat_group_id(item))))
    })?;
    let wanted = request.optional(&field::RESPONSE_FILTER, |value| -> Result<_, Fault> {
        let fields = value.fields()?;
        let names = |field| fields.optional(field, Names::read).map(Option::unwrap_or_default);
        Ok(Wanted {
            base: names(&field::GROUP_BASE_INFO_FILTER)?,
            members: names(&field::MEMBER_INFO_FILTER)?,
        })
    })?;
    let wanted = wanted.unwrap_or_default();
    let readable: Vec<ChatGroupId> = ids.iter().filter_map(|(_, id)| id.as_ref().ok().cloned()).collect();
    let found = call.service.store.chat_groups(call.app.id, readable.clone(), WantedMembers::All).await?;
    let last = call.last_messages(&readable, &found).await?;
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

/// Returns the fields of a chat group, apart from its id.
pub(super) fn base_fields(
    app: AppId,
    profile: &ChatGroupProfile,
    count: usize,
    last: LastMessage,
) -> Vec<Entry> {
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
    vec![
        (&info::TYPE, json!(kind.name())),
        (&info::NAME, json!(name)),
        (&info::APP_ID, json!(app.number())),
        (&info::INTRODUCTION, json!(introduction)),
        (&info::NOTIFICATION, json!(notification)),
        (&info::FACE_URL, json!(face_url)),
        (&info::OWNER_ACCOUNT, json!(owner.as_ref().map_or("", |owner| owner.as_str()))),
        (&info::CREATE_TIME, json!(created_at)),
        (&info::LAST_INFO_TIME, json!(profile.changed_at())),
        (&info::LAST_MSG_TIME, json!(last.at)),
        (&info::NEXT_MSG_SEQ, json!(last.number.saturating_add(1))),
        (&info::MEMBER_NUM, json!(count)),
        (&info::MAX_MEMBER_NUM, json!(max_members)),
        (&info::APPLY_JOIN_OPTION, json!(join_option.name())),
        (&info::INVITE_JOIN_OPTION, json!(details.invite_option.name())),
        (&info::MUTE_ALL_MEMBER, json!(if details.mute_all { "On" } else { "Off" })),
    ]
}

/// Returns the fields of a member. The first one is the user.
pub(super) fn member_fields(profile: &ChatGroupProfile, member: &Member) -> Vec<Entry> {
    let Member { user, joined_at, details, admin: _ } = member;
    vec![
        (&info::MEMBER_ACCOUNT, json!(user.as_str())),
        (&info::ROLE, json!(profile.role(user, Some(member)).name())),
        (&info::JOIN_TIME, json!(joined_at)),
        (&info::MSG_SEQ, json!(0)),
        (&info::MSG_FLAG, json!("AcceptAndNotify")),
        (&info::LAST_SEND_MSG_TIME, json!(0)),
        (&info::MUTE_UNTIL, json!(0)),
        (&info::NAME_CARD, json!(details.name_card)),
    ]
}

fn described(
    app: AppId,
    id: &str,
    profile: &ChatGroupProfile,
    (count, last): (usize, LastMessage),
    members: &[Member],
    wanted: &Wanted,
) -> FieldList {
    let mut fields = FieldList::of(&[
        (&info::GROUP_ID, json!(id)),
        (&info::ERROR_CODE, json!(0)),
        (&info::ERROR_INFO, json!("")),
    ]);
    let base = base_fields(app, profile, count, last);
    fields.extend(&wanted.base.kept_of(&base, &[&info::INVITE_JOIN_OPTION]));
    if profile.kind != ChatGroupKind::AvChatRoom {
        let member = |member: &Member| {
            let all = member_fields(profile, member);
            FieldList::of(&[&all[..1], &wanted.members.kept_of(&all[1..], &[&info::NAME_CARD])].concat())
        };
        let owner = profile.owner_seat();
        let members: Vec<_> = owner.iter().chain(members).map(member).collect();
        fields.end_with(&info::MEMBER_LIST, Inner::Many(members));
    }
    fields
}

fn failed(id: &str, error: &Error) -> FieldList {
    let code = error.code(super::Family::Group).number();
    FieldList::of(&[
        (&info::GROUP_ID, json!(id)),
        (&info::ERROR_CODE, json!(code)),
        (&info::ERROR_INFO, json!(excerpt::line(&error.reply_text().info))),
    ])
}
