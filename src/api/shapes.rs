//! Parts of replies and readers of requests that several commands share.

use serde::Serialize;

use super::{Call, codes::item_result, error::Error};
use crate::{
    domain::{ChatGroupId, Conversation, Group, GroupName, MarkBit, Rejection, batch},
    wire::{ContactItem, Fault, Node, Value},
};

/// One `GroupItem` of a reply.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GroupItem<'a> {
    pub(super) group_name: &'a str,
    pub(super) group_id: u32,
}

impl<'a> From<&'a Group> for GroupItem<'a> {
    fn from(group: &'a Group) -> GroupItem<'a> {
        GroupItem { group_name: group.name.as_str(), group_id: group.id }
    }
}

/// The result for one conversation of a call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ItemResult<'a> {
    contact_item: ContactItem<'a>,
    result_code: u32,
    result_info: String,
}

impl<'a> ItemResult<'a> {
    /// Creates the result for one conversation, and counts it if it was refused.
    pub(super) fn new(
        call: Call<'_>,
        conversation: Option<&'a Conversation>,
        result: &Result<(), Rejection>,
    ) -> ItemResult<'a> {
        let (result_code, result_info) = item_result(result);
        call.items.note(result_code);
        ItemResult { contact_item: ContactItem(conversation), result_code, result_info }
    }
}

/// Reads the name of a conversation group. A name of the wrong length has its own error code (51011); a name with
/// control characters is reported as an invalid parameter.
pub(super) fn group_name(value: Value<'_>) -> Result<GroupName, Error> {
    GroupName::parse(value.read()?).map_err(|rejection| match rejection {
        Rejection::NameLength { .. } => at(value, rejection),
        other => Fault::refused(value.path, other).into(),
    })
}

/// Creates the error for a value that breaks a rule.
fn at(value: Value<'_>, rejection: Rejection) -> Error {
    Error::At { path: value.path.to_string(), rejection }
}

/// Checks the number of conversations in a call. This happens before any of them is read, so that
/// a wrong number is answered with 51006 even if an item is invalid as well.
pub(super) fn check_batch(value: Value<'_>) -> Result<(), Error> {
    match value.read::<&[_]>()?.len() {
        1..=batch::CHANGED => Ok(()),
        found => Err(at(value, Rejection::BatchSize { found, limit: batch::CHANGED })),
    }
}

/// Reads the element of an array that must contain exactly one.
pub(super) fn only<T>(
    value: Value<'_>,
    expected: &str,
    read: impl FnMut(Value<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    match value.read::<&[Node<'_>]>()?.len() {
        1 => Ok(value.each(read)?.pop().expect("there is exactly one")),
        _ => Err(Fault::unfit(value.path, format!("an array of exactly 1 {expected}"), value.node).into()),
    }
}

/// Checks the length of a list for which the vendor defines no separate error code.
pub(super) fn check_count(value: Value<'_>, limit: usize) -> Result<(), Fault> {
    match value.read::<&[_]>()?.len() {
        found if (1..=limit).contains(&found) => Ok(()),
        _ => Err(Fault::unfit(value.path, format!("an array of 1 to {limit}"), value.node)),
    }
}

/// Reads the id of a chat group in a call to the group service.
pub(super) fn chat_group_id(value: Value<'_>) -> Result<ChatGroupId, Error> {
    ChatGroupId::creatable(value.read()?)
        .map_err(|reason| Error::ChatGroupIdForm(Fault::refused(value.path, reason)))
}

/// Reads the number of a standard mark.
pub(super) fn mark_bit(bit: Value<'_>) -> Result<MarkBit, Fault> {
    match bit.read::<i64>() {
        Ok(number) => MarkBit::new(number).map_err(|reason| Fault::refused(bit.path, reason)),
        Err(_) => Err(Fault::unfit(bit.path, "a bit number from 0 to 63", bit.node)),
    }
}

/// Reads a text of a chat group that has at most `limit` bytes.
pub(super) fn bounded(value: Value<'_>, limit: usize) -> Result<String, Error> {
    let text: &str = value.read()?;
    match text.len() {
        bytes if bytes <= limit => Ok(text.to_owned()),
        bytes => Err(Error::GroupTextLength { path: value.path.to_string(), limit, bytes }),
    }
}

/// Reads one of the words that the field allows.
pub(super) fn named<T>(value: Value<'_>, parse: impl Fn(&str) -> Result<T, Rejection>) -> Result<T, Fault> {
    parse(value.word()?).map_err(|reason| Fault::refused(value.path, reason))
}

/// A reply without fields of its own.
#[derive(Serialize)]
pub(super) struct Empty {}
