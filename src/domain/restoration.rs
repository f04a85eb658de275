//! Imported data that replaces an organizer.

use super::{
    ChangeNumber, Conversation, Counters, CustomMark, GroupId, GroupName, StandardMark, UnixSeconds,
};

/// An imported group.
#[derive(Clone, Debug)]
pub struct RestoredGroup {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: GroupName,
    /// Its change number; a new one is assigned if the import contains none.
    pub number: Option<ChangeNumber>,
}

/// An imported record.
#[derive(Clone, Debug)]
pub struct RestoredRecord {
    /// The conversation.
    pub conversation: Conversation,
    /// The groups it is in, in any order.
    pub groups: Vec<GroupId>,
    /// Its standard marks.
    pub mark: StandardMark,
    /// Its custom mark.
    pub custom: Option<CustomMark>,
    /// Its change number; a new one is assigned if the import contains none.
    pub number: Option<ChangeNumber>,
    /// The time of its last change.
    pub timestamp: UnixSeconds,
}

/// The imported data that replaces everything an owner organized.
#[derive(Clone, Debug, Default)]
pub struct Restoration {
    /// The lowest values that the counters may have afterwards.
    pub counters: Counters,
    /// The groups.
    pub groups: Vec<RestoredGroup>,
    /// The records.
    pub records: Vec<RestoredRecord>,
    /// Whether to import the owner's account as well, if it does not exist.
    pub makes_known: bool,
}
