//! Secrets in text that is kept or shown: one place that takes them out.
//!
//! The journal keeps bodies, and messages quote what somebody sent. Either may contain a UserSig, or a secret for
//! a webhook, in a place where nobody expects one. Every text that is kept or shown goes through this module. It
//! replaces values by [`MARK`] for two reasons: their name says that they are secret (`"password": …`,
//! `usersig=…`, `Authorization: …`), or they look like a UserSig, wherever they stand and whatever they are called.
//!
//! The text may be JSON, the beginning of JSON, a query string or prose. Valid JSON stays valid JSON.

mod names;
mod shape;
mod strings;

use std::borrow::Cow;

use self::{
    names::{is_header, is_secret, is_secret_in_prose},
    strings::{escaped, nested_end, string_end, unescaped},
};

/// What stands in the place of a secret.
pub const MARK: &str = "…";

/// How deep JSON may be nested in strings of JSON. What is deeper is masked as a whole.
const DEPTH: usize = 6;

/// `text` without its secrets.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    masked(text, 0)
}

/// The same for bytes, such as a body. If they contain a secret and are not UTF-8, what is no character is
/// replaced too.
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

/// One pass over a text. What was masked is in `out`, what was not is copied when the next thing is.
struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    copied: usize,
    out: String,
    /// The end of the run of characters in which the scan is.
    run_end: usize,
    depth: usize,
}

/// A name with what separates it from its value.
struct Named {
    /// Where the value begins.
    value: usize,
    /// Whether the name stands in quotes, as in JSON.
    quoted: bool,
    /// Whether the separator is a colon, as in prose.
    colon: bool,
}

impl Scan<'_> {
    /// Looks at what begins at `at`; where to go on.
    fn step(&mut self, at: usize) -> usize {
        let byte = self.bytes[at];
        if byte == b'"' {
            return self.string(at);
        }
        if at >= self.run_end && shape::in_run(byte) {
            self.run_end = shape::run_end(self.bytes, at);
            // A signature of which characters are escaped has its shape only when they are put back.
            if shape::is_hidden_signature(&self.text[at..self.run_end]) {
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

    /// A word: perhaps the name of a secret, perhaps the beginning of a signature.
    fn word(&mut self, at: usize) -> usize {
        let end = end_of(self.bytes, at, is_word);
        let word = &self.text[at..end];
        if is_secret(word)
            && let Some(named) = self.named(end)
            && let Some(next) = self.value(word, &named)
        {
            return next;
        }
        match shape::signature(&self.bytes[at..self.run_end], end - at) {
            Some(start) => self.mask(at + start, shape::joined_end(self.text, self.run_end), MARK),
            None => end,
        }
    }

    /// A string in double quotes: perhaps the name of a secret, else a text of its own.
    fn string(&mut self, at: usize) -> usize {
        let (inner, end) = (at + 1, string_end(self.bytes, at + 1, b'"'));
        let closed = end < self.text.len();
        let next = end + usize::from(closed);
        let content = &self.text[inner..end];
        let plain = unescaped(content);
        if closed
            && is_secret(&plain)
            && let Some(named) = self.named(end)
            && let Some(next) = self.value(&plain, &named)
        {
            return next;
        }
        let nested = content.contains('\\');
        if nested && self.depth >= DEPTH {
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

    /// Whether a separator follows a name that ends at `at`, perhaps behind a quote.
    fn named(&self, at: usize) -> Option<Named> {
        let behind_quote = skip(self.bytes, at, b"\\'\"", 3);
        let separator = skip(self.bytes, behind_quote, b" \t\r\n", 64);
        let (colon, length) = match self.bytes.get(separator..)? {
            [b':', ..] => (true, 1),
            [b'=', b'>', ..] => (true, 2),
            [b'=', ..] => (false, 1),
            _ => return None,
        };
        let value = skip(self.bytes, separator + length, b" \t\r\n", 64);
        Some(Named { value, quoted: behind_quote > at, colon })
    }

    /// Masks the value of a secret name, if it is one; where to go on.
    fn value(&mut self, name: &str, named: &Named) -> Option<usize> {
        let at = named.value;
        let opening = skip(self.bytes, at, b"\\", 2);
        match self.bytes.get(opening)? {
            quote @ (b'"' | b'\'') => {
                let (quote, inner) = (*quote, opening + 1);
                let end = if opening == at {
                    string_end(self.bytes, inner, quote)
                } else {
                    // The quotes are escaped: both stand in a string of which the beginning is not here.
                    let end = end_of(self.bytes, inner, |byte| byte != quote);
                    inner + self.text[inner..end].trim_end_matches('\\').len()
                };
                let next = if end > inner { self.mask(inner, end, MARK) } else { end };
                Some(skip(self.bytes, next, &[b'\\', quote], opening - at + 1))
            }
            b'{' | b'[' if named.quoted => {
                let end = nested_end(self.bytes, at);
                Some(self.mask(at, end, &format!("\"{MARK}\"")))
            }
            _ if named.quoted && named.colon => {
                let end = end_of(self.bytes, at, |byte| !b",}] \t\r\n\"".contains(&byte));
                match &self.text[at..end] {
                    "" | "true" | "false" | "null" => Some(end),
                    _ => Some(self.mask(at, end, &format!("\"{MARK}\""))),
                }
            }
            _ if named.colon && is_header(name) => {
                Some(self.mask(at, end_of(self.bytes, at, |byte| byte != b'\n' && byte != b'\r'), MARK))
            }
            _ if named.colon && !is_secret_in_prose(name) => None,
            _ => {
                let end = end_of(self.bytes, at, |byte| !b"& \t\r\n\"'<>`\\".contains(&byte));
                (end > at).then(|| self.mask(at, end, MARK))
            }
        }
    }

    /// Puts `mark` in the place of a part of the text; its end.
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

/// The end of the bytes from `at` on that are `wanted`.
fn end_of(bytes: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|byte| !wanted(*byte)).map_or(bytes.len(), |length| at + length)
}

/// Behind the bytes of `these` at `at`, at most so many of them.
fn skip(bytes: &[u8], at: usize, these: &[u8], most: usize) -> usize {
    at + bytes[at.min(bytes.len())..].iter().take(most).take_while(|byte| these.contains(byte)).count()
}

#[cfg(test)]
#[path = "masking_tests.rs"]
mod tests;
