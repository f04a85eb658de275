//! Upgrades databases of format 2 that have many rows, and interrupts the upgrade at every statement.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use rusqlite::{
    Connection,
    trace::{TraceEvent, TraceEventCodes},
};

use super::{
    STEP,
    tests::{DOCUMENT as DOCUMENT_2, app, close, open},
};
use crate::{
    domain::{ChatGroupId, Owner, UnixSeconds, UserId, WantedMembers},
    store::{
        Directory, OpenError, Owners,
        sqlite::{
            chat_groups,
            files::Files,
            first_formats::{FORMAT_1, FORMAT_2},
            schema::{APPLICATION, Opened, open_with},
        },
    },
    testing::block_on,
};

const NOW: UnixSeconds = 1_800_000_000;
/// The incarnation of every store that [`format_2`] makes.
const INCARNATION: &str = "0123456789abcdef";

/// Creates a store of format 2 with this many owners and chat groups. The chat group with the number n has n % 3
/// members. If `closed` is true, it was closed normally.
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
        let members = ["0100", "010103616e6e0006", "010203626f62010503616e6e0006"][number % 3];
        old.execute_batch(&format!(
            "INSERT INTO account VALUES (7, 'u{number:05}', 'nick {number}', '');
             INSERT INTO organizer VALUES (7, 'u{number:05}', 0, x'{DOCUMENT_2}');
             INSERT INTO chat_group (app_id, group_id, incarnation, kind, name, owner, introduction, notification,
                 face_url, max_members, join_option, created_at, members)
                 VALUES (7, 'g{number:05}', {number}, 0, 'name {number}', 'boss', '', '', '', 9, 0, 5, x'{members}');
             INSERT INTO app_event VALUES (7, {number} + 1, 1, 'g{number:05}', {number}, 4000000000);"
        ))
        .unwrap();
    }
    old.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// Opens a database with a connection that is prepared by `prepare`, and calls `watch` before each statement with its
/// text. Rows are rewritten in steps of at most `most` rows.
fn open_watched(
    directory: &Path,
    most: i64,
    prepare: impl FnOnce(&Connection),
    mut watch: impl FnMut(&str) + Send + 'static,
) -> (Result<Opened, OpenError>, Files) {
    let files = Files::lock(directory, true).unwrap();
    let mut connection = files.connect().unwrap();
    prepare(&connection);
    let traced = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            watch(sql);
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(traced)).unwrap();
    (open_with(connection, &files, Some(64), NOW, most), files)
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
    let last = copy.clone();
    let opened = open_watched(directory, 2, |_| {}, copy);
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
        close(&open(image.path()));
        let incarnation: String = query(image.path(), "SELECT incarnation FROM store");
        assert_ne!(incarnation, INCARNATION, "killed before {before}");
    }
}

/// Checks that a database contains what [`format_2`] wrote.
fn check(directory: &Path, count: usize, before: &str) {
    let store = open(directory);
    block_on(async {
        for number in 0..count {
            let owner = Owner { app: app(), user: UserId::parse(&format!("u{number:05}")).unwrap() };
            let loaded = store.load(&owner).await.unwrap().state;
            assert_eq!(loaded.account.unwrap().nick, format!("nick {number}"), "{before}");
            assert_eq!(
                (loaded.organizer.groups().len(), loaded.organizer.records().len()),
                (2, 1),
                "{before}"
            );
            let id = ChatGroupId::parse(&format!("g{number:05}")).unwrap();
            let found = store.chat_groups(app(), vec![id], WantedMembers::All).await.unwrap();
            let state = found[0].as_ref().unwrap();
            let members: Vec<_> = state.members.iter().map(|member| member.user.as_str()).collect();
            assert_eq!(members, [&[][..], &["ann"], &["bob", "ann"]][number % 3], "{before}");
            assert_eq!(state.group.listed, members.len(), "{before}");
            assert_eq!(state.group.incarnation as usize, number, "{before}");
            assert_eq!(state.group.profile.as_ref().unwrap().name, format!("name {number}"), "{before}");
        }
    });
    close(&store);
    let events = "SELECT count(*) || ' ' || sum(seq) || ' ' || sum(incarnation) || ' ' || sum(at) || ' '
        || (SELECT disbandings FROM app) FROM app_event";
    let total = count * (count - 1) / 2;
    let expected = format!("{count} {} {total} {} {count}", total + count, count * 4_000_000_000);
    assert_eq!(query::<String>(directory, events), expected, "{before}");
    let sums = "SELECT (SELECT count(*) FROM chat_group WHERE sum IS NULL OR members IS NOT NULL)
        + (SELECT count(*) FROM account WHERE sum IS NULL) + (SELECT count(*) FROM organizer WHERE sum IS NULL)
        + (SELECT count(*) FROM app_event WHERE sum IS NULL) + (SELECT count(*) FROM app WHERE sum IS NULL)";
    assert_eq!(query::<i64>(directory, sums), 0, "{before}: every row was rewritten");
}

#[test]
fn a_store_whose_rows_cannot_be_rewritten_for_lack_of_room_is_opened() {
    const COUNT: usize = 600;
    let directory = tempfile::tempdir().unwrap();
    format_2(directory.path(), COUNT, true);
    let pages: i64 = query(directory.path(), "PRAGMA page_count");
    let limit = |connection: &Connection| {
        connection.pragma_update(None, "max_page_count", pages + 11).unwrap();
    };
    let (opened, files) = open_watched(directory.path(), STEP, limit, |_| {});
    let opened = opened.unwrap();
    assert!(opened.marked);
    let doubts = &opened.opening.doubts;
    assert!(doubts.len() == 1 && doubts[0].to_string().contains("is not upgraded completely"), "{doubts:?}");
    let is_rewritten = "SELECT rewritten FROM store";
    assert!(!opened.connection.query_row(is_rewritten, [], |row| row.get::<_, bool>(0)).unwrap());
    // Rows of both forms can be read.
    for (number, members) in [(1, 1), (COUNT - 1, 2)] {
        let id = ChatGroupId::parse(&format!("g{number:05}")).unwrap();
        let all = WantedMembers::All;
        let found = chat_groups::loaded(&opened.connection, app(), &id, &all).unwrap().unwrap();
        assert_eq!(found.members.len(), members);
    }
    drop((opened, files));
    check(directory.path(), COUNT, "when there is room again");
    assert!(query::<bool>(directory.path(), is_rewritten));
}

#[test]
fn a_store_that_can_only_be_read_is_opened_before_its_rows_are_rewritten() {
    let directory = tempfile::tempdir().unwrap();
    format_2(directory.path(), 4, true);
    let images = interrupted(directory.path());
    // The mark has been written, and the rows have not.
    let (_, image) = images.iter().find(|(before, _)| before.contains("SELECT rewritten")).unwrap();
    let read_only = |connection: &Connection| connection.pragma_update(None, "query_only", true).unwrap();
    let (opened, files) = open_watched(image.path(), STEP, read_only, |_| {});
    let opened = opened.unwrap();
    assert!(!opened.marked);
    let losses = &opened.opening.losses;
    assert!(losses.len() == 1 && losses[0].to_string().contains("can only be read"), "{losses:?}");
    drop((opened, files));
    check(image.path(), 4, "when it can be written again");
}

#[test]
fn many_rows_are_rewritten_in_few_transactions_and_with_a_short_log() {
    const COUNT: usize = 4_000;
    let directory = tempfile::tempdir().unwrap();
    format_2(directory.path(), COUNT, true);
    let log = directory.path().join("confold.db-wal");
    let seen = Arc::new(Mutex::new((0, 0)));
    let noted = Arc::clone(&seen);
    let watch = move |sql: &str| {
        let mut seen = noted.lock().unwrap();
        seen.0 += u64::from(sql == "COMMIT");
        seen.1 = seen.1.max(std::fs::metadata(&log).map_or(0, |log| log.len()));
    };
    let (opened, files) = open_watched(directory.path(), STEP, |_| {}, watch);
    drop((opened.unwrap(), files));
    let (commits, longest) = *seen.lock().unwrap();
    check(directory.path(), COUNT, "the end");
    let whole = std::fs::metadata(directory.path().join("confold.db")).unwrap().len();
    assert!(commits < 60, "{commits} transactions");
    assert!(longest < whole / 2, "the log had {longest} bytes, and the database has {whole}");
}

#[test]
fn damage_costs_only_the_rows_that_it_concerns() {
    const COUNT: usize = 600;
    let directory = tempfile::tempdir().unwrap();
    format_2(directory.path(), COUNT, true);
    let file = directory.path().join("confold.db");
    let db = Connection::open(&file).unwrap();
    db.execute_batch(
        "UPDATE chat_group SET members = x'ff' WHERE group_id = 'g00100'; PRAGMA wal_checkpoint(TRUNCATE)",
    )
    .unwrap();
    drop(db);
    // Destroy the page with the organizer in the middle.
    let mut bytes = std::fs::read(&file).unwrap();
    let holds = |page: &[u8], text: &[u8]| page.windows(text.len()).any(|window| window == text);
    // This finds a leaf of the table rather than of its index, because only the table contains the names of
    // conversation groups.
    let lost = bytes
        .chunks(4_096)
        .position(|page| page[0] == 0x0d && holds(page, b"u00300") && holds(page, "жж".as_bytes()))
        .unwrap();
    bytes[lost * 4_096..(lost + 1) * 4_096].fill(0);
    std::fs::write(&file, bytes).unwrap();
    close(&open(directory.path()));
    let packed = "SELECT group_concat(group_id) FROM chat_group WHERE members IS NOT NULL";
    assert_eq!(query::<String>(directory.path(), packed), "g00100");
    for (user, table) in [0, COUNT / 4, 3 * COUNT / 4, COUNT - 1].map(|number| (number, "organizer")) {
        let sum = format!("SELECT sum IS NOT NULL FROM {table} WHERE app_id = 7 AND user_id = 'u{user:05}'");
        assert!(query::<bool>(directory.path(), &sum), "{user}");
    }
    assert!(query::<bool>(directory.path(), "SELECT rewritten FROM store"));
}

#[test]
fn a_kill_at_any_point_of_the_upgrade_loses_nothing() {
    const COUNT: usize = 7;
    let directory = tempfile::tempdir().unwrap();
    format_2(directory.path(), COUNT, true);
    let images = interrupted(directory.path());
    let commits = images.iter().filter(|(before, _)| before == "COMMIT").count();
    assert!(commits > 5 * COUNT / 2, "{commits} transactions");
    for (number, (before, image)) in images.iter().enumerate() {
        check(image.path(), COUNT, &format!("killed before statement {number}, {before}"));
        assert_eq!(query::<String>(image.path(), "SELECT incarnation FROM store"), INCARNATION, "{before}");
    }
}

/// A kill while the first transaction is written leaves frames in the log, but no commit.
#[test]
fn a_loss_is_noticed_even_if_the_start_that_found_it_began_a_new_log() {
    let directory = tempfile::tempdir().unwrap();
    format_2(directory.path(), 4, false);
    std::fs::remove_file(directory.path().join("confold.db-wal")).unwrap_or_default();
    let images = interrupted(directory.path());
    let (_, image) = images.iter().find(|(before, _)| before.contains("SELECT filled")).unwrap();
    let log = std::fs::OpenOptions::new().write(true).open(image.path().join("confold.db-wal")).unwrap();
    let length = log.metadata().unwrap().len();
    assert!(length > 32 + 2 * (24 + 4_096), "the transaction has several frames");
    log.set_len(length - (24 + 4_096)).unwrap();
    close(&open(image.path()));
    let incarnation: String = query(image.path(), "SELECT incarnation FROM store");
    assert_ne!(incarnation, INCARNATION);
    check(image.path(), 4, "a cut log");
}
