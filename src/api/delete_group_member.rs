//! `delete_group_member`: removes members from a chat group. Removing who is not in it succeeds.

use serde::Serialize;

use super::{
    Call, Error,
    describe::groups as field,
    members::{check_members, living, user},
    shapes::chat_group_id,
};
use crate::{
    domain::{ChatGroup, ChatGroupKind, batch},
    wire::Fields,
};

#[derive(Serialize)]
struct Reply {}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&field::GROUP_ID, chat_group_id)?;
    check_members(request, &field::MEMBER_TO_DEL_ACCOUNT, batch::NAMED_MEMBERS)?;
    let users = request.required(&field::MEMBER_TO_DEL_ACCOUNT, |list| list.each(user))?;
    let rule_id = id.clone();
    let rule = move |old: Option<&ChatGroup>| {
        let mut profile = match living(old, &rule_id) {
            Ok(profile) => profile.clone(),
            Err(error) => return (Err(error), None),
        };
        if profile.kind == ChatGroupKind::AvChatRoom {
            // Here, other than for adding, the service calls it a wrong parameter.
            return (Err(Error::NoRemoval(rule_id.to_string())), None);
        }
        if let Some(owner) = profile.owner.as_ref().filter(|owner| users.contains(owner)) {
            return (Err(Error::OwnerStays(owner.clone())), None);
        }
        let before = profile.members.len();
        profile.members.retain(|member| !users.contains(&member.user));
        let changed = profile.members.len() < before;
        (Ok(()), changed.then(|| old.cloned().unwrap_or_default().revived(profile)))
    };
    call.service.store.change_chat_group_telling(call.app.id, id, rule).await??;
    Ok(call.ok(&Reply {}))
}
