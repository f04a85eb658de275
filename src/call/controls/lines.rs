//! Controls that replace data by lines: receiving all lines, and applying them to completion.

use std::{sync::Arc, thread};

use http_body_util::BodyExt;
use tokio::{
    runtime::Handle,
    sync::{OwnedMutexGuard, oneshot},
};

use super::refusal::{Refused, bad, snapshot_refusal};
use crate::{
    call::{
        answer::{Answer, Status},
        head::Body,
        lines::report,
        state::State,
    },
    controls::{Controls, SnapshotError, Spool, SpoolError},
    domain::Limits,
    interchange::{ImportTerms, IntakeError, Purpose, UnknownFields, take_in},
    log_lines::log,
    store::StoreError,
};

impl State {
    /// Receives all lines of a body.
    pub(super) async fn spooled(&self, body: &mut Body<'_>) -> Result<Spool, Refused> {
        let broken = || bad("the body is incomplete or too slow; nothing was applied".to_owned());
        let mut spool = Spool::default();
        loop {
            let frame = tokio::time::timeout(self.limits.idle, body.frame());
            let Some(frame) = frame.await.map_err(|_| broken())? else { return Ok(spool) };
            let Ok(piece) = frame.map_err(|_| broken())?.into_data() else { continue };
            spool.add(&piece).map_err(|error| match error {
                SpoolError::TooLarge(_) => (Status::TooLarge, error.to_string()),
                SpoolError::File(_) => (Status::Unavailable, error.to_string()),
            })?;
        }
    }

    /// Applies lines on a separate thread, which holds the lock until it ends even if the client disconnects.
    pub(super) async fn seed(
        &self,
        controls: &Controls,
        lines: Spool,
        unknown: UnknownFields,
    ) -> Result<Answer, Refused> {
        // A file may contain several apps, so the widest limits of all apps apply.
        let access = self.access();
        let widest = access.gate.apps().all().iter().map(|app| app.limits).max_by_key(|one| one.groups);
        let limits = widest.unwrap_or(Limits::TENCENT);
        let clock = self.service.clock.clone();
        let terms = ImportTerms { unknown, ..ImportTerms::of_tools(Purpose::Apply, limits, clock) };
        let store = Arc::clone(&self.service.store);
        let lines = lines.into_lines().map_err(|error| snapshot_refusal(SnapshotError::File(error)))?;
        let turn = Arc::clone(&controls.turn).lock_owned().await;
        let taken = run_to_completion(turn, async move { take_in(&*store, terms, lines).await }).await?;
        match taken.unwrap_or(Err(IntakeError::Store(StoreError::Rule))) {
            // Status 200 means that every line was accepted.
            Ok(outcome) => Ok(report(&outcome)),
            Err(error) => Err(snapshot_refusal(error.into())),
        }
    }
}

/// Runs work that must not stop half-way, on a separate thread that holds the lock until it ends, even if the client
/// disconnects. Returns `None` if the thread panicked.
pub(super) async fn run_to_completion<T: Send + 'static>(
    turn: OwnedMutexGuard<()>,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<Option<T>, Refused> {
    let runtime = Handle::current();
    let (done, outcome) = oneshot::channel();
    let thread = move || {
        let outcome = runtime.block_on(work);
        drop(turn);
        // An error means that the client has disconnected.
        let _ = done.send(outcome);
    };
    thread::Builder::new().name("control".to_owned()).spawn(thread).map_err(|error| {
        log!(NO_THREAD_FOR_CONTROL, %error);
        let said = "the system cannot start a thread for this; try again later";
        (Status::Unavailable, said.to_owned())
    })?;
    Ok(outcome.await.ok())
}
