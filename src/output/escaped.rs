//! JSON that is shown on a terminal.

use std::fmt::Write;

use crate::excerpt;

/// A piece of JSON with the escapes that a terminal needs. A character that is not complete waits in `beginning`.
pub(super) fn escaped(beginning: &mut Vec<u8>, piece: &[u8]) -> String {
    let mut bytes = std::mem::take(beginning);
    bytes.extend_from_slice(piece);
    let mut out = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        for character in chunk.valid().chars() {
            match character {
                hidden if hidden != '\n' && excerpt::is_hidden(hidden) => {
                    for unit in hidden.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}").expect("writing to a text cannot fail");
                    }
                }
                shown => out.push(shown),
            }
        }
        let whole = std::str::from_utf8(chunk.invalid()).err().and_then(|error| error.error_len());
        match chunk.invalid() {
            [] => {}
            rest if chunks.peek().is_none() && whole.is_none() => beginning.extend_from_slice(rest),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}
