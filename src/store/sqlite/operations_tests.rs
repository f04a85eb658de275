use std::{fs, path::Path, sync::Arc};

use rusqlite::Connection;

use super::super::SqliteStore;
use crate::{
    domain::{
        AppId, Conversation, CustomMark, DirectoryMode, Edit, Limits, MarkChange, Owner, Terms, UserId,
    },
    store::{Maintenance, Operation, Owners, StoreConfig, StoreError, Write},
    testing::block_on,
};

fn owner(user: &str) -> Owner {
    Owner { app: AppId::new(1).unwrap(), user: UserId::parse(user).unwrap() }
}

fn write(owner: &Owner, edit: Edit, key: Option<&str>) -> Write {
    let terms = Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, 1_800_000_000) };
    let operation = key.map(|key| Operation {
        identifier: Arc::from("boss"),
        key: Arc::from(key),
        fingerprint: 1,
        is_repeated: Arc::default(),
    });
    Write { operation, ..Write::new(owner.clone(), edit, terms) }
}

/// Makes a change with a key. Returns whether it was made before.
async fn marked(store: &SqliteStore, owner: &Owner, key: &str) -> Result<bool, StoreError> {
    let change = MarkChange { custom: Some(CustomMark::parse(key).unwrap()), ..MarkChange::default() };
    let peer = Conversation::User(UserId::parse("peer").unwrap());
    let write = write(owner, Edit::Mark { items: vec![Ok((peer, change))] }, Some(key));
    let is_repeated = Arc::clone(&write.operation.as_ref().unwrap().is_repeated);
    store.commit(write).await?.unwrap();
    Ok(is_repeated.load(std::sync::atomic::Ordering::Acquire))
}

/// Fills a store with two owners who have two keys each, damages it, and opens it again.
fn damaged(directory: &Path, damage: impl FnOnce(&Path)) -> SqliteStore {
    let open = || SqliteStore::open(&StoreConfig::new(directory)).unwrap();
    let store = open();
    block_on(async {
        for user in ["ann", "bob"] {
            for key in ["one", "two"] {
                assert!(!marked(&store, &owner(user), key).await.unwrap());
            }
        }
        store.close().await;
    });
    drop(store);
    damage(&directory.join("confold.db"));
    open()
}

fn rot_a_row(file: &Path) {
    let db = Connection::open(file).unwrap();
    let rotten = "UPDATE operation SET doc = x'ffff' WHERE user_id = 'ann' AND key = 'one'";
    assert_eq!(db.execute(rotten, []).unwrap(), 1);
}

fn rot_the_table(file: &Path) {
    let db = Connection::open(file).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'operation'";
    let root: u32 = db.query_row(root, [], |row| row.get(0)).unwrap();
    let root = usize::try_from(root).unwrap();
    drop(db);
    let mut bytes = fs::read(file).unwrap();
    bytes[(root - 1) * 4_096..root * 4_096].fill(0);
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_rotten_key_costs_only_the_keys_of_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let store = damaged(directory.path(), rot_a_row);
    block_on(async {
        assert!(marked(&store, &owner("ann"), "two").await.unwrap(), "a sound key is not concerned");
        assert!(!marked(&store, &owner("ann"), "one").await.unwrap());
        assert!(marked(&store, &owner("ann"), "one").await.unwrap(), "new keys are kept");
        assert!(!marked(&store, &owner("ann"), "two").await.unwrap());
        assert!(marked(&store, &owner("bob"), "two").await.unwrap(), "another owner is not concerned");
        assert_eq!(store.statistics().damaged, 0);
        store.close().await;
    });
}

#[test]
fn a_rotten_table_of_keys_costs_only_the_keys() {
    for is_deletion in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let store = damaged(directory.path(), rot_the_table);
        block_on(async {
            if is_deletion {
                let deletion = write(&owner("ann"), Edit::DeleteAccount, None);
                store.commit(deletion).await.unwrap().unwrap();
            } else {
                assert!(!marked(&store, &owner("ann"), "one").await.unwrap());
            }
            assert!(!marked(&store, &owner("bob"), "two").await.unwrap());
            assert!(marked(&store, &owner("bob"), "two").await.unwrap(), "new keys are kept");
            assert!(store.ready().await.is_ok());
            assert_eq!(store.statistics().damaged, 0);
            store.close().await;
        });
    }
}
