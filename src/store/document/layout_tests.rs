use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::{
    ChatGroupId, Conversation, Counters, CustomMark, Group, GroupName, StandardMark, UserId,
};

/// Random changes of an organizer. As with real edits, changed records move to the end with higher numbers.
#[derive(Clone, Debug)]
enum Step {
    /// Changes some records, given by index modulo the number of records, and adds this many new ones.
    Change(Vec<usize>, usize),
    /// Removes these records.
    Drop(Vec<usize>),
    /// Renumbers the records from this index (modulo their number) on, starting at this number or, if that is lower,
    /// right after the record before them.
    Renumber(usize, u32),
    /// Replaces all records with this many others, numbered from this number on, as an import does.
    Replace(usize, u32),
}

fn record(number: u32, peer: usize, timestamp: u64) -> Arc<Record> {
    let (conversation, incarnation) = match peer % 3 {
        0 => (Conversation::ChatGroup(ChatGroupId::parse(&format!("@TGS#{peer}")).unwrap()), 300),
        _ => (Conversation::User(UserId::parse(&format!("user{peer}")).unwrap()), 0),
    };
    Arc::new(Record {
        conversation,
        incarnation,
        groups: if peer.is_multiple_of(2) { vec![1, 200] } else { Vec::new() },
        mark: StandardMark::from_bits(if peer.is_multiple_of(5) { 0 } else { u64::MAX >> (peer % 64) }),
        custom: CustomMark::parse(&"ж".repeat(1 + peer % 128)).unwrap(),
        number,
        timestamp,
    })
}

fn organizer(counters: Counters, records: Vec<Arc<Record>>) -> Arc<Organizer> {
    let group = |id, name: &str| Group { id, name: GroupName::parse(name).unwrap(), number: 1 };
    Arc::new(Organizer::from_parts(counters, vec![group(1, "a"), group(200, "б")], records).unwrap())
}

/// Applies a step, and returns the new organizer and its deltas.
fn apply(step: &Step, old: &Organizer, peers: &mut usize) -> (Arc<Organizer>, Vec<Delta>) {
    let mut deltas = Vec::new();
    let mut counters = *old.counters();
    let mut records: Vec<Arc<Record>> = old.records().to_vec();
    let places = |picked: &[usize], count: usize| {
        let mut places: Vec<usize> = picked.iter().filter(|_| count > 0).map(|pick| pick % count).collect();
        places.sort_unstable();
        places.dedup();
        places
    };
    match step {
        Step::Change(picked, new) => {
            let mut moved = Vec::new();
            for place in places(picked, records.len()).into_iter().rev() {
                moved.push(records.remove(place));
            }
            counters.last_timestamp += 1;
            for old in moved.into_iter().rev() {
                counters.version += 1;
                let number = counters.version;
                let record =
                    Arc::new(Record { number, timestamp: counters.last_timestamp, ..Record::clone(&old) });
                records.push(Arc::clone(&record));
                deltas.push(Delta::RecordChanged { before: Some(old), record });
            }
            for _ in 0..*new {
                counters.version += 1;
                *peers += 1;
                let record = record(counters.version, *peers, counters.last_timestamp);
                records.push(Arc::clone(&record));
                deltas.push(Delta::RecordChanged { before: None, record });
            }
        }
        Step::Drop(picked) => {
            for place in places(picked, records.len()).into_iter().rev() {
                let record = records.remove(place);
                counters.version += 1;
                deltas.push(Delta::RecordGone { number: counters.version, record });
            }
        }
        Step::Replace(new, first) => {
            let gone = std::mem::take(&mut records).into_iter();
            deltas.extend(gone.map(|record| Delta::RecordGone { number: 0, record }));
            records = (0..*new)
                .map(|index| {
                    *peers += 1;
                    record(first + u32::try_from(index).unwrap(), *peers, counters.last_timestamp)
                })
                .collect();
            let new = records.iter().cloned();
            deltas.extend(new.map(|record| Delta::RecordChanged { before: None, record }));
            counters.version = counters.version.max(first + u32::try_from(records.len()).unwrap());
        }
        Step::Renumber(first, from) => {
            let stay = first % (records.len() + 1);
            let before = stay.checked_sub(1).map_or(0, |last| records[last].number);
            counters.version = before.max(*from);
            for record in &mut records[stay..] {
                counters.version += 1;
                *record = Arc::new(Record { number: counters.version, ..Record::clone(record) });
            }
            counters.renumberings += 1;
            counters.renumbered_at = counters.last_timestamp;
            deltas.push(Delta::Renumbered { at: counters.last_timestamp });
        }
    }
    (organizer(counters, records), deltas)
}

fn start() -> Counters {
    Counters { version: 1, last_group: 200, last_timestamp: 1_700_000_000, ..Counters::default() }
}

/// Applies the edits to a table, as a store does.
fn write(rows: &mut BTreeMap<u32, Vec<u8>>, edits: Vec<ChunkEdit>) {
    for (chunk, bytes) in edits {
        match bytes {
            Some(bytes) => drop(rows.insert(chunk, bytes)),
            None => assert!(rows.remove(&chunk).is_some(), "chunk {chunk} is deleted, but was never written"),
        }
    }
}

fn read(rows: &BTreeMap<u32, Vec<u8>>) -> Stored {
    let rows: Vec<_> = rows.iter().rev().map(|(chunk, bytes)| (*chunk, bytes.clone())).collect();
    Stored::decode(&rows).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        steps in prop::collection::vec(
            prop_oneof![
                8 => (prop::collection::vec(any::<usize>(), 0..12), 0..40usize).prop_map(|(old, new)| Step::Change(old, new)),
                3 => prop::collection::vec(any::<usize>(), 0..60).prop_map(Step::Drop),
                1 => (any::<usize>(), 1..40u32).prop_map(|(first, from)| Step::Renumber(first, from)),
                1 => (0..50usize, 1..40u32).prop_map(|(new, first)| Step::Replace(new, first)),
            ],
            1..25,
        )
    ) {
        let mut rows = BTreeMap::new();
        let mut stored = Stored::default();
        let mut peers = 0;
        let mut current = organizer(start(), Vec::new());
        for step in &steps {
            let (next, deltas) = apply(step, &current, &mut peers);
            current = next;
            write(&mut rows, stored.advance(Arc::clone(&current), &deltas).unwrap());
            let again = read(&rows);
            prop_assert_eq!(&again.organizer, &current);
            // The layout that is read back has to equal the one in memory, since the next change may start from either.
            let layout = |stored: &Stored| {
                stored.chunks.iter().map(|chunk| (chunk.id, chunk.slots.clone())).collect::<Vec<_>>()
            };
            prop_assert_eq!(layout(&again), layout(&stored));
            // Every chunk has its row, and no two neighbours would fit into one.
            prop_assert_eq!(rows.len(), stored.chunks.len() + 1);
            let living: Vec<usize> = stored.chunks.iter().map(Chunk::living).collect();
            prop_assert!(living.windows(2).all(|pair| pair[0] + pair[1] > SLOTS), "{:?}", living);
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_or_another_value_but_never_a_panic(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let mut rows = BTreeMap::new();
        let (current, deltas) = apply(&Step::Change(Vec::new(), 40), &organizer(start(), Vec::new()), &mut 0);
        write(&mut rows, Stored::default().advance(current, &deltas).unwrap());
        for chunk in [0, 1] {
            let mut rows = rows.clone();
            let bytes = rows.get_mut(&chunk).unwrap();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let rows: Vec<_> = rows.into_iter().collect();
            let _ = Stored::decode(&rows);
        }
    }
}

#[test]
fn deltas_that_forget_something_are_noticed() {
    let mut stored = Stored::default();
    let (current, deltas) = apply(&Step::Change(Vec::new(), 40), &organizer(start(), Vec::new()), &mut 0);
    stored.advance(Arc::clone(&current), &deltas).unwrap();
    let (next, mut deltas) = apply(&Step::Change(vec![3, 7], 0), &current, &mut 40);
    deltas.pop();
    assert!(stored.clone().advance(Arc::clone(&next), &deltas).is_err());
}

#[test]
fn a_small_change_of_a_big_owner_writes_little() {
    let mut stored = Stored::default();
    let mut peers = 0;
    let (mut current, deltas) =
        apply(&Step::Change(Vec::new(), 1_000), &organizer(start(), Vec::new()), &mut peers);
    stored.advance(Arc::clone(&current), &deltas).unwrap();
    let (mut bytes, mut rows) = (0, 0);
    for round in 0..100usize {
        let picked = (0..5).map(|k| (round * 7919 + k * 211) % 1_000).collect();
        let (next, deltas) = apply(&Step::Change(picked, 0), &current, &mut peers);
        current = next;
        let edits = stored.advance(Arc::clone(&current), &deltas).unwrap();
        rows += edits.len();
        bytes += edits.iter().filter_map(|(_, bytes)| bytes.as_ref()).map(Vec::len).sum::<usize>();
    }
    // All 1,000 records take about 190 KB. A change of five records writes a few rows of a few KB.
    assert!(bytes / 100 < 10_000, "{} bytes a change", bytes / 100);
    assert!(rows / 100 <= 4, "{} rows a change", rows / 100);
}

/// Creates an organizer that was renumbered once, with version 2, the groups 1 "a" and 200 "б", and one record.
fn renumbered() -> Arc<Organizer> {
    let counters = Counters { renumberings: 1, renumbered_at: 1_700_000_000, ..start() };
    apply(&Step::Change(Vec::new(), 1), &organizer(counters, Vec::new()), &mut 0).0
}

fn bytes(head: &str, rest: &str) -> Vec<u8> {
    let digits = format!("{head}{rest}");
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

const FIRST_FORMAT: &str = "010201c80181e2cfaa06";
const SECOND_FORMAT: &str = "020201c80181e2cfaa0680e2cfaa06";
const AFTER_THE_COUNTERS: &str =
    "0201010161c8010102d0b10001060575736572310281e2cfaa0600ffffffffffffffff7f04d0b6d0b6";

#[test]
fn the_current_format_is_the_second() {
    let current = renumbered();
    let mut rows = BTreeMap::new();
    write(&mut rows, Stored::default().advance(Arc::clone(&current), &[]).unwrap());
    assert_eq!(rows[&0], bytes(SECOND_FORMAT, AFTER_THE_COUNTERS));
    assert_eq!(read(&rows).organizer, current);
}

#[test]
fn the_first_format_stays_readable_and_is_rewritten_as_the_second() {
    let rows = BTreeMap::from([(0, bytes(FIRST_FORMAT, AFTER_THE_COUNTERS))]);
    let mut stored = read(&rows);
    let counters = Counters { renumbered_at: 0, ..*renumbered().counters() };
    assert_eq!(
        stored.organizer,
        organizer(counters, renumbered().records().to_vec()),
        "format 1 contains no time of the renumbering"
    );
    let mut rows = rows;
    write(&mut rows, stored.advance(renumbered(), &[]).unwrap());
    assert_eq!(rows, BTreeMap::from([(0, bytes(SECOND_FORMAT, AFTER_THE_COUNTERS))]));
}

#[test]
fn an_unknown_format_is_refused_with_an_explanation() {
    for format in [0, 3] {
        let refused = Stored::decode(&[(0, vec![format])]).unwrap_err();
        assert_eq!(
            refused,
            format!("head: format {format} is not known to this version, which reads up to 2")
        );
    }
    // The format of chunks has not changed, so format 1 is the newest.
    let mut rows = BTreeMap::new();
    let (current, _) = apply(&Step::Change(Vec::new(), 40), &organizer(start(), Vec::new()), &mut 0);
    write(&mut rows, Stored::default().advance(current, &[]).unwrap());
    rows.get_mut(&1).unwrap()[0] = 2;
    let refused = Stored::decode(&rows.into_iter().collect::<Vec<_>>()).unwrap_err();
    assert_eq!(refused, "chunk 1: format 2 is not known to this version, which reads up to 1");
}
