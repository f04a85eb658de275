//! Imports and exports of the data of one app over HTTP.
//!
//! These paths are outside `/v4/` and therefore use ordinary statuses (decision 22), but requests are signed like a
//! call (decision 25). Lines are processed on separate threads, because files may be tens of megabytes large and other
//! callers must not wait.

use std::{sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
};

use super::{
    answer::{Answer, Rest, Status},
    encoding,
    export::ExportBody,
    head::{Body, Head},
    id::Id,
    lines::{report, unknown_fields},
    observed::observe,
    origin,
    permits::Direction,
    state::{INTERCHANGE, State},
    transfer_refusal::TransferRefusal,
};
use crate::{
    api::Error,
    auth::Caller,
    interchange::{Export, ImportReport, ImportTerms, Intake, Purpose},
    log_lines::log,
    store::{CallContext, Store, StoreError},
    wire::code::Code,
};

/// How many pieces of a body may wait for the thread that reads their lines.
const PIECES: usize = 4;

/// The requested transfer.
#[derive(Clone, Copy)]
pub(super) enum Transfer {
    Export,
    Import(Purpose),
}

impl Transfer {
    /// An import that only checks lines.
    pub(super) const CHECK: Transfer = Transfer::Import(Purpose::Check);
    /// An import that applies lines.
    pub(super) const IMPORT: Transfer = Transfer::Import(Purpose::Apply);

    fn direction(self) -> Direction {
        match self {
            Transfer::Export => Direction::Out,
            Transfer::Import(_) => Direction::In,
        }
    }

    /// Returns the name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Transfer::Export => "export",
            Transfer::Import(Purpose::Apply) => "import",
            Transfer::Import(Purpose::Check) => "check",
        }
    }
}

/// Answers a request for a transfer, and passes the exchange to the observers.
pub(super) async fn answer(
    state: &State,
    task: Transfer,
    head: &Head<'_>,
    body: &mut Body<'_>,
    id: &Id<'_>,
) -> Answer {
    let asked = transfer(state, task, head, body, id).await;
    observe(state, task.name(), head, id, None, asked.as_ref().err());
    let answer = asked.unwrap_or_else(TransferRefusal::answer);
    Answer { rest: Rest::UnreadLines, ..answer }
}

async fn transfer(
    state: &State,
    task: Transfer,
    head: &Head<'_>,
    body: &mut Body<'_>,
    id: &Id<'_>,
) -> Result<Answer, TransferRefusal> {
    origin::check_page(head.headers).map_err(TransferRefusal::page)?;
    if state.published_keys {
        // A web page can sign with a published key, but it cannot address this server by an allowed name.
        state.hosts.check(head).map_err(TransferRefusal::page)?;
    }
    let access = state.access();
    let Caller { app, identifier } = access
        .identify(INTERCHANGE, head, state.service.clock.now())
        .map_err(|error| TransferRefusal::caller(&error))?;
    head.connection.mark_signed();
    if state.lines.take(Code::OK, head.started) {
        log!(INTERCHANGE, app = app.id.number(), source = %head.source, task = task.name());
    }
    let Some(permit) = state.transfers.permit(app.id, task.direction()) else {
        return Err(TransferRefusal {
            status: Status::Unavailable,
            code: Code::OVERLOAD,
            said: format!(
                "app {} is already running as many transfers of this kind as it may at once; try again later",
                app.id
            ),
            app: Some(app.id),
        });
    };
    match task {
        Transfer::Export => {
            let export = Export::new(Arc::clone(&state.service.store), Some(app.id));
            let body = ExportBody::new(export, permit).map_err(|error| TransferRefusal::thread(&error))?;
            Ok(Answer::lines(body))
        }
        Transfer::Import(purpose) => {
            let clock = state.service.clock.clone();
            let unknown = unknown_fields(head.query.unwrap_or_default())
                .map_err(|said| TransferRefusal { app: Some(app.id), ..TransferRefusal::query(said) })?;
            let context = CallContext { identifier: Some(identifier.into()), request: Some(id.get().into()) };
            let terms =
                ImportTerms { purpose, limits: app.limits, only: Some(app.id), unknown, clock, context };
            let still = || {
                let present = state.access();
                if Arc::ptr_eq(&present, &access) {
                    return Ok(());
                }
                present.identify(INTERCHANGE, head, state.service.clock.now()).map(drop)
            };
            let taken = take_in(state, terms, still, head, body, permit).await;
            taken.map_err(|refusal| TransferRefusal { app: Some(app.id), ..refusal })
        }
    }
}

/// Imports the lines of a body as long as `still` admits the caller, and reports the result. The permit is released
/// when the last line has been processed.
///
/// # Errors
/// Returns why the import did not complete.
async fn take_in(
    state: &State,
    terms: ImportTerms,
    still: impl Fn() -> Result<(), Error>,
    head: &Head<'_>,
    body: &mut Body<'_>,
    permit: OwnedSemaphorePermit,
) -> Result<Answer, TransferRefusal> {
    encoding::check_plain(head.headers).map_err(TransferRefusal::encoding)?;
    let (pieces, received) = mpsc::channel(PIECES);
    let (store, runtime) = (Arc::clone(&state.service.store), Handle::current());
    let (done, outcome) = oneshot::channel();
    let work = move || {
        let outcome = take_in_pieces(&*store, terms, received, &runtime);
        drop(permit);
        // An error means that the client has disconnected.
        let _ = done.send(outcome);
    };
    let started = thread::Builder::new().name("import".to_owned()).spawn(work);
    started.map_err(|error| TransferRefusal::thread(&error))?;
    let fed = feed(state.limits.idle, pieces, still, body).await;
    // If the sender was dropped, the thread panicked.
    let outcome = outcome.await.unwrap_or(Err(StoreError::Rule));
    fed?;
    match outcome {
        Ok(outcome) => Ok(report(&outcome.unwrap_or_default())),
        Err(error) => {
            log!(IMPORT_FAILED_IN_STORE, %error);
            Err(TransferRefusal::store(error))
        }
    }
}

async fn feed(
    idle: Duration,
    pieces: mpsc::Sender<Piece>,
    still: impl Fn() -> Result<(), Error>,
    body: &mut Body<'_>,
) -> Result<(), TransferRefusal> {
    loop {
        let frame = tokio::time::timeout(idle, body.frame());
        let piece = match frame.await.map_err(|_| TransferRefusal::body())? {
            None => Piece::End,
            Some(frame) => match frame.map_err(|_| TransferRefusal::body())?.into_data() {
                Ok(bytes) => Piece::Bytes(bytes),
                Err(_) => continue,
            },
        };
        still().map_err(|error| TransferRefusal::caller(&error))?;
        let is_end = matches!(piece, Piece::End);
        // The thread stops receiving after a bad line.
        if pieces.send(piece).await.is_err() || is_end {
            return Ok(());
        }
    }
}

/// A part of a body on its way to the thread that reads lines.
enum Piece {
    Bytes(Bytes),
    /// The end of the body, which completes its last line.
    End,
}

/// Imports lines on the calling thread. Returns `None` if the body broke off.
fn take_in_pieces(
    store: &dyn Store,
    terms: ImportTerms,
    mut pieces: mpsc::Receiver<Piece>,
    runtime: &Handle,
) -> Result<Option<ImportReport>, StoreError> {
    let mut intake = Intake::new(store, terms);
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => runtime.block_on(intake.feed(&bytes))?,
            Piece::End => return runtime.block_on(intake.end()).map(Some),
        }
        if intake.is_over() {
            return runtime.block_on(intake.end()).map(Some);
        }
    }
    Ok(None)
}
