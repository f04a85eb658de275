//! Random histories with a client that only sees the parts, and must hold exactly what a full read gives.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::domain::{
    Change, ChatGroupLife, Counters, Decision, Edit, OwnerState, Presence, Restoration, RestoredRecord,
    model_tests::{Step, decide_among, edit, peer, presences, step},
};

/// An owner as clients see them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    groups: BTreeMap<GroupId, Group>,
    records: BTreeMap<String, Record>,
}

fn key(conversation: &Conversation) -> String {
    format!("{conversation:?}")
}

/// An owner with their events, and the two chat groups that the peers 6 and 7 are.
struct World {
    state: OwnerState,
    events: Vec<(ChangeNumber, EventContent)>,
    /// How many of the oldest events were removed.
    removed: usize,
    lives: BTreeMap<u8, ChatGroupLife>,
    /// The number of the last disbanding of each chat group.
    disbanded: BTreeMap<u8, u64>,
    disbandings: u64,
    now: u64,
}

impl World {
    fn new() -> World {
        let life = ChatGroupLife { incarnation: 0, alive: true };
        World {
            state: OwnerState { account: Some(Arc::default()), organizer: Arc::default() },
            events: Vec::new(),
            removed: 0,
            lives: [6, 7].map(|index| (index, life)).into(),
            disbanded: BTreeMap::new(),
            disbandings: 0,
            now: 1_000,
        }
    }

    fn dead(&self) -> Vec<ChangeNumber> {
        let incarnation = |conversation: &Conversation| {
            self.lives
                .iter()
                .find(|(index, _)| peer(**index) == *conversation)
                .map_or(0, |(_, life)| life.incarnation)
        };
        self.state.organizer.dead(|id| incarnation(&Conversation::ChatGroup(id.clone())))
    }

    fn call(&mut self, edit: &Edit) {
        self.now += 1;
        let mut presences = presences();
        for (index, life) in &self.lives {
            presences.insert(
                peer(*index),
                Presence::ChatGroup { life: Some(*life), is_member: true, is_listable: true },
            );
        }
        let decided = decide_among(&presences, &self.state, &self.dead(), edit, self.now);
        if let Ok(Decision { change: Some(Change { next, deltas }), .. }) = decided {
            self.state = next;
            self.events.push((self.state.organizer.counters().version, EventContent::of(edit, &deltas)));
        }
    }

    fn disband(&mut self, index: u8, alive: bool) {
        self.disbandings += 1;
        self.disbanded.insert(index, self.disbandings);
        let life = self.lives.get_mut(&index).unwrap();
        *life = ChatGroupLife { incarnation: life.incarnation + 1, alive };
    }

    fn seen(&self) -> Seen {
        let organizer = self.state.organizer.living(&self.dead());
        Seen {
            groups: organizer.groups().iter().map(|group| (group.id, group.clone())).collect(),
            records: (organizer.records().iter())
                .map(|record| (key(&record.conversation), Record::clone(record)))
                .collect(),
        }
    }

    /// Returns the next part for a client that knows this, as a store and a command would find it.
    fn part(&self, known: Known, most: usize) -> Option<Changes> {
        self.with_latest(known.horizon(), |latest| changes(latest, known, most))
    }

    fn with_latest<T>(&self, horizon: ChangeNumber, f: impl FnOnce(Latest<'_>) -> T) -> T {
        let dead = self.dead();
        let living = self.state.organizer.living(&dead);
        let of = |record: &&Arc<Record>| dead.contains(&record.number);
        let number = |conversation: &Conversation| {
            self.disbanded.iter().find(|(index, _)| peer(**index) == *conversation).map_or(0, |(_, at)| *at)
        };
        let dead: Vec<(Conversation, u64)> = (self.state.organizer.records().iter().filter(of))
            .map(|record| (record.conversation.clone(), number(&record.conversation)))
            .collect();
        // Events are read backwards until one is not after the horizon.
        let mut events = Vec::new();
        let mut is_complete = true;
        for (index, (version, content)) in self.events.iter().enumerate().rev() {
            if index < self.removed {
                is_complete = false;
                break;
            }
            if *version <= horizon {
                break;
            }
            events.push(content.clone());
        }
        let disbandings = self.disbandings;
        f(Latest { organizer: &living, dead: &dead, disbandings, events: &events, is_complete })
    }

    fn nothing(&self) -> Known {
        self.with_latest(0, Known::nothing)
    }
}

#[derive(Default)]
struct Client {
    known: Known,
    holds: Seen,
    resets: usize,
}

impl Client {
    /// Reads one part of at most `most` things. Returns whether there is more.
    fn read(&mut self, world: &World, most: usize) -> bool {
        let part = world.part(self.known, most).unwrap_or_else(|| {
            self.holds = Seen::default();
            self.resets += 1;
            world.part(world.nothing(), most).expect("a client that knows nothing can always begin")
        });
        let count =
            part.groups.len() + part.records.len() + part.gone_groups.len() + part.gone_conversations.len();
        assert!(count <= most, "{count} of at most {most} things");
        assert!(count == most || !part.has_more, "a part is full if there is more");
        self.holds.groups.extend(part.groups.into_iter().map(|group| (group.id, group)));
        let records = part.records.iter().map(|record| (key(&record.conversation), Record::clone(record)));
        self.holds.records.extend(records);
        for id in &part.gone_groups {
            self.holds.groups.remove(id);
        }
        for conversation in &part.gone_conversations {
            self.holds.records.remove(&key(conversation));
        }
        self.known = part.known;
        part.has_more
    }
}

#[derive(Clone, Debug)]
enum Op {
    Call(Step),
    Disband(u8, bool),
    DeleteAccount,
    /// Replaces everything with these peers.
    Import(BTreeSet<u8>),
    /// Sets the version far ahead, so that the next change renumbers the owner.
    NearTheEnd,
    /// Removes this many of the oldest events.
    Trim(usize),
    /// A client reads one part of at most this many things.
    Read(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => step().prop_map(Op::Call),
        2 => (prop::sample::select(vec![6u8, 7]), any::<bool>()).prop_map(|(index, alive)| Op::Disband(index, alive)),
        1 => Just(Op::DeleteAccount),
        1 => prop::collection::btree_set(0..6u8, 0..4).prop_map(Op::Import),
        1 => Just(Op::NearTheEnd),
        2 => (1..4usize).prop_map(Op::Trim),
        8 => prop_oneof![Just(1usize), 1..5usize, Just(100)].prop_map(Op::Read),
    ]
}

fn apply(world: &mut World, client: &mut Client, op: &Op) {
    match op {
        Op::Call(step) => world.call(&edit(step, &[])),
        Op::Disband(index, alive) => world.disband(*index, *alive),
        Op::DeleteAccount => {
            world.call(&Edit::DeleteAccount);
            for (_, content) in &mut world.events {
                if matches!(content, EventContent::Changed(_)) {
                    *content = EventContent::Erased;
                }
            }
            world.call(&Edit::ImportAccount { nick: None, face_url: None });
        }
        Op::Import(peers) => {
            let records = peers.iter().map(|index| RestoredRecord {
                conversation: peer(*index),
                groups: Vec::new(),
                mark: crate::domain::StandardMark::from_bits(1),
                custom: None,
                number: None,
                timestamp: world.now,
            });
            world.call(&Edit::Restore(Restoration { records: records.collect(), ..Restoration::default() }));
        }
        Op::NearTheEnd => {
            let counters = Counters { version: crate::domain::MAX_NUMBER - 2, ..Counters::default() };
            world.call(&Edit::Restore(Restoration { counters, ..Restoration::default() }));
        }
        Op::Trim(count) => world.removed = (world.removed + count).min(world.events.len()),
        Op::Read(most) => drop(client.read(world, *most)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_client_that_reads_parts_holds_what_a_full_read_gives(ops in vec(op(), 1..40), most in 1..4usize) {
        let (mut world, mut client) = (World::new(), Client::default());
        let mut renumberings = 0;
        for op in &ops {
            apply(&mut world, &mut client, op);
            // A renumbering begins another life, and the command then starts over.
            let now = world.state.organizer.counters().renumberings;
            if now != renumberings {
                renumberings = now;
                client = Client { known: world.nothing(), ..Client::default() };
            }
        }
        while client.read(&world, most) {}
        prop_assert_eq!(&client.holds, &world.seen());
        let resets = client.resets;
        prop_assert!(!client.read(&world, 1), "nothing is left");
        prop_assert_eq!(client.resets, resets, "a client that knows everything is not reset");
    }
}

/// Returns a world after these calls, and a client that knows all of it.
fn caught_up(steps: &[Step]) -> (World, Client) {
    let (mut world, mut client) = (World::new(), Client::default());
    for step in steps {
        world.call(&edit(step, &[]));
    }
    while client.read(&world, 100) {}
    (world, client)
}

#[test]
fn a_disbanding_without_a_later_change_is_told_once() {
    let (mut world, client) = caught_up(&[Step::Create { name: 0, peers: vec![1, 6, 7] }]);
    world.disband(6, true);
    world.disband(7, false);
    let first = world.part(client.known, 1).unwrap();
    assert_eq!((&first.gone_conversations[..], first.has_more), (&[peer(6)][..], true));
    let second = world.part(first.known, 1).unwrap();
    assert_eq!((&second.gone_conversations[..], second.has_more), (&[peer(7)][..], false));
    assert_eq!(world.part(second.known, 1), Some(Changes { known: second.known, ..Changes::default() }));
}

#[test]
fn what_is_gone_is_known_as_long_as_its_event_is_kept() {
    let (mut world, client) = caught_up(&[Step::Create { name: 0, peers: vec![1, 2] }]);
    world.call(&edit(&Step::Delete { name: 0 }, &[]));
    let part = world.part(client.known, 100).unwrap();
    assert_eq!((part.gone_groups.len(), part.gone_conversations.len()), (1, 2));
    // Older events do not matter.
    world.removed = 1;
    assert_eq!(world.part(client.known, 100), Some(part.clone()));
    world.removed = 2;
    assert_eq!(world.part(client.known, 100), None);
    assert!(world.part(part.known, 100).is_some(), "a client that knows everything needs no events");
    // A client that begins with nothing needs none either, also in the middle.
    world.call(&edit(&Step::Create { name: 1, peers: vec![1, 2, 3] }, &[]));
    world.removed = 3;
    let begun = world.part(world.nothing(), 1).unwrap();
    assert!(begun.has_more);
    assert!(world.part(begun.known, 100).is_some_and(|part| !part.has_more));
}
