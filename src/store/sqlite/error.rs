//! Converts SQLite's errors to the store's.

use crate::store::{Damaged, StoreError};

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::{
            ConstraintViolation, DatabaseCorrupt, DiskFull, InternalMalfunction, NotADatabase, ReadOnly,
            TooBig,
        };
        let reason = error.to_string();
        let is_content = matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
        );
        match error.sqlite_error_code() {
            // Valid data never violates a constraint and never becomes too large, so these errors also indicate damage.
            Some(DatabaseCorrupt | NotADatabase | ConstraintViolation | TooBig | InternalMalfunction) => {
                StoreError::Damaged { what: Damaged::Database, reason }
            }
            _ if is_content => StoreError::Damaged { what: Damaged::Database, reason },
            Some(DiskFull) => StoreError::Full(reason),
            Some(ReadOnly) => StoreError::ReadOnly(reason),
            _ => StoreError::Failed(reason),
        }
    }
}

/// Replaces the general [`Damaged::Database`] in an error with the data that is actually damaged.
pub(super) fn attribute_damage<T>(
    what: impl FnOnce() -> Damaged,
    read: Result<T, StoreError>,
) -> Result<T, StoreError> {
    read.map_err(|error| match error {
        StoreError::Damaged { what: Damaged::Database, reason } => {
            StoreError::Damaged { what: what(), reason }
        }
        other => other,
    })
}

/// Converts the error of a commit or checkpoint. If the disk fails to write or sync, its content is unknown; after
/// other errors, such as a full disk, the transaction was not committed.
pub(super) fn committing(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::SystemIoFailure) => StoreError::Lost(error.to_string()),
        _ => error.into(),
    }
}
