//! What some deltas changed, field by field.

use std::collections::{BTreeMap, HashMap};

use super::{Account, Conversation, CustomMark, Delta, GroupId, GroupName, StandardMark};

/// The fields that some deltas changed, with their values before the first of these changes.
#[derive(Debug, Default)]
pub(super) struct Trace<'a> {
    pub(super) groups: BTreeMap<GroupId, GroupTrace<'a>>,
    /// The changed records, in the order of their first change.
    pub(super) records: Vec<RecordTrace<'a>>,
    record_of: HashMap<(&'a Conversation, u32), usize>,
    /// The account, if it was imported or changed.
    pub(super) account: Option<Before<Option<&'a Account>>>,
}

/// A conversation group that was created, renamed or deleted.
#[derive(Debug)]
pub(super) struct GroupTrace<'a> {
    /// Its name before; `None` if it did not exist.
    pub(super) before: Option<&'a GroupName>,
    /// Whether it was created or deleted, and not only renamed.
    pub(super) is_about_existence: bool,
}

/// A record whose groups or marks were changed.
///
/// A chat group that was disbanded and created again has one trace for each incarnation, because a record of an earlier
/// incarnation has nothing to do with a later one (decision 20).
#[derive(Debug)]
pub(super) struct RecordTrace<'a> {
    pub(super) conversation: &'a Conversation,
    pub(super) incarnation: u32,
    /// Whether the conversation was in the group before, for each group that it was added to or removed from.
    pub(super) groups: BTreeMap<GroupId, bool>,
    /// The standard marks that were changed.
    pub(super) changed: StandardMark,
    /// Those of the changed standard marks that were set before.
    pub(super) set: StandardMark,
    /// The custom mark before, if it was changed.
    pub(super) custom: Option<Before<Option<CustomMark>>>,
}

/// The value of a changed field before it was changed.
#[derive(Debug)]
pub(super) struct Before<T>(pub(super) T);

impl<'a> Trace<'a> {
    /// Collects what these deltas changed, oldest first. A record that was removed because its chat group had been
    /// disbanded was not changed by a call, and is left out.
    pub(super) fn of(deltas: &'a [Delta]) -> Trace<'a> {
        let mut trace = Trace::default();
        for delta in deltas {
            match delta {
                Delta::GroupCreated(group) => trace.add_group(group.id, None, true),
                Delta::GroupRenamed { before, group } => trace.add_group(group.id, Some(before), false),
                Delta::GroupDeleted { group, .. } => trace.add_group(group.id, Some(&group.name), true),
                Delta::RecordChanged { .. } | Delta::RecordGone { .. } => trace.add_record(delta),
                Delta::AccountImported { before, .. } => {
                    trace.account.get_or_insert(Before(before.as_deref()));
                }
                Delta::AccountDeleted(account) => {
                    trace.account.get_or_insert(Before(Some(account)));
                }
                Delta::RecordBuried { .. }
                | Delta::Renumbered { .. }
                | Delta::CountersSet(_)
                | Delta::SessionChanged(_) => {}
            }
        }
        trace
    }

    /// Returns what was changed of the record about `conversation` in this incarnation.
    pub(super) fn record(&self, conversation: &Conversation, incarnation: u32) -> Option<&RecordTrace<'a>> {
        self.record_of.get(&(conversation, incarnation)).map(|index| &self.records[*index])
    }

    fn add_group(&mut self, id: GroupId, before: Option<&'a GroupName>, is_about_existence: bool) {
        let group = self.groups.entry(id).or_insert(GroupTrace { before, is_about_existence });
        group.is_about_existence |= is_about_existence;
    }

    fn add_record(&mut self, delta: &'a Delta) {
        let Some((Some(record), _) | (None, Some(record))) = delta.record() else { return };
        let next = self.records.len();
        let index = *self.record_of.entry((&record.conversation, record.incarnation)).or_insert(next);
        if index == next {
            self.records.push(RecordTrace {
                conversation: &record.conversation,
                incarnation: record.incarnation,
                groups: BTreeMap::new(),
                changed: StandardMark::NONE,
                set: StandardMark::NONE,
                custom: None,
            });
        }
        let trace = &mut self.records[index];
        let parts = delta.parts();
        for group in parts.added_to {
            trace.groups.entry(group).or_insert(false);
        }
        for group in parts.removed_from {
            trace.groups.entry(group).or_insert(true);
        }
        if let Some((old, new)) = parts.standard {
            let changed = (old.bits() ^ new.bits()) & !trace.changed.bits();
            trace.set = StandardMark::from_bits(trace.set.bits() | old.bits() & changed);
            trace.changed = StandardMark::from_bits(trace.changed.bits() | changed);
        }
        if let Some((old, _)) = parts.custom {
            trace.custom.get_or_insert(Before(old));
        }
    }
}
