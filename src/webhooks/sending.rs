//! Sends messages, and judges the answers of receivers.

use std::{
    io::Read,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{message::Signed, settings::Webhook};
use crate::{
    domain::{UnixSeconds, http_date},
    excerpt, resolver, tls,
};

/// How long a message may take, from connecting to the end of the answer.
const WITHIN: Duration = Duration::from_secs(10);
/// The memory of a connection, in each direction.
const BUFFER_BYTES: usize = 16 << 10;
/// How much of an answer is read.
const ANSWER_BYTES: u64 = 64 << 10;
/// The longest time that a receiver can ask for with `Retry-After`, in seconds.
const MAX_RETRY_AFTER: u64 = 86_400;
/// How long to wait, in seconds, if a receiver or its proxy is overloaded and does not say for how long.
const OVERLOADED: u64 = 30;

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    /// How many seconds the receiver wants to get nothing.
    pub(super) rest: Option<u64>,
}

/// How a receiver took a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has the message.
    Delivered,
    /// It refused this message.
    Refused(String),
    /// It did not answer, so nothing is known about this message.
    Unreachable(String),
    /// It takes no message at present.
    Busy(String),
    /// It wants no message any more.
    Gone,
}

impl Verdict {
    /// Returns why the message was not delivered.
    pub(super) fn reason(&self) -> &str {
        match self {
            Verdict::Delivered => "",
            Verdict::Refused(why) | Verdict::Unreachable(why) | Verdict::Busy(why) => why,
            Verdict::Gone => "HTTP 410",
        }
    }
}

/// A client for one receiver.
#[derive(Clone)]
pub(super) struct Sender(Agent);

impl Sender {
    /// Creates a client that follows no redirections and uses no proxy, because both would lead messages elsewhere.
    pub(super) fn new(webhook: &Webhook, concurrent: usize) -> Sender {
        let admits = if webhook.allow_private { |_| true } else { is_public };
        let roots = match &webhook.authorities {
            None => RootCerts::WebPki,
            Some(authorities) => {
                let certificates =
                    authorities.certificates().map(|der| Certificate::from_der(der).to_owned());
                RootCerts::Specific(Arc::new(certificates.collect()))
            }
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("confold/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(concurrent)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_global(Some(WITHIN))
            .build();
        Sender(resolver::agent_to(config, admits))
    }

    /// Sends a message and waits for the answer.
    pub(super) fn send(&self, signed: &Signed<'_>) -> Outcome {
        let mut request = self
            .0
            .post(&signed.url)
            .content_type("application/json")
            .header("webhook-id", &signed.message.id)
            .header("webhook-timestamp", signed.timestamp.to_string());
        if !signed.signature.is_empty() {
            request = request.header("webhook-signature", &signed.signature);
        }
        let mut response = match request.send(&signed.message.body) {
            Ok(response) => response,
            Err(error) => {
                return Outcome { verdict: Verdict::Unreachable(explain(&error, WITHIN)), rest: None };
            }
        };
        let rest = (response.headers().get("retry-after"))
            .and_then(|value| retry_after(value.to_str().ok()?, signed.timestamp));
        let status = response.status().as_u16();
        let mut answer = Vec::new();
        let read = response.body_mut().as_reader().take(ANSWER_BYTES + 1).read_to_end(&mut answer);
        judge(status, rest, read.is_ok().then_some(&answer))
    }
}

/// Reads `Retry-After`: a number of seconds, or a date such as `Wed, 21 Oct 2026 07:28:00 GMT`.
fn retry_after(text: &str, now: UnixSeconds) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = if is_number {
        // A number that is too large for the type is a very long time.
        text.parse().unwrap_or(u64::MAX)
    } else {
        http_date(text)?.saturating_sub(now)
    };
    Some(seconds.min(MAX_RETRY_AFTER)).filter(|seconds| *seconds > 0)
}

/// Describes an error without the address, which may contain secrets.
pub(super) fn explain(error: &ureq::Error, within: Duration) -> String {
    match error {
        ureq::Error::BadUri(_) => "the address cannot be used".to_owned(),
        ureq::Error::Timeout(_) => {
            format!("there was no complete answer within {} seconds", within.as_secs_f64())
        }
        error => {
            let explained = match error {
                ureq::Error::Io(inner) => tls::explain_with(inner, "ca_file"),
                other => tls::explain_with(other, "ca_file"),
            };
            explained.unwrap_or_else(|| excerpt::line(&error.to_string()).into_owned())
        }
    }
}

/// Judges an answer by its status, by `Retry-After`, and by its body if that is an answer as Tencent Chat expects it.
fn judge(status: u16, rest: Option<u64>, body: Option<&[u8]>) -> Outcome {
    let said = format!("HTTP {status}");
    let (verdict, rest) = match status {
        200..=299 => match body {
            None => (Verdict::Unreachable(format!("{said}, but the answer broke off")), rest),
            Some(body) => match error_code(body) {
                None => (Verdict::Delivered, rest),
                Some(code) => (Verdict::Refused(format!("{said} with ErrorCode {code}")), rest),
            },
        },
        300..=399 => (Verdict::Refused(format!("{said}: redirections are not followed")), rest),
        410 => (Verdict::Gone, None),
        429 => (Verdict::Busy(said), rest.or(Some(OVERLOADED))),
        502 | 504 => (Verdict::Unreachable(said), rest.or(Some(OVERLOADED))),
        503 => (Verdict::Unreachable(said), rest),
        _ => (Verdict::Refused(said), rest),
    };
    Outcome { verdict, rest }
}

/// Returns the `ErrorCode` of an answer unless it is 0. Bodies that are not an object with `ErrorCode` say nothing.
fn error_code(body: &[u8]) -> Option<String> {
    // Some receivers begin with a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.len() as u64 > ANSWER_BYTES || body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let code = match serde_json::from_slice::<Value>(body).ok()?.get("ErrorCode")? {
        Value::Number(code) => code.to_string(),
        Value::String(code) => excerpt::plain(code).to_string(),
        _ => return None,
    };
    (code != "0").then_some(code)
}

/// Returns whether an address belongs to the public internet, and not to this machine, its network or a protocol.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = address.is_unspecified()
        || first == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        // Shared by customers of a carrier, benchmarks, protocol assignments, and reserved.
        || (first == 100 && (64..128).contains(&second))
        || (first == 198 && (18..20).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || first >= 240;
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match parts {
        // Addresses that stand for an IPv4 address: translated ones (NAT64) and those of 6to4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        // Only this range is assigned to the public internet, except documentation and Teredo.
        [0x2001, 0 | 0xdb8, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> Verdict {
        judge(status, None, Some(body.as_bytes())).verdict
    }

    #[test]
    fn success_is_a_2xx_without_an_error_code() {
        for (status, body) in [
            (200, ""),
            (204, ""),
            (201, "ok"),
            (200, "[1]"),
            (200, r#"{"ok":true}"#),
            (200, r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#),
            (200, r#" {"ErrorCode":"0"}"#),
            (200, r#"{"ErrorCode":null}"#),
            (200, r#"{"ErrorCode":{"ErrorCode":1}}"#),
            (200, r#"{"Data":{"ErrorCode":1}}"#),
            (200, &"{\"ErrorCode\":".repeat(1_000)),
            (200, "{"),
        ] {
            assert_eq!(verdict(status, body), Verdict::Delivered, "{status} {body}");
        }
        for (status, body, said) in [
            (200, r#"{"ErrorCode":1}"#, "HTTP 200 with ErrorCode 1"),
            (200, "\u{feff}{\"ErrorCode\":2}", "HTTP 200 with ErrorCode 2"),
            (200, r#"{"ActionStatus":"FAIL","ErrorCode":"-1"}"#, "HTTP 200 with ErrorCode -1"),
            (302, "", "HTTP 302: redirections are not followed"),
            (400, "", "HTTP 400"),
            (500, r#"{"ErrorCode":0}"#, "HTTP 500"),
        ] {
            assert_eq!(verdict(status, body), Verdict::Refused(said.to_owned()), "{status} {body}");
        }
        let long = format!(r#"{{"ErrorCode":1,"a":"{}"}}"#, "a".repeat(70_000));
        assert_eq!(verdict(200, &long), Verdict::Delivered, "a longer answer is not read");
        let broken = judge(200, None, None);
        assert!(matches!(broken.verdict, Verdict::Unreachable(_)), "{broken:?}");
    }

    #[test]
    fn receivers_can_ask_for_a_rest() {
        let judged = |status, rest| {
            let Outcome { verdict, rest } = judge(status, rest, Some(b""));
            (verdict, rest)
        };
        assert_eq!(judged(410, Some(9)), (Verdict::Gone, None));
        assert_eq!(judged(429, None), (Verdict::Busy("HTTP 429".to_owned()), Some(30)));
        assert_eq!(judged(429, Some(7)).1, Some(7));
        for (status, rest) in [(502, Some(30)), (504, Some(30)), (503, None)] {
            assert_eq!(judged(status, None), (Verdict::Unreachable(format!("HTTP {status}")), rest));
            assert_eq!(judged(status, Some(9)).1, Some(9));
        }
        assert_eq!(judged(200, Some(3)), (Verdict::Delivered, Some(3)));
    }

    #[test]
    fn a_rest_has_a_number_of_seconds_or_ends_at_a_date() {
        let now = 1_445_412_400;
        for (text, expected) in [
            ("7", Some(7)),
            (" 60 ", Some(60)),
            ("1000000000000", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(80)),
            ("Wed, 21 Oct 2065 07:28:00 GMT", Some(86_400)),
            ("Wed, 21 Oct 2014 07:28:00 GMT", None),
            ("0", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), expected, "{text}");
        }
    }

    #[test]
    fn private_addresses_are_recognized_in_every_form() {
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "64:ff9b::a00:1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
