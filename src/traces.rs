//! Sends a span for each call to an OpenTelemetry collector, with OTLP over HTTP in JSON. Off unless an
//! endpoint is set.
//!
//! confold sends one kind of request, for which the OpenTelemetry libraries would add a third to the build
//! time. Calls never wait for the collector: spans that it does not accept in time are dropped and counted.

mod span;

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

pub use span::{Parent, Span};

use self::span::request;
use crate::{
    address::{self, Address},
    background::{OnEnd, Service, Stopping, make_runtime},
    excerpt,
    log_lines::log,
    resolver,
};

/// The maximum number of spans that wait to be sent.
const WAITING: usize = 8_192;
/// The maximum number of spans in one request, and how long the first of them waits for more.
const AT_ONCE: usize = 512;
const GATHER: Duration = Duration::from_millis(500);
/// The time limit for one request to the collector.
const WITHIN: Duration = Duration::from_secs(5);

/// Accepts spans and queues them for the collector.
#[derive(Debug)]
pub struct Traces {
    spans: mpsc::Sender<Span>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Spans that wait, including those of the request in progress.
    pending: AtomicU64,
    /// Spans that were dropped.
    left_out: AtomicU64,
    /// The collector and the proxy used to reach it, for log messages.
    collector: OnceLock<String>,
    /// Why the last request during a stop failed.
    failed: Mutex<Option<String>>,
}

impl Traces {
    /// Returns the queue of spans for the collector at `endpoint`, for example `http://localhost:4318`, and the service
    /// that sends them. At a stop, the service sends as many as the time permits and logs how many were lost.
    #[must_use]
    pub(crate) fn new(endpoint: Address) -> (Traces, Service) {
        let (spans, waiting) = mpsc::channel(WAITING);
        let shared = Arc::<Shared>::default();
        let (of_thread, of_end) = (Arc::clone(&shared), Arc::clone(&shared));
        let service = Service {
            name: "traces",
            about: "the thread that sends spans",
            on_end: OnEnd::GoOn(|error| log!(SPANS_ENDED, error)),
            work: Box::new(move |stopping| {
                Sending { waiting, shared: of_thread, stopping }.send_all(&endpoint)
            }),
            afterwards: Box::new(move || of_end.report()),
        };
        (Traces { spans, shared }, service)
    }

    /// Queues the span of a call, unless the caller's trace is not sampled.
    pub fn send(&self, span: Span) {
        if span.parent.is_some_and(|parent| !parent.is_sampled()) {
            return;
        }
        self.shared.pending.fetch_add(1, Ordering::Relaxed);
        // If the queue is full, drop the span; the call must not wait.
        if self.spans.try_send(span).is_err() {
            self.shared.pending.fetch_sub(1, Ordering::Relaxed);
            self.shared.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// Logs how many spans were lost because the server ended. These include the spans of a request that was still
    /// in progress.
    fn report(&self) {
        let lost = self.pending.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let why = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
            let error = why.unwrap_or_else(|| "no answer came in time".to_owned());
            let collector = self.collector.get().map_or("the collector", String::as_str);
            log!(SPANS_NOT_SENT_AT_STOP[collector], error, lost);
        }
    }
}

/// The state of the sending thread.
struct Sending {
    waiting: mpsc::Receiver<Span>,
    shared: Arc<Shared>,
    stopping: Stopping,
}

impl Sending {
    fn send_all(mut self, endpoint: &Address) -> io::Result<()> {
        let runtime = make_runtime()?;
        let url = endpoint.at("/v1/traces", "");
        let proxy = endpoint.proxy();
        let through = proxy.as_ref().map_or_else(String::new, |proxy| {
            format!(" through the proxy {} that the environment names", address::describe_proxy(proxy))
        });
        let shared = Arc::clone(&self.shared);
        let collector = shared.collector.get_or_init(|| format!("{endpoint}{through}"));
        let agent = resolver::agent(ureq::Agent::config_builder().max_redirects(0).proxy(proxy).build());
        while let Some(spans) = runtime.block_on(self.gather()) {
            let Some(within) = self.time_for_request() else { return Ok(()) };
            let body = request(&spans).to_string();
            let post = agent.post(&url).content_type("application/json");
            let sent = post.config().timeout_global(Some(within)).build().send(body);
            let error = match sent {
                Ok(_) => {
                    self.settle(spans.len());
                    continue;
                }
                // The error would show the whole address, which may contain secrets.
                Err(ureq::Error::BadUri(_)) => "the address cannot be used".to_owned(),
                Err(error) => excerpt::line(&error.to_string()).into_owned(),
            };
            if self.stopping.is_begun() {
                // The remaining spans would fail for the same reason, so they are reported together.
                *self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return Ok(());
            }
            self.settle(spans.len());
            let count = spans.len() as u64;
            let lost = self.shared.left_out.fetch_add(count, Ordering::Relaxed) + count;
            log!(SPANS_NOT_SENT[collector], error, lost);
        }
        Ok(())
    }

    /// Collects the spans of the next request; returns `None` once there are no more.
    async fn gather(&mut self) -> Option<Vec<Span>> {
        let mut spans = Vec::new();
        while spans.len() < AT_ONCE {
            if self.stopping.is_begun() {
                // During a stop, take only what is already there.
                match self.waiting.try_recv() {
                    Ok(span) => spans.push(span),
                    Err(_) => break,
                }
                continue;
            }
            let within = if spans.is_empty() { Duration::MAX } else { GATHER };
            tokio::select! {
                () = self.stopping.begin() => {}
                span = tokio::time::timeout(within, self.waiting.recv()) => match span {
                    Ok(Some(span)) => spans.push(span),
                    Ok(None) | Err(_) => break,
                },
            }
        }
        (!spans.is_empty()).then_some(spans)
    }

    /// Returns the time limit of the next request, or `None` if no time is left.
    fn time_for_request(&self) -> Option<Duration> {
        let left = self.stopping.by().map_or(WITHIN, |by| by.left().min(WITHIN));
        (!left.is_zero()).then_some(left)
    }

    /// Subtracts spans that were sent or dropped from the number that waits.
    fn settle(&self, spans: usize) {
        self.shared.pending.fetch_sub(spans as u64, Ordering::Relaxed);
    }
}
