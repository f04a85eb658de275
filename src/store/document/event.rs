//! The stored form of events.

use std::sync::Arc;

use super::encoding::{Fault, Reader, Writer};
use crate::{
    domain::{Account, ChangeNumber, Delta, EventContent, SessionChanged, SessionMarks, UserId},
    store::Write,
};

/// The current format of events.
const FORMAT: u64 = 1;

// The kinds of contents.
const ERASED: u64 = 0;
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
const SESSION_CHANGED: u64 = 13;
// The same with profiles. An account without a profile keeps the older form.
const PROFILE_IMPORTED: u64 = 20;
const PROFILE_CHANGED: u64 = 21;

/// An event as it is stored, without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct StoredEvent {
    pub(in crate::store) header: EventHeader,
    pub(in crate::store) operator: Option<Arc<str>>,
    pub(in crate::store) request: Option<Arc<str>>,
    pub(in crate::store) content: EventContent,
    /// The size of the stored form, in bytes.
    pub(in crate::store) bytes: usize,
}

/// The beginning of a stored event, which is left when its content is erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct EventHeader {
    /// The owner.
    pub(in crate::store) user: UserId,
    /// The number of the owner's previous event; 0 if there is none.
    pub(in crate::store) previous: u64,
    /// The owner's version after the event.
    pub(in crate::store) version: ChangeNumber,
    /// The time in milliseconds.
    pub(in crate::store) at: u64,
    /// The number of bytes of all earlier events, including removed ones.
    pub(in crate::store) total: u64,
}

/// Encodes the event of a write with these deltas.
pub(in crate::store) fn encode_event(header: &EventHeader, write: &Write, deltas: &[Delta]) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(112 + 160 * deltas.len()));
    out.header(header);
    out.optional(write.context.identifier.as_deref());
    out.optional(write.context.request.as_deref());
    if write.edit.forgets_owner() {
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

/// Encodes an event whose content is erased.
pub(in crate::store) fn encode_erased(header: &EventHeader) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(64));
    out.header(header);
    out.optional(None);
    out.optional(None);
    out.number(ERASED);
    out.0
}

/// Decodes the header of an event.
///
/// # Errors
/// Returns a description of the damage.
pub(in crate::store) fn decode_header(bytes: &[u8]) -> Result<EventHeader, Fault> {
    Reader(bytes).header()
}

/// Decodes an event.
///
/// # Errors
/// Returns a description of the damage.
pub(in crate::store) fn decode_event(bytes: &[u8]) -> Result<StoredEvent, Fault> {
    let mut input = Reader(bytes);
    let header = input.header()?;
    let (operator, request) = (input.optional()?, input.optional()?);
    let content = match input.number()? {
        CHANGED => EventContent::Changed(input.list(Reader::delta)?),
        ACCOUNT_DELETED => EventContent::AccountDeleted,
        ERASED => EventContent::Erased,
        kind => return Err(format!("an event of an unknown kind ({kind})")),
    };
    input.end()?;
    Ok(StoredEvent { header, operator, request, content, bytes: bytes.len() })
}

impl Writer {
    fn header(&mut self, header: &EventHeader) {
        let EventHeader { user, previous, version, at, total } = header;
        self.number(FORMAT);
        self.text(user.as_str());
        self.number(*previous);
        self.number((*version).into());
        self.number(*at);
        self.number(*total);
    }

    /// Writes a text that is never empty if it exists.
    fn optional(&mut self, text: Option<&str>) {
        self.text(text.unwrap_or_default());
    }
}

impl Reader<'_> {
    fn header(&mut self) -> Result<EventHeader, Fault> {
        self.format(FORMAT)?;
        Ok(EventHeader {
            user: UserId::parse(self.text()?).map_err(|reason| reason.to_string())?,
            previous: self.number()?,
            version: self.small()?,
            at: self.number()?,
            total: self.number()?,
        })
    }

    fn optional(&mut self) -> Result<Option<Arc<str>>, Fault> {
        let text = self.text()?;
        Ok((!text.is_empty()).then(|| text.into()))
    }
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
            Delta::AccountImported { before, account } => self.account_imported(before.as_deref(), account),
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
            Delta::SessionChanged(change) => {
                self.number(SESSION_CHANGED);
                self.session(change);
            }
        }
    }

    fn session(&mut self, change: &SessionChanged) {
        let SessionChanged { number, conversation, incarnation, at, before, after } = change;
        // Only changes that have a number are recorded.
        self.number(number.unwrap_or(0).into());
        self.conversation(conversation);
        for number in [(*incarnation).into(), *at, before.pinned, before.deleted, after.pinned, after.deleted]
        {
            self.number(number);
        }
    }

    fn account_imported(&mut self, before: Option<&Account>, account: &Account) {
        let has_profile =
            before.into_iter().chain([account]).any(|account| !account.profile.fields().is_empty());
        self.number(match (before.is_some(), has_profile) {
            (false, false) => ACCOUNT_IMPORTED,
            (true, false) => ACCOUNT_CHANGED,
            (false, true) => PROFILE_IMPORTED,
            (true, true) => PROFILE_CHANGED,
        });
        for account in before.into_iter().chain([account]) {
            self.text(&account.nick);
            self.text(&account.face_url);
            if has_profile {
                self.profile(&account.profile);
            }
        }
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
            kind @ (ACCOUNT_IMPORTED | PROFILE_IMPORTED) => {
                Delta::AccountImported { before: None, account: self.account(kind == PROFILE_IMPORTED)? }
            }
            kind @ (ACCOUNT_CHANGED | PROFILE_CHANGED) => {
                let has_profile = kind == PROFILE_CHANGED;
                Delta::AccountImported {
                    before: Some(self.account(has_profile)?),
                    account: self.account(has_profile)?,
                }
            }
            RENUMBERED => Delta::Renumbered { at: self.number()? },
            ACCOUNT_GONE => Delta::AccountDeleted(Arc::default()),
            COUNTERS_SET => Delta::CountersSet(self.counters(true)?),
            SESSION_CHANGED => Delta::SessionChanged(Box::new(self.session()?)),
            kind => return Err(format!("a change of an unknown kind ({kind})")),
        })
    }

    fn session(&mut self) -> Result<SessionChanged, Fault> {
        Ok(SessionChanged {
            number: Some(self.small()?),
            conversation: self.conversation()?,
            incarnation: self.small()?,
            at: self.number()?,
            before: SessionMarks { pinned: self.number()?, deleted: self.number()? },
            after: SessionMarks { pinned: self.number()?, deleted: self.number()? },
        })
    }

    fn account(&mut self, has_profile: bool) -> Result<Arc<Account>, Fault> {
        let (nick, face_url) = (self.text()?.to_owned(), self.text()?.to_owned());
        let mut account = Account { nick, face_url, ..Account::default() };
        if has_profile {
            self.profile(&mut account)?;
        }
        Ok(Arc::new(account))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        domain::{
            AppId, ChatGroupId, Conversation, Counters, CustomMark, Edit, Group, GroupName, Limits, Owner,
            ProfileTag, ProfileValue, Record, StandardMark, Terms,
        },
        store::CallContext,
    };

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
        let account = |nick: &str| Account {
            nick: nick.to_owned(),
            face_url: "https://f".to_owned(),
            ..Account::default()
        };
        let with_profile = |nick: &str| {
            let mut account = account(nick);
            account.set(ProfileTag::Level, Some(ProfileValue::Number(70_000)));
            account.set(ProfileTag::Custom("Test".into()), Some(ProfileValue::Text("ж".into())));
            Arc::new(account)
        };
        let account = |nick: &str| Arc::new(account(nick));
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
            Delta::AccountImported { before: None, account: with_profile("new") },
            Delta::AccountImported { before: Some(account("old")), account: with_profile("new") },
            Delta::AccountImported { before: Some(with_profile("old")), account: account("new") },
            Delta::Renumbered { at: 1_700_000_000 },
            Delta::CountersSet(counters),
            Delta::AccountDeleted(Arc::default()),
            Delta::SessionChanged(Box::new(SessionChanged {
                number: Some(91_000),
                conversation: record(5).conversation.clone(),
                incarnation: 300,
                at: 1_700_000_003,
                before: SessionMarks { pinned: 1_700_000_001, deleted: 5 },
                after: SessionMarks { pinned: 0, deleted: 1_700_000_003 },
            })),
        ]
    }

    fn header() -> EventHeader {
        let user = UserId::parse("ann").unwrap();
        EventHeader { user, previous: 300, version: 70_000, at: 1_800_000_000_123, total: 1 << 40 }
    }

    fn write(edit: Edit, request: Option<&str>) -> Write {
        let owner = Owner { app: AppId::new(1).unwrap(), user: UserId::parse("ann").unwrap() };
        let context = CallContext { identifier: Some("boss".into()), request: request.map(Into::into) };
        Write { context, ..Write::new(owner, edit, Terms::of_tools(Limits::OPEN, 1)) }
    }

    fn ordinary() -> Write {
        write(Edit::ImportAccount { nick: None, face_url: None }, Some("request"))
    }

    #[test]
    fn every_kind_of_delta_is_read_back() {
        let (one_by_one, together) = (deltas().into_iter().map(|delta| vec![delta]), deltas());
        for deltas in one_by_one.chain([together]) {
            let bytes = encode_event(&header(), &ordinary(), &deltas);
            let expected = StoredEvent {
                header: header(),
                operator: Some("boss".into()),
                request: Some("request".into()),
                content: EventContent::Changed(deltas),
                bytes: bytes.len(),
            };
            assert_eq!(decode_event(&bytes), Ok(expected));
            assert_eq!(decode_header(&bytes), Ok(header()));
        }
    }

    #[test]
    fn nothing_of_a_forgotten_owner_is_recorded() {
        let write = write(Edit::DeleteAccount, None);
        let event = decode_event(&encode_event(&header(), &write, &deltas())).unwrap();
        assert_eq!((event.content, event.request), (EventContent::AccountDeleted, None));
        assert_eq!(EventContent::of(&Edit::DeleteAccount, &deltas()), EventContent::AccountDeleted);
        let erased = encode_erased(&header());
        let expected = StoredEvent {
            header: header(),
            operator: None,
            request: None,
            content: EventContent::Erased,
            bytes: erased.len(),
        };
        assert_eq!(decode_event(&erased), Ok(expected));
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_an_error_or_another_value_but_never_a_panic(
            at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
        ) {
            let mut bytes = encode_event(&header(), &ordinary(), &deltas());
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let _ = decode_event(&bytes);
        }
    }
}
