//! Quoting untrusted text in messages: bounded in length, escaped, on one line.
//!
//! A message is text that confold writes itself: `ErrorInfo`, `ResultInfo`, a log line, a span attribute, a line on a
//! terminal. Text from elsewhere – an identifier, a field name, a value, another server's error – may be too long, forge
//! a second log line, or send control sequences to the terminal. Every message that quotes such text therefore
//! goes through this module (decision 35). Data in replies and exports is not a message and is left unchanged.

use std::{
    borrow::Cow,
    fmt::{self, Display, Write},
};

/// How many characters of untrusted text a quotation shows at most.
pub const CHARACTERS: usize = 64;

/// The maximum length of a message, in bytes.
pub const MESSAGE_BYTES: usize = 1_024;

/// Displays the beginning of a string, escaped. Made by [`quoted`] and [`plain`].
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a> {
    text: &'a str,
    quotes: bool,
}

/// Displays the first [`CHARACTERS`] of `text` in double quotes. Quotes, backslashes, control and bidi characters are
/// escaped. An ellipsis after the closing quote marks a string that was cut.
#[must_use]
pub fn quoted(text: &str) -> Excerpt<'_> {
    Excerpt { text, quotes: true }
}

/// Like [`quoted`], but without the quotes and without escaping quotes and backslashes.
#[must_use]
pub fn plain(text: &str) -> Excerpt<'_> {
    Excerpt { text, quotes: false }
}

/// Makes a whole message printable on one line and cuts it at [`MESSAGE_BYTES`]. This is the last safeguard, for
/// example against texts of libraries; text quoted in a message is already bounded by [`quoted`] or [`plain`].
#[must_use]
pub fn line(message: &str) -> Cow<'_, str> {
    if message.len() <= MESSAGE_BYTES && !message.chars().any(is_hidden) {
        return Cow::Borrowed(message);
    }
    let mut out = String::with_capacity(MESSAGE_BYTES);
    for character in message.chars() {
        let before = out.len();
        push(&mut out, character, false);
        if out.len() > MESSAGE_BYTES - '…'.len_utf8() {
            out.truncate(before);
            out.push('…');
            break;
        }
    }
    Cow::Owned(out)
}

/// Like [`line()`], but for the value of an HTTP header: characters outside ASCII are escaped, too.
#[must_use]
pub fn header(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for character in line(message).chars() {
        let before = out.len();
        match character {
            ' '..='~' => out.push(character),
            // These two have a readable ASCII replacement.
            '–' => out.push('-'),
            '…' => out.push_str("..."),
            other => write!(out, "{}", other.escape_unicode()).expect("writing to a string cannot fail"),
        }
        if out.len() > MESSAGE_BYTES - "...".len() {
            out.truncate(before);
            out.push_str("...");
            break;
        }
    }
    out
}

/// Escapes the characters in a JSON text that JSON allows but that are unsafe on a terminal or in a log. Valid JSON has
/// them only in strings, so its meaning does not change.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let is_escaped = |character: char| character != '\n' && is_hidden(character);
    if !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 32);
    for character in text.chars() {
        match is_escaped(character) {
            false => out.push(character),
            true => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("writing to a string cannot fail");
                }
            }
        }
    }
    Cow::Owned(out)
}

impl Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(self.text.len().min(CHARACTERS) + 8);
        let mut characters = self.text.chars();
        if self.quotes {
            out.push('"');
        }
        for character in characters.by_ref().take(CHARACTERS) {
            push(&mut out, character, self.quotes);
        }
        if self.quotes {
            out.push('"');
        }
        if characters.next().is_some() {
            out.push('…');
        }
        f.write_str(&out)
    }
}

/// Returns whether a character is invisible or changes the layout of others: controls, line and paragraph separators,
/// bidi marks and overrides, zero-width characters and tags.
#[must_use]
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn push(out: &mut String, character: char, quotes: bool) {
    match character {
        '"' | '\\' if quotes => out.extend(['\\', character]),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        hidden if is_hidden(hidden) => {
            write!(out, "{}", hidden.escape_unicode()).expect("writing to a string cannot fail");
        }
        shown => out.push(shown),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_printable_text_is_shown_as_it_is() {
        assert_eq!(quoted("测试 a+b").to_string(), "\"测试 a+b\"");
        assert_eq!(plain("测试 \"a\"\\").to_string(), "测试 \"a\"\\");
        assert_eq!(quoted("say \"x\"\\").to_string(), r#""say \"x\"\\""#);
        assert!(matches!(line("nothing to do"), Cow::Borrowed("nothing to do")));
    }

    #[test]
    fn control_and_bidi_characters_are_escaped() {
        let hostile = "x\n2026-11-27 INFO all is well\r\t\u{1b}[31m\u{202e}\u{2066}\u{2028}\u{85}";
        let shown = r"x\n2026-11-27 INFO all is well\r\t\u{1b}[31m\u{202e}\u{2066}\u{2028}\u{85}";
        assert_eq!(plain(hostile).to_string(), shown);
        assert_eq!(line(hostile), shown);
        assert_eq!(quoted(hostile).to_string(), format!("\"{shown}\""));
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "{\"a\":\"x\u{202e}\u{7f}\u{e0041}é\"}\n";
        assert_eq!(json(text), "{\"a\":\"x\\u202e\\u007f\\udb40\\udc41é\"}\n");
        assert!(matches!(json("{}\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn long_text_is_cut_and_marked() {
        let long = "é".repeat(65);
        assert_eq!(plain(&long[2..]).to_string(), "é".repeat(64), "64 characters are shown whole");
        assert_eq!(plain(&long).to_string(), "é".repeat(64) + "…");
        assert_eq!(quoted(&long).to_string(), format!("\"{}\"…", "é".repeat(64)));
    }

    #[test]
    fn a_header_is_ascii_on_one_line_and_bounded() {
        assert_eq!(header("the id \"g\" – is taken"), "the id \"g\" - is taken");
        assert_eq!(header("群\r\nx-evil: 1…"), r"\u{7fa4}\r\nx-evil: 1...");
        let long = header(&"é".repeat(900));
        assert!(long.len() <= MESSAGE_BYTES && long.ends_with("\\u{e9}..."), "{long}");
    }

    proptest! {
        #[test]
        fn nothing_hidden_and_nothing_long_gets_through(text in any::<String>(), times in 1usize..600) {
            let text = text.repeat(times);
            for shown in [quoted(&text).to_string(), plain(&text).to_string(), line(&text).into_owned()] {
                prop_assert!(!shown.chars().any(is_hidden), "{shown:?}");
            }
            prop_assert!(line(&text).len() <= MESSAGE_BYTES);
            let header = header(&text);
            prop_assert!(header.len() <= MESSAGE_BYTES && header.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            // The longest escape, such as \u{10ffff}, has ten characters.
            prop_assert!(quoted(&text).to_string().chars().count() <= 10 * CHARACTERS + 3);
        }
    }
}
