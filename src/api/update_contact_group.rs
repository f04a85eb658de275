//! `update_contact_group`: renames a conversation group, or adds and removes conversations.

use serde::Serialize;

use super::{
    Call, Error,
    describe::recentcontact as field,
    shapes::{ItemResult, check_batch, group_name},
};
use crate::{
    domain::{Conversation, Edit, GroupName, Grouped, MemberChange},
    wire::{Fault, Fields, Value, read_contact},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    update_type: u8,
    update_group_result: UpdateGroupResult<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateGroupResult<'a> {
    update_group_type: u8,
    group_name: &'a str,
    group_id: u32,
    old_group_name: &'a str,
    /// Empty for a rename, but always present, because typed clients could not read the reply otherwise (decision 11).
    contact_result_item: Vec<ContactResultItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContactResultItem<'a> {
    contact_opt_type: u8,
    #[serde(flatten)]
    result: ItemResult<'a>,
}

/// The change to make, selected by `UpdateGroupType` 1 or 2.
enum Update {
    Rename(GroupName),
    Members(Vec<(MemberChange, Conversation)>),
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    request.required(&field::UPDATE_TYPE, |value| value.choice())?;
    let (old, update) = request.required(&field::UPDATE_GROUP, |value| read(value.fields()?))?;
    call.check_edition("conversation groups")?;
    let edit = match &update {
        Update::Rename(new) => Edit::RenameGroup { name: old.clone(), new: new.clone() },
        Update::Members(changes) => Edit::ChangeMembers { name: old.clone(), changes: changes.clone() },
    };
    let Grouped { id, items } = call.edit(owner, edit).await?;
    let (update_group_type, group_name, changes) = match &update {
        Update::Rename(new) => (1, new.as_str(), &[][..]),
        Update::Members(changes) => (2, old.as_str(), &changes[..]),
    };
    let contact_result_item = (changes.iter().zip(&items))
        .map(|((change, conversation), result)| ContactResultItem {
            contact_opt_type: match change {
                MemberChange::Add => 1,
                MemberChange::Remove => 2,
            },
            result: ItemResult::new(call, Some(conversation), result),
        })
        .collect();
    let reply = Reply {
        update_type: 1,
        update_group_result: UpdateGroupResult {
            update_group_type,
            group_name,
            group_id: id,
            old_group_name: old.as_str(),
            contact_result_item,
        },
    };
    Ok(call.ok(&reply))
}

/// Reads the change. `OldGroupName` is required for both types, although a table says otherwise (ambiguity A22).
fn read(group: Fields<'_>) -> Result<(GroupName, Update), Error> {
    let kind = group.required(&field::UPDATE_GROUP_TYPE, |value| value.choice())?;
    let old = group.required(&field::OLD_GROUP_NAME, group_name)?;
    if kind == 1 {
        return Ok((old, Update::Rename(group.required(&field::NEW_GROUP_NAME, group_name)?)));
    }
    let changes = group.required(&field::CONTACT_UPDATE_ITEM, |items| -> Result<_, Error> {
        check_batch(items)?;
        Ok(items.each(read_change)?)
    })?;
    Ok((old, Update::Members(changes)))
}

fn read_change(item: Value<'_>) -> Result<(MemberChange, Conversation), Fault> {
    let fields = item.fields()?;
    let change = match fields.required(&field::CONTACT_OPT_TYPE, |value| value.choice())? {
        1 => MemberChange::Add,
        _ => MemberChange::Remove,
    };
    Ok((change, fields.required(&field::UPDATED, read_contact)?))
}
