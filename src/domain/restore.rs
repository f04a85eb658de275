//! Making an organizer from imported groups and records.

use std::sync::Arc;

use super::{
    ChangeNumber, Conversation, Counters, CustomMark, Group, GroupId, GroupName, MAX_NUMBER, Organizer,
    Record, StandardMark, UnixSeconds, Unsound, renumbering::MIDDLE,
};

/// A group to be restored; without a number it gets one.
#[derive(Clone, Debug)]
pub struct RestoredGroup {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: GroupName,
    /// Its change number, if known.
    pub number: Option<ChangeNumber>,
}

/// A record to be restored; without a number it gets one.
#[derive(Clone, Debug)]
pub struct RestoredRecord {
    /// Which conversation.
    pub conversation: Conversation,
    /// The groups it is in, in any order.
    pub groups: Vec<GroupId>,
    /// Its standard marks.
    pub mark: StandardMark,
    /// Its custom mark.
    pub custom: Option<CustomMark>,
    /// Its change number, if known.
    pub number: Option<ChangeNumber>,
    /// The time of its last change.
    pub timestamp: UnixSeconds,
}

/// Puts an organizer together whose records are listed by timestamp (decision 4), in the place of
/// `before`.
///
/// The counters of `before` and those the import tells are floors. When every group and record
/// carries a number, and all are above what `before` gave out, the numbers are kept; otherwise all
/// are numbered anew from there: groups by id, then records by timestamp. What is there already keeps
/// its numbers, so that restoring the same parts for the second time changes nothing. `incarnation` tells the present incarnation of a conversation's chat
/// group. `now` is when the owner is renumbered, if the numbers above those counters do not suffice.
///
/// # Errors
/// [`Unsound`] when the parts contradict each other.
pub fn restore(
    before: &Organizer,
    told: Counters,
    mut groups: Vec<RestoredGroup>,
    mut records: Vec<RestoredRecord>,
    now: UnixSeconds,
    incarnation: impl Fn(&Conversation) -> u32,
) -> Result<Organizer, Unsound> {
    groups.sort_by_key(|group| group.id);
    // Stable: records of the same second stay in the order of their numbers, or of the import.
    records.sort_by_key(|record| (record.timestamp, record.number));
    let numbers = (groups.iter().map(|group| group.number))
        .chain(records.iter().map(|record| record.number))
        .collect::<Option<Vec<ChangeNumber>>>();
    if numbers.is_some() {
        let kept = assemble(told, &groups, &records, None, &incarnation)?;
        if kept == *before {
            return Ok(kept);
        }
    }
    if says_the_same(before, &groups, &records, &incarnation) {
        return before.raised(told);
    }
    let old = before.emptied(now);
    let floor = old.counters().version;
    let counters = told.raised(*old.counters());
    let anew = match numbers {
        Some(numbers) if numbers.iter().all(|number| *number > floor) => None,
        _ => Some(counters.version),
    };
    let needed = u64::from(anew.unwrap_or(0)) + (groups.len() + records.len()) as u64;
    if anew.is_some() && needed > u64::from(MAX_NUMBER) {
        let counters = counters.renumbered(MIDDLE, now);
        return assemble(counters, &groups, &records, Some(MIDDLE), &incarnation);
    }
    assemble(counters, &groups, &records, anew, &incarnation)
}

/// Whether these parts are what is there, whatever their numbers: a line applied for the second time.
fn says_the_same(
    before: &Organizer,
    groups: &[RestoredGroup],
    records: &[RestoredRecord],
    incarnation: impl Fn(&Conversation) -> u32,
) -> bool {
    let same_record = |(there, told): (&Arc<Record>, &RestoredRecord)| {
        let mut groups = told.groups.clone();
        groups.sort_unstable();
        groups.dedup();
        there.conversation == told.conversation
            && there.groups == groups
            && there.mark == told.mark
            && there.custom == told.custom
            && there.timestamp == told.timestamp
            && there.incarnation == incarnation(&told.conversation)
    };
    before.groups().len() == groups.len()
        && before.records().len() == records.len()
        && (before.groups().iter().zip(groups))
            .all(|(there, told)| there.id == told.id && there.name == told.name)
        && before.records().iter().zip(records).all(same_record)
}

/// With the parts' own numbers, or numbered anew above `anew`.
fn assemble(
    counters: Counters,
    groups: &[RestoredGroup],
    records: &[RestoredRecord],
    anew: Option<ChangeNumber>,
    incarnation: impl Fn(&Conversation) -> u32,
) -> Result<Organizer, Unsound> {
    let mut given = anew.unwrap_or(0);
    let mut number = |own: Option<ChangeNumber>| match own {
        Some(own) if anew.is_none() => own,
        _ => {
            given += 1;
            given
        }
    };
    let groups: Vec<Group> = (groups.iter())
        .map(|group| Group { id: group.id, name: group.name.clone(), number: number(group.number) })
        .collect();
    let records: Vec<Arc<Record>> = (records.iter().cloned())
        .map(|mut record| {
            record.groups.sort_unstable();
            record.groups.dedup();
            Arc::new(Record {
                incarnation: incarnation(&record.conversation),
                conversation: record.conversation,
                groups: record.groups,
                mark: record.mark,
                custom: record.custom,
                number: number(record.number),
                timestamp: record.timestamp,
            })
        })
        .collect();
    let highest =
        (groups.iter().map(|group| group.number)).chain(records.iter().map(|record| record.number)).max();
    let counters = Counters {
        version: counters.version.max(highest.unwrap_or(0)),
        last_group: counters.last_group.max(groups.last().map_or(0, |group| group.id)),
        last_timestamp: counters.last_timestamp.max(records.last().map_or(0, |record| record.timestamp)),
        ..counters
    };
    Organizer::from_parts(counters, groups, records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;

    const NOW: UnixSeconds = 1_700_000_000;

    fn group(id: GroupId, number: Option<ChangeNumber>) -> RestoredGroup {
        RestoredGroup { id, name: GroupName::parse(&format!("g{id}")).unwrap(), number }
    }

    fn record(peer: &str, timestamp: UnixSeconds, number: Option<ChangeNumber>) -> RestoredRecord {
        RestoredRecord {
            conversation: Conversation::User(UserId::parse(peer).unwrap()),
            groups: vec![1],
            mark: StandardMark::NONE,
            custom: None,
            number,
            timestamp,
        }
    }

    fn numbers(organizer: &Organizer) -> Vec<ChangeNumber> {
        let groups = organizer.groups().iter().map(|group| group.number);
        groups.chain(organizer.records().iter().map(|record| record.number)).collect()
    }

    fn restored(before: &Organizer, groups: Vec<RestoredGroup>, records: Vec<RestoredRecord>) -> Organizer {
        restore(before, Counters::default(), groups, records, NOW, |_| 0).unwrap()
    }

    #[test]
    fn own_numbers_are_kept_where_nothing_was_and_others_given_anew() {
        let own = restored(&Organizer::default(), vec![group(1, Some(3))], vec![record("a", 5, Some(9))]);
        assert_eq!((numbers(&own), own.counters().version), (vec![3, 9], 9));
        let anew = restored(&Organizer::default(), vec![group(1, Some(3))], vec![record("a", 5, None)]);
        assert_eq!(numbers(&anew), [1, 2]);
    }

    #[test]
    fn what_replaces_something_takes_numbers_above_it_and_what_is_there_none() {
        let parts = || (vec![group(1, Some(3))], vec![record("a", 5, Some(9))]);
        let (groups, records) = parts();
        let before = restored(&Organizer::default(), groups, records);
        let (groups, records) = parts();
        assert_eq!(restored(&before, groups, records), before, "restoring it again changes nothing");
        // Two things are gone, by the numbers 10 and 11.
        let after = restored(&before, vec![group(1, Some(1))], vec![record("b", 5, Some(2))]);
        assert_eq!(numbers(&after), [12, 13]);
        assert_eq!(after.counters().last_group, 1);
    }

    #[test]
    fn parts_without_numbers_change_nothing_the_second_time() {
        let parts = || (vec![group(1, None)], vec![record("a", 5, None), record("b", 5, None)]);
        let restored_over = |before: &Organizer| {
            let (groups, records) = parts();
            restored(before, groups, records)
        };
        let first = restored_over(&Organizer::default());
        assert_eq!(restored_over(&first), first);
        // Over something else too: what was there is gone once, and not again.
        let other = restored(&Organizer::default(), vec![group(1, Some(3))], vec![record("c", 4, Some(9))]);
        let over = restored_over(&other);
        assert_eq!(numbers(&over), [12, 13, 14]);
        assert_eq!(restored_over(&over), over);
        // Counters that are told rise all the same.
        let told = Counters { last_group: 7, ..Counters::default() };
        let (groups, records) = parts();
        let raised = restore(&over, told, groups, records, NOW, |_| 0).unwrap();
        assert_eq!((raised.counters().last_group, numbers(&raised)), (7, vec![12, 13, 14]));
    }

    #[test]
    fn numbers_never_pass_their_end() {
        let told = Counters { version: MAX_NUMBER, ..Counters::default() };
        let parts = || (vec![group(1, None)], vec![record("a", 5, None)]);
        let (groups, records) = parts();
        let full = restore(&Organizer::default(), told, groups, records, NOW, |_| 0).unwrap();
        let Counters { version, renumberings, renumbered_at, .. } = *full.counters();
        assert_eq!(numbers(&full), [MIDDLE + 1, MIDDLE + 2]);
        assert_eq!((version, renumberings, renumbered_at), (MIDDLE + 2, 1, NOW));
        // After so many numbers, what is gone finds none left, and then what comes in its place.
        for (version, given) in [
            (MAX_NUMBER - 2, [MIDDLE + 3, MIDDLE + 4, MIDDLE + 5]),
            (MAX_NUMBER - 4, [MIDDLE + 1, MIDDLE + 2, MIDDLE + 3]),
        ] {
            let told = Counters { version, ..Counters::default() };
            let (groups, records) = parts();
            let before = restore(&Organizer::default(), told, groups, records, NOW - 900, |_| 0).unwrap();
            assert_eq!((numbers(&before)[1], before.counters().renumberings), (version + 2, 0));
            let news = vec![record("b", 5, None), record("c", 5, None)];
            let after = restored(&before, vec![group(1, None)], news);
            assert_eq!(numbers(&after), given);
            assert_eq!((after.counters().renumberings, after.counters().renumbered_at), (1, NOW));
        }
    }

    #[test]
    fn contradictions_are_named() {
        let refused = |groups, records| {
            restore(&Organizer::default(), Counters::default(), groups, records, NOW, |_| 0)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(vec![], vec![record("a", 5, None)]),
            "the record about the user \"a\" is in group 1, which does not exist"
        );
        let twice = vec![record("a", 5, None), record("a", 6, None)];
        assert_eq!(refused(vec![group(1, None)], twice), "two records are about the user \"a\"");
        let crossed = vec![record("a", 5, Some(9)), record("b", 6, Some(2))];
        assert_eq!(
            refused(vec![group(1, Some(1))], crossed),
            "the record about the user \"b\" has the change number 2, which is not above that of the one before it (9) and at most 9"
        );
    }
}
