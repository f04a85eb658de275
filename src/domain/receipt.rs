//! What is kept of an outcome, so that a caller who repeats the call gets the same answer.

use std::collections::BTreeMap;

use super::{
    Conversation, Edit, Field, GroupId, GroupName, Grouped, Kept, KeptReason, MemberChange, Outcome,
    Rejection, Undone,
};

/// The outcome of an edit, without what follows from the edit itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The outcome of an edit whose items have results.
    Items {
        /// The id of the conversation group, for an edit of a group.
        group: Option<GroupId>,
        /// A number for the result of each item, in order.
        items: Vec<u64>,
    },
    /// The outcome of an undo. All of it is kept, because the edit of a repetition is made from later events and may
    /// differ.
    Undone {
        /// The id of the event of the undo itself.
        event: Option<String>,
        /// The number of calls that were to be reverted.
        events: usize,
        /// The fields that stayed, each with a number for the reason.
        kept: Vec<(Field, u64)>,
        /// The names of groups, see [`Undone::names`].
        names: BTreeMap<GroupId, GroupName>,
    },
}

// The results of items. The limit follows in the higher bits of the last two.
const DONE: u64 = 0;
/// The item could not be parsed, which is a part of the edit.
const AS_ASKED: u64 = 1;
const UNKNOWN: u64 = 2;
const DISBANDED: u64 = 3;
const NOT_MEMBER: u64 = 4;
const UNREADABLE: u64 = 5;
const GROUPED: u64 = 6;
const MARKED: u64 = 7;
const KIND_BITS: u32 = 3;

// The reasons of fields that stay. The limit follows in the higher bits of the last three.
const CHANGED_LATER: u64 = 0;
const USED_LATER: u64 = 1;
const NO_GROUP: u64 = 2;
const NOT_UNDONE: u64 = 3;
const NAME_TAKEN: u64 = 4;
const PEER_UNKNOWN: u64 = 5;
const CHAT_GROUP_DISBANDED: u64 = 6;
const OWNER_NOT_MEMBER: u64 = 7;
const PEER_UNREADABLE: u64 = 8;
const GROUPS_FULL: u64 = 9;
const GROUPED_FULL: u64 = 10;
const MARKED_FULL: u64 = 11;
const REASON_BITS: u32 = 4;

impl Receipt {
    /// Returns the receipt of an outcome, or `None` for a kind of edit that has none.
    #[must_use]
    pub fn of(edit: &Edit, outcome: &Outcome) -> Option<Receipt> {
        let (group, results) = match outcome {
            Outcome::Grouped(Grouped { id, items }) => (Some(*id), items),
            Outcome::Marked(items) => (None, items),
            Outcome::Undone(undone) => return Receipt::of_undo(undone),
            Outcome::Account { .. } | Outcome::Restored { .. } | Outcome::Sessions { .. } => return None,
        };
        let number = |(index, result): (usize, &Result<(), Rejection>)| match result {
            Ok(()) => Some(DONE),
            Err(rejection) if Asked::of(edit, index)?.error() == Some(rejection) => Some(AS_ASKED),
            Err(rejection) => Some(match rejection {
                Rejection::UnknownPeer(_) | Rejection::UnknownChatGroup(_) => UNKNOWN,
                Rejection::DisbandedChatGroup(_) => DISBANDED,
                Rejection::NotMember(_) => NOT_MEMBER,
                Rejection::UnreadablePeer(_) => UNREADABLE,
                Rejection::TooManyGrouped { limit } => GROUPED | (*limit as u64) << KIND_BITS,
                Rejection::TooManyMarked { limit } => MARKED | (*limit as u64) << KIND_BITS,
                _ => return None,
            }),
        };
        let items = results.iter().enumerate().map(number).collect::<Option<_>>()?;
        Some(Receipt::Items { group, items })
    }

    fn of_undo(undone: &Undone) -> Option<Receipt> {
        let Undone { event, events, kept, names } = undone.clone();
        let numbered = |Kept { field, reason }| {
            let number = number_of(&reason)?;
            Some((field, number))
        };
        let kept = kept.into_iter().map(numbered).collect::<Option<_>>()?;
        Some(Receipt::Undone { event, events, kept, names })
    }

    /// Returns the outcome of which this is the receipt, or `None` if it is that of another edit.
    #[must_use]
    pub fn outcome(&self, edit: &Edit) -> Option<Outcome> {
        let (group, items) = match (self, edit) {
            (Receipt::Items { group, items }, _) => (group, items),
            (Receipt::Undone { event, events, kept, names }, Edit::Undo(_)) => {
                let kept = kept.iter().map(|(field, number)| {
                    Some(Kept { field: field.clone(), reason: reason_of(*number, field)? })
                });
                let (event, names) = (event.clone(), names.clone());
                return Some(Outcome::Undone(Undone {
                    event,
                    events: *events,
                    kept: kept.collect::<Option<_>>()?,
                    names,
                }));
            }
            (Receipt::Undone { .. }, _) => return None,
        };
        let result = |(index, number): (usize, &u64)| {
            let asked = Asked::of(edit, index)?;
            let limit = usize::try_from(number >> KIND_BITS).ok()?;
            let conversation = || asked.conversation();
            Some(match number & ((1 << KIND_BITS) - 1) {
                DONE => Ok(()),
                AS_ASKED => Err(asked.error()?.clone()),
                UNKNOWN => Err(match conversation()? {
                    Conversation::User(user) => Rejection::UnknownPeer(user.clone()),
                    Conversation::ChatGroup(id) => Rejection::UnknownChatGroup(id.clone()),
                }),
                DISBANDED => Err(Rejection::DisbandedChatGroup(conversation()?.chat_group()?.clone())),
                NOT_MEMBER => Err(Rejection::NotMember(conversation()?.chat_group()?.clone())),
                UNREADABLE => Err(Rejection::UnreadablePeer(conversation()?.clone())),
                GROUPED => Err(Rejection::TooManyGrouped { limit }),
                MARKED => Err(Rejection::TooManyMarked { limit }),
                _ => return None,
            })
        };
        let items: Vec<_> = items.iter().enumerate().map(result).collect::<Option<_>>()?;
        let is_whole = Asked::of(edit, items.len()).is_none();
        match (*group, edit) {
            (None, Edit::Mark { .. }) if is_whole => Some(Outcome::Marked(items)),
            (None, _) | (Some(_), Edit::Mark { .. }) => None,
            (Some(id), _) => is_whole.then_some(Outcome::Grouped(Grouped { id, items })),
        }
    }
}

/// Returns the number for the reason of a field that stays, or `None` for one that an undo never gives.
fn number_of(reason: &KeptReason) -> Option<u64> {
    Some(match reason {
        KeptReason::ChangedLater => CHANGED_LATER,
        KeptReason::UsedLater => USED_LATER,
        KeptReason::NoGroup => NO_GROUP,
        KeptReason::NotUndone => NOT_UNDONE,
        KeptReason::Refused(rejection) => match rejection {
            Rejection::NameTaken(_) => NAME_TAKEN,
            Rejection::UnknownPeer(_) | Rejection::UnknownChatGroup(_) => PEER_UNKNOWN,
            Rejection::DisbandedChatGroup(_) => CHAT_GROUP_DISBANDED,
            Rejection::NotMember(_) => OWNER_NOT_MEMBER,
            Rejection::UnreadablePeer(_) => PEER_UNREADABLE,
            Rejection::TooManyGroups { limit } => GROUPS_FULL | (*limit as u64) << REASON_BITS,
            Rejection::TooManyGrouped { limit } => GROUPED_FULL | (*limit as u64) << REASON_BITS,
            Rejection::TooManyMarked { limit } => MARKED_FULL | (*limit as u64) << REASON_BITS,
            _ => return None,
        },
    })
}

/// Returns the reason for this number, or `None` if it is not one for this field.
fn reason_of(number: u64, field: &Field) -> Option<KeptReason> {
    let limit = usize::try_from(number >> REASON_BITS).ok()?;
    let conversation = match field {
        Field::Membership { conversation, .. }
        | Field::Standard { conversation, .. }
        | Field::Custom { conversation } => Some(conversation),
        Field::Group { .. } | Field::GroupName { .. } | Field::Account => None,
    };
    let chat_group = || conversation?.chat_group().cloned();
    Some(KeptReason::Refused(match number & ((1 << REASON_BITS) - 1) {
        CHANGED_LATER => return Some(KeptReason::ChangedLater),
        USED_LATER => return Some(KeptReason::UsedLater),
        NO_GROUP => return Some(KeptReason::NoGroup),
        NOT_UNDONE => return Some(KeptReason::NotUndone),
        NAME_TAKEN => match field {
            Field::Group { name, .. } | Field::GroupName { name, .. } => {
                Rejection::NameTaken(name.as_str().to_owned())
            }
            _ => return None,
        },
        PEER_UNKNOWN => match conversation? {
            Conversation::User(user) => Rejection::UnknownPeer(user.clone()),
            Conversation::ChatGroup(id) => Rejection::UnknownChatGroup(id.clone()),
        },
        CHAT_GROUP_DISBANDED => Rejection::DisbandedChatGroup(chat_group()?),
        OWNER_NOT_MEMBER => Rejection::NotMember(chat_group()?),
        PEER_UNREADABLE => Rejection::UnreadablePeer(conversation?.clone()),
        GROUPS_FULL => Rejection::TooManyGroups { limit },
        GROUPED_FULL => Rejection::TooManyGrouped { limit },
        MARKED_FULL => Rejection::TooManyMarked { limit },
        _ => return None,
    }))
}

/// One item of an edit.
enum Asked<'a> {
    Conversation(&'a Conversation),
    Error(&'a Rejection),
}

impl<'a> Asked<'a> {
    fn of(edit: &'a Edit, index: usize) -> Option<Asked<'a>> {
        match edit {
            Edit::CreateGroup { conversations, .. } => conversations.get(index).map(Asked::Conversation),
            Edit::ChangeMembers { changes, .. } => changes
                .get(index)
                .map(|(_, conversation): &(MemberChange, Conversation)| Asked::Conversation(conversation)),
            Edit::Mark { items } => items.get(index).map(|item| match item {
                Ok((conversation, _)) => Asked::Conversation(conversation),
                Err(rejection) => Asked::Error(rejection),
            }),
            _ => None,
        }
    }

    fn conversation(&self) -> Option<&'a Conversation> {
        match self {
            Asked::Conversation(conversation) => Some(conversation),
            Asked::Error(_) => None,
        }
    }

    fn error(&self) -> Option<&'a Rejection> {
        match self {
            Asked::Error(rejection) => Some(rejection),
            Asked::Conversation(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ChatGroupId, GroupName, MarkChange, Undo, UserId};

    #[test]
    fn every_result_of_an_item_is_given_again() {
        let user = UserId::parse("ann").unwrap();
        let group = ChatGroupId::parse("g").unwrap();
        let (of_user, of_group) = (Conversation::User(user.clone()), Conversation::ChatGroup(group.clone()));
        let unreadable = Rejection::Unreadable("no item".to_owned());
        let results = [
            (Ok((of_user.clone(), MarkChange::default())), Ok(())),
            (Err(unreadable.clone()), Err(unreadable)),
            (Ok((of_user.clone(), MarkChange::default())), Err(Rejection::UnknownPeer(user))),
            (Ok((of_group.clone(), MarkChange::default())), Err(Rejection::UnknownChatGroup(group.clone()))),
            (
                Ok((of_group.clone(), MarkChange::default())),
                Err(Rejection::DisbandedChatGroup(group.clone())),
            ),
            (Ok((of_group.clone(), MarkChange::default())), Err(Rejection::NotMember(group))),
            (Ok((of_group.clone(), MarkChange::default())), Err(Rejection::UnreadablePeer(of_group))),
            (Ok((of_user.clone(), MarkChange::default())), Err(Rejection::TooManyGrouped { limit: 1_000 })),
            (Ok((of_user.clone(), MarkChange::default())), Err(Rejection::TooManyMarked { limit: 10_000 })),
        ];
        let (items, results): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        let edit = Edit::Mark { items };
        let outcome = Outcome::Marked(results);
        let receipt = Receipt::of(&edit, &outcome).unwrap();
        assert_eq!(receipt.outcome(&edit), Some(outcome));
        // A receipt of another edit is recognized.
        assert_eq!(receipt.outcome(&Edit::Mark { items: Vec::new() }), None);
        assert_eq!(receipt.outcome(&Edit::DeleteGroup { name: GroupName::parse("n").unwrap() }), None);
        let create =
            Edit::CreateGroup { name: GroupName::parse("n").unwrap(), conversations: vec![of_user.clone()] };
        let outcome = Outcome::Grouped(Grouped { id: 7, items: vec![Ok(())] });
        let receipt = Receipt::of(&create, &outcome).unwrap();
        assert_eq!(receipt.outcome(&create), Some(outcome));
        assert_eq!(
            Receipt::of(&Edit::DeleteAccount, &Outcome::Account { existed: true, changed: true }),
            None
        );
    }

    #[test]
    fn every_reason_for_which_an_undo_left_a_field_is_given_again() {
        let (user, group) = (UserId::parse("ann").unwrap(), ChatGroupId::parse("g").unwrap());
        let name = GroupName::parse("work").unwrap();
        let (of_user, of_group) = (Conversation::User(user.clone()), Conversation::ChatGroup(group.clone()));
        let of = |conversation: &Conversation| Field::Custom { conversation: conversation.clone() };
        let taken = Rejection::NameTaken("work".to_owned());
        let refused = KeptReason::Refused;
        let kept = [
            (Field::Group { id: 1, name: name.clone() }, KeptReason::UsedLater),
            (Field::Group { id: 1, name: name.clone() }, refused(taken.clone())),
            (Field::Group { id: 1, name: name.clone() }, refused(Rejection::TooManyGroups { limit: 100 })),
            (Field::GroupName { id: 1, name: name.clone() }, refused(taken)),
            (Field::Membership { conversation: of_user.clone(), group: 1 }, KeptReason::NoGroup),
            (of(&of_user), refused(Rejection::UnknownPeer(user))),
            (of(&of_group), refused(Rejection::UnknownChatGroup(group.clone()))),
            (of(&of_group), refused(Rejection::DisbandedChatGroup(group.clone()))),
            (of(&of_group), refused(Rejection::NotMember(group))),
            (of(&of_group), refused(Rejection::UnreadablePeer(of_group.clone()))),
            (of(&of_user), refused(Rejection::TooManyGrouped { limit: 1_000 })),
            (of(&of_user), refused(Rejection::TooManyMarked { limit: 10_000 })),
            (of(&of_user), KeptReason::ChangedLater),
            (Field::Account, KeptReason::NotUndone),
        ];
        let kept = kept.map(|(field, reason)| Kept { field, reason }).into();
        let outcome = Outcome::Undone(Undone {
            event: Some("a1".to_owned()),
            events: 3,
            kept,
            names: [(1, name.clone())].into(),
        });
        let edit = Edit::Undo(Undo::default());
        let receipt = Receipt::of(&edit, &outcome).unwrap();
        // The edit of a repetition differs from the first one.
        assert_eq!(receipt.outcome(&edit), Some(outcome));
        assert_eq!(receipt.outcome(&Edit::DeleteGroup { name }), None);
        for (field, number) in
            [(Field::Account, NAME_TAKEN), (Field::Account, PEER_UNKNOWN), (of(&of_user), 15)]
        {
            assert_eq!(reason_of(number, &field), None);
        }
    }
}
