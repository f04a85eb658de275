//! `change_group_owner`: makes a member the owner of a chat group.

use super::{
    Call, Error,
    describe::{groups, neighbours as field},
    members::user,
    shapes::{Empty, chat_group_id},
};
use crate::{domain::ChatGroupEdit, wire::Fields};

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&groups::GROUP_ID, chat_group_id)?;
    let user_to_own = request.required(&field::NEW_OWNER_ACCOUNT, user)?;
    let operator = request.optional(&field::OPERATOR, user)?;
    call.edit_chat_group(&id, ChatGroupEdit::ChangeOwner { user: user_to_own, operator }).await?;
    Ok(call.ok(&Empty {}))
}
