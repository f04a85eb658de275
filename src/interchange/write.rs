//! Writes the lines of owners. Reading a written line and writing it again gives the same bytes.

use serde::Serialize;

use super::{
    OrganizerLine,
    values::{is_no_time, is_zero, write},
};
use crate::{
    domain::{
        Account, ChangeNumber, Conversation, Counters, CustomMark, Group, GroupId, Owner, OwnerState, Record,
        Restoration, RestoredGroup, RestoredRecord, StandardMark, UnixSeconds,
    },
    wire::ProfileItem,
};

/// Appends the lines of one owner: the account, unless the organizer's line already implies it, and the organizer, if
/// the owner ever had one.
pub fn write_owner(owner: &Owner, state: &OwnerState, out: &mut Vec<u8>) {
    let OwnerState { account, organizer } = state;
    if let Some(account) = account
        && (**account != Account::default() || organizer.is_pristine())
    {
        write_account(owner, account, out);
    }
    if !organizer.is_pristine() {
        let line = OrganizerOut {
            account: account.is_none().then_some(false),
            groups: organizer.groups().iter().map(GroupOut::from).collect(),
            records: organizer.records().iter().map(|record| RecordOut::from(&**record)).collect(),
            ..OrganizerOut::new(owner, *organizer.counters())
        };
        write(&line, out);
    }
}

/// Appends the line of an account.
pub fn write_account(owner: &Owner, account: &Account, out: &mut Vec<u8>) {
    let Account { nick, face_url, profile } = account;
    let line = AccountLine {
        kind: "account",
        app: owner.app.number(),
        user: owner.user.as_str(),
        nick,
        face_url,
        profile: profile.fields().iter().map(|(tag, value)| ProfileItem(tag, value)).collect(),
    };
    write(&line, out);
}

/// Appends the line of an organizer that does not come from a store.
pub fn write_organizer(line: &OrganizerLine, out: &mut Vec<u8>) {
    let Restoration { counters, groups, records, makes_known } = &line.restoration;
    let line = OrganizerOut {
        account: (!makes_known).then_some(false),
        groups: groups.iter().map(GroupOut::from).collect(),
        records: records.iter().map(RecordOut::from).collect(),
        ..OrganizerOut::new(&line.owner, *counters)
    };
    write(&line, out);
}

impl<'a> From<&'a Group> for GroupOut<'a> {
    fn from(group: &'a Group) -> GroupOut<'a> {
        let Group { id, name, number } = group;
        GroupOut { name: name.as_str(), id: *id, number: Some(*number) }
    }
}

impl<'a> From<&'a RestoredGroup> for GroupOut<'a> {
    fn from(group: &'a RestoredGroup) -> GroupOut<'a> {
        let RestoredGroup { id, name, number } = group;
        GroupOut { name: name.as_str(), id: *id, number: *number }
    }
}

impl<'a> From<&'a Record> for RecordOut<'a> {
    fn from(record: &'a Record) -> RecordOut<'a> {
        // Only visible records are written, and their incarnation is always the current one of the chat group.
        let Record { conversation, mark, custom, groups, timestamp, number, incarnation: _ } = record;
        RecordOut::new(conversation, *mark, custom.as_ref(), groups, *timestamp, Some(*number))
    }
}

impl<'a> From<&'a RestoredRecord> for RecordOut<'a> {
    fn from(record: &'a RestoredRecord) -> RecordOut<'a> {
        let RestoredRecord { conversation, mark, custom, groups, timestamp, number } = record;
        RecordOut::new(conversation, *mark, custom.as_ref(), groups, *timestamp, *number)
    }
}

impl<'a> OrganizerOut<'a> {
    fn new(owner: &'a Owner, counters: Counters) -> OrganizerOut<'a> {
        let Counters { version, renumberings, renumbered_at, last_group, last_timestamp } = counters;
        OrganizerOut {
            kind: "organizer",
            app: owner.app.number(),
            user: owner.user.as_str(),
            account: None,
            version,
            last_group,
            last_timestamp,
            renumberings,
            renumbered_at,
            groups: Vec::new(),
            records: Vec::new(),
        }
    }
}

impl<'a> RecordOut<'a> {
    fn new(
        conversation: &'a Conversation,
        mark: StandardMark,
        custom: Option<&'a CustomMark>,
        groups: &'a [GroupId],
        timestamp: UnixSeconds,
        number: Option<ChangeNumber>,
    ) -> RecordOut<'a> {
        let (kind, user, group) = match conversation {
            Conversation::User(user) => (1, Some(user.as_str()), None),
            Conversation::ChatGroup(id) => (2, None, Some(id.as_str())),
        };
        let mut digits = Vec::new();
        mark.write_text(&mut digits);
        let mark = String::from_utf8(digits).expect("a mark is written in digits");
        RecordOut {
            kind,
            user,
            group,
            mark,
            custom: custom.map(CustomMark::as_str),
            groups,
            timestamp,
            number,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccountLine<'a> {
    kind: &'static str,
    #[serde(rename = "SdkAppId")]
    app: u32,
    #[serde(rename = "UserID")]
    user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    nick: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    face_url: &'a str,
    #[serde(rename = "ProfileItem", skip_serializing_if = "Vec::is_empty")]
    profile: Vec<ProfileItem<'a>>,
}

#[derive(Serialize)]
struct OrganizerOut<'a> {
    #[serde(rename = "Kind")]
    kind: &'static str,
    #[serde(rename = "SdkAppId")]
    app: u32,
    #[serde(rename = "From_Account")]
    user: &'a str,
    #[serde(rename = "Account", skip_serializing_if = "Option::is_none")]
    account: Option<bool>,
    #[serde(rename = "Version", skip_serializing_if = "is_zero")]
    version: u32,
    #[serde(rename = "LastGroupId", skip_serializing_if = "is_zero")]
    last_group: u32,
    #[serde(rename = "LastTimestamp", skip_serializing_if = "is_no_time")]
    last_timestamp: u64,
    #[serde(rename = "Renumberings", skip_serializing_if = "is_zero")]
    renumberings: u32,
    // An import keeps the change numbers, so a `StartIndex` from before the renumbering stays meaningful.
    #[serde(rename = "LastRenumbering", skip_serializing_if = "is_no_time")]
    renumbered_at: u64,
    #[serde(rename = "GroupItem")]
    groups: Vec<GroupOut<'a>>,
    #[serde(rename = "ContactItem")]
    records: Vec<RecordOut<'a>>,
}

#[derive(Serialize)]
struct GroupOut<'a> {
    #[serde(rename = "GroupName")]
    name: &'a str,
    #[serde(rename = "GroupId")]
    id: u32,
    #[serde(rename = "Number", skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
}

#[derive(Serialize)]
struct RecordOut<'a> {
    #[serde(rename = "Type")]
    kind: u8,
    #[serde(rename = "To_Account", skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(rename = "ToGroupId", skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(rename = "StandardMark", skip_serializing_if = "String::is_empty")]
    mark: String,
    #[serde(rename = "CustomMark", skip_serializing_if = "Option::is_none")]
    custom: Option<&'a str>,
    #[serde(rename = "ContactGroupId", skip_serializing_if = "<[u32]>::is_empty")]
    groups: &'a [u32],
    #[serde(rename = "Timestamp")]
    timestamp: u64,
    #[serde(rename = "Number", skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
