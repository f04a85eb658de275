//! What this server has beside the commands of the service, by the table of routes; and what is said where nothing is.

use super::{
    answer::{Answer, Status},
    controls,
    head::{Body, Head, Header},
    health,
    id::Id,
    origin,
    state::State,
    transfer::{self, Task},
};
use crate::{
    api::Error,
    excerpt, openapi,
    routes::{self, Admits, CONTROLS_PATH, Handler, Route},
    wire::{Envelope, code::Code},
};

/// Answers a request at a path of this server's own; nothing when there is none.
pub(super) async fn answer(
    state: &State,
    head: &Head<'_>,
    body: &mut Body<'_>,
    id: &Id<'_>,
) -> Option<Answer> {
    if head.path.starts_with(CONTROLS_PATH) {
        return Some(controls::answer(state, head, body, id).await);
    }
    routes::at(head.path).next()?;
    // The body of an answer to HEAD is left out where it is sent.
    let method = if head.method == "HEAD" { "GET" } else { head.method };
    let Some(route) = routes::at(head.path).find(|route| route.method == method) else {
        return Some(not_allowed(head));
    };
    if let Err(said) = admit(state, head, route.admits) {
        return Some(Answer::failure(Status::Forbidden, Code::RESOURCE, &said));
    }
    Some(run(state, head, body, id, route).await)
}

/// Keeps web pages away from what they may not use. Callers who sign, or have a token, are asked for it where they are
/// answered.
fn admit(state: &State, head: &Head<'_>, admits: Admits) -> Result<(), String> {
    match admits {
        Admits::Everybody | Admits::Administrators | Admits::Testers => Ok(()),
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
        Handler::Export => transfer::answer(state, Task::Export, head, body, id).await,
        Handler::Check => transfer::answer(state, Task::CHECK, head, body, id).await,
        Handler::Import => transfer::answer(state, Task::IMPORT, head, body, id).await,
        Handler::Control(_) => controls::answer(state, head, body, id).await,
    }
}

/// A path that exists, but not for this method.
fn not_allowed(head: &Head<'_>) -> Answer {
    let allowed = routes::allowed(head.path);
    let said = format!("this path takes {allowed}, found {}", excerpt::quoted(head.method));
    Answer::failure(Status::MethodNotAllowed, Code::HTTP, &said).with("allow", allowed)
}

/// Answers at `/`, below `/v4/` and at unknown paths what is not a POST.
pub(super) fn no_call(state: &State, head: &Head<'_>) -> Answer {
    match head.method {
        "HEAD" | "OPTIONS" => Answer::empty(),
        "GET" if head.path == "/" && accepts_html(head) => Answer::page(state.published_keys),
        _ => {
            let said = match head.path {
                "/" => String::new(),
                _ => format!("calls are made by POST, found {}", excerpt::plain(head.method)),
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

/// The refusal of a request for which there is no room.
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
