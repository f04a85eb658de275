//! Destroys every page of a database in turn, and checks that the damage does not affect other data.

use std::{fs, path::Path};

use super::*;
use crate::{
    domain::{
        ChatGroupEdit, ChatGroupKind, ChatGroupProfile, DirectoryMode, Edit, GroupName, JoinOption, Limits,
        Terms,
    },
    store::{Damaged, Maintenance},
    testing::block_on,
};

const PAGE: usize = 4_096;
const OWNERS: usize = 48;
/// The number of changes of each owner that are submitted at once.
const ROUNDS: usize = 16;

fn app() -> AppId {
    AppId::new(1).unwrap()
}

fn owner(count: usize) -> Owner {
    Owner { app: app(), user: UserId::parse(&format!("user{count:02}")).unwrap() }
}

fn users(numbers: std::ops::Range<usize>) -> Vec<Conversation> {
    let user = |number| UserId::parse(&format!("peer-with-a-long-name-{number}")).unwrap();
    numbers.map(|number| Conversation::User(user(number))).collect()
}

fn chat_group(count: usize) -> ChatGroupId {
    ChatGroupId::parse(&format!("c{}", count % OWNERS)).unwrap()
}

fn terms() -> Terms {
    Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, 1_700_000_000) }
}

/// Runs an edit that cannot be refused as a whole, although individual items of it can.
fn edit(store: &SqliteStore, owner: Owner, edit: Edit) -> Pending<'static, ()> {
    let write = Write::new(owner, edit, terms());
    let presences =
        write.edit.named().into_iter().map(|named| (named.clone(), Presence::Unreadable)).collect();
    let made = store.queue(|slot| Job::Owner { write: Box::new(write), presences, slot, unsettled: None });
    Box::pin(async {
        made.await?.unwrap();
        Ok(())
    })
}

/// Adds conversations to a group of an owner.
fn put(store: &SqliteStore, owner: Owner, name: &str, peers: Vec<Conversation>) -> Pending<'static, ()> {
    edit(store, owner, Edit::CreateGroup { name: GroupName::parse(name).unwrap(), conversations: peers })
}

/// Sets an owner's nick.
fn rename(store: &SqliteStore, owner: Owner, nick: &str) -> Pending<'static, ()> {
    edit(store, owner, Edit::ImportAccount { nick: Some(nick.to_owned()), face_url: Some("f".repeat(200)) })
}

fn edit_chat_group(store: &SqliteStore, count: usize, edit: ChatGroupEdit) -> Pending<'static, ()> {
    let write = Box::new(ChatGroupWrite::new(app(), chat_group(count), edit, terms()));
    let made = store.queue(|slot| Job::ChatGroup { write, slot, unsettled: None });
    Box::pin(async {
        made.await?.unwrap();
        Ok(())
    })
}

/// Creates a store with accounts, small and large organizers, and chat groups.
fn fill(directory: &Path) {
    let store = SqliteStore::open(&StoreConfig::new(directory)).unwrap();
    block_on(async {
        for count in 0..OWNERS {
            rename(&store, owner(count), "before").await.unwrap();
            for group in 0..=count % 4 {
                put(&store, owner(count), &format!("g{group}"), users(group * 30..group * 30 + 30))
                    .await
                    .unwrap();
            }
            let profile = ChatGroupProfile {
                kind: ChatGroupKind::Public,
                name: "n".repeat(30),
                owner: None,
                introduction: "i".repeat(200),
                notification: String::new(),
                face_url: String::new(),
                max_members: 10,
                join_option: JoinOption::FreeAccess,
                created_at: 1,
                details: crate::domain::ProfileDetails::default(),
            };
            let create = ChatGroupEdit::Create { profile, members: Vec::new() };
            edit_chat_group(&store, count, create).await.unwrap();
        }
        // Every owner has records about chat groups, whose rows are on other pages.
        for count in 0..OWNERS {
            let rooms = (count..count + 3).map(|count| Conversation::ChatGroup(chat_group(count))).collect();
            put(&store, owner(count), "rooms", rooms).await.unwrap();
        }
        // Every eighth chat group is destroyed. Its records have to stay absent, whichever page is lost later.
        for count in (0..OWNERS).step_by(8) {
            edit_chat_group(&store, count, ChatGroupEdit::Destroy).await.unwrap();
        }
        // The large probe of a readiness check after a failure needs pages of its own.
        store.shared.health.failed(&StoreError::Busy, 1);
        store.ready().await.unwrap();
        store.close().await;
    });
}

/// Submits the change of one round.
fn change(store: &SqliteStore, count: usize, round: usize) -> Pending<'static, ()> {
    match round % 2 {
        0 => put(store, owner(count), "new", users(round * 8..round * 8 + 16)),
        _ => rename(store, owner(count), "after"),
    }
}

/// Checks that an owner has the result of all rounds.
async fn check(store: &SqliteStore, page: usize, count: usize) {
    let loaded = store.load(&owner(count)).await.unwrap_or_else(|error| panic!("page {page}: {error}")).state;
    assert_eq!(loaded.account.unwrap().nick, "after", "page {page}, owner {count}");
    let group = loaded.organizer.groups().iter().find(|group| group.name.as_str() == "new").unwrap().id;
    let found = loaded.organizer.records().iter().filter(|record| record.groups.contains(&group)).count();
    assert_eq!(found, (ROUNDS - 2) * 8 + 16, "page {page}, owner {count}");
    let rooms =
        loaded.organizer.records().iter().filter(|record| record.conversation.chat_group().is_some()).count();
    let living = (count..count + 3).filter(|count| !(count % OWNERS).is_multiple_of(8)).count();
    assert_eq!(rooms, living, "page {page}, owner {count}: the events also show which chat groups exist");
}

/// Uses a store that lost a page, and checks that undamaged owners are not affected. Returns the damaged owners.
async fn use_damaged(store: &SqliteStore, page: usize) -> Vec<usize> {
    let mut damaged = Vec::new();
    for count in 0..OWNERS {
        match store.load(&owner(count)).await {
            Ok(_) => {}
            Err(StoreError::Damaged { .. }) => damaged.push(count),
            Err(other) => panic!("page {page}, owner {count}: {other}"),
        }
    }
    // Submit all changes at once, so that they share transactions.
    let mut pending = Vec::new();
    for round in 0..ROUNDS {
        pending.extend((0..OWNERS).map(|count| (count, change(store, count, round))));
    }
    for (count, change) in pending {
        match change.await {
            Ok(()) => assert!(!damaged.contains(&count), "page {page}, owner {count} is damaged"),
            Err(StoreError::Damaged { .. }) if damaged.contains(&count) => {}
            Err(error) => panic!("page {page}, owner {count} is undamaged, but {error}"),
        }
    }
    let readiness = store.ready().await.unwrap_or_else(|error| panic!("page {page}: {error}"));
    assert!(readiness.damaged >= damaged.len() as u64, "page {page}: {readiness:?}");
    damaged
}

#[test]
fn a_lost_page_affects_only_those_whose_data_was_on_it() {
    let whole = tempfile::tempdir().unwrap();
    fill(whole.path());
    let database = fs::read(whole.path().join("confold.db")).unwrap();
    let (mut numbers, mut refused) = (Vec::new(), 0);
    for page in 1..=database.len() / PAGE {
        let directory = tempfile::tempdir().unwrap();
        let mut bytes = database.clone();
        bytes[(page - 1) * PAGE..page * PAGE].fill(0);
        fs::write(directory.path().join("confold.db"), bytes).unwrap();
        let open = || SqliteStore::open(&StoreConfig::new(directory.path()));
        // The store cannot be opened without the pages of the schema or of the table `store`.
        let Ok(store) = open() else {
            refused += 1;
            continue;
        };
        block_on(async {
            let damaged = use_damaged(&store, page).await;
            store.close().await;
            drop(store);
            let store = open().unwrap();
            for count in (0..OWNERS).filter(|count| !damaged.contains(count)) {
                check(&store, page, count).await;
            }
            numbers.push(damaged.len());
        });
    }
    println!("damaged owners by page: {numbers:?}; {refused} pages without which a store cannot be opened");
    assert!(refused <= 4, "{refused} pages");
    assert!(numbers.contains(&1) && numbers.contains(&0), "{numbers:?}");
    // Only the root pages of tables and indices affect all owners.
    assert!(numbers.iter().filter(|damaged| **damaged == OWNERS).count() <= 4, "{numbers:?}");
}

/// Checks that damage affects only one owner even if it is found by a write, because the owner is still in the cache.
#[test]
fn an_owner_in_memory_whose_page_is_lost_affects_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    block_on(async {
        for count in 0..OWNERS {
            store.load(&owner(count)).await.unwrap();
        }
    });
    // Destroy pages in the file while the store is open.
    let database = directory.path().join("confold.db");
    let mut bytes = fs::read(&database).unwrap();
    let is_of_victim = |page: &[u8]| {
        // A leaf page of a table that contains the name of a peer that only large owners have.
        page[0] == 0x0d && page.windows(22).any(|window| window == b"peer-with-a-long-name-")
    };
    let lost: Vec<usize> = (0..bytes.len() / PAGE)
        .filter(|page| is_of_victim(&bytes[page * PAGE..(page + 1) * PAGE]))
        .take(3)
        .collect();
    assert_eq!(lost.len(), 3);
    for page in &lost {
        bytes[page * PAGE..(page + 1) * PAGE].fill(0);
    }
    fs::write(&database, bytes).unwrap();
    block_on(async {
        let pending: Vec<_> =
            (0..OWNERS).map(|count| (count, put(&store, owner(count), "new", users(0..3)))).collect();
        let mut failed = Vec::new();
        for (count, change) in pending {
            if change.await.is_err() {
                failed.push(count);
            }
        }
        println!("{failed:?} failed after pages {lost:?} were lost");
        assert!(!failed.is_empty() && failed.len() < OWNERS / 2, "{failed:?}");
        for count in &failed {
            let again = put(&store, owner(*count), "new", users(0..3)).await;
            assert!(
                matches!(&again, Err(StoreError::Damaged { what: Damaged::Owner(found), .. }) if *found == owner(*count)),
                "{again:?}"
            );
            // The acknowledged data can still be read from the cache.
            store.load(&owner(*count)).await.unwrap();
        }
        assert_eq!(store.ready().await.unwrap().damaged, failed.len() as u64);
    });
}
