//! The observers of exchanges. To add one, extend [`all`].

mod journal;
pub(super) mod log;
mod metrics;
mod traces;

use std::sync::Arc;

use self::log::LogBudget;
use super::exchange::{Observer, Observers};
use crate::{clock::Clock, controls::Controls, metrics::Metrics, traces::Traces};

/// Returns the observers of a server with these optional features.
pub(super) fn all(
    lines: &Arc<LogBudget>,
    metrics: Option<&Arc<Metrics>>,
    spans: Option<&Arc<Traces>>,
    controls: Option<&Arc<Controls>>,
    clock: &Clock,
) -> Observers {
    let log: Box<dyn Observer> = Box::new(log::CallLog(Arc::clone(lines)));
    let metrics = metrics.map(|counts| Box::new(metrics::CallCounts(Arc::clone(counts))) as _);
    let spans = spans.map(|to| Box::new(traces::Spans { to: Arc::clone(to), clock: clock.clone() }) as _);
    let journal = controls
        .map(|of| Box::new(journal::JournalObserver { of: Arc::clone(of), clock: clock.clone() }) as _);
    Observers::new([Some(log), metrics, spans, journal].into_iter().flatten())
}
