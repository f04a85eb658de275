//! The files of the store: their lock, who can read them, how connections to them are opened, and whether they
//! are still where they were.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{
    notices,
    open_error::OpenError,
    schema, sums,
    wal::{self, Log},
};
use crate::private;

/// The files of one store, locked for this process.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) directory: PathBuf,
    pub(super) database: PathBuf,
    /// The write-ahead log, which SQLite keeps beside the database.
    pub(super) log: PathBuf,
    /// What there is to say about who can read them.
    pub(super) remarks: Vec<String>,
    /// What was there when the directory was locked.
    pub(super) found: Found,
    /// The database and its log as they were opened.
    opened: [OnceLock<Opened>; 2],
    /// Locked, and not empty once a store was kept here.
    lock: File,
}

/// What a directory held before anything was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Whether a store was kept here at some time.
    pub(super) lock: bool,
    /// Whether there is a database with something in it.
    pub(super) database: bool,
    pub(super) log: Log,
}

/// What makes a file this one and no other, whatever its name is.
type Identity = (u64, u64);

/// The database file of a directory.
pub(super) fn database(directory: &Path) -> PathBuf {
    directory.join("confold.db")
}

impl Files {
    /// Locks the directory. It and the database are made if they are not there and `create` says so.
    ///
    /// # Errors
    /// [`OpenError`], before anything was changed.
    pub(super) fn lock(directory: &Path, create: bool) -> Result<Files, OpenError> {
        // Absolute, so that a parent directory that is moved away is noticed as well.
        let directory = &std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let failed = |source| OpenError::Directory { directory: directory.clone(), source };
        let (database, lock) = (database(directory), directory.join("lock"));
        let had_lock = fs::metadata(&lock).is_ok_and(|lock| lock.len() > 0);
        if !create && fs::metadata(&database).map_or(0, |file| file.len()) == 0 {
            return Err(OpenError::NoStore { directory: directory.clone(), had_one: had_lock });
        }
        let made = private::make_folder(directory).map_err(failed)?;
        let lock = open_or_create(&lock).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(directory.clone())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // The database may be a link; SQLite keeps its log beside the real file.
        let real = fs::canonicalize(&database).unwrap_or_else(|_| database.clone());
        let log = beside(&real, "-wal");
        let found = Found {
            lock: had_lock,
            database: fs::metadata(&database).is_ok_and(|file| file.len() > 0),
            log: wal::inspect(&log).map_err(failed)?,
        };
        if !found.database && matches!(found.log, Log::Frames(_) | Log::Unreadable) {
            // SQLite would delete the log of an empty database, and with it what can still be saved.
            return Err(OpenError::OnlyLog { log, database });
        }
        // SQLite would make it readable by everybody.
        match private::create_file(&database) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let mut remarks = tighten(directory, &real);
        if !made && let Some(mode) = private::open_to_others(directory).map_err(failed)? {
            remarks.push(format!(
                "other users of this machine can enter the directory {} (mode {mode:04o}); its files are private, \
                 but run: chmod go-rwx {0}",
                directory.display()
            ));
        }
        let opened = [OnceLock::new(), OnceLock::new()];
        Ok(Files { directory: directory.clone(), database, log, remarks, found, opened, lock })
    }

    /// The bytes of the database and of its log.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let of = |file: &Path| fs::metadata(file).map_or(0, |file| file.len());
        (of(&self.database), of(&self.log))
    }

    /// Opens one connection, as every connection of the process has to be opened.
    pub(super) fn connect(&self) -> Result<Connection, OpenError> {
        notices::start();
        let failed = |source| OpenError::Database { file: self.database.clone(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // unix-excl keeps the WAL index in this process's memory, shared by its connections, and
        // other processes out. `PRAGMA locking_mode` would lock out our own readers as well.
        let connection =
            Connection::open_with_flags_and_vfs(&self.database, flags, c"unix-excl").map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(64);
        // The writer runs the last checkpoint itself. SQLite's own, at the last close, would try again
        // what has just failed, believe it, and remove the log that tells a new start the truth.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
        rusqlite::vtab::array::load_module(&connection).map_err(failed)?;
        sums::install(&connection).map_err(failed)?;
        Ok(connection)
    }

    /// Leaves a sign that a store is kept here, by which a database that is missing is noticed.
    pub(super) fn leave_sign(&self) -> io::Result<()> {
        match self.found.lock {
            true => Ok(()),
            false => (&self.lock).write_all(b"A confold store is kept in this directory.\n"),
        }
    }

    /// Checks that the files are those that were opened, and that nobody has cut them. A file that was deleted or moved
    /// away keeps accepting writes that nobody will find again.
    ///
    /// # Errors
    /// Which of them is not.
    pub(super) fn check_identity(&self) -> Result<(), Misplaced> {
        let looked =
            [(&self.database, &self.opened[0]), (&self.log, &self.opened[1])].map(|(file, opened)| {
                let Ok(now) = fs::metadata(file) else { return Look::Elsewhere };
                let opened = opened
                    .get_or_init(|| Opened { identity: (now.dev(), now.ino()), length: AtomicU64::new(0) });
                if opened.identity != (now.dev(), now.ino()) {
                    return Look::Elsewhere;
                }
                let before = opened.length.swap(now.len(), Ordering::Relaxed);
                // SQLite itself only cuts a log that had become very long.
                if now.len() < before && before <= schema::LOG_LIMIT.unsigned_abs() {
                    Look::Cut
                } else {
                    Look::Sound
                }
            });
        match looked {
            [Look::Sound, Look::Sound] => Ok(()),
            [Look::Elsewhere, _] => Err(Misplaced::Database),
            [Look::Sound, Look::Elsewhere] => Err(Misplaced::Log),
            [Look::Cut, _] | [_, Look::Cut] => Err(Misplaced::Cut),
        }
    }

    /// What there is to say about files that are not as they were left.
    pub(super) fn describe(&self, misplaced: Misplaced) -> String {
        let (database, log) = (self.database.display(), self.log.display());
        match misplaced {
            Misplaced::Database => {
                format!("{database} is not where it was opened, or another file has taken its place")
            }
            Misplaced::Log => format!(
                "{log} is not where it was opened, or another file has taken its place; what it held was put into the database"
            ),
            Misplaced::Cut => {
                format!("{database} or {log} has become shorter, which only another program can have done")
            }
        }
    }
}

/// A file as it was opened.
#[derive(Debug)]
struct Opened {
    identity: Identity,
    /// Its length when it was looked at last.
    length: AtomicU64,
}

/// What one look at a file shows.
#[derive(Clone, Copy)]
enum Look {
    Sound,
    Elsewhere,
    Cut,
}

/// Files that are not as they were left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// The database is somewhere else, or deleted.
    Database,
    /// Only the log is.
    Log,
    /// One of them was cut.
    Cut,
}

/// A file that SQLite keeps beside its database.
fn beside(database: &Path, end: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(end);
    name.into()
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
fn tighten(directory: &Path, database: &Path) -> Vec<String> {
    let files = [directory.join("lock"), directory.join("ca.pem"), database.to_owned()];
    let (mut tightened, mut remarks) = (Vec::new(), Vec::new());
    for file in files.into_iter().chain(["-wal", "-shm", "-journal"].map(|end| beside(database, end))) {
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
