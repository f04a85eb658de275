//! `destroy_group`: disbands a chat group. Whatever the number of owners who organized it, this
//! writes one row and one event; their records are absent at once (decision 20).

use serde::Serialize;

use super::{Call, Error, describe::groups as field, shapes::chat_group_id};
use crate::{
    domain::{ChatGroup, DirectoryMode},
    wire::Fields,
};

#[derive(Serialize)]
struct Reply {}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&field::GROUP_ID, chat_group_id)?;
    let open = call.app.directory == DirectoryMode::Open;
    let rule = move |old: Option<&ChatGroup>| {
        // In an open directory a group that was never created exists as well.
        let exists = old.map_or(open, |group| group.profile.is_some());
        (exists, exists.then(|| old.cloned().unwrap_or_default().destroyed()))
    };
    let existed = call.service.store.change_chat_group_telling(call.app.id, id.clone(), rule).await?;
    if !existed {
        return Err(Error::NoChatGroup(id));
    }
    Ok(call.ok(&Reply {}))
}
