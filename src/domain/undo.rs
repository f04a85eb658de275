//! Undo: what it is asked to revert, and what it left as it was.

use std::{collections::BTreeMap, fmt};

use super::{Conversation, Delta, GroupId, GroupName, Organizer, Rejection, StandardMark, trace::Trace};

/// A request to revert what earlier calls changed.
///
/// What is reverted is decided for each field alone, see [`Field`]. A field gets the value that it had before the first
/// of the reverted deltas that changed it. It stays as it is if one of the later deltas changed it, even if that change
/// was taken back. A group that was deleted comes back with its id, its name and its conversations, which is the one
/// exception to decision 9. A group that was created is deleted, unless later calls renamed it or added conversations to
/// it. Conversations that only the reverted calls added to it are removed in either case.
///
/// The new values have to obey the rules and limits, like those of any other edit. Taking something away always works.
///
/// Some deltas are not reverted:
/// - [`Delta::RecordBuried`]: the disbanding removed the record, and not the call. Nothing about a disbanded chat group
///   comes back (decision 20).
/// - [`Delta::AccountImported`]: accounts are managed by the account service, and other users may depend on one that
///   was imported. The account is named as [`Field::Account`] if it was changed.
/// - [`Delta::Renumbered`] and [`Delta::CountersSet`]: counters are not visible, and must not decrease.
/// - [`Delta::AccountDeleted`]: deleting an account erases what its owner organized, so that nothing from before can be
///   undone.
#[derive(Clone, Debug, Default)]
pub struct Undo {
    /// The deltas to revert, oldest first: those of one call, or of all calls after one.
    pub reverted: Vec<Delta>,
    /// The deltas of all later calls, oldest first. Empty if everything after a call is undone.
    pub later: Vec<Delta>,
    /// The number of calls to revert, which is a part of the result.
    pub events: usize,
}

/// The result of an undo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// The id of the event of the undo itself; `None` if it changed nothing. The store that records the event sets it.
    pub event: Option<String>,
    /// The number of calls that were to be reverted.
    pub events: usize,
    /// Every field that should have been reverted and was not.
    pub kept: Vec<Kept>,
    /// The names of the groups in [`Field::Membership`]: the current ones, or the last ones they had. A group that is not
    /// named among the deltas has none.
    pub names: BTreeMap<GroupId, GroupName>,
}

/// A field that an undo was asked to revert, but that it left as it is.
///
/// A field is named once, unless it belongs to a chat group that was disbanded and created again between the reverted
/// calls. It may then be named once for each of these chat groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The field.
    pub field: Field,
    /// The reason.
    pub reason: KeptReason,
}

/// What an undo reverts or leaves as one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Whether a conversation group exists.
    Group {
        /// Its id.
        id: GroupId,
        /// Its name: the current one if it exists, and otherwise the one it would have got back.
        name: GroupName,
    },
    /// The name of a conversation group.
    GroupName {
        /// Its id.
        id: GroupId,
        /// The name that it would have got back.
        name: GroupName,
    },
    /// Whether a conversation is in a conversation group.
    Membership {
        /// The conversation.
        conversation: Conversation,
        /// The id of the conversation group.
        group: GroupId,
    },
    /// Standard marks of a conversation. Each bit is a field of its own; those that stay for the same reason are named
    /// together.
    Standard {
        /// The conversation.
        conversation: Conversation,
        /// The bits that stay as they are.
        bits: StandardMark,
    },
    /// The custom mark of a conversation.
    Custom {
        /// The conversation.
        conversation: Conversation,
    },
    /// The account of the owner.
    Account,
}

/// Why an undo left a field as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptReason {
    /// A later call changed it.
    ChangedLater,
    /// Later calls renamed the created group or added conversations to it.
    UsedLater,
    /// The group does not exist and does not come back.
    NoGroup,
    /// A rule or limit refuses the value from before: [`Rejection::NameTaken`], [`Rejection::TooManyGroups`],
    /// [`Rejection::TooManyGrouped`], [`Rejection::TooManyMarked`], or a reason of
    /// [`World::incarnation`](super::World::incarnation).
    Refused(Rejection),
    /// An undo does not change accounts.
    NotUndone,
}

impl fmt::Display for KeptReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeptReason::ChangedLater => f.write_str("a later call changed it"),
            KeptReason::UsedLater => f.write_str("later calls renamed it or added conversations to it"),
            KeptReason::NoGroup => f.write_str("the conversation group does not exist"),
            KeptReason::Refused(rejection) => rejection.fmt(f),
            KeptReason::NotUndone => f.write_str("an undo does not change accounts"),
        }
    }
}

impl Undo {
    /// Returns the conversations whose records may come back, in the order of their first change.
    pub(super) fn named(&self) -> Vec<&Conversation> {
        Trace::of(&self.reverted).records.iter().map(|record| record.conversation).collect()
    }

    /// Returns the result of this undo for an owner who had this organizer.
    pub(super) fn result(&self, kept: Vec<Kept>, organizer: &Organizer) -> Undone {
        let groups = kept.iter().filter_map(|Kept { field, .. }| match field {
            Field::Membership { group, .. } => Some(*group),
            _ => None,
        });
        let names = groups.filter_map(|id| Some((id, self.name_of(id, organizer)?.clone()))).collect();
        Undone { event: None, events: self.events, kept, names }
    }

    fn name_of<'a>(&'a self, id: GroupId, organizer: &'a Organizer) -> Option<&'a GroupName> {
        let current = organizer.group(id);
        let last = || {
            self.reverted.iter().chain(&self.later).rev().find_map(|delta| match delta {
                Delta::GroupCreated(group)
                | Delta::GroupRenamed { group, .. }
                | Delta::GroupDeleted { group, .. } => (group.id == id).then_some(group),
                _ => None,
            })
        };
        current.or_else(last).map(|group| &group.name)
    }

    /// Checks that the deltas contain something that may be reverted.
    ///
    /// # Errors
    /// Returns [`Rejection::Erased`] if the account was deleted among or after the reverted calls, and
    /// [`Rejection::NothingToUndo`] if the reverted deltas changed neither groups nor records.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        if self.reverted.iter().chain(&self.later).any(|delta| matches!(delta, Delta::AccountDeleted(_))) {
            return Err(Rejection::Erased);
        }
        let is_about_content = |delta: &Delta| match delta {
            Delta::RecordBuried { .. } => false,
            delta => delta.number().is_some(),
        };
        match self.reverted.is_empty() || self.reverted.iter().any(is_about_content) {
            true => Ok(()),
            false => Err(Rejection::NothingToUndo),
        }
    }
}

#[cfg(test)]
#[path = "undo_tests.rs"]
mod tests;
