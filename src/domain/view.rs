//! The rules for reading: listing all records page by page, and looking up given conversations.

use std::{collections::HashMap, sync::Arc};

use super::{ChangeNumber, Conversation, Group, Organizer, Record, UnixSeconds, renumbering::MIDDLE};

/// One page of an organizer's records.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// The records of the page, sorted by change number.
    pub records: &'a [Arc<Record>],
    /// The start of the next page; `None` after the last page.
    pub next: Option<ChangeNumber>,
}

/// Returns the records whose change number is at least `start`, up to `size` of them (at least 1).
///
/// A record that changes gets a higher number, so a client that reads page by page misses no record, even if records
/// change in the meantime (decision 3). After a renumbering, a `start` from before it counts as the middle of all
/// numbers. A page that reaches the middle then continues to the end, because the next `start` would count as the
/// middle again. `now` is called only if the owner was renumbered.
#[must_use]
pub fn page(organizer: &Organizer, start: u64, size: usize, now: impl FnOnce() -> UnixSeconds) -> Page<'_> {
    let Beginning { rest, in_grace } = Beginning::of(organizer, start, now);
    let mut to = rest.len().min(size);
    if in_grace && rest[..to].last().is_some_and(|record| record.number >= MIDDLE) {
        to = rest.len();
    }
    let next = (to < rest.len()).then(|| rest[to - 1].number + 1);
    Page { records: &rest[..to], next }
}

/// Where a page begins.
pub(super) struct Beginning<'a> {
    /// The records from the start of the page to the end.
    pub(super) rest: &'a [Arc<Record>],
    /// Whether clients may still send a `StartIndex` from before a renumbering, so that a page which reaches the middle of
    /// all numbers must not be split.
    pub(super) in_grace: bool,
}

impl Beginning<'_> {
    /// Finds the records that a `StartIndex` lists. `now` is called only if the owner was renumbered.
    pub(super) fn of(organizer: &Organizer, start: u64, now: impl FnOnce() -> UnixSeconds) -> Beginning<'_> {
        let (counters, records) = (organizer.counters(), organizer.records());
        let in_grace = counters.is_in_grace(now);
        let start = counters.listed_from(start, in_grace);
        let from = records.partition_point(|record| u64::from(record.number) < start);
        Beginning { rest: &records[from..], in_grace }
    }
}

/// The result of [`search`].
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The records, in the order in which their conversations are first named. Conversations without a record are left
    /// out.
    pub records: Vec<&'a Record>,
    /// The groups of these records, sorted by id.
    pub groups: Vec<&'a Group>,
}

/// Looks up the records of the named conversations.
#[must_use]
pub fn search<'a>(organizer: &'a Organizer, named: &[Conversation]) -> Found<'a> {
    let mut place = HashMap::with_capacity(named.len());
    for conversation in named {
        let next = place.len();
        place.entry(conversation).or_insert(next);
    }
    let mut slots = vec![None; place.len()];
    for record in organizer.records() {
        if let Some(slot) = place.get(&record.conversation) {
            slots[*slot] = Some(&**record);
        }
    }
    let records: Vec<&Record> = slots.into_iter().flatten().collect();
    let groups = (organizer.groups().iter())
        .filter(|group| records.iter().any(|record| record.groups.contains(&group.id)))
        .collect();
    Found { records, groups }
}
