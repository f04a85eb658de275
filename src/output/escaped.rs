//! JSON that is shown on a terminal.

use crate::excerpt;

/// A piece of JSON with the escapes that a terminal needs. A character that is not complete waits in `beginning`.
pub(super) fn escaped(beginning: &mut Vec<u8>, piece: &[u8]) -> String {
    let mut bytes = std::mem::take(beginning);
    bytes.extend_from_slice(piece);
    let mut out = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        out.push_str(&excerpt::json(chunk.valid()));
        let whole = std::str::from_utf8(chunk.invalid()).err().and_then(|error| error.error_len());
        match chunk.invalid() {
            [] => {}
            rest if chunks.peek().is_none() && whole.is_none() => beginning.extend_from_slice(rest),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}
