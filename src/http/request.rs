//! One request, from its head to its answer.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version,
    body::{Body, Incoming},
    header,
};

use super::{
    Door,
    admission::{claimed, route, shown},
    answer::{self, Cut},
    body,
    call_log::{self, SLOW},
    health, origin,
    registry::Place,
    run::{Progress, in_time},
    transfer::Task,
};
use crate::{
    api::{Command, Error, Family},
    controls::{self, Text},
    domain::AppId,
    excerpt, masking,
    traces::{Parent, Span},
    wire::{Envelope, code::Code},
};

/// The header that carries the id of a request, both ways.
const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");

/// What is known of a request when its head is here.
pub(super) struct Arrival<'a> {
    /// Where it comes from, as the socket or a trusted proxy says.
    pub(super) source: IpAddr,
    /// When it began, by the monotonic clock.
    pub(super) started: Duration,
    /// Its connection.
    pub(super) place: &'a Place,
}

/// What is known of a call when it has ended.
struct Ended<'a> {
    known: Option<Command>,
    app: Option<AppId>,
    source: IpAddr,
    started: Duration,
    took: Duration,
    given_id: Option<&'a str>,
}

impl Door {
    /// Answers a request.
    ///
    /// # Errors
    /// [`Cut`] when a fault rule wants no answer.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        place: &Place,
    ) -> Result<Response<answer::Body>, Cut> {
        let started = self.service.clock.elapsed();
        let activity = &place.activity;
        activity.note(started);
        let forwarded = activity.forwards.then(|| self.proxies.forwarded(request.headers())).flatten();
        let arrival = Arrival { source: forwarded.unwrap_or(activity.peer), started, place };
        let (method, path) = (request.method(), request.uri().path());
        let is_scarce = activity.is_probe() || forwarded.is_some() || self.unsent.is_full();
        if is_scarce && let Some(refusal) = self.overloaded(path, forwarded, place).await {
            return Ok(refusal);
        }
        let is_service = path.starts_with("/v4/") || path == "/";
        if is_service && *method == Method::POST {
            return self.call(request, arrival).await;
        }
        self.answer_other(request, arrival, is_service).await
    }

    /// Answers what is not a call.
    async fn answer_other(
        &self,
        request: Request<Incoming>,
        arrival: Arrival<'_>,
        is_service: bool,
    ) -> Result<Response<answer::Body>, Cut> {
        let (method, path) = (request.method(), request.uri().path());
        let (is_get, is_post) = (matches!(*method, Method::GET | Method::HEAD), *method == Method::POST);
        let has_body = !request.body().is_end_stream();
        let activity = &arrival.place.activity;
        // hyper leaves the body of an answer to HEAD out.
        let mut response = match path {
            _ if is_service => Door::no_call(&request),
            path if path.starts_with("/_dev/") => {
                return Ok(self.control(request, activity).await);
            }
            path if let Some(task) = Task::find(path) => match is_post {
                true => return Ok(self.transfer(task, request, arrival).await),
                false => not_allowed(method, "POST"),
            },
            "/healthz" | "/readyz" | "/metrics" | "/openapi.json" if !is_get => not_allowed(method, "GET"),
            "/healthz" => health::alive(),
            "/readyz" => health::ready(&*self.service.store, self.limits.answer_within).await,
            "/metrics" => self.metrics_for(&request),
            "/openapi.json" => answer::fixed_json(crate::openapi::text()),
            _ if is_post => return Ok(answer::not_found(self.call(request, arrival).await?)),
            _ => answer::not_found(Door::no_call(&request)),
        };
        if has_body {
            // Nobody has read it, and it would be taken for the next request.
            activity.leave_unread();
            answer::close(&mut response);
        }
        Ok(response)
    }

    /// Answers at `/` and below `/v4/` what is not a POST.
    fn no_call(request: &Request<Incoming>) -> Response<answer::Body> {
        let path = request.uri().path();
        match *request.method() {
            Method::HEAD | Method::OPTIONS => answer::empty(),
            Method::GET if path == "/" && accepts_html(request.headers()) => answer::page(),
            _ => {
                let said = match path {
                    "/" => String::new(),
                    _ => format!("calls are made by POST, found {}", request.method()),
                };
                answer::json(Envelope::fail(None, Code::HTTP, &Error::Http(said).to_string()))
            }
        }
    }

    /// Answers with the metrics, unless a web page asks.
    fn metrics_for(&self, request: &Request<Incoming>) -> Response<answer::Body> {
        let allowed = origin::check_page(request.headers())
            .and_then(|()| self.hosts.check(request.uri(), request.headers()));
        match (allowed, self.rendered_metrics()) {
            (Err(said), _) => answer::failure(StatusCode::FORBIDDEN, Code::RESOURCE, &said),
            (Ok(()), Some(text)) => answer::metrics(text),
            (Ok(()), None) => answer::text(StatusCode::NOT_FOUND, "the setting metrics.enabled is off\n"),
        }
    }

    /// Runs one command and records it in the log, metrics, traces and journal.
    async fn call(
        &self,
        request: Request<Incoming>,
        arrival: Arrival<'_>,
    ) -> Result<Response<answer::Body>, Cut> {
        let Arrival { source, started, place } = arrival;
        let entrance = self.entrance();
        let (head, mut body) = request.into_parts();
        let command = route(head.uri.path());
        let known = command.as_ref().ok().copied();
        let admitted = command.and_then(|command| {
            let now = self.service.clock.now();
            Ok((command, entrance.admit(command, &head.uri, source, now, started)?))
        });
        if admitted.is_ok() {
            place.activity.sign();
        }
        let given_id = head.headers.get(&REQUEST_ID).and_then(|id| call_log::given_id(id.to_str().ok()?));
        let app = admitted.as_ref().ok().map(|(_, app)| app.id);
        let mut progress = Progress::default();
        let outcome = in_time(self.limits.answer_within, self.run(admitted, &mut body, &mut progress)).await;
        let took = self.service.clock.elapsed().saturating_sub(started);
        let mut response = match outcome {
            // The hot path: a call that succeeded, of which nobody wants to know.
            Ok(reply) if given_id.is_none() && !self.is_observed() && !progress.is_news() && took < SLOW => {
                if let Some(metrics) = &self.metrics {
                    metrics.call(known, Code::OK, took);
                }
                answer::json(reply)
            }
            outcome => {
                let head = (&head.uri, &head.headers);
                let ended = Ended { known, app, source, started, took, given_id };
                self.record(head, &ended, outcome, &mut progress)?
            }
        };
        if !progress.body_read && head.version == Version::HTTP_2 {
            body::drain(&mut body, body::DRAINED_HTTP2).await;
        } else if !progress.body_read {
            // What is left of the body would be taken for the next request.
            place.activity.leave_unread();
            answer::close(&mut response);
        }
        Ok(response)
    }

    /// Makes the answer of a call, and records it in the log, metrics, traces and journal.
    fn record(
        &self,
        (uri, headers): (&Uri, &HeaderMap),
        ended: &Ended<'_>,
        outcome: Result<Vec<u8>, Error>,
        progress: &mut Progress,
    ) -> Result<Response<answer::Body>, Cut> {
        let Ended { known, app, source, started, took, given_id } = *ended;
        let (code, error, reply) = match outcome {
            Ok(reply) => (Code::OK, None, reply),
            Err(error) => {
                let family = match &error {
                    Error::NoCommand { family, .. } => *family,
                    _ => known.map_or(Family::RecentContact, Command::family),
                };
                let code = error.code(family);
                let why = masking::text(&excerpt::line(&error.to_string())).into_owned();
                let reply = Envelope::fail(known.map(Command::base_fields), code, &why);
                (code, Some((error, why)), reply)
            }
        };
        let items = std::mem::take(&mut progress.items).into_counts();
        let id = given_id.map_or_else(|| Cow::Owned(call_log::new_id()), Cow::Borrowed);
        let identifier = claimed(uri);
        let entry = call_log::Entry {
            id: &id,
            command: known,
            app,
            took,
            source,
            identifier: identifier.as_deref(),
            owner: progress.owner.as_deref(),
            items: &items,
        };
        match &error {
            None => entry.succeeded(&self.lines, started),
            Some((error, why)) => entry.failed(code, error, why, &self.lines, started),
        }
        if let Some(metrics) = &self.metrics {
            metrics.refused_items(known, &items);
            if !progress.cut {
                metrics.call(known, code, took);
            }
        }
        if self.traces.is_some() || self.controls.is_some() {
            let why = error.map_or(String::new(), |(_, why)| why);
            self.observe(headers, &entry, shown(uri.path()), code, why, progress, &reply);
        }
        if progress.cut {
            return Err(Cut);
        }
        let mut response = answer::json(reply);
        if (code != Code::OK || given_id.is_some())
            && let Ok(id) = header::HeaderValue::from_str(&id)
        {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        Ok(response)
    }

    /// Whether calls are recorded somewhere else than in the log.
    fn is_observed(&self) -> bool {
        self.traces.is_some() || self.controls.is_some() || tracing::enabled!(tracing::Level::DEBUG)
    }

    /// Records a call in traces and journal.
    #[expect(clippy::too_many_arguments, reason = "everything that is known of a call, once")]
    fn observe(
        &self,
        headers: &HeaderMap,
        entry: &call_log::Entry<'_>,
        path: String,
        code: Code,
        why: String,
        progress: &Progress,
        reply: &[u8],
    ) {
        let app = entry.app.map(AppId::number);
        if let Some(traces) = &self.traces {
            let parent = headers.get("traceparent").and_then(|header| Parent::parse(header.to_str().ok()?));
            let began = self.service.clock.stamp().saturating_sub(entry.took);
            let (name, code, why, took) = (path.clone(), code.number(), why.clone(), entry.took);
            traces.tell(Span { name, parent, began, took, app, code, why, request: entry.id.to_owned() });
        }
        if let Some(controls) = &self.controls {
            controls.journal.note(controls::Entry {
                id: 0,
                request_id: entry.id.to_owned(),
                time: self.service.clock.now(),
                source: entry.source,
                path,
                app,
                request: Text::of(&progress.body),
                code: code.number(),
                why,
                reply: (!progress.cut).then(|| Text::of(reply)),
                ms: entry.took.as_secs_f64() * 1e3,
            });
        }
    }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept.and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("text/html"))
}

/// A path that exists, but not for this method.
fn not_allowed(found: &Method, allowed: &'static str) -> Response<answer::Body> {
    let said = format!("this path takes {allowed}, found {}", excerpt::quoted(found.as_str()));
    let mut response = answer::failure(StatusCode::METHOD_NOT_ALLOWED, Code::HTTP, &said);
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}
