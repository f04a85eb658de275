//! Sends calls as spans to a collector.

use std::sync::Arc;

use crate::{
    call::{
        access::shown,
        exchange::{Exchange, Observer, Subject},
        head::Header,
    },
    clock::Clock,
    domain::AppId,
    traces::{Parent, Span, Traces},
};

/// Creates a span for each call.
pub(super) struct Spans {
    pub(super) to: Arc<Traces>,
    pub(super) clock: Clock,
}

impl Observer for Spans {
    fn wants_bodies(&self) -> bool {
        false
    }

    fn observe(&self, exchange: &Exchange<'_>) {
        let (Subject::Call(_) | Subject::Callback(..)) = exchange.subject else { return };
        self.to.send(Span {
            name: shown(exchange.head.path),
            parent: exchange.head.text(Header::TraceParent).and_then(Parent::parse),
            began: self.clock.system_time().saturating_sub(exchange.took),
            took: exchange.took,
            app: exchange.app.map(AppId::number),
            code: exchange.code.number(),
            why: exchange.why().to_owned(),
            request: exchange.id().to_owned(),
        });
    }
}
