//! Why a store cannot be opened.

use std::path::PathBuf;

use super::schema::FORMAT;

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
    /// There is no store, and none may be made.
    #[error(
        "there is no store in {directory}{}, and store.create is false; check that the right volume is mounted, or set \
         store.create = true to make a new, empty store",
        if *had_one { ", although one was kept there before" } else { "" }
    )]
    NoStore {
        /// Where one was expected.
        directory: PathBuf,
        /// Whether the directory shows that it held one.
        had_one: bool,
    },
    /// A log without its database.
    #[error(
        "{database} is missing or empty, but {log} holds changes that belong to it; put the database back, or move the \
         log away to begin with an empty store"
    )]
    OnlyLog {
        /// The log.
        log: PathBuf,
        /// The database that is missing.
        database: PathBuf,
    },
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
