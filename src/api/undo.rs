//! `undo`: a call that reverts what earlier calls changed, and leaves what later calls changed as it is.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Call, Error,
    codes::item_result,
    describe::confold::{CHANGE, SINCE},
    history::event_id,
    past::Past,
    shapes::GroupItem,
};
use crate::{
    auth::Edition,
    domain::{
        Conversation, Delta, Edit, Field, GroupId, GroupName, Kept, KeptReason, Owner, StandardMark, Undo,
        Undone,
    },
    store::{StoreError, Write, check_place},
    wire::{ContactItem, Fault, Fields},
};

/// How often an undo is decided again because other calls changed the owner in the meantime.
const ATTEMPTS: usize = 10;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    event_count: usize,
    kept_item: Vec<KeptItem<'a>>,
}

/// A field that stays as it is.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeptItem<'a> {
    field: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_item: Option<ContactItem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_item: Option<GroupItem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    standard_mark: Option<String>,
    reason: &'static str,
    result_code: u32,
    result_info: String,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    // The events that an undo reads take much memory, so only a few undos run at once.
    let _turn = call.service.undos.acquire().await;
    let undone = match undo(call, request, &owner).await {
        Ok(undone) => undone,
        // This may be a repetition of an undo that was made. What it needs may be gone by now, or its condition may
        // not hold any more.
        Err(refusal) => match call.repeated(owner, Edit::Undo(Undo::default())).await? {
            Some(undone) => undone,
            None => return Err(refusal),
        },
    };
    let Undone { event: event_id, events: event_count, kept, names } = &undone;
    let kept_item = kept.iter().map(|kept| kept_item(call, names, kept)).collect();
    Ok(call.ok(&Reply { event_id: event_id.as_deref(), event_count: *event_count, kept_item }))
}

async fn undo(call: Call<'_>, request: Fields<'_>, owner: &Owner) -> Result<Undone, Error> {
    let (target, is_since) = read_target(request)?;
    let named = if is_since { &SINCE } else { &CHANGE };
    let refused = |reason: String| Error::from(request.refused(named, reason));
    let mut past = Past::new(call, owner, &target);
    for _ in 0..ATTEMPTS {
        let place = past.read(refused).await?;
        if let Some(expected) = call.place {
            check_place(expected, past.knows_expected(), place, past.dead())
                .map_err(StoreError::Elsewhere)?;
        }
        let undo = if is_since { past.since(refused)? } else { past.change(refused)? };
        check_edition(call, &undo)?;
        let last_event = past.last().cloned().map(Box::new);
        let write = Write { place: Some(place), last_event, ..call.write(owner.clone(), Edit::Undo(undo)) };
        match call.settle(write).await {
            Err(Error::Store(StoreError::Elsewhere(_))) => {}
            decided => return decided,
        }
    }
    Err(Error::Contended { attempts: ATTEMPTS })
}

/// Reads what to undo: an event, and whether everything after it is to be undone instead of the event itself.
fn read_target(request: Fields<'_>) -> Result<(String, bool), Fault> {
    let change = request.optional(&CHANGE, event_id)?;
    let since = request.optional(&SINCE, event_id)?;
    match (change, since) {
        (Some(id), None) => Ok((id, false)),
        (None, Some(id)) => Ok((id, true)),
        (change, _) => {
            let found = if change.is_some() { "both" } else { "neither" };
            let rule = format!(
                "exactly one of Change and Since has to be given, found {found}; Change is the Id of the event to undo, \
                 Since that of the event after which everything is to be undone; confold/history lists them"
            );
            Err(request.refused(&CHANGE, rule))
        }
    }
}

/// Refuses an undo that would write what the app's edition does not include (decision 13).
fn check_edition(call: Call<'_>, undo: &Undo) -> Result<(), Error> {
    if call.app.edition == Edition::Ultimate {
        return Ok(());
    }
    for delta in &undo.reverted {
        let parts = delta.parts();
        let is_about_groups =
            matches!(delta, Delta::GroupCreated(_) | Delta::GroupRenamed { .. } | Delta::GroupDeleted { .. });
        if is_about_groups || !parts.added_to.is_empty() || !parts.removed_from.is_empty() {
            call.check_edition("conversation groups")?;
        }
        if parts.standard.is_some() {
            call.check_edition("standard marks")?;
        }
    }
    Ok(())
}

fn kept_item<'a>(call: Call<'_>, names: &'a BTreeMap<GroupId, GroupName>, kept: &'a Kept) -> KeptItem<'a> {
    let Kept { field, reason } = kept;
    let (result_code, result_info) = match reason {
        KeptReason::Refused(rejection) => item_result(&Err(rejection.clone())),
        other => (0, other.to_string()),
    };
    call.items.note(result_code);
    let item = |field: &'static str| KeptItem {
        field,
        contact_item: None,
        group_item: None,
        standard_mark: None,
        reason: match reason {
            KeptReason::ChangedLater => "ChangedLater",
            KeptReason::UsedLater => "UsedLater",
            KeptReason::NoGroup => "NoGroup",
            KeptReason::Refused(_) => "Refused",
            KeptReason::NotUndone => "NotUndone",
        },
        result_code,
        result_info: result_info.clone(),
    };
    let contact = |conversation: &'a Conversation| Some(ContactItem(Some(conversation)));
    let group = |group_id: GroupId, group_name: &'a str| Some(GroupItem { group_name, group_id });
    // The names of the fields are those under which replies and events show them.
    match field {
        Field::Group { id, name } => KeptItem { group_item: group(*id, name.as_str()), ..item("Group") },
        Field::GroupName { id, name } => {
            KeptItem { group_item: group(*id, name.as_str()), ..item("GroupName") }
        }
        Field::Membership { conversation, group: id } => KeptItem {
            contact_item: contact(conversation),
            group_item: group(*id, names.get(id).map_or("", GroupName::as_str)),
            ..item("ContactGroupId")
        },
        Field::Standard { conversation, bits } => KeptItem {
            contact_item: contact(conversation),
            standard_mark: Some(text_of(*bits)),
            ..item("StandardMark")
        },
        Field::Custom { conversation } => {
            KeptItem { contact_item: contact(conversation), ..item("CustomMark") }
        }
        Field::Account => item("Account"),
    }
}

/// Writes standard marks as records do.
fn text_of(bits: StandardMark) -> String {
    let mut text = Vec::new();
    bits.write_text(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
