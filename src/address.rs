//! The base URL of another server: parsing, display without secrets, and the proxy to reach it through.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use ureq::{Proxy, http::Uri};

use crate::{excerpt, resolver};

/// How long to wait for a name lookup that only decides whether a host is this machine.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// A base URL that begins with `http://` or `https://`. `Display` and `Debug` hide the parts that may hold secrets: user
/// name, password and query.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// The URL without a trailing slash and without the query.
    base: String,
    query: String,
    host: String,
    shown: String,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let refused = || {
            // Text with one of these characters may contain a password or token.
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
        // `user:pass/word@host` parses as host `user` with a path. Refuse it, because a part of the password would be
        // displayed as the path.
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
    /// Returns the URL of `path` below this one, with both queries. It may contain secrets.
    #[must_use]
    pub fn at(&self, path: &str, query: &str) -> String {
        let between = if self.query.is_empty() || query.is_empty() { "" } else { "&" };
        let mark = if self.query.is_empty() && query.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{}{between}{query}", self.base, self.query)
    }

    /// Returns the scheme, host and port, without the path, because the path may contain a secret as well.
    #[must_use]
    pub fn origin(&self) -> String {
        let (scheme, rest) = self.shown.split_once("://").unwrap_or(("", &self.shown));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let end = host.find(['/', '?']).unwrap_or(host.len());
        format!("{scheme}://{}", &host[..end])
    }

    /// Returns the proxy that the environment sets for this address; none for addresses of this machine.
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

/// Describes a proxy for messages, without its user name and password.
#[must_use]
pub fn describe_proxy(proxy: &Proxy) -> String {
    let scheme = proxy.protocol().to_string().to_ascii_lowercase();
    excerpt::line(&format!("{scheme}://{}:{}", proxy.host(), proxy.port())).into_owned()
}

/// Returns whether a host is a loopback address or a name for one, in any spelling.
fn is_this_machine(host: &str) -> bool {
    let name = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = name.parse() {
        return is_loopback(address);
    }
    if name == "localhost" || name.ends_with(".localhost") {
        return true;
    }
    // RFC 6761: these names never resolve, so skip the lookup.
    if name == "invalid" || name.ends_with(".invalid") {
        return false;
    }
    // The system's resolver knows names in the hosts file and short forms such as 127.1.
    let addresses = resolver::look_up(&format!("{name}:0"), LOOKUP_TIMEOUT).unwrap_or_default();
    !addresses.is_empty() && addresses.iter().all(|address| is_loopback(address.ip()))
}

/// Returns whether packets to an address stay on this machine. Connections to the unspecified address (0.0.0.0, ::) do.
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
        assert_eq!(address.origin(), "https://host.example:8443");
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
    fn the_refusal_of_an_invalid_address_does_not_show_its_secrets() {
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
    fn this_machine_is_recognized_in_every_spelling() {
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
