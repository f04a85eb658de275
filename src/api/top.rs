//! `top`: pins and unpins conversations in an owner's recent list. The vendor's client libraries have this command, but not
//! the REST service, so it has to be switched on (decision 33).

use serde::Serialize;

use super::{
    Call, Error,
    delete::{chat_group, user},
    describe::recent as field,
    shapes::check_batch,
};
use crate::{
    domain::{Conversation, Edit, SessionChange},
    wire::{Fault, Fields, Value},
};

#[derive(Serialize)]
struct Reply {}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    call.check_recent_extension()?;
    let owner = call.owner(request)?;
    let change = match request.required(&field::OPERATION_TYPE, |value| value.choice())? {
        1 => SessionChange::Pin,
        _ => SessionChange::Unpin,
    };
    let items = request.required(&field::RECENT_CONTACT_ITEM, |items| -> Result<_, Error> {
        check_batch(items)?;
        Ok(items.each(|item| Ok::<_, Fault>((pinnable(item)?, change)))?)
    })?;
    let () = call.edit(owner, Edit::ChangeSessions(items)).await?;
    Ok(call.ok(&Reply {}))
}

/// Reads `{Type, To_Account | GroupId}`. `Type` selects the peer, and the other field is ignored.
fn pinnable(item: Value<'_>) -> Result<Conversation, Fault> {
    let fields = item.fields()?;
    match fields.required(&field::TYPE, |value| value.choice())? {
        1 => fields.required(&field::TO_ACCOUNT, user),
        _ => fields.required(&field::GROUP_ID, chat_group),
    }
}
