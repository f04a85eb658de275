use super::*;
use crate::domain::{Conversation, Counters, CustomMark, Record, StandardMark, UserId};

fn owner() -> Owner {
    Owner { app: AppId::new(1).unwrap(), user: UserId::parse("a").unwrap() }
}

/// Creates an organizer with this many records, about the chat groups `g0`, `g1` and so on.
fn stored(records: usize) -> Stored {
    let number = |index: usize| u32::try_from(index + 1).unwrap();
    let record = |index: usize| {
        Arc::new(Record {
            conversation: Conversation::ChatGroup(ChatGroupId::parse(&format!("g{index}")).unwrap()),
            incarnation: 0,
            groups: Vec::new(),
            mark: StandardMark::from_bits(1),
            custom: CustomMark::parse("x").unwrap(),
            number: number(index),
            timestamp: 1,
        })
    };
    let counters = Counters { version: number(records), last_timestamp: 1, ..Counters::default() };
    let organizer = Organizer::from_parts(counters, Vec::new(), (0..records).map(record).collect()).unwrap();
    let mut stored = Stored::default();
    stored.advance(Arc::new(organizer), &[]).unwrap();
    stored
}

fn snapshot(records: usize) -> Snapshot {
    Snapshot { stored: Arc::new(stored(records)), ..Snapshot::default() }
}

fn publish(cache: &OwnerCache, records: usize) {
    let disbandings = cache.disbandings(owner().app);
    let seen = disbandings.count();
    cache.publish(owner(), CachedOwner::new(snapshot(records), disbandings, seen));
}

fn kept(cache: &OwnerCache) -> Option<usize> {
    cache.get(&owner()).map(|entry| entry.stored.organizer.records().len())
}

#[test]
fn a_snapshot_older_than_a_commit_is_not_kept() {
    // The second cache is too small for the committed entry. It must not keep the older one instead.
    for (bytes, expected) in [(64 << 20, Some(2_000)), (100_000, None)] {
        let cache = OwnerCache::new(bytes);
        let read = cache.get_or_load(&owner(), || {
            let before = snapshot(1);
            publish(&cache, 2_000);
            Ok::<_, ()>(before)
        });
        assert_eq!(
            read.unwrap().stored.organizer.records().len(),
            1,
            "the older value is still valid for this reader"
        );
        assert_eq!(kept(&cache), expected);
    }
}

#[test]
fn a_snapshot_is_kept_when_nothing_happened() {
    let cache = OwnerCache::new(64 << 20);
    cache.get_or_load(&owner(), || Ok::<_, ()>(snapshot(3))).unwrap();
    assert_eq!(kept(&cache), Some(3));
}

#[test]
fn a_disbanding_during_a_read_is_not_missed() {
    let cache = OwnerCache::new(64 << 20);
    let disbandings = cache.disbandings(owner().app);
    let disband = |id: &str| disbandings.publish(ChatGroupId::parse(id).unwrap());
    cache
        .get_or_load(&owner(), || {
            let before = snapshot(3);
            disband("g1");
            Ok::<_, ()>(before)
        })
        .unwrap();
    assert_eq!(kept(&cache), None, "the entry has to be read again");
}

#[test]
fn an_entry_that_lags_compares_itself_with_exactly_what_it_missed() {
    let cache = OwnerCache::new(64 << 20);
    let disbandings = cache.disbandings(owner().app);
    let disband = |id: &str| disbandings.publish(ChatGroupId::parse(id).unwrap());
    disband("g1");
    publish(&cache, 3);
    assert_eq!(kept(&cache), Some(3), "the entry takes earlier disbandings into account");
    for count in 0..REMEMBERED {
        disband(&format!("other{count}"));
    }
    assert_eq!(kept(&cache), Some(3));
    for count in 0..=REMEMBERED {
        disband(&format!("other{count}"));
    }
    assert_eq!(kept(&cache), None, "too many disbandings to keep");
    publish(&cache, 3);
    disband("g2");
    assert_eq!(kept(&cache), None);
}
