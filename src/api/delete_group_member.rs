//! `delete_group_member`: removes members from a chat group. Removing a user who is not a member succeeds.

use serde::Serialize;

use super::{
    Call, Error,
    describe::groups as field,
    members::{check_members, user},
    shapes::chat_group_id,
};
use crate::{
    domain::{ChatGroupEdit, batch},
    wire::Fields,
};

#[derive(Serialize)]
struct Reply {}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&field::GROUP_ID, chat_group_id)?;
    check_members(request, &field::MEMBER_TO_DEL_ACCOUNT, batch::NAMED_MEMBERS)?;
    let users = request.required(&field::MEMBER_TO_DEL_ACCOUNT, |list| list.each(user))?;
    call.edit_chat_group(&id, ChatGroupEdit::RemoveMembers(users)).await?;
    Ok(call.ok(&Reply {}))
}
