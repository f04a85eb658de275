//! A server that speaks this API, seen from a tool: another confold, or the service itself. It may be hostile:
//! what it sends is bounded in size and time, and no text of its reaches the terminal as it came.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use ureq::{
    Agent, Body, SendBody,
    http::Response,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{caller::Caller, connection_errors};
use crate::{
    address::{self, Address},
    auth::usersig,
    clock::Clock,
    excerpt,
    interchange::UnknownFields,
    random, resolver, text_file,
};

/// How long a signature of a tool is valid: longer than anything it does.
const VALIDITY: u64 = 7 * 86_400;
/// How long to wait for a connection, and for all of an answer to a call.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long the server may take nothing of an import, send nothing of an export, or prepare an answer.
const STALLED: Duration = Duration::from_secs(60);
/// And how many bytes it sends in that time at least.
const STALLED_BYTES: usize = 1_024;
/// The largest reply to a call. A page that may not be split, shortly after its owner was renumbered, may have 20,000
/// conversations.
const REPLY_BYTES: u64 = 32 << 20;
/// The largest report about an import: a thousand faults, and each is a line.
const REPORT_BYTES: u64 = 4 << 20;
/// The header in which a reply says more than its `ErrorInfo` may.
const HINT: &str = "x-confold-hint";
/// The header with the id of a call.
const REQUEST_ID: &str = "x-request-id";

/// A server and who we are to it.
pub(super) struct Remote {
    connection: Connection,
    query: String,
}

/// A reply to a call.
pub(super) struct Reply {
    pub(super) body: Vec<u8>,
    /// What the server says beside `ErrorInfo`.
    pub(super) hint: Option<String>,
    /// The id by which the server's log knows the call.
    pub(super) request: Option<String>,
}

/// The connection to a server.
struct Connection {
    agent: Agent,
    address: Address,
    /// The proxy on it.
    proxy: Option<String>,
}

/// Lines that are sent, and why they could not be read to their end.
struct LineReader<R> {
    lines: R,
    failure: Option<String>,
}

impl<R: Read> Read for LineReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.lines.read(buffer).inspect_err(|error| self.failure = Some(error.to_string()))
    }
}

impl Remote {
    /// A server at `url`. Its certificate is checked against the authorities that browsers trust, or
    /// against the one in the file `ca` alone.
    pub(super) fn new(url: &str, ca: Option<&Path>, caller: &Caller) -> anyhow::Result<Remote> {
        let connection = Connection::to(url, ca)?;
        let now = Clock::system().now();
        let signature = usersig::make(caller.app, &caller.admin, &caller.key, now, VALIDITY);
        let query = format!(
            "sdkappid={}&identifier={}&usersig={signature}&contenttype=json",
            caller.app,
            encoded(&caller.admin)
        );
        Ok(Remote { connection, query })
    }

    /// Calls a command; the reply as it came. The error is that of the network.
    pub(super) fn call(&self, path: &str, body: &[u8]) -> Result<Vec<u8>, ureq::Error> {
        self.ask(path, body).map(|reply| reply.body)
    }

    /// Calls a command; the reply with what its head says beside it.
    pub(super) fn ask(&self, path: &str, body: &[u8]) -> Result<Reply, ureq::Error> {
        let request = self.connection.agent.post(self.address(path)).content_type("application/json");
        let mut response = request.config().timeout_global(Some(ANSWER_WITHIN)).build().send(body)?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let (hint, request) = (header(HINT), header(REQUEST_ID));
        match response.status().as_u16() {
            200 => {
                let body = response.body_mut().with_config().limit(REPLY_BYTES).read_to_vec()?;
                Ok(Reply { body, hint, request })
            }
            status => Err(ureq::Error::StatusCode(status)),
        }
    }

    /// The error of an answer that is not a reply to a call, for example the page of a proxy.
    pub(super) fn unexpected_reply(&self) -> anyhow::Error {
        self.connection.unexpected_reply(200)
    }

    /// Sends a stream of lines to a path outside `/v4/`; the reply, with whether all was well.
    pub(super) fn send_lines(
        &self,
        path: &str,
        unknown: UnknownFields,
        lines: impl Read,
    ) -> anyhow::Result<(bool, Value)> {
        let lenient = if unknown == UnknownFields::Ignored { "&lenient=1" } else { "" };
        let address = self.address(path) + lenient;
        let request = self.connection.agent.post(address).content_type("application/x-ndjson");
        let mut lines = LineReader { lines, failure: None };
        let response = request.send(SendBody::from_reader(&mut lines)).map_err(|error| {
            // What is wrong with the lines themselves would be taken for a fault of the connection.
            lines.failure.take().map_or_else(|| self.explain(&error), |said| anyhow!(said))
        })?;
        let (status, reply) = (response.status(), self.read_json(response)?);
        // Bad lines are named one by one by the caller.
        if let (Some(info), None) = (reply["ErrorInfo"].as_str(), reply["Lines"].as_u64()) {
            bail!("the server refuses: {}", said(info, &reply["ErrorCode"]));
        }
        if !reply["Lines"].is_number() {
            return Err(self.connection.unexpected_reply(status.as_u16()));
        }
        Ok((status.is_success(), reply))
    }

    /// Everything of the app, as lines, to be read to its end.
    pub(super) fn lines(&self, path: &str) -> anyhow::Result<impl Read> {
        let request = self.connection.agent.post(self.address(path));
        let response = request.send(&b""[..]).map_err(|error| self.explain(&error))?;
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("application/x-ndjson")) {
            let status = response.status();
            let reply = self.read_json(response)?;
            match reply["ErrorInfo"].as_str() {
                Some(info) if !status.is_success() => {
                    bail!("the server refuses: {}", said(info, &reply["ErrorCode"]))
                }
                _ => return Err(self.connection.unexpected_reply(status.as_u16())),
            }
        }
        let lines = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(StallGuard { lines, clock: Clock::system(), waited: Duration::ZERO, bytes: 0 })
    }

    /// What is wrong with the connection to the server, and what cures it.
    pub(super) fn explain(&self, error: &ureq::Error) -> anyhow::Error {
        self.connection.explain(error)
    }

    fn address(&self, path: &str) -> String {
        let random = random::text(9, b"0123456789");
        self.connection.address.at(path, &format!("{}&random={random}", self.query))
    }

    fn read_json(&self, mut response: Response<Body>) -> anyhow::Result<Value> {
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(REPORT_BYTES).read_to_vec();
        let text = body.map_err(|error| self.connection.broken(&error.into_io()))?;
        serde_json::from_slice(&text).map_err(|_| self.connection.unexpected_reply(status))
    }
}

/// What a server says about a refusal.
fn said(info: &str, code: &Value) -> String {
    format!("{} ({})", excerpt::line(info), excerpt::plain(&code.to_string()))
}

/// Percent-encoding of an identifier.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            out + &char::from(byte).to_string()
        }
        byte => out + &format!("%{byte:02X}"),
    })
}

/// What a server shows at a path.
pub(super) struct Probe {
    /// The server, as an error names it.
    pub(super) server: String,
    pub(super) status: u16,
    /// The beginning of the body.
    pub(super) body: Vec<u8>,
}

/// Looks at a path of a server, and at so many bytes of the answer; the rest is not waited for.
pub(super) fn probe(url: &str, ca: Option<&Path>, path: &str, bytes: u64) -> anyhow::Result<Probe> {
    let connection = Connection::to(url, ca)?;
    let request = connection.agent.get(connection.address.at(path, ""));
    let answered = request.config().timeout_global(Some(CONNECT_WITHIN)).build().call();
    let mut response = answered.map_err(|error| connection.explain(&error))?;
    let (status, mut body) = (response.status().as_u16(), Vec::new());
    if let Err(error) = response.body_mut().as_reader().take(bytes).read_to_end(&mut body) {
        return Err(connection.broken(&error));
    }
    Ok(Probe { server: connection.to_string(), status, body })
}

impl Connection {
    fn to(url: &str, ca: Option<&Path>) -> anyhow::Result<Connection> {
        let address: Address = url.parse().map_err(|refused| anyhow!("--url {refused}"))?;
        let roots = match ca {
            None => RootCerts::WebPki,
            Some(file) => {
                let pem = fs::read(file).with_context(|| format!("--ca: cannot read {}", file.display()))?;
                let pem =
                    text_file::without_bom(&pem).with_context(|| format!("--ca: {}", file.display()))?;
                let certificate = Certificate::from_pem(pem)
                    .with_context(|| format!("--ca: {} holds no certificate", file.display()))?;
                RootCerts::Specific(Arc::new(vec![certificate]))
            }
        };
        let proxy = address.proxy();
        let shown = proxy.as_ref().map(address::describe_proxy);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("confold/", env!("CARGO_PKG_VERSION")))
            .proxy(proxy)
            // A server does not get to send us anywhere else.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_per_read(Some(STALLED))
            .timeout_per_write(Some(STALLED))
            .timeout_recv_response(Some(STALLED))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(Connection { agent: resolver::agent(config), address, proxy: shown })
    }

    /// What is wrong with the connection to a server, and what cures it.
    fn explain(&self, error: &ureq::Error) -> anyhow::Error {
        match error {
            ureq::Error::StatusCode(status) => self.unexpected_reply(*status),
            error => anyhow!("{self} cannot be reached: {}", connection_errors::explain(error)),
        }
    }

    /// What an answer says that is not one of this API.
    fn unexpected_reply(&self, status: u16) -> anyhow::Error {
        anyhow!("{self} answers with {}", connection_errors::unexpected_status(status))
    }

    /// The error of an answer that ends before its end.
    fn broken(&self, error: &io::Error) -> anyhow::Error {
        anyhow!("the answer of {self} breaks off: {}", connection_errors::explain_io(error))
    }
}

impl std::fmt::Display for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server at {}", self.address)?;
        match &self.proxy {
            Some(proxy) => write!(f, ", through the proxy {proxy} that the environment names,"),
            None => Ok(()),
        }
    }
}

/// Why no more bytes come, without the words of the libraries in between.
fn broken(error: &io::Error) -> io::Error {
    let of_ureq = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    let is_late = error.kind() == io::ErrorKind::TimedOut || matches!(of_ureq, Some(ureq::Error::Timeout(_)));
    match is_late {
        true => {
            let said = format!("nothing came in {} seconds", STALLED.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, said)
        }
        false => io::Error::new(error.kind(), "the connection ended or broke before all had come"),
    }
}

/// Bytes that come steadily, or an error. Only the time that is spent waiting for them counts.
struct StallGuard<R> {
    lines: R,
    clock: Clock,
    waited: Duration,
    bytes: usize,
}

impl<R: Read> Read for StallGuard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = self.clock.elapsed();
        let read = self.lines.read(buffer).map_err(|error| broken(&error))?;
        self.bytes += read;
        self.waited += self.clock.elapsed().saturating_sub(before);
        if self.bytes >= STALLED_BYTES {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        } else if read > 0 && self.waited > STALLED {
            let said = format!("fewer than {STALLED_BYTES} bytes came in {} seconds", STALLED.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, said));
        }
        Ok(read)
    }
}
