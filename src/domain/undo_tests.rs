//! Tests undo with examples, and by random histories. For these, the states before and after each call are compared
//! field by field, without looking at deltas.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::domain::{
    Change, ChangeNumber, ChatGroupLife, Counters, Decision, Edit, Group, Outcome, OwnerState, Presence,
    Record, Restoration, RestoredRecord,
    model_tests::{LIMITS, Step, bits_of, decide_among, edit, name, peer, presences, step},
};

/// One thing that a client can see of an owner. Records are distinguished by the incarnation of their chat group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Group(u32),
    Name(u32),
    Member(Conversation, u32, u32),
    Bit(Conversation, u32, u8),
    Custom(Conversation, u32),
}

/// The values of everything that a client can see. Groups, memberships and bits that do not exist have none.
type Fields = BTreeMap<Key, String>;

/// An owner and their history, with the users who do not exist any more and the lives of the two chat groups.
#[derive(Clone)]
struct Past {
    state: OwnerState,
    gone: BTreeSet<u8>,
    lives: BTreeMap<Conversation, ChatGroupLife>,
    calls: Vec<Call>,
    now: u64,
}

/// A call that changed something.
#[derive(Clone)]
struct Call {
    before: Fields,
    after: Fields,
    deltas: Vec<Delta>,
}

impl Past {
    fn new() -> Past {
        let life = ChatGroupLife { incarnation: 0, alive: true };
        Past {
            state: OwnerState { account: Some(Arc::default()), organizer: Arc::default() },
            gone: BTreeSet::new(),
            lives: [6, 7].map(|index| (peer(index), life)).into(),
            calls: Vec::new(),
            now: 1_000,
        }
    }

    fn presences(&self) -> HashMap<Conversation, Presence> {
        let mut presences = presences();
        for (conversation, life) in &self.lives {
            let presence = Presence::ChatGroup { life: Some(*life), is_member: true, is_listable: true };
            presences.insert(conversation.clone(), presence);
        }
        presences.extend(self.gone.iter().map(|index| (peer(*index), Presence::User { imported: false })));
        presences
    }

    fn dead(&self) -> Vec<ChangeNumber> {
        self.state.organizer.dead(|id| {
            self.lives.get(&Conversation::ChatGroup(id.clone())).map_or(0, |life| life.incarnation)
        })
    }

    fn fields(&self) -> Fields {
        let organizer = self.state.organizer.living(&self.dead());
        let mut fields = Fields::new();
        for Group { id, name, .. } in organizer.groups() {
            fields.extend([(Key::Group(*id), String::new()), (Key::Name(*id), name.as_str().to_owned())]);
        }
        for record in organizer.records() {
            let Record { conversation, incarnation, groups, mark, custom, .. } = &**record;
            let of = || (conversation.clone(), *incarnation);
            let member = |group: &u32| (Key::Member(of().0, of().1, *group), String::new());
            fields.extend(groups.iter().map(member));
            fields
                .extend(bits_of(*mark).into_iter().map(|bit| (Key::Bit(of().0, of().1, bit), String::new())));
            fields.extend(custom.iter().map(|mark| (Key::Custom(of().0, of().1), mark.as_str().to_owned())));
        }
        fields
    }

    fn decide(&self, edit: &Edit) -> Result<Decision<Outcome, Change>, Rejection> {
        decide_among(&self.presences(), &self.state, &self.dead(), edit, self.now)
    }

    /// Makes a call, and returns its outcome.
    fn call(&mut self, edit: &Edit) -> Result<Outcome, Rejection> {
        self.now += 1;
        let before = self.fields();
        let Decision { outcome, change } = self.decide(edit)?;
        if let Some(Change { next, deltas }) = change {
            assert_ne!(next, self.state, "an edit that changes nothing makes no change");
            self.state = next;
            self.calls.push(Call { before, after: self.fields(), deltas });
        }
        Ok(outcome)
    }

    /// Makes calls that all change something.
    fn with(mut self, steps: &[Step]) -> Past {
        for step in steps {
            let count = self.calls.len();
            self.call(&edit(step, &[])).unwrap();
            assert_eq!(self.calls.len(), count + 1, "{step:?}");
        }
        self
    }

    /// Disbands a chat group. Its id may be used again at once.
    fn disband(&mut self, index: u8, alive: bool) {
        let life = self.lives.get_mut(&peer(index)).expect("it is a chat group that exists");
        *life = ChatGroupLife { incarnation: life.incarnation + 1, alive };
    }

    fn deltas(&self, calls: impl std::slice::SliceIndex<[Call], Output = [Call]>) -> Vec<Delta> {
        self.calls[calls].iter().flat_map(|call| call.deltas.clone()).collect()
    }

    /// Undoes the call with this index.
    fn undo(&mut self, index: usize) -> Vec<Kept> {
        let undo = Undo { reverted: self.deltas(index..=index), later: self.deltas(index + 1..), events: 0 };
        self.undone(undo)
    }

    /// Undoes this call and all later ones.
    fn undo_since(&mut self, index: usize) -> Vec<Kept> {
        let undo = Undo { reverted: self.deltas(index..), later: Vec::new(), events: 0 };
        self.undone(undo)
    }

    fn undone(&mut self, undo: Undo) -> Vec<Kept> {
        Undone::try_from(self.call(&Edit::Undo(undo)).unwrap()).unwrap().kept
    }
}

/// Returns the keys whose values these calls changed.
fn touched(calls: &[Call]) -> BTreeSet<Key> {
    let mut touched = BTreeSet::new();
    for Call { before, after, .. } in calls {
        let keys = before.keys().chain(after.keys());
        touched.extend(keys.filter(|key| before.get(*key) != after.get(*key)).cloned());
    }
    touched
}

/// Returns the key without the incarnation, as an undo names fields.
fn named(key: Key) -> Key {
    match key {
        Key::Member(conversation, _, group) => Key::Member(conversation, 0, group),
        Key::Bit(conversation, _, bit) => Key::Bit(conversation, 0, bit),
        Key::Custom(conversation, _) => Key::Custom(conversation, 0),
        key => key,
    }
}

fn keys_of(field: &Field) -> Vec<Key> {
    match field.clone() {
        Field::Group { id, .. } => vec![Key::Group(id), Key::Name(id)],
        Field::GroupName { id, .. } => vec![Key::Name(id)],
        Field::Membership { conversation, group } => vec![Key::Member(conversation, 0, group)],
        Field::Standard { conversation, bits } => {
            bits_of(bits).into_iter().map(|bit| Key::Bit(conversation.clone(), 0, bit)).collect()
        }
        Field::Custom { conversation } => vec![Key::Custom(conversation, 0)],
        Field::Account => Vec::new(),
    }
}

/// Checks an undo of the calls `first..end`. Every field either has its value from before these calls, or its value
/// from before the undo and is named with a true reason.
fn check(past: &Past, first: usize, end: usize) -> Result<(), TestCaseError> {
    let (reverted, later) = (touched(&past.calls[first..end]), touched(&past.calls[end..]));
    let (before, current) = (&past.calls[first].before, past.fields());
    let mut after = past.clone();
    let kept = after.undone(Undo { reverted: past.deltas(first..end), later: past.deltas(end..), events: 0 });
    let result = after.fields();
    let keys: BTreeSet<&Key> =
        before.keys().chain(current.keys()).chain(result.keys()).chain(&reverted).collect();
    let mut expected = BTreeSet::new();
    for key in keys {
        let (old, now, new) = (before.get(key), current.get(key), result.get(key));
        if !reverted.contains(key) || new != old || later.contains(key) {
            prop_assert_eq!(now, new, "{:?} should stay as it was", key);
        }
        if reverted.contains(key) && new != old {
            expected.insert(named(key.clone()));
        }
    }
    let all: BTreeSet<Key> = kept.iter().flat_map(|kept| keys_of(&kept.field)).collect();
    prop_assert_eq!(&all, &expected, "exactly what was not reverted is named: {:?}", &kept);
    let later: BTreeSet<Key> = later.into_iter().map(named).collect();
    for kept in &kept {
        prop_assert!(is_true(kept, &later, &after, &result), "{:?}", kept);
    }
    // Undoing the same again changes nothing, and names the same.
    let mut again = after.clone();
    let undo = Undo { reverted: past.deltas(first..end), later: past.deltas(end..), events: 0 };
    let Decision { outcome, change } = again.decide(&Edit::Undo(undo)).unwrap();
    let same = !kept.iter().any(|kept| matches!(kept.reason, KeptReason::Refused(_)));
    let undone = Undone::try_from(outcome).unwrap();
    prop_assert!(!same || (&undone.kept, &change) == (&kept, &None), "{:?}", undone);
    // An undo can be undone, if nothing stands in its way.
    if past.gone.is_empty() && past.dead().is_empty() && after.calls.len() > past.calls.len() {
        prop_assert_eq!(again.undo(again.calls.len() - 1), []);
        prop_assert_eq!(again.fields(), current);
    }
    Ok(())
}

/// Checks the reason why a field was kept.
fn is_true(Kept { field, reason }: &Kept, later: &BTreeSet<Key>, after: &Past, result: &Fields) -> bool {
    let count = |is_counted: fn(&Key) -> Option<&Conversation>| {
        result.keys().filter_map(is_counted).collect::<BTreeSet<_>>().len()
    };
    let conversation = match field {
        Field::Membership { conversation, .. }
        | Field::Standard { conversation, .. }
        | Field::Custom { conversation } => Some(conversation),
        _ => None,
    };
    match (reason, field) {
        (KeptReason::ChangedLater, field) => keys_of(field).iter().all(|key| later.contains(key)),
        (KeptReason::UsedLater, Field::Group { id, .. }) => {
            let is_member = |key: &Key| matches!(key, Key::Member(.., group) if group == id);
            let mut members = result.keys().filter(|key| is_member(key));
            !later.contains(&Key::Group(*id))
                && (later.contains(&Key::Name(*id)) || members.any(|key| later.contains(&named(key.clone()))))
        }
        (KeptReason::NoGroup, Field::GroupName { id, .. } | Field::Membership { group: id, .. }) => {
            !result.contains_key(&Key::Group(*id))
        }
        (KeptReason::Refused(rejection), field) => match (rejection, field) {
            (Rejection::NameTaken(name), Field::Group { id, .. } | Field::GroupName { id, .. }) => (result
                .iter())
            .any(|(key, other)| matches!(key, Key::Name(holder) if holder != id) && other == name),
            (Rejection::TooManyGroups { .. }, Field::Group { .. }) => {
                result.keys().filter(|key| matches!(key, Key::Group(_))).count() == LIMITS.groups
            }
            (Rejection::TooManyGrouped { .. }, Field::Membership { .. }) => {
                count(|key| if let Key::Member(of, ..) = key { Some(of) } else { None }) == LIMITS.grouped
            }
            (Rejection::TooManyMarked { .. }, Field::Standard { .. } | Field::Custom { .. }) => {
                count(|key| if let Key::Bit(of, ..) | Key::Custom(of, _) = key { Some(of) } else { None })
                    == LIMITS.marked
            }
            (Rejection::UnknownPeer(_), _) => {
                after.gone.iter().any(|index| Some(&peer(*index)) == conversation)
            }
            (Rejection::DisbandedChatGroup(_), _) => {
                conversation.is_some_and(|of| after.lives[of].incarnation > 0)
            }
            _ => false,
        },
        _ => false,
    }
}

/// One event of a random history.
#[derive(Clone, Debug)]
enum Turn {
    Call(Step),
    /// Undoes a call, or everything from it on.
    Undo(Index, bool),
    /// Disbands a chat group; its id may be used again at once.
    Disband(u8, bool),
    /// Uses the id of a disbanded chat group again.
    Create(u8),
    /// Deletes the account of a user, or imports it again.
    Toggle(u8),
}

impl Past {
    fn take(&mut self, turn: &Turn) {
        match turn {
            // Calls may be refused.
            Turn::Call(step) => drop(self.call(&edit(step, &[]))),
            Turn::Undo(..) if self.calls.is_empty() => {}
            Turn::Undo(index, true) => drop(self.undo_since(index.index(self.calls.len()))),
            Turn::Undo(index, false) => drop(self.undo(index.index(self.calls.len()))),
            Turn::Disband(index, alive) => self.disband(*index, *alive),
            Turn::Create(index) => self.lives.get_mut(&peer(*index)).unwrap().alive = true,
            Turn::Toggle(index) => {
                if !self.gone.remove(index) {
                    self.gone.insert(*index);
                }
            }
        }
    }
}

fn past(turns: &[Turn]) -> Past {
    let mut past = Past::new();
    for turn in turns {
        past.take(turn);
    }
    past
}

fn undos() -> impl Strategy<Value = Turn> {
    (any::<Index>(), prop::bool::weighted(0.3)).prop_map(|(index, since)| Turn::Undo(index, since))
}

/// Histories in which everybody stays.
fn calm() -> impl Strategy<Value = Vec<Turn>> {
    vec(prop_oneof![8 => step().prop_map(Turn::Call), 2 => undos()], 1..24)
}

/// Histories in which users and chat groups come and go.
fn eventful() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        16 => step().prop_map(Turn::Call),
        4 => undos(),
        1 => (6..8u8, any::<bool>()).prop_map(|(index, alive)| Turn::Disband(index, alive)),
        1 => (6..8u8).prop_map(Turn::Create),
        1 => (0..6u8).prop_map(Turn::Toggle),
    ];
    vec(turn, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn undoing_the_last_call_gives_the_state_before_it(turns in calm()) {
        let mut past = Past::new();
        for turn in &turns {
            past.take(turn);
            let Some(last) = past.calls.last() else { continue };
            let mut copy = past.clone();
            prop_assert_eq!(copy.undo(copy.calls.len() - 1), []);
            prop_assert_eq!(&copy.fields(), &last.before);
            prop_assert_eq!(copy.undo(copy.calls.len() - 1), [], "an undo can be undone");
            prop_assert_eq!(copy.fields(), past.fields());
        }
    }

    #[test]
    fn undoing_everything_after_a_call_gives_the_state_at_that_call(turns in calm()) {
        let past = past(&turns);
        for first in 0..past.calls.len() {
            let mut copy = past.clone();
            prop_assert_eq!(copy.undo_since(first), []);
            prop_assert_eq!(&copy.fields(), &past.calls[first].before);
            check(&past, first, past.calls.len())?;
        }
    }

    #[test]
    fn undoing_a_call_leaves_what_later_calls_changed(turns in calm()) {
        let past = past(&turns);
        for first in 0..past.calls.len() {
            check(&past, first, first + 1)?;
        }
    }

    #[test]
    fn undoing_obeys_the_rules_when_users_and_chat_groups_come_and_go(turns in eventful()) {
        let past = past(&turns);
        for first in 0..past.calls.len() {
            check(&past, first, first + 1)?;
            check(&past, first, past.calls.len())?;
        }
    }
}

fn create(name: u8, peers: &[u8]) -> Step {
    Step::Create { name, peers: peers.to_vec() }
}

/// Creates an empty group: peer 8 does not exist, but a call has to name a conversation.
fn empty(name: u8) -> Step {
    create(name, &[8])
}

fn rename(old: u8, new: u8) -> Step {
    Step::Rename { old, new }
}

fn add(name: u8, index: u8) -> Step {
    Step::Update { name, changes: vec![(true, index)] }
}

fn delete(name: u8) -> Step {
    Step::Delete { name }
}

/// Clears and sets standard marks, and sets a custom mark of this length.
fn mark(index: u8, clear: &[u8], set: &[u8], custom: Option<u8>) -> Step {
    Step::Mark { items: vec![(index, Some(clear.to_vec()), Some(set.to_vec()), custom)] }
}

fn kept(field: Field, reason: KeptReason) -> Kept {
    Kept { field, reason }
}

fn group_field(id: u32, index: u8) -> Field {
    Field::Group { id, name: name(index) }
}

fn name_field(id: u32, index: u8) -> Field {
    Field::GroupName { id, name: name(index) }
}

fn membership(index: u8, group: u32) -> Field {
    Field::Membership { conversation: peer(index), group }
}

fn standard(index: u8, bits: u64) -> Field {
    Field::Standard { conversation: peer(index), bits: StandardMark::from_bits(bits) }
}

fn custom(index: u8) -> Field {
    Field::Custom { conversation: peer(index) }
}

fn name_taken(index: u8) -> KeptReason {
    KeptReason::Refused(Rejection::NameTaken(name(index).as_str().to_owned()))
}

fn disbanded(index: u8) -> KeptReason {
    KeptReason::Refused(Rejection::DisbandedChatGroup(peer(index).chat_group().unwrap().clone()))
}

impl Past {
    /// Returns the ids and names of the groups.
    fn groups(&self) -> Vec<(u32, String)> {
        let groups = self.state.organizer.groups().iter();
        groups.map(|group| (group.id, group.name.as_str().to_owned())).collect()
    }

    /// Returns the groups, the standard marks and the length of the custom mark of a conversation.
    fn record(&self, index: u8) -> Option<(Vec<u32>, u64, usize)> {
        let organizer = self.state.organizer.living(&self.dead());
        let record = organizer.records().iter().find(|record| record.conversation == peer(index))?;
        let custom = record.custom.as_ref().map_or(0, |custom| custom.as_str().len());
        Some((record.groups.clone(), record.mark.bits(), custom))
    }
}

fn groups(groups: &[(u32, u8)]) -> Vec<(u32, String)> {
    groups.iter().map(|(id, index)| (*id, name(*index).as_str().to_owned())).collect()
}

#[test]
fn a_deleted_group_comes_back_with_its_id_its_name_and_its_conversations() {
    let mut past =
        Past::new().with(&[create(0, &[1, 2, 6]), mark(1, &[], &[5], Some(2)), create(1, &[1]), delete(0)]);
    assert_eq!((past.groups(), past.record(2)), (groups(&[(2, 1)]), None));
    let version = past.state.organizer.counters().version;
    assert_eq!(past.undo(3), []);
    assert_eq!(past.groups(), groups(&[(1, 0), (2, 1)]));
    assert_eq!(past.record(1), Some((vec![1, 2], 32, 2)));
    assert_eq!((past.record(2), past.record(6)), (Some((vec![1], 0, 0)), Some((vec![1], 0, 0))));
    let Counters { version: after, last_group, .. } = *past.state.organizer.counters();
    assert_eq!((after, last_group), (version + 4, 2), "a group and three records changed");
    let past = past.with(&[empty(2)]);
    assert_eq!(past.groups(), groups(&[(1, 0), (2, 1), (3, 2)]), "the next id is a new one");
}

#[test]
fn a_group_whose_name_is_used_again_does_not_come_back() {
    let mut past = Past::new().with(&[create(0, &[1]), delete(0), create(0, &[2])]);
    let lost = [kept(group_field(1, 0), name_taken(0)), kept(membership(1, 1), KeptReason::NoGroup)];
    assert_eq!(past.undo(1), lost);
    assert_eq!(past.calls.len(), 3, "nothing changed");
    // If the new group is renamed first, the old one has its name back.
    let mut past = past.with(&[rename(0, 4)]);
    assert_eq!(past.undo(1), []);
    assert_eq!(past.groups(), groups(&[(1, 0), (2, 4)]));
}

#[test]
fn names_that_were_exchanged_are_exchanged_back() {
    let renames = [rename(0, 2), rename(1, 0), rename(2, 1)];
    let mut past = Past::new().with(&[empty(0), empty(1)]).with(&renames);
    assert_eq!(past.groups(), groups(&[(1, 1), (2, 0)]));
    assert_eq!(past.undo_since(2), []);
    assert_eq!(past.groups(), groups(&[(1, 0), (2, 1)]));
}

#[test]
fn a_group_keeps_its_name_if_it_was_renamed_again_or_its_old_name_is_taken() {
    let start = || Past::new().with(&[create(0, &[1]), rename(0, 1)]);
    let mut past = start().with(&[rename(1, 2)]);
    assert_eq!(past.undo(1), [kept(name_field(1, 0), KeptReason::ChangedLater)]);
    let mut past = start().with(&[empty(0)]);
    assert_eq!(past.undo(1), [kept(name_field(1, 0), name_taken(0))]);
    let mut past = start().with(&[delete(1)]);
    assert_eq!(past.undo(1), [kept(name_field(1, 0), KeptReason::NoGroup)]);
}

/// If a group cannot get its name back, the names that depend on it cannot either.
#[test]
fn a_name_that_stays_can_block_another() {
    let mut past = Past::new().with(&[empty(0), empty(1), rename(1, 2), rename(0, 1)]);
    let undo = Undo { reverted: past.deltas(2..), later: Vec::new(), events: 0 };
    let past_calls = past.calls.len();
    past = past.with(&[empty(0)]);
    let found = past.undone(Undo { later: past.deltas(past_calls..), ..undo });
    assert_eq!(found, [kept(name_field(1, 0), name_taken(0)), kept(name_field(2, 1), name_taken(1))]);
}

#[test]
fn a_created_group_goes_unless_later_calls_use_it() {
    let start = || Past::new().with(&[create(0, &[1, 2])]);
    let mut past = start();
    assert_eq!((past.undo(0), past.groups(), past.record(1)), (vec![], vec![], None));
    let past = past.with(&[empty(0)]);
    assert_eq!(past.groups(), groups(&[(2, 0)]), "its id is not used again");
    // A later call added a conversation, which stays in the group; what the undone call added goes.
    let mut past = start().with(&[add(0, 3)]);
    assert_eq!(past.undo(0), [kept(group_field(1, 0), KeptReason::UsedLater)]);
    assert_eq!((past.record(1), past.record(3)), (None, Some((vec![1], 0, 0))));
    let mut past = start().with(&[rename(0, 1)]);
    assert_eq!(past.undo(0), [kept(group_field(1, 1), KeptReason::UsedLater)]);
    assert_eq!((past.groups(), past.record(1)), (groups(&[(1, 1)]), None));
    // A later call that only removed a conversation does not need the group.
    let removal = Step::Update { name: 0, changes: vec![(false, 1)] };
    let mut past = start().with(&[removal]);
    assert_eq!((past.undo(0), past.groups()), (vec![], vec![]));
    // A later call removed a conversation, and another one added it again.
    let both = [false, true].map(|adds| Step::Update { name: 0, changes: vec![(adds, 1)] });
    let mut past = start().with(&both);
    let found =
        [kept(group_field(1, 0), KeptReason::UsedLater), kept(membership(1, 1), KeptReason::ChangedLater)];
    assert_eq!(past.undo(0), found);
    assert_eq!((past.record(1), past.record(2)), (Some((vec![1], 0, 0)), None));
    // It was deleted and brought back by later calls.
    let mut past = start().with(&[delete(0)]);
    assert_eq!(past.undo(1), []);
    let later = KeptReason::ChangedLater;
    let all = [group_field(1, 0), membership(1, 1), membership(2, 1)].map(|field| kept(field, later.clone()));
    assert_eq!(past.undo(0), all);
}

#[test]
fn a_later_change_of_another_bit_blocks_nothing() {
    let mut past = Past::new().with(&[mark(1, &[], &[0], Some(1)), mark(1, &[0], &[1, 5], Some(2))]);
    past = past.with(&[mark(1, &[5], &[63], None)]);
    assert_eq!(past.undo(1), []);
    assert_eq!(past.record(1), Some((vec![], 1 << 63 | 1, 1)), "bits 0 and 63, and the first custom mark");
    past = past.with(&[mark(1, &[0], &[], Some(0))]);
    past = past.with(&[mark(1, &[], &[0], None), mark(1, &[0], &[], Some(2))]);
    let blocked = [kept(standard(1, 1), KeptReason::ChangedLater), kept(custom(1), KeptReason::ChangedLater)];
    assert_eq!(past.undo(4), blocked);
    assert_eq!(past.record(1), Some((vec![], 1 << 63, 2)));
}

#[test]
fn the_limits_hold_and_what_has_no_room_is_named() {
    let refused = |rejection| KeptReason::Refused(rejection);
    let mut past = Past::new().with(&[create(0, &[1]), delete(0), empty(1), empty(2), empty(3)]);
    let no_room = refused(Rejection::TooManyGroups { limit: LIMITS.groups });
    assert_eq!(past.undo(1), [kept(group_field(1, 0), no_room), kept(membership(1, 1), KeptReason::NoGroup)]);

    let mut past = Past::new().with(&[create(0, &[0, 1]), create(1, &[2]), delete(0), create(2, &[3, 4, 5])]);
    let no_room = refused(Rejection::TooManyGrouped { limit: LIMITS.grouped });
    assert_eq!(past.undo(2), [0, 1].map(|index| kept(membership(index, 1), no_room.clone())));
    assert_eq!(past.groups(), groups(&[(1, 0), (2, 1), (3, 2)]), "the group itself is back");

    let all = Step::Mark { items: (2..7).map(|index| (index, None, Some(vec![0]), None)).collect() };
    let mut past = Past::new().with(&[mark(1, &[], &[0, 1], Some(1)), mark(1, &[0, 1], &[], Some(0)), all]);
    let no_room = refused(Rejection::TooManyMarked { limit: LIMITS.marked });
    assert_eq!(past.undo(1), [standard(1, 3), custom(1)].map(|field| kept(field, no_room.clone())));
}

/// An undo that takes and gives has the room that it makes, even if the giving comes first.
#[test]
fn what_an_undo_removes_makes_room_for_what_comes_back() {
    let mut past = Past::new().with(&[create(0, &[0, 1, 2, 3])]);
    let swap = Step::Update { name: 0, changes: vec![(false, 0), (true, 4)] };
    past = past.with(&[swap]);
    assert_eq!(past.undo(1), []);
    assert_eq!((past.record(0), past.record(4)), (Some((vec![1], 0, 0)), None));
}

#[test]
fn nothing_about_a_disbanded_chat_group_comes_back() {
    let mut past =
        Past::new().with(&[create(0, &[6]), mark(6, &[], &[0, 1], Some(1)), mark(6, &[0], &[], Some(2))]);
    past = past.with(&[delete(0)]);
    past.disband(6, true);
    let lost = disbanded(6);
    let whole = [membership(6, 1), standard(6, 1), custom(6)].map(|field| kept(field, lost.clone()));
    assert_eq!(past.clone().undo(3), whole[..1]);
    assert_eq!(past.clone().undo(2), whole[1..]);
    // The record of the new chat group was made by later calls, and has nothing to do with the old one.
    past = past.with(&[mark(6, &[], &[0], None)]);
    assert_eq!(past.record(6), Some((vec![], 1, 0)));
    assert_eq!(past.undo(2), whole[1..]);
    assert_eq!(past.record(6), Some((vec![], 1, 0)));
    // The undone call both buried the old record and made the new one: only the new one goes.
    let buries = |delta: &Delta| matches!(delta, Delta::RecordBuried { .. });
    assert!(past.calls[4].deltas.iter().any(buries));
    assert_eq!((past.undo(4), past.record(6)), (vec![], None));
}

#[test]
fn a_mark_of_a_peer_who_is_gone_can_be_removed_and_does_not_come_back() {
    let mut past =
        Past::new().with(&[mark(1, &[], &[0], None), mark(1, &[0], &[], None), mark(1, &[], &[1], None)]);
    past.gone.insert(1);
    let Conversation::User(user) = peer(1) else { unreachable!("it is a user") };
    assert_eq!(past.undo(2), []);
    assert_eq!(past.undo(1), [kept(standard(1, 1), KeptReason::Refused(Rejection::UnknownPeer(user)))]);
    assert_eq!(past.record(1), None);
}

#[test]
fn calls_that_changed_neither_groups_nor_records_cannot_be_undone() {
    let mut past = Past::new().with(&[create(0, &[1])]);
    past.call(&Edit::ImportAccount { nick: Some("n".to_owned()), face_url: None }).unwrap();
    let undo = |reverted| Edit::Undo(Undo { reverted, later: Vec::new(), events: 0 });
    assert_eq!(past.call(&undo(past.deltas(1..))), Err(Rejection::NothingToUndo));
    for reverted in [vec![Delta::Renumbered { at: 1 }], vec![Delta::CountersSet(Counters::default())]] {
        assert_eq!(past.call(&undo(reverted)), Err(Rejection::NothingToUndo));
    }
    // Together with other changes, the account is named.
    assert_eq!(past.undo_since(0), [kept(Field::Account, KeptReason::NotUndone)]);
    assert_eq!(past.groups(), []);
}

#[test]
fn nothing_from_before_the_account_was_deleted_can_be_undone() {
    let mut past = Past::new().with(&[create(0, &[1]), delete(0)]);
    past.call(&Edit::DeleteAccount).unwrap();
    let undo = |first: usize, end: usize, past: &Past| {
        Edit::Undo(Undo { reverted: past.deltas(first..end), later: past.deltas(end..), events: 0 })
    };
    let unknown = past.call(&undo(1, 2, &past.clone()));
    assert!(matches!(unknown, Err(Rejection::UnknownOwner(_))), "{unknown:?}");
    past.call(&Edit::ImportAccount { nick: None, face_url: None }).unwrap();
    past = past.with(&[create(0, &[2])]);
    for (first, end) in [(1, 2), (2, 3), (1, 5)] {
        assert_eq!(past.call(&undo(first, end, &past.clone())), Err(Rejection::Erased));
    }
    assert_eq!((past.undo(4), past.groups()), (vec![], vec![]), "what came after it can");
}

#[test]
fn an_import_can_be_undone_and_its_counters_stay() {
    let mut past = Past::new().with(&[create(0, &[1, 2]), mark(1, &[], &[0], None)]);
    let record = RestoredRecord {
        conversation: peer(3),
        groups: Vec::new(),
        mark: StandardMark::from_bits(2),
        custom: None,
        number: None,
        timestamp: 9_000,
    };
    let floor = Counters { version: 700, last_group: 30, ..Counters::default() };
    let restoration =
        Restoration { counters: floor, groups: Vec::new(), records: vec![record], makes_known: false };
    past.call(&Edit::Restore(restoration)).unwrap();
    assert_eq!((past.groups(), past.record(1)), (vec![], None));
    assert_eq!(past.undo(2), []);
    assert_eq!(past.groups(), groups(&[(1, 0)]));
    assert_eq!((past.record(1), past.record(3)), (Some((vec![1], 1, 0)), None));
    let Counters { version, last_group, last_timestamp, .. } = *past.state.organizer.counters();
    assert!(
        version > 700 && last_group == 30 && last_timestamp == 9_000,
        "{:?}",
        past.state.organizer.counters()
    );
}

#[test]
fn undoing_nothing_or_the_same_again_changes_nothing() {
    let mut past = Past::new().with(&[create(0, &[1]), mark(2, &[], &[0], None)]);
    assert_eq!(past.undone(Undo { reverted: Vec::new(), later: past.deltas(..), events: 0 }), []);
    assert_eq!(past.undo(1), []);
    let (state, undo) =
        (past.state.clone(), Undo { reverted: past.deltas(1..=1), later: past.deltas(2..), events: 0 });
    assert_eq!(past.undone(undo), []);
    assert_eq!((past.state, past.calls.len()), (state, 3));
}

#[test]
fn the_conversations_that_may_come_back_are_named() {
    let past = Past::new().with(&[create(0, &[2, 1]), mark(1, &[], &[0], None), delete(0)]);
    let edit = Edit::Undo(Undo { reverted: past.deltas(1..), later: Vec::new(), events: 0 });
    assert_eq!(edit.named(), [&peer(1), &peer(2)]);
}
