//! `get_contact_group`: returns all groups and records of an owner, page by page. Its reply has exactly
//! the fields of the vendor's documentation page, in the same order (decision 1).

use super::{Call, Error, describe::recentcontact as field};
use crate::{
    domain::{Organizer, page},
    wire::{Envelope, Fault, Fields, write_group_items, write_list, write_record},
};

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let start = request.required(&field::START_INDEX, |value| {
        u64::try_from(value.read::<i64>()?)
            .map_err(|_| Fault::unfit(value.path, "0 or a NextStartIndex", value.node))
    })?;
    let organizer = call.load(&owner).await?;
    Ok(reply(call, &organizer, start))
}

/// Writes the reply by hand into one buffer, because this command is called most often.
fn reply(call: Call<'_>, organizer: &Organizer, start: u64) -> Vec<u8> {
    let page = page(organizer, start, call.app.page_size, || call.service.clock.now());
    let mut reply = Vec::with_capacity(192 + 160 * page.records.len() + 80 * organizer.groups().len());
    reply.extend_from_slice(br#"{"ContactItem":"#);
    write_list(page.records, &mut reply, |record, reply| write_record(record, reply));
    reply.extend_from_slice(br#","GroupItem":"#);
    // Every page lists all groups, including empty ones (decision 5).
    write_group_items(organizer.groups(), &mut reply);
    reply.extend_from_slice(match page.next {
        None => br#","CompleteFlag":1,"NextStartIndex":"#,
        Some(_) => br#","CompleteFlag":0,"NextStartIndex":"#,
    });
    reply.extend_from_slice(itoa::Buffer::new().format(page.next.unwrap_or(0)).as_bytes());
    reply.push(b',');
    Envelope::close_ok(call.command.base_fields(), &mut reply);
    reply
}
