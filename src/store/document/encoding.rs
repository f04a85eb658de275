//! The binary encoding of stored documents. Numbers are LEB128, and texts are preceded by their length.
//!
//! Every document begins with its format version. Older formats can be read, and are converted to the current one
//! when the document is next written. Newer formats are refused.

use std::sync::Arc;

use crate::domain::{
    ChatGroupId, Conversation, Counters, CustomMark, Group, GroupName, Member, Record, StandardMark, UserId,
};

/// The current format of heads. Format 1 lacks the time of the last renumbering.
const HEAD: u64 = 2;
/// The current format of chunks and of lists of members.
const FORMAT: u64 = 1;

/// An entry in the head's list of chunks, which is in the order of their records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: u32,
    pub(super) living: u16,
}

/// The content of chunk 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) counters: Counters,
    pub(super) groups: Vec<Group>,
    pub(super) chunks: Vec<Listed>,
    pub(super) tail: Vec<Arc<Record>>,
}

/// The reason why a document cannot be decoded.
pub(super) type Fault = String;

pub(super) fn encode_head(head: &Head) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(
        64 + 40 * head.groups.len() + 5 * head.chunks.len() + 96 * head.tail.len(),
    ));
    out.number(HEAD);
    out.counters(&head.counters);
    out.count(head.groups.len());
    for group in &head.groups {
        out.group(group);
    }
    out.count(head.chunks.len());
    for chunk in &head.chunks {
        out.number(chunk.id.into());
        out.number(chunk.living.into());
    }
    out.records(&head.tail);
    out.0
}

pub(super) fn decode_head(bytes: &[u8]) -> Result<Head, Fault> {
    let mut input = Reader(bytes);
    let format = input.format(HEAD)?;
    // Format 1 does not contain the time of the last renumbering.
    let counters = input.counters(format > 1)?;
    let groups = input.list(Reader::group)?;
    let chunks = input.list(|input| {
        let id = input.small()?;
        let living = input.number()?.try_into().map_err(|_| "a bitmap of more than 16 slots")?;
        Ok(Listed { id, living })
    })?;
    let tail = input.list(Reader::record)?;
    input.end()?;
    Ok(Head { counters, groups, chunks, tail })
}

pub(super) fn encode_chunk(records: &[Arc<Record>]) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(16 + 96 * records.len()));
    out.number(FORMAT);
    out.records(records);
    out.0
}

pub(super) fn decode_chunk(bytes: &[u8]) -> Result<Vec<Arc<Record>>, Fault> {
    let mut input = Reader(bytes);
    input.format(FORMAT)?;
    let records = input.list(Reader::record)?;
    input.end()?;
    Ok(records)
}

/// Reads the members of a chat group from format 2 of the database, which had them in one column of the chat group's
/// row.
pub(in crate::store) fn decode_members(bytes: &[u8]) -> Result<Vec<Member>, Fault> {
    let mut input = Reader(bytes);
    input.format(FORMAT)?;
    let members = input.list(|input| {
        let user = UserId::parse(input.text()?).map_err(|reason| reason.to_string())?;
        Ok(Member::new(user, input.number()? == 1, input.number()?))
    })?;
    input.end()?;
    Ok(members)
}

// The flags in the first number of a record.
const IN_CHAT_GROUP: u64 = 1;
const MARKED: u64 = 2;
const CUSTOM: u64 = 4;

pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    pub(super) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn counters(&mut self, counters: &Counters) {
        let Counters { version, renumberings, renumbered_at, last_group, last_timestamp } = *counters;
        self.number(version.into());
        self.number(renumberings.into());
        self.number(last_group.into());
        self.number(last_timestamp);
        self.number(renumbered_at);
    }

    pub(super) fn group(&mut self, group: &Group) {
        self.number(group.id.into());
        self.number(group.number.into());
        self.text(group.name.as_str());
    }

    fn records(&mut self, records: &[Arc<Record>]) {
        self.count(records.len());
        for record in records {
            self.record(record);
        }
    }

    pub(super) fn record(&mut self, record: &Record) {
        let group = record.conversation.chat_group();
        self.number(
            if group.is_some() { IN_CHAT_GROUP } else { 0 }
                | if record.mark.is_none() { 0 } else { MARKED }
                | if record.custom.is_some() { CUSTOM } else { 0 },
        );
        match &record.conversation {
            Conversation::User(user) => self.text(user.as_str()),
            Conversation::ChatGroup(group) => {
                self.text(group.as_str());
                self.number(record.incarnation.into());
            }
        }
        self.number(record.number.into());
        self.number(record.timestamp);
        self.count(record.groups.len());
        for group in &record.groups {
            self.number((*group).into());
        }
        if !record.mark.is_none() {
            self.number(record.mark.bits());
        }
        if let Some(custom) = &record.custom {
            self.text(custom.as_str());
        }
    }
}

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// Reads the format of a document, which has to be within 1 to `newest`.
    pub(super) fn format(&mut self, newest: u64) -> Result<u64, Fault> {
        let format = self.number()?;
        match (1..=newest).contains(&format) {
            true => Ok(format),
            false => Err(format!("format {format} is not known to this version, which reads up to {newest}")),
        }
    }

    pub(super) fn number(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("it ends early")?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number above 2^64".to_owned())
    }

    pub(super) fn small(&mut self) -> Result<u32, Fault> {
        u32::try_from(self.number()?).map_err(|_| "a number above 2^32".to_owned())
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        let length = usize::try_from(self.number()?).map_err(|_| "a string that is too long")?;
        let (text, rest) = self.0.split_at_checked(length).ok_or("it ends early")?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| "a string that is not UTF-8".to_owned())
    }

    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let count = self.number()?;
        // Every item has at least one byte. This check prevents a damaged count from reserving too much memory.
        if count > self.0.len() as u64 {
            return Err("it ends early".to_owned());
        }
        (0..count).map(|_| item(self)).collect()
    }

    pub(super) fn counters(&mut self, has_renumbering: bool) -> Result<Counters, Fault> {
        Ok(Counters {
            version: self.small()?,
            renumberings: self.small()?,
            last_group: self.small()?,
            last_timestamp: self.number()?,
            // 0 means that there was no renumbering.
            renumbered_at: if has_renumbering { self.number()? } else { 0 },
        })
    }

    pub(super) fn group(&mut self) -> Result<Group, Fault> {
        let (id, number) = (self.small()?, self.small()?);
        Ok(Group { id, name: self.group_name()?, number })
    }

    pub(super) fn group_name(&mut self) -> Result<GroupName, Fault> {
        GroupName::parse(self.text()?).map_err(|reason| reason.to_string())
    }

    pub(super) fn record(&mut self) -> Result<Arc<Record>, Fault> {
        let flags = self.number()?;
        if flags & !(IN_CHAT_GROUP | MARKED | CUSTOM) != 0 {
            return Err(format!("a record with unknown flags ({flags})"));
        }
        let refused = |reason: crate::domain::Rejection| reason.to_string();
        let peer = self.text()?;
        let (conversation, incarnation) = if flags & IN_CHAT_GROUP == 0 {
            (Conversation::User(UserId::parse(peer).map_err(refused)?), 0)
        } else {
            (Conversation::ChatGroup(ChatGroupId::parse(peer).map_err(refused)?), self.small()?)
        };
        let number = self.small()?;
        let timestamp = self.number()?;
        let groups = self.list(Self::small)?;
        let mark = StandardMark::from_bits(if flags & MARKED == 0 { 0 } else { self.number()? });
        let custom = match flags & CUSTOM {
            0 => None,
            _ => CustomMark::parse(self.text()?).map_err(refused)?,
        };
        Ok(Arc::new(Record { conversation, incarnation, groups, mark, custom, number, timestamp }))
    }

    pub(super) fn end(&self) -> Result<(), Fault> {
        match self.0.len() {
            0 => Ok(()),
            more => Err(format!("{more} bytes too many")),
        }
    }
}
