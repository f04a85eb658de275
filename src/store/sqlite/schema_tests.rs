use std::path::Path;

use super::{super::files::Misplaced, *};

const NOW: UnixSeconds = 1_800_000_000;

/// The expected text about some damage, and a function that causes it in a log.
type Damage = (&'static str, fn(&Path));

fn files(directory: &Path) -> Files {
    Files::lock(directory, true).unwrap()
}

fn opened(directory: &Path) -> (Opened, Files) {
    let files = files(directory);
    (open(&files, Some(64), NOW).unwrap(), files)
}

/// Copies the files while the store is in use, which is what a crash would leave.
fn crash(directory: &Path) -> tempfile::TempDir {
    let image = tempfile::tempdir().unwrap();
    for file in ["confold.db", "confold.db-wal", "lock"] {
        std::fs::copy(directory.join(file), image.path().join(file)).unwrap();
    }
    image
}

fn add_account(db: &Connection, user: &str) {
    db.execute("INSERT INTO account (app_id, user_id, nick, face_url) VALUES (1, ?1, '', '')", [user])
        .unwrap();
}

fn incarnation(db: &Connection) -> String {
    db.query_row("SELECT incarnation FROM store", [], |row| row.get(0)).unwrap()
}

/// Copies a store in use, as a crash would leave it, with one account that is only in its log. Returns its
/// incarnation, too.
fn image_with_account() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let (opened, _files) = opened(directory.path());
    add_account(&opened.connection, "a");
    (crash(directory.path()), incarnation(&opened.connection))
}

#[test]
fn commits_are_durable_when_they_return() {
    let directory = tempfile::tempdir().unwrap();
    let (Opened { connection, .. }, _files) = opened(directory.path());
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0)).unwrap();
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(
        number("synchronous"),
        2,
        "synchronous has to be FULL, because NORMAL can lose acknowledged commits"
    );
    assert_eq!(number("journal_size_limit"), LOG_LIMIT);
}

#[test]
fn a_newer_format_and_a_foreign_file_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(opened(directory.path()));
    let file = directory.path().join("confold.db");
    Connection::open(&file).unwrap().pragma_update(None, "user_version", FORMAT + 1).unwrap();
    let refused = open(&files(directory.path()), Some(64), NOW).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found, .. } if found == FORMAT + 1), "{refused}");

    let other = tempfile::tempdir().unwrap();
    let foreign = Connection::open(other.path().join("confold.db")).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(foreign);
    let refused = open(&files(other.path()), Some(64), NOW).err().unwrap();
    assert!(matches!(refused, OpenError::Foreign(_)), "{refused}");
}

#[test]
fn a_store_of_format_1_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let old = Connection::open(directory.path().join("confold.db")).unwrap();
    old.execute_batch(FORMAT_1).unwrap();
    old.execute_batch(&format!(
        "INSERT INTO store VALUES ('0123456789abcdef', 1);
         INSERT INTO account VALUES (7, 'a', 'nick', '');
         INSERT INTO chat_group (app_id, group_id, incarnation) VALUES (7, 'gone', 2), (7, 'new', 0), (8, 'gone', 1);
         INSERT INTO app_event VALUES (7, 1, 1, 'gone', 1), (7, 2, 1, 'gone', 2), (8, 1, 1, 'gone', 1);
         PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;"
    ))
    .unwrap();
    drop(old);
    let (Opened { connection, unfilled, buckets, opening, marked, has_traces }, _files) =
        opened(directory.path());
    assert!(!unfilled && marked && !has_traces);
    assert_eq!(buckets, 64);
    assert_eq!(incarnation(&connection), "0123456789abcdef");
    assert!(opening.summary().to_string().contains("1 accounts, 0 owners"), "{opening:?}");
    let all = |sql: &str| {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.collect::<Result<Vec<(i64, String, i64)>, _>>().unwrap()
    };
    let group = |app, id: &str, number| (app, id.to_owned(), number);
    assert_eq!(
        all("SELECT app_id, group_id, disbanding FROM chat_group ORDER BY seq"),
        [group(7, "gone", 2), group(7, "new", 0), group(8, "gone", 1)]
    );
    assert_eq!(
        all("SELECT app_id, group_id, at FROM app_event ORDER BY app_id, seq"),
        [(7, "gone"), (7, "gone"), (8, "gone")].map(|(app, id)| group(app, id, 1_800_000_000))
    );
    assert_eq!(
        all("SELECT app_id, '', disbandings FROM app ORDER BY app_id"),
        [group(7, "", 2), group(8, "", 1)]
    );
}

#[test]
fn the_opening_describes_the_state_of_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let (first, files) = opened(directory.path());
    let created = first.opening.summary().to_string();
    assert!(created.starts_with("created a new, empty store in /"), "{created}");
    let name = incarnation(&first.connection);
    assert!(created.ends_with(&format!("incarnation {name}")), "{created}");
    assert!(first.opening.losses.is_empty() && first.opening.doubts.is_empty());
    add_account(&first.connection, "a");
    let image = crash(directory.path());
    mark_closed(&first.connection).unwrap();
    frames(&first.connection, "TRUNCATE").unwrap();
    drop((first, files));

    let (closed, _files) = opened(directory.path());
    let said = closed.opening.summary().to_string();
    assert!(
        said.contains(&format!(
            "incarnation {name}, 1 accounts, 0 owners; frames in the log: 0 recovered, 0 dropped"
        )),
        "{said}"
    );
    assert!(closed.opening.losses.is_empty() && closed.opening.doubts.is_empty());

    let (crashed, _files) = opened(image.path());
    let said = crashed.opening.summary().to_string();
    let recovered: u64 = said.split("log: ").last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(said.contains("1 accounts") && recovered > 0, "{said}");
    assert!(crashed.opening.losses.is_empty() && crashed.opening.doubts.is_empty());
}

#[test]
fn a_log_that_is_missing_or_damaged_is_a_loss() {
    let log = |image: &tempfile::TempDir| image.path().join("confold.db-wal");
    let damages: [Damage; 3] = [
        ("is missing", |log| std::fs::remove_file(log).unwrap()),
        ("is empty", |log| std::fs::write(log, []).unwrap()),
        ("has a damaged header", |log| {
            let mut bytes = std::fs::read(log).unwrap();
            bytes[..32].fill(0);
            std::fs::write(log, bytes).unwrap();
        }),
    ];
    for (said, damage) in damages {
        let (image, before) = image_with_account();
        damage(&log(&image));
        let (found, files) = opened(image.path());
        let losses = &found.opening.losses;
        assert!(losses.len() == 1 && losses[0].to_string().contains(said), "{said}: {losses:?}");
        let after = incarnation(&found.connection);
        assert_ne!(after, before, "{said}: the store has a new incarnation");
        assert!(found.opening.summary().to_string().contains(&after), "{:?}", found.opening);
        // The loss is reported only once.
        mark_closed(&found.connection).unwrap();
        frames(&found.connection, "TRUNCATE").unwrap();
        drop((found, files));
        assert!(opened(image.path()).0.opening.losses.is_empty());
    }
}

#[test]
fn frames_that_cannot_be_used_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (opened_first, _files) = opened(directory.path());
    add_account(&opened_first.connection, "a");
    add_account(&opened_first.connection, "b");
    let image = crash(directory.path());
    let log = image.path().join("confold.db-wal");
    let mut bytes = std::fs::read(&log).unwrap();
    // Damage the last frame of the second change.
    let Log::Frames(found) = super::super::wal::inspect(&log).unwrap() else { panic!("no frames") };
    let count = found.written;
    let frame = 24 + 4_096;
    bytes[32 + (usize::try_from(count).unwrap() - 1) * frame + 500] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let (found, _files) = opened(image.path());
    let doubts = &found.opening.doubts;
    assert!(
        doubts.len() == 1 && doubts[0].to_string().contains(&format!("the last 1 of {count} frames")),
        "{doubts:?}"
    );
    assert!(found.opening.summary().to_string().contains("1 accounts"), "{:?}", found.opening);
}

#[test]
fn a_database_that_is_missing_is_noticed() {
    let (image, _) = image_with_account();
    std::fs::remove_file(image.path().join("confold.db")).unwrap();
    let refused = Files::lock(image.path(), true).unwrap_err();
    assert!(matches!(refused, OpenError::OnlyLog { .. }), "{refused}");
    assert!(image.path().join("confold.db-wal").exists(), "the log is not deleted");
    std::fs::remove_file(image.path().join("confold.db-wal")).unwrap();
    let refused = Files::lock(image.path(), false).unwrap_err().to_string();
    assert!(refused.contains("although one was kept there before"), "{refused}");
    let (found, _files) = opened(image.path());
    assert!(
        found.opening.losses[0].to_string().contains("nothing of it is left"),
        "{:?}",
        found.opening.losses
    );
}

#[test]
fn a_store_is_created_only_where_that_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("not/mounted");
    let refused = Files::lock(&missing, false).unwrap_err();
    assert!(matches!(refused, OpenError::NoStore { had_one: false, .. }), "{refused}");
    assert!(!missing.exists(), "the directory is not created");
    drop(opened(&missing));
    assert!(Files::lock(&missing, false).is_ok());
    // The file exists, but contains no store.
    for database in [Vec::from("\n"), {
        let empty = tempfile::tempdir().unwrap();
        let file = empty.path().join("empty.db");
        Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (a); DROP TABLE t").unwrap();
        std::fs::read(file).unwrap()
    }] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("confold.db"), database).unwrap();
        assert!(open(&Files::lock(directory.path(), false).unwrap(), None, NOW).is_err());
    }
}

#[test]
fn files_that_are_moved_away_are_noticed() {
    let outside = tempfile::tempdir().unwrap();
    let (before, after) = (outside.path().join("before"), outside.path().join("after"));
    let (_opened, files) = opened(&before);
    files.check_identity().unwrap();
    let open = |name: &str| std::fs::OpenOptions::new().write(true).open(before.join(name)).unwrap();
    let length = std::fs::metadata(before.join("confold.db-wal")).unwrap().len();
    open("confold.db-wal").set_len(length - 1).unwrap();
    assert_eq!(files.check_identity(), Err(Misplaced::Cut));
    open("confold.db-wal").set_len(length).unwrap();
    std::fs::rename(&before, &after).unwrap();
    assert_eq!(files.check_identity(), Err(Misplaced::Database));
    std::fs::create_dir(&before).unwrap();
    for file in ["confold.db", "confold.db-wal"] {
        std::fs::copy(after.join(file), before.join(file)).unwrap();
    }
    assert_eq!(files.check_identity(), Err(Misplaced::Database), "a copy is a different file");
    std::fs::remove_dir_all(&before).unwrap();
    std::fs::rename(&after, &before).unwrap();
    files.check_identity().unwrap();
    std::fs::remove_file(before.join("confold.db-wal")).unwrap();
    assert_eq!(files.check_identity(), Err(Misplaced::Log));
}
