//! Paths as people write them. What only a shell or a template would have replaced is refused: a server that takes
//! `~/data` or an empty variable by its letters makes an empty store in a place where nobody looks for it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::excerpt::quoted;

/// The path that a text names.
///
/// # Errors
/// Why nobody can have meant it, and what cures that. It reads on behind the name of a key, variable or flag.
pub fn read(text: &OsStr) -> Result<PathBuf, String> {
    // What is not UTF-8 was not typed: a shell has completed it.
    let Some(written) = text.to_str() else { return Ok(PathBuf::from(text)) };
    match unmeant(written) {
        None => Ok(Path::new(text).to_owned()),
        Some(reason) if written.is_empty() => Err(reason),
        Some(reason) => Err(format!("is {}, {reason}", quoted(written))),
    }
}

/// Why a text is a path that nobody can have meant.
fn unmeant(text: &str) -> Option<String> {
    let whole = "write the whole path";
    if text.is_empty() {
        return Some("is empty; give it a path, or leave it out".to_owned());
    }
    if text.trim().is_empty() {
        return Some(format!("which is nothing but white space; {whole}"));
    }
    if text.chars().any(char::is_control) {
        return Some("which has a line feed or another control character in it; leave that out".to_owned());
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Some("which begins or ends with a blank; leave that out".to_owned());
    }
    let marks = ['"', '\''];
    if marks.iter().any(|mark| text.starts_with(*mark) || text.ends_with(*mark)) {
        return Some(
            "which has quotation marks that are taken as part of the name; leave them out".to_owned(),
        );
    }
    if text.starts_with('~') {
        return Some(format!(
            "but ~ is replaced by a shell only; {whole}, or ./~… for a name that begins so"
        ));
    }
    let placeholder = placeholder(text)?;
    Some(format!("but {} is not replaced here; {whole}", quoted(placeholder)))
}

/// The first part of a text that a shell or a template would have replaced.
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
    fn what_nobody_can_have_meant_is_refused() {
        assert_eq!(said(""), "is empty; give it a path, or leave it out");
        assert_eq!(
            said("~/x"),
            "is \"~/x\", but ~ is replaced by a shell only; write the whole path, or ./~… for a name that begins so"
        );
        for (text, named) in [
            ("$HOME/x", "$HOME"),
            ("/a/${DATA_DIR}/x", "${DATA_DIR}"),
            ("/a/$(pwd)", "$(pwd)"),
            ("%APPDATA%\\confold", "%APPDATA%"),
            ("/data/{{ .Values.name }}", "{{ .Values.name }}"),
        ] {
            let expected = format!("but \"{named}\" is not replaced here; write the whole path");
            assert!(said(text).ends_with(&expected), "{}", said(text));
        }
        for (text, reason) in [
            ("  ", "nothing but white space"),
            ("/data\n", "a line feed"),
            ("/data\r", "another control character"),
            ("/data ", "begins or ends with a blank"),
            ("\"/data\"", "quotation marks"),
            ("'/data'", "quotation marks"),
            ("~", "shell only"),
            ("~ann/x", "shell only"),
        ] {
            assert!(said(text).contains(reason), "{text:?}: {}", said(text));
        }
    }

    #[test]
    fn every_other_path_is_taken_as_it_is() {
        for text in [
            "/data", "data", "-", ".", "./~x", "a b", "/a/b~", "100%", "a%b", "50%-60%", "a$", "$1", "{a}",
            "ä",
        ] {
            assert_eq!(read(OsStr::new(text)), Ok(PathBuf::from(text)), "{text}");
        }
    }
}
