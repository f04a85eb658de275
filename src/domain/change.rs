//! The effect of an edit: the new state, and the deltas that lead to it.

use std::{borrow::Cow, sync::Arc};

use super::{
    Account, ChangeNumber, Counters, CustomMark, Group, GroupId, GroupName, Organizer, Record,
    SessionChanged, StandardMark, UnixSeconds, renumbering::renumbered,
};

/// Everything a store keeps about one owner: their account and their organizer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerState {
    /// The account, if it was imported.
    pub account: Option<Arc<Account>>,
    /// The organizer; empty if the owner has never organized anything.
    pub organizer: Arc<Organizer>,
}

/// The effect of an edit that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The new state.
    pub next: OwnerState,
    /// What changed, in the order of the change numbers. Applying the deltas to the old state gives `next`.
    pub deltas: Vec<Delta>,
}

/// One thing that changed. A change of a group, record or session uses one change number; other changes use none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// A conversation group was created.
    GroupCreated(Group),
    /// A conversation group was renamed.
    GroupRenamed {
        /// The old name.
        before: GroupName,
        /// The group as it is now.
        group: Group,
    },
    /// A conversation group was deleted.
    GroupDeleted {
        /// The change number of the deletion.
        number: ChangeNumber,
        /// The group as it was.
        group: Group,
    },
    /// A record was created, or its groups or marks changed; [`Delta::parts`] lists them.
    RecordChanged {
        /// The record as it was, if there was one.
        before: Option<Arc<Record>>,
        /// The record as it is now.
        record: Arc<Record>,
    },
    /// A record had neither groups nor marks left, and was removed.
    RecordGone {
        /// The change number of the removal.
        number: ChangeNumber,
        /// The record as it was.
        record: Arc<Record>,
    },
    /// A record was removed because its chat group had been disbanded (decision 20).
    RecordBuried {
        /// The change number of the removal.
        number: ChangeNumber,
        /// The record as it was.
        record: Arc<Record>,
    },
    /// The account was imported, or its profile changed.
    AccountImported {
        /// The account as it was, if it existed.
        before: Option<Arc<Account>>,
        /// The account as it is now.
        account: Arc<Account>,
    },
    /// The account was deleted.
    AccountDeleted(Arc<Account>),
    /// The owner ran out of change numbers and was renumbered (decision 3).
    Renumbered {
        /// The time of the renumbering.
        at: UnixSeconds,
    },
    /// An import set the counters. It never lowers one, except for the version when it has to renumber.
    CountersSet(Counters),
    /// A session was pinned, unpinned or deleted. Of the owner's state, only the version changes.
    SessionChanged(Box<SessionChanged>),
}

/// A record before and after a change; `None` where it does not exist.
pub type BeforeAndAfter<'a> = (Option<&'a Arc<Record>>, Option<&'a Arc<Record>>);

/// Which parts of a record a delta changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordParts {
    /// The groups that the conversation was added to.
    pub added_to: Vec<GroupId>,
    /// The groups that the conversation was removed from.
    pub removed_from: Vec<GroupId>,
    /// The standard marks before and after, if they differ.
    pub standard: Option<(StandardMark, StandardMark)>,
    /// The custom mark before and after, if they differ.
    pub custom: Option<(Option<CustomMark>, Option<CustomMark>)>,
}

impl Delta {
    /// Returns the change number of this delta. Changes of accounts and counters, and renumberings, have none.
    #[must_use]
    pub fn number(&self) -> Option<ChangeNumber> {
        match self {
            Delta::GroupCreated(group) | Delta::GroupRenamed { group, .. } => Some(group.number),
            Delta::RecordChanged { record, .. } => Some(record.number),
            Delta::SessionChanged(change) => change.number,
            Delta::GroupDeleted { number, .. }
            | Delta::RecordGone { number, .. }
            | Delta::RecordBuried { number, .. } => Some(*number),
            Delta::AccountImported { .. }
            | Delta::AccountDeleted(_)
            | Delta::Renumbered { .. }
            | Delta::CountersSet(_) => None,
        }
    }

    /// Checks whether the delta is recorded as a part of an event. Restoring a session is not, like a touch.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        !matches!(self, Delta::SessionChanged(change) if change.number.is_none())
    }

    /// Returns the record before and after, or `None` if the delta is not about a record.
    #[must_use]
    pub fn record(&self) -> Option<BeforeAndAfter<'_>> {
        match self {
            Delta::RecordChanged { before, record } => Some((before.as_ref(), Some(record))),
            Delta::RecordGone { record, .. } | Delta::RecordBuried { record, .. } => {
                Some((Some(record), None))
            }
            _ => None,
        }
    }

    /// Returns which parts of a record this delta changed. Empty if the delta is not about a record.
    #[must_use]
    pub fn parts(&self) -> RecordParts {
        let Some((before, after)) = self.record() else { return RecordParts::default() };
        let groups = |record: Option<&Arc<Record>>| record.map_or(&[][..], |record| &record.groups).to_vec();
        let standard = |record: Option<&Arc<Record>>| record.map_or(StandardMark::NONE, |record| record.mark);
        let custom = |record: Option<&Arc<Record>>| record.and_then(|record| record.custom.clone());
        let (old, new) = (groups(before), groups(after));
        let without = |of: &[GroupId], other: &[GroupId]| {
            of.iter().copied().filter(|group| !other.contains(group)).collect()
        };
        RecordParts {
            added_to: without(&new, &old),
            removed_from: without(&old, &new),
            standard: differing(standard(before), standard(after)),
            custom: differing(custom(before), custom(after)),
        }
    }
}

fn differing<T: PartialEq>(before: T, after: T) -> Option<(T, T)> {
    (before != after).then_some((before, after))
}

impl Change {
    /// Puts the deltas of an earlier change in front of this one's.
    #[must_use]
    pub fn after(self, earlier: Vec<Delta>) -> Change {
        let Change { next, deltas } = self;
        let deltas = if earlier.is_empty() { deltas } else { earlier.into_iter().chain(deltas).collect() };
        Change { next, deltas }
    }
}

impl OwnerState {
    /// Applies the deltas to this state. The rules do not use this function. It defines what each delta means, so that
    /// tests can check the deltas of every rule against its new state.
    #[must_use]
    pub fn folded(&self, deltas: &[Delta]) -> OwnerState {
        let mut account = self.account.clone();
        let mut organizer = Cow::Borrowed(&*self.organizer);
        for delta in deltas {
            match delta {
                Delta::AccountImported { account: imported, .. } => account = Some(Arc::clone(imported)),
                Delta::AccountDeleted(_) => account = None,
                Delta::Renumbered { at } => organizer = Cow::Owned(renumbered(&organizer, *at)),
                delta => organizer = Cow::Owned(organizer.with(delta)),
            }
        }
        OwnerState { account, organizer: Arc::new(organizer.into_owned()) }
    }
}

impl Organizer {
    /// Applies one delta about groups, records or counters.
    fn with(&self, delta: &Delta) -> Organizer {
        let mut counters = *self.counters();
        let mut groups = self.groups().to_vec();
        let mut records = self.records().to_vec();
        counters.version = counters.version.max(delta.number().unwrap_or(0));
        match delta {
            Delta::GroupCreated(group) => {
                counters.last_group = counters.last_group.max(group.id);
                groups.push(group.clone());
                groups.sort_unstable_by_key(|group| group.id);
            }
            Delta::GroupRenamed { group, .. } => {
                groups.iter_mut().filter(|old| old.id == group.id).for_each(|old| old.clone_from(group));
            }
            Delta::GroupDeleted { group, .. } => groups.retain(|old| old.id != group.id),
            Delta::CountersSet(set) => counters = *set,
            _ => {}
        }
        if let Some((before, after)) = delta.record() {
            records.retain(|old| before.is_none_or(|before| before.conversation != old.conversation));
            if let Some(record) = after {
                counters.last_timestamp = counters.last_timestamp.max(record.timestamp);
                records.push(Arc::clone(record));
            }
        }
        Organizer::unchecked(counters, groups, records)
    }
}
