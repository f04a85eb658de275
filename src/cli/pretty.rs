//! Pretty-prints JSON, indented and coloured. The order of fields and the spelling of numbers do not change.

use crate::excerpt;

/// Escape sequences for colours; empty strings without colours.
struct Paint {
    name: &'static str,
    text: &'static str,
    number: &'static str,
    word: &'static str,
    end: &'static str,
}

const COLOURED: Paint =
    Paint { name: "\x1b[34m", text: "\x1b[32m", number: "\x1b[36m", word: "\x1b[35m", end: "\x1b[0m" };
const PLAIN: Paint = Paint { name: "", text: "", number: "", word: "", end: "" };

/// Formats valid JSON. Control and bidi characters in strings are escaped, which does not change the meaning.
pub(super) fn json(text: &str, coloured: bool) -> String {
    let paint = if coloured { COLOURED } else { PLAIN };
    // `excerpt::json` keeps line feeds, which valid JSON has only between values.
    let text = excerpt::json(text);
    let (mut out, mut depth, mut rest) = (String::with_capacity(text.len() * 2), 0usize, text.trim());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string(rest),
            '{' | '[' | '}' | ']' | ',' | ':' => 1,
            _ => rest.find(|c: char| "{}[],:\"".contains(c) || c.is_whitespace()).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        rest = after.trim_start();
        match first {
            '{' | '[' if rest.starts_with(['}', ']']) => {
                out.push(first);
                out.extend(rest.chars().next());
                rest = rest[1..].trim_start();
            }
            '{' | '[' => {
                depth += 1;
                out.push(first);
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(first);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' if rest.starts_with(':') => painted(&mut out, paint.name, token, &paint),
            '"' => painted(&mut out, paint.text, token, &paint),
            '-' | '0'..='9' => painted(&mut out, paint.number, token, &paint),
            _ => painted(&mut out, paint.word, token, &paint),
        }
    }
    out + "\n"
}

/// Returns the length in bytes of the JSON string at the beginning of `text`.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

fn painted(out: &mut String, colour: &str, token: &str, paint: &Paint) {
    out.push_str(colour);
    out.push_str(token);
    out.push_str(paint.end);
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    // Limit the indentation, so that deeply nested lines stay readable.
    out.push_str(&"  ".repeat(depth.min(32)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_numbers_are_kept() {
        let text = r#" {"b":[1.50, {}],"a":{"x\"":"y:{\\","e":[]},"c":null} "#;
        let expected = "{\n  \"b\": [\n    1.50,\n    {}\n  ],\n  \"a\": {\n    \"x\\\"\": \"y:{\\\\\",\n    \"e\": []\n  },\n  \"c\": null\n}\n";
        assert_eq!(json(text, false), expected);
        let coloured = json(text, true);
        assert!(coloured.contains("\x1b[34m\"b\"\x1b[0m: ") && coloured.contains("\x1b[36m1.50\x1b[0m"));
        assert_eq!(json("7", false), "7\n");
    }

    #[test]
    fn control_and_bidi_characters_are_escaped() {
        assert_eq!(json("{\"a\":\"\u{202e}\u{7f}\"}", false), "{\n  \"a\": \"\\u202e\\u007f\"\n}\n");
    }
}
