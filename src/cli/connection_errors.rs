//! Why no good answer came from another server, in words for the person at the terminal. The texts of libraries
//! name neither what happened nor what to do.

use std::{error::Error, io};

use ureq::{Timeout, http::StatusCode};

use crate::{excerpt, tls};

/// Why a server cannot be reached, and what cures it.
pub(super) fn explain(error: &ureq::Error) -> String {
    if let Some(said) = tls::explain(error).or_else(|| inner(error).and_then(tls::explain)) {
        return excerpt::line(&said).into_owned();
    }
    match error {
        // Its text would show the whole address.
        ureq::Error::BadUri(_) => "its address cannot be used".to_owned(),
        ureq::Error::Io(error) => explain_connect(error),
        ureq::Error::HostNotFound => HOST_NOT_FOUND.to_owned(),
        ureq::Error::Timeout(timeout) => explain_timeout(*timeout),
        ureq::Error::ConnectProxyFailed(said) => {
            format!("the proxy does not let the call through: {}", excerpt::plain(said))
        }
        ureq::Error::LargeResponseHeader(..) => "the head of its answer has no end".to_owned(),
        ureq::Error::BodyExceedsLimit(most) => format!("its answer has more than {most} bytes"),
        ureq::Error::InvalidProxyUrl => {
            "the proxy that the environment names has no usable address".to_owned()
        }
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => NOT_HTTP.to_owned(),
        _ => "the connection failed".to_owned(),
    }
}

const HOST_NOT_FOUND: &str = "its host name cannot be found; look whether it is spelled correctly, and whether this machine can look \
                       up names";
const NOT_HTTP: &str = "it speaks no HTTP there: perhaps the address begins with https://, or another program listens on \
                       that port";

/// The error inside of an error of ureq, which does not say so itself.
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
            "nothing listens there; start the server, or correct the address (--url)".to_owned()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "it closed the connection before an answer came".to_owned()
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "this machine has no way to it through the network".to_owned()
        }
        io::ErrorKind::TimedOut => "it does not answer in time".to_owned(),
        _ if error.raw_os_error().is_none() && error.to_string().contains("lookup") => {
            HOST_NOT_FOUND.to_owned()
        }
        _ => explain_io(error),
    }
}

/// An error in the middle of bytes that come or go, without the numbers of the system.
pub(super) fn explain_io(error: &io::Error) -> String {
    if let Some(said) = tls::explain(error) {
        return said;
    }
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        return explain(error);
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "it closed the connection in the middle".to_owned();
    }
    let said = error.to_string();
    excerpt::line(said.split(" (os error").next().unwrap_or_default()).into_owned()
}

fn explain_timeout(timeout: Timeout) -> String {
    let what = match timeout {
        Timeout::Resolve => "the address of its host name was not found in time",
        Timeout::Connect => "no connection came about in time; a firewall may be in the way",
        Timeout::RecvBody | Timeout::SendBody => "it neither takes nor sends anything any more",
        _ => "it does not answer in time",
    };
    what.to_owned()
}

/// What an answer with this status is when it is not one of this API.
pub(super) fn unexpected_status(status: u16) -> String {
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let shown = name.map_or_else(|| status.to_string(), |name| format!("{status} ({name})"));
    let what = match status {
        300..=399 => {
            "which is a redirection and is not followed; give the address that it leads to with --url"
                .to_owned()
        }
        502..=504 => {
            "which comes from a proxy or load balancer that does not reach the server behind it; see whether \
                      that server runs, and under which address the proxy looks for it"
                .to_owned()
        }
        401 | 403 | 407 => {
            "which comes from a proxy or gateway that does not let the call through".to_owned()
        }
        400 => "perhaps because the port speaks TLS, and the address has to begin with https://".to_owned(),
        413 => "which comes from a proxy that takes no body of this size".to_owned(),
        404 => "because there is nothing at this path; is the address complete, and is it a confold server?"
            .to_owned(),
        500..=599 => "and without a reason; look into the log of that server".to_owned(),
        _ => "but not with a reply of this API; is it a confold server?".to_owned(),
    };
    let comma = if what.starts_with("which") || what.starts_with("perhaps") { "," } else { "" };
    format!("{shown}{comma} {what}")
}
