//! How bodies are encoded: compressed ones are unpacked within the bounds of bodies, and what is not read is refused by
//! its name.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::{
    head::{Header, Headers},
    memory::{Bounds, Reservation, SMALL, Whole},
};
use crate::{api::Error, excerpt::quoted};

/// What editors and frameworks of Windows put before a text in UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// How much is unpacked at a time.
const PIECE: usize = 8 * 1024;

/// What a body is compressed by.
#[derive(Clone, Copy)]
enum Compression {
    Gzip,
    /// Called `deflate`.
    Zlib,
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zlib => "deflate",
        }
    }
}

/// The encodings that a request names, in the order in which they were applied.
fn named(headers: &dyn Headers) -> Vec<String> {
    let names = headers.all(Header::ContentEncoding).into_iter().flat_map(|value| {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        value.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    });
    names.filter(|name| !name.is_empty() && name != "identity").collect()
}

/// The body as it was before it was compressed. What is unpacked counts against the bounds like any body.
///
/// # Errors
/// [`Error::Http`] when the encoding is not read, the body is damaged or larger than it may be;
/// [`Error::ManyBodies`] when there is no memory for it.
pub(super) fn decoded(whole: Whole, bounds: Bounds<'_>) -> Result<Whole, Error> {
    if bounds.headers.first(Header::ContentEncoding).is_none() {
        return Ok(whole);
    }
    let names = named(bounds.headers);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let compression = match names[..] {
        [] => return Ok(whole),
        ["gzip" | "x-gzip"] => Compression::Gzip,
        ["deflate"] => Compression::Zlib,
        _ => {
            return Err(Error::Http(format!(
                "a body with the header Content-Encoding: {} is not read; send it as it is, or compressed by gzip or \
                 deflate",
                quoted(&names.join(", "))
            )));
        }
    };
    let packed = &whole.bytes[..];
    match compression {
        Compression::Gzip => unpacked(MultiGzDecoder::new(packed), compression, bounds),
        Compression::Zlib => unpacked(ZlibDecoder::new(packed), compression, bounds),
    }
}

fn unpacked(mut packed: impl Read, compression: Compression, bounds: Bounds<'_>) -> Result<Whole, Error> {
    let limit = bounds.bytes;
    let (mut text, mut reserved) = (Vec::new(), Reservation::default());
    let mut piece = [0; PIECE];
    loop {
        let read = match packed.read(&mut piece) {
            Ok(0) => return Ok(Whole::new(text.into(), reserved)),
            Ok(read) => read,
            Err(error) => return Err(damaged(&error, compression)),
        };
        let needed = text.len() + read;
        if needed > limit {
            return Err(Error::Http(format!("the body is larger than {limit} bytes when it is unpacked")));
        }
        if needed > text.capacity() {
            let room = text.capacity().saturating_mul(2).clamp(needed, limit);
            if room > SMALL {
                bounds.reserve(&mut reserved, room)?;
            }
            text.reserve_exact(room - text.len());
        }
        text.extend_from_slice(&piece[..read]);
    }
}

fn damaged(error: &io::Error, compression: Compression) -> Error {
    let name = compression.name();
    Error::Http(match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("the body ends before its {name} does"),
        _ => format!(
            "the body cannot be unpacked as its header Content-Encoding: {name} says; send it as it is, or without the \
             header if it is not compressed"
        ),
    })
}

/// Refuses a body whose lines are read as they come, when it is encoded.
///
/// # Errors
/// Which encoding it is, and the cure.
pub(super) fn check_plain(headers: &dyn Headers) -> Result<(), String> {
    match &named(headers)[..] {
        [] => Ok(()),
        names => Err(format!(
            "lines with the header Content-Encoding: {} are not read; send them as they are",
            quoted(&names.join(", "))
        )),
    }
}

/// A text without a byte order mark.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// What a body is that could not be read as JSON, if that can be seen: the reader of JSON would only name a byte.
pub(super) fn foreign(body: &[u8]) -> Option<&'static str> {
    let beginning = &body[..body.len().min(4)];
    match beginning {
        [0x1F, 0x8B, ..] => Some(
            "the body is compressed by gzip; name that in the header Content-Encoding, or send it as it is",
        ),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("the body is UTF-16; send UTF-8"),
        // JSON begins with characters of ASCII, whose other bytes are zero there.
        _ if beginning.contains(&0) && beginning.iter().any(|byte| *byte != 0) => {
            Some("the body is UTF-16 or UTF-32; send UTF-8")
        }
        _ => None,
    }
}
