//! The files of the store: locks them, makes them private, opens connections, and notices if they are moved or deleted.

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
    notices, schema, sums,
    wal::{self, Log},
};
use crate::{
    log_lines::{self, Finding},
    private,
    store::OpenError,
};

/// The files of one store, locked for this process.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) directory: PathBuf,
    pub(super) database: PathBuf,
    /// The write-ahead log, which SQLite keeps beside the database.
    pub(super) log: PathBuf,
    /// Remarks for the log about files that other users could read.
    pub(super) remarks: Vec<Finding>,
    /// What the directory contained when it was locked.
    pub(super) found: Found,
    /// The database and its log as they were when first checked.
    opened: [OnceLock<Opened>; 2],
    /// The lock file. It is not empty if the directory has ever contained a store.
    lock: File,
}

/// What a directory contained before anything was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Whether the directory has ever contained a store.
    pub(super) lock: bool,
    /// Whether there is a database that is not empty.
    pub(super) database: bool,
    pub(super) log: Log,
}

/// The device and inode of a file, which identify it independently of its name.
type Identity = (u64, u64);

/// Returns the path of the database in a directory.
pub(super) fn database(directory: &Path) -> PathBuf {
    directory.join("confold.db")
}

impl Files {
    /// Locks the directory. If `create` is set, a missing directory or database is created.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the directory cannot be used.
    pub(super) fn lock(directory: &Path, create: bool) -> Result<Files, OpenError> {
        // Use the absolute path, so that moving a parent directory is noticed as well.
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
        // The database may be a symbolic link, and SQLite puts the log next to the real file.
        let real = fs::canonicalize(&database).unwrap_or_else(|_| database.clone());
        let log = beside(&real, "-wal");
        let found = Found {
            lock: had_lock,
            database: fs::metadata(&database).is_ok_and(|file| file.len() > 0),
            log: wal::inspect(&log).map_err(failed)?,
        };
        if !found.database && matches!(found.log, Log::Frames(_) | Log::Unreadable) {
            // SQLite would delete the log of an empty database, although its changes could still be recovered.
            return Err(OpenError::OnlyLog { log, database });
        }
        // Create the file here, because SQLite would make it readable by everybody.
        match private::create_file(&database) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let mut remarks = tighten(directory, &real);
        if !made && let Some(mode) = private::open_to_others(directory).map_err(failed)? {
            let (place, permissions) = (directory.display(), format!("{mode:04o}"));
            remarks.push(log_lines::DIRECTORY_OPEN_TO_OTHERS.found([&place, &permissions, &place]));
        }
        let opened = [OnceLock::new(), OnceLock::new()];
        Ok(Files { directory: directory.clone(), database, log, remarks, found, opened, lock })
    }

    /// Returns the sizes of the database and of its log, in bytes.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let of = |file: &Path| fs::metadata(file).map_or(0, |file| file.len());
        (of(&self.database), of(&self.log))
    }

    /// Opens a connection with the settings that every connection needs.
    pub(super) fn connect(&self) -> Result<Connection, OpenError> {
        notices::start();
        let failed = |source: rusqlite::Error| OpenError::Database {
            file: self.database.clone(),
            source: source.into(),
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // unix-excl locks out other processes and keeps the index of the log in this process's memory, where its
        // connections share it. `PRAGMA locking_mode` would also lock out the readers of this process.
        let connection =
            Connection::open_with_flags_and_vfs(&self.database, flags, c"unix-excl").map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(64);
        // The writer runs the last checkpoint itself. If that fails, SQLite's own checkpoint at the last close might
        // appear to succeed and delete the log, which the next startup needs for recovery.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
        rusqlite::vtab::array::load_module(&connection).map_err(failed)?;
        sums::install(&connection).map_err(failed)?;
        Ok(connection)
    }

    /// Lets other processes, and other stores of this process, use the directory. Called when nothing uses the files
    /// any more.
    pub(super) fn release(&self) {
        // If this fails, the lock is released when the file is closed.
        let _ = self.lock.unlock();
    }

    /// Writes a sentence to the lock file, so that a missing database is noticed at later startups.
    pub(super) fn mark_directory(&self) -> io::Result<()> {
        match self.found.lock {
            true => Ok(()),
            false => (&self.lock).write_all(b"A confold store is kept in this directory.\n"),
        }
    }

    /// Checks that the paths still lead to the files that were opened, and that these were not truncated. Writes to a
    /// deleted or moved file succeed, but would be lost.
    ///
    /// # Errors
    /// Returns what has changed.
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
                // SQLite only truncates a log that is longer than this limit.
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

    /// Records that the log was truncated, so that [`Files::check_identity`] does not take it for another program's work.
    pub(super) fn note_emptied_log(&self) {
        if let Some(opened) = self.opened[1].get() {
            opened.length.store(0, Ordering::Relaxed);
        }
    }

    /// Describes the changed files for an error message.
    pub(super) fn describe(&self, misplaced: Misplaced) -> String {
        let (database, log) = (self.database.display(), self.log.display());
        match misplaced {
            Misplaced::Database => {
                format!("{database} is not where it was opened, or another file has taken its place")
            }
            Misplaced::Log => format!(
                "{log} is not where it was opened, or another file has taken its place; its content was copied into the database"
            ),
            Misplaced::Cut => {
                format!("{database} or {log} has become shorter, which only another program can have done")
            }
        }
    }
}

/// A file as it was when first checked.
#[derive(Debug)]
struct Opened {
    identity: Identity,
    /// Its length at the last check.
    length: AtomicU64,
}

/// The result of checking one file.
#[derive(Clone, Copy)]
enum Look {
    Sound,
    Elsewhere,
    Cut,
}

/// How the files were changed by another program or a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// The database was moved or deleted.
    Database,
    /// Only the log was moved or deleted.
    Log,
    /// The database or the log was truncated.
    Cut,
}

/// Returns the path of a file that SQLite keeps next to the database.
fn beside(database: &Path, end: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Opens or creates the lock file. It does not follow a symbolic link.
fn open_or_create(file: &Path) -> io::Result<File> {
    match private::create_file(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().append(true).custom_flags(private::NO_LINK | private::NO_WAIT).open(file)
        }
        other => other,
    }
}

/// Removes the permissions of other users from the files of a directory, and returns remarks for the log.
fn tighten(directory: &Path, database: &Path) -> Vec<Finding> {
    let files = [directory.join("lock"), directory.join("ca.pem"), database.to_owned()];
    let (mut tightened, mut remarks) = (Vec::new(), Vec::new());
    for file in files.into_iter().chain(["-wal", "-shm", "-journal"].map(|end| beside(database, end))) {
        match private::tighten(&file) {
            Ok(None) => {}
            Ok(Some(mode)) => {
                let name = file.file_name().unwrap_or_default();
                tightened.push(format!("{} (mode {mode:04o})", name.display()));
            }
            Err(error) => {
                remarks.push(log_lines::FILE_NOT_RESTRICTED.found([&file.display(), &error]));
            }
        }
    }
    if !tightened.is_empty() {
        let files = tightened.join(", ");
        remarks.push(log_lines::FILES_RESTRICTED.found([&directory.display(), &files]));
    }
    remarks
}
