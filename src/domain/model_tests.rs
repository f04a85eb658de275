//! Compares the rules with a naive model that follows the protocol's documentation instead of the rules. It keeps one
//! list of entries in the order of their last change, and computes everything else each time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use proptest::prelude::*;

use super::*;

/// The model's counterpart of a record.
#[derive(Clone, Debug, Default, PartialEq)]
struct ModelEntry {
    groups: BTreeSet<u32>,
    bits: BTreeSet<u8>,
    custom: String,
}

impl ModelEntry {
    fn holds_something(&self) -> bool {
        !self.groups.is_empty() || !self.bits.is_empty() || !self.custom.is_empty()
    }
}

#[derive(Clone, Debug, Default)]
struct Model {
    groups: BTreeMap<u32, String>,
    ids_given: u32,
    /// The entries in the order of their last change, with its time.
    entries: Vec<(Conversation, ModelEntry, u64)>,
    last_time: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Create {
        name: u8,
        peers: Vec<u8>,
    },
    Rename {
        old: u8,
        new: u8,
    },
    Update {
        name: u8,
        changes: Vec<(bool, u8)>,
    },
    Delete {
        name: u8,
    },
    Mark {
        items: Vec<MarkItem>,
    },
    /// Undoes the last call that changed something.
    Undo,
}

/// One item of a mark call: the peer, the bits to clear and to set, and the length of the custom mark.
pub(super) type MarkItem = (u8, Option<Vec<u8>>, Option<Vec<u8>>, Option<u8>);

pub(super) const LIMITS: Limits = Limits { groups: 3, grouped: 4, marked: 5 };
/// Peers 0 to 5 are users that exist, and 6 and 7 chat groups that exist. Peer 8 is a user and 9 a chat group, and
/// neither exists.
pub(super) const PEERS: u8 = 10;

pub(super) fn peer(index: u8) -> Conversation {
    match index {
        6 | 7 | 9 => Conversation::ChatGroup(ChatGroupId::parse(&format!("@TGS#{index}")).unwrap()),
        _ => Conversation::User(UserId::parse(&format!("user{index}")).unwrap()),
    }
}

pub(super) fn exists(index: u8) -> bool {
    index < 8
}

pub(super) fn name(index: u8) -> GroupName {
    GroupName::parse(&format!("name{index}")).unwrap()
}

pub(super) fn presences() -> HashMap<Conversation, Presence> {
    (0..PEERS)
        .map(|index| {
            let conversation = peer(index);
            let presence = match conversation {
                Conversation::User(_) => Presence::User { imported: exists(index) },
                Conversation::ChatGroup(_) => Presence::ChatGroup {
                    life: exists(index).then_some(ChatGroupLife { incarnation: 0, alive: true }),
                    is_member: true,
                },
            };
            (conversation, presence)
        })
        .collect()
}

impl Model {
    fn id_of(&self, name: &str) -> Option<u32> {
        self.groups.iter().find(|(_, other)| *other == name).map(|(id, _)| *id)
    }

    fn entry(&self, conversation: &Conversation) -> ModelEntry {
        let found = self.entries.iter().find(|(other, ..)| other == conversation);
        found.map(|(_, entry, _)| entry.clone()).unwrap_or_default()
    }

    /// Replaces an entry or appends a new one. `settle` later moves changed entries to the end.
    fn put(&mut self, conversation: &Conversation, entry: ModelEntry) {
        match self.entries.iter_mut().find(|(other, ..)| other == conversation) {
            Some((_, old, _)) => *old = entry,
            None => self.entries.push((conversation.clone(), entry, u64::MAX)),
        }
    }

    fn grouped(&self) -> usize {
        self.entries.iter().filter(|(_, entry, _)| !entry.groups.is_empty()).count()
    }

    fn marked(&self) -> usize {
        let marked = |entry: &ModelEntry| !entry.bits.is_empty() || !entry.custom.is_empty();
        self.entries.iter().filter(|(_, entry, _)| marked(entry)).count()
    }

    /// Applies one item, and returns `ok` or the kind of refusal.
    fn item(&mut self, index: u8, needs_peer: bool, change: impl FnOnce(&mut ModelEntry)) -> &'static str {
        if needs_peer && !exists(index) {
            return "unknown";
        }
        let conversation = peer(index);
        let mut after = self.clone();
        let mut entry = self.entry(&conversation);
        change(&mut entry);
        after.put(&conversation, entry);
        if after.grouped() > LIMITS.grouped && after.grouped() > self.grouped() {
            return "grouped";
        }
        if after.marked() > LIMITS.marked && after.marked() > self.marked() {
            return "marked";
        }
        *self = after;
        "ok"
    }

    /// Applies a step. `last` is the model before the last call that changed something.
    fn apply(
        &mut self,
        step: &Step,
        last: Option<&Model>,
        now: u64,
    ) -> Result<Vec<&'static str>, &'static str> {
        let before = self.clone();
        let mut items = Vec::new();
        match step {
            Step::Create { name: index, peers } => {
                let text = format!("name{index}");
                let id = match self.id_of(&text) {
                    Some(id) => id,
                    None if self.groups.len() >= LIMITS.groups => return Err("groups"),
                    None => {
                        self.ids_given += 1;
                        self.groups.insert(self.ids_given, text);
                        self.ids_given
                    }
                };
                for index in peers {
                    items.push(self.item(*index, true, |entry| entry.groups.extend([id])));
                }
            }
            Step::Rename { old, new } => {
                let id = self.id_of(&format!("name{old}")).ok_or("no group")?;
                let new = format!("name{new}");
                if self.id_of(&new).is_some_and(|other| other != id) {
                    return Err("taken");
                }
                self.groups.insert(id, new);
            }
            Step::Update { name, changes } => {
                let id = self.id_of(&format!("name{name}")).ok_or("no group")?;
                for (add, index) in changes {
                    items.push(self.item(*index, *add, |entry| {
                        if *add {
                            entry.groups.insert(id)
                        } else {
                            entry.groups.remove(&id)
                        };
                    }));
                }
            }
            Step::Delete { name } => {
                let id = self.id_of(&format!("name{name}")).ok_or("no group")?;
                self.groups.remove(&id);
                for (_, entry, _) in &mut self.entries {
                    entry.groups.remove(&id);
                }
            }
            Step::Mark { items: orders } => {
                for (index, clear, set, custom) in orders {
                    let sets =
                        set.as_ref().is_some_and(|set| !set.is_empty()) || custom.is_some_and(|c| c > 0);
                    items.push(self.item(*index, sets, |entry| {
                        for bit in clear.iter().flatten() {
                            entry.bits.remove(bit);
                        }
                        entry.bits.extend(set.iter().flatten());
                        if let Some(custom) = custom {
                            entry.custom = "x".repeat((*custom).into());
                        }
                    }));
                }
            }
            Step::Undo => {
                if let Some(last) = last {
                    self.groups.clone_from(&last.groups);
                    self.entries
                        .iter_mut()
                        .for_each(|(conversation, entry, _)| *entry = last.entry(conversation));
                    for (conversation, entry, _) in &last.entries {
                        self.put(conversation, entry.clone());
                    }
                }
            }
        }
        self.settle(&before, now);
        Ok(items)
    }

    /// Moves changed entries to the end without changing their order, and removes empty ones.
    fn settle(&mut self, before: &Model, now: u64) {
        let same =
            |(conversation, entry, _): &(Conversation, ModelEntry, u64)| before.entry(conversation) == *entry;
        let (kept, moved): (Vec<_>, Vec<_>) = self.entries.drain(..).partition(same);
        let mut moved: Vec<_> = moved.into_iter().filter(|(_, entry, _)| entry.holds_something()).collect();
        if !moved.is_empty() {
            self.last_time = self.last_time.max(now);
        }
        for (.., time) in &mut moved {
            *time = self.last_time;
        }
        self.entries =
            kept.into_iter().filter(|(_, entry, _)| entry.holds_something()).chain(moved).collect();
    }
}

/// Builds the edit that corresponds to a step. `last` are the deltas of the last call that changed something.
pub(super) fn edit(step: &Step, last: &[Delta]) -> Edit {
    match step {
        Step::Undo => Edit::Undo(Undo { reverted: last.to_vec(), later: Vec::new(), events: 0 }),
        Step::Create { name: index, peers } => Edit::CreateGroup {
            name: name(*index),
            conversations: peers.iter().map(|index| peer(*index)).collect(),
        },
        Step::Rename { old, new } => Edit::RenameGroup { name: name(*old), new: name(*new) },
        Step::Update { name: index, changes } => Edit::ChangeMembers {
            name: name(*index),
            changes: (changes.iter())
                .map(|(add, index)| {
                    (if *add { MemberChange::Add } else { MemberChange::Remove }, peer(*index))
                })
                .collect(),
        },
        Step::Delete { name: index } => Edit::DeleteGroup { name: name(*index) },
        Step::Mark { items } => {
            let bits = |bits: &[u8]| bits.iter().map(|bit| MarkBit::new((*bit).into()).unwrap()).collect();
            let item = |(index, clear, set, custom): &MarkItem| {
                let standard = (clear.is_some() || set.is_some()).then(|| StandardChange {
                    clear: bits(clear.as_deref().unwrap_or_default()),
                    set: bits(set.as_deref().unwrap_or_default()),
                });
                let custom = custom.map(|length| CustomMark::parse(&"x".repeat(length.into())).unwrap());
                Ok((peer(*index), MarkChange { standard, custom }))
            };
            Edit::Mark { items: items.iter().map(item).collect() }
        }
    }
}

/// Decides an edit of an owner who exists.
fn decide(
    organizer: &Organizer,
    dead: &[ChangeNumber],
    edit: &Edit,
    now: u64,
) -> Result<Decision<Outcome, Change>, Rejection> {
    let state = OwnerState { account: Some(Arc::default()), organizer: Arc::new(organizer.clone()) };
    decide_state(&state, dead, edit, now)
}

/// Decides an edit and checks that its deltas lead to the next state.
fn decide_state(
    state: &OwnerState,
    dead: &[ChangeNumber],
    edit: &Edit,
    now: u64,
) -> Result<Decision<Outcome, Change>, Rejection> {
    decide_among(&presences(), state, dead, edit, now)
}

/// Decides an edit with this directory, and checks that its deltas lead to the next state.
pub(super) fn decide_among(
    presences: &HashMap<Conversation, Presence>,
    state: &OwnerState,
    dead: &[ChangeNumber],
    edit: &Edit,
    now: u64,
) -> Result<Decision<Outcome, Change>, Rejection> {
    let terms = Terms::of_tools(LIMITS, now);
    let owner = UserId::parse("owner").unwrap();
    let decision =
        edit.decide(state, dead, World { owner: &owner, terms: &terms, presences, sessions: None })?;
    if let Some(change) = &decision.change {
        assert_eq!(state.folded(&change.deltas), change.next, "the deltas lead to the next state");
        check_delta_numbers(&state.organizer, change);
    }
    Ok(decision)
}

/// Checks that the numbers of the deltas rise above the version, or above the middle after a renumbering. Changes that
/// do neither renumber nor set counters use exactly the numbers up to the new version.
fn check_delta_numbers(before: &Organizer, change: &Change) {
    let (mut last, mut is_plain) = (before.counters().version, true);
    for delta in &change.deltas {
        match delta {
            Delta::Renumbered { .. } => (last, is_plain) = (renumbering::MIDDLE, false),
            Delta::CountersSet(_) => is_plain = false,
            _ => {}
        }
        if let Some(number) = delta.number() {
            assert!(number > last, "{number} follows {last} in {:?}", change.deltas);
            last = number;
        }
    }
    let (old, new) = (before.counters(), change.next.organizer.counters());
    let numbers = change.deltas.iter().filter_map(Delta::number).count();
    assert!(last <= new.version, "the version includes every number");
    assert!(!is_plain || old.version as usize + numbers == new.version as usize, "no number is left out");
    let is_renumbered = change.deltas.iter().any(|delta| matches!(delta, Delta::Renumbered { .. }));
    assert!(is_renumbered || old.version <= new.version, "only a renumbering lowers the version");
    assert!(is_renumbered || old.renumberings == new.renumberings, "a renumbering is a delta");
}

fn run(
    organizer: &Organizer,
    step: &Step,
    last: &[Delta],
    now: u64,
) -> Result<(Vec<&'static str>, Option<Change>), &'static str> {
    let decision =
        decide(organizer, &[], &edit(step, last), now).map_err(|rejection| kind_of(&Err(rejection)))?;
    let items = match decision.outcome {
        Outcome::Grouped(Grouped { items, .. }) | Outcome::Marked(items) => items,
        Outcome::Undone(undone) => {
            assert_eq!(undone.kept, [], "the last call can be undone completely");
            Vec::new()
        }
        other => panic!("not expected here: {other:?}"),
    };
    Ok((items.iter().map(kind_of).collect(), decision.change))
}

/// The groups added and removed, the bits before and after, and the custom mark before and after.
type EntryChange = (BTreeSet<u32>, BTreeSet<u32>, [BTreeSet<u8>; 2], [String; 2]);

/// The difference between two states, in the model's form: groups by id, and entries by conversation.
#[derive(Debug, Default, PartialEq)]
struct Happened {
    /// The name before and after; empty if the group did not exist then.
    groups: BTreeMap<u32, (String, String)>,
    entries: BTreeMap<Conversation, EntryChange>,
}

pub(super) fn bits_of(mark: StandardMark) -> BTreeSet<u8> {
    (0..64).filter(|bit| mark.bits() >> bit & 1 == 1).collect()
}

/// Computes the difference from the deltas of a change.
fn happened_by_deltas(deltas: &[Delta]) -> Happened {
    let mut happened = Happened::default();
    for delta in deltas {
        let name = |name: &GroupName| name.as_str().to_owned();
        let (id, names) = match delta {
            Delta::GroupCreated(group) => (group.id, (String::new(), name(&group.name))),
            Delta::GroupRenamed { before, group } => (group.id, (name(before), name(&group.name))),
            Delta::GroupDeleted { group, .. } => (group.id, (name(&group.name), String::new())),
            _ => {
                let Some((before, after)) = delta.record() else { continue };
                assert_eq!(
                    after.is_none(),
                    matches!(delta, Delta::RecordGone { .. }),
                    "no chat group is disbanded in this test"
                );
                let record = after.or(before).expect("a delta has a record before or after it");
                let RecordParts { added_to, removed_from, standard, custom } = delta.parts();
                let text =
                    |mark: Option<CustomMark>| mark.map_or(String::new(), |mark| mark.as_str().to_owned());
                let entry = (
                    added_to.into_iter().collect(),
                    removed_from.into_iter().collect(),
                    standard.map_or_else(Default::default, |(old, new)| [bits_of(old), bits_of(new)]),
                    custom.map_or_else(Default::default, |(old, new)| [text(old), text(new)]),
                );
                assert!(
                    happened.entries.insert(record.conversation.clone(), entry).is_none(),
                    "one delta each"
                );
                continue;
            }
        };
        assert!(happened.groups.insert(id, names).is_none(), "one delta each");
    }
    happened
}

/// Computes the difference between two states of the model.
fn happened(before: &Model, after: &Model) -> Happened {
    let mut happened = Happened::default();
    let ids: BTreeSet<u32> = before.groups.keys().chain(after.groups.keys()).copied().collect();
    for id in ids {
        let name = |model: &Model| model.groups.get(&id).cloned().unwrap_or_default();
        if name(before) != name(after) {
            happened.groups.insert(id, (name(before), name(after)));
        }
    }
    let named = before.entries.iter().chain(&after.entries).map(|(conversation, ..)| conversation);
    for conversation in named.collect::<BTreeSet<_>>() {
        let (old, new) = (before.entry(conversation), after.entry(conversation));
        if old != new {
            let bits =
                if old.bits == new.bits { Default::default() } else { [old.bits.clone(), new.bits.clone()] };
            let custom = if old.custom == new.custom {
                Default::default()
            } else {
                [old.custom.clone(), new.custom.clone()]
            };
            let added = new.groups.difference(&old.groups).copied().collect();
            let removed = old.groups.difference(&new.groups).copied().collect();
            happened.entries.insert(conversation.clone(), (added, removed, bits, custom));
        }
    }
    happened
}

fn kind_of(result: &Result<(), Rejection>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(
            Rejection::UnknownPeer(_) | Rejection::UnknownChatGroup(_) | Rejection::DisbandedChatGroup(_),
        ) => "unknown",
        Err(Rejection::TooManyGrouped { .. }) => "grouped",
        Err(Rejection::TooManyMarked { .. }) => "marked",
        Err(Rejection::TooManyGroups { .. }) => "groups",
        Err(Rejection::NoSuchGroup(_)) => "no group",
        Err(Rejection::NameTaken(_)) => "taken",
        Err(other) => panic!("not expected here: {other}"),
    }
}

type Visible = (BTreeMap<u32, String>, Vec<(Conversation, ModelEntry, u64)>);

/// Returns everything that a client can see of an organizer, in the model's form.
fn visible(organizer: &Organizer) -> Visible {
    let groups = organizer.groups().iter().map(|group| (group.id, group.name.as_str().to_owned())).collect();
    let entries = (organizer.records().iter())
        .map(|record| {
            let entry = ModelEntry {
                groups: record.groups.iter().copied().collect(),
                bits: bits_of(record.mark),
                custom: record.custom.as_ref().map_or(String::new(), |custom| custom.as_str().to_owned()),
            };
            (record.conversation.clone(), entry, record.timestamp)
        })
        .collect();
    (groups, entries)
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let peers = || prop::collection::vec(0..PEERS, 1..6);
    let bits = || prop::option::of(prop::collection::vec(prop::sample::select(vec![0u8, 1, 5, 63]), 0..3));
    prop_oneof![
        3 => (0..5u8, peers()).prop_map(|(name, peers)| Step::Create { name, peers }),
        1 => (0..5u8, 0..5u8).prop_map(|(old, new)| Step::Rename { old, new }),
        3 => (0..5u8, prop::collection::vec((any::<bool>(), 0..PEERS), 1..6))
            .prop_map(|(name, changes)| Step::Update { name, changes }),
        1 => (0..5u8).prop_map(|name| Step::Delete { name }),
        3 => prop::collection::vec((0..PEERS, bits(), bits(), prop::option::of(0..3u8)), 1..6)
            .prop_map(|items| Step::Mark { items }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(Step, i8)>> {
    let step = prop_oneof![9 => step(), 1 => Just(Step::Undo)];
    prop::collection::vec((step, -2..3i8), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn rules_agree_with_the_model(steps in steps()) {
        let mut organizer = Organizer::default();
        let mut model = Model::default();
        let mut now = 1_000_000u64;
        let (mut last, mut last_model) = (Vec::new(), None);
        for (step, tick) in &steps {
            now = now.saturating_add_signed((*tick).into());
            let (before, model_before) = (organizer.clone(), model.clone());
            let expected = model.apply(step, last_model.as_ref(), now);
            match run(&organizer, step, &last, now) {
                Ok((items, change)) => {
                    prop_assert_eq!(Ok(items), expected);
                    let deltas = change.as_ref().map_or(&[][..], |change| &change.deltas);
                    prop_assert_eq!(happened_by_deltas(deltas), happened(&model_before, &model));
                    if let Some(change) = change {
                        // An edit that changes nothing must not cause a write.
                        prop_assert_ne!(&*change.next.organizer, &before);
                        organizer = Organizer::clone(&change.next.organizer);
                        (last, last_model) = (change.deltas, Some(model_before));
                    }
                }
                Err(kind) => prop_assert_eq!(Err(kind), expected),
            }
            prop_assert_eq!(visible(&organizer), (model.groups.clone(), model.entries.clone()), "after {:?}", step);
            prop_assert_eq!(organizer.counters().last_group, model.ids_given);
            check_numbers(&before, &organizer)?;
            check_pages(&organizer)?;
        }
    }

    #[test]
    fn renumbering_changes_numbers_and_nothing_else(steps in steps(), room in 0..30u32) {
        let (mut plain, mut tight) = (Organizer::default(), Organizer::default());
        let mut counters = *tight.counters();
        counters.version = MAX_NUMBER - room;
        tight = Organizer::assemble(counters, Vec::new(), Vec::new());
        let (mut plain_last, mut tight_last) = (Vec::new(), Vec::new());
        for (step, _) in &steps {
            let (left, right) = (run(&plain, step, &plain_last, 7), run(&tight, step, &tight_last, 7));
            prop_assert_eq!(left.as_ref().map(|(items, _)| items), right.as_ref().map(|(items, _)| items));
            if let (Ok((_, Some(left))), Ok((_, Some(right)))) = (left, right) {
                (plain, tight) =
                    (Organizer::clone(&left.next.organizer), Organizer::clone(&right.next.organizer));
                (plain_last, tight_last) = (left.deltas, right.deltas);
            }
            prop_assert_eq!(visible(&plain), visible(&tight));
            prop_assert!(tight.counters().version <= MAX_NUMBER);
        }
    }
}

/// Checks that everything that changed has a number above the old version, and everything else its old number.
fn check_numbers(before: &Organizer, after: &Organizer) -> Result<(), TestCaseError> {
    let old_version = before.counters().version;
    prop_assert!(after.counters().version >= old_version);
    prop_assert_eq!(after.counters().version == old_version, before == after);
    for record in after.records() {
        let old = before.records().iter().find(|old| old.conversation == record.conversation);
        match old {
            Some(old) if old == record => {}
            _ => prop_assert!(record.number > old_version),
        }
    }
    for group in after.groups() {
        prop_assert!(before.groups().contains(group) || group.number > old_version);
    }
    Ok(())
}

/// Checks that pages of any size contain every record once and in order.
fn check_pages(organizer: &Organizer) -> Result<(), TestCaseError> {
    for size in [1, 2, 7] {
        let (mut start, mut seen) = (0, Vec::new());
        loop {
            let page = page(organizer, start, size, || unreachable!("there was no renumbering"));
            seen.extend(page.records.iter().map(Arc::clone));
            match page.next {
                Some(next) => {
                    prop_assert!(u64::from(next) > start);
                    start = next.into();
                }
                None => break,
            }
        }
        prop_assert_eq!(&seen[..], organizer.records());
    }
    Ok(())
}

/// Creates an organizer with one group of these conversations.
fn organized(peers: &[u8]) -> Organizer {
    let step = Step::Create { name: 0, peers: peers.to_vec() };
    let change = run(&Organizer::default(), &step, &[], 5).unwrap().1.unwrap();
    Organizer::clone(&change.next.organizer)
}

#[test]
fn a_dead_record_is_absent_for_readers_and_buried_by_the_next_change() {
    let organizer = organized(&[6, 1]);
    let dead = organizer.dead(|id| u32::from(id.as_str() == "@TGS#6"));
    assert_eq!(dead, [organizer.records()[0].number]);
    let living = organizer.living(&dead);
    assert_eq!(living.records(), &organizer.records()[1..]);
    assert_eq!(living.counters(), organizer.counters(), "reading changes no counter");
    // An edit that changes nothing does not remove dead records either.
    let nothing =
        decide(&organizer, &dead, &edit(&Step::Create { name: 0, peers: vec![1] }, &[]), 9).unwrap();
    assert_eq!(nothing.change, None);
    let change =
        decide(&organizer, &dead, &edit(&Step::Create { name: 0, peers: vec![2] }, &[]), 9).unwrap().change;
    let Change { next, deltas } = change.unwrap();
    let version = organizer.counters().version;
    let buried = Delta::RecordBuried { number: version + 1, record: Arc::clone(&organizer.records()[0]) };
    assert_eq!((deltas.len(), &deltas[0]), (2, &buried), "the removal is one of the deltas");
    assert_eq!(next.organizer.counters().version, version + 2);
    assert_eq!(&next.organizer.records()[..1], living.records());
}

#[test]
fn counters_outlive_the_data() {
    let organizer = organized(&[1]);
    let Decision { outcome, change } = decide(&organizer, &[], &Edit::DeleteAccount, 6).unwrap();
    assert_eq!(outcome, Outcome::Account { existed: true, changed: true });
    let Change { next, deltas } = change.unwrap();
    let kinds: Vec<bool> = deltas.iter().map(|delta| delta.number().is_some()).collect();
    assert_eq!(
        (kinds, next.account.is_some()),
        (vec![true, true, false], false),
        "deltas of the group, the record and the account"
    );
    let emptied = &*next.organizer;
    assert!(emptied.groups().is_empty() && emptied.records().is_empty());
    let again =
        run(emptied, &Step::Create { name: 0, peers: vec![1] }, &[], 3).unwrap().1.unwrap().next.organizer;
    assert_eq!(again.groups()[0].id, 2, "a group id is never used again");
    assert!(again.records()[0].number > organizer.counters().version);
    assert_eq!(again.records()[0].timestamp, 5, "timestamps never go back");
}

/// Generates imports that replace each other, with and without change numbers.
fn restorations() -> impl Strategy<Value = Vec<Restoration>> {
    let number = || prop::option::of(1..200u32);
    let group = (1..4u32, number()).prop_map(|(id, number)| RestoredGroup {
        id,
        name: name(u8::try_from(id).unwrap()),
        number,
    });
    let record = (0..PEERS, 0..9u64, number()).prop_map(|(index, timestamp, number)| RestoredRecord {
        conversation: peer(index),
        groups: Vec::new(),
        mark: StandardMark::from_bits(1),
        custom: None,
        number,
        timestamp,
    });
    let floor = prop_oneof![4 => Just(0), 1 => Just(MAX_NUMBER - 3), 1 => 0..300u32];
    let restoration =
        (prop::collection::vec(group, 0..3), prop::collection::vec(record, 0..4), floor, any::<bool>());
    let restoration = restoration.prop_map(|(groups, records, version, makes_known)| Restoration {
        counters: Counters { version, ..Counters::default() },
        groups,
        records,
        makes_known,
    });
    prop::collection::vec(restoration, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn deltas_of_imports_and_deletions_lead_to_the_next_state(
        restorations in restorations(),
        others in prop::collection::vec((any::<bool>(), prop::option::of(0..3u8)), 6),
    ) {
        let mut state = OwnerState::default();
        for (restoration, (deletes, nick)) in restorations.iter().zip(others) {
            let import = |nick: u8| Edit::ImportAccount { nick: Some(nick.to_string()), face_url: None };
            let restore = Edit::Restore(restoration.clone());
            let edits = [nick.map(import), Some(restore), deletes.then_some(Edit::DeleteAccount)];
            for edit in edits.into_iter().flatten() {
                // Contradictory imports are refused, and other edits may change nothing.
                let Ok(Decision { change: Some(change), .. }) = decide_state(&state, &[], &edit, 7) else {
                    continue;
                };
                let before = std::mem::replace(&mut state, change.next);
                prop_assert_ne!(&before, &state, "an edit that changes nothing makes no change");
                match edit {
                    Edit::ImportAccount { nick, .. } => {
                        let account = state.account.as_ref().expect("it was imported");
                        prop_assert_eq!(Some(&account.nick), nick.as_ref());
                        prop_assert_eq!(&before.organizer, &state.organizer);
                    }
                    Edit::DeleteAccount => {
                        let organizer = &state.organizer;
                        prop_assert!(organizer.groups().is_empty() && organizer.records().is_empty());
                        prop_assert!(state.account.is_none());
                        prop_assert_eq!(organizer.counters().last_group, before.organizer.counters().last_group);
                    }
                    // Importing the same data again changes nothing. The exception is an import that made a renumbering
                    // necessary: it raises the version once more.
                    edit => {
                        let renumberings = |state: &OwnerState| state.organizer.counters().renumberings;
                        if renumberings(&before) == renumberings(&state) {
                            prop_assert_eq!(decide_state(&state, &[], &edit, 8).unwrap().change, None);
                        }
                    }
                }
            }
        }
    }
}
