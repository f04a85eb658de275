//! What a key or token may look like: one word. A carriage return, a blank or a quotation mark that came along from
//! somewhere makes another key of it, and every signature is refused without a sign of the cause.

/// Why a text is not used as a key or token. It reads on behind the name of that, and shows nothing of the text but
/// the character that does not belong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretWordError {
    /// It has no characters.
    #[error("is empty")]
    Empty,
    /// A character in it cannot be meant.
    #[error(
        "has {what} {place}; it must be one word of ASCII characters, without blanks, control characters and \
         quotation marks"
    )]
    Stray {
        /// The character, in words.
        what: &'static str,
        /// Where it stands.
        place: &'static str,
    },
}

/// Refuses what cannot be meant as a key or token, wherever it comes from.
///
/// # Errors
/// [`SecretWordError`].
pub fn check(text: &str) -> Result<(), SecretWordError> {
    let last = text.char_indices().last().ok_or(SecretWordError::Empty)?.0;
    match text.char_indices().find_map(|(at, character)| Some((at, stray(character)?))) {
        None => Ok(()),
        Some((at, what)) => {
            let place = match at {
                0 => "at its beginning",
                at if at == last => "at its end",
                _ => "in it",
            };
            Err(SecretWordError::Stray { what, place })
        }
    }
}

/// What a character is that no key or token has.
fn stray(character: char) -> Option<&'static str> {
    Some(match character {
        '!'..='~' if !matches!(character, '"' | '\'' | '`') => return None,
        '"' | '\'' | '`' | '\u{2018}'..='\u{201f}' => "a quotation mark",
        ' ' | '\u{a0}' => "a blank",
        '\r' => "a carriage return",
        '\n' => "a line feed",
        '\t' => "a tab",
        '\u{feff}' => "a byte order mark",
        '\u{200b}'..='\u{200f}' | '\u{2060}' => "an invisible character",
        control if control.is_control() => "a control character",
        _ => "a character outside ASCII",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_along_by_accident_is_named() {
        for good in ["k", "0123456789abcdef", "a/b+c==", "a:b;c~!"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check(""), Err(SecretWordError::Empty));
        for (bad, what, place) in [
            ("key\r", "a carriage return", "at its end"),
            ("key\n", "a line feed", "at its end"),
            (" key", "a blank", "at its beginning"),
            ("two words", "a blank", "in it"),
            ("\"key\"", "a quotation mark", "at its beginning"),
            ("key’", "a quotation mark", "at its end"),
            ("\u{feff}key", "a byte order mark", "at its beginning"),
            ("k\u{200b}ey", "an invisible character", "in it"),
            ("kéy", "a character outside ASCII", "in it"),
            ("k\0y", "a control character", "in it"),
        ] {
            assert_eq!(check(bad), Err(SecretWordError::Stray { what, place }), "{bad:?}");
            assert!(!check(bad).unwrap_err().to_string().contains("key"), "{bad:?}");
        }
    }
}
