//! The span of one call, and its form in OTLP.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{masking, random};

/// The span of one call.
#[derive(Clone, Debug)]
pub struct Span {
    /// The name of the span.
    pub name: String,
    /// The caller's trace and span; without them, the span starts a new trace.
    pub parent: Option<Parent>,
    /// When the call began, since 1970.
    pub began: Duration,
    /// The duration of the call.
    pub took: Duration,
    /// The app, if the caller was admitted.
    pub app: Option<u32>,
    /// `ErrorCode` of the reply.
    pub code: u32,
    /// Why the call was refused; empty if it was not.
    pub why: String,
    /// The request id, as in the log.
    pub request: String,
}

/// The content of a `traceparent` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl Parent {
    /// Parses the header in the format of W3C Trace Context: version, trace, span and flags.
    #[must_use]
    pub fn parse(header: &str) -> Option<Parent> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (trace, span) = (from_hex(trace)?, from_hex(span)?);
        let [flags] = from_hex::<1>(flags)?;
        let whole = from_hex::<1>(version)? != [0xff] && trace != [0; 16] && span != [0; 8];
        whole.then_some(Parent { trace, span, sampled: flags & 1 == 1 })
    }

    /// Returns whether the caller's trace is recorded.
    pub(super) fn is_sampled(self) -> bool {
        self.sampled
    }
}

/// Builds the body of an export request.
pub(super) fn request(spans: &[Span]) -> Value {
    json!({ "resourceSpans": [{
        "resource": { "attributes": [text("service.name", "confold"), text("service.version", env!("CARGO_PKG_VERSION"))] },
        "scopeSpans": [{ "scope": { "name": "confold" }, "spans": spans.iter().map(span).collect::<Vec<_>>() }],
    }] })
}

fn span(span: &Span) -> Value {
    let trace = span.parent.map_or_else(random::array::<16>, |parent| parent.trace);
    let mut attributes = vec![number("confold.code", span.code)];
    attributes.extend(span.app.map(|app| number("confold.app", app)));
    attributes.push(text("confold.request", &span.request));
    let mut object = json!({
        "traceId": hex(&trace),
        "spanId": hex(&random::array::<8>()),
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
        object["parentSpanId"] = json!(hex(&parent.span));
    }
    object
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
