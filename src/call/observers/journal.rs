//! Calls in the journal of an emulator.

use std::sync::Arc;

use crate::{
    api::Error,
    call::{
        access::shown,
        exchange::{Exchange, Failure, Observer, Subject},
    },
    clock::Clock,
    controls::{Controls, JournalEntry, Text},
    domain::AppId,
};

/// Records calls in the journal.
pub(super) struct JournalObserver {
    pub(super) of: Arc<Controls>,
    pub(super) clock: Clock,
}

impl Observer for JournalObserver {
    fn wants_bodies(&self) -> bool {
        true
    }

    fn observe(&self, exchange: &Exchange<'_>) {
        let (Subject::Call(_) | Subject::Callback(..)) = exchange.subject else { return };
        let journal = &self.of.journal;
        if let Some(Failure { error: Some(Error::Absent(absent)), .. }) = exchange.failure {
            journal.count_absent(*absent);
        }
        journal.note(JournalEntry {
            id: 0,
            request_id: exchange.id().to_owned(),
            time: self.clock.now(),
            source: exchange.head.source,
            path: shown(exchange.head.path),
            app: exchange.app.map(AppId::number),
            dry_run: exchange.dry_run,
            request: Text::of(exchange.bodies.request),
            code: exchange.code.number(),
            why: exchange.why().to_owned(),
            reply: (!exchange.cut).then(|| Text::of(exchange.bodies.reply)),
            ms: exchange.took.as_secs_f64() * 1e3,
        });
    }
}
