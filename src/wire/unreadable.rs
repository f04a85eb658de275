//! Explains why text is not valid JSON. The messages of the JSON parser mention its internals, so they are not used.

use serde_json::error::Category;

use super::json::MOST_NODES;
use crate::excerpt;

/// Explains an error of [`super::Node::parse`]: what is wrong, and where.
#[must_use]
pub fn unreadable(text: &[u8], error: &serde_json::Error) -> String {
    if let Err(bad) = std::str::from_utf8(text) {
        return format!("byte {} is not valid UTF-8, and JSON must be UTF-8", bad.valid_up_to() + 1);
    }
    if text.trim_ascii().is_empty() {
        return "it is empty".to_owned();
    }
    let reason = error.to_string();
    match error.classify() {
        Category::Eof => format!("it ends at byte {}, before the value is complete", text.len()),
        Category::Data => format!("it contains more than {MOST_NODES} values"),
        Category::Io | Category::Syntax if reason.starts_with("recursion limit") => {
            "its lists and objects are nested too deeply".to_owned()
        }
        Category::Io | Category::Syntax => {
            let (place, at) = place(text, error);
            match reason.starts_with("trailing characters") {
                true => format!("more text follows the value, from {place} on"),
                false => found(&place, &String::from_utf8_lossy(&text[at..])),
            }
        }
    }
}

/// Returns the position of the error, in words and as an index into the text.
fn place(text: &[u8], error: &serde_json::Error) -> (String, usize) {
    let (line, column) = (error.line().max(1), error.column().max(1));
    let before: usize = text.split_inclusive(|byte| *byte == b'\n').take(line - 1).map(<[u8]>::len).sum();
    let mut at = (before + column - 1).min(text.len());
    // Do not stop in the middle of a character.
    while at > 0 && text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80) {
        at -= 1;
    }
    let one_line = !text.trim_ascii().contains(&b'\n');
    (if one_line { format!("column {column}") } else { format!("line {line}, column {column}") }, at)
}

/// Describes an unexpected character, or an unexpected end.
fn found(place: &str, rest: &str) -> String {
    let Some(character) = rest.chars().next() else { return format!("it ends too early, at {place}") };
    let hint = match character {
        '/' | '#' => "; JSON has no comments",
        ']' | '}' => "; perhaps there is one comma too many before it",
        '\n' | '\r' | '\t' => "; in a string it must be written as an escape, such as \\n",
        '\'' | 'A'..='Z' | 'a'..='z' | '_' => "; strings and names must be in double quotes",
        _ => "",
    };
    format!("{} is not expected at {place}{hint}", excerpt::quoted(character.encode_utf8(&mut [0; 4])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Node;

    fn said(text: &[u8]) -> String {
        unreadable(text, &Node::parse(text).unwrap_err())
    }

    #[test]
    fn each_fault_is_explained_without_words_of_the_parser() {
        for (text, expected) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("{\"a\":", "it ends at byte 5, before the value is complete"),
            ("{} x", "more text follows the value, from column 4 on"),
            ("{'a':1}", "\"'\" is not expected at column 2; strings and names must be in double quotes"),
            ("{a:1}", "\"a\" is not expected at column 2; strings and names must be in double quotes"),
            ("broken", "\"b\" is not expected at column 1; strings and names must be in double quotes"),
            ("{} // x", "more text follows the value, from column 4 on"),
            ("{// x\n\"a\":1}", "\"/\" is not expected at line 1, column 2; JSON has no comments"),
            (
                "{\"a\":1,\n}",
                "\"}\" is not expected at line 2, column 1; perhaps there is one comma too many before it",
            ),
            ("[1,]", "\"]\" is not expected at column 4; perhaps there is one comma too many before it"),
        ] {
            assert_eq!(said(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(said(b"{\"a\":\"\xe9\"}"), "byte 7 is not valid UTF-8, and JSON must be UTF-8");
        assert_eq!(said("[".repeat(10_000).as_bytes()), "its lists and objects are nested too deeply");
        let many = format!("[{}0]", "[],".repeat(MOST_NODES as usize));
        assert_eq!(said(many.as_bytes()), "it contains more than 3000000 values");
        // No message of the parser gets through, no matter where the text is cut or damaged.
        let whole = "{\"a\":[1,-2.5e3,true,null,\"x\\u00e9测\"]}";
        for at in 0..whole.len() {
            for spoilt in [
                &whole.as_bytes()[..at],
                &[&whole.as_bytes()[..at], b"\x01", &whole.as_bytes()[at..]].concat(),
            ] {
                let Err(error) = Node::parse(spoilt) else { continue };
                let said = unreadable(spoilt, &error);
                for theirs in ["expected value", "expected `", "EOF", "invalid", "at line 1 column"] {
                    assert!(!said.contains(theirs), "{said}");
                }
            }
        }
    }
}
