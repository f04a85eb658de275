//! Upgrades databases of format 2 that have many rows, and interrupts the upgrade at every statement.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use rusqlite::{
    Connection,
    trace::{TraceEvent, TraceEventCodes},
};

use super::tests::{app, block_on, close, open};
use crate::{
    domain::{ChatGroupId, Owner, UnixSeconds, UserId, WantedMembers},
    store::{
        Directory, Owners,
        sqlite::{
            files::Files,
            open_error::OpenError,
            schema::{APPLICATION, FORMAT_1, FORMAT_2, Opened, open_with},
        },
    },
};

const NOW: UnixSeconds = 1_800_000_000;
/// The incarnation of every store that [`format_2`] makes.
const INCARNATION: &str = "0123456789abcdef";

/// Creates a store of format 2 with this many owners and chat groups. The chat group with the number n has n % 3
/// members. `closed` is whether it was closed normally.
fn format_2(directory: &Path, count: usize, closed: bool) {
    let old = Connection::open(directory.join("confold.db")).unwrap();
    old.execute_batch(FORMAT_1).unwrap();
    old.execute_batch(FORMAT_2).unwrap();
    old.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 2; PRAGMA journal_mode = WAL; BEGIN;
         INSERT INTO store (incarnation, filled, closed) VALUES ('{INCARNATION}', 1, {closed});
         INSERT INTO app VALUES (7, {count});"
    ))
    .unwrap();
    for number in 0..count {
        let document = super::tests::DOCUMENT;
        let members = ["0100", "010103616e6e0006", "010203626f62010503616e6e0006"][number % 3];
        old.execute_batch(&format!(
            "INSERT INTO account VALUES (7, 'u{number:05}', 'nick {number}', '');
             INSERT INTO organizer VALUES (7, 'u{number:05}', 0, x'{document}');
             INSERT INTO chat_group (app_id, group_id, incarnation, kind, name, owner, introduction, notification,
                 face_url, max_members, join_option, created_at, members)
                 VALUES (7, 'g{number:05}', {number}, 0, 'name {number}', 'boss', '', '', '', 9, 0, 5, x'{members}');
             INSERT INTO app_event VALUES (7, {number} + 1, 1, 'g{number:05}', {number}, 4000000000);"
        ))
        .unwrap();
    }
    old.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// Opens a database, and calls `watch` before each statement with its text.
fn open_watched(
    directory: &Path,
    mut watch: impl FnMut(&str) + Send + 'static,
) -> (Result<Opened, OpenError>, Files) {
    let files = Files::lock(directory, true).unwrap();
    let mut connection = files.connect().unwrap();
    let traced = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            watch(sql);
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(traced)).unwrap();
    (open_with(connection, &files, true, NOW), files)
}

/// Opens a database. Returns what a kill before each statement, and at the end, would leave.
fn interrupted(directory: &Path) -> Vec<(String, tempfile::TempDir)> {
    let images = Arc::new(Mutex::new(Vec::new()));
    let (watched, from) = (Arc::clone(&images), directory.to_owned());
    let copy = move |sql: &str| {
        let image = tempfile::tempdir().unwrap();
        for file in ["confold.db", "confold.db-wal", "lock"] {
            if from.join(file).exists() {
                std::fs::copy(from.join(file), image.path().join(file)).unwrap();
            }
        }
        watched.lock().unwrap().push((sql.to_owned(), image));
    };
    let mut last = copy.clone();
    let opened = open_watched(directory, copy);
    opened.0.unwrap();
    last("the end");
    std::mem::take(&mut images.lock().unwrap())
}

fn query<T: rusqlite::types::FromSql>(directory: &Path, sql: &str) -> T {
    let db = Connection::open(directory.join("confold.db")).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_loss_is_noticed_even_if_the_start_that_found_it_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    // The store was in use, and its log is gone.
    format_2(directory.path(), 4, false);
    std::fs::remove_file(directory.path().join("confold.db-wal")).unwrap_or_default();
    let images = interrupted(directory.path());
    assert!(images.len() > 20, "{}", images.len());
    for (before, image) in images {
        close(open(image.path()));
        let incarnation: String = query(image.path(), "SELECT incarnation FROM store");
        assert_ne!(incarnation, INCARNATION, "killed before {before}");
    }
}
