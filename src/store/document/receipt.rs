//! The stored form of receipts. Format 1 has the results of items, and format 2 the outcome of an undo.

use super::encoding::{Fault, Reader, Writer};
use crate::domain::{ChatGroupId, Conversation, Field, Receipt, StandardMark, UserId};

const ITEMS: u64 = 1;
const UNDONE: u64 = 2;

// The kinds of fields that an undo left as they were.
const GROUP: u64 = 0;
const GROUP_NAME: u64 = 1;
const MEMBERSHIP: u64 = 2;
const STANDARD: u64 = 3;
const CUSTOM: u64 = 4;
const ACCOUNT: u64 = 5;

// The kinds of conversations.
const USER: u64 = 0;
const CHAT_GROUP: u64 = 1;

/// Encodes a receipt.
pub(in crate::store) fn encode_receipt(receipt: &Receipt) -> Vec<u8> {
    match receipt {
        Receipt::Items { group, items } => {
            let mut out = Writer(Vec::with_capacity(8 + items.len()));
            out.number(ITEMS);
            // 0 stands for no group, because group ids begin with 1.
            out.number(group.unwrap_or(0).into());
            out.count(items.len());
            for item in items {
                out.number(*item);
            }
            out.0
        }
        Receipt::Undone { event, events, kept, names } => {
            let mut out = Writer(Vec::with_capacity(40 + 48 * kept.len()));
            out.number(UNDONE);
            // No id of an event is empty.
            out.text(event.as_deref().unwrap_or_default());
            out.count(*events);
            out.count(kept.len());
            for (field, reason) in kept {
                out.field(field);
                out.number(*reason);
            }
            out.count(names.len());
            for (id, name) in names {
                out.number((*id).into());
                out.text(name.as_str());
            }
            out.0
        }
    }
}

/// Decodes a receipt.
///
/// # Errors
/// Returns a description of the damage.
pub(in crate::store) fn decode_receipt(bytes: &[u8]) -> Result<Receipt, Fault> {
    let mut input = Reader(bytes);
    let receipt = match input.format(UNDONE)? {
        ITEMS => {
            let group = Some(input.small()?).filter(|group| *group != 0);
            Receipt::Items { group, items: input.list(Reader::number)? }
        }
        _ => Receipt::Undone {
            event: Some(input.text()?.to_owned()).filter(|event| !event.is_empty()),
            events: usize::try_from(input.number()?).map_err(|_| "too many events")?,
            kept: input.list(|input| Ok((input.field()?, input.number()?)))?,
            names: input.list(|input| Ok((input.small()?, input.group_name()?)))?.into_iter().collect(),
        },
    };
    input.end()?;
    Ok(receipt)
}

impl Writer {
    fn field(&mut self, field: &Field) {
        match field {
            Field::Group { id, name } => {
                self.number(GROUP);
                self.number((*id).into());
                self.text(name.as_str());
            }
            Field::GroupName { id, name } => {
                self.number(GROUP_NAME);
                self.number((*id).into());
                self.text(name.as_str());
            }
            Field::Membership { conversation, group } => {
                self.number(MEMBERSHIP);
                self.conversation(conversation);
                self.number((*group).into());
            }
            Field::Standard { conversation, bits } => {
                self.number(STANDARD);
                self.conversation(conversation);
                self.number(bits.bits());
            }
            Field::Custom { conversation } => {
                self.number(CUSTOM);
                self.conversation(conversation);
            }
            Field::Account => self.number(ACCOUNT),
        }
    }

    pub(super) fn conversation(&mut self, conversation: &Conversation) {
        let (kind, id) = match conversation {
            Conversation::User(user) => (USER, user.as_str()),
            Conversation::ChatGroup(id) => (CHAT_GROUP, id.as_str()),
        };
        self.number(kind);
        self.text(id);
    }
}

impl Reader<'_> {
    fn field(&mut self) -> Result<Field, Fault> {
        Ok(match self.number()? {
            GROUP => Field::Group { id: self.small()?, name: self.group_name()? },
            GROUP_NAME => Field::GroupName { id: self.small()?, name: self.group_name()? },
            MEMBERSHIP => Field::Membership { conversation: self.conversation()?, group: self.small()? },
            STANDARD => Field::Standard {
                conversation: self.conversation()?,
                bits: StandardMark::from_bits(self.number()?),
            },
            CUSTOM => Field::Custom { conversation: self.conversation()? },
            ACCOUNT => Field::Account,
            kind => return Err(format!("a field of an unknown kind ({kind})")),
        })
    }

    pub(super) fn conversation(&mut self) -> Result<Conversation, Fault> {
        let (kind, id) = (self.number()?, self.text()?);
        match kind {
            USER => UserId::parse(id).map(Conversation::User),
            CHAT_GROUP => ChatGroupId::parse(id).map(Conversation::ChatGroup),
            kind => return Err(format!("a conversation of an unknown kind ({kind})")),
        }
        .map_err(|reason| reason.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GroupName;

    #[test]
    fn a_receipt_is_read_back() {
        for group in [None, Some(1), Some(u32::MAX)] {
            for items in [vec![], vec![0, 1, u64::MAX]] {
                let receipt = Receipt::Items { group, items };
                assert_eq!(decode_receipt(&encode_receipt(&receipt)), Ok(receipt));
            }
        }
        assert!(decode_receipt(&[1, 0, 2, 0]).is_err());
        let conversation = || Conversation::User(UserId::parse("ann").unwrap());
        let chat_group = Conversation::ChatGroup(ChatGroupId::parse("@TGS#1").unwrap());
        let name = || GroupName::parse("work").unwrap();
        let kept = vec![
            (Field::Group { id: 1, name: name() }, 0),
            (Field::GroupName { id: u32::MAX, name: name() }, 4),
            (Field::Membership { conversation: chat_group, group: 3 }, 2),
            (Field::Standard { conversation: conversation(), bits: StandardMark::from_bits(1 << 63) }, 11),
            (Field::Custom { conversation: conversation() }, 1_000 << 4),
            (Field::Account, 3),
        ];
        for event in [None, Some("a1b2".to_owned())] {
            for kept in [vec![], kept.clone()] {
                let receipt =
                    Receipt::Undone { event: event.clone(), events: 7, kept, names: [(3, name())].into() };
                assert_eq!(decode_receipt(&encode_receipt(&receipt)), Ok(receipt));
            }
        }
        for damaged in [&[3, 0][..], &[2, 0, 1, 1, 9, 0, 0], &[2, 0, 1, 1, 4, 2, 1, 65, 0, 0]] {
            assert!(decode_receipt(damaged).is_err(), "{damaged:?}");
        }
    }
}
