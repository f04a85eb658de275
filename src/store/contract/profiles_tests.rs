//! The tests of profiles and of the numbers of messages that every store has to pass.

use super::{Scope, Store, accounts, app, chat_group, commit, owner};
use crate::{
    domain::{
        Account, ChatGroupTimes, Edit, Limits, Owner, Post, Posting, ProfileTag, ProfileValue, Rejection,
        SessionTimes, Terms, Touch,
    },
    store::{Revision, Write},
};

fn set(tag: ProfileTag, text: &str) -> Edit {
    Edit::SetProfile(vec![(tag, Some(ProfileValue::Text(text.into())))])
}

fn custom(key: &str) -> ProfileTag {
    ProfileTag::Custom(key.into())
}

async fn account(store: &dyn Store, owner: &Owner) -> Account {
    store.load(owner).await.unwrap().state.account.as_deref().cloned().unwrap_or_default()
}

pub(in crate::store) async fn profiles_come_and_go_with_accounts(store: &dyn Store) {
    let a = owner(1, "a");
    let strict = Terms::of_tools(Limits::OPEN, 1);
    let unknown = store.commit(Write::new(a.clone(), set(ProfileTag::Nick, "Ann"), strict)).await.unwrap();
    assert_eq!(unknown, Err(Rejection::UnknownOwner(a.user.clone())));
    let import = |nick: &str| Edit::ImportAccount { nick: Some(nick.to_owned()), face_url: None };
    commit(store, &a, import("Ann")).await.unwrap().unwrap();
    let level = (ProfileTag::Level, Some(ProfileValue::Number(u32::MAX)));
    commit(store, &a, Edit::SetProfile(vec![level])).await.unwrap().unwrap();
    commit(store, &a, set(custom("Test"), "x\u{0}ж")).await.unwrap().unwrap();
    // The profile is in no other account, and the nickname is the same one.
    commit(store, &owner(1, "b"), import("Bob")).await.unwrap().unwrap();
    commit(store, &a, import("Anna")).await.unwrap().unwrap();
    let found = account(store, &a).await;
    assert_eq!(found.value(&ProfileTag::Nick), Some(ProfileValue::Text("Anna".into())));
    assert_eq!(found.value(&ProfileTag::Level), Some(ProfileValue::Number(u32::MAX)));
    assert_eq!(found.value(&custom("Test")), Some(ProfileValue::Text("x\u{0}ж".into())));
    assert!(account(store, &owner(1, "b")).await.profile.fields().is_empty());
    assert_eq!(accounts(store, &["a", "b"]).await, [true, true]);
    assert_eq!(store.load(&a).await.unwrap().revision, Revision(0), "it is no part of the organizer");
    // What changes nothing is not written.
    let commits = store.statistics().commits;
    commit(store, &a, set(custom("Test"), "x\u{0}ж")).await.unwrap().unwrap();
    commit(store, &a, set(custom("Other"), "")).await.unwrap().unwrap();
    assert_eq!(store.statistics().commits, commits);
    let key = |number: usize| {
        let letter = |at: usize| char::from(b'a' + u8::try_from(at % 26).unwrap());
        custom(&[letter(number / 26), letter(number)].iter().collect::<String>())
    };
    let many = |count| {
        let value = || Some(ProfileValue::Text("y".into()));
        Edit::SetProfile((0..count).map(|number| (key(number), value())).collect())
    };
    let refused = commit(store, &a, many(100)).await.unwrap();
    assert_eq!(refused, Err(Rejection::TooManyTags { limit: 100 }));
    assert_eq!(account(store, &a).await, found, "nothing of it is kept");
    commit(store, &a, many(99)).await.unwrap().unwrap();
    assert_eq!(account(store, &a).await.profile.fields().len(), 101);
    // Deleting the account ends its profile.
    commit(store, &a, Edit::DeleteAccount).await.unwrap().unwrap();
    commit(store, &a, import("Ann")).await.unwrap().unwrap();
    assert!(account(store, &a).await.profile.fields().is_empty());
    commit(store, &a, Edit::RestoreAccount(found.clone())).await.unwrap().unwrap();
    assert_eq!(account(store, &a).await, found);
    store.reset(Scope::Owner(a.clone())).await.unwrap();
    assert_eq!(account(store, &a).await, Account::default());
}

fn posting(id: &str, incarnation: u32, count: usize, at: u64) -> Posting {
    let post = Post { at, is_fleeting: false, moves: true };
    Posting {
        app: app(1),
        id: chat_group(id),
        incarnation,
        messages: vec![post; count],
        now: 100,
        earliest: None,
        dry_run: false,
    }
}

async fn last(store: &dyn Store, id: &str, incarnation: u32) -> (u32, u64) {
    let last = store.last_messages(app(1), vec![(chat_group(id), incarnation)]).await.unwrap();
    (last[0].number, last[0].at)
}

async fn moved(store: &dyn Store, id: &str, incarnation: u32) -> u64 {
    store.chat_group_times(app(1), vec![(chat_group(id), incarnation)]).await.unwrap()[0].last()
}

pub(in crate::store) async fn messages_are_counted_in_each_life_of_a_chat_group(store: &dyn Store) {
    assert_eq!(last(store, "g", 0).await, (0, 0));
    let numbers = store.post(posting("g", 0, 2, 50)).await.unwrap();
    assert_eq!(numbers, Some(vec![Some(1), Some(2)]));
    let dry = Posting { dry_run: true, ..posting("g", 0, 1, 60) };
    assert_eq!(store.post(dry).await.unwrap(), Some(vec![Some(3)]));
    assert_eq!((last(store, "g", 0).await, moved(store, "g", 0).await), ((2, 50), 50));
    let touch = |incarnation, last| {
        let times = ChatGroupTimes { incarnation, times: SessionTimes::new(last, last) };
        vec![Touch::ChatGroup { app: app(1), id: chat_group("g"), times }]
    };
    // A touch moves the sessions and leaves the numbers.
    store.touch(touch(0, 70)).await.unwrap();
    assert_eq!((last(store, "g", 0).await, moved(store, "g", 0).await), ((2, 50), 70));
    let mut pending = Vec::new();
    for _ in 0..20 {
        pending.push(store.post(posting("g", 0, 1, 60)));
    }
    let mut numbers = Vec::new();
    for posted in pending {
        numbers.extend(posted.await.unwrap().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (3..=22).map(Some).collect::<Vec<_>>());
    assert_eq!((last(store, "g", 0).await, moved(store, "g", 0).await), ((22, 60), 70));
    assert_eq!(last(store, "other", 0).await, (0, 0));
    // The next life begins without messages, whether a touch or a message comes first.
    store.touch(touch(1, 80)).await.unwrap();
    assert_eq!((last(store, "g", 0).await, last(store, "g", 1).await), ((0, 0), (0, 0)));
    assert_eq!(store.post(posting("g", 0, 1, 90)).await.unwrap(), None);
    assert_eq!(store.post(posting("g", 1, 1, 90)).await.unwrap(), Some(vec![Some(1)]));
    assert_eq!(store.post(posting("g", 2, 1, 90)).await.unwrap(), Some(vec![Some(1)]));
    assert_eq!((last(store, "g", 2).await, moved(store, "g", 2).await), ((1, 90), 90));
    // A message that is only counted does not move the sessions.
    let quiet = Post { at: 95, is_fleeting: true, moves: false };
    store.post(Posting { messages: vec![quiet], ..posting("g", 2, 0, 0) }).await.unwrap();
    assert_eq!((last(store, "g", 2).await, moved(store, "g", 2).await), ((2, 90), 90));
    store.reset(Scope::App(app(1))).await.unwrap();
    assert_eq!(last(store, "g", 2).await, (0, 0));
}
