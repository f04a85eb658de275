//! The errors that can occur when a store is opened.

use std::path::PathBuf;

use super::StoreError;

/// The reason why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be created or used.
    #[error("cannot use {directory} as a directory")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another process is using the directory.
    #[error(
        "the directory {0} is in use by another confold process; stop it first, or choose another directory"
    )]
    InUse(PathBuf),
    /// The database was written by a newer version of confold.
    #[error(
        "{file} has format {found}, this version of confold reads up to {known}; it was written by a newer version"
    )]
    Newer {
        /// The database file.
        file: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this version can read.
        known: i64,
    },
    /// The file is not a database of confold.
    #[error("{0} is not a confold database")]
    Foreign(PathBuf),
    /// There is no store, and the configuration does not allow creating one.
    #[error(
        "there is no store in {directory}{}, and store.create is false; check that the right volume is mounted, or set \
         store.create = true to make a new, empty store",
        if *had_one { ", although one was kept there before" } else { "" }
    )]
    NoStore {
        /// The directory.
        directory: PathBuf,
        /// Whether the directory has contained a store before.
        had_one: bool,
    },
    /// There is a log with changes, but its database is missing or empty.
    #[error(
        "{database} is missing or empty, but {log} holds changes that belong to it; put the database back, or move the \
         log away to begin with an empty store"
    )]
    OnlyLog {
        /// The log.
        log: PathBuf,
        /// The missing database.
        database: PathBuf,
    },
    /// The database cannot be opened.
    #[error("cannot open {file}")]
    Database {
        /// The database file.
        file: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The rows of an older format cannot be rewritten.
    #[error("cannot rewrite the rows of {file} for format {format}")]
    Rewriting {
        /// The database file.
        file: PathBuf,
        /// The cause.
        source: StoreError,
        /// The current format.
        format: i64,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
