//! `GET /feed`: what calls changed in an app, in the order of each owner. A long poll by default, and server-sent events
//! for clients that accept them.
//!
//! The path is outside `/v4/` and therefore uses ordinary statuses (decision 22).

mod asked;
mod right;

use self::{asked::Asked, right::Right};
use super::{
    answer::{Answer, JSON, Status},
    feed::{FeedBody, Form, decode_cursor},
    head::Head,
    id::Id,
    observed::observe,
    origin,
    state::State,
    transfer_refusal::TransferRefusal,
};
use crate::{domain::AppId, log_lines::log, store::FeedFrom, wire::code::Code};

/// The media type of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";

/// Answers a request for the feed, and passes the exchange to the observers.
pub(super) async fn answer(state: &State, head: &Head<'_>, id: &Id<'_>) -> Answer {
    let asked = read(state, head).await;
    let app = asked.as_ref().ok().map(|(app, _)| *app);
    observe(state, "feed", head, id, app, asked.as_ref().err());
    asked.map_or_else(TransferRefusal::answer, |(_, answer)| answer)
}

async fn read(state: &State, head: &Head<'_>) -> Result<(AppId, Answer), TransferRefusal> {
    origin::check_page(head.headers).map_err(TransferRefusal::page)?;
    if state.published_keys {
        // A web page can sign with a published key, but it cannot address this server by an allowed name.
        state.hosts.check(head).map_err(TransferRefusal::page)?;
    }
    let Asked { app, after, wait, form } = Asked::read(head).map_err(TransferRefusal::query)?;
    let (mut right, (app, identifier)) = Right::of(state, head, app)?;
    let refused = |refusal: TransferRefusal| TransferRefusal { app: Some(app), ..refusal };
    head.connection.mark_signed();
    let from = match after.as_deref() {
        None => FeedFrom::Earliest,
        Some("latest") => FeedFrom::Latest,
        Some(text) => FeedFrom::After(decode_cursor(app, text).ok_or_else(|| {
            let said = "the query parameter after, or the header Last-Event-ID, must be a cursor that the feed of this app has \
                        returned, or latest; read without it to begin with the oldest entry that is kept";
            refused(TransferRefusal::query(said.to_owned()))
        })?),
    };
    let Some(subscription) = state.feed.subscribe(app) else {
        return Err(refused(TransferRefusal {
            status: Status::Unavailable,
            code: Code::OVERLOAD,
            said: format!("the feed of app {app} has as many readers as it may at once; try again later"),
            app: None,
        }));
    };
    let identifier = identifier.as_deref();
    match form {
        Form::Events if state.lines.take(Code::OK, head.started) => {
            log!(FEED_OPENED, app = app.number(), source = %head.source, identifier);
        }
        _ => log!(FEED_POLLED, app = app.number(), source = %head.source, identifier),
    }
    let body = FeedBody::begin(subscription, Box::new(move || right.holds()), form, from, wait);
    let body = body.await.map_err(|error| refused(TransferRefusal::store(error)))?;
    let content_type = match form {
        Form::Events => EVENT_STREAM,
        Form::Object => JSON,
    };
    // Proxies must pass events on at once.
    let answer =
        Answer::stream(content_type, body).with("cache-control", "no-store").with("x-accel-buffering", "no");
    Ok((app, answer))
}
