//! Removes the records of disbanded chat groups, or everything when an account is deleted or its data replaced. Each
//! removal gets a change number, like any other change.

use std::sync::Arc;

use super::{ChangeNumber, Counters, Delta, MAX_NUMBER, Organizer, UnixSeconds};

impl Organizer {
    /// Returns the organizer as clients see it, without the records whose numbers are in `dead` (sorted).
    #[must_use]
    pub fn living(&self, dead: &[ChangeNumber]) -> Organizer {
        let records = self.records().iter().filter(|record| dead.binary_search(&record.number).is_err());
        Organizer::unchecked(*self.counters(), self.groups().to_vec(), records.cloned().collect())
    }

    /// Removes the records whose numbers are in `dead` (sorted), as the first part of a change.
    pub(super) fn buried(&self, dead: &[ChangeNumber], now: UnixSeconds) -> (Organizer, Vec<Delta>) {
        let (base, mut deltas) = self.with_room_for(dead.len(), now);
        let mut number = Numbers::after(base.counters());
        let is_dead = |index: usize| dead.binary_search(&self.records()[index].number).is_ok();
        let (mut kept, mut buried) = (Vec::new(), Vec::new());
        for (index, record) in base.records().iter().enumerate() {
            match is_dead(index) {
                true => buried.push(Arc::clone(record)),
                false => kept.push(Arc::clone(record)),
            }
        }
        deltas.extend(buried.into_iter().map(|record| Delta::RecordBuried { number: number.next(), record }));
        let counters = Counters { version: number.last(), ..*base.counters() };
        (Organizer::assemble(counters, base.groups().to_vec(), kept), deltas)
    }

    /// Removes all groups and records, so that only the counters remain.
    pub(super) fn emptied(&self, now: UnixSeconds) -> (Organizer, Vec<Delta>) {
        let (base, mut deltas) = self.with_room_for(self.groups().len() + self.records().len(), now);
        let mut number = Numbers::after(base.counters());
        let groups = base.groups().iter().cloned();
        deltas.extend(groups.map(|group| Delta::GroupDeleted { number: number.next(), group }));
        let records = base.records().iter().cloned();
        deltas.extend(records.map(|record| Delta::RecordGone { number: number.next(), record }));
        let counters = Counters { version: number.last(), ..*base.counters() };
        (Organizer::assemble(counters, Vec::new(), Vec::new()), deltas)
    }
}

/// Assigns the change numbers of one owner.
pub(super) struct Numbers(ChangeNumber);

impl Numbers {
    /// Continues after the last assigned number. [`Organizer::with_room_for`] must have ensured that there are enough.
    pub(super) fn after(counters: &Counters) -> Numbers {
        Numbers(counters.version)
    }

    pub(super) fn next(&mut self) -> ChangeNumber {
        debug_assert!(self.0 < MAX_NUMBER, "the owner was renumbered if there was no room");
        self.0 += 1;
        self.0
    }

    /// Returns the last assigned number.
    pub(super) fn last(&self) -> ChangeNumber {
        self.0
    }
}
