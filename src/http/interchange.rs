//! The file format over HTTP, for the tools: everything of one app out, or lines of it in.
//!
//! Outside `/v4/`, so with ordinary statuses (decision 22), but signed like a call (decision 25).

use std::{
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
};
use serde_json::json;

use super::{Door, INTERCHANGE, answer};
use crate::{
    api::{Error, Family},
    auth::App,
    interchange::{Export, Intake, LONGEST_LINE, Outcome, Purpose, Terms},
    store::StoreError,
    wire::{Envelope, code::Code},
};

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
                let export = Export::new(std::sync::Arc::clone(&self.service.store), Some(app.id));
                answer::lines(Lines::new(export))
            }
            Task::Import(purpose) => match self.take_in(purpose, app, body).await {
                Ok(outcome) => report(&outcome),
                Err(Broken::Body) => failure(
                    StatusCode::BAD_REQUEST,
                    Code::HTTP,
                    "the body breaks off or does not come in time",
                ),
                Err(Broken::Store(error)) => {
                    tracing::error!(%error, "the store failed under an import");
                    let error = Error::Store(error);
                    let code = error.code(Family::RecentContact);
                    failure(StatusCode::SERVICE_UNAVAILABLE, code, &error.to_string())
                }
            },
        }
    }

    /// Takes the lines of a body in.
    async fn take_in(&self, purpose: Purpose, app: &App, mut body: Incoming) -> Result<Outcome<u64>, Broken> {
        let limits = app.limits;
        let terms = Terms { purpose, limits: Box::new(move |_| limits), only: Some(app.id) };
        let mut intake = Intake::new(&*self.service.store, terms);
        let (mut rest, mut number) = (Vec::new(), 0u64);
        loop {
            let frame = tokio::time::timeout(self.limits.patience.idle, body.frame());
            let Some(frame) = frame.await.map_err(|_| Broken::Body)? else { break };
            let Ok(piece) = frame.map_err(|_| Broken::Body)?.into_data() else { continue };
            let mut pieces = piece.split(|byte| *byte == b'\n').peekable();
            while let Some(piece) = pieces.next() {
                rest.extend_from_slice(piece);
                if pieces.peek().is_some() {
                    number += 1;
                    intake.take(number, &rest).await?;
                    rest.clear();
                }
            }
            let stops = purpose == Purpose::Apply && !intake.so_far().faults.is_empty();
            if stops || rest.len() > LONGEST_LINE {
                break;
            }
        }
        number += 1;
        match rest.len() > LONGEST_LINE {
            true => intake.refuse(number, format!("the line is longer than {LONGEST_LINE} bytes")).await?,
            false => intake.take(number, &rest).await?,
        }
        Ok(intake.end().await?)
    }
}

/// Why lines could not be taken in to their end.
enum Broken {
    Body,
    Store(StoreError),
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Broken {
        Broken::Store(error)
    }
}

fn report(outcome: &Outcome<u64>) -> Response<answer::Body> {
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
}

impl Lines {
    fn new(export: Export) -> Lines {
        Lines { next: Some(Lines::go_on(export)) }
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
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, "an export broke off");
                Some(Err(error))
            }
        })
    }
}
