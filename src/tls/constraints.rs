//! For which names the local authority can sign: the extension of its certificate, as bytes.
//!
//! Written here because the library cannot write constraints of every kind of name. Each kind that can be
//! constrained is: domain names and addresses to those of a server, and mail addresses and URIs to a name that
//! cannot exist and is excluded again, so that none is left. Directory names are not: Go and rustls refuse every
//! certificate below an authority with such a constraint. They are of no use either, because the authority is for
//! servers only (extended key usage), and a server is not known by a directory name.

use super::local_ca::OFFICIAL_NAMES;

/// A domain that cannot exist (RFC 2606).
const NOWHERE: &str = "confold.invalid";

/// `id-ce-nameConstraints`.
pub(super) const OID: &[u64] = &[2, 5, 29, 30];

/// The extended key usage `serverAuth`, as it stands in a certificate.
const FOR_SERVERS: &[u8] = b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";

const SEQUENCE: u8 = 0x30;
const PERMITTED: u8 = 0xa0;
const EXCLUDED: u8 = 0xa1;
const MAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// The value of the extension.
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

/// Whether a certificate, in DER, is for servers only and for these names only.
pub(super) fn are_in(certificate: &[u8]) -> bool {
    let has = |part: &[u8]| certificate.windows(part.len()).any(|window| window == part);
    has(&name_constraints()) && has(FOR_SERVERS)
}

fn subtree(kind: u8, base: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &element(kind, base))
}

/// One element in DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("the constraints are some hundred bytes");
    let [high, low] = length.to_be_bytes();
    let mut out = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    out.extend_from_slice(content);
    out
}
