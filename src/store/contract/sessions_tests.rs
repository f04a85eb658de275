//! The tests of pins and deletions of sessions, and of lists of recent conversations, that every store has to pass.

use super::{
    Scope, Store, app, chat_group, commit, destroy, edit_chat_group, in_group, members, owner, profile,
    revive, set_account, terms, touches_tests::all, user,
};
use crate::{
    domain::{
        Account, ChatGroupEdit, ChatGroupKind, ChatGroupTimes, Conversation, Delta, DirectoryMode, Edit,
        EventContent, MOST_PINNED, Outcome, Owner, Rejection, Session, SessionChange, SessionMarks,
        SessionTimes, Terms, Touch, UserId,
    },
    store::{Place, RecentQuery, WantedEvents, Write},
};

/// The time of [`terms`].
const NOW: u64 = 1_700_000_000;

async fn message(store: &dyn Store, owner: &Owner, with: &str, last: u64) {
    let peer = UserId::parse(with).unwrap();
    let times = SessionTimes::new(last, 7);
    store.touch(vec![Touch::Peer { owner: owner.clone(), peer, times, needs_account: false }]).await.unwrap();
}

async fn group_message(store: &dyn Store, id: &str, incarnation: u32, last: u64) {
    let times = ChatGroupTimes { incarnation, times: SessionTimes::new(last, 8) };
    store.touch(vec![Touch::ChatGroup { app: app(1), id: chat_group(id), times }]).await.unwrap();
}

async fn change(
    store: &dyn Store,
    owner: &Owner,
    items: &[(Conversation, SessionChange)],
) -> Result<bool, Rejection> {
    match commit(store, owner, Edit::ChangeSessions(items.to_vec())).await.unwrap()? {
        Outcome::Sessions { changed } => Ok(changed),
        other => panic!("{other:?}"),
    }
}

/// Returns the conversations of a list, sorted; a star marks a pinned one.
async fn listed_by(store: &dyn Store, owner: &Owner, query: RecentQuery) -> Vec<String> {
    let found = store.recent(owner, query).await.unwrap().sessions;
    let name = |conversation: &Conversation| match conversation {
        Conversation::User(user) => user.to_string(),
        Conversation::ChatGroup(id) => id.to_string(),
    };
    let star = |pinned: u64| if pinned > 0 { "*" } else { "" };
    let mut names: Vec<String> = (found.iter())
        .map(|found| format!("{}{}:{}", name(&found.conversation), star(found.pinned), found.last))
        .collect();
    names.sort();
    names
}

async fn listed(store: &dyn Store, owner: &Owner) -> Vec<String> {
    listed_by(store, owner, all()).await
}

async fn version(store: &dyn Store, owner: &Owner) -> u32 {
    store.load(owner).await.unwrap().state.organizer.counters().version
}

pub(in crate::store) async fn a_deleted_session_comes_back_with_a_later_message(store: &dyn Store) {
    // The messages arrive in every order, before and after the deletion, and again.
    for (number, before) in [(1, vec![5]), (2, vec![5, 4]), (3, vec![NOW + 50]), (4, vec![5, 5])] {
        let a = owner(number, "a");
        for last in &before {
            message(store, &a, "b", *last).await;
        }
        assert_eq!(change(store, &a, &[(user("b"), SessionChange::Delete)]).await, Ok(true));
        let deleted = NOW.max(*before.iter().max().unwrap());
        for last in [deleted, 5, NOW] {
            message(store, &a, "b", last).await;
            assert_eq!(listed(store, &a).await, [""; 0], "{number}: {last}");
        }
        assert_eq!(change(store, &a, &[(user("b"), SessionChange::Delete)]).await, Ok(false));
        message(store, &a, "b", deleted + 2).await;
        message(store, &a, "b", deleted + 1).await;
        assert_eq!(listed(store, &a).await, [format!("b:{}", deleted + 2)]);
    }
}

pub(in crate::store) async fn pins_are_listed_besides_the_newest(store: &dyn Store) {
    let a = owner(1, "a");
    for (peer, last) in [("p1", 1), ("p2", 2), ("p3", 3), ("p4", 4), ("p5", 5)] {
        message(store, &a, peer, last).await;
    }
    let pins = [(user("p1"), SessionChange::Pin), (user("empty"), SessionChange::Pin)];
    assert_eq!(change(store, &a, &pins).await, Ok(true));
    assert_eq!(change(store, &a, &pins).await, Ok(false));
    let newest = |listed, oldest| RecentQuery { listed, oldest, terms: terms() };
    assert_eq!(listed_by(store, &a, newest(2, 1)).await, ["empty*:0", "p1*:1", "p4:4", "p5:5"]);
    assert_eq!(listed_by(store, &a, newest(9, 3)).await, ["empty*:0", "p1*:1", "p3:3", "p4:4", "p5:5"]);
    let named = vec![user("p1"), user("never"), user("p2")];
    let found = store.sessions(&a, named).await.unwrap();
    assert_eq!(found[0].marks, SessionMarks { pinned: NOW, deleted: 0 });
    assert_eq!((found[0].times.last(), found[0].times.seen()), (1, NOW), "a pin counts as a move");
    assert_eq!((found[1], found[2].marks), (Session::default(), SessionMarks::default()));
    let ends = [
        (user("p1"), SessionChange::Unpin),
        (user("empty"), SessionChange::Unpin),
        (user("p9"), SessionChange::Unpin),
    ];
    assert_eq!(change(store, &a, &ends).await, Ok(true));
    assert_eq!(listed_by(store, &a, newest(2, 1)).await, ["p4:4", "p5:5"]);
    // One too many changes nothing.
    let many: Vec<_> =
        (0..=MOST_PINNED).map(|count| (user(&format!("u{count}")), SessionChange::Pin)).collect();
    let refused = Err(Rejection::TooManyPinned { limit: MOST_PINNED });
    assert_eq!(change(store, &a, &many).await, refused);
    assert_eq!(listed_by(store, &a, newest(2, 1)).await, ["p4:4", "p5:5"]);
    assert_eq!(change(store, &a, &many[1..]).await, Ok(true));
    assert_eq!(change(store, &a, &many[..1]).await, refused);
    let exchange = [many[1].clone(), many[0].clone()].map(|(named, _)| named);
    let [old, new] = exchange;
    assert_eq!(change(store, &a, &[(old, SessionChange::Unpin), (new, SessionChange::Pin)]).await, Ok(true));
}

pub(in crate::store) async fn a_list_leaves_out_who_does_not_exist(store: &dyn Store) {
    let (a, strict) = (owner(1, "a"), Terms { directory: DirectoryMode::Strict, ..terms() });
    for name in ["a", "b", "c", "d"] {
        set_account(store, &owner(1, name), Account::default()).await;
        message(store, &a, name, 5).await;
    }
    message(store, &a, "stranger", 9).await;
    change(store, &a, &[(user("d"), SessionChange::Pin)]).await.unwrap();
    let query = |listed| RecentQuery { listed, oldest: 1, terms: strict.clone() };
    assert_eq!(listed_by(store, &a, query(9)).await, ["a:5", "b:5", "c:5", "d*:5"]);
    for gone in ["c", "d"] {
        commit(store, &owner(1, gone), Edit::DeleteAccount).await.unwrap().unwrap();
    }
    assert_eq!(listed_by(store, &a, query(9)).await, ["a:5", "b:5"]);
    assert_eq!(listed_by(store, &a, query(2)).await, ["a:5", "b:5"], "they take nobody's place");
}

pub(in crate::store) async fn sessions_of_chat_groups_follow_membership(store: &dyn Store) {
    let zoe = owner(1, "zoe");
    revive(store, app(1), "g", profile("n")).await;
    let live = crate::domain::ChatGroupProfile { kind: ChatGroupKind::AvChatRoom, ..profile("live") };
    revive(store, app(1), "live", live).await;
    for id in ["g", "live"] {
        group_message(store, id, 0, 5).await;
    }
    assert_eq!(members().len(), 2);
    assert_eq!(listed(store, &zoe).await, ["g:5"]);
    assert_eq!(listed(store, &owner(1, "boss")).await, ["g:5"], "the owner of the chat group");
    assert_eq!(listed(store, &owner(1, "eve")).await, [""; 0]);
    assert_eq!(listed(store, &owner(2, "zoe")).await, [""; 0]);
    let pin = [(in_group("g"), SessionChange::Pin)];
    assert_eq!(change(store, &owner(1, "eve"), &pin).await, Err(Rejection::NotMember(chat_group("g"))));
    assert_eq!(change(store, &zoe, &pin).await, Ok(true));
    assert_eq!(
        (listed(store, &zoe).await, listed(store, &owner(1, "bob")).await),
        (vec!["g*:5".to_owned()], vec!["g:5".to_owned()])
    );
    // Deleting concerns one member, and the next message brings it back.
    assert_eq!(change(store, &zoe, &[(in_group("g"), SessionChange::Delete)]).await, Ok(true));
    group_message(store, "g", 0, NOW).await;
    assert_eq!(
        (listed(store, &zoe).await.len(), listed(store, &owner(1, "bob")).await),
        (0, vec![format!("g:{NOW}")])
    );
    group_message(store, "g", 0, NOW + 1).await;
    assert_eq!(listed(store, &zoe).await, [format!("g:{}", NOW + 1)]);
    assert_eq!(change(store, &zoe, &pin).await, Ok(true));
    let zoe_id = UserId::parse("zoe").unwrap();
    edit_chat_group(store, app(1), "g", ChatGroupEdit::RemoveMembers(vec![zoe_id])).await.unwrap();
    assert_eq!(listed(store, &zoe).await, [""; 0]);
    // A new life begins without the times, pins and deletions of the one before.
    revive(store, app(1), "h", profile("n")).await;
    group_message(store, "h", 0, NOW).await;
    let h = |change| [(in_group("h"), change)];
    assert_eq!(change(store, &owner(1, "bob"), &h(SessionChange::Delete)).await, Ok(true));
    destroy(store, app(1), "h").await;
    assert_eq!(change(store, &owner(1, "bob"), &h(SessionChange::Delete)).await, Ok(false));
    revive(store, app(1), "h", profile("again")).await;
    assert_eq!(listed(store, &owner(1, "bob")).await, [format!("g:{}", NOW + 1)]);
    group_message(store, "h", 1, 3).await;
    assert_eq!(listed(store, &owner(1, "bob")).await, [format!("g:{}", NOW + 1), "h:3".to_owned()]);
}

pub(in crate::store) async fn pins_and_deletions_are_changes_and_what_is_restored_is_not(store: &dyn Store) {
    let a = owner(1, "a");
    message(store, &a, "b", 5).await;
    assert_eq!(version(store, &a).await, 0);
    let items = [
        (user("b"), SessionChange::Pin),
        (user("c"), SessionChange::Pin),
        (user("b"), SessionChange::Delete),
    ];
    change(store, &a, &items).await.unwrap();
    assert_eq!(version(store, &a).await, 2, "one number for each session");
    let wanted = WantedEvents { most: 10, ..WantedEvents::default() };
    let followed = store.follow(&a, wanted.clone()).await.unwrap();
    let EventContent::Changed(deltas) = &followed.events[0].content else { panic!("{followed:?}") };
    let changed = |delta: &Delta| match delta {
        Delta::SessionChanged(change) => (change.number, change.conversation.clone(), change.after),
        other => panic!("{other:?}"),
    };
    let expected = [
        (Some(1), user("b"), SessionMarks { pinned: 0, deleted: NOW }),
        (Some(2), user("c"), SessionMarks { pinned: NOW, deleted: 0 }),
    ];
    assert_eq!(deltas.iter().map(changed).collect::<Vec<_>>(), expected);
    // An import restores marks without a number and without an event.
    let marks = SessionMarks { pinned: 3, deleted: 2 };
    let restored = [
        (user("d"), SessionChange::Restore(marks)),
        (user("c"), SessionChange::Restore(SessionMarks::default())),
    ];
    assert_eq!(change(store, &a, &restored).await, Ok(true));
    assert_eq!(change(store, &a, &restored).await, Ok(false));
    assert_eq!(listed(store, &a).await, ["d*:0"]);
    assert_eq!(store.follow(&a, wanted).await.unwrap().events.len(), 1);
    assert_eq!(version(store, &a).await, 2);
    // A dry run keeps nothing, and a write can expect a place.
    let dry = Write { dry_run: true, ..Write::new(a.clone(), Edit::ChangeSessions(items.to_vec()), terms()) };
    assert_eq!(store.commit(dry).await.unwrap(), Ok(Outcome::Sessions { changed: true }));
    assert_eq!(listed(store, &a).await, ["d*:0"]);
    let elsewhere = Write {
        place: Some(Place::default()),
        ..Write::new(a.clone(), Edit::ChangeSessions(items.to_vec()), terms())
    };
    store.commit(elsewhere).await.unwrap_err();
    // They end with the account.
    commit(store, &a, Edit::DeleteAccount).await.unwrap().unwrap();
    assert_eq!(listed(store, &a).await, [""; 0]);
    assert_eq!(store.sessions(&a, vec![user("b"), user("d")]).await.unwrap(), [Session::default(); 2]);
}

pub(in crate::store) async fn sessions_in_chat_groups_end_with_the_account(store: &dyn Store) {
    let zoe = owner(1, "zoe");
    for id in ["g", "future"] {
        revive(store, app(1), id, profile(id)).await;
    }
    group_message(store, "g", 0, 5).await;
    group_message(store, "future", 0, NOW + 9).await;
    change(store, &zoe, &[(in_group("g"), SessionChange::Pin)]).await.unwrap();
    assert_eq!(listed(store, &zoe).await.len(), 2);
    commit(store, &zoe, Edit::DeleteAccount).await.unwrap().unwrap();
    // The vendor keeps the members, so later messages are for this one as well.
    assert_eq!(listed(store, &zoe).await, [""; 0]);
    assert_eq!(listed(store, &owner(1, "bob")).await.len(), 2);
    set_account(store, &zoe, Account::default()).await;
    group_message(store, "g", 0, NOW).await;
    assert_eq!(listed(store, &zoe).await, [""; 0], "a message from before the deletion");
    group_message(store, "g", 0, NOW + 1).await;
    assert_eq!(listed(store, &zoe).await, [format!("g:{}", NOW + 1)]);
}

pub(in crate::store) async fn every_session_is_listed_once(store: &dyn Store) {
    let names: Vec<String> = (0..40).map(|count| format!("o {count}\n{}", "x".repeat(count % 7))).collect();
    for name in &names {
        message(store, &owner(1, name), "b", 5).await;
        message(store, &owner(1, name), "c d", 6).await;
    }
    message(store, &owner(2, "elsewhere"), "b", 5).await;
    change(store, &owner(1, "only-pins"), &[(in_group("g"), SessionChange::Pin)]).await.unwrap();
    assert_eq!(store.apps().await.unwrap(), [app(1), app(2)]);
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let part = store.list_sessions(app(1), from).await.unwrap();
        found.extend(part.items.into_iter().map(|(user, conversation, _)| (user, conversation)));
        from = part.next;
        if from.is_none() {
            break;
        }
    }
    let all = found.len();
    found.sort();
    found.dedup();
    assert_eq!((found.len(), all), (81, 81));
    store.reset(Scope::Owner(owner(1, "only-pins"))).await.unwrap();
    assert_eq!(listed(store, &owner(1, "only-pins")).await, [""; 0]);
}
