//! The stored form of what an event changed.

use std::sync::Arc;

use super::encoding::{Fault, Reader, Writer};
use crate::domain::{Account, Delta, Edit, EventContent};

/// The current format of contents.
const FORMAT: u64 = 1;

// What follows the format.
const CHANGED: u64 = 1;
const ACCOUNT_DELETED: u64 = 2;

// The kinds of deltas.
const GROUP_CREATED: u64 = 1;
const GROUP_RENAMED: u64 = 2;
const GROUP_DELETED: u64 = 3;
const RECORD_CREATED: u64 = 4;
const RECORD_CHANGED: u64 = 5;
const RECORD_GONE: u64 = 6;
const RECORD_BURIED: u64 = 7;
const ACCOUNT_IMPORTED: u64 = 8;
const ACCOUNT_CHANGED: u64 = 9;
const RENUMBERED: u64 = 10;
const COUNTERS_SET: u64 = 11;
const ACCOUNT_GONE: u64 = 12;

/// Encodes the content under which an edit with these deltas is recorded, see [`EventContent::of`]. The encoding of an
/// erased content is empty.
pub(in crate::store) fn encode_content(edit: &Edit, deltas: &[Delta]) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(16 + 160 * deltas.len()));
    out.number(FORMAT);
    if edit.forgets_owner() {
        out.number(ACCOUNT_DELETED);
        return out.0;
    }
    out.number(CHANGED);
    out.count(deltas.len());
    for delta in deltas {
        out.delta(delta);
    }
    out.0
}

/// Decodes the content of an event.
///
/// # Errors
/// Returns a description of the damage.
pub(in crate::store) fn decode_content(bytes: &[u8]) -> Result<EventContent, Fault> {
    if bytes.is_empty() {
        return Ok(EventContent::Erased);
    }
    let mut input = Reader(bytes);
    input.format(FORMAT)?;
    let content = match input.number()? {
        CHANGED => EventContent::Changed(input.list(Reader::delta)?),
        ACCOUNT_DELETED => EventContent::AccountDeleted,
        kind => return Err(format!("an event of an unknown kind ({kind})")),
    };
    input.end()?;
    Ok(content)
}

impl Writer {
    fn delta(&mut self, delta: &Delta) {
        match delta {
            Delta::GroupCreated(group) => {
                self.number(GROUP_CREATED);
                self.group(group);
            }
            Delta::GroupRenamed { before, group } => {
                self.number(GROUP_RENAMED);
                self.text(before.as_str());
                self.group(group);
            }
            Delta::GroupDeleted { number, group } => {
                self.number(GROUP_DELETED);
                self.number((*number).into());
                self.group(group);
            }
            Delta::RecordChanged { before: None, record } => {
                self.number(RECORD_CREATED);
                self.record(record);
            }
            Delta::RecordChanged { before: Some(before), record } => {
                self.number(RECORD_CHANGED);
                self.record(before);
                self.record(record);
            }
            Delta::RecordGone { number, record } => {
                self.number(RECORD_GONE);
                self.number((*number).into());
                self.record(record);
            }
            Delta::RecordBuried { number, record } => {
                self.number(RECORD_BURIED);
                self.number((*number).into());
                self.record(record);
            }
            Delta::AccountImported { before: None, account } => {
                self.number(ACCOUNT_IMPORTED);
                self.account(account);
            }
            Delta::AccountImported { before: Some(before), account } => {
                self.number(ACCOUNT_CHANGED);
                self.account(before);
                self.account(account);
            }
            // Only an edit that forgets the owner has this delta, and its deltas are not recorded.
            Delta::AccountDeleted(_) => self.number(ACCOUNT_GONE),
            Delta::Renumbered { at } => {
                self.number(RENUMBERED);
                self.number(*at);
            }
            Delta::CountersSet(counters) => {
                self.number(COUNTERS_SET);
                self.counters(counters);
            }
        }
    }

    fn account(&mut self, account: &Account) {
        self.text(&account.nick);
        self.text(&account.face_url);
    }
}

impl Reader<'_> {
    fn delta(&mut self) -> Result<Delta, Fault> {
        Ok(match self.number()? {
            GROUP_CREATED => Delta::GroupCreated(self.group()?),
            GROUP_RENAMED => Delta::GroupRenamed { before: self.group_name()?, group: self.group()? },
            GROUP_DELETED => Delta::GroupDeleted { number: self.small()?, group: self.group()? },
            RECORD_CREATED => Delta::RecordChanged { before: None, record: self.record()? },
            RECORD_CHANGED => Delta::RecordChanged { before: Some(self.record()?), record: self.record()? },
            RECORD_GONE => Delta::RecordGone { number: self.small()?, record: self.record()? },
            RECORD_BURIED => Delta::RecordBuried { number: self.small()?, record: self.record()? },
            ACCOUNT_IMPORTED => Delta::AccountImported { before: None, account: self.account()? },
            ACCOUNT_CHANGED => {
                Delta::AccountImported { before: Some(self.account()?), account: self.account()? }
            }
            RENUMBERED => Delta::Renumbered { at: self.number()? },
            ACCOUNT_GONE => Delta::AccountDeleted(Arc::default()),
            COUNTERS_SET => Delta::CountersSet(self.counters(true)?),
            kind => return Err(format!("a change of an unknown kind ({kind})")),
        })
    }

    fn account(&mut self) -> Result<Arc<Account>, Fault> {
        let (nick, face_url) = (self.text()?.to_owned(), self.text()?.to_owned());
        Ok(Arc::new(Account { nick, face_url }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        ChatGroupId, Conversation, Counters, CustomMark, Group, GroupName, Record, StandardMark, UserId,
    };

    /// Any edit but a deletion of the account.
    const EDIT: Edit = Edit::ImportAccount { nick: None, face_url: None };

    fn record(number: u32) -> Arc<Record> {
        let conversation = match number % 2 {
            0 => Conversation::User(UserId::parse(&format!("user{number}")).unwrap()),
            _ => Conversation::ChatGroup(ChatGroupId::parse(&format!("@TGS#{number}")).unwrap()),
        };
        Arc::new(Record {
            incarnation: number % 2 * 300,
            conversation,
            groups: vec![1, number],
            mark: StandardMark::from_bits(u64::MAX >> (number % 64)),
            custom: CustomMark::parse(if number.is_multiple_of(3) { "" } else { "custom ж" }).unwrap(),
            number,
            timestamp: 1_700_000_000,
        })
    }

    /// One delta of each kind that is recorded.
    fn deltas() -> Vec<Delta> {
        let group =
            |id| Group { id, name: GroupName::parse(&format!("группа {id}")).unwrap(), number: id + 7 };
        let account =
            |nick: &str| Arc::new(Account { nick: nick.to_owned(), face_url: "https://f".to_owned() });
        let counters = Counters {
            version: 70_000,
            renumberings: 1,
            renumbered_at: 1_700_000_001,
            last_group: 300,
            last_timestamp: 1_700_000_002,
        };
        vec![
            Delta::GroupCreated(group(1)),
            Delta::GroupRenamed { before: GroupName::parse("before").unwrap(), group: group(2) },
            Delta::GroupDeleted { number: 90_000, group: group(3) },
            Delta::RecordChanged { before: None, record: record(4) },
            Delta::RecordChanged { before: Some(record(5)), record: record(6) },
            Delta::RecordGone { number: 7, record: record(8) },
            Delta::RecordBuried { number: 9, record: record(11) },
            Delta::AccountImported { before: None, account: account("new") },
            Delta::AccountImported { before: Some(account("old")), account: account("new") },
            Delta::Renumbered { at: 1_700_000_000 },
            Delta::CountersSet(counters),
            Delta::AccountDeleted(Arc::default()),
        ]
    }

    #[test]
    fn every_kind_of_delta_is_read_back() {
        for delta in deltas() {
            let alone = [delta];
            assert_eq!(
                decode_content(&encode_content(&EDIT, &alone)),
                Ok(EventContent::Changed(alone.to_vec()))
            );
        }
        assert_eq!(decode_content(&encode_content(&EDIT, &deltas())), Ok(EventContent::Changed(deltas())));
        assert_eq!(decode_content(&[]), Ok(EventContent::Erased));
    }

    #[test]
    fn nothing_of_a_deleted_account_is_recorded() {
        assert_eq!(encode_content(&Edit::DeleteAccount, &deltas()), [1, 2]);
        assert_eq!(decode_content(&[1, 2]), Ok(EventContent::AccountDeleted));
        assert_eq!(EventContent::of(&Edit::DeleteAccount, &deltas()), EventContent::AccountDeleted);
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_an_error_or_another_value_but_never_a_panic(
            at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
        ) {
            let mut bytes = encode_content(&EDIT, &deltas());
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let _ = decode_content(&bytes);
        }
    }
}
