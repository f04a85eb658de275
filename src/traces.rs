//! Spans of calls, sent to an OpenTelemetry collector: OTLP over HTTP in its JSON form. Off unless an
//! endpoint is set.
//!
//! Written here because it is one request in one form, and the libraries for it would be a third of the
//! build. Calls never wait for it: what the collector does not take in time is left out, and counted.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    address::{self, Address},
    chance, excerpt, masking,
};

/// How many spans wait at the most.
const WAITING: usize = 8_192;
/// How many are sent at once, and how long the first waits for others.
const AT_ONCE: usize = 512;
const GATHER: Duration = Duration::from_millis(500);
/// How long the collector may take.
const WITHIN: Duration = Duration::from_secs(5);

/// One call.
#[derive(Clone, Debug)]
pub struct Span {
    /// What it is called.
    pub name: String,
    /// The trace it belongs to, and the span that caused it; a trace of its own without them.
    pub parent: Option<Parent>,
    /// When it began, since 1970.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
    /// The app, when the caller was let in.
    pub app: Option<u32>,
    /// `ErrorCode` of the reply, and why.
    pub code: u32,
    /// Why it was refused; empty when it was not.
    pub why: String,
    /// The id of the request, as in the log.
    pub request: String,
}

/// What a `traceparent` header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl Parent {
    /// Reads the header: version, trace, span and flags, as W3C Trace Context has them.
    #[must_use]
    pub fn parse(header: &str) -> Option<Parent> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (trace, span) = (from_hex(trace)?, from_hex(span)?);
        let [flags] = from_hex::<1>(flags)?;
        let whole = from_hex::<1>(version)? != [0xff] && trace != [0; 16] && span != [0; 8];
        whole.then_some(Parent { trace, span, sampled: flags & 1 == 1 })
    }
}

/// Where spans go.
#[derive(Debug)]
pub struct Traces {
    spans: Option<mpsc::SyncSender<Span>>,
    thread: Option<JoinHandle<()>>,
    left_out: Arc<AtomicU64>,
    /// Whether it was said that the thread has ended.
    ended: AtomicBool,
}

impl Traces {
    /// Sends spans to the collector at `endpoint`, for example `http://localhost:4318`.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(endpoint: &Address) -> io::Result<Traces> {
        let (spans, waiting) = mpsc::sync_channel(WAITING);
        let left_out = Arc::new(AtomicU64::new(0));
        let (endpoint, lost) = (endpoint.clone(), Arc::clone(&left_out));
        let work = move || send_all(&endpoint, &waiting, &lost);
        let thread = thread::Builder::new().name("traces".to_owned()).spawn(work)?;
        Ok(Traces { spans: Some(spans), thread: Some(thread), left_out, ended: AtomicBool::new(false) })
    }

    /// Tells of a call, unless whoever caused it wants none of it.
    pub fn tell(&self, span: Span) {
        if span.parent.is_some_and(|parent| !parent.sampled) {
            return;
        }
        let Some(spans) = &self.spans else { return };
        if let Err(refused) = spans.try_send(span) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            // Calls go on without their spans, but not without a word.
            let gone = matches!(refused, mpsc::TrySendError::Disconnected(_));
            if gone && !self.ended.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    "a defect ended the thread that sends spans; none are sent until the next start"
                );
            }
        }
    }
}

impl Drop for Traces {
    /// Sends what waits.
    fn drop(&mut self) {
        self.spans = None;
        if let Some(thread) = self.thread.take() {
            // It ends within the time that the collector has.
            let _ = thread.join();
        }
    }
}

fn send_all(endpoint: &Address, waiting: &mpsc::Receiver<Span>, left_out: &AtomicU64) {
    let url = endpoint.at("/v1/traces", "");
    let proxy = endpoint.proxy();
    let through = proxy.as_ref().map_or_else(String::new, |proxy| {
        format!(" through the proxy {} that the environment names", address::shown(proxy))
    });
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(WITHIN))
        .max_redirects(0)
        .proxy(proxy)
        .build()
        .into();
    while let Ok(first) = waiting.recv() {
        let mut spans = vec![first];
        while spans.len() < AT_ONCE
            && let Ok(span) = waiting.recv_timeout(GATHER)
        {
            spans.push(span);
        }
        let count = spans.len() as u64;
        let body = request(&spans).to_string();
        if let Err(error) = agent.post(&url).content_type("application/json").send(body) {
            let lost = left_out.fetch_add(count, Ordering::Relaxed) + count;
            let error = match error {
                // It would show the whole address.
                ureq::Error::BadUri(_) => "the address cannot be used".to_owned(),
                error => excerpt::line(&error.to_string()).into_owned(),
            };
            tracing::warn!(error, lost, "spans could not be sent to {endpoint}{through}");
        }
    }
}

/// An export request of the protocol.
fn request(spans: &[Span]) -> Value {
    json!({ "resourceSpans": [{
        "resource": { "attributes": [text("service.name", "confold"), text("service.version", env!("CARGO_PKG_VERSION"))] },
        "scopeSpans": [{ "scope": { "name": "confold" }, "spans": spans.iter().map(span).collect::<Vec<_>>() }],
    }] })
}

fn span(span: &Span) -> Value {
    let trace = span.parent.map_or_else(chance::array::<16>, |parent| parent.trace);
    let mut attributes = vec![number("confold.code", span.code)];
    attributes.extend(span.app.map(|app| number("confold.app", app)));
    attributes.push(text("confold.request", &span.request));
    let mut told = json!({
        "traceId": hex(&trace),
        "spanId": hex(&chance::array::<8>()),
        "name": masking::text(&span.name),
        "kind": 2,
        "startTimeUnixNano": span.began.as_nanos().to_string(),
        "endTimeUnixNano": (span.began + span.took).as_nanos().to_string(),
        "attributes": attributes,
        "status": match span.code {
            0 => json!({}),
            _ => json!({ "code": 2, "message": masking::text(&span.why) }),
        },
    });
    if let Some(parent) = span.parent {
        told["parentSpanId"] = json!(hex(&parent.span));
    }
    told
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: u32) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |digit: u8| char::from(digit).to_digit(16).filter(|_| !digit.is_ascii_uppercase());
    let digits = text.as_bytes();
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(*pair.get(1)?)?).ok()?;
    }
    (digits.len() == 2 * N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_shows_no_signature() {
        let secret = "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkElNyM";
        let made = span(&Span {
            name: format!("/v4/{secret}"),
            parent: None,
            began: Duration::ZERO,
            took: Duration::ZERO,
            app: None,
            code: 60009,
            why: format!("there is no command \"{secret}\""),
            request: String::new(),
        });
        assert_eq!(made["name"], "/v4/…");
        assert_eq!(made["status"]["message"], "there is no command \"…\"");
    }

    #[test]
    fn a_traceparent_is_read_and_nothing_else() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = Parent::parse(good).unwrap();
        assert_eq!((hex(&parent.trace).as_str(), hex(&parent.span).as_str()), (&good[3..35], &good[36..52]));
        assert!(parent.sampled && !Parent::parse(&good.replace("-01", "-00")).unwrap().sampled);
        for bad in [
            "",
            "00",
            "00-4bf9-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Parent::parse(bad), None, "{bad}");
        }
        assert_eq!(Parent::parse(&good.replace("00f067aa0ba902b7", "0000000000000000")), None);
        assert_eq!(Parent::parse(&good.replace('f', "F")), None);
        assert_eq!(Parent::parse(&good.replace("4bf9", "äf9")), None);
    }
}
