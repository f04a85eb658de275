//! Writes events as JSON: the form in which feed, webhooks and history show what a call changed.
//!
//! Groups and records look as in the reply of `get_contact_group`. Applying the changes of an owner's events in order
//! gives everything that is stored for the owner, which the tests of this file check.

use std::sync::Arc;

use super::{
    contact::{write_group, write_list, write_record, write_text},
    profile::ProfileItem,
};
use crate::domain::{
    Account, Conversation, Counters, Delta, Event, EventContent, FeedEntry, Record, SessionChanged, UserId,
};

/// Returns the kind of an entry of the feed, which is its `Kind` in JSON.
#[must_use]
pub fn kind_of(entry: &FeedEntry) -> &'static str {
    match entry {
        FeedEntry::Owner { event, .. } => kind_of_event(event),
        FeedEntry::Disbanded { .. } => "chat_group_disbanded",
    }
}

fn kind_of_event(event: &Event) -> &'static str {
    match event.content {
        EventContent::Changed(_) => "changed",
        EventContent::AccountDeleted => "account_deleted",
        EventContent::Erased => "erased",
    }
}

/// Appends an entry of the feed as one object without line feeds.
pub fn write_feed_entry(entry: &FeedEntry, out: &mut Vec<u8>) {
    match entry {
        FeedEntry::Owner { user, event } => write_event(user, event, out),
        FeedEntry::Disbanded { event, id, incarnation, at } => {
            let mut object = Object::begin(out);
            object.text("Id", event);
            object.text("Kind", kind_of(entry));
            object.text("GroupId", id.as_str());
            object.number("Incarnation", *incarnation);
            object.number("Time", *at);
            object.end();
        }
    }
}

/// Appends an event of an owner as one object without line feeds.
pub fn write_event(owner: &UserId, event: &Event, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    let Event { id, version, at, operator, request, content } = event;
    object.text("Id", id);
    object.text("Kind", kind_of_event(event));
    object.text("Owner", owner.as_str());
    object.number("Version", *version);
    object.number("Time", *at);
    if let Some(operator) = operator {
        object.text("Operator", operator);
    }
    if let Some(request) = request {
        object.text("RequestId", request);
    }
    if let EventContent::Changed(deltas) = content {
        write_changes(deltas, object.member("Changes"));
    }
    object.end();
}

/// Appends an array of changes.
pub fn write_changes(deltas: &[Delta], out: &mut Vec<u8>) {
    write_list(deltas, out, write_change);
}

fn write_change(delta: &Delta, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("Change", name_of(delta));
    match delta {
        Delta::GroupCreated(group) | Delta::GroupDeleted { group, .. } => {
            write_group(group.id, &group.name, object.member("GroupItem"));
        }
        Delta::GroupRenamed { before, group } => {
            write_group(group.id, before, object.member("Before"));
            write_group(group.id, &group.name, object.member("GroupItem"));
        }
        Delta::RecordChanged { before, record } => {
            if let Some(before) = before {
                write_record(before, object.member("Before"));
            }
            object.record(record);
        }
        Delta::RecordGone { record, .. } | Delta::RecordBuried { record, .. } => object.record(record),
        Delta::AccountImported { before, account } => {
            if let Some(before) = before {
                write_account(before, object.member("Before"));
            }
            write_account(account, object.member("Account"));
        }
        Delta::AccountDeleted(account) => write_account(account, object.member("Account")),
        Delta::Renumbered { at } => object.number("Time", *at),
        Delta::CountersSet(counters) => write_counters(*counters, object.member("Counters")),
        Delta::SessionChanged(change) => object.session(change),
    }
    if let Some(number) = delta.number() {
        object.number("Number", number);
    }
    object.end();
}

fn name_of(delta: &Delta) -> &'static str {
    match delta {
        Delta::GroupCreated(_) => "group_created",
        Delta::GroupRenamed { .. } => "group_renamed",
        Delta::GroupDeleted { .. } => "group_deleted",
        Delta::RecordChanged { before: None, .. } => "record_created",
        Delta::RecordChanged { .. } => "record_changed",
        Delta::RecordGone { .. } => "record_gone",
        Delta::RecordBuried { .. } => "record_buried",
        Delta::AccountImported { before: None, .. } => "account_imported",
        Delta::AccountImported { .. } => "account_changed",
        Delta::AccountDeleted(_) => "account_deleted",
        Delta::Renumbered { .. } => "renumbered",
        Delta::CountersSet(_) => "counters_set",
        Delta::SessionChanged(change) => SessionEvent::of(change).name(),
    }
}

/// What a change of a session is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SessionEvent {
    Deleted,
    Pinned,
    Unpinned,
}

impl SessionEvent {
    fn of(change: &SessionChanged) -> SessionEvent {
        match (change.after.deleted > change.before.deleted, change.after.pinned > 0) {
            (true, false) => SessionEvent::Deleted,
            (_, true) => SessionEvent::Pinned,
            (false, false) => SessionEvent::Unpinned,
        }
    }

    fn name(self) -> &'static str {
        match self {
            SessionEvent::Deleted => "session_deleted",
            SessionEvent::Pinned => "session_pinned",
            SessionEvent::Unpinned => "session_unpinned",
        }
    }

    /// Returns the number of the vendor's push for it, the name of its list, and the name of a user in that list.
    fn push(self) -> (u32, &'static str, &'static str) {
        match self {
            SessionEvent::Deleted => (1, "RecentContactDeleteItem", "Peer_Account"),
            SessionEvent::Pinned => (2, "RecentContactTopItem", "To_Account"),
            SessionEvent::Unpinned => (3, "RecentContactTopItem", "To_Account"),
        }
    }
}

fn write_account(account: &Account, out: &mut Vec<u8>) {
    let Account { nick, face_url, profile } = account;
    let mut object = Object::begin(out);
    for (name, text) in [("Nick", nick), ("FaceUrl", face_url)] {
        if !text.is_empty() {
            object.text(name, text);
        }
    }
    if !profile.fields().is_empty() {
        write_list(profile.fields(), object.member("ProfileItem"), |(tag, value), out| {
            serde_json::to_writer(out, &ProfileItem(tag, value)).expect("writing to memory cannot fail");
        });
    }
    object.end();
}

fn write_counters(counters: Counters, out: &mut Vec<u8>) {
    let Counters { version, renumberings, renumbered_at, last_group, last_timestamp } = counters;
    let mut object = Object::begin(out);
    object.number("Version", version);
    object.number("LastGroupId", last_group);
    object.number("LastTimestamp", last_timestamp);
    if renumberings > 0 {
        object.number("Renumberings", renumberings);
        object.number("RenumberedAt", renumbered_at);
    }
    object.end();
}

/// An object that is being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, is_empty: true }
    }

    /// Appends the name of a member, and returns the output for its value.
    fn member(&mut self, name: &'static str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn text(&mut self, name: &'static str, value: &str) {
        write_text(value, self.member(name));
    }

    fn number(&mut self, name: &'static str, value: impl Into<u64>) {
        let mut digits = itoa::Buffer::new();
        self.member(name).extend_from_slice(digits.format(value.into()).as_bytes());
    }

    /// Appends a record, and the incarnation of its chat group if that was ever disbanded. Whether a later disbanding
    /// ends the record depends on it.
    fn record(&mut self, record: &Arc<Record>) {
        write_record(record, self.member("ContactItem"));
        if record.incarnation > 0 {
            self.number("Incarnation", record.incarnation);
        }
    }

    /// Appends a change of a session in the words of the push that the vendor's clients know.
    fn session(&mut self, change: &SessionChanged) {
        let (number, list, user_name) = SessionEvent::of(change).push();
        self.number("PushType", number);
        let mut list = Object::begin(self.member(list));
        write_list([&change.conversation], list.member("RecentContactList"), |conversation, out| {
            let mut item = Object::begin(out);
            match conversation {
                Conversation::User(user) => {
                    item.number("Type", 1u32);
                    item.text(user_name, user.as_str());
                }
                Conversation::ChatGroup(id) => {
                    item.number("Type", 2u32);
                    item.text("GroupId", id.as_str());
                }
            }
            item.end();
        });
        list.end();
        if change.incarnation > 0 {
            self.number("Incarnation", change.incarnation);
        }
        self.number("Time", change.at);
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
