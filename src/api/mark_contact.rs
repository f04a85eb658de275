//! `mark_contact`: sets and clears standard and custom marks of conversations.

use serde::Serialize;

use super::{
    Call, Error,
    describe::recentcontact as field,
    shapes::{ItemResult, check_batch, mark_bit},
};
use crate::{
    domain::{Conversation, CustomMark, Edit, MarkBit, MarkChange, Rejection, StandardChange},
    wire::{Fault, Fields, Node, Value, read_contact},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    result_item: Vec<ResultItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResultItem<'a> {
    opt_type: i64,
    #[serde(flatten)]
    result: ItemResult<'a>,
}

/// What the result of one `MarkItem` repeats. The conversation is `None` if it could not be read.
struct Item {
    opt_type: i64,
    conversation: Option<Conversation>,
}

/// What one `MarkItem` changes. An error that concerns only this item is reported in its result.
type Order = Result<(Conversation, MarkChange), Rejection>;

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let items = request.required(&field::MARK_ITEM, |items| -> Result<_, Error> {
        check_batch(items)?;
        Ok(items.each(read_item)?)
    })?;
    let (items, orders): (Vec<Item>, Vec<Order>) = items.into_iter().unzip();
    // A single item with standard marks is enough to refuse the whole call.
    if items.iter().any(|item| item.opt_type != 2) {
        call.check_edition("standard marks")?;
    }
    let results: Vec<Result<(), Rejection>> = call.edit(owner, Edit::Mark { items: orders }).await?;
    let result_item = (items.iter().zip(&results))
        .map(|(item, result)| ResultItem {
            opt_type: item.opt_type,
            result: ItemResult::new(call, item.conversation.as_ref(), result),
        })
        .collect();
    Ok(call.ok(&Reply { result_item }))
}

/// Reads an item. An unknown `OptType` or a field of the wrong type refuses the whole call; an
/// unreadable `ContactItem` or an invalid value refuses only the item (decision 15).
fn read_item(value: Value<'_>) -> Result<(Item, Order), Fault> {
    let fields = value.fields()?;
    let opt_type = fields.required(&field::OPT_TYPE, |value| value.choice())?;
    let change = match read_change(fields, opt_type) {
        Ok(change) => Ok(change),
        Err(Misread::Item(rejection)) => Err(rejection),
        Err(Misread::Call(fault)) => return Err(fault),
    };
    let (conversation, order) = match fields.required(&field::MARKED, read_contact) {
        Ok(conversation) => (Some(conversation.clone()), change.map(|change| (conversation, change))),
        Err(fault) => (None, Err(unreadable(&fault))),
    };
    Ok((Item { opt_type, conversation }, order))
}

/// Whether an unusable field refuses the whole call or only its item.
enum Misread {
    Call(Fault),
    Item(Rejection),
}

impl From<Fault> for Misread {
    fn from(fault: Fault) -> Misread {
        Misread::Call(fault)
    }
}

/// Reads the marks that `OptType` selects: 1 the standard marks, 2 the custom mark, 3 both.
fn read_change(fields: Fields<'_>, opt_type: i64) -> Result<MarkChange, Misread> {
    let mut change = MarkChange::default();
    if opt_type != 2 {
        let clear = fields.optional(&field::CLEAR_MARK, bits)?.unwrap_or_default();
        let set = fields.optional(&field::SET_MARK, bits)?.unwrap_or_default();
        if !clear.is_empty() || !set.is_empty() {
            change.standard = Some(StandardChange { clear, set });
        }
    }
    if opt_type != 1 {
        let custom = fields.optional_text(&field::CUSTOM_MARK)?.map(CustomMark::parse).transpose();
        change.custom = custom
            .map_err(|reason| Misread::Item(unreadable(&fields.refused(&field::CUSTOM_MARK, reason))))?;
    }
    if change == MarkChange::default() {
        let expected = match opt_type {
            1 => "an item of OptType 1 needs SetMark or ClearMark",
            2 => "an item of OptType 2 needs CustomMark",
            _ => "an item of OptType 3 needs SetMark, ClearMark or CustomMark",
        };
        return Err(Misread::Item(Rejection::NothingToApply { expected }));
    }
    Ok(change)
}

/// Reads a list of bit numbers. If it is not a list, the whole call is refused; an invalid bit refuses only the item.
fn bits(value: Value<'_>) -> Result<Vec<MarkBit>, Misread> {
    value.read::<&[Node<'_>]>()?;
    value.each(mark_bit).map_err(|fault: Fault| Misread::Item(unreadable(&fault)))
}

fn unreadable(fault: &Fault) -> Rejection {
    Rejection::Unreadable(fault.to_string())
}
