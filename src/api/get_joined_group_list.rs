//! `get_joined_group_list`: lists the chat groups that a user owns or is a member of.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{
    Call, Error,
    describe::{groups, neighbours as field},
    get_group_info::{FieldList, Inner, Names, base_fields, member_fields},
    members::{checked_size, number, user},
};
use crate::{
    domain::{ChatGroupId, ChatGroupKind, ChatGroupState, LastMessage, Owner, UserId, WantedMembers, batch},
    wire::{Fault, Field, Fields},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    total_count: usize,
    group_id_list: Vec<FieldList>,
}

/// The fields that the request asks for.
struct Wanted {
    base: Names,
    own: Names,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let user = request.required(&groups::MEMBER_ACCOUNT, user)?;
    let limit = request.optional(&field::JOINED_LIMIT, |value| number(value, batch::JOINED))?.unwrap_or(0);
    let offset = request.optional(&field::OFFSET, |value| number(value, usize::MAX))?.unwrap_or(0);
    let kind = request.optional(&groups::GROUP_TYPE, |value| {
        ChatGroupKind::parse(value.word()?).map_err(|reason| Fault::refused(value.path, reason))
    })?;
    let flag = |field: &'static Field| {
        request.optional(field, |value| Ok::<_, Fault>(value.choice()? == 1)).map(Option::unwrap_or_default)
    };
    let (with_rooms, with_topics) = (flag(&field::WITH_HUGE_GROUPS)?, flag(&field::SUPPORT_TOPIC)?);
    if with_topics && kind != Some(ChatGroupKind::Community) {
        return Err(request.refused(&field::SUPPORT_TOPIC, "1 needs the GroupType Community").into());
    }
    let wanted = request.optional(&field::JOINED_FILTER, |value| -> Result<_, Fault> {
        let fields = value.fields()?;
        let base = fields.optional(&groups::GROUP_BASE_INFO_FILTER, Names::read)?;
        let own = fields.optional(&field::SELF_INFO_FILTER, Names::read)?;
        Ok(Wanted { base: base.unwrap_or_default(), own: own.unwrap_or_default() })
    })?;
    let owner = Owner { app: call.app.id, user };
    let store = &call.service.store;
    let is_known = call.app.directory().takes_for_granted(&owner.user)
        || store.accounts(owner.app, vec![owner.user.clone()]).await? == [true];
    if !is_known {
        return Err(Error::NoUser(owner.user));
    }
    let mut ids: Vec<ChatGroupId> = (store.memberships(&owner).await?.into_iter())
        .filter(|found| kind.is_none_or(|kind| kind.aliases().contains(&found.kind)))
        .filter(|found| with_rooms || found.kind != ChatGroupKind::AvChatRoom)
        .map(|found| found.id)
        .collect();
    ids.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    let total_count = ids.len();
    ids.drain(..offset.min(total_count));
    ids.truncate(if limit == 0 { total_count } else { limit });
    let group_id_list = match wanted {
        None => ids.iter().map(identified).collect(),
        Some(wanted) => {
            let named = WantedMembers::Named(vec![owner.user.clone()]);
            let found = store.chat_groups(owner.app, ids.clone(), named).await?;
            let last = call.last_messages(&ids, &found).await?;
            (ids.iter().zip(found).zip(last))
                .filter_map(|((id, state), last)| described(call, (id, last), &state?, &owner.user, &wanted))
                .collect()
        }
    };
    checked_size(call.ok(&Reply { total_count, group_id_list }))
}

fn identified(id: &ChatGroupId) -> FieldList {
    FieldList::of(&[(&groups::GROUP_ID, json!(id.as_str()))])
}

/// Returns the fields of a chat group; `None` if it was disbanded meanwhile, or the user has left it.
fn described(
    call: Call<'_>,
    (id, last): (&ChatGroupId, LastMessage),
    state: &ChatGroupState,
    user: &UserId,
    wanted: &Wanted,
) -> Option<FieldList> {
    let profile = state.group.profile.as_ref()?;
    let owner = profile.owner_seat().filter(|owner| owner.user == *user);
    let member = owner.as_ref().or_else(|| state.members.iter().find(|member| member.user == *user))?;
    let base = base_fields(call.app.id, profile, state.group.member_count(), last);
    let mut fields = identified(id);
    fields.extend(&wanted.base.named_of(&base));
    if !wanted.own.is_absent() {
        let unread: (&Field, Json) = (&field::UNREAD_MSG_NUM, json!(0));
        let own: Vec<_> = member_fields(profile, member).into_iter().chain([unread]).collect();
        let own = FieldList::of(&wanted.own.named_of(&own));
        fields.end_with(&field::SELF_INFO, Inner::One(Box::new(own)));
    }
    Some(fields)
}
