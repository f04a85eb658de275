//! Making an organizer from imported groups and records.

use std::sync::Arc;

use super::{
    ChangeNumber, Conversation, Counters, CustomMark, Group, GroupId, GroupName, Organizer, Record,
    StandardMark, UnixSeconds, Unsound,
};

/// A group to be restored; without a number it gets one.
#[derive(Clone, Debug)]
pub struct RestoredGroup {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: GroupName,
    /// Its change number, if known.
    pub number: Option<ChangeNumber>,
}

/// A record to be restored; without a number it gets one.
#[derive(Clone, Debug)]
pub struct RestoredRecord {
    /// Which conversation.
    pub conversation: Conversation,
    /// The groups it is in, in any order.
    pub groups: Vec<GroupId>,
    /// Its standard marks.
    pub mark: StandardMark,
    /// Its custom mark.
    pub custom: Option<CustomMark>,
    /// Its change number, if known.
    pub number: Option<ChangeNumber>,
    /// The time of its last change.
    pub timestamp: UnixSeconds,
}

/// Puts an organizer together whose records are listed by timestamp (decision 4).
///
/// `counters` are the floor that earlier data of the owner or the import itself sets; they are
/// raised to what the groups and records need. When every group and record carries a number, the
/// numbers are kept; when any lacks one, all are numbered anew: groups by id, then records by
/// timestamp. `incarnation` tells the present incarnation of a conversation's chat group.
///
/// # Errors
/// [`Unsound`] when the parts contradict each other.
pub fn restore(
    counters: Counters,
    mut groups: Vec<RestoredGroup>,
    mut records: Vec<RestoredRecord>,
    incarnation: impl Fn(&Conversation) -> u32,
) -> Result<Organizer, Unsound> {
    groups.sort_by_key(|group| group.id);
    // Stable: records of the same second stay in the order of their numbers, or of the import.
    records.sort_by_key(|record| (record.timestamp, record.number));
    let numbered = groups.iter().all(|group| group.number.is_some())
        && records.iter().all(|record| record.number.is_some());
    let mut given = 0;
    let mut number = |own: Option<ChangeNumber>| match own {
        Some(own) if numbered => own,
        _ => {
            given += 1;
            given
        }
    };
    let groups: Vec<Group> = groups
        .into_iter()
        .map(|group| Group { id: group.id, name: group.name, number: number(group.number) })
        .collect();
    let records: Vec<Arc<Record>> = records
        .into_iter()
        .map(|mut record| {
            record.groups.sort_unstable();
            record.groups.dedup();
            Arc::new(Record {
                incarnation: incarnation(&record.conversation),
                conversation: record.conversation,
                groups: record.groups,
                mark: record.mark,
                custom: record.custom,
                number: number(record.number),
                timestamp: record.timestamp,
            })
        })
        .collect();
    let highest =
        (groups.iter().map(|group| group.number)).chain(records.iter().map(|record| record.number)).max();
    let counters = Counters {
        version: counters.version.max(highest.unwrap_or(0)),
        last_group: counters.last_group.max(groups.last().map_or(0, |group| group.id)),
        last_timestamp: counters.last_timestamp.max(records.last().map_or(0, |record| record.timestamp)),
        ..counters
    };
    Organizer::from_parts(counters, groups, records)
}
