//! Complete answers to bytes that hyper cannot parse as HTTP.

use crate::{
    api::Error,
    call::{ALLOWED_HEADERS, JSON},
    wire::{Envelope, code::Code},
};

/// Returns the complete answer, including its head, to a request that is not valid HTTP. The connection ends after it.
pub(super) fn unparsable(why: &str) -> Vec<u8> {
    let open = format!(
        "access-control-allow-origin: *\r\naccess-control-allow-headers: {ALLOWED_HEADERS}\r\n\
         access-control-allow-methods: POST\r\n"
    );
    whole("200 OK", &open, why)
}

/// The phrase that identifies the answer to plain HTTP on a port that expects TLS.
pub const SPEAKS_TLS: &str = "this port speaks TLS";

/// Returns the complete answer to plain HTTP on a port that expects TLS.
pub(super) fn not_tls() -> Vec<u8> {
    whole("400 Bad Request", "", &format!("{SPEAKS_TLS}: the address must begin with https://"))
}

fn whole(status: &str, headers: &str, why: &str) -> Vec<u8> {
    let body = Envelope::fail(None, Code::HTTP, &Error::Http(why.to_owned()).reply_text().info);
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {JSON}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}
