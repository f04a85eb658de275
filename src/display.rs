//! What the terminal supports – colours, redrawing a line, characters outside ASCII – according to the usual
//! environment variables.

use std::{borrow::Cow, ffi::OsString};

/// Returns whether output is coloured. `NO_COLOR` turns colours off, `CLICOLOR_FORCE` turns them on; otherwise they are
/// used on a terminal whose `TERM` is not `dumb`.
#[must_use]
pub fn has_colours(is_terminal: bool) -> bool {
    colours(is_terminal, variable)
}

/// Returns whether a line, such as a progress bar, can be redrawn in place.
#[must_use]
pub fn can_redraw(is_terminal: bool) -> bool {
    is_terminal && !is_dumb(variable)
}

/// Returns whether the locale uses UTF-8, so that characters outside ASCII are displayed correctly.
#[must_use]
pub fn is_utf8() -> bool {
    utf8(variable)
}

/// Replaces the ellipses and dashes in confold's own texts with ASCII if the locale does not use UTF-8.
#[must_use]
pub fn for_locale(text: &str) -> Cow<'_, str> {
    match is_utf8() || text.is_ascii() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.replace('…', "...").replace('–', "-")),
    }
}

/// Returns an environment variable; one that is empty counts as unset.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn colours(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    if variable("NO_COLOR").is_some() {
        return false;
    }
    let forced = variable("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    forced || (is_terminal && !is_dumb(&variable))
}

fn is_dumb(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("TERM").is_some_and(|value| value == "dumb")
}

fn utf8(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    // The first of these that is set decides, as in setlocale(3).
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default();
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(value)).filter(|value| !value.is_empty())
        }
    }

    #[test]
    fn colours_follow_the_variables() {
        for (terminal, variables, expected) in [
            (true, &[][..], true),
            (false, &[], false),
            (true, &[("NO_COLOR", "1")], false),
            (true, &[("NO_COLOR", "")], true),
            (true, &[("TERM", "dumb")], false),
            (false, &[("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "0")], false),
            (true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        ] {
            assert_eq!(colours(terminal, set(variables)), expected, "{terminal} {variables:?}");
        }
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        for (variables, expected) in [
            (&[][..], false),
            (&[("LANG", "en_US.UTF-8")], true),
            (&[("LANG", "C.utf8")], true),
            (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], false),
            (&[("LC_CTYPE", "en_US.ISO-8859-1"), ("LANG", "en_US.UTF-8")], false),
            (&[("LC_ALL", ""), ("LC_CTYPE", "de_DE.UTF-8"), ("LANG", "C")], true),
            (&[("LC_ALL", "POSIX")], false),
        ] {
            assert_eq!(utf8(set(variables)), expected, "{variables:?}");
        }
    }
}
