//! Counts exchanges for the metrics.

use std::{sync::Arc, time::Duration};

use crate::{
    api::Error,
    call::exchange::{Exchange, Failure, Observer, Subject},
    metrics::Metrics,
};

/// Counts exchanges.
pub(super) struct CallCounts(pub(super) Arc<Metrics>);

impl Observer for CallCounts {
    fn wants_bodies(&self) -> bool {
        false
    }

    fn observe(&self, exchange: &Exchange<'_>) {
        let (metrics, code) = (&*self.0, exchange.code);
        match exchange.subject {
            Subject::Call(command) => {
                if !exchange.items.is_empty() {
                    metrics.refused_items(command, exchange.items);
                }
                if let Some(Failure { error: Some(Error::Absent(absent)), .. }) = exchange.failure {
                    metrics.absent(*absent);
                }
                if !exchange.cut {
                    metrics.call(command, code, exchange.took);
                    exchange.claimed_app().inspect(|app| exchange.calls.count(*app, code));
                }
            }
            Subject::Transfer(task) => metrics.transfer(task, code),
            Subject::Callback(event, result) => metrics.callback(event, result),
            Subject::Control(path, status) => metrics.control(path, status),
            Subject::NoRoom => metrics.call(None, code, Duration::ZERO),
        }
    }
}
