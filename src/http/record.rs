//! The record of a call that ended: in the log, metrics, traces and journal.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use hyper::{HeaderMap, Response, Uri, header};

use super::{
    Door,
    admission::{claimed_app, shown},
    answer::{self, Cut},
    call_log,
    request::REQUEST_ID,
    run::Progress,
};
use crate::{
    api::{Command, Error, Family, Told},
    controls::{self, Text},
    domain::AppId,
    excerpt, masking,
    metrics::CallsOfApps,
    traces::{Parent, Span},
    wire::{Envelope, code::Code},
};

/// The header that carries what confold says of an error where the text of the reply is the vendor's (decision 29).
pub(super) const HINT: header::HeaderName = header::HeaderName::from_static("x-confold-hint");

/// Why a call failed, without secrets.
struct Failure {
    error: Error,
    /// `ErrorInfo` of the reply.
    info: String,
    /// What confold says beside it.
    hint: Option<String>,
}

/// A message as it is kept and shown.
#[expect(clippy::needless_pass_by_value, reason = "it takes the place of what it is made from")]
fn shown_text(text: String) -> String {
    masking::text(&excerpt::line(&text)).into_owned()
}

impl Failure {
    /// The explanation: for the log, the journal and traces.
    fn why(&self) -> &str {
        self.hint.as_deref().unwrap_or(&self.info)
    }
}

/// What is known of a call when it has ended.
pub(super) struct Ended<'a> {
    pub(super) known: Option<Command>,
    pub(super) app: Option<AppId>,
    /// Where the calls of its app are counted.
    pub(super) calls: &'a CallsOfApps,
    pub(super) source: IpAddr,
    pub(super) started: Duration,
    pub(super) took: Duration,
    pub(super) given_id: Option<&'a str>,
}

impl Door {
    /// Makes the answer of a call, and records it in the log, metrics, traces and journal.
    pub(super) fn record(
        &self,
        (uri, headers): (&Uri, &HeaderMap),
        ended: &Ended<'_>,
        outcome: Result<Vec<u8>, Error>,
        progress: &mut Progress,
    ) -> Result<Response<answer::Body>, Cut> {
        let Ended { known, app, calls, source, started, took, given_id } = *ended;
        let (code, failure, reply) = match outcome {
            Ok(reply) => (Code::OK, None, reply),
            Err(error) => {
                let code = error.code(known.map_or(Family::RecentContact, Command::family));
                let Told { info, hint } = error.told();
                let (info, hint) = (shown_text(info), hint.map(shown_text));
                let reply = Envelope::fail(known.map(Command::base_fields), code, &info);
                (code, Some(Failure { error, info, hint }), reply)
            }
        };
        let (items, item_hint) = std::mem::take(&mut progress.items).into_parts();
        let item_hint = item_hint.map(shown_text);
        let id = given_id.map_or_else(|| Cow::Owned(call_log::new_id()), Cow::Borrowed);
        let entry = call_log::Entry {
            id: &id,
            command: known,
            app,
            took,
            source,
            uri,
            body: &progress.body.bytes,
            items: &items,
        };
        match &failure {
            None => entry.succeeded(item_hint.as_deref(), &self.lines, started),
            Some(failure) => entry.failed(code, &failure.error, failure.why(), &self.lines, started),
        }
        let absent = match failure.as_ref().map(|failure| &failure.error) {
            Some(Error::Absent(absent)) => Some(*absent),
            _ => None,
        };
        if let (Some(controls), Some(absent)) = (&self.controls, absent) {
            controls.journal.count_absent(absent);
        }
        if let Some(metrics) = &self.metrics {
            metrics.refused_items(known, &items);
            if let Some(absent) = absent {
                metrics.absent(absent);
            }
            if !progress.cut {
                metrics.call(known, code, took);
                app.or_else(|| claimed_app(uri)).inspect(|app| calls.count(*app, code));
            }
        }
        if self.traces.is_some() || self.controls.is_some() {
            let why = failure.as_ref().map(|failure| failure.why().to_owned()).or(item_hint);
            let why = why.unwrap_or_default();
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
        let hint = failure.and_then(|failure| failure.hint);
        if let Some(hint) = hint.and_then(|hint| header::HeaderValue::from_str(&excerpt::header(&hint)).ok())
        {
            response.headers_mut().insert(HINT, hint);
        }
        Ok(response)
    }

    /// Whether calls are recorded somewhere else than in the log.
    pub(super) fn is_observed(&self) -> bool {
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
            let began = self.service.clock.system_time().saturating_sub(entry.took);
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
                request: Text::of(&progress.body.bytes),
                code: code.number(),
                why,
                reply: (!progress.cut).then(|| Text::of(reply)),
                ms: entry.took.as_secs_f64() * 1e3,
            });
        }
    }
}
