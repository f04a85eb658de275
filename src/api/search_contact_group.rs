//! `search_contact_group`: looks up the records of given conversations.

use super::{Call, Error, describe::recentcontact as field, shapes::check_count};
use crate::{
    domain::{batch, search},
    wire::{Envelope, Fields, read_contact, write_group_items, write_list, write_record},
};

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let named = request.required(&field::SEARCHED, |value| {
        check_count(value, batch::SEARCHED)?;
        value.each(read_contact)
    })?;
    let organizer = call.load(&owner).await?;
    let found = search(&organizer, &named);
    let mut reply = Vec::with_capacity(256 + 160 * found.records.len());
    // The sample and every REST client use this name; a table says ContactItem (ambiguity A37).
    reply.extend_from_slice(br#"{"ContactResultItem":"#);
    write_list(&found.records, &mut reply, |record, reply| write_record(record, reply));
    reply.extend_from_slice(br#","GroupItem":"#);
    write_group_items(found.groups, &mut reply);
    reply.push(b',');
    Envelope::close_ok(call.command.base_fields(), &mut reply);
    Ok(reply)
}
