//! `get_online_member_num`: counts the users who are online in an `AVChatRoom`. Nobody is, because confold does not track
//! that.

use serde::Serialize;

use super::{Call, Error, describe::groups, shapes::chat_group_id};
use crate::{
    domain::{ChatGroupKind, WantedMembers},
    wire::Fields,
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    online_member_num: u32,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&groups::GROUP_ID, chat_group_id)?;
    let nobody = WantedMembers::Named(Vec::new());
    let found = call.service.store.chat_groups(call.app.id, vec![id.clone()], nobody).await?;
    let profile = found.into_iter().next().flatten().and_then(|state| state.group.profile);
    match profile.ok_or(Error::NoChatGroup(id))?.kind {
        ChatGroupKind::AvChatRoom => Ok(call.ok(&Reply { online_member_num: 0 })),
        kind => Err(Error::ChatGroupDenied(format!(
            "get_online_member_num counts only in an AVChatRoom, and the type of the group is {}",
            kind.name()
        ))),
    }
}
