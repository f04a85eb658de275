//! Tests that touches outlive the process, and what damage and older formats mean for them.

use std::path::Path;

use super::*;
use crate::{
    domain::{DirectoryMode, Edit, Limits, Owner, SessionTimes, Terms, UserId},
    store::sqlite::{
        SqliteStore,
        first_formats::{FORMAT_1, FORMAT_2},
        schema::{APPLICATION, FORMAT},
        upgrade::{BACK_TO_FORMAT_5, FORMAT_3},
    },
    store::{Maintenance, Owners, RecentQuery, StoreConfig, Touches, Write},
    testing::block_on,
};

fn app() -> AppId {
    AppId::new(7).unwrap()
}

fn owner(user: &str) -> Owner {
    Owner { app: app(), user: UserId::parse(user).unwrap() }
}

fn peer(user: &str, last: u64) -> Touch {
    let times = SessionTimes::new(last, last);
    Touch::Peer { owner: owner(user), peer: UserId::parse("peer").unwrap(), times, needs_account: false }
}

fn group(id: &str, last: u64) -> Touch {
    let times = ChatGroupTimes { incarnation: 3, times: SessionTimes::new(last, last) };
    Touch::ChatGroup { app: app(), id: ChatGroupId::parse(id).unwrap(), times }
}

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(&StoreConfig::new(directory)).unwrap()
}

fn close(store: SqliteStore) {
    block_on(store.close());
    drop(store);
}

/// Returns the times of the owner's sessions with `peer`.
async fn last(store: &SqliteStore, user: &str) -> Result<Vec<u64>, StoreError> {
    let query = RecentQuery { listed: 100, oldest: 1, terms: terms() };
    let found = store.recent(&owner(user), query).await?.sessions;
    Ok(found.iter().map(|session| session.last).collect())
}

async fn group_last(store: &SqliteStore, id: &str) -> Result<u64, StoreError> {
    let lives = vec![(ChatGroupId::parse(id).unwrap(), 3)];
    Ok(store.chat_group_times(app(), lives).await?[0].last())
}

fn terms() -> Terms {
    Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, 1_800_000_000) }
}

fn deletion(user: &str) -> Write {
    Write::new(owner(user), Edit::DeleteAccount, terms())
}

async fn delete_account(store: &SqliteStore, user: &str) -> Result<(), StoreError> {
    store.commit(deletion(user)).await.map(|outcome| drop(outcome.unwrap()))
}

#[test]
fn touches_outlive_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    block_on(store.touch(vec![peer("ann", 5), peer("bob", 6), group("g", 8)])).unwrap();
    block_on(delete_account(&store, "bob")).unwrap();
    close(store);
    let store = open(directory.path());
    block_on(async {
        assert_eq!(last(&store, "ann").await.unwrap(), [5]);
        assert_eq!(last(&store, "bob").await.unwrap(), [0; 0], "so does the end of sessions");
        assert_eq!(group_last(&store, "g").await.unwrap(), 8);
    });
    close(store);
}

#[test]
fn a_store_of_format_3_opens_and_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let old = Connection::open(directory.path().join("confold.db")).unwrap();
    for format in [FORMAT_1, FORMAT_2, FORMAT_3] {
        old.execute_batch(format).unwrap();
    }
    old.execute_batch(&format!(
        "INSERT INTO store (incarnation, filled, rewritten) VALUES ('0123456789abcdef', 1, 1);
         INSERT INTO account (app_id, user_id, nick, face_url) VALUES (7, 'ann', 'nick', '');
         PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 3; PRAGMA journal_mode = WAL;"
    ))
    .unwrap();
    drop(old);
    for time in [5, 6] {
        let store = open(directory.path());
        block_on(async {
            let account = store.load(&owner("ann")).await.unwrap().state.account;
            assert_eq!(account.unwrap().nick, "nick");
            store.touch(vec![peer("ann", time), group("g", time)]).await.unwrap();
            assert_eq!(last(&store, "ann").await.unwrap(), [time]);
            assert_eq!(group_last(&store, "g").await.unwrap(), time);
        });
        assert!(store.opening().summary.unwrap().to_string().contains("incarnation 0123456789abcdef"));
        close(store);
    }
    let db = Connection::open(directory.path().join("confold.db")).unwrap();
    let format: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(format, FORMAT, "an older version must not open it");
}

#[test]
fn damage_does_not_change_the_order_of_touches_and_edits() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    block_on(store.touch(vec![peer("ann", 5)])).unwrap();
    close(store);
    let db = Connection::open(directory.path().join("confold.db")).unwrap();
    assert_eq!(db.execute("UPDATE session SET last = 99", []).unwrap(), 1);
    drop(db);
    let store = open(directory.path());
    block_on(async {
        last(&store, "ann").await.unwrap_err();
        // The writer is held up until all of these are queued, so that they are in one batch.
        let (go, may_go) = std::sync::mpsc::channel::<()>();
        let held = store.between_writes(Box::new(move || may_go.recv().unwrap()));
        let before = store.touch(vec![peer("ann", 9)]);
        let deleted = store.commit(deletion("ann"));
        let after = store.touch(vec![peer("ann", 7)]);
        go.send(()).unwrap();
        held.await.unwrap();
        before.await.unwrap_err();
        deleted.await.unwrap().unwrap();
        after.await.unwrap();
        assert_eq!(last(&store, "ann").await.unwrap(), [7]);
    });
    close(store);
}

#[test]
fn a_changed_row_is_not_answered_and_affects_no_other() {
    for sql in [
        "UPDATE session SET last = 99 WHERE user_id = 'ann'",
        "UPDATE session SET seen = 99 WHERE user_id = 'ann'",
        "UPDATE session SET peer = 'pee' WHERE user_id = 'ann'",
        "UPDATE session SET user_id = 'ann' WHERE user_id = 'eve'",
        "UPDATE chat_group_times SET last = 99 WHERE group_id = 'g'",
        "UPDATE chat_group_times SET seen = 99 WHERE group_id = 'g'",
        "UPDATE chat_group_times SET incarnation = 4 WHERE group_id = 'g'",
        "UPDATE chat_group_times SET number = 4 WHERE group_id = 'g'",
        "UPDATE chat_group_times SET at = 4 WHERE group_id = 'g'",
        "UPDATE chat_group_times SET group_id = 'g' WHERE group_id = 'e'",
    ] {
        let is_session = sql.contains("UPDATE session");
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let (first, moved) = (!sql.contains("'eve'"), !sql.contains("'e'"));
        let mut touches = vec![peer("bob", 5), group("h", 5)];
        touches.push(if first { peer("ann", 5) } else { peer("eve", 5) });
        touches.push(if moved { group("g", 5) } else { group("e", 5) });
        block_on(store.touch(touches)).unwrap();
        close(store);
        let db = Connection::open(directory.path().join("confold.db")).unwrap();
        assert_eq!(db.execute(sql, []).unwrap(), 1, "{sql}");
        drop(db);
        let store = open(directory.path());
        block_on(async {
            let read = match is_session {
                true => last(&store, "ann").await.map(drop),
                false => group_last(&store, "g").await.map(drop),
            };
            let error = read.unwrap_err().to_string();
            let what = if is_session { "sessions of user \"ann\"" } else { "sessions of chat group \"g\"" };
            assert!(error.contains(what) && error.contains("does not match its checksum"), "{sql}: {error}");
            // Touches of other data in the same call are applied, and the store counts as able to write.
            let damaged = if is_session { peer("ann", 6) } else { group("g", 6) };
            let is_row_read = !sql.contains("'pee'");
            let others: Vec<String> = (0..20).map(|number| format!("other{number}")).collect();
            let mut touches = vec![peer("bob", 6), damaged, group("h", 6)];
            touches.extend(others.iter().map(|other| peer(other, 6)));
            let outcome = store.touch(touches).await;
            assert_eq!(outcome.is_err(), is_row_read, "{sql}: {outcome:?}");
            assert_eq!(last(&store, "bob").await.unwrap(), [6], "{sql}");
            for other in &others {
                assert_eq!(
                    last(&store, other).await.unwrap(),
                    [6],
                    "{sql}: the answer waits for all touches"
                );
            }
            assert_eq!(group_last(&store, "h").await.unwrap(), 6, "{sql}");
            assert_eq!(store.ready().await.unwrap().damaged, 1, "{sql}");
            assert_eq!(store.load(&owner("ann")).await.unwrap().revision.0, 0, "the owner can be read");
            // Deleting the account removes damaged rows as well.
            delete_account(&store, "ann").await.unwrap();
            assert_eq!(last(&store, "ann").await.unwrap(), [0; 0], "{sql}");
        });
        close(store);
    }
}

#[test]
fn an_error_is_not_answered_before_the_other_touches_are_applied() {
    let directory = tempfile::tempdir().unwrap();
    let users: Vec<String> = (0..12).map(|number| format!("ann{number}")).collect();
    let store = open(directory.path());
    block_on(store.touch(users.iter().map(|user| peer(user, 5)).collect())).unwrap();
    close(store);
    let db = Connection::open(directory.path().join("confold.db")).unwrap();
    assert_eq!(db.execute("UPDATE session SET last = 99", []).unwrap(), users.len());
    drop(db);
    let store = open(directory.path());
    // The two touches of a call are queued in a random order, so try it several times.
    for user in &users {
        let other = format!("other-{user}");
        block_on(async {
            store.touch(vec![peer(user, 6), peer(&other, 6)]).await.unwrap_err();
            assert_eq!(last(&store, &other).await.unwrap(), [6]);
        });
    }
    close(store);
}

#[test]
fn a_store_of_format_5_with_a_damaged_table_of_sessions_is_opened() {
    for is_damaged in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        close(open(directory.path()));
        let file = directory.path().join("confold.db");
        let db = Connection::open(&file).unwrap();
        db.execute_batch("DROP INDEX session_new").unwrap();
        db.execute_batch(BACK_TO_FORMAT_5).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'session'";
        let root: u32 = db.query_row(sql, [], |row| row.get(0)).unwrap();
        let root = root as usize;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        drop(db);
        if is_damaged {
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[(root - 1) * 4_096..root * 4_096].fill(0);
            std::fs::write(&file, bytes).unwrap();
        }
        let store = open(directory.path());
        block_on(async {
            store.touch(vec![peer("ann", 5), group("g", 6)]).await.unwrap();
            assert_eq!(last(&store, "ann").await.unwrap(), [5]);
            assert_eq!(group_last(&store, "g").await.unwrap(), 6);
        });
        close(store);
        let db = Connection::open(&file).unwrap();
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'damaged_session'";
        let left: i64 = db.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(left, i64::from(is_damaged));
    }
}
