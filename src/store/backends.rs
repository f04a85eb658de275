//! The kinds of stores. This is the only file that names them.

use std::sync::Arc;

use super::{Backend, OpenError, Store, StoreConfig, memory::MemoryStore, sqlite};

/// Opens or creates the configured store.
///
/// # Errors
/// Returns [`OpenError`], with a message for the operator.
pub fn open(config: &StoreConfig) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match config.backend {
        Backend::Memory => Arc::new(MemoryStore::default()),
        Backend::Sqlite => Arc::new(sqlite::SqliteStore::open(config)?),
    })
}

/// Creates an empty in-memory store, for checks and tests.
#[must_use]
pub fn in_memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

/// Checks whether the configured store exists.
#[must_use]
pub fn exists(config: &StoreConfig) -> bool {
    match config.backend {
        Backend::Memory => false,
        Backend::Sqlite => sqlite::SqliteStore::exists(&config.directory),
    }
}

/// Checks whether the configured store could be opened, without creating, opening or locking anything.
///
/// # Errors
/// Returns the [`OpenError`] that [`open`] would return, if it can be found out without opening the store.
pub fn survey(config: &StoreConfig) -> Result<(), OpenError> {
    match config.backend {
        Backend::Memory => Ok(()),
        Backend::Sqlite => sqlite::survey(&config.directory, config.create),
    }
}

/// Checks whether the configured store exists and this user cannot write to it. A server would then refuse every change.
#[must_use]
pub fn is_read_only(config: &StoreConfig) -> bool {
    match config.backend {
        Backend::Memory => false,
        Backend::Sqlite => sqlite::is_read_only(&config.directory),
    }
}

/// Checks whether another process is using the configured store. On systems that do not show locks, this is always false.
#[must_use]
pub fn is_in_use(config: &StoreConfig) -> bool {
    match config.backend {
        Backend::Memory => false,
        Backend::Sqlite => sqlite::is_in_use(&config.directory),
    }
}
