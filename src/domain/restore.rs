//! Replaces an organizer with imported groups and records.

use std::sync::Arc;

use super::{
    Account, Change, ChangeNumber, ChatGroupId, Conversation, Counters, Decision, Delta, Group, Limits,
    MAX_NUMBER, Organizer, Outcome, OwnerState, Presence, Record, Rejection, Restoration, RestoredGroup,
    RestoredRecord, UnixSeconds, Unsound, World, renumbering::MIDDLE,
};
use crate::excerpt::quoted;

impl Restoration {
    /// Creates the organizer of an owner who had nothing before.
    ///
    /// # Errors
    /// Returns [`Unsound`] if the parts contradict each other.
    pub fn organizer(&self) -> Result<Organizer, Unsound> {
        restored(&Organizer::default(), self, 0, |_| 0).map(|(organizer, _)| organizer)
    }
}

/// Decides [`super::Edit::Restore`].
///
/// # Errors
/// Returns [`Rejection::Import`] if the parts contradict each other or exceed the limits, or if a record is about a
/// chat group that was disbanded.
pub(super) fn restore(
    state: &OwnerState,
    restoration: &Restoration,
    world: World<'_>,
) -> Result<Decision<Outcome, Change>, Rejection> {
    if let Some(id) = disbanded(world) {
        return Err(Rejection::Import(format!(
            "the chat group {} of a record was disbanded",
            quoted(id.as_str())
        )));
    }
    let incarnation = |conversation: &Conversation| match world.presences.get(conversation) {
        Some(Presence::ChatGroup { life: Some(life), .. }) => life.incarnation,
        _ => 0,
    };
    let (organizer, mut deltas) = restored(&state.organizer, restoration, world.terms.now, incarnation)
        .map_err(|unsound| Rejection::Import(unsound.to_string()))?;
    check_limits(&organizer, &world.terms.limits)?;
    let organizer = match deltas.is_empty() {
        true => Arc::clone(&state.organizer),
        false => Arc::new(organizer),
    };
    let mut account = state.account.clone();
    if restoration.makes_known && account.is_none() {
        let imported = Arc::<Account>::default();
        account = Some(Arc::clone(&imported));
        deltas.push(Delta::AccountImported { before: None, account: imported });
    }
    let before = Arc::clone(&state.organizer);
    let made_known = state.account.is_none() && account.is_some();
    let outcome = Outcome::Restored { before, after: Arc::clone(&organizer), made_known };
    let change = (!deltas.is_empty()).then_some(Change { next: OwnerState { account, organizer }, deltas });
    Ok(Decision { outcome, change })
}

/// Returns the disbanded chat group with the lowest id, so that the error is the same each time.
fn disbanded(world: World<'_>) -> Option<&ChatGroupId> {
    let found =
        world.presences.iter().filter_map(|(conversation, presence)| match (conversation, presence) {
            (Conversation::ChatGroup(id), Presence::ChatGroup { life: Some(life), .. }) if !life.alive => {
                Some(id)
            }
            _ => None,
        });
    found.min()
}

fn check_limits(organizer: &Organizer, limits: &Limits) -> Result<(), Rejection> {
    let records = organizer.records();
    let grouped = records.iter().filter(|record| record.is_grouped()).count();
    let marked = records.iter().filter(|record| record.is_marked()).count();
    let counts = [
        ("conversation groups", organizer.groups().len(), limits.groups),
        ("conversations in groups", grouped, limits.grouped),
        ("marked conversations", marked, limits.marked),
    ];
    match counts.into_iter().find(|(_, found, limit)| found > limit) {
        Some((what, found, limit)) => {
            Err(Rejection::Import(format!("an owner may have at most {limit} {what}, found {found}")))
        }
        None => Ok(()),
    }
}

/// Builds the restored organizer, whose records are listed by timestamp (decision 4), and the deltas.
///
/// No counter becomes lower than in `before` or in the import, except for the version if the owner is renumbered. If
/// the import equals `before`, everything keeps its number, so that importing the same data twice changes nothing.
/// Otherwise, the numbers of the import are kept if every group and record has a number of its own, and all are above
/// those that `before` has used. In all other cases new numbers are assigned, first to the groups by id and then to the records
/// by timestamp. If there are not enough numbers left, the owner is renumbered at the time `now`. `incarnation`
/// returns the current incarnation of a conversation's chat group.
///
/// # Errors
/// Returns [`Unsound`] if the parts contradict each other.
fn restored(
    before: &Organizer,
    restoration: &Restoration,
    now: UnixSeconds,
    incarnation: impl Fn(&Conversation) -> u32,
) -> Result<(Organizer, Vec<Delta>), Unsound> {
    let Restoration { counters: floor, mut groups, mut records, makes_known: _ } = restoration.clone();
    groups.sort_by_key(|group| group.id);
    // The sort is stable: records of the same second keep the order of their numbers, or else of the import.
    records.sort_by_key(|record| (record.timestamp, record.number));
    let numbers = (groups.iter().map(|group| group.number))
        .chain(records.iter().map(|record| record.number))
        .collect::<Option<Vec<ChangeNumber>>>();
    if numbers.is_some() {
        let kept = assemble(floor, &groups, &records, None, &incarnation)?;
        if kept == *before {
            return Ok((kept, Vec::new()));
        }
    }
    if same_content(before, &groups, &records, &incarnation) {
        let raised = before.raised(floor)?;
        let deltas = match raised.counters() == before.counters() {
            true => Vec::new(),
            false => vec![Delta::CountersSet(*raised.counters())],
        };
        return Ok((raised, deltas));
    }
    let (old, mut deltas) = before.emptied(now);
    let last = old.counters().version;
    let counters = floor.raised(*old.counters());
    let after = match numbers {
        Some(mut numbers) => {
            numbers.sort_unstable();
            let are_unused = numbers.first().is_none_or(|first| *first > last);
            let are_distinct = numbers.windows(2).all(|pair| pair[0] < pair[1]);
            (!(are_unused && are_distinct)).then_some(counters.version)
        }
        None => Some(counters.version),
    };
    let needed = u64::from(after.unwrap_or(0)) + (groups.len() + records.len()) as u64;
    let restored = if after.is_some() && needed > u64::from(MAX_NUMBER) {
        deltas.push(Delta::Renumbered { at: now });
        let counters = counters.renumbered(MIDDLE, now);
        assemble(counters, &groups, &records, Some(MIDDLE), &incarnation)?
    } else {
        assemble(counters, &groups, &records, after, &incarnation)?
    };
    let groups = restored.groups().iter().cloned().map(Delta::GroupCreated);
    let records = restored.records().iter().cloned();
    let records = records.map(|record| Delta::RecordChanged { before: None, record });
    let mut created: Vec<Delta> = groups.chain(records).collect();
    // Numbers that were kept from the import may mix groups and records.
    created.sort_by_key(Delta::number);
    deltas.extend(created);
    deltas.push(Delta::CountersSet(*restored.counters()));
    Ok((restored, deltas))
}

/// Checks whether the import equals the current data apart from change numbers, as when a line is imported twice.
fn same_content(
    before: &Organizer,
    groups: &[RestoredGroup],
    records: &[RestoredRecord],
    incarnation: impl Fn(&Conversation) -> u32,
) -> bool {
    let same_record = |(there, imported): (&Arc<Record>, &RestoredRecord)| {
        let mut groups = imported.groups.clone();
        groups.sort_unstable();
        groups.dedup();
        there.conversation == imported.conversation
            && there.groups == groups
            && there.mark == imported.mark
            && there.custom == imported.custom
            && there.timestamp == imported.timestamp
            && there.incarnation == incarnation(&imported.conversation)
    };
    before.groups().len() == groups.len()
        && before.records().len() == records.len()
        && (before.groups().iter().zip(groups))
            .all(|(there, imported)| there.id == imported.id && there.name == imported.name)
        && before.records().iter().zip(records).all(same_record)
}

/// Builds an organizer with the numbers of the import or, if `after` is given, with new numbers that follow it.
fn assemble(
    counters: Counters,
    groups: &[RestoredGroup],
    records: &[RestoredRecord],
    after: Option<ChangeNumber>,
    incarnation: impl Fn(&Conversation) -> u32,
) -> Result<Organizer, Unsound> {
    let mut given = after.unwrap_or(0);
    let mut number = |own: Option<ChangeNumber>| match own {
        Some(own) if after.is_none() => own,
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
    use crate::domain::{GroupId, GroupName, StandardMark, UserId};

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
        raised(before, Counters::default(), groups, records, NOW).unwrap()
    }

    /// Restores with the lowest values that the counters may have afterwards.
    fn raised(
        before: &Organizer,
        counters: Counters,
        groups: Vec<RestoredGroup>,
        records: Vec<RestoredRecord>,
        now: UnixSeconds,
    ) -> Result<Organizer, Unsound> {
        let restoration = Restoration { counters, groups, records, makes_known: false };
        super::restored(before, &restoration, now, |_| 0).map(|(organizer, _)| organizer)
    }

    #[test]
    fn numbers_are_kept_in_an_empty_organizer_and_assigned_where_they_are_missing() {
        let own = restored(&Organizer::default(), vec![group(1, Some(3))], vec![record("a", 5, Some(9))]);
        assert_eq!((numbers(&own), own.counters().version), (vec![3, 9], 9));
        let new = restored(&Organizer::default(), vec![group(1, Some(3))], vec![record("a", 5, None)]);
        assert_eq!(numbers(&new), [1, 2]);
    }

    #[test]
    fn replacements_take_numbers_above_the_old_ones_and_equal_parts_take_none() {
        let parts = || (vec![group(1, Some(3))], vec![record("a", 5, Some(9))]);
        let (groups, records) = parts();
        let before = restored(&Organizer::default(), groups, records);
        let (groups, records) = parts();
        assert_eq!(restored(&before, groups, records), before, "restoring it again changes nothing");
        // The removals of the old group and record have the numbers 10 and 11.
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
        // The same holds over other data, which is removed only the first time.
        let other = restored(&Organizer::default(), vec![group(1, Some(3))], vec![record("c", 4, Some(9))]);
        let over = restored_over(&other);
        assert_eq!(numbers(&over), [12, 13, 14]);
        assert_eq!(restored_over(&over), over);
        // Imported counters still raise those of the owner.
        let floor = Counters { last_group: 7, ..Counters::default() };
        let (groups, records) = parts();
        let raised = raised(&over, floor, groups, records, NOW).unwrap();
        assert_eq!((raised.counters().last_group, numbers(&raised)), (7, vec![12, 13, 14]));
    }

    #[test]
    fn numbers_never_pass_their_end() {
        let floor = Counters { version: MAX_NUMBER, ..Counters::default() };
        let parts = || (vec![group(1, None)], vec![record("a", 5, None)]);
        let (groups, records) = parts();
        let full = raised(&Organizer::default(), floor, groups, records, NOW).unwrap();
        let Counters { version, renumberings, renumbered_at, .. } = *full.counters();
        assert_eq!(numbers(&full), [MIDDLE + 1, MIDDLE + 2]);
        assert_eq!((version, renumberings, renumbered_at), (MIDDLE + 2, 1, NOW));
        // First the removals find no numbers left, and then the additions that follow them.
        for (version, given) in [
            (MAX_NUMBER - 2, [MIDDLE + 5, MIDDLE + 6, MIDDLE + 7]),
            (MAX_NUMBER - 4, [MIDDLE + 1, MIDDLE + 2, MIDDLE + 3]),
        ] {
            let floor = Counters { version, ..Counters::default() };
            let (groups, records) = parts();
            let before = raised(&Organizer::default(), floor, groups, records, NOW - 900).unwrap();
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
            raised(&Organizer::default(), Counters::default(), groups, records, NOW).unwrap_err().to_string()
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
            "the record about the user \"b\" has the change number 2, which must be above that of the record before \
             it (9) and at most 9"
        );
    }
}
