//! Tests that the time and the memory of a list do not depend on the number of an owner's sessions.

use std::cell::Cell;

use rusqlite::{Connection, StatementStatus};

use crate::{
    domain::{AppId, Conversation, Limits, Owner, Presence, SessionTimes, Terms, Touch, UserId},
    store::{Maintenance, RecentQuery, StoreConfig, Touches, sqlite::SqliteStore},
    testing::block_on,
};

fn owner(name: &str) -> Owner {
    Owner { app: AppId::new(7).unwrap(), user: UserId::parse(name).unwrap() }
}

/// Gives an owner this many sessions.
async fn fill(store: &SqliteStore, owner: &Owner, count: u64) {
    let touch = |number: u64| Touch::Peer {
        owner: owner.clone(),
        peer: UserId::parse(&format!("peer{number}")).unwrap(),
        times: SessionTimes::new(1_000 + number * 7_919 % count, 5),
        needs_account: false,
    };
    store.touch((0..count).map(touch).collect()).await.unwrap();
}

/// Counts the steps that SQLite takes for a list and the users who are looked up for it.
fn steps(directory: &std::path::Path, owner: &Owner) -> (i32, usize) {
    let db = Connection::open(directory.join("confold.db")).unwrap();
    super::super::sums::install(&db).unwrap();
    let query = RecentQuery { listed: 100, oldest: 1, terms: Terms::of_tools(Limits::OPEN, 5) };
    let looked_up = Cell::new(0);
    let look_up = |named: &[Conversation]| {
        looked_up.set(looked_up.get() + named.len());
        Ok(named.iter().map(|_| Presence::User { imported: true }).collect())
    };
    let found = super::sessions(&db, owner, &query, Vec::new(), look_up).unwrap();
    assert_eq!(found.len(), 100);
    // The cached statement keeps its counters.
    let statement = db.prepare_cached(&super::newest()).unwrap();
    assert_eq!(statement.get_status(StatementStatus::Sort), 0);
    (statement.get_status(StatementStatus::VmStep), looked_up.get())
}

#[test]
fn a_list_of_an_owner_with_many_sessions_takes_as_many_steps_as_one_with_few() {
    let directory = tempfile::tempdir().unwrap();
    let (few, many) = (owner("few"), owner("many"));
    block_on(async {
        let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
        fill(&store, &few, 1_000).await;
        fill(&store, &many, 30_000).await;
        store.close().await;
    });
    let of_few = steps(directory.path(), &few);
    assert!(of_few.0 > 100, "{of_few:?}");
    assert_eq!(of_few, steps(directory.path(), &many));
}
