//! Parsing of listen addresses, for flags, environment variables and the configuration file.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::excerpt;

/// The accepted forms, for messages.
pub const FORMS: &str = "addresses with a port, such as \"127.0.0.1:8080\", \"[::]:8080\", \"localhost:8080\" or \":8080\" \
                         (every IPv4 address)";

/// Parses a listen address. Besides an IP address with a port it accepts:
///
/// - `localhost:8080`, which means 127.0.0.1 and therefore works on machines without IPv6,
/// - `:8080` and `*:8080`, which mean every IPv4 address, as in other servers,
/// - `8080`, which means 127.0.0.1, so that other machines get no access unless asked for.
///
/// # Errors
/// Returns how to correct the text. The text itself is not part of the message.
pub fn read(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some(port) = port(text) {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    if text.contains("://") {
        return Err("write it without http:// or https://, and without a path".to_owned());
    }
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if !text.contains('[') && matches!(text.parse(), Ok(IpAddr::V6(_))) {
        // The last group may be meant as the port or as part of the address, so the example is a fixed one.
        return Err("put an IPv6 address in brackets, followed by its port: [::1]:8080".to_owned());
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        let shown = SocketAddr::new(address, 8080);
        return Err(format!("the port is missing; write, for example, {shown}"));
    }
    let Some((host, digits)) = text.rsplit_once(':') else {
        return Err(match text.eq_ignore_ascii_case("localhost") {
            true => "the port is missing; write, for example, localhost:8080".to_owned(),
            false => NAMES.to_owned(),
        });
    };
    let port = port(digits).ok_or("the port must be a number from 0 to 65535")?;
    match host {
        "" | "*" => Ok((Ipv4Addr::UNSPECIFIED, port).into()),
        name if name.eq_ignore_ascii_case("localhost") => Ok((Ipv4Addr::LOCALHOST, port).into()),
        name if name.contains(':') => match name.parse::<IpAddr>() {
            Ok(address) => {
                Err(format!("put an IPv6 address in brackets: {}", SocketAddr::new(address, port)))
            }
            Err(_) => Err(NAMES.to_owned()),
        },
        _ => Err(NAMES.to_owned()),
    }
}

/// Parses several listen addresses and returns them in their canonical form, IP address and port.
///
/// # Errors
/// Returns the accepted forms, and what is wrong with up to five of the addresses.
pub fn read_all(items: &[String]) -> Result<Vec<String>, String> {
    let (mut addresses, mut bad) = (Vec::new(), Vec::new());
    for item in items {
        match read(item) {
            Ok(address) => addresses.push(address.to_string()),
            Err(cure) => bad.push(format!("{} ({cure})", excerpt::quoted(item))),
        }
    }
    if bad.is_empty() {
        return Ok(addresses);
    }
    bad.truncate(5);
    Err(format!("must contain {FORMS}, found {}", bad.join(", ")))
}

const NAMES: &str =
    "names other than localhost are not looked up; give an IP address of this machine and a port";

/// Parses a port. `u16::from_str` alone would also accept a leading `+`.
fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_form_is_parsed() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LocalHost:1", "127.0.0.1:1"),
            (":8080", "0.0.0.0:8080"),
            ("*:8080", "0.0.0.0:8080"),
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
        ] {
            assert_eq!(read(text), Ok(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn an_invalid_address_is_refused_with_a_correction() {
        for (text, cure) in [
            ("http://127.0.0.1:8080", "without http://"),
            ("127.0.0.1", "the port is missing; write, for example, 127.0.0.1:8080"),
            ("::1", "in brackets, followed by its port"),
            ("[::1]", "the port is missing; write, for example, [::1]:8080"),
            ("localhost", "the port is missing; write, for example, localhost:8080"),
            ("localhost:", "a number from 0 to 65535"),
            (":65536", "a number from 0 to 65535"),
            (":+80", "a number from 0 to 65535"),
            ("2001:db8::1:zz", "a number from 0 to 65535"),
            ("1:2:3:4:5:6:7:8:80", "in brackets: [1:2:3:4:5:6:7:8]:80"),
            ("chat.example.com:80", "not looked up"),
            ("", "it is empty"),
            ("65536", "not looked up"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(cure), "{text}: {said}");
        }
    }
}
