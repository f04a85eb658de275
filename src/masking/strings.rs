//! The parts of JSON syntax that masking needs: strings and nesting. The surrounding text need not be valid JSON.

use std::{borrow::Cow, fmt::Write};

/// Returns the position of the quote that closes the string whose content begins at `at`, or the end of the text.
pub(super) fn string_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// Returns the end of the object or array that begins at `at`, or the end of the text.
pub(super) fn nested_end(bytes: &[u8], mut at: usize) -> usize {
    let mut open = 0_usize;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => open += 1,
            b'}' | b']' => open -= 1,
            b'"' => at = string_end(bytes, at + 1, b'"'),
            _ => {}
        }
        at += 1;
        if open == 0 {
            break;
        }
    }
    at.min(bytes.len())
}

/// Replaces the escapes in a string of JSON or of Rust's `Debug` format with the characters that they stand for.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(kind) = rest.chars().next() else { break };
        let digits = match kind {
            'u' if rest.starts_with("u{") => rest.find('}').map(|end| (2..end, end + 1)),
            'u' => Some((1..5, 5)),
            _ => None,
        };
        let code = digits.and_then(|(digits, end)| {
            let code = u32::from_str_radix(rest.get(digits)?, 16).ok()?;
            // Half of a surrogate pair becomes U+FFFD: it cannot be part of a secret name or a signature anyway.
            Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), end))
        });
        let (character, length) = code.unwrap_or_else(|| {
            let character = match kind {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            };
            (character, kind.len_utf8())
        });
        out.push(character);
        rest = &rest[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Escapes text for use in a JSON string.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            control if control < ' ' => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("writing to a string cannot fail");
            }
            other => out.push(other),
        }
    }
    out
}
