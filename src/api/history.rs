//! `history`: lists what the calls of the last days changed for an owner, latest first, page by page.

use super::{
    Call, Error,
    describe::{
        confold::{BEFORE, MAX_EVENTS, MOST_EVENTS, REMOVED},
        recentcontact::COMPLETE_FLAG,
    },
};
use crate::{
    excerpt::quoted,
    store::WantedEvents,
    wire::{Envelope, Fault, Fields, Value, write_event, write_list},
};

/// The number of events on a page unless the request gives another.
const EVENTS: usize = 20;
/// The approximate size of a page's events in the store. One event can be several megabytes large, for example that of an
/// import.
const PAGE_BYTES: usize = 1 << 20;

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let most = request.optional(&MAX_EVENTS, max_events)?.unwrap_or(EVENTS);
    let before = request.optional(&BEFORE, event_id)?;
    let before_this = before.clone();
    let wanted =
        WantedEvents { before: before_this, most, bytes: Some(PAGE_BYTES), ..WantedEvents::default() };
    let followed = call.follow(&owner, wanted).await?;
    if let Some(before) = before.filter(|_| !followed.knows_before) {
        return Err(request.refused(&BEFORE, no_such_event(&before)).into());
    }
    let mut reply = Vec::with_capacity(192 + 512 * followed.events.len());
    reply.extend_from_slice(br#"{"Event":"#);
    write_list(&followed.events, &mut reply, |event, reply| write_event(&owner.user, event, reply));
    let is_removed = !followed.is_complete && !followed.has_more;
    let flags = [(COMPLETE_FLAG, !followed.has_more), (REMOVED, is_removed)];
    for (field, is_set) in flags {
        reply.extend_from_slice(format!(",\"{}\":{}", field.name, u8::from(is_set)).as_bytes());
    }
    reply.push(b',');
    Envelope::close_ok(call.command.base_fields(), &mut reply);
    Ok(reply)
}

fn max_events(value: Value<'_>) -> Result<usize, Fault> {
    let found = usize::try_from(value.read::<i64>()?).ok();
    found
        .filter(|most| (1..=MOST_EVENTS).contains(most))
        .ok_or_else(|| Fault::unfit(value.path, format!("a number from 1 to {MOST_EVENTS}"), value.node))
}

/// Reads the id of an event. Only the store can interpret it.
pub(super) fn event_id(value: Value<'_>) -> Result<String, Fault> {
    value.read::<&str>().map(str::to_owned)
}

/// Explains that an owner has no event with this id.
pub(super) fn no_such_event(id: &str) -> String {
    format!(
        "the owner has no event {}, or it was removed because events are kept only for some time and up to some size; \
         confold/history lists the events that are kept",
        quoted(id)
    )
}
