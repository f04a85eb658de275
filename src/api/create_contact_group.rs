//! `create_contact_group`: creates one conversation group with conversations in it.

use serde::Serialize;

use super::{
    Call, Error,
    describe::recentcontact as field,
    shapes::{GroupItem, ItemResult, check_batch, group_name, only},
};
use crate::{
    domain::{Conversation, Edit, GroupName, Grouped},
    wire::{Fields, read_contact},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    group_result_item: [GroupResultItem<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupResultItem<'a> {
    group_item: GroupItem<'a>,
    result_item: Vec<ItemResult<'a>>,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let (name, conversations) = read(request)?;
    call.check_edition("conversation groups")?;
    let edit = Edit::CreateGroup { name: name.clone(), conversations: conversations.clone() };
    let Grouped { id, items } = call.edit(owner, edit).await?;
    let result_item = (conversations.iter().zip(&items))
        .map(|(conversation, result)| ItemResult::new(call, Some(conversation), result))
        .collect();
    let group_item = GroupItem { group_name: name.as_str(), group_id: id };
    let reply = Reply { group_result_item: [GroupResultItem { group_item, result_item }] };
    Ok(call.ok(&reply))
}

/// Reads `GroupContactItem`, an array of exactly one group.
fn read(request: Fields<'_>) -> Result<(GroupName, Vec<Conversation>), Error> {
    request.required(&field::GROUP_CONTACT_ITEM, |value| {
        only(value, "group", |item| {
            let group = item.fields()?;
            let name = group.required(&field::GROUP_NAME, group_name)?;
            let conversations = group.required(&field::GROUPED, |items| -> Result<_, Error> {
                check_batch(items)?;
                Ok(items.each(read_contact)?)
            })?;
            Ok((name, conversations))
        })
    })
}
