//! The file format over HTTP, for the tools: everything of one app out, or lines of it in.
//!
//! Outside `/v4/`, so with ordinary statuses (decision 22), but signed like a call (decision 25). Lines are read and
//! written on threads of their own: one may have tens of megabytes, and other callers must not wait for it.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{HeaderMap, Response, StatusCode, Uri, Version, body::Incoming, http::request::Parts};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
};

use super::{
    HttpService, INTERCHANGE,
    answer::{self, Answered},
    body::drain,
    call_log, encoding,
    export_body::ExportBody,
    origin,
    request::Arrival,
    taken::{report, unknown_fields},
};
use crate::{
    api::{Error, Family},
    domain::AppId,
    excerpt,
    interchange::{Export, Intake, Outcome, Purpose, Terms},
    store::{Store, StoreError},
    wire::code::Code,
};

/// How much of an import that has ended early is read away before the answer over HTTP/2, and for how long.
const DRAINED_HTTP2: (usize, Duration) = (64 << 20, Duration::from_secs(2));

/// How many imports, and how many exports, of one app may run at once.
const IMPORTS: usize = 1;
const EXPORTS: usize = 2;

/// How many pieces of a body wait for the thread that reads their lines.
const PIECES: usize = 4;

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) enum Task {
    Export,
    Import(Purpose),
}

impl Task {
    /// The task of a path.
    pub(super) fn find(path: &str) -> Option<Task> {
        match path.strip_prefix("/interchange/")? {
            "export" => Some(Task::Export),
            "import" => Some(Task::Import(Purpose::Apply)),
            "check" => Some(Task::Import(Purpose::Check)),
            _ => None,
        }
    }

    /// Its name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Task::Export => "export",
            Task::Import(Purpose::Apply) => "import",
            Task::Import(Purpose::Check) => "check",
        }
    }
}

/// The transfers that run. Each app has its own permits, so that a slow one keeps no other out.
#[derive(Debug, Default)]
pub(super) struct Transfers(Mutex<HashMap<(AppId, bool), Arc<Semaphore>>>);

impl Transfers {
    fn permit(&self, app: AppId, task: Task) -> Option<OwnedSemaphorePermit> {
        let is_export = matches!(task, Task::Export);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = if is_export { EXPORTS } else { IMPORTS };
        let permits = all.entry((app, is_export)).or_insert_with(|| Arc::new(Semaphore::new(most)));
        Arc::clone(permits).try_acquire_owned().ok()
    }
}

impl HttpService {
    /// Answers a request for a task, and records a refusal.
    pub(super) async fn transfer(
        &self,
        task: Task,
        head: &Parts,
        arrival: &Arrival<'_>,
        id: &str,
        body: &mut Incoming,
    ) -> Answered {
        let asked = self.try_transfer(task, head, arrival, body).await;
        let code = asked.as_ref().map_or_else(|refusal| refusal.code, |_| Code::OK);
        if let Some(metrics) = &self.metrics {
            metrics.transfer(task.name(), code);
        }
        if head.version == Version::HTTP_2 {
            // More than of other requests, because files are large.
            drain(body, DRAINED_HTTP2).await;
        }
        match asked {
            Ok(response) => Answered::given(response),
            Err(refusal) => {
                self.record_refusal(&head.uri, &refusal, arrival, id);
                Answered::refused(refusal.answer())
            }
        }
    }

    fn record_refusal(&self, uri: &Uri, refusal: &Refusal, arrival: &Arrival<'_>, id: &str) {
        let entry = call_log::Entry {
            id,
            command: None,
            app: refusal.app,
            took: self.service.clock.elapsed().saturating_sub(arrival.started),
            source: arrival.source,
            uri,
            body: &[],
            items: &BTreeMap::new(),
        };
        entry.refused(uri.path(), refusal.code, &refusal.said, &self.lines, arrival.started);
    }

    async fn try_transfer(
        &self,
        task: Task,
        head: &Parts,
        arrival: &Arrival<'_>,
        body: &mut Incoming,
    ) -> Result<Response<answer::Body>, Refusal> {
        let (uri, headers) = (&head.uri, &head.headers);
        origin::check_page(headers).map_err(Refusal::page)?;
        if self.published_keys {
            // A page can sign with a key that everybody knows; what it cannot do is call this server by a name of ours.
            self.hosts.check(uri, headers).map_err(Refusal::page)?;
        }
        let access = self.access();
        let source = arrival.source;
        let identify = || access.identify(INTERCHANGE, uri, source, self.service.clock.now());
        let app = identify().map_err(|error| Refusal::caller(&error))?;
        arrival.place.activity.mark_signed();
        if self.lines.take(Code::OK, arrival.started) {
            tracing::info!(app = app.id.number(), %source, task = task.name(), "interchange");
        }
        let Some(permit) = self.transfers.permit(app.id, task) else {
            return Err(Refusal {
                status: StatusCode::SERVICE_UNAVAILABLE,
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
                let export = Export::new(Arc::clone(&self.service.store), Some(app.id));
                let body = ExportBody::new(export, permit).map_err(|error| Refusal::thread(&error))?;
                Ok(answer::lines(body))
            }
            Task::Import(purpose) => {
                let clock = self.service.clock.clone();
                let unknown = unknown_fields(uri.query().unwrap_or_default())
                    .map_err(|said| Refusal { app: Some(app.id), ..Refusal::query(said) })?;
                let terms = Terms { purpose, limits: app.limits, only: Some(app.id), unknown, clock };
                let still = || {
                    let present = self.access();
                    if Arc::ptr_eq(&present, &access) {
                        return Ok(());
                    }
                    present.identify(INTERCHANGE, uri, source, self.service.clock.now()).map(drop)
                };
                let taken = self.take_in(terms, still, headers, body, Some(permit)).await;
                taken.map_err(|refusal| Refusal { app: Some(app.id), ..refusal })
            }
        }
    }

    /// Takes the lines of a body in, as long as `still` lets the caller in, and reports what became of them. The
    /// permit is given back when the last line has been dealt with.
    ///
    /// # Errors
    /// Why the lines could not be taken in to their end.
    pub(super) async fn take_in(
        &self,
        terms: Terms,
        still: impl Fn() -> Result<(), Error>,
        headers: &HeaderMap,
        body: &mut Incoming,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Response<answer::Body>, Refusal> {
        encoding::check_plain(headers).map_err(Refusal::encoding)?;
        let (pieces, received) = mpsc::channel(PIECES);
        let (store, runtime) = (Arc::clone(&self.service.store), Handle::current());
        let (done, outcome) = oneshot::channel();
        let work = move || {
            let outcome = take_in_pieces(&*store, terms, received, &runtime);
            drop(permit);
            // The client may have gone.
            let _ = done.send(outcome);
        };
        let started = thread::Builder::new().name("import".to_owned()).spawn(work);
        started.map_err(|error| Refusal::thread(&error))?;
        let fed = self.feed(pieces, still, body).await;
        // Without an outcome a panic has ended the thread.
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
        &self,
        pieces: mpsc::Sender<Piece>,
        still: impl Fn() -> Result<(), Error>,
        body: &mut Incoming,
    ) -> Result<(), Refusal> {
        loop {
            let frame = tokio::time::timeout(self.limits.patience.idle, body.frame());
            let piece = match frame.await.map_err(|_| Refusal::body())? {
                None => Piece::End,
                Some(frame) => match frame.map_err(|_| Refusal::body())?.into_data() {
                    Ok(bytes) => Piece::Bytes(bytes),
                    Err(_) => continue,
                },
            };
            still().map_err(|error| Refusal::caller(&error))?;
            let is_end = matches!(piece, Piece::End);
            // The other end is gone when a line was bad and nothing more is taken.
            if pieces.send(piece).await.is_err() || is_end {
                return Ok(());
            }
        }
    }
}

/// A part of a body on its way to the thread that reads lines.
enum Piece {
    Bytes(Bytes),
    /// The body is whole, so that its last line is, too.
    End,
}

/// Takes lines in on the calling thread. Nothing is returned when the body broke off.
fn take_in_pieces(
    store: &dyn Store,
    terms: Terms,
    mut pieces: mpsc::Receiver<Piece>,
    runtime: &Handle,
) -> Result<Option<Outcome>, StoreError> {
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
    status: StatusCode,
    code: Code,
    said: String,
    /// The app, when the caller was let in.
    app: Option<AppId>,
}

impl Refusal {
    /// The answer that says so.
    pub(super) fn answer(self) -> Response<answer::Body> {
        answer::failure(self.status, self.code, &self.said)
    }

    fn new(status: StatusCode, error: &Error) -> Refusal {
        let said = excerpt::line(&error.told().info).into_owned();
        Refusal { status, code: error.code(Family::RecentContact), said, app: None }
    }

    /// A web page may have asked.
    fn page(said: String) -> Refusal {
        Refusal { status: StatusCode::FORBIDDEN, code: Code::RESOURCE, said, app: None }
    }

    /// The query asks for something that there is not.
    fn query(said: String) -> Refusal {
        Refusal { status: StatusCode::BAD_REQUEST, code: Code::HTTP, said, app: None }
    }

    /// The caller is not let in, or not any more.
    fn caller(error: &Error) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, error)
    }

    /// The lines cannot be read as they are encoded.
    fn encoding(said: String) -> Refusal {
        Refusal { status: StatusCode::BAD_REQUEST, code: Code::HTTP, said, app: None }
    }

    fn store(error: StoreError) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, &Error::Store(error))
    }

    /// The system has no thread to give.
    fn thread(error: &io::Error) -> Refusal {
        tracing::error!(%error, "a thread for a transfer cannot be started");
        let said = "the system has no thread for this transfer; try again later".to_owned();
        Refusal { status: StatusCode::SERVICE_UNAVAILABLE, code: Code::OVERLOAD, said, app: None }
    }

    fn body() -> Refusal {
        let said = "the body breaks off or does not come in time".to_owned();
        Refusal { status: StatusCode::BAD_REQUEST, code: Code::HTTP, said, app: None }
    }
}
