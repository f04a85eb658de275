//! Everything that one owner organized.

use std::{borrow::Cow, sync::Arc};

use super::{ChatGroupId, Delta, Group, GroupId, GroupName, Record, UnixSeconds, renumbering::renumbered};
use crate::excerpt::quoted;

/// The number of a change, from 1 to [`MAX_NUMBER`]. Each owner has one counter for them (decision 2).
pub type ChangeNumber = u32;

/// The highest change number, group id, incarnation and count of renumberings. Some clients read these numbers as
/// signed 32-bit integers, and `NextStartIndex` can be one higher. Numbers are checked when they are assigned, so
/// that all stored data can be exported and imported again.
pub const MAX_NUMBER: ChangeNumber = i32::MAX as u32 - 1;

/// The counters of an organizer. Deleting the owner's account and importing it again does not reset them (decision 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The last change number that was assigned, which is the organizer's version.
    pub version: ChangeNumber,
    /// The number of times the owner ran out of change numbers and was renumbered; 0 for nearly all owners.
    pub renumberings: u32,
    /// The time of the last renumbering; 0 if there was none.
    pub renumbered_at: UnixSeconds,
    /// The last group id that was assigned.
    pub last_group: GroupId,
    /// The latest timestamp that was assigned to a record.
    pub last_timestamp: UnixSeconds,
}

impl Counters {
    /// Returns the higher value of each counter.
    #[must_use]
    pub fn raised(self, other: Counters) -> Counters {
        Counters {
            version: self.version.max(other.version),
            renumberings: self.renumberings.max(other.renumberings),
            // The later time counts, because clients may hold a `StartIndex` from before either renumbering.
            renumbered_at: self.renumbered_at.max(other.renumbered_at),
            last_group: self.last_group.max(other.last_group),
            last_timestamp: self.last_timestamp.max(other.last_timestamp),
        }
    }
}

/// Everything one owner organized: their conversation groups and records.
///
/// [`Organizer::from_parts`] checks these invariants:
/// - Groups are sorted by id and have distinct names.
/// - Records are sorted by change number and by timestamp, and are about distinct conversations.
/// - Every record has groups or marks, and its groups exist.
/// - No number, id or timestamp is above its counter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organizer {
    counters: Counters,
    groups: Vec<Group>,
    records: Vec<Arc<Record>>,
}

/// A violated invariant of an [`Organizer`], because of a damaged row or a bad import.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsound(pub String);

impl Organizer {
    /// Creates an organizer from stored or imported parts.
    ///
    /// # Errors
    /// Returns [`Unsound`], which names the violated invariant.
    pub fn from_parts(
        counters: Counters,
        groups: Vec<Group>,
        records: Vec<Arc<Record>>,
    ) -> Result<Organizer, Unsound> {
        let organizer = Organizer { counters, groups, records };
        organizer.check()?;
        Ok(organizer)
    }

    /// Creates an organizer without checking the invariants in release builds, since the rules ensure them.
    pub(super) fn assemble(counters: Counters, groups: Vec<Group>, records: Vec<Arc<Record>>) -> Organizer {
        let organizer = Organizer { counters, groups, records };
        debug_assert_eq!(organizer.check(), Ok(()));
        organizer
    }

    /// Creates an organizer that may violate the invariants, as between two deltas of one change.
    pub(super) fn unchecked(counters: Counters, groups: Vec<Group>, records: Vec<Arc<Record>>) -> Organizer {
        Organizer { counters, groups, records }
    }

    /// Returns the counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns this organizer with each counter raised to at least that of `floor`.
    ///
    /// # Errors
    /// Returns [`Unsound`] if the version of `floor` is above [`MAX_NUMBER`].
    pub(super) fn raised(&self, floor: Counters) -> Result<Organizer, Unsound> {
        Organizer::from_parts(self.counters.raised(floor), self.groups.clone(), self.records.clone())
    }

    /// Returns the groups, sorted by id.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns the records, sorted by change number.
    #[must_use]
    pub fn records(&self) -> &[Arc<Record>] {
        &self.records
    }

    /// Checks whether the owner has never organized anything, in which case stores need no row for them.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        *self == Organizer::default()
    }

    /// Returns the group with this id.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.binary_search_by_key(&id, |group| group.id).ok().map(|place| &self.groups[place])
    }

    /// Returns the group with this name.
    #[must_use]
    pub fn group_named(&self, name: &GroupName) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == *name)
    }

    /// Returns the change numbers of the records whose chat group has another incarnation by now, which makes them
    /// invalid. `current` returns the current incarnation of a chat group, 0 if it is unknown.
    pub fn dead(&self, mut current: impl FnMut(&ChatGroupId) -> u32) -> Vec<ChangeNumber> {
        self.records
            .iter()
            .filter(|record| {
                record.conversation.chat_group().is_some_and(|id| current(id) != record.incarnation)
            })
            .map(|record| record.number)
            .collect()
    }

    /// Returns this organizer, renumbered if `changes` more numbers would exceed [`MAX_NUMBER`], and the delta if so.
    pub(super) fn with_room_for(&self, changes: usize, now: UnixSeconds) -> (Cow<'_, Organizer>, Vec<Delta>) {
        if u64::from(self.counters.version) + changes as u64 <= u64::from(MAX_NUMBER) {
            (Cow::Borrowed(self), Vec::new())
        } else {
            (Cow::Owned(renumbered(self, now)), vec![Delta::Renumbered { at: now }])
        }
    }

    fn check(&self) -> Result<(), Unsound> {
        let Counters { version, last_group, last_timestamp, .. } = self.counters;
        let unsound = |what: String| Err(Unsound(what));
        if version > MAX_NUMBER {
            return unsound(format!("version {version} is above {MAX_NUMBER}"));
        }
        let mut names = std::collections::HashSet::new();
        let mut last = 0;
        for group in &self.groups {
            if group.id <= last || group.id > last_group {
                return unsound(format!(
                    "group id {} must be above {last} and at most {last_group}",
                    group.id
                ));
            }
            if group.number == 0 || group.number > version {
                return unsound(format!(
                    "the change number {} of group {} must be from 1 to {version}",
                    group.number, group.id
                ));
            }
            if !names.insert(&group.name) {
                return unsound(format!("two groups are named {}", quoted(group.name.as_str())));
            }
            last = group.id;
        }
        let mut peers = std::collections::HashSet::with_capacity(self.records.len());
        let (mut number, mut timestamp) = (0, 0);
        for record in &self.records {
            if record.number <= number || record.number > version {
                return unsound(format!(
                    "the record about {} has the change number {}, which must be above that of the record before it \
                     ({number}) and at most {version}",
                    record.conversation, record.number
                ));
            }
            if record.timestamp < timestamp || record.timestamp > last_timestamp {
                return unsound(format!(
                    "the record about {} has the timestamp {}, which must be from {timestamp} to {last_timestamp}",
                    record.conversation, record.timestamp
                ));
            }
            if !record.is_grouped() && !record.is_marked() {
                return unsound(format!(
                    "the record about {} has neither groups nor marks",
                    record.conversation
                ));
            }
            if !record.groups.is_sorted_by(|a, b| a < b) {
                return unsound(format!(
                    "the groups of the record about {} are not in ascending order",
                    record.conversation
                ));
            }
            if let Some(id) = record
                .groups
                .iter()
                .find(|id| self.groups.binary_search_by_key(*id, |group| group.id).is_err())
            {
                return unsound(format!(
                    "the record about {} is in group {id}, which does not exist",
                    record.conversation
                ));
            }
            if !peers.insert(&record.conversation) {
                return unsound(format!("two records are about {}", record.conversation));
            }
            (number, timestamp) = (record.number, record.timestamp);
        }
        Ok(())
    }
}
