//! The client side of the API, for tools that talk to another confold or to Tencent's service. The server may be hostile, so
//! its answers are bounded in size and time, and its texts are escaped before they are printed.

use std::{io::Read, path::Path, time::Duration};

use anyhow::{anyhow, bail};
use serde_json::Value;
use ureq::{Body, SendBody, http::Response};

use super::{
    caller::Caller,
    connection::Connection,
    transfer::{LineReader, StallGuard},
};
use crate::{
    api::{DRY_RUN, STATE},
    auth::usersig,
    clock::Clock,
    excerpt,
    interchange::UnknownFields,
    random,
};

/// The validity of a tool's signature, longer than any tool runs.
const VALIDITY: u64 = 7 * 86_400;
/// The time limit for a complete call.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The maximum size of a reply to a call. Shortly after an owner was renumbered, a page may have 20,000 conversations.
const REPLY_BYTES: u64 = 32 << 20;
/// The maximum size of a report about an import, which has up to a thousand faults.
const REPORT_BYTES: u64 = 4 << 20;
/// The response header with an explanation in addition to `ErrorInfo`.
const HINT: &str = "x-confold-hint";
/// The response header with the id of the call.
const REQUEST_ID: &str = "x-request-id";

/// A connection to a server with the credentials of a caller.
pub(super) struct Remote {
    connection: Connection,
    query: String,
}

/// What a call asks for with headers: to keep nothing, and to return the state of the owner.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) dry_run: bool,
    pub(super) state: bool,
}

/// A reply to a call.
pub(super) struct Reply {
    pub(super) body: Vec<u8>,
    /// The server's explanation in addition to `ErrorInfo`.
    pub(super) hint: Option<String>,
    /// The id of the call in the server's log.
    pub(super) request: Option<String>,
    /// Whether the server confirms that it kept nothing.
    pub(super) dry_run: bool,
}

impl Remote {
    /// Prepares calls to the server at `url`. Its certificate must be issued by the authority in the file `ca`, or, without
    /// one, by an authority that browsers trust.
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

    /// Calls a command and returns the body of the reply.
    pub(super) fn call(&self, path: &str, body: &[u8]) -> Result<Vec<u8>, ureq::Error> {
        self.ask(path, body, Asked::default()).map(|reply| reply.body)
    }

    /// Calls a command and returns the reply with its headers of interest. A server that knows dry runs keeps nothing of
    /// one.
    pub(super) fn ask(&self, path: &str, body: &[u8], asked: Asked) -> Result<Reply, ureq::Error> {
        let mut request = self.connection.agent.post(self.address(path)).content_type("application/json");
        for name in [asked.dry_run.then_some(DRY_RUN), asked.state.then_some(STATE)].into_iter().flatten() {
            request = request.header(name, "1");
        }
        let mut response = request.config().timeout_global(Some(ANSWER_WITHIN)).build().send(body)?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let (hint, request) = (header(HINT), header(REQUEST_ID));
        let dry_run = header(DRY_RUN).as_deref() == Some("1");
        match response.status().as_u16() {
            200 => {
                let body = response.body_mut().with_config().limit(REPLY_BYTES).read_to_vec()?;
                Ok(Reply { body, hint, request, dry_run })
            }
            status => Err(ureq::Error::StatusCode(status)),
        }
    }

    /// Returns the error for an answer that is not a reply of this API, such as the page of a proxy.
    pub(super) fn unexpected_reply(&self) -> anyhow::Error {
        self.connection.unexpected_reply(200)
    }

    /// Sends lines to a path outside `/v4/`. Returns whether they were accepted, and the reply.
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
            // Prefer an error in reading the lines, which ureq reports as a connection error.
            lines.failure.take().map_or_else(|| self.explain(&error), |said| anyhow!(said))
        })?;
        let (status, reply) = (response.status(), self.read_json(response)?);
        // A refusal of single lines has `Lines`, too, and is reported by the caller.
        if let (Some(info), None) = (reply["ErrorInfo"].as_str(), reply["Lines"].as_u64()) {
            bail!("the server refuses: {}", said(info, &reply["ErrorCode"]));
        }
        if !reply["Lines"].is_number() {
            return Err(self.connection.unexpected_reply(status.as_u16()));
        }
        Ok((status.is_success(), reply))
    }

    /// Asks for something at a path outside `/v4/` that takes no body. `query` is empty or begins with `&`.
    pub(super) fn operate(&self, path: &str, query: &str) -> anyhow::Result<Value> {
        let request = self.connection.agent.post(self.address(path) + query);
        let response = request.send(&b""[..]).map_err(|error| self.explain(&error))?;
        let (status, reply) = (response.status(), self.read_json(response)?);
        match reply["ErrorInfo"].as_str() {
            Some(info) => bail!("the server refuses: {}", said(info, &reply["ErrorCode"])),
            None if status.is_success() => Ok(reply),
            None => Err(self.connection.unexpected_reply(status.as_u16())),
        }
    }

    /// Requests an export of the app and returns a reader of its lines.
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
        Ok(StallGuard::new(lines))
    }

    /// Explains why the server cannot be reached, with a remedy.
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

/// Formats a refusal by the server.
fn said(info: &str, code: &Value) -> String {
    format!("{} ({})", excerpt::line(info), excerpt::plain(&code.to_string()))
}

/// Percent-encodes an identifier.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            out + &char::from(byte).to_string()
        }
        byte => out + &format!("%{byte:02X}"),
    })
}
