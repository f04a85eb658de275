//! Compares what events lead to, in any order and repeatedly, with a model that looks at all of them at once.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::domain::{ChatGroupEdit, ChatGroupState, Decision, DirectoryMode, Limits, Terms, WantedMembers};

/// A chat group, and when users left it.
#[derive(Clone, Debug, Default)]
struct Kept {
    state: Option<ChatGroupState>,
    exits: BTreeMap<String, u64>,
}

/// What has to be the same in any order: whether the chat group exists, its name, its owner, and when each user joined.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    name: Option<String>,
    owner: Option<String>,
    users: BTreeMap<String, u64>,
}

type Reported = (u64, ChatGroupEvent);

/// The beginning of the tests, in milliseconds.
const BEGIN: u64 = 1_700_000_000_000;
const USERS: u8 = 4;

fn user(index: u8) -> UserId {
    UserId::parse(&format!("user{index}")).unwrap()
}

fn terms() -> Terms {
    Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, BEGIN / 1_000) }
}

fn milliseconds(member: &Member) -> u64 {
    member.joined_at * 1_000 + u64::from(member.details.millis)
}

impl Kept {
    fn edit(&mut self, edit: &ChatGroupEdit) {
        let state = self.state.as_ref();
        let members: Vec<Member> = match (state, edit.wanted()) {
            (None, _) => Vec::new(),
            (Some(state), WantedMembers::All) => state.members.clone(),
            (Some(state), WantedMembers::Named(users)) => {
                state.members.iter().filter(|member| users.contains(&member.user)).cloned().collect()
            }
        };
        let leavers = edit.leavers();
        let exits: Vec<(UserId, u64)> = (self.exits.iter())
            .map(|(user, at)| (UserId::parse(user).unwrap(), *at))
            .filter(|(user, _)| leavers.contains(&user))
            .collect();
        let terms = terms();
        let world =
            ChatGroupWorld { terms: &terms, imported: &HashSet::new(), members: &members, exits: &exits };
        let decided = edit.decide(state.map(|state| &state.group), world);
        let Decision { outcome, change } = decided.unwrap();
        assert_eq!(outcome.changed, change.is_some());
        let Some(ChatGroupChange { next, deltas }) = change else { return };
        let before = self.state.clone().unwrap_or_default();
        let after = before.folded(&deltas);
        assert_eq!(after.group, next, "the deltas lead to the next state");
        let unique: HashSet<&UserId> = after.members.iter().map(|member| &member.user).collect();
        assert_eq!(unique.len(), after.members.len(), "nobody is a member twice");
        for delta in &deltas {
            match delta {
                ChatGroupDelta::ExitNoted(user, at) => drop(self.exits.insert(user.to_string(), *at)),
                ChatGroupDelta::Began(moment) => self.exits.retain(|_, at| *at >= moment.at()),
                _ => {}
            }
        }
        self.state = Some(after);
    }

    fn observe(&mut self, (at, event): &Reported) {
        let kind = ChatGroupKind::Public;
        self.edit(&ChatGroupEdit::Observed { event: event.clone(), kind, at: *at });
    }

    fn seen(&self) -> Seen {
        let Some(ChatGroupState { group, members }) = &self.state else { return Seen::default() };
        let owner = group.profile.as_ref().and_then(ChatGroupProfile::owner_seat);
        let users =
            members.iter().chain(&owner).map(|member| (member.user.to_string(), milliseconds(member)));
        Seen {
            name: group.profile.as_ref().map(|profile| profile.name.clone()),
            owner: owner.as_ref().map(|owner| owner.user.to_string()),
            users: users.collect(),
        }
    }
}

/// Returns what all events together mean.
fn expected(events: &[Reported]) -> Seen {
    use MomentKind::{Creation, Destruction, Exit, Join};
    let moment = |(at, event): &Reported| {
        let kind = match event {
            ChatGroupEvent::Created { .. } => Creation,
            ChatGroupEvent::Joined(_) => Join,
            ChatGroupEvent::Left(_) => Exit,
            ChatGroupEvent::Destroyed => Destruction,
        };
        Moment::new(*at, kind)
    };
    let begins =
        |event: &&Reported| matches!(event.1, ChatGroupEvent::Created { .. } | ChatGroupEvent::Destroyed);
    let newest = events.iter().filter(begins).max_by_key(|event| moment(event));
    let began = newest.map_or(Moment::default(), moment);
    let living: Vec<&Reported> = events.iter().filter(|event| moment(event) > began).collect();
    let mut seen = Seen::default();
    let mut joined = BTreeMap::<String, u64>::new();
    if let Some((at, ChatGroupEvent::Created { name, owner, members })) = newest {
        seen.name = Some(name.clone());
        seen.owner = owner.as_ref().map(ToString::to_string);
        joined.extend(owner.iter().chain(members).map(|user| (user.to_string(), *at)));
    }
    let mut left = BTreeMap::<String, u64>::new();
    for (at, event) in living {
        let (times, users) = match event {
            ChatGroupEvent::Joined(users) => (&mut joined, users),
            ChatGroupEvent::Left(users) => (&mut left, users),
            _ => unreachable!(),
        };
        // A chat group that was destroyed exists again as soon as somebody joins.
        let is_destroyed = matches!(newest, Some((_, ChatGroupEvent::Destroyed)));
        if seen.name.is_none() && (matches!(event, ChatGroupEvent::Joined(_)) || !is_destroyed) {
            seen.name = Some(String::new());
        }
        for user in users {
            let time = times.entry(user.to_string()).or_default();
            *time = (*at).max(*time);
        }
    }
    seen.owner = seen.owner.filter(|owner| !left.contains_key(owner));
    seen.users =
        joined.into_iter().filter(|(user, at)| left.get(user).is_none_or(|left| left < at)).collect();
    seen
}

/// Events close to each other. One creation at most is reported for each time, always with the same content.
fn events(most: usize, places: u64) -> impl Strategy<Value = Vec<Reported>> {
    let users = || prop::collection::vec((0..USERS).prop_map(user), 1..3);
    let event = (0..places).prop_flat_map(move |place| {
        let at = BEGIN + place * 400;
        let index = u8::try_from(place).unwrap();
        let created = ChatGroupEvent::Created {
            name: format!("name{place}"),
            owner: (index % 5 != 0).then(|| user(index % USERS)),
            members: (0..index % 3).map(|member| user((index + member) % USERS)).collect(),
        };
        let event = prop_oneof![
            2 => Just(created),
            5 => users().prop_map(ChatGroupEvent::Joined),
            4 => users().prop_map(ChatGroupEvent::Left),
            2 => Just(ChatGroupEvent::Destroyed),
        ];
        event.prop_map(move |event| (at, event))
    });
    prop::collection::vec(event, 1..=most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn any_order_and_repetition_lead_to_the_same_members(
        // Few events close to each other, or many.
        (events, shuffled) in prop_oneof![9 => events(15, 14), 1 => events(200, 120)]
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
        repeated in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..12),
    ) {
        let mut other = shuffled;
        for (what, place) in repeated {
            let event = what.get(&events).clone();
            other.insert(place.index(other.len() + 1), event);
        }
        let mut kept = Kept::default();
        for event in &other {
            kept.observe(event);
        }
        prop_assert_eq!(kept.seen(), expected(&events), "{:?}", other);
        // Once more, none of them has an effect.
        let before = kept.state.clone();
        for event in &other {
            kept.observe(event);
        }
        prop_assert_eq!(kept.state, before);
    }
}

fn joined(users: &[u8]) -> ChatGroupEvent {
    ChatGroupEvent::Joined(users.iter().map(|index| user(*index)).collect())
}

fn created(owner: u8, members: &[u8]) -> ChatGroupEvent {
    let members = members.iter().map(|index| user(*index)).collect();
    ChatGroupEvent::Created { name: "n".to_owned(), owner: Some(user(owner)), members }
}

#[test]
fn a_destruction_raises_the_incarnation_once_and_so_does_one_that_was_not_reported() {
    let incarnation = |kept: &Kept| kept.state.as_ref().unwrap().group.incarnation;
    let mut kept = Kept::default();
    kept.observe(&(BEGIN, created(0, &[1])));
    assert_eq!(incarnation(&kept), 0);
    for _ in 0..2 {
        kept.observe(&(BEGIN + 5_000, ChatGroupEvent::Destroyed));
        assert_eq!((incarnation(&kept), kept.seen().name), (1, None));
    }
    kept.observe(&(BEGIN + 6_000, created(0, &[])));
    assert_eq!(incarnation(&kept), 1);
    // Nothing has reported the destruction before this creation.
    for _ in 0..2 {
        kept.observe(&(BEGIN + 9_000, created(2, &[])));
        assert_eq!((incarnation(&kept), kept.seen().owner), (2, Some("user2".to_owned())));
    }
    kept.observe(&(BEGIN + 8_000, ChatGroupEvent::Destroyed));
    assert_eq!(incarnation(&kept), 2, "it is of an earlier life");
    assert!(kept.state.unwrap().group.admits(MomentKind::Join, BEGIN + 9_000));
}

#[test]
fn a_chat_group_of_a_call_is_older_than_a_later_event_only() {
    let profile = ChatGroupProfile {
        created_at: BEGIN / 1_000,
        owner: Some(user(0)),
        ..ChatGroupProfile::nameless(ChatGroupKind::Public)
    };
    let members = vec![Member::new(user(1), true, BEGIN / 1_000)];
    let made = || {
        let mut kept = Kept::default();
        kept.edit(&ChatGroupEdit::Create { profile: profile.clone(), members: members.clone() });
        kept
    };
    // The vendor reports the same creation, or an earlier life.
    for (at, event, users) in [
        (BEGIN + 300, created(0, &[1, 2]), 3),
        (BEGIN - 9_000, created(3, &[2]), 2),
        (BEGIN - 9_000, ChatGroupEvent::Destroyed, 2),
        (BEGIN - 9_000, ChatGroupEvent::Left(vec![user(0), user(1)]), 2),
        (BEGIN + 9_000, ChatGroupEvent::Left(vec![user(0), user(1)]), 0),
    ] {
        let mut kept = made();
        kept.observe(&(at, event.clone()));
        let seen = kept.seen();
        assert_eq!((seen.users.len(), seen.name), (users, Some(String::new())), "{event:?}");
        assert_eq!(kept.state.unwrap().group.incarnation, 0, "{event:?}");
    }
    let mut kept = made();
    kept.observe(&(BEGIN + 9_000, ChatGroupEvent::Destroyed));
    assert_eq!((kept.seen(), kept.state.unwrap().group.incarnation), (Seen::default(), 1));
}

#[test]
fn a_kind_without_a_list_of_members_gets_none() {
    let mut kept = Kept::default();
    for event in [created(0, &[1, 2]), joined(&[3])] {
        kept.edit(&ChatGroupEdit::Observed { event, kind: ChatGroupKind::AvChatRoom, at: BEGIN });
    }
    assert_eq!(kept.seen().users.into_keys().collect::<Vec<_>>(), ["user0"]);
}

#[test]
fn an_exit_is_remembered_for_seven_days() {
    let left = ChatGroupEvent::Left(vec![user(1)]);
    for (days, members) in [(6, 0), (8, 1)] {
        let at = BEGIN - days * 86_400_000;
        let mut kept = Kept::default();
        kept.observe(&(at, left.clone()));
        kept.observe(&(at - 1, joined(&[1])));
        assert_eq!(kept.seen().users.len(), members, "{days}");
    }
}
