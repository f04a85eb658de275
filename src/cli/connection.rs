//! HTTP connections to a server, without credentials, and the explanation of errors in them.

use std::{
    fmt, fs,
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::connection_errors;
use crate::{
    address::{self, Address},
    resolver, text_file,
};

/// The time limit for connecting.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a transfer may stall because the server does not accept data of an import, does not send data of an
/// export, or is preparing its answer.
pub(super) const STALLED: Duration = Duration::from_secs(60);

/// An HTTP connection to a server, without credentials.
pub(super) struct Connection {
    pub(super) agent: Agent,
    pub(super) address: Address,
    /// A description of the proxy, if one is used.
    proxy: Option<String>,
}

impl Connection {
    pub(super) fn to(url: &str, ca: Option<&Path>) -> anyhow::Result<Connection> {
        let address: Address = url.parse().map_err(|refused| anyhow!("--url {refused}"))?;
        let roots = match ca {
            None => RootCerts::WebPki,
            Some(file) => {
                let pem = fs::read(file).with_context(|| format!("--ca: cannot read {}", file.display()))?;
                let pem =
                    text_file::without_bom(&pem).with_context(|| format!("--ca: {}", file.display()))?;
                let certificate = Certificate::from_pem(pem)
                    .with_context(|| format!("--ca: {} does not contain a certificate", file.display()))?;
                RootCerts::Specific(Arc::new(vec![certificate]))
            }
        };
        let proxy = address.proxy();
        let shown = proxy.as_ref().map(address::describe_proxy);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("confold/", env!("CARGO_PKG_VERSION")))
            .proxy(proxy)
            // Do not follow redirections: the credentials are for this server only.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_per_read(Some(STALLED))
            .timeout_per_write(Some(STALLED))
            .timeout_recv_response(Some(STALLED))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(Connection { agent: resolver::agent(config), address, proxy: shown })
    }

    /// Explains why the server cannot be reached, with a remedy.
    pub(super) fn explain(&self, error: &ureq::Error) -> anyhow::Error {
        match error {
            ureq::Error::StatusCode(status) => self.unexpected_reply(*status),
            error => anyhow!("{self} cannot be reached: {}", connection_errors::explain(error)),
        }
    }

    /// Returns the error for an answer that is not one of this API.
    pub(super) fn unexpected_reply(&self, status: u16) -> anyhow::Error {
        anyhow!("{self} answers with {}", connection_errors::unexpected_status(status))
    }

    /// Returns the error for an answer that is cut off.
    pub(super) fn broken(&self, error: &io::Error) -> anyhow::Error {
        anyhow!("the answer from {self} was cut off: {}", connection_errors::explain_io(error))
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server at {}", self.address)?;
        match &self.proxy {
            Some(proxy) => write!(f, ", through the proxy {proxy} that the environment names,"),
            None => Ok(()),
        }
    }
}

/// The answer of a server to a request without credentials.
pub(super) struct Probe {
    /// The server's name for messages.
    pub(super) server: String,
    pub(super) status: u16,
    /// The beginning of the body.
    pub(super) body: Vec<u8>,
}

/// Requests a path without credentials, and reads at most `bytes` of the answer.
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
