//! One request, from its head to its answer.

use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    pin::pin,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body, Incoming},
    header,
};

use super::{
    Door,
    admission::{route, shown},
    answer::{self, Cut},
    health,
    interchange::Task,
    journal::Entry,
};
use crate::{
    api::{Call, Command, Error, Family},
    auth::App,
    controls::{self, Controls, Effect, Text},
    domain::AppId,
    traces::{Parent, Span},
    wire::{Envelope, Fault, Fields, Node, Path, code::Code},
};

/// How much of a refused call's body is read away, and for how long.
const DRAINED_BYTES: usize = 64 * 1024;
const DRAINED_WITHIN: Duration = Duration::from_millis(100);
/// The same for HTTP/2, where common clients take an answer for an error that comes before they have sent
/// all.
const DRAINED_BYTES_HTTP2: usize = 8 << 20;
const DRAINED_WITHIN_HTTP2: Duration = Duration::from_secs(1);

impl Door {
    /// Answers a request.
    ///
    /// # Errors
    /// [`Cut`] when a fault rule wants no answer.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        source: IpAddr,
    ) -> Result<Response<answer::Body>, Cut> {
        let path = request.uri().path();
        if path.starts_with("/_dev/") {
            return Ok(self.control(request).await);
        }
        Ok(match *request.method() {
            Method::POST => match Task::find(path) {
                Some(task) => self.interchange(task, request, source).await,
                None => return self.call(request, source).await,
            },
            // hyper leaves the body of an answer to HEAD out.
            Method::GET | Method::HEAD if path == "/healthz" => health::alive(),
            Method::GET | Method::HEAD if path == "/readyz" => {
                health::ready(&*self.service.store, self.limits.answer_within).await
            }
            Method::GET if path == "/metrics" => match self.told_metrics() {
                Some(text) => answer::metrics(text),
                None => answer::text(StatusCode::NOT_FOUND, "the setting metrics.enabled is off\n"),
            },
            Method::GET if path == "/openapi.json" => answer::json(crate::openapi::text().into()),
            Method::HEAD | Method::OPTIONS => answer::empty(),
            Method::GET if path == "/" && accepts_html(&request) => answer::page(),
            _ => {
                let said = match path {
                    "/" => String::new(),
                    _ => format!("calls are made by POST, found {}", request.method()),
                };
                answer::json(Envelope::fail(None, Code::HTTP, &Error::Http(said).to_string()))
            }
        })
    }

    /// Makes a call of a command and tells the journal.
    async fn call(&self, request: Request<Incoming>, source: IpAddr) -> Result<Response<answer::Body>, Cut> {
        let started = self.service.clock.elapsed();
        let entrance = self.entrance();
        let (head, mut body) = request.into_parts();
        let command = route(head.uri.path());
        let known = command.as_ref().ok().copied();
        let admitted = command.and_then(|command| {
            let now = self.service.clock.now();
            Ok((command, entrance.admit(command, &head.uri, source, now, started)?))
        });
        let version = head.version;
        let path = (self.controls.is_some() || self.traces.is_some()).then(|| shown(head.uri.path()));
        let parent = self.traces.as_ref().and_then(|_| head.headers.get("traceparent")?.to_str().ok());
        let parent = parent.and_then(Parent::parse);
        drop(head);
        let app = admitted.as_ref().ok().map(|(_, app)| app.id);
        let mut progress = Progress::default();
        let outcome = in_time(self.limits.answer_within, self.run(admitted, &mut body, &mut progress)).await;
        let entry = Entry { command: known, app, took: self.service.clock.elapsed().saturating_sub(started) };
        let (code, why, reply) = match outcome {
            Ok(reply) => {
                entry.succeeded();
                (Code::OK, String::new(), reply)
            }
            Err(error) => {
                let family = match &error {
                    Error::NoCommand { family, .. } => *family,
                    _ => known.map_or(Family::RecentContact, Command::family),
                };
                let code = error.code(family);
                entry.failed(code, &error);
                let why = error.to_string();
                let reply = Envelope::fail(known.map(Command::base_fields), code, &why);
                (code, why, reply)
            }
        };
        if let Some(metrics) = self.metrics.as_ref().filter(|_| !progress.cut) {
            metrics.call(known, code, entry.took);
        }
        let app = app.map(AppId::number);
        if let (Some(traces), Some(path)) = (&self.traces, &path) {
            let began = self.service.clock.stamp().saturating_sub(entry.took);
            let (name, code, why, took) = (path.clone(), code.number(), why.clone(), entry.took);
            traces.tell(Span { name, parent, began, took, app, code, why });
        }
        if let (Some(controls), Some(path)) = (&self.controls, path) {
            let reply = (!progress.cut).then(|| Text::of(&reply));
            controls.journal.note(controls::Entry {
                id: 0,
                time: self.service.clock.now(),
                path,
                app,
                request: Text::of(&progress.body),
                code: code.number(),
                why,
                reply,
                ms: entry.took.as_secs_f64() * 1e3,
            });
        }
        if progress.cut {
            return Err(Cut);
        }
        let mut response = answer::json(reply);
        if !progress.body_read && version == Version::HTTP_2 {
            drained(&mut body, DRAINED_BYTES_HTTP2, DRAINED_WITHIN_HTTP2).await;
        } else if !progress.body_read {
            // What is left of the body would be taken for the next request.
            response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    /// Reads the body and runs the command.
    async fn run(
        &self,
        admitted: Result<(Command, &App), Error>,
        body: &mut Incoming,
        progress: &mut Progress,
    ) -> Result<Vec<u8>, Error> {
        let (command, app) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                progress.body_read = drained(body, DRAINED_BYTES, DRAINED_WITHIN).await;
                return Err(refusal);
            }
        };
        let body = self.read_body(body).await?;
        progress.body_read = true;
        if self.controls.is_some() {
            progress.body = body.clone();
        }
        let node = read_json(&body)?;
        let request =
            Fields::of_request(&node).map_err(|_| Error::Json(format!("found {}", node.describe())))?;
        check_accounts(&node, Path::Root).map_err(Error::AccountType)?;
        if self.limits.strict {
            command.check_strictly(&node).map_err(Error::Fault)?;
        }
        let call = Call { service: &self.service, app, command };
        match &self.controls {
            None => command.run(call, request).await,
            Some(controls) => struck(controls, call, request, progress).await,
        }
    }

    async fn read_body(&self, body: &mut Incoming) -> Result<Bytes, Error> {
        let limit = self.limits.body_bytes;
        let too_large = || Error::Http(format!("the body is larger than {limit} bytes"));
        // A length that is announced needs no waiting for the bytes.
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        // Nearly every body comes in one piece, which is then used where it lies.
        let mut whole = Bytes::new();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| Error::Http("the body breaks off or is badly framed".to_owned()))?;
            let Ok(piece) = frame.into_data() else { continue };
            if whole.len().max(pieces.len()) + piece.len() > limit {
                return Err(too_large());
            }
            if whole.is_empty() && pieces.is_empty() {
                whole = piece;
            } else {
                pieces.extend_from_slice(&std::mem::take(&mut whole));
                pieces.extend_from_slice(&piece);
            }
        }
        Ok(if pieces.is_empty() { whole } else { pieces.into() })
    }
}

/// What is known of a call while it runs, whether or not it comes to its end.
#[derive(Default)]
struct Progress {
    /// Whether the connection can be used again.
    body_read: bool,
    /// The body, for the journal.
    body: Bytes,
    /// Whether the connection is closed instead of an answer.
    cut: bool,
}

/// Runs a command where fault rules may strike it.
async fn struck(
    controls: &Controls,
    call: Call<'_>,
    request: Fields<'_>,
    progress: &mut Progress,
) -> Result<Vec<u8>, Error> {
    let owner = request.optional_text("From_Account").ok().flatten();
    let Some(struck) = controls.faults.strike(call.command, owner) else {
        return call.command.run(call, request).await;
    };
    pause(struck.latency).await;
    match struck.effect {
        Effect::None => call.command.run(call, request).await,
        Effect::Refuse(code, info) => Err(Error::Injected(code, info)),
        Effect::Drop => {
            progress.cut = true;
            Err(Error::Injected(Code::OK, "the connection was closed by a fault rule".to_owned()))
        }
        Effect::LoseAnswer => {
            let outcome = call.command.run(call, request).await;
            progress.cut = true;
            outcome
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "latency on demand is time that passes")]
async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Reads away the body of a refused call, if it is small and there at once: then the connection can
/// be used again. Whoever was not let in cannot make the server wait or remember.
pub(super) async fn drained(body: &mut Incoming, bytes: usize, within: Duration) -> bool {
    let all = async {
        let mut left = bytes;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    };
    tokio::time::timeout(within, all).await.unwrap_or(false)
}

/// The time-out answers; it never takes back what was begun (a commit on its way is made). Work
/// that is done at once – all that is in memory – costs no timer.
async fn in_time<T>(within: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut work = pin!(work);
    if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        return done;
    }
    tokio::time::timeout(within, work).await.unwrap_or(Err(Error::Timeout))
}

fn read_json(body: &[u8]) -> Result<Node<'_>, Error> {
    match body {
        [] => Err(Error::Json("it is empty; a call that needs nothing sends {}".to_owned())),
        body => Node::parse(body).map_err(|error| Error::Json(error.to_string())),
    }
}

/// Every field whose name ends in `_Account` holds a string or a list of strings (60015): the
/// gateway translates them all before any command looks at one.
fn check_accounts(node: &Node<'_>, path: Path<'_>) -> Result<(), Fault> {
    match node {
        Node::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_accounts(item, Path::Element(&path, index))?;
            }
        }
        Node::Object(members) => {
            for (name, node) in members {
                let path = Path::Member(&path, name);
                match node {
                    node if !name.ends_with("_Account") => check_accounts(node, path)?,
                    Node::Text(_) | Node::Null => {}
                    Node::Array(items) => {
                        for (index, item) in items.iter().enumerate() {
                            if !matches!(item, Node::Text(_)) {
                                return Err(Fault::unfit(Path::Element(&path, index), "a string", item));
                            }
                        }
                    }
                    other => return Err(Fault::unfit(path, "a string", other)),
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn accepts_html(request: &Request<Incoming>) -> bool {
    let accept = request.headers().get(header::ACCEPT);
    accept.and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("text/html"))
}
