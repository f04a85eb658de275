//! `del_contact_group`: deletes one conversation group.

use serde::Serialize;

use super::{
    Call, Error,
    describe::recentcontact as field,
    shapes::{GroupItem, group_name, only},
};
use crate::{
    domain::{Deleted, delete},
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
    let now = call.service.clock.now();
    let rule_name = name.clone();
    let Deleted { id } = call
        .change(owner, Vec::new(), move |organizer, world| delete(organizer, world, &rule_name, now))
        .await?;
    let reply = Reply { group_item: [GroupItem { group_name: name.as_str(), group_id: id }] };
    Ok(call.ok(&reply))
}
