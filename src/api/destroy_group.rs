//! `destroy_group`: disbands a chat group. This writes one row and one event, no matter how many
//! owners organized the group. From then on, their records about it are not shown (decision 20).

use serde::Serialize;

use super::{Call, Error, describe::groups as field, shapes::chat_group_id};
use crate::{domain::ChatGroupEdit, wire::Fields};

#[derive(Serialize)]
struct Reply {}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&field::GROUP_ID, chat_group_id)?;
    call.edit_chat_group(&id, ChatGroupEdit::Destroy).await?;
    Ok(call.ok(&Reply {}))
}
