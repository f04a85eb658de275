//! The file format over HTTP, for the tools: everything of one app out, or lines of it in.
//!
//! Outside `/v4/`, so with ordinary statuses (decision 22), but signed like a call (decision 25).

use std::{
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
};
use serde_json::json;

use super::{Door, INTERCHANGE, answer, pace::Working, request::drained};
use crate::{
    api::{Error, Family},
    interchange::{Export, Intake, Outcome, Purpose, Terms},
    store::StoreError,
    wire::{Envelope, code::Code},
};

/// How much of an import that has ended early is read away, and for how long: common clients take an
/// answer for an error that comes before they have sent all.
const DRAINED_BYTES: usize = 64 << 20;
const DRAINED_WITHIN: Duration = Duration::from_secs(2);

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
}

impl Door {
    /// Answers a request for a task.
    pub(super) async fn interchange(
        &self,
        task: Task,
        request: Request<Incoming>,
        source: IpAddr,
    ) -> Response<answer::Body> {
        let entrance = self.entrance();
        let (head, body) = request.into_parts();
        let app = match entrance.identify(INTERCHANGE, &head.uri, source, self.service.clock.now()) {
            Ok(app) => app,
            Err(error) => {
                tracing::info!(%error, "refused interchange");
                return failure(StatusCode::FORBIDDEN, error.code(Family::RecentContact), &error.to_string());
            }
        };
        tracing::info!(app = app.id.number(), path = head.uri.path(), "interchange");
        match task {
            Task::Export => {
                let export = Export::new(Arc::clone(&self.service.store), Some(app.id));
                answer::lines(Lines::new(export))
            }
            Task::Import(purpose) => {
                let Ok(_permit) = self.imports.try_acquire() else {
                    let said = "as many imports as this server takes at once are running; try again later";
                    return failure(StatusCode::SERVICE_UNAVAILABLE, Code::OVERLOAD, said);
                };
                let mut body = body;
                let terms = Terms { purpose, limits: app.limits, only: Some(app.id) };
                let still = || {
                    let present = self.entrance();
                    if Arc::ptr_eq(&present, &entrance) {
                        return Ok(());
                    }
                    present.identify(INTERCHANGE, &head.uri, source, self.service.clock.now()).map(drop)
                };
                self.take_in(terms, still, &mut body).await
            }
        }
    }

    /// Takes the lines of a body in, as long as `still` lets the caller in, and tells what became of them.
    pub(super) async fn take_in(
        &self,
        terms: Terms,
        still: impl Fn() -> Result<(), Error>,
        body: &mut Incoming,
    ) -> Response<answer::Body> {
        let taken = self.try_take_in(terms, still, body).await;
        // What is left of the body would be taken for a broken connection by who still sends it.
        drained(body, DRAINED_BYTES, DRAINED_WITHIN).await;
        match taken {
            Ok(outcome) => report(&outcome),
            Err(broken) => broken.answer(),
        }
    }

    async fn try_take_in(
        &self,
        terms: Terms,
        still: impl Fn() -> Result<(), Error>,
        body: &mut Incoming,
    ) -> Result<Outcome, Broken> {
        let mut intake = Intake::new(&*self.service.store, terms);
        while !intake.is_over() {
            let frame = tokio::time::timeout(self.limits.patience.idle, body.frame());
            let Some(frame) = frame.await.map_err(|_| Broken::Body)? else { break };
            let Ok(piece) = frame.map_err(|_| Broken::Body)?.into_data() else { continue };
            still().map_err(Broken::Refused)?;
            intake.feed(&piece).await?;
        }
        Ok(intake.end().await?)
    }
}

/// Why lines could not be taken in to their end.
enum Broken {
    Body,
    /// The caller is not let in any more.
    Refused(Error),
    Store(StoreError),
}

impl Broken {
    fn answer(self) -> Response<answer::Body> {
        match self {
            Broken::Body => {
                failure(StatusCode::BAD_REQUEST, Code::HTTP, "the body breaks off or does not come in time")
            }
            Broken::Refused(error) => {
                failure(StatusCode::FORBIDDEN, error.code(Family::RecentContact), &error.to_string())
            }
            Broken::Store(error) => {
                tracing::error!(%error, "the store failed under an import");
                let error = Error::Store(error);
                let code = error.code(Family::RecentContact);
                failure(StatusCode::SERVICE_UNAVAILABLE, code, &error.to_string())
            }
        }
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Broken {
        Broken::Store(error)
    }
}

fn report(outcome: &Outcome) -> Response<answer::Body> {
    let status = if outcome.faults.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let faults = outcome.faults.iter().map(|(line, reason)| json!({ "Line": line, "Reason": reason }));
    let body = json!({
        "Lines": outcome.lines,
        "Changed": outcome.changed,
        "Faults": faults.collect::<Vec<_>>(),
        "MoreFaults": outcome.more_faults,
    });
    answer::json_with(status, body.to_string().into_bytes())
}

fn failure(status: StatusCode, code: Code, said: &str) -> Response<answer::Body> {
    answer::json_with(status, Envelope::fail(None, code, said))
}

type Next = Pin<Box<dyn Future<Output = (Export, Result<Option<Vec<u8>>, StoreError>)> + Send>>;

/// An export as the body of an answer: it goes on as fast as it is read.
pub(super) struct Lines {
    next: Option<Next>,
    /// Held until the body has ended.
    working: Option<Working>,
}

impl Lines {
    fn new(export: Export) -> Lines {
        Lines { next: Some(Lines::go_on(export)), working: None }
    }

    /// Keeps the request in work until the body has ended.
    pub(super) fn keep(&mut self, working: Working) {
        self.working = Some(working);
    }

    fn go_on(mut export: Export) -> Next {
        Box::pin(async move {
            let lines = export.next().await;
            (export, lines)
        })
    }

    /// The next lines. When the store fails the body breaks off, so that nobody takes it for whole.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let (export, lines) = ready!(next.as_mut().poll(context));
        self.next = None;
        Poll::Ready(match lines {
            Ok(Some(lines)) => {
                self.next = Some(Lines::go_on(export));
                Some(Ok(Frame::data(lines.into())))
            }
            Ok(None) => {
                self.working = None;
                None
            }
            Err(error) => {
                tracing::error!(%error, "an export broke off");
                Some(Err(error))
            }
        })
    }
}
