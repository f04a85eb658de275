//! The address of another server: what of it may be shown, and whether a proxy stands before it.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use ureq::{Proxy, http::Uri};

use crate::{excerpt, resolver};

/// How long to wait for the addresses of a name, only to know whether they are this machine's.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// An address that begins with `http://` or `https://`. It is displayed and debugged without what may be secret
/// in it: a user with a password, and a query.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Without a slash at its end.
    base: String,
    query: String,
    host: String,
    shown: String,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let refused = || {
            // What may hold a password is not shown.
            let found = match text.contains(['@', '?', '#']) {
                true => "found something else".to_owned(),
                false => format!("found {}", excerpt::quoted(text)),
            };
            format!("must be an address such as http://localhost:8080 or https://console.tim.qq.com, {found}")
        };
        let scheme = ["http://", "https://"].into_iter().find(|scheme| text.starts_with(scheme));
        let scheme = scheme.ok_or_else(refused)?;
        let uri: Uri = text.parse().map_err(|_| refused())?;
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(refused)?;
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let base = base.trim_end_matches('/');
        let (secret, rest) = match authority.as_str().rsplit_once('@') {
            Some((_, rest)) => ("…@", rest),
            None => ("", authority.as_str()),
        };
        let port = rest.strip_prefix(authority.host()).ok_or_else(refused)?;
        let port_is_number = port.strip_prefix(':').is_none_or(|port| port.parse::<u16>().is_ok());
        let path = uri.path().trim_end_matches('/');
        // A password with a slash in it looks like a port and a path.
        if !port_is_number || path.contains('@') || text.contains('#') {
            return Err(refused());
        }
        let end = if query.is_empty() { "" } else { "?…" };
        let shown = excerpt::line(&format!("{scheme}{secret}{rest}{path}{end}")).into_owned();
        let host = authority.host().to_owned();
        Ok(Address { base: base.to_owned(), query: query.to_owned(), host, shown })
    }
}

impl Address {
    /// The whole address of a path below this one. It may hold secrets.
    #[must_use]
    pub fn at(&self, path: &str, query: &str) -> String {
        let between = if self.query.is_empty() || query.is_empty() { "" } else { "&" };
        let mark = if self.query.is_empty() && query.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{}{between}{query}", self.base, self.query)
    }

    /// The proxy that the environment names for this address. This machine is never reached through one.
    #[must_use]
    pub fn proxy(&self) -> Option<Proxy> {
        let proxy = Proxy::try_from_env()?;
        let spared = self.base.parse().is_ok_and(|uri| proxy.is_no_proxy(&uri));
        (!spared && !is_this_machine(&self.host)).then_some(proxy)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

/// A proxy, for an error; without its user and password.
#[must_use]
pub fn describe_proxy(proxy: &Proxy) -> String {
    let scheme = proxy.protocol().to_string().to_ascii_lowercase();
    excerpt::line(&format!("{scheme}://{}:{}", proxy.host(), proxy.port())).into_owned()
}

/// Whether a host is this machine by its loopback address, however that is spelled.
fn is_this_machine(host: &str) -> bool {
    let name = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = name.parse() {
        return is_loopback(address);
    }
    if name == "localhost" || name.ends_with(".localhost") {
        return true;
    }
    // Nobody has to be asked about a name that cannot exist (RFC 6761).
    if name == "invalid" || name.ends_with(".invalid") {
        return false;
    }
    // Names in the hosts file, and numbers such as 127.1.
    let addresses = resolver::look_up(&format!("{name}:0"), LOOKUP_TIMEOUT).unwrap_or_default();
    !addresses.is_empty() && addresses.iter().all(|address| is_loopback(address.ip()))
}

/// Whether packets to an address stay on this machine: to "any address" they do, too.
fn is_loopback(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_used_but_not_shown() {
        let address: Address = "https://user:pass@host.example:8443/otlp/?key=k3y".parse().unwrap();
        assert_eq!(address.to_string(), "https://…@host.example:8443/otlp?…");
        assert!(!format!("{address:?}").contains("pass"));
        assert_eq!(
            address.at("/v1/traces", ""),
            "https://user:pass@host.example:8443/otlp/v1/traces?key=k3y"
        );
        assert_eq!(address.at("/x", "a=1"), "https://user:pass@host.example:8443/otlp/x?key=k3y&a=1");
        let address: Address = "http://127.0.0.1:8080/".parse().unwrap();
        assert_eq!(
            (address.to_string(), address.at("/x", "a=1")),
            ("http://127.0.0.1:8080".to_owned(), "http://127.0.0.1:8080/x?a=1".to_owned())
        );
        assert_eq!(address.at("/readyz", ""), "http://127.0.0.1:8080/readyz");
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_secrets() {
        for bad in [
            "",
            "host",
            "ftp://host",
            "http://",
            "http:///path",
            "http://ho st",
            "http://h:port",
            "file:///etc",
        ] {
            let said = bad.parse::<Address>().unwrap_err();
            assert!(
                said.starts_with("must be an address such as") && said.contains(&format!("{bad:?}")),
                "{said}"
            );
        }
        for bad in [
            "user:s3cret@host",
            "http://user:s3/cret@host",
            "http://user:s3@cret@host:x",
            "http://h/#s3cret",
            "ftp://h/?k=s3cret",
            "http://user:123/s3cret@host",
        ] {
            let said = bad.parse::<Address>().unwrap_err();
            assert!(!said.contains("s3"), "{bad}: {said}");
        }
    }

    #[test]
    fn this_machine_is_known_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "0.0.0.0",
            "[::]",
            "127.1",
            "2130706433",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in
            ["10.0.0.1", "128.0.0.1", "[2001:db8::1]", "[::ffff:10.0.0.1]", "localhost.invalid", "invalid"]
        {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
