//! What an owner keeps about one conversation.

use super::{ChangeNumber, Conversation, CustomMark, GroupId, StandardMark, UnixSeconds};

/// The groups and marks of one conversation. A record that has none of them is gone (decision 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which conversation.
    pub conversation: Conversation,
    /// The incarnation of the chat group the record is about; 0 for a one-to-one conversation.
    ///
    /// `destroy_group` raises the chat group's incarnation, and a record of an older one is dead
    /// (decision 20).
    pub incarnation: u32,
    /// The groups it is in, ascending, without repetition.
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
    /// Whether it counts towards the limit of conversations with a group.
    #[must_use]
    pub fn is_grouped(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Whether it counts towards the limit of conversations with a mark or custom mark.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        !self.mark.is_none() || self.custom.is_some()
    }
}
