//! Validation of paths that users write. Text that only a shell or a template engine would expand is refused: a server
//! that took `~/data` or `$DIR/data` literally would create an empty store in a place where nobody looks for it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::excerpt::quoted;

/// Reads a path.
///
/// # Errors
/// Returns why the text is probably a mistake, and how to correct it. The message continues a sentence that begins with
/// the name of a setting, variable or flag.
pub fn read(text: &OsStr) -> Result<PathBuf, String> {
    // A path that is not UTF-8 was hardly typed by hand; most likely a shell completed it, so it exists.
    let Some(written) = text.to_str() else { return Ok(PathBuf::from(text)) };
    match mistake(written) {
        None => Ok(Path::new(text).to_owned()),
        Some(reason) if written.is_empty() => Err(reason),
        Some(reason) => Err(format!("is {}, {reason}", quoted(written))),
    }
}

/// Describes why a path is probably a mistake, if it is.
fn mistake(text: &str) -> Option<String> {
    let full = "write the full path";
    if text.is_empty() {
        return Some("is empty; give it a path, or leave it out".to_owned());
    }
    if text.trim().is_empty() {
        return Some(format!("which is only white space; {full}"));
    }
    if text.chars().any(char::is_control) {
        return Some("which contains a line feed or another control character; remove it".to_owned());
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Some("which begins or ends with white space; remove it".to_owned());
    }
    let marks = ['"', '\''];
    if marks.iter().any(|mark| text.starts_with(*mark) || text.ends_with(*mark)) {
        return Some("which has quotation marks that would become part of the name; remove them".to_owned());
    }
    if text.starts_with('~') {
        return Some(format!("but only a shell expands ~; {full}, or ./~… for a name that begins with ~"));
    }
    let placeholder = placeholder(text)?;
    Some(format!("but confold does not expand {}; {full}", quoted(placeholder)))
}

/// Finds the first part of a string that a shell or a template engine would expand.
fn placeholder(text: &str) -> Option<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins_name = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    for (at, _) in text.match_indices(['$', '%', '{']) {
        let rest = &text[at + 1..];
        let closed = |by: &str| rest.find(by).map(|end| &text[at..=at + end + by.len()]);
        let found = match text.as_bytes()[at] {
            b'$' if rest.starts_with('{') => closed("}"),
            b'$' if rest.starts_with('(') => closed(")"),
            b'$' if begins_name(rest) => {
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                Some(&text[at..=at + end])
            }
            b'%' if begins_name(rest) => {
                closed("%").filter(|found| found[1..found.len() - 1].chars().all(is_name))
            }
            b'{' if rest.starts_with('{') => closed("}}"),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        read(OsStr::new(text)).expect_err(text)
    }

    #[test]
    fn probable_mistakes_are_refused() {
        assert_eq!(said(""), "is empty; give it a path, or leave it out");
        assert_eq!(
            said("~/x"),
            "is \"~/x\", but only a shell expands ~; write the full path, or ./~… for a name that begins with ~"
        );
        for (text, named) in [
            ("$HOME/x", "$HOME"),
            ("/a/${DATA_DIR}/x", "${DATA_DIR}"),
            ("/a/$(pwd)", "$(pwd)"),
            ("%APPDATA%\\confold", "%APPDATA%"),
            ("/data/{{ .Values.name }}", "{{ .Values.name }}"),
        ] {
            let expected = format!("but confold does not expand \"{named}\"; write the full path");
            assert!(said(text).ends_with(&expected), "{}", said(text));
        }
        for (text, reason) in [
            ("  ", "only white space"),
            ("/data\n", "a line feed"),
            ("/data\r", "another control character"),
            ("/data ", "begins or ends with white space"),
            ("\"/data\"", "quotation marks"),
            ("'/data'", "quotation marks"),
            ("~", "only a shell"),
            ("~ann/x", "only a shell"),
        ] {
            assert!(said(text).contains(reason), "{text:?}: {}", said(text));
        }
    }

    #[test]
    fn every_other_path_is_accepted_unchanged() {
        for text in [
            "/data", "data", "-", ".", "./~x", "a b", "/a/b~", "100%", "a%b", "50%-60%", "a$", "$1", "{a}",
            "ä",
        ] {
            assert_eq!(read(OsStr::new(text)), Ok(PathBuf::from(text)), "{text}");
        }
    }
}
