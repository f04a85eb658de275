//! Explanations of failed requests to another server, with a remedy. The libraries' own texts say neither what happened nor
//! what to do.

use std::{error::Error, io};

use ureq::{Timeout, http::StatusCode};

use crate::{excerpt, tls};

/// Explains why a server cannot be reached. The text continues a message about the server ("it").
pub(super) fn explain(error: &ureq::Error) -> String {
    if let Some(said) = tls::explain(error).or_else(|| inner(error).and_then(tls::explain)) {
        return excerpt::line(&said).into_owned();
    }
    match error {
        // The error's own text would show the whole address, which may contain secrets.
        ureq::Error::BadUri(_) => "its address cannot be used".to_owned(),
        ureq::Error::Io(error) => explain_connect(error),
        ureq::Error::HostNotFound => HOST_NOT_FOUND.to_owned(),
        ureq::Error::Timeout(timeout) => explain_timeout(*timeout),
        ureq::Error::ConnectProxyFailed(said) => {
            format!("the proxy does not let the call through: {}", excerpt::plain(said))
        }
        ureq::Error::LargeResponseHeader(..) => "the head of its answer is too large".to_owned(),
        ureq::Error::BodyExceedsLimit(most) => format!("its answer has more than {most} bytes"),
        ureq::Error::InvalidProxyUrl => "the address of the proxy in the environment is not valid".to_owned(),
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => NOT_HTTP.to_owned(),
        _ => "the connection failed".to_owned(),
    }
}

const HOST_NOT_FOUND: &str =
    "its host name cannot be found; check its spelling, and whether this machine can resolve names";
const NOT_HTTP: &str = "it does not speak HTTP on that port; perhaps the address has to begin with https://, or another \
                        program listens there";

/// Returns the error that an error of ureq wraps; its `source` does not return it.
fn inner(error: &ureq::Error) -> Option<&(dyn Error + 'static)> {
    match error {
        ureq::Error::Io(error) => Some(error),
        ureq::Error::Rustls(error) => Some(error),
        _ => None,
    }
}

fn explain_connect(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "no program listens there; start the server, or correct the address (--url)".to_owned()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "it closed the connection without an answer".to_owned()
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no network route to it".to_owned()
        }
        io::ErrorKind::TimedOut => "it does not answer in time".to_owned(),
        _ if error.raw_os_error().is_none() && error.to_string().contains("failed to lookup address") => {
            HOST_NOT_FOUND.to_owned()
        }
        _ => explain_io(error),
    }
}

/// Explains an error during a transfer, without the system's error number.
pub(super) fn explain_io(error: &io::Error) -> String {
    if let Some(said) = tls::explain(error) {
        return said;
    }
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        return explain(error);
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "it closed the connection during the transfer".to_owned();
    }
    let said = error.to_string();
    excerpt::line(said.split(" (os error").next().unwrap_or_default()).into_owned()
}

fn explain_timeout(timeout: Timeout) -> String {
    let what = match timeout {
        Timeout::Resolve => "the lookup of its host name timed out",
        Timeout::Connect => "connecting timed out; a firewall may block it",
        Timeout::RecvBody | Timeout::SendBody => "the transfer has stalled",
        _ => "it does not answer in time",
    };
    what.to_owned()
}

/// Explains an answer with this HTTP status that is not a reply of this API.
pub(super) fn unexpected_status(status: u16) -> String {
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let shown = name.map_or_else(|| status.to_string(), |name| format!("{status} ({name})"));
    let what = match status {
        300..=399 => {
            "which is a redirection and is not followed; use --url to pass the address it leads to"
                .to_owned()
        }
        502..=504 => {
            "which comes from a proxy or load balancer that cannot reach the server; check that the server runs, \
             and the address to which the proxy forwards"
                .to_owned()
        }
        401 | 403 | 407 => {
            "which comes from a proxy or gateway that refuses the call".to_owned()
        }
        400 => "perhaps because the port speaks TLS; then the address has to begin with https://".to_owned(),
        413 => "which comes from a proxy that does not accept a body of this size".to_owned(),
        404 => "because there is nothing at this path; check that the address is complete and belongs to a confold server"
            .to_owned(),
        500..=599 => "without a reason; check the log of that server".to_owned(),
        _ => "but not with a reply of this API; check that the address belongs to a confold server".to_owned(),
    };
    let comma = if what.starts_with("which") || what.starts_with("perhaps") { "," } else { "" };
    format!("{shown}{comma} {what}")
}
