//! `del_contact_group`: deletes one conversation group.

use serde::Serialize;

use super::{
    Call, Error,
    describe::recentcontact as field,
    shapes::{GroupItem, group_name, only},
};
use crate::{
    domain::{Edit, Grouped},
    wire::Fields,
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    group_item: [GroupItem<'a>; 1],
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let name = request.required(&field::DELETED, |value| only(value, "group name", group_name))?;
    call.check_edition("conversation groups")?;
    let Grouped { id, .. } = call.edit(owner, Edit::DeleteGroup { name: name.clone() }).await?;
    let reply = Reply { group_item: [GroupItem { group_name: name.as_str(), group_id: id }] };
    Ok(call.ok(&reply))
}
