//! `get_contact_group`: returns all groups and records of an owner, page by page. Its reply has exactly
//! the fields of the vendor's documentation page, in the same order (decision 1).

use super::{Call, Error};
use crate::{
    domain::{Organizer, page},
    wire::{Envelope, Fields, write_group_items, write_list, write_record},
};

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let start = Call::start_index(request)?;
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
    Envelope::close_page(call.command.base_fields(), page.next, &mut reply);
    reply
}
