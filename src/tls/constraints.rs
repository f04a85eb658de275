//! The name constraints extension of the local authority's certificate, which limits the names that it can sign for.
//!
//! It is encoded here because rcgen cannot write constraints for every kind of name. Domain names and IP addresses are
//! limited to those of this machine and the official service. For mail addresses and URIs one name that cannot exist is
//! permitted and also excluded, so that none is left. Directory names are not constrained: Go and rustls refuse all
//! certificates of an authority that does so, and there is no need, because the authority is for servers only
//! (extended key usage) and clients do not identify servers by directory names.

use super::local_ca::OFFICIAL_NAMES;

/// A domain that cannot exist (RFC 2606 reserves `.invalid`).
const NOWHERE: &str = "confold.invalid";

/// `id-ce-nameConstraints`.
pub(super) const OID: &[u64] = &[2, 5, 29, 30];

/// The DER encoding of the extended key usage `serverAuth`.
const FOR_SERVERS: &[u8] = b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";

const SEQUENCE: u8 = 0x30;
const PERMITTED: u8 = 0xa0;
const EXCLUDED: u8 = 0xa1;
const MAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// Encodes the value of the extension.
pub(super) fn name_constraints() -> Vec<u8> {
    let mut four = [0xff; 8];
    four[..4].copy_from_slice(&[127, 0, 0, 1]);
    let mut six = [0xff; 32];
    six[..16].copy_from_slice(&std::net::Ipv6Addr::LOCALHOST.octets());
    let mut permitted = vec![subtree(DNS, b"localhost"), subtree(IP, &four), subtree(IP, &six)];
    permitted.extend(OFFICIAL_NAMES.iter().map(|name| subtree(DNS, name.as_bytes())));
    let none = [subtree(MAIL, NOWHERE.as_bytes()), subtree(URI, NOWHERE.as_bytes())].concat();
    permitted.push(none.clone());
    let both = [element(PERMITTED, &permitted.concat()), element(EXCLUDED, &none)].concat();
    element(SEQUENCE, &both)
}

/// Returns whether a DER certificate is limited to servers and to these names.
pub(super) fn are_in(certificate: &[u8]) -> bool {
    let has = |part: &[u8]| certificate.windows(part.len()).any(|window| window == part);
    has(&name_constraints()) && has(FOR_SERVERS)
}

fn subtree(kind: u8, base: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &element(kind, base))
}

/// Encodes a DER element.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("the constraints have a few hundred bytes");
    let [high, low] = length.to_be_bytes();
    let mut out = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    out.extend_from_slice(content);
    out
}
