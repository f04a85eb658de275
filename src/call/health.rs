//! Health checks, with ordinary statuses: `/healthz` reports that the process is alive, `/readyz` that a change would be
//! durable now.

use std::time::Duration;

use super::answer::{Answer, Status};
use crate::{
    log_lines::log,
    store::{Readiness, Store, StoreError},
};

pub(super) fn alive() -> Answer {
    Answer::text(Status::Ok, "ok\n")
}

/// Queries the store, which may hang, so the answer is limited to the time of a call. Its first line is `ready` or
/// begins with `not ready: `. Damage to single owners is reported on a second line, because all other owners are still
/// served.
pub(super) async fn ready(store: &dyn Store, within: Duration) -> Answer {
    match tokio::time::timeout(within, store.ready()).await {
        Ok(Ok(Readiness { damaged: 0 })) => Answer::text(Status::Ok, "ready\n"),
        Ok(Ok(Readiness { damaged })) => {
            Answer::text(Status::Ok, format!("ready\ndamaged: {damaged} owners or chat groups\n"))
        }
        Ok(Err(error)) => {
            log!(NOT_READY, %error);
            not_ready(why(&error))
        }
        Err(_) => not_ready("the store does not answer"),
    }
}

fn not_ready(why: &str) -> Answer {
    Answer::text(Status::Unavailable, format!("not ready: {why}\n"))
}

/// Returns a reason that anyone may see. The full error appears only in the log.
fn why(error: &StoreError) -> &'static str {
    match error {
        StoreError::Full(_) => "the disk is full",
        StoreError::ReadOnly(_) => "the database is read-only",
        StoreError::Damaged { .. } => "the database is damaged, so that changes cannot be written",
        StoreError::Busy => "too many changes are waiting to be written",
        StoreError::Lost(_) | StoreError::Moved(_) | StoreError::Closed => "the store is closed",
        StoreError::Failed(_)
        | StoreError::Rule
        | StoreError::Conflict(_)
        | StoreError::Elsewhere(_)
        | StoreError::KeyReused => "the store fails",
    }
}
