//! Reads and writes `ContactItem`: a conversation, and in replies also its record.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Fault, Field, Shape, Value, may, must};
use crate::domain::{
    ChatGroupId, Conversation, CustomMark, Group, GroupId, GroupName, RecentItem, Record, UserId,
};

/// The kind of a conversation.
pub const TYPE: Field =
    must("Type", Shape::Choice(&[(1, "one-to-one, with To_Account"), (2, "group, with ToGroupId")]), "");
/// The other user of a one-to-one conversation.
pub const TO_ACCOUNT: Field = may("To_Account", Shape::Text, "The user, for Type 1.");
/// The chat group of a group conversation.
pub const TO_GROUP_ID: Field = may("ToGroupId", Shape::Text, "The chat group, for Type 2.");
/// `{Type, To_Account | ToGroupId}` in a request.
pub const CONTACT: Shape = Shape::Object(&[TYPE, TO_ACCOUNT, TO_GROUP_ID]);

/// Reads `{Type, To_Account | ToGroupId}`. `Type` selects the peer; the other field is ignored,
/// because real callers send both.
///
/// # Errors
/// Returns a [`Fault`] if the type is neither 1 nor 2, or if the peer is missing or not a valid id.
pub fn read_contact(value: Value<'_>) -> Result<Conversation, Fault> {
    let fields = value.described(&CONTACT).fields()?;
    let kind = fields.required(&TYPE, |value| value.choice())?;
    if kind == 1 {
        fields.required(&TO_ACCOUNT, |value| {
            let user = UserId::parse(value.read()?);
            user.map(Conversation::User).map_err(|reason| Fault::refused(value.path, reason))
        })
    } else {
        fields.required(&TO_GROUP_ID, |value| {
            let group = ChatGroupId::parse(value.read()?);
            group.map(Conversation::ChatGroup).map_err(|reason| Fault::refused(value.path, reason))
        })
    }
}

/// The `ContactItem` that the result of an item repeats. If it could not be read, it is `{}` (decision 15).
#[derive(Debug)]
pub struct ContactItem<'a>(pub Option<&'a Conversation>);

impl Serialize for ContactItem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Some(Conversation::User(user)) => {
                map.serialize_entry(TYPE.name, &1)?;
                map.serialize_entry(TO_ACCOUNT.name, user.as_str())?;
            }
            Some(Conversation::ChatGroup(group)) => {
                map.serialize_entry(TYPE.name, &2)?;
                map.serialize_entry(TO_GROUP_ID.name, group.as_str())?;
            }
            None => {}
        }
        map.end()
    }
}

/// Appends a record as the documentation shows it: `Type`, the peer, `StandardMark` always, `CustomMark`
/// and `ContactGroupId` only if they are not empty (decisions 6 and 7), `Timestamp`.
pub fn write_record(record: &Record, out: &mut Vec<u8>) {
    // `number` determines the order of the records. Clients never see it, nor `incarnation`.
    let Record { conversation, incarnation: _, groups, mark, custom, number: _, timestamp } = record;
    let mut digits = itoa::Buffer::new();
    let peer = match conversation {
        Conversation::User(user) => {
            out.extend_from_slice(br#"{"Type":1,"To_Account":"#);
            user.as_str()
        }
        Conversation::ChatGroup(group) => {
            out.extend_from_slice(br#"{"Type":2,"ToGroupId":"#);
            group.as_str()
        }
    };
    write_text(peer, out);
    out.extend_from_slice(br#","StandardMark":""#);
    mark.write_text(out);
    out.push(b'"');
    write_custom_and_groups(custom.as_ref(), groups, out);
    out.extend_from_slice(br#","Timestamp":"#);
    out.extend_from_slice(digits.format(*timestamp).as_bytes());
    out.push(b'}');
}

/// Appends `CustomMark` and `ContactGroupId`, each with a comma before it, if they are not empty.
#[inline]
fn write_custom_and_groups(custom: Option<&CustomMark>, groups: &[GroupId], out: &mut Vec<u8>) {
    if let Some(custom) = custom {
        out.extend_from_slice(br#","CustomMark":"#);
        write_text(custom.as_str(), out);
    }
    if !groups.is_empty() {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(br#","ContactGroupId":"#);
        write_list(groups, out, |group, out| out.extend_from_slice(digits.format(*group).as_bytes()));
    }
}

/// Appends a session of the recent list, with what its record has of marks and groups.
pub fn write_session(item: RecentItem<'_>, record: Option<&Record>, out: &mut Vec<u8>) {
    let RecentItem { conversation, time, is_pinned } = item;
    let peer = match conversation {
        Conversation::User(user) => {
            out.extend_from_slice(br#"{"Type":1,"To_Account":"#);
            user.as_str()
        }
        Conversation::ChatGroup(group) => {
            out.extend_from_slice(br#"{"Type":2,"GroupId":"#);
            group.as_str()
        }
    };
    write_text(peer, out);
    out.extend_from_slice(br#","MsgTime":"#);
    out.extend_from_slice(itoa::Buffer::new().format(time).as_bytes());
    out.extend_from_slice(if is_pinned { br#","TopFlag":1"# } else { br#","TopFlag":0"# });
    if let Some(record) = record {
        if !record.mark.is_none() {
            out.extend_from_slice(br#","StandardMark":""#);
            record.mark.write_text(out);
            out.push(b'"');
        }
        write_custom_and_groups(record.custom.as_ref(), &record.groups, out);
    }
    out.push(b'}');
}

/// Appends a JSON string.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("writing to memory cannot fail");
}

/// Appends `GroupItem`: an array of names and ids.
pub fn write_group_items<'a>(groups: impl IntoIterator<Item = &'a Group>, out: &mut Vec<u8>) {
    write_list(groups, out, |Group { id, name, number: _ }, out| write_group(*id, name, out));
}

/// Appends one element of `GroupItem`.
#[inline]
pub(super) fn write_group(id: GroupId, name: &GroupName, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"GroupName":"#);
    write_text(name.as_str(), out);
    out.extend_from_slice(br#","GroupId":"#);
    out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    out.push(b'}');
}

/// Appends an array and calls `write` for each element.
pub fn write_list<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}
