//! Webhooks lead to the same lists and the same members in any order of arrival, however often they arrive.

use std::cell::{Cell, RefCell};

use confold::{clock::Clock, domain::Role, store};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use super::{
    BEGIN, C2C, CREATED, DESTROYED, GROUP, Hooks, JOINED, LEFT, about, accounts, app_with, callback, created,
    destroyed, group_message, joined, left, message,
};

/// The number of webhooks.
const ALL: usize = 200;
const USERS: u8 = 5;
const GROUPS: u8 = 2;

/// What stands for a user or a chat group until a run gives it a name.
#[derive(Clone, Debug)]
enum Hook {
    Message {
        from: u8,
        to: u8,
        result: u32,
        online_only: u8,
    },
    GroupMessage {
        group: u8,
    },
    /// The owner and the first members follow from the time, because a chat group is created only once at a time.
    Created {
        group: u8,
    },
    Joined {
        group: u8,
        members: Vec<u8>,
    },
    Left {
        group: u8,
        members: Vec<u8>,
    },
    Destroyed {
        group: u8,
    },
    Other(&'static str),
}

/// Returns webhooks at times of few seconds, so that many have the same second or even the same time.
fn hook() -> impl Strategy<Value = (u64, Hook)> {
    let group = || 0..GROUPS;
    let users = || prop::collection::vec(0..USERS, 1..4);
    let others = vec![
        "C2C.CallbackBeforeSendMsg",
        "Group.CallbackBeforeSendMsg",
        "C2C.CallbackAfterMsgReport",
        "C2C.CallbackAfterMsgWithDraw",
        "Group.CallbackAfterRecallMsg",
        "Group.CallbackAfterGroupInfoChanged",
        "Group.CallbackAfterChangeGroupOwner",
        "Group.CallbackAfterMemberFieldChanged",
        "State.StateChange",
        "Made.Up",
    ];
    let hook = prop_oneof![
        4 => (0..USERS, 0..USERS, prop_oneof![4 => Just(0), 1 => Just(20_006)], prop_oneof![4 => Just(0), 1 => Just(1)])
            .prop_map(|(from, to, result, online_only)| Hook::Message { from, to, result, online_only }),
        6 => group().prop_map(|group| Hook::GroupMessage { group }),
        2 => group().prop_map(|group| Hook::Created { group }),
        4 => (group(), users()).prop_map(|(group, members)| Hook::Joined { group, members }),
        3 => (group(), users()).prop_map(|(group, members)| Hook::Left { group, members }),
        2 => group().prop_map(|group| Hook::Destroyed { group }),
        2 => prop::sample::select(others).prop_map(Hook::Other),
    ];
    (0..60_u64, hook).prop_map(|(step, hook)| ((*BEGIN - 20) * 1_000 + step * 300, hook))
}

impl Hook {
    /// Returns the kind and the body for a run.
    fn made(&self, at: u64, run: &str) -> (&'static str, Value) {
        let user = |index: u8| format!("u{index}{run}");
        let group = |index: u8| format!("g{index}{run}");
        let names = |users: &[u8]| users.iter().map(|index| user(*index)).collect::<Vec<_>>();
        let borrowed = |names: &[String]| -> Vec<Value> {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            accounts(&names).as_array().unwrap().clone()
        };
        match self {
            Hook::Message { from, to, result, online_only } => {
                let mut body = message(&user(*from), &user(*to), at / 1_000);
                body["SendMsgResult"] = json!(result);
                body["OnlineOnlyFlag"] = json!(online_only);
                body["EventTime"] = json!(at);
                (C2C, body)
            }
            Hook::GroupMessage { group: id } => (GROUP, group_message(&group(*id), &user(0), at)),
            Hook::Created { group: id } => {
                let index = |more: u64| u8::try_from((at / 300 + more) % u64::from(USERS)).unwrap();
                let mut body = created(&group(*id), &user(index(0)), &[], at);
                body["MemberList"] = borrowed(&names(&[index(1), index(3)])).into();
                (CREATED, body)
            }
            Hook::Joined { group: id, members } => {
                let mut body = joined(&group(*id), &[], at);
                body["NewMemberList"] = borrowed(&names(members)).into();
                (JOINED, body)
            }
            Hook::Left { group: id, members } => {
                let mut body = left(&group(*id), &[], at);
                body["ExitMemberList"] = borrowed(&names(members)).into();
                (LEFT, body)
            }
            Hook::Destroyed { group: id } => (DESTROYED, destroyed(&group(*id), at)),
            Hook::Other(kind) => (kind, about(kind, &group(0), at, &json!({"From_Account": user(0)}))),
        }
    }
}

/// What the webhooks of a run led to: the list of each user, and the members of each chat group.
type Seen = (Vec<Value>, Vec<Option<Vec<(String, Role, u64)>>>);

fn run(hooks: &mut Hooks, run: &str, webhooks: &[(u64, Hook)]) -> Seen {
    for (at, hook) in webhooks {
        let (kind, body) = hook.made(*at, run);
        hooks.send(kind, &body);
    }
    let lists = (0..USERS)
        .map(|user| {
            let mut list: Value =
                hooks.list(&format!("u{user}{run}")).to_string().replace(run, "").parse().unwrap();
            // Sessions of the same second have no order.
            list.as_array_mut().unwrap().sort_by_key(ToString::to_string);
            list
        })
        .collect();
    let groups = (0..GROUPS).map(|group| {
        let state = hooks.chat_group(&format!("g{group}{run}"))?;
        let profile = state.group.profile?;
        let owner = profile.owner_seat().map(|seat| (seat, Role::Owner));
        let members = state.members.into_iter().map(|member| (member, Role::Member));
        let mut all: Vec<_> = (owner.into_iter().chain(members))
            .map(|(seat, role)| (seat.user.as_str().replace(run, ""), role, seat.joined_at))
            .collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        Some(all)
    });
    (lists, groups.collect())
}

fn any_order_leads_to_the_same(hooks: Hooks, cases: u32) {
    let (hooks, runs) = (RefCell::new(hooks), Cell::new(0));
    let config = ProptestConfig {
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    };
    let webhooks =
        prop::collection::vec(hook(), ALL).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()));
    let repeated = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..20);
    let outcome = TestRunner::new(config).run(&(webhooks, repeated), |((all, mut other), repeated)| {
        for (what, place) in repeated {
            let again = what.get(&all).clone();
            other.insert(place.index(other.len() + 1), again);
        }
        let mut in_order = all.clone();
        in_order.sort_by_key(|(at, _)| *at);
        let seen: Vec<Seen> = [&all, &other, &in_order]
            .into_iter()
            .map(|webhooks| {
                runs.set(runs.get() + 1);
                run(&mut hooks.borrow_mut(), &format!("-{}-", runs.get()), webhooks)
            })
            .collect();
        prop_assert_eq!(&seen[0], &seen[1], "shuffled and repeated");
        prop_assert_eq!(&seen[0], &seen[2], "in the order of the times");
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn line_16_any_order_and_repetition_of_200_webhooks_leads_to_the_same_lists_and_members() {
    let clock = Clock::system();
    any_order_leads_to_the_same(Hooks::with(clock, app_with(callback()), store::in_memory()), 24);
}

#[test]
fn line_16_any_order_and_repetition_leads_to_the_same_in_a_store_on_disk() {
    any_order_leads_to_the_same(Hooks::start(), 3);
}
