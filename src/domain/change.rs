//! What an edit changes: the state that follows, and the deltas that lead there.

use std::{borrow::Cow, sync::Arc};

use super::{
    Account, ChangeNumber, Counters, CustomMark, Group, GroupId, GroupName, Organizer, Record, StandardMark,
    UnixSeconds, renumbering::renumbered,
};

/// One owner: the account and everything organized. A store keeps one such value per owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerState {
    /// The account, if it is imported.
    pub account: Option<Arc<Account>>,
    /// The organizer; empty when nothing was ever organized.
    pub organizer: Arc<Organizer>,
}

/// The effect of an edit that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state to keep.
    pub next: OwnerState,
    /// What changed, in the order of the change numbers. Applying the deltas to the state before gives `next`.
    pub deltas: Vec<Delta>,
}

/// One thing that changed. Each delta accounts for exactly the change number that it took, if it took one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// A conversation group was created.
    GroupCreated(Group),
    /// A conversation group was renamed.
    GroupRenamed {
        /// The name it had.
        before: GroupName,
        /// The group as it is now.
        group: Group,
    },
    /// A conversation group was deleted.
    GroupDeleted {
        /// The number of this change.
        number: ChangeNumber,
        /// The group as it was.
        group: Group,
    },
    /// A record was made, or its groups or marks changed; [`RecordParts`] says which.
    RecordChanged {
        /// The record as it was, if there was one.
        before: Option<Arc<Record>>,
        /// The record as it is now.
        record: Arc<Record>,
    },
    /// A record was left with neither groups nor marks, and is gone.
    RecordGone {
        /// The number of this change.
        number: ChangeNumber,
        /// The record as it was.
        record: Arc<Record>,
    },
    /// A record was removed because its chat group had been disbanded (decision 20).
    RecordBuried {
        /// The number of this change.
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
        /// When.
        at: UnixSeconds,
    },
    /// An import set the counters. It never lowers one, apart from the version when it has to renumber.
    CountersSet(Counters),
}

/// A record before and after a change, as far as it exists.
pub type BeforeAndAfter<'a> = (Option<&'a Arc<Record>>, Option<&'a Arc<Record>>);

/// Which parts of a record a delta changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordParts {
    /// The groups it was added to.
    pub added_to: Vec<GroupId>,
    /// The groups it was removed from.
    pub removed_from: Vec<GroupId>,
    /// The standard marks before and after, if they differ.
    pub standard: Option<(StandardMark, StandardMark)>,
    /// The custom mark before and after, if they differ.
    pub custom: Option<(Option<CustomMark>, Option<CustomMark>)>,
}

impl Delta {
    /// The change number it took; accounts, renumberings and raised counters take none.
    #[must_use]
    pub fn number(&self) -> Option<ChangeNumber> {
        match self {
            Delta::GroupCreated(group) | Delta::GroupRenamed { group, .. } => Some(group.number),
            Delta::RecordChanged { record, .. } => Some(record.number),
            Delta::GroupDeleted { number, .. }
            | Delta::RecordGone { number, .. }
            | Delta::RecordBuried { number, .. } => Some(*number),
            Delta::AccountImported { .. }
            | Delta::AccountDeleted(_)
            | Delta::Renumbered { .. }
            | Delta::CountersSet(_) => None,
        }
    }

    /// The record before and after, for a delta about a record.
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

    /// What it changed of a record; nothing for a delta about something else.
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
    /// This change after an earlier one, as one change.
    #[must_use]
    pub fn after(self, earlier: Vec<Delta>) -> Change {
        let Change { next, deltas } = self;
        let deltas = if earlier.is_empty() { deltas } else { earlier.into_iter().chain(deltas).collect() };
        Change { next, deltas }
    }
}

impl OwnerState {
    /// The state after these deltas. The rules do not need it: it defines what deltas mean, and tests hold every
    /// rule to it.
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
    /// The organizer after one delta about groups, records or counters.
    fn with(&self, delta: &Delta) -> Organizer {
        let mut counters = *self.counters();
        let mut groups = self.groups().to_vec();
        let mut records = self.records().to_vec();
        counters.version = counters.version.max(delta.number().unwrap_or(0));
        match delta {
            Delta::GroupCreated(group) => {
                counters.last_group = counters.last_group.max(group.id);
                groups.push(group.clone());
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
