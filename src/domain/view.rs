//! The reading rules: a page of everything, and a look-up of given conversations.

use std::{collections::HashMap, sync::Arc};

use super::{ChangeNumber, Conversation, Group, Organizer, Record, UnixSeconds, renumbering::MIDDLE};

/// One page of an organizer's records.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// The records of the page, by ascending change number.
    pub records: &'a [Arc<Record>],
    /// Where the next page starts; `None` when nothing is left.
    pub next: Option<ChangeNumber>,
}

/// The records whose change number is at least `start`, at most `size` (at least 1) of them.
///
/// Since a record that changes takes a higher number, no record is ever missed however much
/// changes while a client pages (decision 3). A renumbering may come between two pages: then a `start` from before
/// means the middle of all numbers, and a page that gets there goes on to the end, since the `start` that would follow
/// it would mean the middle again. `now` is asked for only about an owner who was renumbered.
#[must_use]
pub fn page(organizer: &Organizer, start: u64, size: usize, now: impl FnOnce() -> UnixSeconds) -> Page<'_> {
    let (counters, records) = (organizer.counters(), organizer.records());
    let in_grace = counters.is_in_grace(now);
    let start = counters.listed_from(start, in_grace);
    let from = records.partition_point(|record| u64::from(record.number) < start);
    let mut to = records.len().min(from + size);
    if in_grace && records[from..to].last().is_some_and(|record| record.number >= MIDDLE) {
        to = records.len();
    }
    let next = (to < records.len()).then(|| records[to - 1].number + 1);
    Page { records: &records[from..to], next }
}

/// What a look-up found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The records, in the order their conversations were first named; a conversation without a
    /// record is left out.
    pub records: Vec<&'a Record>,
    /// The groups those records are in, by ascending id.
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
