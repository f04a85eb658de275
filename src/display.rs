//! What a terminal can show: colours, moving lines, letters beyond ASCII. The environment says so, in the variables
//! that every program reads.

use std::{borrow::Cow, ffi::OsString};

/// Whether text may be coloured that goes to a terminal, or elsewhere: `NO_COLOR` forbids it, `CLICOLOR_FORCE` demands it,
/// and a terminal of the type `dumb` has none.
#[must_use]
pub fn has_colours(is_terminal: bool) -> bool {
    colours(is_terminal, variable)
}

/// Whether a line may be drawn again in the same place.
#[must_use]
pub fn can_redraw(is_terminal: bool) -> bool {
    is_terminal && !is_dumb(variable)
}

/// Whether the locale is one of UTF-8, so that letters and lines beyond ASCII are shown as what they are.
#[must_use]
pub fn is_utf8() -> bool {
    utf8(variable)
}

/// A text of confold's own in letters that the locale has.
#[must_use]
pub fn for_locale(text: &str) -> Cow<'_, str> {
    match is_utf8() || text.is_ascii() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.replace('…', "...").replace('–', "-")),
    }
}

/// A variable that is set to something: an empty one counts as not set.
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
    // The first of these that is set counts alone.
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
    fn the_first_variable_that_is_set_says_which_letters_there_are() {
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
