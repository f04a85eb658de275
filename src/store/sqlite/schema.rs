//! The files of the store: their lock, their format, and how connections are opened.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::private;

/// The present format of the database. An older one would be brought up to it on opening; a newer
/// one is refused.
const FORMAT: i64 = 1;

/// `PRAGMA application_id`: tells a confold database from any other (`cfld`).
const APPLICATION: i64 = 0x6366_6c64;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made or used.
    #[error("cannot use {directory} as a directory")]
    Directory {
        /// Which.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error(
        "the directory {0} is in use by another confold process; stop it first, or choose another directory"
    )]
    InUse(PathBuf),
    /// The database is a newer version's.
    #[error(
        "{file} has format {found}, this version of confold reads up to {FORMAT}; it was written by a newer version"
    )]
    Newer {
        /// The database file.
        file: PathBuf,
        /// Its format.
        found: i64,
    },
    /// The file is no database of confold.
    #[error("{0} is not a confold database")]
    Foreign(PathBuf),
    /// SQLite refuses.
    #[error("cannot open {file}")]
    Database {
        /// The database file.
        file: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// The files of one store, locked for this process.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) database: PathBuf,
    /// What there is to say about who can read them.
    pub(super) remarks: Vec<String>,
    _lock: File,
}

/// The database file of a directory.
pub(super) fn database(directory: &Path) -> PathBuf {
    directory.join("confold.db")
}

impl Files {
    /// Makes the directory if need be, and locks it.
    pub(super) fn lock(directory: &Path) -> Result<Files, OpenError> {
        let failed = |source| OpenError::Directory { directory: directory.to_owned(), source };
        let made = private::make_folder(directory).map_err(failed)?;
        let lock = open_or_create(&directory.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(directory.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let database = database(directory);
        // SQLite would make it readable by everybody.
        match private::create_file(&database) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let mut remarks = tighten(directory);
        if !made && let Some(mode) = private::open_to_others(directory).map_err(failed)? {
            remarks.push(format!(
                "other users of this machine can enter the directory {} (mode {mode:04o}); its files are private, \
                 but run: chmod go-rwx {0}",
                directory.display()
            ));
        }
        Ok(Files { database, remarks, _lock: lock })
    }

    /// The bytes of the database and its log.
    pub(super) fn size(&self) -> u64 {
        let of = |file: &Path| fs::metadata(file).map_or(0, |file| file.len());
        of(&self.database) + of(&self.database.with_extension("db-wal"))
    }

    /// Opens one connection, as every connection of the process has to be opened.
    pub(super) fn connect(&self) -> Result<Connection, OpenError> {
        let failed = |source| OpenError::Database { file: self.database.clone(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // unix-excl keeps the WAL index in this process's memory, shared by its connections, and
        // other processes out. `PRAGMA locking_mode` would lock out our own readers as well.
        let connection =
            Connection::open_with_flags_and_vfs(&self.database, flags, c"unix-excl").map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(32);
        // The writer runs the last checkpoint itself. SQLite's own, at the last close, would try again
        // what has just failed, believe it, and remove the log that tells a new start the truth.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
        rusqlite::vtab::array::load_module(&connection).map_err(failed)?;
        Ok(connection)
    }
}

/// The lock file. A link in its place is not followed.
fn open_or_create(file: &Path) -> io::Result<File> {
    match private::create_file(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().append(true).custom_flags(private::NO_LINK | private::NO_WAIT).open(file)
        }
        other => other,
    }
}

/// Takes away what others may do with the files of a directory, and says what was done.
fn tighten(directory: &Path) -> Vec<String> {
    // The database may be a link; SQLite keeps its log beside the real file, and gives it the same mode.
    let database = database(directory);
    let database = fs::canonicalize(&database).unwrap_or(database);
    let beside = |end: &str| database.with_extension(format!("db{end}"));
    let files = [directory.join("lock"), directory.join("ca.pem"), database.clone()];
    let (mut tightened, mut remarks) = (Vec::new(), Vec::new());
    for file in files.into_iter().chain(["-wal", "-shm", "-journal"].map(beside)) {
        match private::tighten(&file) {
            Ok(None) => {}
            Ok(Some(mode)) => {
                let name = file.file_name().unwrap_or_default();
                tightened.push(format!("{} (mode {mode:04o})", name.display()));
            }
            Err(error) => remarks.push(format!(
                "other users of this machine can read {}, and that cannot be changed: {error}",
                file.display()
            )),
        }
    }
    if !tightened.is_empty() {
        remarks.push(format!(
            "other users of this machine could read files in {}, and cannot any more: {}",
            directory.display(),
            tightened.join(", ")
        ));
    }
    remarks
}

/// Opens the connection of the writer, and the database. With it comes whether its first filling is
/// still to be made.
pub(super) fn open(files: &Files) -> Result<(Connection, bool), OpenError> {
    let failed = |source| OpenError::Database { file: files.database.clone(), source };
    let mut connection = files.connect()?;
    let pragma =
        |connection: &Connection, name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let format = pragma(&connection, "user_version").map_err(failed)?;
    let application = pragma(&connection, "application_id").map_err(failed)?;
    let tables = (connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)))
        .map_err(failed)?;
    if (tables > 0 || application != 0) && application != APPLICATION {
        return Err(OpenError::Foreign(files.database.clone()));
    }
    if format > FORMAT {
        return Err(OpenError::Newer { file: files.database.clone(), found: format });
    }
    prepare(&mut connection, format == 0).map_err(failed)?;
    let filled = connection.query_row("SELECT filled FROM store", [], |row| row.get::<_, bool>(0));
    Ok((connection, !filled.map_err(failed)?))
}

fn prepare(connection: &mut Connection, create: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL, not NORMAL: in WAL mode NORMAL loses acknowledged commits when power fails.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Checkpoints are run by the writer, after it has answered.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    if create {
        let transaction = connection.transaction()?;
        transaction.execute_batch(SCHEMA)?;
        // Told to clients with versions and cursors, so that one from another life of the store is
        // recognised (decision 21).
        transaction
            .execute("INSERT INTO store (incarnation, filled) VALUES (lower(hex(randomblob(8))), 0)", [])?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
    }
    Ok(())
}

const SCHEMA: &str = "
CREATE TABLE store (incarnation TEXT NOT NULL, filled INTEGER NOT NULL);
-- One document per owner, in chunks. Rowid tables: they write less than WITHOUT ROWID here.
CREATE TABLE organizer (
    app_id INTEGER NOT NULL, user_id TEXT NOT NULL, chunk INTEGER NOT NULL, doc BLOB NOT NULL,
    PRIMARY KEY (app_id, user_id, chunk));
CREATE TABLE account (
    app_id INTEGER NOT NULL, user_id TEXT NOT NULL, nick TEXT NOT NULL, face_url TEXT NOT NULL,
    PRIMARY KEY (app_id, user_id)) WITHOUT ROWID;
-- Destroyed chat groups stay, with kind NULL: their incarnation keeps old records dead. They are
-- listed by seq, which a group keeps for ever.
CREATE TABLE chat_group (
    seq INTEGER PRIMARY KEY,
    app_id INTEGER NOT NULL, group_id TEXT NOT NULL, incarnation INTEGER NOT NULL,
    kind INTEGER, name TEXT, owner TEXT, introduction TEXT, notification TEXT, face_url TEXT,
    max_members INTEGER, join_option INTEGER, created_at INTEGER, members BLOB,
    UNIQUE (app_id, group_id));
CREATE INDEX chat_group_list ON chat_group (app_id, seq) WHERE kind IS NOT NULL;
-- What happened to a whole app: seq counts per app, kind 1 is the disbanding of the chat group.
CREATE TABLE app_event (
    app_id INTEGER NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL,
    group_id TEXT NOT NULL, incarnation INTEGER NOT NULL,
    PRIMARY KEY (app_id, seq)) WITHOUT ROWID;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_durable_when_they_return() {
        let directory = tempfile::tempdir().unwrap();
        let (connection, _) = open(&Files::lock(directory.path()).unwrap()).unwrap();
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0)).unwrap();
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(pragma("journal_mode"), "wal");
        assert_eq!(number("synchronous"), 2, "FULL: NORMAL loses acknowledged commits when power fails");
    }

    #[test]
    fn a_newer_format_and_a_foreign_file_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        drop(open(&Files::lock(directory.path()).unwrap()).unwrap());
        let file = directory.path().join("confold.db");
        Connection::open(&file).unwrap().pragma_update(None, "user_version", FORMAT + 1).unwrap();
        let refused = open(&Files::lock(directory.path()).unwrap()).unwrap_err();
        assert!(matches!(refused, OpenError::Newer { found, .. } if found == FORMAT + 1), "{refused}");

        let other = tempfile::tempdir().unwrap();
        let foreign = Connection::open(other.path().join("confold.db")).unwrap();
        foreign.execute_batch("CREATE TABLE theirs (a)").unwrap();
        drop(foreign);
        let refused = open(&Files::lock(other.path()).unwrap()).unwrap_err();
        assert!(matches!(refused, OpenError::Foreign(_)), "{refused}");
    }
}
