//! Masks secrets in text that is stored or displayed.
//!
//! The journal stores bodies of requests, and messages quote input. Either may contain a UserSig or a webhook secret
//! in an unexpected place, so every text that is stored or displayed goes through this module. It replaces a value
//! with [`MARK`] if its name is that of a secret (`"password": …`, `usersig=…`, `Authorization: …`), or if it looks
//! like a UserSig, whatever its place and name.
//!
//! The text may be JSON, the beginning of JSON, a query string or prose. Valid JSON stays valid JSON.

mod names;
mod path;
mod shape;
mod strings;

use std::borrow::Cow;

use self::{
    names::{is_header, is_secret, is_secret_in_prose},
    strings::{escaped, nested_end, string_end, unescaped},
};

pub use path::path;

/// The replacement for a secret.
pub const MARK: &str = "…";

/// How many levels of JSON inside JSON strings are searched. A string below that is masked as a whole if it has escapes.
const MAX_DEPTH: usize = 6;

/// Masks the secrets in `text`.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    masked(text, 0)
}

/// Masks the secrets in bytes, such as a body. If there are any, invalid UTF-8 is replaced, too; otherwise the bytes are
/// returned unchanged.
#[must_use]
pub fn json_or_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(valid) => match text(valid) {
            Cow::Borrowed(_) => Cow::Borrowed(bytes),
            Cow::Owned(masked) => Cow::Owned(masked.into_bytes()),
        },
        Cow::Owned(repaired) => match text(&repaired) {
            Cow::Borrowed(_) => Cow::Borrowed(bytes),
            Cow::Owned(masked) => Cow::Owned(masked.into_bytes()),
        },
    }
}

fn masked(text: &str, depth: usize) -> Cow<'_, str> {
    let mut scan = Scan { text, bytes: text.as_bytes(), copied: 0, out: String::new(), run_end: 0, depth };
    let mut at = 0;
    while at < text.len() {
        at = scan.step(at);
    }
    if scan.copied == 0 {
        return Cow::Borrowed(text);
    }
    scan.out.push_str(&text[scan.copied..]);
    Cow::Owned(scan.out)
}

/// A single pass over the text. `out` holds the result up to the last masked value; `copied` is the position after
/// it.
struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    copied: usize,
    out: String,
    /// The end of the current run (see [`shape::in_run`]).
    run_end: usize,
    depth: usize,
}

/// The separator between a name and its value.
struct Separator {
    /// The position at which the value begins.
    value: usize,
    /// Whether the name is in quotes, as in JSON.
    quoted: bool,
    /// Whether the separator is a colon, as in prose.
    colon: bool,
}

impl Scan<'_> {
    /// Processes the token at `at` and returns the position after it.
    fn step(&mut self, at: usize) -> usize {
        let byte = self.bytes[at];
        if byte == b'"' {
            return self.string(at);
        }
        if at >= self.run_end && shape::in_run(byte) {
            self.run_end = shape::run_end(self.bytes, at);
            // A signature with escaped characters is recognized only after decoding.
            if shape::is_escaped_signature(&self.text[at..self.run_end]) {
                return self.mask(at, shape::joined_end(self.text, self.run_end), MARK);
            }
        }
        if is_word(byte) {
            return self.word(at);
        }
        if self.text[at..].starts_with("://") {
            let start = at + 3;
            let end = end_of(self.bytes, start, |byte| !b"/?#\"'<> \n\r\t".contains(&byte));
            if let Some(sign) = self.text[start..end].rfind('@') {
                return self.mask(start, start + sign, MARK);
            }
            return start;
        }
        at + self.text[at..].chars().next().map_or(1, char::len_utf8)
    }

    /// Processes a word, which may be the name of a secret or contain the beginning of a signature.
    fn word(&mut self, at: usize) -> usize {
        let end = end_of(self.bytes, at, is_word);
        let word = &self.text[at..end];
        if is_secret(word)
            && let Some(separator) = self.separator(end)
            && let Some(next) = self.value(word, &separator)
        {
            return next;
        }
        match shape::signature(&self.bytes[at..self.run_end], end - at) {
            Some(start) => self.mask(at + start, shape::joined_end(self.text, self.run_end), MARK),
            None => end,
        }
    }

    /// Processes a string in double quotes: the name of a secret, or a string to be masked on its own.
    fn string(&mut self, at: usize) -> usize {
        let (inner, end) = (at + 1, string_end(self.bytes, at + 1, b'"'));
        let closed = end < self.text.len();
        let next = end + usize::from(closed);
        let content = &self.text[inner..end];
        let plain = unescaped(content);
        if closed
            && is_secret(&plain)
            && let Some(separator) = self.separator(end)
            && let Some(next) = self.value(&plain, &separator)
        {
            return next;
        }
        let nested = content.contains('\\');
        if nested && self.depth >= MAX_DEPTH {
            return self.mask(inner, end, MARK);
        }
        let changed = match masked(&plain, self.depth + 1) {
            Cow::Borrowed(_) => None,
            Cow::Owned(masked) => Some(escaped(&masked)),
        };
        if let Some(masked) = changed {
            self.mask(inner, end, &masked);
        }
        next
    }

    /// Returns whether a separator follows a name that ends at `at`, perhaps after a closing quote.
    fn separator(&self, at: usize) -> Option<Separator> {
        let behind_quote = skip(self.bytes, at, b"\\'\"", 3);
        let separator = skip(self.bytes, behind_quote, b" \t\r\n", 64);
        let (colon, length) = match self.bytes.get(separator..)? {
            [b':', ..] => (true, 1),
            [b'=', b'>', ..] => (true, 2),
            [b'=', ..] => (false, 1),
            _ => return None,
        };
        let value = skip(self.bytes, separator + length, b" \t\r\n", 64);
        Some(Separator { value, quoted: behind_quote > at, colon })
    }

    /// Masks the value that follows a secret name and returns the position after it; `None` if there is no value to
    /// mask.
    fn value(&mut self, name: &str, separator: &Separator) -> Option<usize> {
        let at = separator.value;
        let opening = skip(self.bytes, at, b"\\", 2);
        match self.bytes.get(opening)? {
            quote @ (b'"' | b'\'') => {
                let (quote, inner) = (*quote, opening + 1);
                let end = if opening == at {
                    string_end(self.bytes, inner, quote)
                } else {
                    // The quotes are escaped: the text is part of a string whose beginning was cut off.
                    let end = end_of(self.bytes, inner, |byte| byte != quote);
                    inner + self.text[inner..end].trim_end_matches('\\').len()
                };
                let next = if end > inner { self.mask(inner, end, MARK) } else { end };
                Some(skip(self.bytes, next, &[b'\\', quote], opening - at + 1))
            }
            b'{' | b'[' if separator.quoted => {
                let end = nested_end(self.bytes, at);
                Some(self.mask(at, end, &format!("\"{MARK}\"")))
            }
            _ if separator.quoted && separator.colon => {
                let end = end_of(self.bytes, at, |byte| !b",}] \t\r\n\"".contains(&byte));
                match &self.text[at..end] {
                    "" | "true" | "false" | "null" => Some(end),
                    _ => Some(self.mask(at, end, &format!("\"{MARK}\""))),
                }
            }
            _ if separator.colon && is_header(name) => {
                Some(self.mask(at, end_of(self.bytes, at, |byte| byte != b'\n' && byte != b'\r'), MARK))
            }
            _ if separator.colon && !is_secret_in_prose(name) => None,
            _ => {
                let end = end_of(self.bytes, at, |byte| !b"& \t\r\n\"'<>`\\".contains(&byte));
                (end > at).then(|| self.mask(at, end, MARK))
            }
        }
    }

    /// Replaces the text between `from` and `to` with `mark`, and returns `to`.
    fn mask(&mut self, from: usize, to: usize, mark: &str) -> usize {
        self.out.push_str(&self.text[self.copied..from]);
        self.out.push_str(mark);
        self.copied = to;
        to
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

/// Returns the position of the first byte from `at` on that is not `wanted`.
fn end_of(bytes: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|byte| !wanted(*byte)).map_or(bytes.len(), |length| at + length)
}

/// Skips at most `most` bytes of `these` from `at` on.
fn skip(bytes: &[u8], at: usize, these: &[u8], most: usize) -> usize {
    at + bytes[at.min(bytes.len())..].iter().take(most).take_while(|byte| these.contains(byte)).count()
}

#[cfg(test)]
#[path = "masking_tests.rs"]
mod tests;
