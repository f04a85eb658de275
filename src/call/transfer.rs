//! Imports and exports over HTTP: all data of one app out, or lines of it in.
//!
//! Outside `/v4/`, and therefore with ordinary statuses (decision 22), but signed like a call (decision 25). Lines are
//! processed on separate threads, because files may have tens of megabytes and other callers must not wait.

use std::{collections::BTreeMap, io, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
};

use super::{
    answer::{Answer, Rest, Status},
    encoding,
    exchange::{Bodies, Exchange, Failure, Subject},
    export::ExportBody,
    head::{Body, Head},
    id::Id,
    lines::{report, unknown_fields},
    origin,
    permits::Direction,
    state::{INTERCHANGE, State},
};
use crate::{
    api::{Error, Family},
    auth::Caller,
    domain::AppId,
    excerpt,
    interchange::{Export, ImportReport, ImportTerms, Intake, Purpose},
    store::{CallContext, Store, StoreError},
    wire::code::Code,
};

/// How many pieces of a body may wait for the thread that reads their lines.
const PIECES: usize = 4;

/// The requested transfer.
#[derive(Clone, Copy)]
pub(super) enum Task {
    Export,
    Import(Purpose),
}

impl Task {
    /// An import that only checks lines.
    pub(super) const CHECK: Task = Task::Import(Purpose::Check);
    /// An import that applies lines.
    pub(super) const IMPORT: Task = Task::Import(Purpose::Apply);

    fn direction(self) -> Direction {
        match self {
            Task::Export => Direction::Out,
            Task::Import(_) => Direction::In,
        }
    }

    /// Returns the name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Task::Export => "export",
            Task::Import(Purpose::Apply) => "import",
            Task::Import(Purpose::Check) => "check",
        }
    }
}

/// Answers a request for a transfer, and passes the exchange to the observers.
pub(super) async fn answer(
    state: &State,
    task: Task,
    head: &Head<'_>,
    body: &mut Body<'_>,
    id: &Id<'_>,
) -> Answer {
    let asked = transfer(state, task, head, body, id).await;
    let refusal = asked.as_ref().err();
    let failure = refusal.map(|refusal| Failure { error: None, info: &refusal.said, hint: None });
    state.observers.observe(Exchange {
        head,
        subject: Subject::Transfer(task.name()),
        app: refusal.and_then(|refusal| refusal.app),
        calls: &state.access().calls,
        took: state.service.clock.elapsed().saturating_sub(head.started),
        code: refusal.map_or(Code::OK, |refusal| refusal.code),
        failure: failure.as_ref(),
        items: &BTreeMap::new(),
        item_hint: None,
        bodies: Bodies::default(),
        cut: false,
        id,
    });
    let answer = asked.unwrap_or_else(Refusal::answer);
    Answer { rest: Rest::UnreadLines, ..answer }
}

async fn transfer(
    state: &State,
    task: Task,
    head: &Head<'_>,
    body: &mut Body<'_>,
    id: &Id<'_>,
) -> Result<Answer, Refusal> {
    origin::check_page(head.headers).map_err(Refusal::page)?;
    if state.published_keys {
        // A web page can sign with a published key, but it cannot address this server by an allowed name.
        state.hosts.check(head).map_err(Refusal::page)?;
    }
    let access = state.access();
    let Caller { app, identifier } = access
        .identify(INTERCHANGE, head, state.service.clock.now())
        .map_err(|error| Refusal::caller(&error))?;
    head.connection.mark_signed();
    if state.lines.take(Code::OK, head.started) {
        tracing::info!(app = app.id.number(), source = %head.source, task = task.name(), "interchange");
    }
    let Some(permit) = state.transfers.permit(app.id, task.direction()) else {
        return Err(Refusal {
            status: Status::Unavailable,
            code: Code::OVERLOAD,
            said: format!(
                "app {} has as many transfers of this kind running as it may have at once; try again later",
                app.id
            ),
            app: Some(app.id),
        });
    };
    match task {
        Task::Export => {
            let export = Export::new(Arc::clone(&state.service.store), Some(app.id));
            let body = ExportBody::new(export, permit).map_err(|error| Refusal::thread(&error))?;
            Ok(Answer::lines(body))
        }
        Task::Import(purpose) => {
            let clock = state.service.clock.clone();
            let unknown = unknown_fields(head.query.unwrap_or_default())
                .map_err(|said| Refusal { app: Some(app.id), ..Refusal::query(said) })?;
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
            taken.map_err(|refusal| Refusal { app: Some(app.id), ..refusal })
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
) -> Result<Answer, Refusal> {
    encoding::check_plain(head.headers).map_err(Refusal::encoding)?;
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
    started.map_err(|error| Refusal::thread(&error))?;
    let fed = feed(state.limits.idle, pieces, still, body).await;
    // If the sender was dropped, the thread panicked.
    let outcome = outcome.await.unwrap_or(Err(StoreError::Rule));
    fed?;
    match outcome {
        Ok(outcome) => Ok(report(&outcome.unwrap_or_default())),
        Err(error) => {
            tracing::error!(%error, "the store failed under an import");
            Err(Refusal::store(error))
        }
    }
}

async fn feed(
    idle: Duration,
    pieces: mpsc::Sender<Piece>,
    still: impl Fn() -> Result<(), Error>,
    body: &mut Body<'_>,
) -> Result<(), Refusal> {
    loop {
        let frame = tokio::time::timeout(idle, body.frame());
        let piece = match frame.await.map_err(|_| Refusal::body())? {
            None => Piece::End,
            Some(frame) => match frame.map_err(|_| Refusal::body())?.into_data() {
                Ok(bytes) => Piece::Bytes(bytes),
                Err(_) => continue,
            },
        };
        still().map_err(|error| Refusal::caller(&error))?;
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

/// Why a transfer was refused or broke off.
pub(super) struct Refusal {
    status: Status,
    code: Code,
    said: String,
    /// The app of an admitted caller.
    app: Option<AppId>,
}

impl Refusal {
    /// Converts the refusal to an answer.
    pub(super) fn answer(self) -> Answer {
        Answer::failure(self.status, self.code, &self.said)
    }

    fn new(status: Status, error: &Error) -> Refusal {
        let said = excerpt::line(&error.reply_text().info).into_owned();
        Refusal { status, code: error.code(Family::RecentContact), said, app: None }
    }

    /// Refuses a request that a web page may have sent.
    fn page(said: String) -> Refusal {
        Refusal { status: Status::Forbidden, code: Code::RESOURCE, said, app: None }
    }

    /// Refuses a bad query parameter.
    fn query(said: String) -> Refusal {
        Refusal { status: Status::BadRequest, code: Code::HTTP, said, app: None }
    }

    /// Refuses a caller who is not, or no longer, admitted.
    fn caller(error: &Error) -> Refusal {
        Refusal::new(Status::Forbidden, error)
    }

    /// Refuses an encoded body.
    fn encoding(said: String) -> Refusal {
        Refusal { status: Status::BadRequest, code: Code::HTTP, said, app: None }
    }

    fn store(error: StoreError) -> Refusal {
        Refusal::new(Status::Unavailable, &Error::Store(error))
    }

    /// Reports that a thread cannot be started.
    fn thread(error: &io::Error) -> Refusal {
        tracing::error!(%error, "a thread for a transfer cannot be started");
        let said = "the system cannot start a thread for this transfer; try again later".to_owned();
        Refusal { status: Status::Unavailable, code: Code::OVERLOAD, said, app: None }
    }

    fn body() -> Refusal {
        let said = "the body is incomplete or too slow".to_owned();
        Refusal { status: Status::BadRequest, code: Code::HTTP, said, app: None }
    }
}
