//! Answers requests outside the emulated service, according to the table of routes.

use super::{
    answer::{Answer, EXTENSION_HEADERS, Status},
    callbacks, controls, extensions, feed_requests,
    head::{Body, Head, Header},
    health,
    id::Id,
    origin,
    state::State,
    transfer::{self, Transfer},
    webhooks,
};
use crate::{
    api::Error,
    excerpt, openapi,
    routes::{self, Admits, CONTROLS_PATH, Handler, Route},
    wire::{Envelope, code::Code},
};

/// Answers a request at one of confold's own paths. Returns `None` if there is no such path.
pub(super) async fn answer(
    state: &State,
    head: &Head<'_>,
    body: &mut Body<'_>,
    id: &Id<'_>,
) -> Option<Answer> {
    let is_known = head.path.starts_with(CONTROLS_PATH) || routes::at(head.path).next().is_some();
    if is_known && let Err(said) = extensions::check_absent(head) {
        return Some(Answer::failure(Status::BadRequest, Code::HTTP, &said));
    }
    if head.path.starts_with(CONTROLS_PATH) {
        return Some(controls::answer(state, head, body, id).await);
    }
    routes::at(head.path).next()?;
    // The protocol layer omits the body of an answer to HEAD.
    let method = if head.method == "HEAD" { "GET" } else { head.method };
    let Some(route) = routes::at(head.path).find(|route| route.method == method) else {
        return Some(not_allowed(head));
    };
    if let Err(said) = admit(state, head, route.admits) {
        return Some(Answer::failure(Status::Forbidden, Code::RESOURCE, &said));
    }
    Some(run(state, head, body, id, route).await)
}

/// Refuses requests of web pages where they are not allowed. Signatures and tokens are checked later, by the handlers.
fn admit(state: &State, head: &Head<'_>, admits: Admits) -> Result<(), String> {
    match admits {
        Admits::Everybody | Admits::Administrators | Admits::Readers | Admits::Testers | Admits::Senders => {
            Ok(())
        }
        Admits::Programs => origin::check_page(head.headers).and_then(|()| state.hosts.check(head)),
    }
}

async fn run(state: &State, head: &Head<'_>, body: &mut Body<'_>, id: &Id<'_>, route: &Route) -> Answer {
    match route.handler {
        Handler::Alive => health::alive(),
        Handler::Ready => health::ready(&*state.service.store, state.limits.answer_within).await,
        Handler::Metrics => match state.render_metrics() {
            Some(text) => Answer::metrics(text),
            None => Answer::text(Status::NotFound, "the setting metrics.enabled is off\n").refusing(),
        },
        Handler::Document => Answer::fixed_json(openapi::text()),
        Handler::Export => transfer::answer(state, Transfer::Export, head, body, id).await,
        Handler::Check => transfer::answer(state, Transfer::CHECK, head, body, id).await,
        Handler::Import => transfer::answer(state, Transfer::IMPORT, head, body, id).await,
        Handler::Webhook(task) => webhooks::answer(state, task, head, id).await,
        Handler::Feed => feed_requests::answer(state, head, id).await,
        Handler::Callback => callbacks::answer(state, head, body, id).await,
        Handler::Control(_) => controls::answer(state, head, body, id).await,
    }
}

/// Creates the refusal of a method that the path does not take.
fn not_allowed(head: &Head<'_>) -> Answer {
    let allowed = routes::allowed(head.path);
    let said = format!("this path accepts only {allowed}, found {}", excerpt::quoted(head.method));
    Answer::failure(Status::MethodNotAllowed, Code::HTTP, &said).with("allow", allowed)
}

/// Answers requests other than POST at `/`, below `/v4/` and at unknown paths.
pub(super) fn no_call(state: &State, head: &Head<'_>) -> Answer {
    match head.method {
        "HEAD" => Answer::empty(),
        "OPTIONS" => preflight(head),
        "GET" if head.path == "/" && accepts_html(head) => Answer::page(state.published_keys),
        _ => {
            let said = match head.path {
                "/" => String::new(),
                _ => format!("calls must use POST, found {}", excerpt::plain(head.method)),
            };
            let answer = Answer::json(Envelope::fail(None, Code::HTTP, &Error::Http(said).reply_text().info))
                .refusing();
            match (head.path, state.published_keys) {
                ("/", true) => answer.hinting(
                    "GET /openapi.json describes the commands, /_dev/ has the controls; see docs/tour.md",
                ),
                ("/", false) => answer.hinting("GET /openapi.json describes the commands; see docs/tour.md"),
                _ => answer,
            }
        }
    }
}

/// Answers a browser that asks on behalf of a web page what the page may send. A header of an extension is only allowed by
/// name, so that other pages see no extension (decision 26).
fn preflight(head: &Head<'_>) -> Answer {
    let asked = head.text(Header::RequestedHeaders).unwrap_or_default();
    let is_asked_for = |name: &&str| asked.split(',').any(|asked| asked.trim().eq_ignore_ascii_case(name));
    let allowed: Vec<&str> = EXTENSION_HEADERS.into_iter().filter(is_asked_for).collect();
    match allowed.is_empty() {
        true => Answer::empty(),
        false => Answer::empty().allowing_headers(&allowed),
    }
}

/// Creates the refusal of a request for which there is no room.
pub(super) fn no_room(head: &Head<'_>, said: &str) -> Answer {
    let reply = Envelope::fail(None, Code::OVERLOAD, said);
    let answer = match head.is_service() {
        true => Answer::json(reply),
        false => Answer::json_with(Status::Unavailable, reply),
    };
    answer.with("connection", "close").refusing()
}

fn accepts_html(head: &Head<'_>) -> bool {
    head.text(Header::Accept).is_some_and(|value| value.contains("text/html"))
}
