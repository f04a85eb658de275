//! What happens when an owner reaches the end of the change numbers (decision 3).
//!
//! Numbers below [`MIDDLE`] stay, the others move down to it. A client in the middle of a pull holds a `StartIndex`
//! from before. Up to the middle it still lists what it listed; above, records may have moved below it without having
//! been listed. Therefore, for [`GRACE`], every `StartIndex` above the middle means the middle.

use std::sync::Arc;

use super::{ChangeNumber, Counters, LAST_SECOND, MAX_NUMBER, Organizer, Record, UnixSeconds};

/// A renumbering leaves the numbers below it alone and moves the others to those above it. Nothing has this number
/// afterwards, so that as a `StartIndex` it lists all that was moved and nothing that stayed.
pub(super) const MIDDLE: ChangeNumber = 1 << 30;

/// For how many seconds after a renumbering a client may still come with a `StartIndex` from before.
const GRACE: UnixSeconds = 600;

impl Counters {
    /// After one more renumbering, which gave the numbers up to `version`.
    pub(super) fn renumbered(self, version: ChangeNumber, now: UnixSeconds) -> Counters {
        Counters {
            version,
            renumberings: (self.renumberings + 1).min(MAX_NUMBER),
            // 0 means never, and no time after the last second can be imported again.
            renumbered_at: now.clamp(1, LAST_SECOND),
            ..self
        }
    }

    /// Whether clients may come with a `StartIndex` from before the last renumbering. `now` is asked for only if
    /// there was one.
    ///
    /// A clock that was set back may show a time before the renumbering. The distance counts then as well: a small
    /// step does not end the ten minutes, and a large one, or a wrong time that was imported, does not let them last
    /// until the clock is there again.
    pub(super) fn is_in_grace(&self, now: impl FnOnce() -> UnixSeconds) -> bool {
        self.renumbered_at != 0 && now().abs_diff(self.renumbered_at) <= GRACE
    }

    /// The number from which on a `StartIndex` lists records.
    pub(super) fn listed_from(&self, index: u64, in_grace: bool) -> u64 {
        let middle = u64::from(MIDDLE);
        // No page gives a number above the version + 1 now. Such a one is from before a renumbering, maybe long ago.
        match index > u64::from(self.version) + 1 || (in_grace && index > middle) {
            true => middle,
            false => index,
        }
    }
}

/// The same groups and records, with those numbered from [`MIDDLE`] on now at `MIDDLE + 1` …, in the order they had.
pub(super) fn renumbered(organizer: &Organizer, now: UnixSeconds) -> Organizer {
    let mut moved: Vec<ChangeNumber> = (organizer.groups().iter().map(|group| group.number))
        .chain(organizer.records().iter().map(|record| record.number))
        .filter(|number| *number >= MIDDLE)
        .collect();
    moved.sort_unstable();
    let after = |count: usize| {
        MIDDLE + ChangeNumber::try_from(count).expect("an owner keeps far fewer than 2^30 things")
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
    // Also when nothing was moved: what changes next is listed after all that stayed.
    Organizer::assemble(organizer.counters().renumbered(after(moved.len()), now), groups, records)
}

#[cfg(test)]
#[path = "renumbering_tests.rs"]
mod tests;
