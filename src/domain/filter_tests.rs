//! Tests searching with examples, and against a list of all records that is filtered one condition at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::domain::{ChatGroupId, Counters, Group, GroupName, MarkBit, UserId, page};

const NOW: UnixSeconds = 1_700_000_000;
/// The ids of the groups of every organizer here.
const GROUPS: [GroupId; 3] = [1, 2, 3];

fn marks(bits: &[i64]) -> StandardMark {
    bits.iter().fold(StandardMark::NONE, |marks, bit| marks.with(MarkBit::new(*bit).unwrap()))
}

fn custom(text: &str) -> Option<CustomMark> {
    CustomMark::parse(text).unwrap()
}

/// Returns a conversation with a user for even numbers, and with a chat group for odd ones.
fn conversation(index: usize) -> Conversation {
    match index % 2 {
        0 => Conversation::User(UserId::parse(&format!("user{index}")).unwrap()),
        _ => Conversation::ChatGroup(ChatGroupId::parse(&format!("chat{index}")).unwrap()),
    }
}

fn record(index: usize, groups: &[GroupId], bits: &[i64], text: &str) -> Record {
    Record {
        conversation: conversation(index),
        incarnation: 0,
        groups: groups.to_vec(),
        mark: marks(bits),
        custom: custom(text),
        number: 0,
        timestamp: 0,
    }
}

/// Creates an organizer with these records, the first of which gets the number `first`.
fn organizer(first: ChangeNumber, records: Vec<Record>, renumbered_at: UnixSeconds) -> Organizer {
    let records: Vec<_> = (first..)
        .zip(records)
        .map(|(number, record)| Arc::new(Record { number, timestamp: u64::from(number), ..record }))
        .collect();
    let version = first + u32::try_from(records.len()).unwrap();
    let counters = Counters {
        version,
        renumberings: u32::from(renumbered_at > 0),
        renumbered_at,
        last_group: 3,
        last_timestamp: u64::from(version),
    };
    Organizer::from_parts(counters, groups(), records).unwrap()
}

fn groups() -> Vec<Group> {
    let group = |id| Group { id, name: GroupName::parse(&format!("g{id}")).unwrap(), number: 1 };
    GROUPS.map(group).to_vec()
}

fn found(organizer: &Organizer, filter: &Filter) -> Vec<Conversation> {
    let page = filtered_page(organizer, filter, 0, usize::MAX, || NOW);
    assert_eq!(page.next, None);
    page.records.into_iter().map(|record| record.conversation.clone()).collect()
}

#[test]
fn each_condition_has_its_meaning() {
    let organizer = organizer(
        10,
        vec![
            record(0, &[1, 3], &[0, 3], ""),
            record(1, &[2], &[], "order 17"),
            record(2, &[], &[3, 63], "ordered"),
            record(3, &[1], &[0], "Order 18"),
        ],
        0,
    );
    let all = Filter::default();
    for (filter, expected) in [
        (all.clone(), vec![0, 1, 2, 3]),
        (Filter { all: marks(&[3]), ..all.clone() }, vec![0, 2]),
        (Filter { all: marks(&[0, 3]), ..all.clone() }, vec![0]),
        (Filter { all: marks(&[63]), ..all.clone() }, vec![2]),
        (Filter { any: marks(&[0, 63]), ..all.clone() }, vec![0, 2, 3]),
        (Filter { any: marks(&[5]), ..all.clone() }, vec![]),
        (Filter { none: marks(&[0, 5]), ..all.clone() }, vec![1, 2]),
        (Filter { all: marks(&[0]), none: marks(&[0]), ..all.clone() }, vec![]),
        (Filter { in_group: Some(1), ..all.clone() }, vec![0, 3]),
        (Filter { not_in_group: Some(1), ..all.clone() }, vec![1, 2]),
        (Filter { in_group: Some(1), not_in_group: Some(3), ..all.clone() }, vec![3]),
        (Filter { in_group: Some(1), not_in_group: Some(1), ..all.clone() }, vec![]),
        (Filter { custom_prefix: custom("order"), ..all.clone() }, vec![1, 2]),
        (Filter { custom_prefix: custom("order 17 and more"), ..all.clone() }, vec![]),
        (Filter { kind: Some(ConversationKind::User), ..all.clone() }, vec![0, 2]),
        (Filter { kind: Some(ConversationKind::ChatGroup), ..all.clone() }, vec![1, 3]),
        (
            Filter { kind: Some(ConversationKind::ChatGroup), custom_prefix: custom("order"), ..all.clone() },
            vec![1],
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(conversation).collect();
        assert_eq!(found(&organizer, &filter), expected, "{filter:?}");
    }
}

#[test]
fn a_page_is_full_or_the_last_one_however_few_records_match() {
    let records = (0..1_000).map(|index| record(index, &[1], if index % 100 == 7 { &[1] } else { &[] }, ""));
    let organizer = organizer(5, records.collect(), 0);
    let filter = Filter { all: marks(&[1]), ..Filter::default() };
    let numbers = |start, size| {
        let page = filtered_page(&organizer, &filter, start, size, || panic!("there was no renumbering"));
        (page.records.iter().map(|record| record.number).collect::<Vec<_>>(), page.next)
    };
    assert_eq!(numbers(0, 4), (vec![12, 112, 212, 312], Some(313)));
    assert_eq!(numbers(313, 4), (vec![412, 512, 612, 712], Some(713)));
    assert_eq!(numbers(713, 4), (vec![812, 912], None), "what is left does not match");
    assert_eq!(numbers(0, 10).1, None, "a page that takes the last match is the last page");
    assert_eq!(numbers(913, 4), (vec![], None));
}

#[test]
fn a_page_that_reaches_the_middle_after_a_renumbering_is_not_split() {
    let records = (0..30).map(|index| record(index, &[1], &[], "")).collect();
    let organizer = organizer(MIDDLE - 10, records, NOW);
    let filter = Filter { kind: Some(ConversationKind::ChatGroup), ..Filter::default() };
    let page = |start, size, now| {
        let page = filtered_page(&organizer, &filter, start, size, || now);
        (page.records.len(), page.next)
    };
    assert_eq!(page(0, 5, NOW), (5, Some(MIDDLE)), "below the middle pages are as long as always");
    assert_eq!(page(u64::from(MIDDLE), 5, NOW), (10, None));
    assert_eq!(page(u64::from(MIDDLE) + 17, 5, NOW), (10, None), "the start may be from before");
    assert_eq!(page(u64::from(MIDDLE) + 17, 5, NOW + 601).0, 2, "after ten minutes it counts as it is");
}

fn any_record() -> impl Strategy<Value = Record> {
    let text = prop_oneof![Just(""), Just("a"), Just("ab"), Just("abc"), Just("b")];
    (prop::sample::subsequence(GROUPS.to_vec(), 0..=3), 0u64..8, text).prop_map(|(groups, bits, text)| {
        let record = Record { mark: StandardMark::from_bits(bits), ..record(0, &groups, &[], text) };
        // A record without groups and marks cannot exist.
        let is_empty = !record.is_grouped() && !record.is_marked();
        if is_empty { Record { groups: vec![2], ..record } } else { record }
    })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let bits = || prop_oneof![2 => Just(0u64), 1 => 0u64..8].prop_map(StandardMark::from_bits);
    let group = || option::weighted(0.3, prop::sample::select(GROUPS.to_vec()));
    let prefix = option::weighted(0.3, prop::sample::select(vec!["a", "ab", "b"]));
    let kind = option::weighted(
        0.3,
        prop::sample::select(vec![ConversationKind::User, ConversationKind::ChatGroup]),
    );
    (bits(), bits(), bits(), group(), group(), prefix, kind).prop_map(
        |(all, any, none, in_group, not_in_group, prefix, kind)| Filter {
            all,
            any,
            none,
            in_group,
            not_in_group,
            custom_prefix: prefix.and_then(custom),
            kind,
        },
    )
}

/// Filters a list bit by bit and group by group, without the code under test.
fn naive<'a>(records: &'a [Arc<Record>], filter: &Filter) -> Vec<&'a Record> {
    let is_set = |record: &Record, bit: u32| record.mark.bits() & 1 << bit != 0;
    let listed = |marks: StandardMark| (0..64).filter(move |bit| marks.bits() >> bit & 1 == 1);
    let mut kept: Vec<&Record> = records.iter().map(|record| &**record).collect();
    for bit in listed(filter.all) {
        kept.retain(|record| is_set(record, bit));
    }
    for bit in listed(filter.none) {
        kept.retain(|record| !is_set(record, bit));
    }
    if listed(filter.any).count() > 0 {
        kept.retain(|record| listed(filter.any).any(|bit| is_set(record, bit)));
    }
    if let Some(group) = filter.in_group {
        kept.retain(|record| record.groups.contains(&group));
    }
    if let Some(group) = filter.not_in_group {
        kept.retain(|record| !record.groups.contains(&group));
    }
    if let Some(prefix) = &filter.custom_prefix {
        let prefix = prefix.as_str();
        kept.retain(|record| {
            record.custom.as_ref().and_then(|custom| custom.as_str().get(..prefix.len())) == Some(prefix)
        });
    }
    if let Some(kind) = filter.kind {
        kept.retain(|record| {
            record.conversation.chat_group().is_some() == (kind == ConversationKind::ChatGroup)
        });
    }
    kept
}

fn numbered(records: Vec<Record>) -> Vec<Record> {
    let with_conversation =
        |(index, record): (usize, Record)| Record { conversation: conversation(index), ..record };
    records.into_iter().enumerate().map(with_conversation).collect()
}

proptest! {
    #[test]
    fn pages_together_are_what_a_naive_filter_keeps(
        records in vec(any_record(), 0..40),
        filter in any_filter(),
        size in 1usize..6,
        // Numbers from before a renumbering, around the middle of all numbers, and above it.
        first in prop_oneof![Just(1), Just(MIDDLE - 20), Just(MIDDLE + 1)],
        renumbered_at in prop_oneof![Just(0), Just(NOW), Just(NOW - 601)],
    ) {
        let organizer = organizer(first, numbered(records), renumbered_at);
        let expected = naive(organizer.records(), &filter);
        let mut seen = Vec::new();
        let mut start = 0;
        loop {
            let page = filtered_page(&organizer, &filter, start, size, || NOW);
            let is_in_grace = renumbered_at == NOW;
            let last = page.records.last().map(|record| record.number);
            prop_assert!(page.records.len() <= size || (is_in_grace && last >= Some(MIDDLE)));
            seen.extend(page.records.iter().copied());
            let Some(next) = page.next else { break };
            prop_assert!(page.records.len() >= size, "a page that is not the last one is full");
            prop_assert!(u64::from(next) > start, "each page begins after the one before");
            start = u64::from(next);
        }
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn without_conditions_pages_are_those_of_the_whole_list(
        records in vec(any_record(), 0..40),
        size in 1usize..6,
        start in prop_oneof![0u64..60, u64::from(MIDDLE) - 20..u64::from(MIDDLE) + 40],
        first in prop_oneof![Just(1), Just(MIDDLE - 20), Just(MIDDLE + 1)],
        renumbered_at in prop_oneof![Just(0), Just(NOW), Just(NOW - 601)],
    ) {
        let organizer = organizer(first, numbered(records), renumbered_at);
        let all = page(&organizer, start, size, || NOW);
        let found = filtered_page(&organizer, &Filter::default(), start, size, || NOW);
        prop_assert_eq!(found.next, all.next);
        prop_assert_eq!(found.records, all.records.iter().map(|record| &**record).collect::<Vec<_>>());
    }

    #[test]
    fn a_record_that_matches_throughout_is_not_missed_while_others_change(
        records in vec(any_record(), 1..30),
        filter in any_filter(),
        size in 1usize..5,
        moves in vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut all: BTreeMap<ChangeNumber, Record> = (1..).zip(numbered(records)).collect();
        let mut moves = moves.into_iter();
        let (mut seen, mut start) = (BTreeSet::new(), 0);
        let arranged = |all: &BTreeMap<ChangeNumber, Record>| {
            let version = *all.keys().next_back().unwrap();
            let records = all.iter().map(|(number, record)| {
                Arc::new(Record { number: *number, timestamp: u64::from(*number), ..record.clone() })
            });
            let counters = Counters {
                version, last_group: 3, last_timestamp: u64::from(version), ..Counters::default()
            };
            Organizer::from_parts(counters, groups(), records.collect()).unwrap()
        };
        let expected: BTreeSet<Conversation> = naive(arranged(&all).records(), &filter)
            .into_iter().map(|record| record.conversation.clone()).collect();
        loop {
            let organizer = arranged(&all);
            let page = filtered_page(&organizer, &filter, start, size, || NOW);
            seen.extend(page.records.iter().map(|record| record.conversation.clone()));
            let Some(next) = page.next else { break };
            start = u64::from(next);
            // A change gives a record the highest number.
            for index in moves.by_ref().take(2) {
                let number = *index.get(&all.keys().copied().collect::<Vec<_>>());
                let record = all.remove(&number).unwrap();
                let highest = all.keys().next_back().copied().unwrap_or(0).max(number);
                all.insert(highest + 1, record);
            }
        }
        prop_assert_eq!(seen, expected);
    }
}
