//! The record of a call that ended: in the log, metrics, traces and journal.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use hyper::{HeaderMap, Response, Uri, header};

use super::{
    Door,
    admission::shown,
    answer::{self, Cut},
    call_log,
    request::REQUEST_ID,
    run::Progress,
};
use crate::{
    api::{Command, Error, Family},
    controls::{self, Text},
    domain::AppId,
    excerpt, masking,
    traces::{Parent, Span},
    wire::{Envelope, code::Code},
};

/// What is known of a call when it has ended.
pub(super) struct Ended<'a> {
    pub(super) known: Option<Command>,
    pub(super) app: Option<AppId>,
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
                request: Text::of(&progress.body.bytes),
                code: code.number(),
                why,
                reply: (!progress.cut).then(|| Text::of(reply)),
                ms: entry.took.as_secs_f64() * 1e3,
            });
        }
    }
}
