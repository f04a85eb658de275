//! `create_contact_group`: creates one conversation group with conversations in it.

use serde::Serialize;

use super::{
    Call, Error,
    shapes::{GroupItem, ItemResult, check_batch, group_name},
};
use crate::{
    domain::{Conversation, Created, GroupName, create},
    wire::{Fault, Fields, read_contact},
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
    let now = call.service.clock.now();
    let (rule_name, rule_conversations) = (name.clone(), conversations.clone());
    let Created { id, items } = call
        .change(owner, conversations.clone(), move |organizer, world| {
            create(organizer, world, &rule_name, &rule_conversations, now)
        })
        .await?;
    let result_item = (conversations.iter().zip(&items))
        .map(|(conversation, result)| ItemResult::new(Some(conversation), result))
        .collect();
    let group_item = GroupItem { group_name: name.as_str(), group_id: id };
    let reply = Reply { group_result_item: [GroupResultItem { group_item, result_item }] };
    Ok(call.ok(&reply))
}

/// `GroupContactItem` is an array of exactly one group.
fn read(request: Fields<'_>) -> Result<(GroupName, Vec<Conversation>), Error> {
    let mut groups = request.required("GroupContactItem", |value| {
        let read = value.each(|item| {
            let group = item.fields()?;
            let name = group.required("GroupName", group_name)?;
            let batch = check_batch(group, "ContactItem")?;
            // A list of the wrong length has its own number; its items are not looked at.
            let conversations = match batch {
                Ok(()) => group.required("ContactItem", |items| items.each(read_contact))?,
                Err(_) => Vec::new(),
            };
            Ok((name, batch.map(|()| conversations)))
        });
        match value.read::<&[_]>()?.len() {
            1 => read,
            _ => Err(Fault::unfit(value.path, "an array of exactly 1 group", value.node)),
        }
    })?;
    let (name, conversations) = groups.pop().expect("exactly one was read");
    Ok((name?, conversations?))
}
