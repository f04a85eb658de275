//! Answers to what is no HTTP at all, written without a parser.

use crate::{
    api::Error,
    call::{ALLOWED_HEADERS, JSON},
    wire::{Envelope, code::Code},
};

/// The whole answer, head included, to a request that is no HTTP, for this reason; the connection ends
/// with it.
pub(super) fn unparsable(why: &str) -> Vec<u8> {
    let open = format!(
        "access-control-allow-origin: *\r\naccess-control-allow-headers: {ALLOWED_HEADERS}\r\n\
         access-control-allow-methods: POST\r\n"
    );
    whole("200 OK", &open, why)
}

/// What the answer to plain HTTP says on a port that speaks TLS.
pub const SPEAKS_TLS: &str = "this port speaks TLS";

/// The same for plain HTTP on a port that speaks TLS.
pub(super) fn not_tls() -> Vec<u8> {
    whole("400 Bad Request", "", &format!("{SPEAKS_TLS}: the address begins with https://"))
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
