//! Assigns new change numbers when an owner has used up all of them (decision 3).
//!
//! Numbers below [`MIDDLE`] stay, and the others move down to the numbers that follow it. A client that is reading
//! page by page may hold a `StartIndex` from before. Up to the middle, that index still works. Above it, records that
//! the client has not seen may have moved below the index. Therefore, for [`GRACE`] seconds, every `StartIndex` above
//! the middle counts as the middle.

use std::sync::Arc;

use super::{ChangeNumber, Counters, LAST_SECOND, MAX_NUMBER, Organizer, Record, UnixSeconds};

/// The number that separates what a renumbering keeps from what it moves. Nothing has this number afterwards. As a
/// `StartIndex` it therefore lists everything that was moved and nothing that stayed.
pub(super) const MIDDLE: ChangeNumber = 1 << 30;

/// How long, in seconds, a renumbering affects the handling of a `StartIndex` that a client may have received before
/// it.
const GRACE: UnixSeconds = 600;

impl Counters {
    /// Returns the counters after one more renumbering, which assigned numbers up to `version`.
    pub(super) fn renumbered(self, version: ChangeNumber, now: UnixSeconds) -> Counters {
        Counters {
            version,
            renumberings: (self.renumberings + 1).min(MAX_NUMBER),
            // 0 means never, and a time after `LAST_SECOND` could not be imported again.
            renumbered_at: now.clamp(1, LAST_SECOND),
            ..self
        }
    }

    /// Checks whether clients may still send a `StartIndex` from before the last renumbering. `now` is called only if
    /// there was one.
    ///
    /// If the clock was set back, it may show a time before the renumbering. The absolute difference decides, so that a
    /// small step does not end the period early, and a large step or a wrong imported time does not make it last for
    /// years.
    pub(super) fn is_in_grace(&self, now: impl FnOnce() -> UnixSeconds) -> bool {
        self.renumbered_at != 0 && now().abs_diff(self.renumbered_at) <= GRACE
    }

    /// Returns the change number from which a `StartIndex` lists records.
    pub(super) fn listed_from(&self, index: u64, in_grace: bool) -> u64 {
        let middle = u64::from(MIDDLE);
        // No page returns an index above version + 1. A higher one is from before a renumbering, perhaps long ago.
        match index > u64::from(self.version) + 1 || (in_grace && index > middle) {
            true => middle,
            false => index,
        }
    }
}

/// Moves all change numbers from [`MIDDLE`] on to `MIDDLE + 1`, `MIDDLE + 2` and so on. The order stays the same.
pub(super) fn renumbered(organizer: &Organizer, now: UnixSeconds) -> Organizer {
    let mut moved: Vec<ChangeNumber> = (organizer.groups().iter().map(|group| group.number))
        .chain(organizer.records().iter().map(|record| record.number))
        .filter(|number| *number >= MIDDLE)
        .collect();
    moved.sort_unstable();
    let after = |count: usize| {
        MIDDLE + ChangeNumber::try_from(count).expect("an owner has far fewer than 2^30 groups and records")
    };
    let next = |number: ChangeNumber| {
        after(moved.binary_search(&number).expect("every moved number was collected above") + 1)
    };
    let mut groups = organizer.groups().to_vec();
    for group in groups.iter_mut().filter(|group| group.number >= MIDDLE) {
        group.number = next(group.number);
    }
    let records = (organizer.records().iter())
        .map(|record| match record.number < MIDDLE {
            true => Arc::clone(record),
            false => Arc::new(Record { number: next(record.number), ..Record::clone(record) }),
        })
        .collect();
    // The version is at least `MIDDLE` even if nothing was moved, so that later changes are listed after everything
    // else.
    Organizer::assemble(organizer.counters().renumbered(after(moved.len()), now), groups, records)
}

#[cfg(test)]
#[path = "renumbering_tests.rs"]
mod tests;
