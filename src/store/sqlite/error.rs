//! What errors of SQLite mean for the store.

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
            // No statement here can break a constraint or become too large, unless a page shows what it should not.
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

/// Says of damage whose data it is.
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

/// What a failed commit means. When the disk is full nothing was written that counts; when the disk
/// itself fails – a write or a synchronisation – nobody knows what it holds.
pub(super) fn committing(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::SystemIoFailure) => StoreError::Lost(error.to_string()),
        _ => error.into(),
    }
}
