//! `POST /callback/<app>/<secret>`: the webhooks of Tencent Chat, which move the lists of recent conversations and keep the
//! members of chat groups.
//!
//! The path is outside `/v4/` and therefore uses ordinary statuses (decision 22), except that a webhook which is refused for
//! what it says is answered as the vendor's webhooks are: status 200, with the outcome in the body. The secret in the path
//! must not be shown anywhere.

mod effect;
mod event;
mod sender;

use std::{collections::BTreeMap, sync::Arc};

use self::{effect::Target, event::Reported, sender::Sender};
use super::{
    access::Access,
    answer::{Answer, Rest, Status},
    body,
    exchange::{Bodies, Exchange, Failure, Subject},
    head::{Body, Head, Header},
    id::Id,
    memory::{Bounds, Whole},
    state::State,
};
use crate::{
    api::Error,
    domain::AppId,
    excerpt,
    log_lines::log,
    masking,
    store::{CallContext, StoreError},
    webhooks::{Forwarded, Forwardee},
    wire::{Node, code::Code},
};

/// The reply to a webhook that was accepted, as the vendor expects it.
const OK: &[u8] = br#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
/// The code of a webhook that is refused for what it says.
const REFUSED: Code = Code::of(1);

/// Why a webhook was not accepted, and what is counted.
struct Refusal {
    status: Status,
    code: Code,
    said: String,
    result: &'static str,
}

/// What is known about a webhook while it is handled, for the observers.
#[derive(Default)]
struct Progress {
    app: Option<AppId>,
    kind: String,
    body: Whole,
    rest: Rest,
}

/// Answers a webhook, and passes the exchange to the observers.
pub(super) async fn answer(state: &State, head: &Head<'_>, body: &mut Body<'_>, id: &Id<'_>) -> Answer {
    let mut progress = Progress { rest: Rest::Unread, ..Progress::default() };
    let access = state.access();
    let work = receive(state, &access, head, body, id, &mut progress);
    let within = state.limits.answer_within;
    let outcome = tokio::time::timeout(within, work)
        .await
        .unwrap_or_else(|_| Err(Refusal { status: Status::Unavailable, ..Refusal::failed(&Error::Timeout) }));
    let (result, failure, answer) = match outcome {
        Ok((result, answer)) => (result, None, answer),
        Err(Refusal { status, code, said, result }) => {
            let said = masking::text(&excerpt::line(&said)).into_owned();
            (result, Some((code, said.clone())), Answer::failure(status, code, &said))
        }
    };
    let failed = failure.as_ref().map(|(_, said)| Failure { error: None, info: said, hint: None });
    let reply: &[u8] = match &answer.content {
        super::Content::Made(reply) => reply,
        super::Content::Fixed(reply) => reply,
        super::Content::Stream(_) => &[],
    };
    state.observers.observe(Exchange {
        head,
        subject: Subject::Callback(&progress.kind, result),
        app: progress.app,
        calls: &access.calls,
        took: state.service.clock.elapsed().saturating_sub(head.started),
        code: failure.as_ref().map_or(Code::OK, |(code, _)| *code),
        failure: failed.as_ref(),
        items: &BTreeMap::new(),
        item_hint: None,
        bodies: Bodies { request: &progress.body.bytes, reply },
        dry_run: false,
        cut: false,
        id,
    });
    Answer { rest: progress.rest, ..answer }
}

/// Receives a webhook. Returns what became of it, and the answer.
async fn receive(
    state: &State,
    access: &Access,
    head: &Head<'_>,
    body: &mut Body<'_>,
    id: &Id<'_>,
    progress: &mut Progress,
) -> Result<(&'static str, Answer), Refusal> {
    let sender = Sender::read(head.path, head.query.unwrap_or_default());
    let Some((app, callback)) = sender.admitted(access) else { return Err(Refusal::not_found()) };
    progress.app = Some(app.id);
    head.connection.mark_signed();
    progress.kind = sender.kind.clone().unwrap_or_default().into_owned();
    let is_within_limit = access.take_callback(app.id, callback, head);
    if !is_within_limit && callback.forward.is_none() {
        return Err(Refusal::limited());
    }
    let bounds = Bounds {
        headers: head.headers,
        bytes: callback.body_bytes,
        budget: &state.budget,
        small: head.connection.small_bodies(),
    };
    let is_too_large = http_body::Body::size_hint(body).lower() > callback.body_bytes as u64;
    progress.rest = Rest::Broken;
    let whole = body::read(body, bounds).await;
    if whole.is_ok() || body.is_end_stream() {
        progress.rest = Rest::Read;
    } else if is_too_large {
        progress.rest = Rest::Unread;
    }
    progress.body = whole.map_err(|error| Refusal::body(&error, is_too_large))?;
    let bytes = progress.body.bytes.clone();
    sender.check(app.id, callback, state.service.clock.now()).map_err(Refusal::refused)?;
    let node = body::read_json(&bytes).and_then(|node| match node {
        Node::Object(_) => Ok(node),
        other => Err(Error::Json(format!("found {}", other.describe()))),
    });
    if let Ok(node) = &node
        && let Some(kind) = event::text(node, "CallbackCommand")
    {
        kind.clone_into(&mut progress.kind);
    }
    let kind = progress.kind.clone();
    let now = state.service.clock.now_in_milliseconds();
    let reported = match &node {
        _ if event::is_before(&kind) => Ok(Reported::Before),
        Ok(node) => Ok(event::read(&kind, node, now)),
        Err(error) => Err(Refusal::refused(error.reply_text().info)),
    };
    let target = Target { service: &state.service, app, callback };
    let context = || CallContext { identifier: None, request: Some(Arc::from(id.get())) };
    let apply = async {
        match reported {
            _ if !is_within_limit => Ok("limited"),
            Ok(Reported::Before) => Ok("allowed"),
            Ok(reported) => target.apply(reported, context).await.map_err(|error| Refusal::of_store(&error)),
            Err(refusal) => Err(refusal),
        }
    };
    let Some(forward) = &callback.forward else {
        return Ok((apply.await?, Answer::json_with(Status::Ok, OK.to_vec())));
    };
    let content_type = head.text(Header::ContentType).unwrap_or("application/json").to_owned();
    let query = sender::forwarded_query(head.query.unwrap_or_default());
    let webhook = Forwarded { to: forward.clone(), query, content_type, body: bytes.to_vec() };
    // The vendor waits for 2 seconds, so both happen at the same time.
    let (applied, forwarded) = tokio::join!(apply, state.forwarder.forward(webhook));
    let answer = match forwarded {
        Ok(Forwardee { content_type, body }) => Answer::forwarded(content_type, body),
        Err(error) => {
            if state.lines.take(Code::OK, head.started) {
                log!(CALLBACK_NOT_FORWARDED, app = app.id.number(), to = %forward.origin(), error);
            }
            Answer::json_with(Status::Ok, OK.to_vec())
        }
    };
    // The answer is that of the other server, whatever became of the webhook here.
    Ok((applied.unwrap_or_else(|refusal| refusal.result), answer))
}

impl Refusal {
    /// Says nothing about which apps exist or receive webhooks.
    fn not_found() -> Refusal {
        let said = "there is no such webhook; the path is /callback/<app>/<secret>, with the callback secret of the app";
        Refusal { status: Status::NotFound, code: Code::RESOURCE, said: said.to_owned(), result: "not_found" }
    }

    fn limited() -> Refusal {
        let said = "there are more webhooks in this second than callback.calls_per_second allows";
        Refusal {
            status: Status::Unavailable,
            code: Code::APP_FREQUENCY,
            said: said.to_owned(),
            result: "limited",
        }
    }

    /// Refuses a webhook for what it says.
    fn refused(said: impl Into<String>) -> Refusal {
        Refusal { status: Status::Ok, code: REFUSED, said: said.into(), result: "refused" }
    }

    fn body(error: &Error, is_too_large: bool) -> Refusal {
        let status = match error {
            Error::ManyBodies { .. } => Status::Unavailable,
            _ if is_too_large => Status::TooLarge,
            _ => Status::BadRequest,
        };
        Refusal { status, result: "refused", ..Refusal::failed(error) }
    }

    fn failed(error: &Error) -> Refusal {
        let code = error.code(crate::api::Family::RecentContact);
        Refusal { status: Status::Unavailable, code, said: error.reply_text().info, result: "failed" }
    }

    /// The error text of the store appears only in the log.
    fn of_store(error: &StoreError) -> Refusal {
        log!(CALLBACK_FAILED_IN_STORE, %error);
        Refusal::failed(&Error::Store(error.clone()))
    }
}
