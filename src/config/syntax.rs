//! What is wrong with a file that is not TOML, in words for the author of the configuration: what the parser says is
//! written for those who know its grammar.

/// What the parser's messages begin with, and what its author can do.
const MEANINGS: &[(&str, &str)] = &[
    ("duplicate key", "this name stands here a second time; keep one of the two"),
    ("string values must be quoted", "a value is needed behind =, and a text stands in quotation marks"),
    ("invalid boolean", "a value that is a word is true or false, and a text stands in quotation marks"),
    ("key with no value", "a name stands without a value; write NAME = VALUE"),
    ("unquoted keys cannot be empty", "a name is missing in front of ="),
    ("unclosed table", "the [ of a section is not closed; add a ]"),
    ("unclosed array", "the [ of a list is not closed; add a ]"),
    ("unclosed inline table", "a { is not closed; add a }"),
    (
        "invalid basic string",
        "a text is not closed; it ends on its line, with the quotation mark it begins with",
    ),
    (
        "invalid literal string",
        "a text is not closed; it ends on its line, with the quotation mark it begins with",
    ),
    ("unexpected key or value", "something stands behind the value; write one setting a line"),
    ("extra assignment", "something stands behind the value; write one setting a line"),
    (
        "missing escaped value",
        "a \\ in a text means something of its own; write \\\\, or put the text in single quotation marks",
    ),
    ("invalid date", "a date that there is not; one is written 2027-01-01T00:00:00Z"),
    ("invalid time", "a time that there is not; one is written 2027-01-01T00:00:00Z"),
];

/// What a message of the parser means.
pub(super) fn meaning(message: &str) -> &'static str {
    let known = MEANINGS.iter().find(|(begin, _)| message.starts_with(begin));
    known.map_or(
        "the line cannot be read; each line is NAME = VALUE or [SECTION], and a text stands in quotation marks",
        |(_, meaning)| meaning,
    )
}
