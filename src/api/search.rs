//! `search`: lists the records that meet conditions, page by page. The vendor's SDKs can filter conversations by mark and
//! group, but its REST service cannot.

use super::{
    Call, Error,
    describe::confold as field,
    shapes::{group_name, mark_bit},
};
use crate::{
    domain::{
        ConversationKind, CustomMark, Filter, GroupId, GroupName, Organizer, Rejection, StandardMark,
        filtered_page,
    },
    wire::{Envelope, Fault, Field, Fields, Value, write_list, write_record},
};

/// The names of the groups in the conditions, which can only be looked up once the owner is loaded.
struct Groups {
    contains: Option<GroupName>,
    lacks: Option<GroupName>,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request)?;
    let (filter, groups) = read_conditions(request)?;
    let start = Call::start_index(request)?;
    let organizer = call.load(&owner).await?;
    let filter = Filter {
        in_group: look_up(&organizer, &field::IN_GROUP, groups.contains)?,
        not_in_group: look_up(&organizer, &field::NOT_IN_GROUP, groups.lacks)?,
        ..filter
    };
    let page = filtered_page(&organizer, &filter, start, call.app.page_size, || call.service.clock.now());
    let mut reply = Vec::with_capacity(192 + 160 * page.records.len());
    reply.extend_from_slice(br#"{"ContactItem":"#);
    write_list(page.records, &mut reply, write_record);
    Envelope::close_page(call.command.base_fields(), page.next, &mut reply);
    Ok(reply)
}

/// Reads everything that can be read without the owner's data.
fn read_conditions(request: Fields<'_>) -> Result<(Filter, Groups), Error> {
    let bits = |field: &'static Field| request.optional(field, marks).map(Option::unwrap_or_default);
    let filter = Filter {
        all: bits(&field::ALL)?,
        any: bits(&field::ANY)?,
        none: bits(&field::NONE)?,
        custom_prefix: request.optional(&field::CUSTOM_PREFIX, custom_prefix)?.flatten(),
        kind: request.optional(&field::KIND, kind)?,
        ..Filter::default()
    };
    let groups = Groups {
        contains: request.optional(&field::IN_GROUP, group_name)?,
        lacks: request.optional(&field::NOT_IN_GROUP, group_name)?,
    };
    Ok((filter, groups))
}

fn marks(value: Value<'_>) -> Result<StandardMark, Fault> {
    Ok(value.each(mark_bit)?.into_iter().fold(StandardMark::NONE, StandardMark::with))
}

fn custom_prefix(value: Value<'_>) -> Result<Option<CustomMark>, Fault> {
    CustomMark::parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))
}

fn kind(value: Value<'_>) -> Result<ConversationKind, Fault> {
    Ok(if value.choice()? == 1 { ConversationKind::User } else { ConversationKind::ChatGroup })
}

/// Finds a group by its name. A name that the owner does not have is refused, also in `NotInGroup`, because a misspelt
/// name would otherwise list too much.
fn look_up(organizer: &Organizer, field: &Field, name: Option<GroupName>) -> Result<Option<GroupId>, Error> {
    let Some(name) = name else { return Ok(None) };
    let group = organizer.group_named(&name).ok_or_else(|| {
        let rejection = Rejection::NoSuchGroup(name.as_str().to_owned());
        Error::At { path: field.name.to_owned(), rejection }
    })?;
    Ok(Some(group.id))
}
