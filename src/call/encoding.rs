//! Decodes bodies: compressed ones are decompressed within the limits of bodies, and unsupported encodings are refused
//! by name.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::{
    head::{Header, Headers},
    memory::{Bounds, Reservation, SMALL, Whole},
};
use crate::{api::Error, excerpt::quoted};

/// The byte order mark, which Windows editors and frameworks put before UTF-8 text.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// How many bytes are decompressed at a time.
const PIECE: usize = 8 * 1024;

/// The compression of a body.
#[derive(Clone, Copy)]
enum Compression {
    Gzip,
    /// Named `deflate` in HTTP.
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

/// Returns the encodings that a request names, in the order in which they were applied.
fn named(headers: &dyn Headers) -> Vec<String> {
    let names = headers.all(Header::ContentEncoding).into_iter().flat_map(|value| {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        value.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    });
    names.filter(|name| !name.is_empty() && name != "identity").collect()
}

/// Returns the decompressed body. Its size counts against the limits like that of any body.
///
/// # Errors
/// Returns [`Error::Http`] when the encoding is not supported or the body is damaged or too large, and
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
                "a body with the header Content-Encoding: {} is not supported; send it uncompressed, or compressed by \
                 gzip or deflate",
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
            return Err(Error::Http(format!("the body is larger than {limit} bytes when decompressed")));
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
        io::ErrorKind::UnexpectedEof => format!("the {name} data of the body is incomplete"),
        _ => format!(
            "the header Content-Encoding says {name}, but the body is not valid {name} data; send it uncompressed \
             and without the header"
        ),
    })
}

/// Refuses an encoded body of lines, because lines are read as they arrive.
///
/// # Errors
/// Returns a message with the encoding and what to do.
pub(super) fn check_plain(headers: &dyn Headers) -> Result<(), String> {
    match &named(headers)[..] {
        [] => Ok(()),
        names => Err(format!(
            "a body of lines must not be compressed or encoded, found the header Content-Encoding: {}; send it without \
             this header",
            quoted(&names.join(", "))
        )),
    }
}

/// Removes a byte order mark from text.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Returns an explanation if a body that is not JSON is recognizably compressed or in another encoding. The JSON
/// parser's error would only point to a byte.
pub(super) fn foreign(body: &[u8]) -> Option<&'static str> {
    let beginning = &body[..body.len().min(4)];
    match beginning {
        [0x1F, 0x8B, ..] => Some(
            "the body is compressed by gzip; add the header Content-Encoding: gzip, or send it uncompressed",
        ),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("the body is UTF-16; send UTF-8"),
        // JSON begins with ASCII characters, whose other bytes are zero in these encodings.
        _ if beginning.contains(&0) && beginning.iter().any(|byte| *byte != 0) => {
            Some("the body is UTF-16 or UTF-32; send UTF-8")
        }
        _ => None,
    }
}
