//! `changes`: lists what has changed for an owner since a state, in parts. It is shaped like the `/changes` methods of JMAP
//! (RFC 8620, section 5.2).

use serde::Serialize;

use super::{
    Call, Error,
    describe::confold::{FROM_STATE, MAX_CHANGES, MOST_CHANGES},
    shapes::GroupItem,
    state::State,
};
use crate::{
    domain::{Changes, Conversation, Event, EventContent, Known, Latest, SessionChanged, changes},
    store::{Followed, Place, WantedEvents},
    wire::{ContactItem, Envelope, Fault, Fields, Value, write_list, write_record},
};

/// The most events that are read to find out what is gone, and their approximate size. A client that is further behind
/// reads everything again, which is cheaper.
const EVENTS: usize = 2_000;
const EVENT_BYTES: usize = 2 << 20;

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let since = request.optional_text(&FROM_STATE)?.unwrap_or_default();
    let most = request.optional(&MAX_CHANGES, max_changes)?.unwrap_or(call.app.page_size);
    let state = State::read(&owner, since);
    let wanted = WantedEvents {
        after: state.map(|state| state.known().horizon()),
        most: if state.is_some() { EVENTS } else { 0 },
        bytes: Some(EVENT_BYTES),
        point: state.map(|state| state.place.point),
        before: None,
    };
    let mut followed = call.follow(&owner, wanted).await?;
    let events = std::mem::take(&mut followed.events);
    let contents: Vec<EventContent> = events.into_iter().map(|Event { content, .. }| content).collect();
    let latest = Latest {
        organizer: &followed.state.organizer,
        dead: &followed.dead,
        disbandings: followed.place.disbandings,
        events: &contents,
        is_complete: followed.is_complete,
    };
    let is_known = |state: &State| followed.foreign.is_none() && state.place.is_in_life_of(&followed.place);
    let known = state.filter(is_known).map(State::known);
    let part = known.and_then(|known| changes(latest, known, most));
    let is_reset = part.is_none();
    // A client that begins with nothing needs no events.
    let begun = || changes(Latest { events: &[], ..latest }, Known::nothing(latest), most);
    let part = part.or_else(begun).unwrap_or_default();
    let next = state_after(&followed, part.known);
    Ok(reply(call, &part, since, &next.text(&owner), is_reset))
}

/// Returns the state of a client after a part.
fn state_after(followed: &Followed, known: Known) -> State {
    let Known { version, begun, disbandings } = known;
    State { place: Place { version, disbandings, ..followed.place }, begun }
}

fn reply(call: Call<'_>, part: &Changes, old: &str, new: &str, is_reset: bool) -> Vec<u8> {
    let mut reply = Vec::with_capacity(384 + 160 * part.records.len() + 80 * part.groups.len());
    let text = |name: &str, value: &str, reply: &mut Vec<u8>| {
        reply.extend_from_slice(name.as_bytes());
        serde_json::to_writer(&mut *reply, value).expect("writing to memory cannot fail");
    };
    text(r#"{"OldState":"#, old, &mut reply);
    text(r#","NewState":"#, new, &mut reply);
    let flag = |is_set: bool| if is_set { b'1' } else { b'0' };
    reply.extend_from_slice(br#","HasMoreChanges":"#);
    reply.push(flag(part.has_more));
    if is_reset {
        reply.extend_from_slice(br#","Reset":1"#);
    }
    let mut list = |name: &str, items: Vec<u8>| {
        reply.extend_from_slice(name.as_bytes());
        reply.extend_from_slice(&items);
    };
    let mut records = Vec::new();
    write_list(&part.records, &mut records, |record, out| write_record(record, out));
    list(r#","GroupItem":"#, json(&part.groups.iter().map(GroupItem::from).collect::<Vec<_>>()));
    list(r#","ContactItem":"#, records);
    list(r#","GoneGroupId":"#, json(&part.gone_groups));
    let gone = part.gone_conversations.iter().map(|conversation| ContactItem(Some(conversation)));
    list(r#","GoneContactItem":"#, json(&gone.collect::<Vec<_>>()));
    if !part.sessions.is_empty() {
        list(r#","SessionItem":"#, json(&part.sessions.iter().map(SessionItem::from).collect::<Vec<_>>()));
    }
    reply.push(b',');
    Envelope::close_ok(call.command.base_fields(), &mut reply);
    reply
}

/// A session that was pinned, unpinned or deleted.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionItem<'a> {
    #[serde(rename = "Type")]
    kind: u8,
    #[serde(rename = "To_Account", skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<&'a str>,
    top_flag: u8,
    #[serde(skip_serializing_if = "is_zero")]
    delete_time: u64,
}

impl<'a> From<&'a SessionChanged> for SessionItem<'a> {
    fn from(change: &'a SessionChanged) -> SessionItem<'a> {
        let (kind, user, group_id) = match &change.conversation {
            Conversation::User(user) => (1, Some(user.as_str()), None),
            Conversation::ChatGroup(id) => (2, None, Some(id.as_str())),
        };
        let top_flag = (change.after.pinned > 0).into();
        SessionItem { kind, user, group_id, top_flag, delete_time: change.after.deleted }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(time: &u64) -> bool {
    *time == 0
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("replies can always be written as JSON")
}

fn max_changes(value: Value<'_>) -> Result<usize, Fault> {
    let found = usize::try_from(value.read::<i64>()?).ok();
    found
        .filter(|most| (1..=MOST_CHANGES).contains(most))
        .ok_or_else(|| Fault::unfit(value.path, format!("a number from 1 to {MOST_CHANGES}"), value.node))
}
