//! Tests renumbering with examples, and with a client that reads page by page while others write and renumberings
//! occur.

use std::collections::{BTreeMap, HashMap};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::domain::{
    Change, Conversation, CustomMark, Edit, Group, GroupName, Limits, MarkChange, OwnerState, Presence,
    Restoration, RestoredRecord, StandardMark, Terms, UserId, World, page,
};

const NOW: UnixSeconds = 1_700_000_000;

fn peer(index: usize) -> Conversation {
    Conversation::User(UserId::parse(&format!("user{index}")).unwrap())
}

/// Creates an organizer whose groups and records have these numbers. Each record is one second later than the one
/// before.
fn owner(version: ChangeNumber, groups: &[ChangeNumber], records: &[ChangeNumber]) -> Organizer {
    let groups: Vec<Group> = ((1..).zip(groups))
        .map(|(id, number)| Group { id, name: GroupName::parse(&format!("g{id}")).unwrap(), number: *number })
        .collect();
    let records: Vec<Arc<Record>> = (records.iter().enumerate())
        .map(|(index, number)| {
            Arc::new(Record {
                conversation: peer(index),
                incarnation: 0,
                groups: Vec::new(),
                mark: StandardMark::NONE,
                custom: CustomMark::parse("start").unwrap(),
                number: *number,
                timestamp: index as u64 + 1,
            })
        })
        .collect();
    let counters = Counters {
        version,
        last_group: u32::try_from(groups.len()).unwrap(),
        last_timestamp: records.len() as u64,
        ..Counters::default()
    };
    Organizer::from_parts(counters, groups, records).unwrap()
}

/// Returns the numbers of the groups and those of the records.
fn numbers(organizer: &Organizer) -> (Vec<ChangeNumber>, Vec<ChangeNumber>) {
    let groups = organizer.groups().iter().map(|group| group.number).collect();
    (groups, organizer.records().iter().map(|record| record.number).collect())
}

/// Returns the version, the number of renumberings, and the time of the last one.
fn counted(organizer: &Organizer) -> (ChangeNumber, u32, UnixSeconds) {
    let Counters { version, renumberings, renumbered_at, .. } = *organizer.counters();
    (version, renumberings, renumbered_at)
}

/// Sets the custom marks of these peers, or clears them if the text is empty. The records numbered in `dead` are
/// removed.
fn marked_after(
    organizer: &Organizer,
    dead: &[ChangeNumber],
    peers: &[usize],
    custom: &str,
    now: UnixSeconds,
) -> Organizer {
    let presences: HashMap<_, _> =
        peers.iter().map(|index| (peer(*index), Presence::User { imported: true })).collect();
    let change = MarkChange { standard: None, custom: Some(CustomMark::parse(custom).unwrap()) };
    let items = peers.iter().map(|index| Ok((peer(*index), change.clone()))).collect();
    changed(organizer, dead, &Edit::Mark { items }, &presences, now)
}

/// Sets or clears custom marks without removing dead records.
fn marked(organizer: &Organizer, peers: &[usize], custom: &str, now: UnixSeconds) -> Organizer {
    marked_after(organizer, &[], peers, custom, now)
}

/// Applies an edit, and checks that its deltas lead to the new state.
fn changed(
    organizer: &Organizer,
    dead: &[ChangeNumber],
    edit: &Edit,
    presences: &HashMap<Conversation, Presence>,
    now: UnixSeconds,
) -> Organizer {
    let state = OwnerState { account: Some(Arc::default()), organizer: Arc::new(organizer.clone()) };
    let (owner, terms) = (UserId::parse("owner").unwrap(), Terms::of_tools(Limits::OPEN, now));
    let world = World { owner: &owner, terms: &terms, presences, sessions: None };
    let Some(Change { next, deltas }) = edit.decide(&state, dead, world).unwrap().change else {
        return organizer.clone();
    };
    assert_eq!(state.folded(&deltas), next);
    Organizer::clone(&next.organizer)
}

/// Returns the number of records of a page, and the start of the next one.
fn paged(organizer: &Organizer, start: u64, size: usize, now: UnixSeconds) -> (usize, Option<ChangeNumber>) {
    let page = page(organizer, start, size, || now);
    (page.records.len(), page.next)
}

#[test]
fn numbers_below_the_middle_stay_and_the_others_move_in_their_order() {
    let records = [3, MIDDLE - 1, MIDDLE, MIDDLE + 9, MAX_NUMBER - 1];
    let before = owner(MAX_NUMBER, &[5, MIDDLE + 7], &records);
    let after = renumbered(&before, NOW);
    let moved = vec![3, MIDDLE - 1, MIDDLE + 1, MIDDLE + 3, MIDDLE + 4];
    assert_eq!(numbers(&after), (vec![5, MIDDLE + 2], moved));
    assert_eq!(counted(&after), (MIDDLE + 4, 1, NOW), "the version is the last number");
    for (record, old) in after.records().iter().zip(before.records()) {
        assert_eq!((&record.conversation, record.timestamp), (&old.conversation, old.timestamp));
    }
}

#[test]
fn all_may_stay_and_all_may_move_also_a_second_time() {
    let low = renumbered(&owner(MAX_NUMBER, &[1], &[7, 9]), NOW);
    assert_eq!((numbers(&low), counted(&low)), ((vec![1], vec![7, 9]), (MIDDLE, 1, NOW)));
    assert_eq!(numbers(&marked(&low, &[0], "x", NOW)).1, [9, MIDDLE + 1], "listed after all that stayed");

    let high = renumbered(&owner(MAX_NUMBER, &[MAX_NUMBER - 2], &[MAX_NUMBER - 1, MAX_NUMBER]), NOW);
    assert_eq!(numbers(&high), (vec![MIDDLE + 1], vec![MIDDLE + 2, MIDDLE + 3]));
    let mut counters = high.counters().raised(Counters { version: MAX_NUMBER - 1, ..Counters::default() });
    counters.last_timestamp = NOW + 5_000;
    let far = Organizer::assemble(counters, high.groups().to_vec(), high.records().to_vec());
    // The first mark uses the last number, so the second one needs a renumbering.
    let again = marked(&marked(&far, &[0], "x", NOW), &[2], "y", NOW + 4_000);
    assert_eq!(numbers(&again), (vec![MIDDLE + 1], vec![MIDDLE + 2, MIDDLE + 3, MIDDLE + 4]));
    assert_eq!(counted(&again), (MIDDLE + 4, 2, NOW + 4_000));
    assert!(again.records().is_sorted_by_key(|record| record.timestamp));
}

#[test]
fn burying_renumbers_when_its_numbers_do_not_fit() {
    let before = owner(MAX_NUMBER - 1, &[], &[4, MIDDLE + 2, MIDDLE + 3]);
    // The two dead records move to MIDDLE + 1 and MIDDLE + 2, and their removals get the next two numbers.
    let after = marked_after(&before, &[MIDDLE + 2, MIDDLE + 3], &[1], "x", NOW);
    assert_eq!((numbers(&after).1, counted(&after)), (vec![4, MIDDLE + 5], (MIDDLE + 5, 1, NOW)));
    // There are just enough numbers for one removal and one mark.
    let roomy = marked_after(&owner(MAX_NUMBER - 2, &[], &[4, 5]), &[5], &[7], "x", NOW);
    assert_eq!(counted(&roomy), (MAX_NUMBER, 0, 0));
    // There is a number for the removal, but none for the mark that follows.
    let tight = marked_after(&owner(MAX_NUMBER - 1, &[], &[4, 5]), &[5], &[7], "x", NOW);
    assert_eq!((numbers(&tight).1, counted(&tight)), (vec![4, MIDDLE + 1], (MIDDLE + 1, 1, NOW)));
}

#[test]
fn removals_with_an_account_take_numbers_after_a_renumbering() {
    let emptied = owner(MAX_NUMBER - 2, &[1], &[4, MIDDLE + 2]).emptied(NOW).0;
    // The record above the middle moves to MIDDLE + 1, and the three removals get the numbers after it.
    assert_eq!(counted(&emptied), (MIDDLE + 4, 1, NOW));
    let emptied = owner(MAX_NUMBER - 3, &[1], &[4, MIDDLE + 2]).emptied(NOW).0;
    assert_eq!(counted(&emptied), (MAX_NUMBER, 0, 0), "there are just enough numbers");
}

#[test]
fn a_renumbering_has_a_time_that_can_be_kept() {
    let at = |now| counted(&renumbered(&owner(MAX_NUMBER, &[], &[]), now)).2;
    assert_eq!((at(0), at(u64::MAX)), (1, LAST_SECOND));
    let [early, late] = [5, 9].map(|renumbered_at| Counters { renumbered_at, ..Counters::default() });
    assert_eq!((early.raised(late), late.raised(early)), (late, late));
}

#[test]
fn ten_minutes_are_counted_in_both_directions_and_the_clock_is_asked_only_if_needed() {
    let counters = Counters { renumbered_at: NOW, ..Counters::default() };
    let in_grace = |now| counters.is_in_grace(|| now);
    assert!([NOW - 600, NOW, NOW + 600].into_iter().all(in_grace));
    assert!(![0, NOW - 601, NOW + 601, LAST_SECOND].into_iter().any(in_grace));
    assert!(!Counters::default().is_in_grace(|| unreachable!("there was no renumbering")));
}

#[test]
fn a_start_above_what_was_given_means_the_middle() {
    let (low, high) = (owner(7, &[], &[3, 7]), owner(MIDDLE + 3, &[], &[3, MIDDLE + 1, MIDDLE + 3]));
    for start in [8, 9, MIDDLE, MIDDLE + 1, MAX_NUMBER + 1].map(u64::from).into_iter().chain([u64::MAX]) {
        assert_eq!(paged(&low, start, 9, NOW), (0, None), "{start}");
    }
    let lengths = |starts: &[u32]| -> Vec<usize> {
        starts.iter().map(|start| paged(&high, u64::from(*start), 9, NOW).0).collect()
    };
    assert_eq!(lengths(&[0, 4, MIDDLE, MIDDLE + 1, MIDDLE + 2, MIDDLE + 4]), [3, 2, 2, 2, 1, 0]);
    assert_eq!(lengths(&[MIDDLE + 5, MAX_NUMBER]), [2, 2]);
    assert_eq!(paged(&high, u64::MAX, 1, NOW), (1, Some(MIDDLE + 2)), "the page size still counts");
}

#[test]
fn for_ten_minutes_the_upper_half_is_one_page() {
    let records = [3, 5, MIDDLE - 1, MAX_NUMBER - 3, MAX_NUMBER - 2, MAX_NUMBER - 1];
    let owner = renumbered(&owner(MAX_NUMBER, &[], &records), NOW);
    for now in [NOW - 600, NOW, NOW + 600] {
        // Any start above the middle lists the whole upper half.
        for start in [MIDDLE, MIDDLE + 1, MIDDLE + 3, MIDDLE + 4, MAX_NUMBER].map(u64::from) {
            assert_eq!(paged(&owner, start, 1, now), (3, None), "{start}");
        }
        assert_eq!(paged(&owner, 0, 2, now), (2, Some(6)), "below the middle");
        assert_eq!(paged(&owner, 0, 3, now), (3, Some(MIDDLE)), "just before the middle");
        assert_eq!(paged(&owner, 0, 4, now), (6, None), "from the middle on, all at once");
    }
    for now in [NOW - 601, NOW + 601] {
        assert_eq!(paged(&owner, 0, 4, now), (4, Some(MIDDLE + 2)));
        assert_eq!(paged(&owner, (MIDDLE + 2).into(), 1, now), (1, Some(MIDDLE + 3)));
        assert_eq!(paged(&owner, (MIDDLE + 4).into(), 1, now), (0, None));
    }
}

/// A write between two pages of a client.
#[derive(Clone, Debug)]
enum Write {
    Mark(Vec<usize>),
    Clear(Vec<usize>),
    /// Destroys the chat groups of some records, given by index modulo the number of records, and marks these peers.
    Bury(Vec<usize>, Vec<usize>),
    /// Deletes everything, and marks these peers afterwards.
    Empty(Vec<usize>),
    /// Imports all records except the one at this index, with numbers at this distance or without numbers.
    Import(usize, Option<u32>),
    /// Raises the version so that at most this many numbers are left.
    Jump(u32),
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let peers = || vec(0..30usize, 1..6);
    let write = prop_oneof![
        6 => peers().prop_map(Write::Mark),
        2 => peers().prop_map(Write::Clear),
        1 => (peers(), peers()).prop_map(|(dead, marked)| Write::Bury(dead, marked)),
        1 => peers().prop_map(Write::Empty),
        1 => (any::<usize>(), prop::option::of(1..100_000_000u32)).prop_map(|(left, by)| Write::Import(left, by)),
        2 => (0..20u32).prop_map(Write::Jump),
    ];
    vec(write, 0..4)
}

fn written(organizer: &Organizer, write: &Write, text: &str, now: UnixSeconds) -> Organizer {
    match write {
        Write::Mark(peers) => marked(organizer, peers, text, now),
        Write::Clear(peers) => marked(organizer, peers, "", now),
        Write::Bury(places, peers) => {
            let records = organizer.records();
            let places = places.iter().filter(|_| !records.is_empty());
            let mut dead: Vec<_> = places.map(|place| records[place % records.len()].number).collect();
            dead.sort_unstable();
            dead.dedup();
            marked_after(organizer, &dead, peers, text, now)
        }
        Write::Empty(peers) => marked(&organizer.emptied(now).0, peers, text, now),
        Write::Import(left, by) => {
            let floor = organizer.emptied(now).0.counters().version;
            let left = left.checked_rem(organizer.records().len());
            let kept = organizer.records().iter().enumerate().filter(|(place, _)| Some(*place) != left);
            let mut parts: Vec<_> = (kept.zip(1..))
                .map(|((_, record), count)| RestoredRecord {
                    conversation: record.conversation.clone(),
                    groups: Vec::new(),
                    mark: record.mark,
                    custom: record.custom.clone(),
                    number: by.and_then(|by| floor.checked_add(by.checked_mul(count)?)),
                    timestamp: record.timestamp,
                })
                .collect();
            if parts.iter().any(|part| part.number.is_none_or(|number| number > MAX_NUMBER)) {
                for part in &mut parts {
                    part.number = None;
                }
            }
            let restoration = Restoration { records: parts, ..Restoration::default() };
            changed(organizer, &[], &Edit::Restore(restoration), &HashMap::new(), now)
        }
        Write::Jump(room) => {
            let version = organizer.counters().version.max(MAX_NUMBER - room);
            let counters = Counters { version, ..*organizer.counters() };
            Organizer::assemble(counters, Vec::new(), organizer.records().to_vec())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_client_that_pages_while_others_write_misses_nothing(
        numbers in prop::collection::btree_set(
            prop_oneof![1..60u32, MIDDLE - 3..MIDDLE + 60, MAX_NUMBER - 60..MAX_NUMBER - 9], 0..25,
        ),
        room in 0..10u32,
        size in 1..8usize,
        // A long pause, some writes, and then at most ten minutes until the next page, by a clock that may be set back.
        between in vec((0..2_000u64, writes(), -600..=600i64), 0..25),
    ) {
        let numbers: Vec<ChangeNumber> = numbers.into_iter().collect();
        let mut organizer = owner(MAX_NUMBER - room, &[], &numbers);
        let (mut now, mut between) = (NOW, between.iter());
        // Read all pages again and again, until there are no writes left.
        for pull in 0.. {
            let (mut start, mut seen, mut pages) = (0, BTreeMap::new(), 0);
            loop {
                let page = page(&organizer, start, size, || now);
                let records = page.records.iter();
                seen.extend(records.map(|record| (record.conversation.clone(), record.custom.clone())));
                let Some(next) = page.next else { break };
                start = u64::from(next);
                pages += 1;
                prop_assert!(pages < 100, "reading page by page has to come to an end");
                let Some((pause, writes, wait)) = between.next() else { continue };
                now += pause;
                for (index, write) in writes.iter().enumerate() {
                    organizer = written(&organizer, write, &format!("{pull} {pages} {index}"), now);
                }
                now = now.saturating_add_signed(*wait);
            }
            for record in organizer.records() {
                prop_assert_eq!(seen.get(&record.conversation), Some(&record.custom), "{:?}", record);
            }
            if let Some((_, writes, _)) = between.next() {
                for write in writes {
                    organizer = written(&organizer, write, &format!("after {pull}"), now);
                }
            } else {
                break;
            }
        }
    }
}
