//! Escaping of JSON that is printed on a terminal.

use crate::excerpt;

/// Escapes a piece of JSON. Pieces may end inside a character; its first bytes are kept in `partial` for the next call.
pub(super) fn escaped(partial: &mut Vec<u8>, piece: &[u8]) -> String {
    let mut bytes = std::mem::take(partial);
    bytes.extend_from_slice(piece);
    let mut out = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        out.push_str(&excerpt::json(chunk.valid()));
        let whole = std::str::from_utf8(chunk.invalid()).err().and_then(|error| error.error_len());
        match chunk.invalid() {
            [] => {}
            rest if chunks.peek().is_none() && whole.is_none() => partial.extend_from_slice(rest),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}
