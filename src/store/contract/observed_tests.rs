//! Tests of the details of chat groups and members, and of what other services report about them.

use super::*;
use crate::{
    domain::{
        ChatGroupEvent, ChatGroupTimes, InviteOption, MemberDetails, MemberPatch, Moment, MomentKind,
        ProfilePatch, Role, SessionTimes, Touch,
    },
    store::Membership,
};

fn user_id(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// The beginning of the tests, in milliseconds.
const BEGIN: u64 = 1_700_000_000_000;

async fn observe(store: &dyn Store, id: &str, at: u64, event: ChatGroupEvent) {
    let observed = ChatGroupEdit::Observed { event, kind: ChatGroupKind::Public, at: BEGIN + at };
    edit_chat_group(store, app(1), id, observed).await.unwrap();
}

fn named(users: &[&str]) -> Vec<UserId> {
    users.iter().map(|user| user_id(user)).collect()
}

fn created(owner: &str, members: &[&str]) -> ChatGroupEvent {
    ChatGroupEvent::Created { name: "n".to_owned(), owner: Some(user_id(owner)), members: named(members) }
}

/// Returns the owner and the members of a chat group, with the times at which they joined.
async fn users(store: &dyn Store, id: &str) -> Vec<(String, Role, u64)> {
    let Some(ChatGroupState { group, members }) = whole(store, app(1), id).await else { return Vec::new() };
    assert_eq!(group.listed, members.len());
    let Some(profile) = group.profile else { return Vec::new() };
    let seat = profile.owner_seat();
    let mut users: Vec<_> = (seat.iter().chain(&members))
        .map(|member| {
            let at = member.joined_at * 1_000 + u64::from(member.details.millis) - BEGIN;
            (member.user.to_string(), profile.role(&member.user, Some(member)), at)
        })
        .collect();
    users.sort_by(|one, other| one.0.cmp(&other.0));
    users
}

pub(in crate::store) async fn details_of_chat_groups_are_read_back(store: &dyn Store) {
    edit_chat_group(store, app(1), "g", ChatGroupEdit::Create { profile: profile("n"), members: members() })
        .await
        .unwrap();
    let before = whole(store, app(1), "g").await.unwrap();
    let patch = ProfilePatch {
        name: Some("new".to_owned()),
        notification: Some(String::new()),
        max_members: Some(8),
        invite_option: Some(InviteOption::DisableInvite),
        mute_all: Some(true),
        ..ProfilePatch::default()
    };
    let change = ChatGroupEdit::ChangeProfile { patch, operator: Some(user_id("boss")) };
    for _ in 0..2 {
        edit_chat_group(store, app(1), "g", change.clone()).await.unwrap();
    }
    for who in ["bob", "boss"] {
        let card = Some(format!("the {who}"));
        let patch = MemberPatch { admin: (who == "bob").then_some(true), name_card: card, mutes: true };
        let change = ChatGroupEdit::ChangeMember { user: user_id(who), patch };
        edit_chat_group(store, app(1), "g", change).await.unwrap();
    }
    let after = whole(store, app(1), "g").await.unwrap();
    let mut expected = before;
    let profile = expected.group.profile.as_mut().unwrap();
    (profile.name, profile.notification, profile.max_members) = ("new".to_owned(), String::new(), 8);
    let card = |text: &str| MemberDetails { name_card: text.to_owned(), millis: 0 };
    profile.details = ProfileDetails {
        changed_at: terms().now,
        mute_all: true,
        invite_option: InviteOption::DisableInvite,
        owner_joined_at: 0,
        owner: card("the boss"),
    };
    (expected.members[1].admin, expected.members[1].details) = (true, card("the bob"));
    assert_eq!(after, expected);
    // A new owner takes the entry along, and the former one gets one in the list.
    let give = |who: &str| ChatGroupEdit::ChangeOwner { user: user_id(who), operator: None };
    edit_chat_group(store, app(1), "g", give("bob")).await.unwrap();
    let given = whole(store, app(1), "g").await.unwrap();
    let profile = given.group.profile.clone().unwrap();
    assert_eq!(
        (profile.owner.clone(), profile.details.owner.clone()),
        (Some(user_id("bob")), card("the bob"))
    );
    let names: Vec<&str> = given.members.iter().map(|member| member.user.as_str()).collect();
    assert_eq!((names, &given.members[1].details), (vec!["zoe", "boss"], &card("the boss")));
    let refused = edit_chat_group(store, app(1), "g", give("nobody")).await;
    assert_eq!(refused, Err(ChatGroupRejection::NotInGroup(user_id("nobody"))));
    // Everything can be imported as it was.
    let restore = ChatGroupEdit::Restore { group: given.group.clone(), members: given.members.clone() };
    edit_chat_group(store, app(2), "g", restore).await.unwrap();
    assert_eq!(whole(store, app(2), "g").await.unwrap(), given);
}

pub(in crate::store) async fn members_are_imported_with_their_times(store: &dyn Store) {
    edit_chat_group(store, app(1), "g", ChatGroupEdit::Create { profile: profile("n"), members: members() })
        .await
        .unwrap();
    let at = |name: &str, time| Member::new(user_id(name), false, time);
    let (created, now) = (1_700_000_000, 1_700_000_000);
    let some = vec![
        at("early", created - 1),
        at("ann", created),
        at("late", now + 1),
        at("bob", created),
        at("ann", now),
    ];
    let joined = edit_chat_group(store, app(1), "g", ChatGroupEdit::ImportMembers(some)).await.unwrap();
    let (added, present, impossible) = (Joining::Added, Joining::Present, Joining::Impossible);
    assert_eq!(joined, [impossible, added, impossible, present, present]);
    let found: Vec<Membership> = store.memberships(&owner(1, "ann")).await.unwrap();
    assert_eq!((found.len(), found[0].joined_at), (1, created));
    let many: Vec<Member> = (0..80).map(|count| at(&format!("many{count}"), created)).collect();
    let joined = edit_chat_group(store, app(1), "g", ChatGroupEdit::ImportMembers(many)).await.unwrap();
    assert_eq!(joined.iter().filter(|one| **one == added).count(), 73, "77 have room, and 4 were there");
}

pub(in crate::store) async fn observed_events_lead_to_the_same_members_in_any_order(store: &dyn Store) {
    let events = [
        (0, created("boss", &["ann", "bob"])),
        (100, ChatGroupEvent::Joined(named(&["zoe", "boss"]))),
        (250, ChatGroupEvent::Left(named(&["ann"]))),
        (300, ChatGroupEvent::Destroyed),
        (1_050, created("ann", &["bob"])),
        (2_000, ChatGroupEvent::Joined(named(&["cid", "bob"]))),
        (2_500, ChatGroupEvent::Left(named(&["cid", "zoe"]))),
        (2_500, ChatGroupEvent::Joined(named(&["zoe"]))),
        (2_600, ChatGroupEvent::Joined(named(&["cid"]))),
    ];
    let expected: Vec<_> =
        [("ann", Role::Owner, 1_050), ("bob", Role::Member, 2_000), ("cid", Role::Member, 2_600)]
            .into_iter()
            .map(|(user, role, at)| (user.to_owned(), role, at))
            .collect();
    for turn in 0..events.len() {
        let id = format!("g{turn}");
        let mut turned = events.clone();
        turned.rotate_left(turn);
        // Apply them backwards, and then some of them again.
        for (at, event) in turned.iter().rev().chain(&turned[..4]) {
            observe(store, &id, *at, event.clone()).await;
        }
        assert_eq!(users(store, &id).await, expected, "turn {turn}");
        let group = whole(store, app(1), &id).await.unwrap().group;
        assert_eq!(group.began, Moment::new(BEGIN + 1_050, MomentKind::Creation), "turn {turn}");
        for (user, count) in [("ann", 1), ("zoe", 0), ("boss", 0), ("cid", 1)] {
            let found = store.memberships(&owner(1, user)).await.unwrap();
            assert_eq!(found.iter().filter(|found| found.id.as_str() == id).count(), count, "{user} {turn}");
        }
        // An event whose effect is known writes nothing.
        let commits = store.statistics().commits;
        for (at, event) in &events {
            observe(store, &id, *at, event.clone()).await;
        }
        assert_eq!(store.statistics().commits, commits);
    }
    store.reset(Scope::All).await.unwrap();
    observe(store, "g0", 2_400, ChatGroupEvent::Joined(named(&["cid"]))).await;
    assert_eq!(users(store, "g0").await.len(), 1, "a reset forgets when users left");
}

pub(in crate::store) async fn messages_of_the_present_life_outlive_a_late_destruction(store: &dyn Store) {
    let touch = |id: &str, incarnation, last| Touch::ChatGroup {
        app: app(1),
        id: chat_group(id),
        times: ChatGroupTimes { incarnation, times: SessionTimes::new(last, last) },
    };
    let second = BEGIN / 1_000;
    for (id, last, expected) in [("later", second + 9, second + 9), ("earlier", second + 2, 0)] {
        observe(store, id, 0, created("boss", &[])).await;
        store.touch(vec![touch(id, 0, last)]).await.unwrap();
        observe(store, id, 10_000, ChatGroupEvent::Joined(named(&["ann"]))).await;
        observe(store, id, 5_000, ChatGroupEvent::Destroyed).await;
        let group = whole(store, app(1), id).await.unwrap().group;
        assert_eq!((group.incarnation, group.admits(MomentKind::Message, last * 1_000)), (1, expected > 0));
        let times = store.chat_group_times(app(1), vec![(chat_group(id), 1)]).await.unwrap();
        assert_eq!(times[0].last(), expected, "{id}");
    }
    // A call that disbands a chat group ends its sessions.
    destroy(store, app(1), "later").await;
    let times = store.chat_group_times(app(1), vec![(chat_group("later"), 2)]).await.unwrap();
    assert_eq!(times[0].last(), 0);
}
