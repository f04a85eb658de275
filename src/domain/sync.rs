//! What changed for an owner since a point in time, in parts of limited size.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{
    ChangeNumber, Conversation, Delta, EventContent, Group, GroupId, Organizer, Record, SessionChanged,
};

/// What a client knows of an owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The client knows everything with a change number up to this one.
    pub version: ChangeNumber,
    /// The client does not know anything that was gone before this version, because it began with nothing then.
    pub begun: ChangeNumber,
    /// The client knows the disbandings up to this number.
    pub disbandings: u64,
}

/// An owner at one moment, with what has changed lately.
#[derive(Clone, Copy, Debug)]
pub struct Latest<'a> {
    /// The organizer without records about disbanded chat groups.
    pub organizer: &'a Organizer,
    /// The conversations of stored records about disbanded chat groups, with the numbers of the disbandings.
    pub dead: &'a [(Conversation, u64)],
    /// The number of the last disbanding in the app.
    pub disbandings: u64,
    /// The contents of the events after [`Known::horizon`], in any order.
    pub events: &'a [EventContent],
    /// Whether these are all of them.
    pub is_complete: bool,
}

/// A part of what changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The groups that were created or changed.
    pub groups: Vec<Group>,
    /// The records that were created or changed.
    pub records: Vec<Arc<Record>>,
    /// The groups that do not exist any more.
    pub gone_groups: Vec<GroupId>,
    /// The conversations that have no record any more.
    pub gone_conversations: Vec<Conversation>,
    /// The last change of each session that was pinned, unpinned or deleted. A client that begins with nothing gets none.
    pub sessions: Vec<SessionChanged>,
    /// What the client knows after this part.
    pub known: Known,
    /// Whether there is more.
    pub has_more: bool,
}

/// One thing to tell a client.
enum Item<'a> {
    Group(&'a Group),
    Record(&'a Arc<Record>),
    GoneGroup(GroupId),
    GoneConversation(&'a Conversation),
    Session(&'a SessionChanged),
}

impl Known {
    /// Returns what a client knows that begins with nothing at the current version.
    #[must_use]
    pub fn nothing(latest: Latest<'_>) -> Known {
        Known { version: 0, begun: latest.organizer.counters().version, disbandings: latest.disbandings }
    }

    /// Returns the version after which events are needed. Before that, the client has nothing that could be gone.
    #[must_use]
    pub fn horizon(&self) -> ChangeNumber {
        self.version.max(self.begun)
    }
}

/// Returns the next part of what changed since what a client knows, with at most `most` things but at least one, or
/// `None` if it cannot be found out what is gone, so that the client has to begin with nothing again.
///
/// Everything is listed in the order of the change numbers, so that a client which stops in the middle can go on there.
/// Disbandings have no change numbers and come last.
#[must_use]
pub fn changes(latest: Latest<'_>, known: Known, most: usize) -> Option<Changes> {
    let Latest { organizer, dead, disbandings, .. } = latest;
    let version = organizer.counters().version;
    let mut items: BTreeMap<ChangeNumber, Item<'_>> = BTreeMap::new();
    for (number, item) in gone(latest, known)? {
        items.insert(number, item);
    }
    let groups = organizer.groups().iter().filter(|group| group.number > known.version);
    items.extend(groups.map(|group| (group.number, Item::Group(group))));
    let records = organizer.records().iter().rev().take_while(|record| record.number > known.version);
    items.extend(records.map(|record| (record.number, Item::Record(record))));
    let mut part = Changes { known: Known { version, ..known }, ..Changes::default() };
    let mut left = most.max(1);
    let mut items = items.into_iter();
    for (number, item) in items.by_ref().take(left) {
        left -= 1;
        part.known.version = number;
        match item {
            Item::Group(group) => part.groups.push(group.clone()),
            Item::Record(record) => part.records.push(Arc::clone(record)),
            Item::GoneGroup(id) => part.gone_groups.push(id),
            Item::GoneConversation(conversation) => part.gone_conversations.push(conversation.clone()),
            Item::Session(change) => part.sessions.push(change.clone()),
        }
    }
    let mut dead: Vec<&(Conversation, u64)> = dead.iter().filter(|(_, at)| *at > known.disbandings).collect();
    dead.sort_by_key(|(_, at)| *at);
    if items.next().is_some() || (left == 0 && !dead.is_empty()) {
        part.has_more = true;
        return Some(part);
    }
    // Numbers that belong to nothing any more are known, too.
    part.known.version = version;
    for (index, (conversation, at)) in dead.iter().enumerate() {
        // Disbandings with the same number, of chat groups that cannot be read, stay together.
        let is_new = index == 0 || dead[index - 1].1 != *at;
        if left == 0 && is_new {
            part.has_more = true;
            return Some(part);
        }
        left = left.saturating_sub(1);
        part.gone_conversations.push(conversation.clone());
        part.known.disbandings = *at;
    }
    part.known.disbandings = disbandings;
    Some(part)
}

/// Returns what the client may know and what is gone, by the numbers of the removals, and the changes of sessions, or `None`
/// if that is unknown.
fn gone(latest: Latest<'_>, known: Known) -> Option<Vec<(ChangeNumber, Item<'_>)>> {
    let (horizon, version) = (known.horizon(), latest.organizer.counters().version);
    if horizon == version {
        return Some(Vec::new());
    }
    if horizon > version {
        return None;
    }
    let (mut groups, mut conversations) = (HashMap::new(), HashMap::new());
    let mut sessions = HashMap::<_, &SessionChanged>::new();
    let mut numbers = HashSet::new();
    for content in latest.events {
        // The owner has begun another life, or it is unknown what changed.
        let EventContent::Changed(deltas) = content else { return None };
        for delta in deltas {
            if matches!(delta, Delta::Renumbered { .. } | Delta::AccountDeleted(_)) {
                return None;
            }
            let Some(number) = delta.number().filter(|number| *number > horizon) else { continue };
            numbers.insert(number);
            match delta {
                Delta::GroupDeleted { group, .. } => {
                    let last = groups.entry(group.id).or_insert(number);
                    *last = number.max(*last);
                }
                Delta::RecordGone { record, .. } | Delta::RecordBuried { record, .. } => {
                    let last = conversations.entry(&record.conversation).or_insert(number);
                    *last = number.max(*last);
                }
                Delta::SessionChanged(change) => {
                    let last = sessions.entry(&change.conversation).or_insert(change);
                    if change.number > last.number {
                        *last = change;
                    }
                }
                _ => {}
            }
        }
    }
    // Every number belongs to a change, so none is missing if all numbers are there.
    if !latest.is_complete && numbers.len() != usize::try_from(version - horizon).ok()? {
        return None;
    }
    let organizer = latest.organizer;
    let existing: HashSet<&Conversation> =
        organizer.records().iter().map(|record| &record.conversation).collect();
    let groups = (groups.into_iter())
        .filter(|(id, _)| organizer.groups().iter().all(|group| group.id != *id))
        .map(|(id, number)| (number, Item::GoneGroup(id)));
    let conversations = (conversations.into_iter())
        .filter(|(conversation, _)| !existing.contains(conversation))
        .map(|(conversation, number)| (number, Item::GoneConversation(conversation)));
    let sessions = sessions.into_values().filter_map(|change| Some((change.number?, Item::Session(change))));
    Some(groups.chain(conversations).chain(sessions).collect())
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
