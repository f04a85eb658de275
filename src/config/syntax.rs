//! Explanations of TOML syntax errors. The parser's own messages assume knowledge of the grammar; these name the mistake
//! and its correction.

/// The beginnings of the parser's messages, and an explanation of each.
const MEANINGS: &[(&str, &str)] = &[
    ("duplicate key", "this name is used a second time; keep one of the two"),
    ("string values must be quoted", "a value is needed after =; text must be in quotation marks"),
    (
        "invalid boolean",
        "a value without quotation marks must be true or false; text must be in quotation marks",
    ),
    ("key with no value", "this name has no value; write NAME = VALUE"),
    ("unquoted keys cannot be empty", "the name before = is missing"),
    ("unclosed table", "the [ of a section is not closed; add a ]"),
    ("unclosed array", "the [ of a list is not closed; add a ]"),
    ("unclosed inline table", "a { is not closed; add a }"),
    (
        "invalid basic string",
        "a string is not closed; end it on the same line with the quotation mark that began it",
    ),
    (
        "invalid literal string",
        "a string is not closed; end it on the same line with the quotation mark that began it",
    ),
    ("unexpected key or value", "more text follows the value; write one setting per line"),
    ("extra assignment", "more text follows the value; write one setting per line"),
    (
        "missing escaped value",
        "a \\ begins an escape sequence; write \\\\, or put the text in single quotation marks",
    ),
    ("invalid date", "this date does not exist or is malformed; write it in the form 2027-01-01T00:00:00Z"),
    ("invalid time", "this time does not exist or is malformed; write it in the form 2027-01-01T00:00:00Z"),
];

/// Explains a message of the parser.
pub(super) fn meaning(message: &str) -> &'static str {
    let known = MEANINGS.iter().find(|(begin, _)| message.starts_with(begin));
    known.map_or(
        "the line cannot be read; write NAME = VALUE or [SECTION], with text in quotation marks",
        |(_, meaning)| meaning,
    )
}
