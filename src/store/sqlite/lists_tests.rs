//! Tests that lists are kept in memory, and read again after every change that can concern them and after no other.

use super::*;
use crate::{
    domain::{
        ChatGroup, ChatGroupEdit, ChatGroupId, ChatGroupKind, ChatGroupProfile, ChatGroupTimes, Edit,
        JoinOption, Limits, Member, MemberDetails, ProfileDetails, SessionChange, SessionTimes, Terms, Touch,
    },
    store::Maintenance,
    store::{ChatGroupWrite, Directory, Owners, Scope, StoreConfig, Touches, Write, sqlite::SqliteStore},
    testing::block_on,
};

const NOW: u64 = 1_700_000_000;

fn app() -> AppId {
    AppId::new(7).unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn owner(name: &str) -> Owner {
    Owner { app: app(), user: user(name) }
}

fn club() -> ChatGroupId {
    ChatGroupId::parse("club").unwrap()
}

fn terms() -> Terms {
    Terms::of_tools(Limits::OPEN, NOW)
}

fn query() -> RecentQuery {
    RecentQuery { listed: 100, oldest: 1, terms: terms() }
}

async fn message(store: &SqliteStore, of: &str, with: &str, last: u64) {
    let times = SessionTimes::new(last, NOW);
    store
        .touch(vec![Touch::Peer { owner: owner(of), peer: user(with), times, needs_account: false }])
        .await
        .unwrap();
}

async fn group_message(store: &SqliteStore, last: u64) {
    let times = ChatGroupTimes { incarnation: 0, times: SessionTimes::new(last, NOW) };
    store.touch(vec![Touch::ChatGroup { app: app(), id: club(), times }]).await.unwrap();
}

async fn edit(store: &SqliteStore, of: &str, edit: Edit) {
    store.commit(Write::new(owner(of), edit, terms())).await.unwrap().unwrap();
}

async fn edit_club(store: &SqliteStore, edit: ChatGroupEdit) {
    store.commit_chat_group(ChatGroupWrite::new(app(), club(), edit, terms())).await.unwrap().unwrap();
}

fn import() -> Edit {
    Edit::ImportAccount { nick: None, face_url: None }
}

fn member(name: &str) -> Member {
    Member { user: user(name), admin: false, joined_at: NOW, details: MemberDetails::default() }
}

/// Opens a store in which ann has a session with bob, with a user who does not exist, and in a chat group.
async fn filled(config: &StoreConfig) -> SqliteStore {
    let store = SqliteStore::open(config).unwrap();
    for name in ["ann", "bob", "eve"] {
        edit(&store, name, import()).await;
    }
    let profile = ChatGroupProfile {
        kind: ChatGroupKind::Public,
        name: "n".to_owned(),
        owner: None,
        introduction: String::new(),
        notification: String::new(),
        face_url: String::new(),
        max_members: 10,
        join_option: JoinOption::default(),
        created_at: NOW,
        details: ProfileDetails::default(),
    };
    let group = ChatGroup { incarnation: 0, profile: Some(profile), ..ChatGroup::default() };
    edit_club(&store, ChatGroupEdit::Restore { group, members: vec![member("ann")] }).await;
    message(&store, "ann", "bob", 5).await;
    message(&store, "ann", "stranger", 6).await;
    group_message(&store, 7).await;
    store
}

async fn names(store: &SqliteStore) -> Vec<String> {
    let found = store.recent(&owner("ann"), query()).await.unwrap().sessions;
    let mut names: Vec<String> =
        found.iter().map(|found| format!("{} {} {}", found.conversation, found.last, found.pinned)).collect();
    names.sort();
    names
}

fn is_kept(store: &SqliteStore) -> bool {
    store.shared.lists.get(&owner("ann"), &query()).is_some()
}

#[test]
fn every_change_that_can_concern_a_list_makes_it_outdated() {
    for (number, what) in [
        "a message of a user",
        "a message in the chat group",
        "a pin",
        "a deletion",
        "the end of a user",
        "a new user",
        "leaving",
        "a disbanding",
        "the end of the owner",
        "a reset",
    ]
    .into_iter()
    .enumerate()
    {
        let directory = tempfile::tempdir().unwrap();
        block_on(async {
            let store = filled(&StoreConfig::new(directory.path())).await;
            let before = names(&store).await;
            assert_eq!(before.len(), 2);
            assert!(is_kept(&store), "{what}");
            let change = |change| Edit::ChangeSessions(vec![(Conversation::User(user("bob")), change)]);
            match number {
                0 => message(&store, "ann", "bob", 50).await,
                1 => group_message(&store, 50).await,
                2 => edit(&store, "ann", change(SessionChange::Pin)).await,
                3 => edit(&store, "ann", change(SessionChange::Delete)).await,
                4 => edit(&store, "bob", Edit::DeleteAccount).await,
                5 => edit(&store, "stranger", import()).await,
                6 => edit_club(&store, ChatGroupEdit::RemoveMembers(vec![user("ann")])).await,
                7 => edit_club(&store, ChatGroupEdit::Destroy).await,
                8 => edit(&store, "ann", Edit::DeleteAccount).await,
                _ => store.reset(Scope::Owner(owner("ann"))).await.unwrap(),
            }
            assert!(!is_kept(&store), "{what}");
            assert_ne!(names(&store).await, before, "{what}");
            assert!(is_kept(&store), "{what}");
            store.close().await;
        });
    }
}

#[test]
fn a_list_includes_a_chat_group_that_its_owner_joins() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let store = filled(&StoreConfig::new(directory.path())).await;
        edit_club(&store, ChatGroupEdit::RemoveMembers(vec![user("ann")])).await;
        assert_eq!(names(&store).await.len(), 1);
        edit_club(&store, ChatGroupEdit::AddMembers(vec![member("ann")])).await;
        assert_eq!(names(&store).await.len(), 2);
        store.close().await;
    });
}

#[test]
fn other_changes_leave_a_list_in_memory_and_another_query_reads_its_own() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let store = filled(&StoreConfig::new(directory.path())).await;
        names(&store).await;
        let lists = &store.shared.lists;
        // Somebody who does not share the place of anything that the list depends on.
        let own = ["ann", "bob", "stranger"].map(|name| lists.place_of_user(app(), &user(name)));
        let is_apart = |name: &String| {
            let place = lists.place_of_user(app(), &user(name));
            !own.contains(&place) && place != lists.place_of(app(), &club().into())
        };
        let other = (0..1_000).map(|count| format!("other{count}")).find(is_apart).unwrap();
        message(&store, &other, "bob", 50).await;
        edit(&store, &other, import()).await;
        // A message that is known already, and what has nothing to do with sessions.
        message(&store, "ann", "bob", 5).await;
        let name = crate::domain::GroupName::parse("work").unwrap();
        let conversations = vec![Conversation::User(user("bob"))];
        edit(&store, "ann", Edit::CreateGroup { name, conversations }).await;
        assert!(is_kept(&store));
        let other =
            |listed, oldest| lists.get(&owner("ann"), &RecentQuery { listed, oldest, terms: terms() });
        assert!(other(99, 1).is_none(), "it may need others");
        assert!(other(100, 9).is_some(), "it needs fewer");
        let open = Terms { directory: DirectoryMode::Open, ..terms() };
        assert!(lists.get(&owner("ann"), &RecentQuery { terms: open, ..query() }).is_none());
        store.close().await;
    });
}

#[test]
fn a_list_that_was_being_read_during_a_change_is_outdated() {
    let lists = Lists::new(1 << 20);
    let place = lists.place_of_user(app(), &user("bob"));
    let (before, none) = (lists.moment(), Arc::<[RecentSession]>::from([]));
    lists.note(&[place]);
    lists.keep(&owner("ann"), &query(), Arc::clone(&none), vec![place], before);
    assert!(lists.get(&owner("ann"), &query()).is_none());
    lists.keep(&owner("ann"), &query(), Arc::clone(&none), vec![place], lists.moment());
    assert!(lists.get(&owner("ann"), &query()).is_some());
    lists.note_all();
    assert!(lists.get(&owner("ann"), &query()).is_none());
}

#[test]
fn the_size_of_all_lists_is_bounded() {
    let lists = Lists::new(64 << 10);
    for count in 0..10_000 {
        let name = format!("owner{count}");
        lists.keep(&owner(&name), &query(), [].into(), vec![Place(0); 100], lists.moment());
    }
    let kept: usize = lists.parts.iter().map(|part| part.lock().unwrap().lists.len()).sum();
    assert!((1..300).contains(&kept), "{kept}");
    let nothing = Lists::new(0);
    nothing.keep(&owner("ann"), &query(), [].into(), Vec::new(), nothing.moment());
    assert!(nothing.get(&owner("ann"), &query()).is_none());
}

#[test]
fn a_list_that_is_read_again_takes_the_place_of_the_one_before() {
    let lists = Lists::new(64 << 10);
    let keep = |name: &str| lists.keep(&owner(name), &query(), [].into(), Vec::new(), lists.moment());
    let part_of = |name: &str| usize::from(lists.place_of_user(app(), &user(name)).0) % PARTS;
    let other =
        (0..1_000).map(|count| format!("other{count}")).find(|name| part_of(name) == part_of("ann")).unwrap();
    keep(&other);
    for _ in 0..10_000 {
        keep("ann");
    }
    assert!(lists.get(&owner(&other), &query()).is_some());
}

#[test]
fn a_list_is_complete_only_up_to_what_is_being_written() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let store = filled(&StoreConfig::new(directory.path())).await;
        let settled = async |now| {
            let terms = Terms { now, ..terms() };
            store.recent(&owner("ann"), RecentQuery { terms, ..query() }).await.unwrap().settled
        };
        assert_eq!(settled(NOW + 50).await, NOW + 50);
        let (go, may_go) = std::sync::mpsc::channel::<()>();
        let held = store.between_writes(Box::new(move || may_go.recv().unwrap()));
        let times = |seen| SessionTimes::new(90, seen);
        let touch = |seen| {
            store.touch(vec![Touch::Peer {
                owner: owner("ann"),
                peer: user("bob"),
                times: times(seen),
                needs_account: false,
            }])
        };
        let (first, second) = (touch(NOW + 20), touch(NOW + 10));
        assert_eq!(settled(NOW + 50).await, NOW + 10);
        assert_eq!(settled(NOW + 5).await, NOW + 5);
        go.send(()).unwrap();
        held.await.unwrap();
        second.await.unwrap();
        first.await.unwrap();
        assert_eq!(settled(NOW + 50).await, NOW + 50);
        store.close().await;
    });
}
