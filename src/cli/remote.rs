//! A server that speaks this API, seen from a tool: another confold, or the service itself.

use std::{fs, io::Read, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use ureq::{
    Agent, Body, SendBody,
    http::Response,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::caller::Caller;
use crate::{auth::usersig, chance, clock::Clock};

/// How long a signature of a tool is valid: longer than anything it does.
const VALIDITY: u64 = 7 * 86_400;
/// How long to wait for a connection, and for the first byte of an answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A server and who we are to it.
pub(super) struct Remote {
    agent: Agent,
    base: String,
    query: String,
}

impl Remote {
    /// A server at `url`. Its certificate is checked against the authorities that browsers trust, or
    /// against the one in the file `ca` alone.
    pub(super) fn new(url: &str, ca: Option<&Path>, caller: &Caller) -> anyhow::Result<Remote> {
        let agent = agent(url, ca)?;
        let now = Clock::system().now();
        let signature = usersig::make(caller.app, &caller.admin, &caller.key, now, VALIDITY);
        let query = format!(
            "sdkappid={}&identifier={}&usersig={signature}&contenttype=json",
            caller.app,
            encoded(&caller.admin)
        );
        Ok(Remote { agent, base: url.trim_end_matches('/').to_owned(), query })
    }

    /// Calls a command; the reply as it came. The error is that of the network.
    pub(super) fn call(&self, path: &str, body: &[u8]) -> Result<Vec<u8>, ureq::Error> {
        let request = self.agent.post(self.address(path)).content_type("application/json");
        let mut response = request.config().timeout_global(Some(ANSWER_WITHIN)).build().send(body)?;
        match response.status().as_u16() {
            200 => response.body_mut().with_config().limit(64 << 20).read_to_vec(),
            status => Err(ureq::Error::StatusCode(status)),
        }
    }

    /// Sends a stream of lines to a path outside `/v4/`; the reply, with whether all was well.
    pub(super) fn send_lines(&self, path: &str, mut lines: impl Read) -> anyhow::Result<(bool, Value)> {
        let request = self.agent.post(self.address(path)).content_type("application/x-ndjson");
        let response =
            request.send(SendBody::from_reader(&mut lines)).map_err(|error| self.unreached(&error))?;
        let (status, reply) = (response.status(), read_json(response)?);
        if let Some(info) = reply["ErrorInfo"].as_str() {
            bail!("the server refuses: {info} ({})", reply["ErrorCode"]);
        }
        ensure!(reply["Lines"].is_number(), "the server answers with {status}; is it a confold server?");
        Ok((status.is_success(), reply))
    }

    /// Everything of the app, as lines, to be read to its end.
    pub(super) fn lines(&self, path: &str) -> anyhow::Result<impl Read> {
        let request = self.agent.post(self.address(path));
        let response = request.send(&b""[..]).map_err(|error| self.unreached(&error))?;
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("application/x-ndjson")) {
            let status = response.status();
            let reply = read_json(response)?;
            match reply["ErrorInfo"].as_str() {
                Some(info) if !status.is_success() => {
                    bail!("the server refuses: {info} ({})", reply["ErrorCode"])
                }
                _ => bail!("the server answers with {status} and no lines; is it a confold server?"),
            }
        }
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    /// What is wrong with the way to the server, and what cures it.
    pub(super) fn unreached(&self, error: &ureq::Error) -> anyhow::Error {
        unreached(&self.base, error)
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}?{}&random={}", self.base, self.query, chance::text(9, b"0123456789"))
    }
}

fn read_json(mut response: Response<Body>) -> anyhow::Result<Value> {
    let status = response.status();
    let text = response.body_mut().read_to_vec().context("the answer breaks off")?;
    serde_json::from_slice(&text)
        .with_context(|| format!("the server answers with {status} and no JSON; is it a confold server?"))
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

/// How to reach a server at `url`.
fn agent(url: &str, ca: Option<&Path>) -> anyhow::Result<Agent> {
    ensure!(
        url.starts_with("http://") || url.starts_with("https://"),
        "--url is an address such as https://console.tim.qq.com or http://127.0.0.1:8080, found {url:?}"
    );
    let roots = match ca {
        None => RootCerts::WebPki,
        Some(file) => {
            let pem = fs::read(file).with_context(|| format!("--ca: cannot read {}", file.display()))?;
            let certificate = Certificate::from_pem(&pem)
                .with_context(|| format!("--ca: {} holds no certificate", file.display()))?;
            RootCerts::Specific(Arc::new(vec![certificate]))
        }
    };
    Ok(Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("confold/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_WITHIN))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build()
        .into())
}

/// The status of a path of a server.
pub(super) fn status(url: &str, ca: Option<&Path>, path: &str) -> anyhow::Result<u16> {
    let base = url.trim_end_matches('/');
    let request = agent(url, ca)?.get(format!("{base}{path}"));
    let answered = request.config().timeout_global(Some(CONNECT_WITHIN)).build().call();
    Ok(answered.map_err(|error| unreached(base, &error))?.status().as_u16())
}

/// What is wrong with the way to a server, and what cures it.
fn unreached(base: &str, error: &ureq::Error) -> anyhow::Error {
    let said = error.to_string();
    let hint = if said.contains("UnknownIssuer") {
        "; its certificate is of an authority that is not known: name the authority's certificate with --ca FILE"
    } else if said.contains("CaUsedAsEndEntity") {
        "; its certificate is itself that of an authority: make one for the server (with openssl: -addext \
         basicConstraints=critical,CA:FALSE)"
    } else if said.contains("NotValidForName") {
        "; its certificate is for another name"
    } else if said.contains("InvalidContentType") {
        "; it speaks no TLS there: perhaps the address begins with http://"
    } else if said.contains("invalid HTTP version") {
        "; it speaks no HTTP there: perhaps the address begins with https://"
    } else {
        ""
    };
    anyhow::anyhow!("the server at {base} cannot be reached: {said}{hint}")
}
