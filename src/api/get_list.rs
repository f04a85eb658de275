//! `get_list`: lists an owner's recent conversations, page by page, and later only those that have moved since.

use std::collections::HashMap;

use super::{Call, Error, describe::recent as field};
use crate::{
    domain::{
        Conversation, Organizer, RecentItem, RecentPage, RecentRequest, Record, UnixSeconds, recent_page,
    },
    store::{Recent, RecentQuery},
    wire::{Envelope, Fault, Field, Fields, Value, write_list, write_session},
};

/// `AssistFlags`: pinned sessions are known.
const PINS: u32 = 1;
/// `AssistFlags`: sessions without a message are wanted.
const EMPTY: u32 = 1 << 1;
/// `AssistFlags`: either of these bits brings marks and conversation groups.
const MARKS: u32 = 1 << 4 | 1 << 5;

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let from = request.required(&field::TIME_STAMP, second)?;
    request.required(&field::START_INDEX, index)?;
    let from_pinned = request.required(&field::TOP_TIME_STAMP, second)?;
    request.required(&field::TOP_START_INDEX, index)?;
    let flags = request.required(&field::ASSIST_FLAGS, flags)?;
    let organizer = call.load(&owner).await?;
    // The clock is read first: a session that moves after that is found from this second on.
    let now = call.service.clock.now();
    let rules = call.app.recent;
    let query = RecentQuery { listed: rules.listed, oldest: rules.oldest(now), terms: call.terms() };
    let Recent { sessions, settled } = call.service.store.recent(&owner, query).await?;
    let (knows_pins, wants_empty) = (flags & PINS != 0, flags & EMPTY != 0);
    let asked = RecentRequest { from, from_pinned, knows_pins, wants_empty };
    let page = recent_page(&sessions, rules, asked, settled);
    Ok(reply(call, &page, (flags & MARKS != 0).then_some(&*organizer)))
}

/// Reads the time of a cursor.
fn second(value: Value<'_>) -> Result<UnixSeconds, Fault> {
    let found = value.read::<i64>()?;
    u64::try_from(found)
        .map_err(|_| Fault::unfit(value.path, "0 or the value of the previous reply", value.node))
}

/// Reads an index of a cursor, which has no effect.
fn index(value: Value<'_>) -> Result<(), Fault> {
    match i32::try_from(value.read::<i64>()?) {
        Ok(0..) => Ok(()),
        _ => Err(Fault::unfit(value.path, "0 or the value of the previous reply", value.node)),
    }
}

fn flags(value: Value<'_>) -> Result<u32, Fault> {
    u32::try_from(value.read::<i64>()?)
        .map_err(|_| Fault::unfit(value.path, "a number from 0 to 4294967295", value.node))
}

/// Writes the reply. `organizer` is given if the caller wants marks and groups.
fn reply(call: Call<'_>, page: &RecentPage<'_>, organizer: Option<&Organizer>) -> Vec<u8> {
    let RecentPage { items, is_complete, next, next_pinned } = page;
    let records: HashMap<&Conversation, &Record> = match organizer {
        Some(organizer) if !items.is_empty() => {
            organizer.records().iter().map(|record| (&record.conversation, &**record)).collect()
        }
        _ => HashMap::new(),
    };
    let record_of = |item: &RecentItem<'_>| records.get(item.conversation).copied();
    let mut reply = Vec::with_capacity(256 + 128 * items.len());
    reply.extend_from_slice(br#"{"SessionItem":"#);
    write_list(items, &mut reply, |item, out| write_session(*item, record_of(item), out));
    let numbers: [(&Field, u64); 5] = [
        (&field::COMPLETE_FLAG, (*is_complete).into()),
        (&field::TIME_STAMP, *next),
        (&field::START_INDEX, 0),
        (&field::TOP_TIME_STAMP, *next_pinned),
        (&field::TOP_START_INDEX, 0),
    ];
    for (field, number) in numbers {
        reply.extend_from_slice(b",\"");
        reply.extend_from_slice(field.name.as_bytes());
        reply.extend_from_slice(b"\":");
        reply.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
    reply.push(b',');
    Envelope::close_ok(call.command.base_fields(), &mut reply);
    reply
}
