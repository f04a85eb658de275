//! What is kept of an outcome, so that a caller who repeats the call gets the same answer.

use super::{Conversation, Edit, GroupId, Grouped, MemberChange, Outcome, Rejection};

/// The outcome of an edit, without what follows from the edit itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the conversation group, for an edit of a group.
    pub group: Option<GroupId>,
    /// A number for the result of each item, in order.
    pub items: Vec<u64>,
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

impl Receipt {
    /// Returns the receipt of an outcome, or `None` for a kind of edit that has none.
    #[must_use]
    pub fn of(edit: &Edit, outcome: &Outcome) -> Option<Receipt> {
        let (group, results) = match outcome {
            Outcome::Grouped(Grouped { id, items }) => (Some(*id), items),
            Outcome::Marked(items) => (None, items),
            Outcome::Account { .. } | Outcome::Restored { .. } | Outcome::Undone(_) => return None,
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
        Some(Receipt { group, items })
    }

    /// Returns the outcome of which this is the receipt, or `None` if it is that of another edit.
    #[must_use]
    pub fn outcome(&self, edit: &Edit) -> Option<Outcome> {
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
        let items: Vec<_> = self.items.iter().enumerate().map(result).collect::<Option<_>>()?;
        let is_whole = Asked::of(edit, items.len()).is_none();
        match (self.group, edit) {
            (None, Edit::Mark { .. }) if is_whole => Some(Outcome::Marked(items)),
            (None, _) | (Some(_), Edit::Mark { .. }) => None,
            (Some(id), _) => is_whole.then_some(Outcome::Grouped(Grouped { id, items })),
        }
    }
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
    use crate::domain::{ChatGroupId, GroupName, MarkChange, UserId};

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
}
