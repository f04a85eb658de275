//! The one suite that every store has to pass.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::{
    ChatGroupQuery, ChatGroupRule, MemoryStore, Next, OwnerRule, Scope, Seen, SqliteOptions, SqliteStore,
    Store, StoreError,
};
use crate::domain::{
    Account, AppId, ChatGroup, ChatGroupId, ChatGroupKind, ChatGroupLife, ChatGroupProfile, Conversation,
    DirectoryMode, GroupName, JoinOption, Limits, Member, MemberChange, Organizer, Owner, Presence, UserId,
    World, create, update_members,
};

/// Runs each test of this module on each store.
macro_rules! suite {
    ($($test:ident)+) => {
        mod memory {
            $(#[test] fn $test() { super::block_on(super::$test(&super::MemoryStore::default())); })+
        }
        mod sqlite {
            $(#[test] fn $test() {
                let directory = tempfile::tempdir().unwrap();
                let store = super::SqliteStore::open(&super::SqliteOptions::new(directory.path())).unwrap();
                super::block_on(super::$test(&store));
            })+
        }
        /// Nothing stays in memory: every read comes from the database.
        mod sqlite_without_cache {
            $(#[test] fn $test() {
                let directory = tempfile::tempdir().unwrap();
                let options = super::SqliteOptions { cache_bytes: 0, ..super::SqliteOptions::new(directory.path()) };
                super::block_on(super::$test(&super::SqliteStore::open(&options).unwrap()));
            })+
        }
    };
}

suite! {
    an_owner_never_heard_of_is_empty
    what_is_changed_is_read_back
    a_rule_that_keeps_nothing_changes_nothing
    a_rule_sees_what_the_directory_says
    accounts_come_and_go
    owners_of_different_apps_are_apart
    chat_groups_come_and_go
    a_disbanding_kills_records_at_once_and_for_good
    an_event_does_not_reach_other_owners_or_apps
    concurrent_changes_of_one_owner_are_all_kept
    changes_are_made_even_if_nobody_waits
    a_panic_in_a_rule_is_its_own
    big_owners_are_read_back
    a_disbanding_counts_from_the_next_change_on
    living_chat_groups_are_listed_page_by_page
    everything_is_listed_for_exports
    what_is_reset_was_never_there
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn app(number: u32) -> AppId {
    AppId::new(number).unwrap()
}

fn owner(app_number: u32, user: &str) -> Owner {
    Owner { app: app(app_number), user: UserId::parse(user).unwrap() }
}

fn chat_group(id: &str) -> ChatGroupId {
    ChatGroupId::parse(id).unwrap()
}

fn user(id: &str) -> Conversation {
    Conversation::User(UserId::parse(id).unwrap())
}

fn in_group(id: &str) -> Conversation {
    Conversation::ChatGroup(chat_group(id))
}

fn member(user: &str, admin: bool) -> Member {
    Member { user: UserId::parse(user).unwrap(), admin, joined_at: 1_700_000_001 }
}

fn profile(name: &str) -> ChatGroupProfile {
    ChatGroupProfile {
        kind: ChatGroupKind::Meeting,
        name: name.to_owned(),
        owner: Some(UserId::parse("boss").unwrap()),
        introduction: "i".to_owned(),
        notification: "n".to_owned(),
        face_url: "f".to_owned(),
        max_members: 77,
        join_option: JoinOption::DisableApply,
        created_at: 1_700_000_000,
        members: vec![member("ann", true), member("bob", false)],
    }
}

/// A rule that puts conversations into the group `name`, in an open directory.
fn grouping(name: &str, conversations: Vec<Conversation>) -> OwnerRule {
    let name = GroupName::parse(name).unwrap();
    Box::new(move |seen: &Seen<'_>| {
        let world =
            World { limits: &Limits::OPEN, directory: DirectoryMode::Open.into(), presences: seen.presences };
        let decision = create(seen.organizer, world, &name, &conversations, 1_700_000_000).unwrap();
        Next { organizer: decision.next, account: None }
    })
}

async fn keep(store: &dyn Store, owner: &Owner, name: &str, conversations: &[Conversation]) {
    let rule = grouping(name, conversations.to_vec());
    store.change(owner.clone(), conversations.to_vec(), rule).await.unwrap();
}

async fn organizer(store: &dyn Store, owner: &Owner) -> Arc<Organizer> {
    store.load(owner).await.unwrap().organizer
}

async fn conversations(store: &dyn Store, owner: &Owner) -> Vec<Conversation> {
    organizer(store, owner).await.records().iter().map(|record| record.conversation.clone()).collect()
}

async fn set_account(store: &dyn Store, owner: &Owner, account: Option<Account>) {
    let account = account.map(Arc::new);
    let rule = move |_: &Seen<'_>| Next { account: Some(account.clone()), organizer: None };
    store.change(owner.clone(), Vec::new(), Box::new(rule)).await.unwrap();
}

async fn set_chat_group(store: &dyn Store, app: AppId, id: &str, change: fn(ChatGroup) -> ChatGroup) {
    let rule: ChatGroupRule = Box::new(move |old| Some(change(old.cloned().unwrap_or_default())));
    store.change_chat_group(app, chat_group(id), rule).await.unwrap();
}

async fn an_owner_never_heard_of_is_empty(store: &dyn Store) {
    let loaded = store.load(&owner(1, "nobody")).await.unwrap();
    assert!(loaded.account.is_none());
    assert!(loaded.organizer.is_pristine());
    assert_eq!(store.accounts(vec![owner(1, "nobody")]).await.unwrap(), [false]);
    assert_eq!(store.accounts(Vec::new()).await.unwrap(), Vec::<bool>::new());
    assert_eq!(store.chat_groups(app(1), vec![chat_group("g")]).await.unwrap(), [None]);
    store.ready().await.unwrap();
}

async fn what_is_changed_is_read_back(store: &dyn Store) {
    let owner = owner(1, "a");
    keep(store, &owner, "first", &[user("x"), in_group("g")]).await;
    let first = organizer(store, &owner).await;
    assert_eq!(first.groups()[0].name.as_str(), "first");
    assert_eq!(conversations(store, &owner).await, [user("x"), in_group("g")]);
    keep(store, &owner, "second", &[user("y")]).await;
    let second = organizer(store, &owner).await;
    assert_eq!(second.groups().len(), 2);
    assert_eq!(&second.records()[..2], first.records());
}

async fn a_rule_that_keeps_nothing_changes_nothing(store: &dyn Store) {
    let owner = owner(1, "a");
    keep(store, &owner, "first", &[user("x")]).await;
    let before = organizer(store, &owner).await;
    store.change(owner.clone(), Vec::new(), Box::new(|_| Next::default())).await.unwrap();
    assert_eq!(organizer(store, &owner).await, before);
}

async fn a_rule_sees_what_the_directory_says(store: &dyn Store) {
    set_account(store, &owner(1, "x"), Some(Account::default())).await;
    set_account(store, &owner(2, "y"), Some(Account::default())).await;
    set_chat_group(store, app(1), "living", |group| group.revived(profile("l"))).await;
    set_chat_group(store, app(1), "gone", |group| group.destroyed()).await;
    let named: Vec<_> =
        ["x", "y"].map(user).into_iter().chain(["living", "gone", "unknown"].map(in_group)).collect();
    let told = Arc::new(Mutex::new(HashMap::new()));
    let result = Arc::clone(&told);
    let rule = move |seen: &Seen<'_>| {
        result.lock().unwrap().clone_from(seen.presences);
        Next::default()
    };
    store.change(owner(1, "a"), named, Box::new(rule)).await.unwrap();
    let life = |incarnation, alive| Presence::ChatGroup(Some(ChatGroupLife { incarnation, alive }));
    let expected = HashMap::from([
        (user("x"), Presence::User { imported: true }),
        (user("y"), Presence::User { imported: false }),
        (in_group("living"), life(0, true)),
        (in_group("gone"), life(1, false)),
        (in_group("unknown"), Presence::ChatGroup(None)),
    ]);
    assert_eq!(*told.lock().unwrap(), expected);
}

async fn accounts_come_and_go(store: &dyn Store) {
    let owner = owner(1, "a");
    let account = Account { nick: "N".to_owned(), face_url: "F".to_owned() };
    // A read before, so that a store with a memory remembers that there was nothing.
    assert!(store.load(&owner).await.unwrap().account.is_none());
    set_account(store, &owner, Some(account.clone())).await;
    assert_eq!(store.load(&owner).await.unwrap().account.as_deref(), Some(&account));
    assert_eq!(
        store.accounts(vec![owner.clone(), super::contract::owner(1, "b")]).await.unwrap(),
        [true, false]
    );
    keep(store, &owner, "first", &[user("x")]).await;
    assert_eq!(store.load(&owner).await.unwrap().account.as_deref(), Some(&account), "a change keeps it");
    let rule = |seen: &Seen<'_>| {
        assert!(seen.account.is_some());
        Next { account: Some(None), organizer: Some(seen.organizer.emptied(5)) }
    };
    store.change(owner.clone(), Vec::new(), Box::new(rule)).await.unwrap();
    let loaded = store.load(&owner).await.unwrap();
    assert!(loaded.account.is_none());
    assert!(loaded.organizer.groups().is_empty() && loaded.organizer.records().is_empty());
    assert_eq!(loaded.organizer.counters().last_group, 1, "counters outlive the data");
    assert_eq!(
        loaded.organizer.counters().version,
        4,
        "a group and a record made, a group and a record gone"
    );
    assert_eq!(store.accounts(vec![owner]).await.unwrap(), [false]);
}

async fn owners_of_different_apps_are_apart(store: &dyn Store) {
    keep(store, &owner(1, "a"), "one", &[user("x")]).await;
    keep(store, &owner(2, "a"), "two", &[user("y")]).await;
    assert_eq!(conversations(store, &owner(1, "a")).await, [user("x")]);
    assert_eq!(conversations(store, &owner(2, "a")).await, [user("y")]);
}

async fn chat_groups_come_and_go(store: &dyn Store) {
    let ids = || ["a", "b", "a"].map(chat_group).to_vec();
    set_chat_group(store, app(1), "a", |group| group.revived(profile("one"))).await;
    let living = ChatGroup { incarnation: 0, profile: Some(profile("one")) };
    assert_eq!(store.chat_groups(app(1), ids()).await.unwrap(), [Some(living.clone()), None, Some(living)]);
    assert_eq!(store.chat_groups(app(2), ids()).await.unwrap(), [None, None, None]);
    set_chat_group(store, app(1), "a", |group| group.destroyed()).await;
    set_chat_group(store, app(1), "a", |group| {
        group.revived(ChatGroupProfile { owner: None, ..profile("two") })
    })
    .await;
    let found = store.chat_groups(app(1), vec![chat_group("a")]).await.unwrap().remove(0).unwrap();
    assert_eq!(found.incarnation, 1);
    assert_eq!(found.profile, Some(ChatGroupProfile { owner: None, ..profile("two") }));
    let kept: ChatGroupRule = Box::new(|_| None);
    store.change_chat_group(app(1), chat_group("b"), kept).await.unwrap();
    assert_eq!(store.chat_groups(app(1), vec![chat_group("b")]).await.unwrap(), [None]);
}

async fn a_disbanding_kills_records_at_once_and_for_good(store: &dyn Store) {
    let (a, b) = (owner(1, "a"), owner(1, "b"));
    for owner in [&a, &b] {
        keep(store, owner, "first", &[in_group("g"), user("x"), in_group("h")]).await;
    }
    let before = organizer(store, &a).await;
    set_chat_group(store, app(1), "g", |group| group.destroyed()).await;
    assert_eq!(conversations(store, &a).await, [user("x"), in_group("h")]);
    assert_eq!(organizer(store, &a).await.counters(), before.counters(), "no owner was written");
    set_chat_group(store, app(1), "g", |group| group.revived(profile("again"))).await;
    assert_eq!(conversations(store, &a).await, [user("x"), in_group("h")], "the id is used again");
    // The next write drops the dead record, and a new one can be kept about the new group.
    keep(store, &a, "second", &[in_group("g")]).await;
    assert_eq!(conversations(store, &a).await, [user("x"), in_group("h"), in_group("g")]);
    let after = organizer(store, &a).await;
    assert_eq!(after.records()[2].groups, [2], "only the new one's group");
    // The burial, the group and the record.
    assert_eq!(after.counters().version, before.counters().version + 3);
    assert_eq!(conversations(store, &b).await, [user("x"), in_group("h")]);
}

async fn an_event_does_not_reach_other_owners_or_apps(store: &dyn Store) {
    let (near, far) = (owner(1, "a"), owner(2, "a"));
    for owner in [&near, &far] {
        keep(store, owner, "first", &[in_group("g"), in_group("h")]).await;
    }
    for count in 0..5 {
        set_chat_group(store, app(1), &format!("other{count}"), |group| group.destroyed()).await;
        assert_eq!(conversations(store, &near).await.len(), 2);
    }
    set_chat_group(store, app(1), "g", |group| group.destroyed()).await;
    assert_eq!(conversations(store, &near).await, [in_group("h")]);
    assert_eq!(conversations(store, &far).await, [in_group("g"), in_group("h")]);
}

async fn concurrent_changes_of_one_owner_are_all_kept(store: &dyn Store) {
    let owner = owner(1, "a");
    keep(store, &owner, "first", &[user("x")]).await;
    let pending: Vec<_> = (0..300)
        .map(|count| {
            let peer = user(&format!("peer{count}"));
            let name = GroupName::parse("first").unwrap();
            let change = vec![(MemberChange::Add, peer.clone())];
            let rule: OwnerRule = Box::new(move |seen: &Seen<'_>| {
                let world = World {
                    limits: &Limits::OPEN,
                    directory: DirectoryMode::Open.into(),
                    presences: seen.presences,
                };
                let decision = update_members(seen.organizer, world, &name, &change, 5).unwrap();
                Next { organizer: decision.next, account: None }
            });
            store.change(owner.clone(), vec![peer], rule)
        })
        .collect();
    for change in pending {
        change.await.unwrap();
    }
    let organizer = organizer(store, &owner).await;
    assert_eq!(organizer.records().len(), 301);
    assert_eq!(organizer.counters().version, 302, "each took one number");
}

async fn changes_are_made_even_if_nobody_waits(store: &dyn Store) {
    let owner = owner(1, "a");
    drop(store.change(owner.clone(), vec![user("x")], grouping("first", vec![user("x")])));
    keep(store, &owner, "first", &[user("y")]).await;
    assert_eq!(conversations(store, &owner).await, [user("x"), user("y")]);
}

async fn a_panic_in_a_rule_is_its_own(store: &dyn Store) {
    let owner = owner(1, "a");
    let panics: OwnerRule = Box::new(|_| panic!("this rule panics, as the test wants"));
    let (bad, good) = (
        store.change(owner.clone(), Vec::new(), panics),
        store.change(owner.clone(), vec![user("x")], grouping("first", vec![user("x")])),
    );
    assert!(matches!(bad.await, Err(StoreError::Rule)));
    good.await.unwrap();
    assert_eq!(conversations(store, &owner).await, [user("x")]);
}

async fn living_chat_groups_are_listed_page_by_page(store: &dyn Store) {
    for count in 0..7 {
        set_chat_group(store, app(1), &format!("g{count}"), |group| group.revived(profile("n"))).await;
        set_chat_group(store, app(2), &format!("other{count}"), |group| group.revived(profile("n"))).await;
    }
    set_chat_group(store, app(1), "g3", |group| group.destroyed()).await;
    let work =
        |group: ChatGroup| group.revived(ChatGroupProfile { kind: ChatGroupKind::Work, ..profile("n") });
    set_chat_group(store, app(1), "g5", work).await;
    let page = |kind, from| store.list_chat_groups(app(1), ChatGroupQuery { kind, from, limit: 2 });
    let (mut from, mut seen) = (0, Vec::new());
    loop {
        let page = page(None, from).await.unwrap();
        assert_eq!(page.total, 6);
        seen.extend(page.ids.iter().map(|id| id.as_str().to_owned()));
        // What is destroyed or changed between two pages makes nobody miss a group.
        set_chat_group(store, app(1), &seen[0], |group| group.revived(profile("changed"))).await;
        match page.next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(seen, ["g0", "g1", "g2", "g4", "g5", "g6"]);
    let only = page(Some(ChatGroupKind::Work), 0).await.unwrap();
    assert_eq!((only.ids, only.next, only.total), (vec![chat_group("g5")], None, 1));
}

async fn a_disbanding_counts_from_the_next_change_on(store: &dyn Store) {
    let owner = owner(1, "a");
    keep(store, &owner, "first", &[in_group("g")]).await;
    // Queued together, so that they share a transaction where there are any.
    let end: ChatGroupRule = Box::new(|old| Some(old.cloned().unwrap_or_default().destroyed()));
    let seen_by = |store: &dyn Store| {
        let seen = Arc::new(Mutex::new(None));
        let result = Arc::clone(&seen);
        let rule: OwnerRule = Box::new(move |seen: &Seen<'_>| {
            *result.lock().unwrap() = Some(seen.organizer.records().len());
            Next::default()
        });
        drop(store.change(owner.clone(), Vec::new(), rule));
        seen
    };
    let before = seen_by(store);
    let ended = store.change_chat_group(app(1), chat_group("g"), end);
    let after = seen_by(store);
    ended.await.unwrap();
    store.change(owner.clone(), Vec::new(), Box::new(|_| Next::default())).await.unwrap();
    assert_eq!((*before.lock().unwrap(), *after.lock().unwrap()), (Some(1), Some(0)));
}

async fn big_owners_are_read_back(store: &dyn Store) {
    let owner = owner(1, "a");
    let peers: Vec<_> = (0..1_000).map(|count| user(&format!("peer{count}"))).collect();
    for (index, some) in peers.chunks(100).enumerate() {
        keep(store, &owner, "first", some).await;
        // Changing early ones again and again thins out what was written first.
        keep(store, &owner, &format!("more{index}"), &peers[..100]).await;
    }
    let organizer = organizer(store, &owner).await;
    assert_eq!(organizer.records().len(), 1_000);
    let early = organizer.records().iter().filter(|record| record.groups.len() == 11).count();
    assert_eq!(early, 100);
}

async fn all_owners(store: &dyn Store, app: AppId) -> Vec<(String, bool, usize)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_owners(app, after.clone()).await.unwrap();
        let Some((last, _)) = page.last() else { return all };
        after = Some(last.clone());
        all.extend(page.into_iter().map(|(user, loaded)| {
            (user.to_string(), loaded.account.is_some(), loaded.organizer.records().len())
        }));
    }
}

async fn all_groups(store: &dyn Store, app: AppId) -> Vec<(String, u32, bool)> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = store.all_chat_groups(app, after).await.unwrap();
        let Some((place, ..)) = page.last() else { return all };
        assert!(*place > after, "places ascend");
        after = *place;
        let line = |(_, id, group): (u64, ChatGroupId, ChatGroup)| {
            (id.to_string(), group.incarnation, group.profile.is_some())
        };
        all.extend(page.into_iter().map(line));
    }
}

async fn everything_is_listed_for_exports(store: &dyn Store) {
    assert_eq!(store.apps().await.unwrap(), []);
    assert_eq!(all_owners(store, app(1)).await, []);
    set_chat_group(store, app(3), "only", |group| group.destroyed()).await;
    for count in (0..300).rev() {
        set_account(store, &owner(1, &format!("u{count:03}")), Some(Account::default())).await;
    }
    set_account(store, &owner(2, "other"), Some(Account::default())).await;
    keep(store, &owner(1, "without-account"), "g", &[user("x")]).await;
    keep(store, &owner(1, "u005"), "g", &[user("x"), in_group("dead"), in_group("alive")]).await;
    keep(store, &owner(1, "U"), "g", &[user("x")]).await;
    for group in ["zz", "dead", "alive"] {
        set_chat_group(store, app(1), group, |group| group.revived(profile("n"))).await;
    }
    set_chat_group(store, app(1), "dead", |group| group.destroyed()).await;
    assert_eq!(store.apps().await.unwrap(), [app(1), app(2), app(3)]);
    let mut expected = vec![("U".to_owned(), false, 1)];
    expected.extend((0..300).map(|count| (format!("u{count:03}"), true, 0)));
    expected[6].2 = 2; // the record about the group that is dead is absent
    expected.push(("without-account".to_owned(), false, 1));
    assert_eq!(all_owners(store, app(1)).await, expected);
    let group = |id: &str, incarnation, alive| (id.to_owned(), incarnation, alive);
    let expected = [group("zz", 0, true), group("dead", 1, false), group("alive", 0, true)];
    assert_eq!(all_groups(store, app(1)).await, expected, "in the order they were first heard of");
    assert_eq!(all_groups(store, app(3)).await, [group("only", 1, false)]);
}

async fn what_is_reset_was_never_there(store: &dyn Store) {
    let owners = [owner(1, "a"), owner(1, "b"), owner(2, "a")];
    let fill = async || {
        for owner in &owners {
            set_account(store, owner, Some(Account::default())).await;
            set_chat_group(store, owner.app, "g", |group| group.revived(profile("n"))).await;
            keep(store, owner, "group", &[user("x"), in_group("g")]).await;
            keep(store, owner, "group", &[user("y")]).await;
        }
    };
    let state = async |owner: &Owner| {
        let loaded = store.load(owner).await.unwrap();
        (loaded.account.is_some(), loaded.organizer.records().len(), loaded.organizer.counters().version)
    };
    let (whole, empty) = ((true, 3, 4), (false, 0, 0));
    fill().await;
    for owner in &owners {
        assert_eq!(state(owner).await, whole);
    }
    store.reset(Scope::Owner(owners[0].clone())).await.unwrap();
    assert_eq!(
        [state(&owners[0]).await, state(&owners[1]).await, state(&owners[2]).await],
        [empty, whole, whole]
    );
    store.reset(Scope::App(app(1))).await.unwrap();
    assert_eq!([state(&owners[1]).await, state(&owners[2]).await], [empty, whole]);
    assert_eq!(store.chat_groups(app(1), vec![chat_group("g")]).await.unwrap(), [None]);
    assert!(store.chat_groups(app(2), vec![chat_group("g")]).await.unwrap()[0].is_some());
    // What is queued behind a reset sees it, and what is queued before it is forgotten.
    fill().await;
    let before = store.change(owners[0].clone(), vec![user("late")], grouping("late", vec![user("late")]));
    let reset = store.reset(Scope::All);
    let after = store.change(owners[1].clone(), vec![user("x")], grouping("first", vec![user("x")]));
    before.await.unwrap();
    reset.await.unwrap();
    after.await.unwrap();
    assert_eq!([state(&owners[0]).await, state(&owners[2]).await], [empty, empty]);
    assert_eq!(state(&owners[1]).await, (false, 1, 2));
    fill().await;
    assert_eq!([state(&owners[0]).await, state(&owners[2]).await], [whole, whole]);
}
