//! The tests of touches that every store has to pass.

use std::sync::Arc;

use super::{Scope, Store, StoreError, app, chat_group, commit, destroy, keep, owner, profile, revive, user};
use crate::{
    domain::{
        Account, ChatGroupTimes, Conversation, Edit, LAST_SECOND, Owner, Rejection, SessionTimes, Terms,
        Touch, UserId,
    },
    store::{RecentQuery, Write},
};

fn peer(owner: &Owner, peer: &str, last: u64, seen: u64) -> Touch {
    let times = SessionTimes::new(last, seen);
    Touch::Peer { owner: owner.clone(), peer: UserId::parse(peer).unwrap(), times, needs_account: false }
}

fn group(app_number: u32, id: &str, incarnation: u32, last: u64, seen: u64) -> Touch {
    let times = ChatGroupTimes { incarnation, times: SessionTimes::new(last, seen) };
    Touch::ChatGroup { app: app(app_number), id: chat_group(id), times }
}

/// Returns the peers of an owner with their times, sorted by peer.
async fn sessions(store: &dyn Store, owner: &Owner) -> Vec<(String, u64, u64)> {
    let found = store.recent(owner, all()).await.unwrap().sessions;
    let mut found: Vec<_> =
        found.iter().map(|found| (name_of(&found.conversation), found.last, found.seen)).collect();
    found.sort();
    found
}

/// Returns a query for all sessions, in an open directory.
pub(super) fn all() -> RecentQuery {
    RecentQuery { listed: 10_000, oldest: 1, terms: super::terms() }
}

fn name_of(conversation: &Conversation) -> String {
    match conversation {
        Conversation::User(user) => user.to_string(),
        Conversation::ChatGroup(id) => id.to_string(),
    }
}

/// Begins a session of an owner with another user.
pub(super) async fn touched(store: &dyn Store, owner: &Owner, with: &str) {
    store.touch(vec![peer(owner, with, 5, 5)]).await.unwrap();
}

/// Returns the number of an owner's sessions.
async fn count(store: &dyn Store, owner: &Owner) -> usize {
    store.recent(owner, all()).await.unwrap().sessions.len()
}

/// Returns the times of a chat group in these incarnations.
async fn times(store: &dyn Store, app_number: u32, id: &str, incarnations: &[u32]) -> Vec<(u64, u64)> {
    let lives = incarnations.iter().map(|incarnation| (chat_group(id), *incarnation)).collect();
    let found = store.chat_group_times(app(app_number), lives).await.unwrap();
    found.into_iter().map(|times| (times.last(), times.seen())).collect()
}

pub(in crate::store) async fn touches_can_come_in_any_order_and_again(store: &dyn Store) {
    let touches = |number| {
        let (a, b) = (owner(number, "a"), owner(number, "b"));
        vec![
            peer(&a, "b", 5, 20),
            peer(&b, "a", 5, 20),
            peer(&a, "b", 9, 10),
            peer(&a, "c", LAST_SECOND, 1),
            group(number, "g", 0, 7, 30),
            group(number, "g", 1, 2, 3),
            group(number, "g", 1, 1, 4),
            group(number, "h", 0, 8, 8),
        ]
    };
    let state = async |number| {
        let (a, b) = (owner(number, "a"), owner(number, "b"));
        let groups = [times(store, number, "g", &[0, 1, 2]).await, times(store, number, "h", &[0]).await];
        (sessions(store, &a).await, sessions(store, &b).await, groups)
    };
    store.touch(touches(1)).await.unwrap();
    let session = |peer: &str, last, seen| (peer.to_owned(), last, seen);
    let expected = (
        vec![session("b", 9, 20), session("c", LAST_SECOND, 1)],
        vec![session("a", 5, 20)],
        [vec![(0, 0), (2, 4), (0, 0)], vec![(8, 8)]],
    );
    assert_eq!(state(1).await, expected);
    store.touch(touches(1)).await.unwrap();
    assert_eq!(state(1).await, expected, "repeating them changes nothing");
    for (number, turn) in (2..).zip(0..touches(1).len()) {
        let mut turned = touches(number);
        turned.rotate_left(turn);
        // Apply them one by one and backwards, and then some of them again together.
        for touch in turned.iter().rev() {
            store.touch(vec![touch.clone()]).await.unwrap();
        }
        store.touch(turned[..4].to_vec()).await.unwrap();
        assert_eq!(state(number).await, expected, "app {number}");
    }
    store.touch(Vec::new()).await.unwrap();
    assert_eq!(count(store, &owner(1, "nobody")).await, 0);
    assert_eq!(times(store, 1, "unknown", &[0]).await, [(0, 0)]);
}

pub(in crate::store) async fn a_touch_that_raises_nothing_writes_nothing(store: &dyn Store) {
    let a = owner(1, "a");
    store.touch(vec![peer(&a, "b", 5, 5), group(1, "g", 1, 5, 5)]).await.unwrap();
    let commits = store.statistics().commits;
    for (last, seen) in [(5, 5), (4, 5), (5, 0), (0, 0)] {
        store.touch(vec![peer(&a, "b", last, seen), group(1, "g", 1, last, seen)]).await.unwrap();
    }
    store.touch(vec![group(1, "g", 0, 9, 9), peer(&a, "c", 0, 0)]).await.unwrap();
    assert_eq!(store.statistics().commits, commits);
    assert_eq!(sessions(store, &a).await, [("b".to_owned(), 5, 5)], "a touch without times makes no session");
    assert_eq!(times(store, 1, "g", &[1]).await, [(5, 5)]);
    store.touch(vec![peer(&a, "b", 5, 6), group(1, "g", 1, 6, 5)]).await.unwrap();
    assert_eq!(sessions(store, &a).await, [("b".to_owned(), 5, 6)]);
    assert_eq!(times(store, 1, "g", &[1]).await, [(6, 5)]);
}

pub(in crate::store) async fn a_touch_leaves_the_owner_as_they_are(store: &dyn Store) {
    let (a, nobody) = (owner(1, "a"), owner(1, "nobody"));
    keep(store, &a, "first", &[user("x")]).await;
    let before = store.load(&a).await.unwrap();
    store.touch(vec![peer(&a, "x", 5, 5), peer(&nobody, "x", 5, 5)]).await.unwrap();
    let after = store.load(&a).await.unwrap();
    assert_eq!((&after.state, after.revision), (&before.state, before.revision));
    assert!(store.load(&nobody).await.unwrap().state.organizer.is_pristine());
    let edit = Edit::ImportAccount { nick: Some("n".to_owned()), face_url: None };
    let expecting = Write { expected: Some(before.revision), ..Write::new(a.clone(), edit, super::terms()) };
    store.commit(expecting).await.unwrap().unwrap();
    keep(store, &a, "second", &[user("x")]).await;
    assert_eq!(count(store, &a).await, 1, "other edits keep the sessions");
}

pub(in crate::store) async fn sessions_end_with_the_account(store: &dyn Store) {
    let (a, b, elsewhere) = (owner(1, "a"), owner(1, "b"), owner(2, "a"));
    super::set_account(store, &a, Account::default()).await;
    let all =
        || vec![peer(&a, "b", 5, 5), peer(&a, "c", 5, 5), peer(&b, "a", 5, 5), peer(&elsewhere, "b", 5, 5)];
    store.touch(all()).await.unwrap();
    let appointed = Terms { admins: Arc::new(vec!["a".to_owned()]), ..super::terms() };
    let refused = store.commit(Write::new(a.clone(), Edit::DeleteAccount, appointed)).await.unwrap();
    assert_eq!(refused, Err(Rejection::Administrator(a.user.clone())));
    assert_eq!(count(store, &a).await, 2, "a refused edit ends nothing");
    // The last touch before the deletion and the first one after it are submitted without waiting for answers.
    let before = store.touch(vec![peer(&a, "before", 6, 6)]);
    let deleted = commit(store, &a, Edit::DeleteAccount);
    let after = store.touch(vec![peer(&a, "after", 7, 7)]);
    after.await.unwrap();
    deleted.await.unwrap().unwrap();
    before.await.unwrap();
    assert_eq!(sessions(store, &a).await, [("after".to_owned(), 7, 7)]);
    assert_eq!((count(store, &b).await, count(store, &elsewhere).await), (1, 1));
    // An owner can have sessions without a stored account.
    commit(store, &b, Edit::DeleteAccount).await.unwrap().unwrap();
    assert_eq!((count(store, &b).await, count(store, &a).await), (0, 1));
    store.touch(all()).await.unwrap();
    assert_eq!(sessions(store, &b).await, [("a".to_owned(), 5, 5)], "the same times raise it again");
}

pub(in crate::store) async fn a_touch_may_need_the_account(store: &dyn Store) {
    let (a, b) = (owner(1, "a"), owner(1, "b"));
    super::set_account(store, &a, Account::default()).await;
    let needing = |owner: &Owner, with: &str| match peer(owner, with, 5, 5) {
        Touch::Peer { owner, peer, times, .. } => Touch::Peer { owner, peer, times, needs_account: true },
        other => other,
    };
    store.touch(vec![needing(&a, "x"), needing(&b, "x"), peer(&b, "y", 5, 5)]).await.unwrap();
    assert_eq!(sessions(store, &a).await, [("x".to_owned(), 5, 5)]);
    assert_eq!(sessions(store, &b).await, [("y".to_owned(), 5, 5)]);
    // A message that was checked before the account was deleted arrives after it.
    let deleted = commit(store, &a, Edit::DeleteAccount);
    let late = store.touch(vec![needing(&a, "z")]);
    late.await.unwrap();
    deleted.await.unwrap().unwrap();
    assert_eq!(count(store, &a).await, 0);
}

pub(in crate::store) async fn a_new_life_of_a_chat_group_begins_without_times(store: &dyn Store) {
    revive(store, app(1), "g", profile("n")).await;
    store.touch(vec![group(1, "g", 0, 5, 5), group(2, "g", 0, 6, 6), group(1, "h", 0, 7, 7)]).await.unwrap();
    destroy(store, app(1), "g").await;
    revive(store, app(1), "g", profile("again")).await;
    let incarnation = super::whole(store, app(1), "g").await.unwrap().group.incarnation;
    assert_eq!(incarnation, 1);
    assert_eq!(times(store, 1, "g", &[incarnation]).await, [(0, 0)]);
    // A touch of the old life may arrive late, before or after the first touch of the new one.
    store.touch(vec![group(1, "g", 0, 8, 8)]).await.unwrap();
    assert_eq!(times(store, 1, "g", &[incarnation]).await, [(0, 0)]);
    store.touch(vec![group(1, "g", incarnation, 3, 3)]).await.unwrap();
    store.touch(vec![group(1, "g", 0, 9, 9)]).await.unwrap();
    assert_eq!(times(store, 1, "g", &[incarnation, 0]).await, [(3, 3), (0, 0)]);
    assert_eq!(times(store, 2, "g", &[0]).await, [(6, 6)]);
    assert_eq!(times(store, 1, "h", &[0]).await, [(7, 7)]);
}

pub(in crate::store) async fn a_reset_ends_sessions(store: &dyn Store) {
    let owners = [owner(1, "a"), owner(1, "b"), owner(2, "a")];
    let fill = async || {
        let mut touches: Vec<_> = owners.iter().map(|owner| peer(owner, "x", 5, 5)).collect();
        touches.extend([group(1, "g", 0, 5, 5), group(2, "g", 0, 5, 5)]);
        store.touch(touches).await.unwrap();
    };
    let kept = async || {
        let mut kept = Vec::new();
        for owner in &owners {
            kept.push(count(store, owner).await == 1);
        }
        for number in [1, 2] {
            kept.push(times(store, number, "g", &[0]).await == [(5, 5)]);
        }
        kept
    };
    for (scope, expected) in [
        (Scope::Owner(owners[0].clone()), [false, true, true, true, true]),
        (Scope::App(app(1)), [false, false, true, false, true]),
        (Scope::All, [false; 5]),
    ] {
        fill().await;
        assert_eq!(kept().await, [true; 5]);
        store.reset(scope.clone()).await.unwrap();
        assert_eq!(kept().await, expected, "{scope:?}");
    }
}

pub(in crate::store) async fn many_touches_at_once_are_all_kept(store: &dyn Store) {
    let owners: Vec<Owner> = (0..40).map(|count| owner(1, &format!("owner{count}"))).collect();
    let of_peer = |number: u64| {
        let name = format!("peer{number}");
        let mut touches: Vec<_> = owners.iter().map(|owner| peer(owner, &name, 100 + number, 7)).collect();
        touches.push(group(1, &format!("g{number}"), 0, 100 + number, 7));
        // Every call raises this one a little more.
        touches.push(peer(&owners[0], "common", 1, number));
        touches
    };
    let pending: Vec<_> = (0..30).map(|number| store.touch(of_peer(number))).collect();
    // The first answer is not waited for, and its touches are applied nevertheless.
    for raised in pending.into_iter().skip(1) {
        raised.await.unwrap();
    }
    store.touch(owners.iter().map(|owner| peer(owner, "common", 1, 0)).collect()).await.unwrap();
    for owner in &owners {
        let found = sessions(store, owner).await;
        assert_eq!(found.len(), 31);
        assert!(
            found.contains(&("peer0".to_owned(), 100, 7)) && found.contains(&("peer29".to_owned(), 129, 7))
        );
    }
    assert!(sessions(store, &owners[0]).await.contains(&("common".to_owned(), 1, 29)));
    assert_eq!(times(store, 1, "g17", &[0]).await, [(117, 7)]);
}

pub(in crate::store) async fn a_closed_store_takes_no_touches(store: &dyn Store) {
    let a = owner(1, "a");
    let last = store.touch(vec![peer(&a, "b", 5, 5)]);
    let ((), last) = tokio::join!(store.close(), last);
    last.unwrap();
    let late = store.touch(vec![peer(&a, "b", 6, 6)]).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    assert!(matches!(store.sessions(&a, vec![user("b")]).await, Err(StoreError::Closed)));
    assert!(matches!(store.recent(&a, all()).await, Err(StoreError::Closed)));
    let read = store.chat_group_times(app(1), vec![(chat_group("g"), 0)]).await;
    assert!(matches!(read, Err(StoreError::Closed)));
}
