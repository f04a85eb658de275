//! Detects requests that a web page may have made a browser send. Paths that read or change data without a secret
//! unknown to web pages – the controls, metrics, imports and exports – refuse such requests.

use std::{borrow::Cow, net::IpAddr};

use super::head::{Head, Header, Headers};
use crate::excerpt::quoted;

/// Additional host names by which clients may address this server. IP addresses and local names are always allowed.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// Allows these names, in any case.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>) -> AllowedHosts {
        AllowedHosts(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Refuses a host name that a web page may have pointed at this server (DNS rebinding).
    ///
    /// # Errors
    /// Returns a message with the rule and what to do.
    pub(super) fn check(&self, head: &Head<'_>) -> Result<(), String> {
        let of_headers = head.headers.all(Header::Host).into_iter().map(String::from_utf8_lossy);
        let of_target = head.authority.map(Cow::Borrowed);
        // Every host name in the request must be allowed, because a proxy in between may have used any of them.
        let called =
            of_target.into_iter().chain(of_headers).map(|called| without_port(&called).to_ascii_lowercase());
        let Some(host) = called.into_iter().find(|host| !is_local(host) && !self.0.contains(host)) else {
            return Ok(());
        };
        Err(format!(
            "host rule: {} is not a known name of this server (protection from DNS rebinding); use its address, or allow \
             the name (--allowed-hosts NAME, or the setting allowed_hosts)",
            quoted(&host)
        ))
    }
}

/// Returns whether this can be a name in [`AllowedHosts`]. It has no scheme, port or wildcard, because names are
/// compared as a whole.
#[must_use]
pub fn is_host_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Refuses requests that a browser sends on behalf of a web page, which its headers reveal.
///
/// # Errors
/// Returns a message with the rule and what to do.
pub(super) fn check_page(headers: &dyn Headers) -> Result<(), String> {
    let what_to_do = "this path is not for web pages; call it from a program, which sends no such header";
    if let Some(origin) = headers.first(Header::Origin) {
        let origin = String::from_utf8_lossy(origin);
        return Err(format!(
            "origin rule: the request has the header Origin: {}; {what_to_do}",
            quoted(&origin)
        ));
    }
    match headers.first(Header::FetchSite) {
        Some(site) if site != b"same-origin" && site != b"none" => {
            let site = String::from_utf8_lossy(site);
            Err(format!(
                "origin rule: the request has the header Sec-Fetch-Site: {}; {what_to_do}",
                quoted(&site)
            ))
        }
        _ => Ok(()),
    }
}

fn without_port(called: &str) -> &str {
    match called.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => called.split(':').next().unwrap_or_default(),
    }
}

/// Returns whether this is an IP address, a name without a dot, as machines and containers have, or a name that does
/// not exist on the internet.
fn is_local(host: &str) -> bool {
    let known = [".localhost", ".internal", ".local"];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    host.parse::<IpAddr>().is_ok() || host.bytes().all(plain) || known.iter().any(|end| host.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::pipeline_tests::{Listed, head};

    #[test]
    fn a_host_name_has_no_scheme_port_or_wildcard() {
        for name in ["chat.test", "Metrics_1.example-two.com"] {
            assert!(is_host_name(name), "{name}");
        }
        for name in ["", "*", "*.test", "http://x", "x:1", "a b", "x/", "a\nb", "ж.test"] {
            assert!(!is_host_name(name), "{name}");
        }
    }

    #[test]
    fn names_of_this_machine_and_allowed_ones_pass() {
        let hosts = AllowedHosts::new(["Chat.test".to_owned()]);
        let check = |host: &str| {
            let headers = Listed(vec![(Header::Host, host.as_bytes().to_vec())]);
            hosts.check(&head("GET", "/metrics", None, &headers))
        };
        for good in [
            "127.0.0.1:8080",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:1",
            "confold:8080",
            "host.docker.internal:1",
            "chat.test:8080",
            "CHAT.TEST",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "chat.test.evil.example",
            "\u{e9}vil",
            "a b",
        ] {
            assert!(check(bad).unwrap_err().starts_with("host rule: "), "{bad}");
        }
        let both = ["localhost", "evil.example"].map(|name| (Header::Host, name.as_bytes().to_vec()));
        let two = Listed(both.into());
        assert!(
            hosts.check(&head("GET", "/metrics", None, &two)).is_err(),
            "every Host header should be checked"
        );
        let none = Listed::default();
        let absolute = Head { authority: Some("evil.example"), ..head("GET", "/metrics", None, &none) };
        assert!(hosts.check(&absolute).is_err(), "the host of an absolute target should be checked");
    }
}
