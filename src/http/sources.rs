//! Determines the source of connections and requests behind proxies, from the PROXY protocol and `X-Forwarded-For`.
//! Both are accepted only from proxies that the configuration trusts.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use hyper::HeaderMap;
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{registry::Newcomer, task::TaskHandle};
use crate::auth::Network;

/// How often to look again while a proxy's header is incomplete. Proxies send it in one piece, so this is rare.
const AGAIN: Duration = Duration::from_millis(10);

/// The longest header of version 1, and of version 2 without its extensions.
const V1_BYTES: usize = 107;
const V2_HEAD: usize = 16;
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The proxies that are trusted to name the source of what they forward.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Network>);

/// The result of looking for a PROXY header in the first bytes of a connection.
#[derive(Debug, PartialEq, Eq)]
enum Header {
    /// There is no PROXY header.
    Absent,
    /// More bytes are needed.
    Incomplete,
    /// A complete header: its length in bytes and the client address in it. The address is `None` if the header gives
    /// none that can be used, for example for the proxy's own health checks.
    Whole(usize, Option<IpAddr>),
    /// The bytes begin like a header but are not a valid one.
    Malformed,
}

impl Proxies {
    /// Trusts the proxies in these networks.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Proxies {
        Proxies(networks)
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Returns the client for which the trusted proxy `peer` has connected. A PROXY header, if there is one, is
    /// removed from the stream; requests then cannot name another source.
    ///
    /// # Errors
    /// Fails when the stream fails or the header is malformed.
    pub(super) async fn newcomer(
        stream: &mut TcpStream,
        peer: IpAddr,
        handle: Arc<TaskHandle>,
    ) -> io::Result<Newcomer> {
        let direct = Newcomer { address: peer, named: false, forwards: false, handle };
        let mut first = [0; 536];
        loop {
            let read = stream.peek(&mut first).await?;
            match read_header(&first[..read]) {
                Header::Absent => return Ok(Newcomer { forwards: true, ..direct }),
                Header::Incomplete if read == 0 || read == first.len() => {
                    return Err(io::Error::other("the PROXY header is incomplete"));
                }
                Header::Incomplete => pause().await,
                Header::Malformed => {
                    return Err(io::Error::other("the PROXY header is malformed"));
                }
                Header::Whole(length, named) => {
                    stream.read_exact(&mut first[..length]).await?;
                    return Ok(match named {
                        None => direct,
                        Some(address) => Newcomer { address, named: true, ..direct },
                    });
                }
            }
        }
    }

    /// Returns the source that the headers of a request from a trusted proxy name: the last address in
    /// `X-Forwarded-For` that is not a trusted proxy. The client may have made up everything before it.
    pub(super) fn forwarded(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        let mut named = None;
        for line in lines.into_iter().rev() {
            for text in line.as_bytes().rsplit(|byte| *byte == b',') {
                // An unreadable part was made up by the client; proxies added the addresses after it.
                let text = std::str::from_utf8(text).ok();
                let Some(address) = text.and_then(|text| read_address(text.trim())) else { return named };
                named = Some(address);
                if !self.trusts(address) {
                    return named;
                }
            }
        }
        named
    }
}

/// Parses an address in the forms that proxies write: with or without a port and brackets.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let v4_with_port = || text.rsplit_once(':').and_then(|(address, _)| address.parse::<Ipv4Addr>().ok());
    let found = bare.unwrap_or(text).parse().ok();
    found.or_else(|| v4_with_port().map(IpAddr::V4)).map(|address: IpAddr| address.to_canonical())
}

fn read_header(bytes: &[u8]) -> Header {
    if begins_like(bytes, V2_SIGNATURE) {
        return read_v2(bytes);
    }
    if begins_like(bytes, b"PROXY ") {
        return read_v1(bytes);
    }
    Header::Absent
}

/// Returns whether the bytes begin with `start` or, if there are too few of them, could still become it.
fn begins_like(bytes: &[u8], start: &[u8]) -> bool {
    let length = bytes.len().min(start.len());
    bytes[..length] == start[..length]
}

/// Reads a header of version 1, which is a line of text: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`.
fn read_v1(bytes: &[u8]) -> Header {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < V1_BYTES { Header::Incomplete } else { Header::Malformed };
    };
    let Some(line) = bytes[..end].strip_suffix(b"\r").and_then(|line| std::str::from_utf8(line).ok()) else {
        return Header::Malformed;
    };
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Header::Whole(end + 1, None),
        ["PROXY", "TCP4", source, _, _, _] if source.parse::<Ipv4Addr>().is_ok() => {
            Header::Whole(end + 1, read_address(source))
        }
        ["PROXY", "TCP6", source, _, _, _] if source.parse::<Ipv6Addr>().is_ok() => {
            Header::Whole(end + 1, read_address(source))
        }
        _ => Header::Malformed,
    }
}

/// Reads a header of version 2, which is binary: signature, version and command, family, length, addresses, extensions.
fn read_v2(bytes: &[u8]) -> Header {
    let Some(head) = bytes.first_chunk::<V2_HEAD>() else { return Header::Incomplete };
    let (command, family) = (head[12], head[13]);
    let length = V2_HEAD + usize::from(u16::from_be_bytes([head[14], head[15]]));
    if bytes.len() < length {
        return Header::Incomplete;
    }
    let addresses = &bytes[V2_HEAD..length];
    match (command, family) {
        (0x21, 0x11) => match addresses.first_chunk::<4>() {
            Some(source) if addresses.len() >= 12 => Header::Whole(length, Some(IpAddr::from(*source))),
            _ => Header::Malformed,
        },
        (0x21, 0x21) => match addresses.first_chunk::<16>() {
            Some(source) if addresses.len() >= 36 => {
                Header::Whole(length, Some(IpAddr::from(*source).to_canonical()))
            }
            _ => Header::Malformed,
        },
        // A connection of the proxy itself, such as a health check, or one of another protocol family.
        (0x20 | 0x21, _) => Header::Whole(length, None),
        _ => Header::Malformed,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the system does not signal bytes beyond those that were peeked at"
)]
async fn pause() {
    tokio::time::sleep(AGAIN).await;
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_versions_of_the_proxy_protocol_are_read() {
        let v1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nPOST";
        assert_eq!(read_header(v1), Header::Whole(v1.len() - 4, Some(address("192.0.2.1"))));
        let v6 = b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n";
        assert_eq!(read_header(v6), Header::Whole(v6.len(), Some(address("2001:db8::1"))));
        assert_eq!(read_header(b"PROXY UNKNOWN\r\n"), Header::Whole(15, None));
        let mut v2 = V2_SIGNATURE.to_vec();
        v2.extend([0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2]);
        for cut in 0..v2.len() {
            assert_eq!(read_header(&v2[..cut]), Header::Incomplete, "{cut} bytes");
        }
        assert_eq!(read_header(&v2), Header::Whole(28, Some(address("192.0.2.1"))));
        v2[12] = 0x20;
        assert_eq!(read_header(&v2), Header::Whole(28, None), "a health check of the proxy itself");
    }

    #[test]
    fn other_protocols_are_left_alone_and_malformed_headers_are_detected() {
        for other in
            [&b"POST / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01", b"PUT"]
        {
            assert_eq!(read_header(other), Header::Absent);
        }
        let long = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
        for bad in
            [&b"PROXY TCP4 x 192.0.2.2 1 2\r\n"[..], b"PROXY TCP4 ::1 ::1 1 2\r\n", b"PROXY \r\n", &long]
        {
            assert_eq!(read_header(bad), Header::Malformed, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn the_last_forwarded_address_that_is_not_a_proxy_counts() {
        let proxies = Proxies::new(vec![Network::parse("10.0.0.0/8").unwrap()]);
        let forwarded = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            proxies.forwarded(&headers)
        };
        assert_eq!(forwarded(&["203.0.113.7"]), Some(address("203.0.113.7")));
        assert_eq!(forwarded(&["1.1.1.1, 203.0.113.7, 10.0.0.2"]), Some(address("203.0.113.7")));
        assert_eq!(forwarded(&["1.1.1.1", "203.0.113.7:4711"]), Some(address("203.0.113.7")));
        assert_eq!(forwarded(&["[2001:db8::1]:80"]), Some(address("2001:db8::1")));
        assert_eq!(
            forwarded(&["10.0.0.1, 10.0.0.2"]),
            Some(address("10.0.0.1")),
            "if all are proxies, the first one counts"
        );
        assert_eq!(forwarded(&["1.1.1.1, garbage"]), None);
        assert_eq!(forwarded(&["garbage, 10.0.0.2"]), Some(address("10.0.0.2")));
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_bytes(b"\xe9, 203.0.113.7").unwrap());
        assert_eq!(
            proxies.forwarded(&headers),
            Some(address("203.0.113.7")),
            "invalid bytes should not hide the address after them"
        );
        assert_eq!(forwarded(&[]), None);
    }
}
