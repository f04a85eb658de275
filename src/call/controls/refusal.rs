//! Why requests below `/_dev/` are refused.

use crate::{call::answer::Status, controls::SnapshotError, log_lines::log, store::StoreError};

/// A refused request: the status and the message.
pub(super) type Refused = (Status, String);

/// Refuses a request because of its content.
pub(super) fn bad(said: String) -> Refused {
    (Status::BadRequest, said)
}

/// Logs an error of the store, and refuses the request.
pub(super) fn failed(error: &StoreError) -> Refused {
    log!(CONTROL_FAILED_IN_STORE, %error);
    (Status::Unavailable, "the store failed; see the log of the server".to_owned())
}

/// Refuses a request because of an error of a snapshot, or of lines that are applied like one.
pub(super) fn snapshot_refusal(error: SnapshotError) -> Refused {
    match error {
        SnapshotError::Unknown { .. } => (Status::NotFound, error.to_string()),
        SnapshotError::NoName | SnapshotError::LongName(_) | SnapshotError::Many => bad(error.to_string()),
        SnapshotError::Store(error) => failed(&error),
        other => (Status::Unavailable, other.to_string()),
    }
}
