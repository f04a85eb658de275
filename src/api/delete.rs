//! `delete`: takes one conversation out of an owner's recent list, until a later message arrives. Its marks and groups
//! stay.

use serde::Serialize;

use super::{Call, Error, describe::recent as field};
use crate::{
    domain::{ChatGroupId, Conversation, Edit, SessionChange, UserId},
    wire::{Fault, Fields, Value},
};

#[derive(Serialize)]
struct Reply {}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let conversation = deletable(request)?;
    clear_ramble(request)?;
    let () = call.edit(owner, Edit::ChangeSessions(vec![(conversation, SessionChange::Delete)])).await?;
    Ok(call.ok(&Reply {}))
}

/// Reads `{Type, To_Account | ToGroupid}`. Clients also write `type` and `ToGroupId`. `Type` selects the peer, and the other
/// field is ignored.
pub(super) fn deletable(fields: Fields<'_>) -> Result<Conversation, Fault> {
    let kind = match fields.optional(&field::LOWER_TYPE, |value| value.choice())? {
        Some(kind) => fields.optional(&field::TYPE, |value| value.choice())?.unwrap_or(kind),
        None => fields.required(&field::TYPE, |value| value.choice())?,
    };
    if kind == 1 {
        return fields.required(&field::TO_ACCOUNT, user);
    }
    match fields.optional(&field::TO_GROUP_ID, chat_group)? {
        Some(conversation) => Ok(fields.optional(&field::TO_GROUPID, chat_group)?.unwrap_or(conversation)),
        None => fields.required(&field::TO_GROUPID, chat_group),
    }
}

/// Checks `ClearRamble`, which has no effect because confold keeps no messages.
pub(super) fn clear_ramble(fields: Fields<'_>) -> Result<(), Fault> {
    fields.optional(&field::CLEAR_RAMBLE, |value| value.choice()).map(drop)
}

pub(super) fn user(value: Value<'_>) -> Result<Conversation, Fault> {
    let user = UserId::parse(value.read()?);
    user.map(Conversation::User).map_err(|reason| Fault::refused(value.path, reason))
}

pub(super) fn chat_group(value: Value<'_>) -> Result<Conversation, Fault> {
    let id = ChatGroupId::parse(value.read()?);
    id.map(Conversation::ChatGroup).map_err(|reason| Fault::refused(value.path, reason))
}
