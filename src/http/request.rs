//! One request, from its head to its answer.

use std::{net::IpAddr, time::Duration};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Version, body::Incoming, header, http::request::Parts,
};

use super::{
    HttpService,
    admission::route,
    answer::{self, Answered, Cut},
    body,
    call_log::{self, SLOW},
    health, origin,
    record::Ended,
    registry::Place,
    run::{Progress, in_time},
    transfer::Task,
};
use crate::{
    api::Error,
    excerpt,
    wire::{Envelope, code::Code},
};

/// The header that carries the id of a request, both ways.
pub(super) const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");

/// What is known of a request when its head is here.
pub(super) struct Arrival<'a> {
    /// Where it comes from, as the socket or a trusted proxy says.
    pub(super) source: IpAddr,
    /// When it began, by the monotonic clock.
    pub(super) started: Duration,
    /// Its connection.
    pub(super) place: &'a Place,
}

impl HttpService {
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
        activity.touch(started);
        let forwarded = activity.forwards.then(|| self.proxies.forwarded(request.headers())).flatten();
        let arrival = Arrival { source: forwarded.unwrap_or(activity.peer), started, place };
        let path = request.uri().path();
        let is_service = path.starts_with("/v4/") || path == "/";
        let is_scarce = activity.is_probe() || forwarded.is_some() || self.unsent.is_full();
        if is_service && *request.method() == Method::POST && !is_scarce {
            return self.call(request, arrival).await;
        }
        self.answer_other(request, arrival, forwarded, is_service).await
    }

    /// Answers what is not a call, and calls for which there may be no room.
    async fn answer_other(
        &self,
        request: Request<Incoming>,
        arrival: Arrival<'_>,
        forwarded: Option<IpAddr>,
        is_service: bool,
    ) -> Result<Response<answer::Body>, Cut> {
        let activity = &arrival.place.activity;
        let no_room = self.overloaded(request.uri().path(), forwarded, arrival.place).await;
        if no_room.is_none() && *request.method() == Method::POST && !is_ours(request.uri().path()) {
            let response = self.call(request, arrival).await?;
            return Ok(if is_service { response } else { answer::not_found(response) });
        }
        let (head, mut body) = request.into_parts();
        let given_id = head.headers.get(&REQUEST_ID).and_then(|id| call_log::given_id(id.to_str().ok()?));
        let id = given_id.map_or_else(call_log::new_id, str::to_owned);
        let Answered { mut response, is_refusal } = match no_room {
            Some(said) => Answered::refused(self.no_room(is_service, &said)),
            None => self.answer_ours(&head, &mut body, &arrival, &id, is_service).await,
        };
        if (is_refusal || given_id.is_some())
            && let Ok(id) = header::HeaderValue::from_str(&id)
        {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        if head.version == Version::HTTP_2 {
            // Common clients take an answer for an error that comes before they have sent all.
            body::drain(&mut body, body::DRAINED_HTTP2).await;
        } else if !body::drain(&mut body, body::DRAINED).await {
            // What is left of the body would be taken for the next request.
            activity.leave_unread();
            answer::close(&mut response);
        }
        if activity.is_probe() {
            // It was let in to ask for health, and has asked.
            answer::close(&mut response);
        }
        Ok(response)
    }

    /// Answers everything but calls.
    async fn answer_ours(
        &self,
        head: &Parts,
        body: &mut Incoming,
        arrival: &Arrival<'_>,
        id: &str,
        is_service: bool,
    ) -> Answered {
        let (method, path) = (&head.method, head.uri.path());
        let is_get = matches!(*method, Method::GET | Method::HEAD);
        // hyper leaves the body of an answer to HEAD out.
        match path {
            _ if is_service => self.no_call(head),
            path if let Some(control) = path.strip_prefix("/_dev/") => {
                let answered = self.control(head, body, &arrival.place.activity).await;
                if let Some(metrics) = &self.metrics {
                    metrics.control(control, answered.response.status().as_u16());
                }
                answered
            }
            path if let Some(task) = Task::find(path) => match *method {
                Method::POST => self.transfer(task, head, arrival, id, body).await,
                _ => Answered::refused(not_allowed(method, "POST")),
            },
            _ if !is_ours(path) => Answered::refused(answer::not_found(self.no_call(head).response)),
            _ if !is_get => Answered::refused(not_allowed(method, "GET")),
            "/healthz" => Answered::given(health::alive()),
            "/readyz" => {
                Answered::given(health::ready(&*self.service.store, self.limits.answer_within).await)
            }
            "/metrics" => self.metrics_for(head),
            _ => Answered::given(answer::fixed_json(crate::openapi::text())),
        }
    }

    /// Answers at `/`, below `/v4/` and at unknown paths what is not a POST.
    fn no_call(&self, head: &Parts) -> Answered {
        let path = head.uri.path();
        match head.method {
            Method::HEAD | Method::OPTIONS => Answered::given(answer::empty()),
            Method::GET if path == "/" && accepts_html(&head.headers) => {
                Answered::given(answer::page(self.published_keys))
            }
            _ => {
                let said = match path {
                    "/" => String::new(),
                    _ => format!("calls are made by POST, found {}", excerpt::plain(head.method.as_str())),
                };
                let said = Error::Http(said).told().info;
                let response = answer::json(Envelope::fail(None, Code::HTTP, &said));
                Answered::refused(match path {
                    "/" => answer::pointing(response, self.published_keys),
                    _ => response,
                })
            }
        }
    }

    /// Answers with the metrics, unless a web page asks.
    fn metrics_for(&self, head: &Parts) -> Answered {
        let allowed =
            origin::check_page(&head.headers).and_then(|()| self.hosts.check(&head.uri, &head.headers));
        match (allowed, self.render_metrics()) {
            (Err(said), _) => {
                Answered::refused(answer::failure(StatusCode::FORBIDDEN, Code::RESOURCE, &said))
            }
            (Ok(()), Some(text)) => Answered::given(answer::metrics(text)),
            (Ok(()), None) => {
                let said = "the setting metrics.enabled is off\n";
                Answered::refused(answer::text(StatusCode::NOT_FOUND, said))
            }
        }
    }

    /// Runs one command and records it in the log, metrics, traces and journal.
    async fn call(
        &self,
        request: Request<Incoming>,
        arrival: Arrival<'_>,
    ) -> Result<Response<answer::Body>, Cut> {
        let Arrival { source, started, place } = arrival;
        let access = self.access();
        let (head, mut body) = request.into_parts();
        let command = route(head.uri.path());
        let known = command.as_ref().ok().copied();
        let admitted = command.and_then(|command| {
            let now = self.service.clock.now();
            Ok((command, access.admit(command, &head.uri, source, now, started)?))
        });
        if admitted.is_ok() {
            place.activity.mark_signed();
        }
        let given_id = head.headers.get(&REQUEST_ID).and_then(|id| call_log::given_id(id.to_str().ok()?));
        let app = admitted.as_ref().ok().map(|(_, app)| app.id);
        let mut progress = Progress::default();
        let shared = (head.version == Version::HTTP_2).then_some(&*place.activity);
        let within = self.limits.answer_within;
        let outcome =
            in_time(within, self.run(admitted, &head.headers, &mut body, shared, &mut progress)).await;
        let took = self.service.clock.elapsed().saturating_sub(started);
        let mut response = match outcome {
            // Hot path: a successful call that nothing observes.
            Ok(reply) if given_id.is_none() && !self.is_observed() && !progress.is_news() && took < SLOW => {
                if let Some(metrics) = &self.metrics {
                    metrics.call(known, Code::OK, took);
                    app.inspect(|app| access.calls.count(*app, Code::OK));
                }
                answer::json(reply)
            }
            outcome => {
                let head = (&head.uri, &head.headers);
                let calls = &access.calls;
                let ended = Ended { known, app, calls, source, started, took, given_id };
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
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept.and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("text/html"))
}

/// Whether something of ours is at a path, beside the service.
fn is_ours(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics" | "/openapi.json")
        || path.starts_with("/_dev/")
        || Task::find(path).is_some()
}

/// A path that exists, but not for this method.
fn not_allowed(found: &Method, allowed: &'static str) -> Response<answer::Body> {
    let said = format!("this path takes {allowed}, found {}", excerpt::quoted(found.as_str()));
    let mut response = answer::failure(StatusCode::METHOD_NOT_ALLOWED, Code::HTTP, &said);
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}
