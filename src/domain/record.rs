//! The record of one conversation.

use super::{ChangeNumber, Conversation, CustomMark, GroupId, StandardMark, UnixSeconds};

/// The groups and marks of one conversation. A record that has neither is removed (decision 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The conversation.
    pub conversation: Conversation,
    /// The incarnation of the conversation's chat group; 0 for a one-to-one conversation.
    ///
    /// `destroy_group` increases the chat group's incarnation. Records with another incarnation are invalid
    /// (decision 20).
    pub incarnation: u32,
    /// The groups that it is in, sorted and without duplicates.
    pub groups: Vec<GroupId>,
    /// Its standard marks.
    pub mark: StandardMark,
    /// Its custom mark.
    pub custom: Option<CustomMark>,
    /// The number of its last change; records are listed in this order.
    pub number: ChangeNumber,
    /// The time of its last change.
    pub timestamp: UnixSeconds,
}

impl Record {
    /// Checks whether it counts towards the limit of conversations in groups.
    #[must_use]
    pub fn is_grouped(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Checks whether it counts towards the limit of conversations with a mark or custom mark.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        !self.mark.is_none() || self.custom.is_some()
    }
}
