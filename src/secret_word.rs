//! Validation of keys and tokens: each must be a single word. A carriage return, space or quotation mark that was copied
//! along would make it a different key, and every signature would be refused without a hint at the cause.

/// Why a string cannot be used as a key or token. The message continues a sentence that begins with the name of the
/// setting, and never shows the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretWordError {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// The text contains a character that keys and tokens do not have.
    #[error(
        "contains {what} {place}; it must be one word of ASCII characters, without spaces, control characters or \
         quotation marks"
    )]
    Stray {
        /// A description of the character.
        what: &'static str,
        /// Its position: at the start, at the end, or in the middle.
        place: &'static str,
    },
}

/// Checks that a string can be used as a key or token.
///
/// # Errors
/// Returns [`SecretWordError`].
pub fn check(text: &str) -> Result<(), SecretWordError> {
    let last = text.char_indices().last().ok_or(SecretWordError::Empty)?.0;
    match text.char_indices().find_map(|(at, character)| Some((at, stray(character)?))) {
        None => Ok(()),
        Some((at, what)) => {
            let place = match at {
                0 => "at the start",
                at if at == last => "at the end",
                _ => "in the middle",
            };
            Err(SecretWordError::Stray { what, place })
        }
    }
}

/// Describes a character that is not allowed in keys and tokens; `None` for an allowed one.
fn stray(character: char) -> Option<&'static str> {
    Some(match character {
        '!'..='~' if !matches!(character, '"' | '\'' | '`') => return None,
        '"' | '\'' | '`' | '\u{2018}'..='\u{201f}' => "a quotation mark",
        ' ' | '\u{a0}' => "a space",
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
    fn a_stray_character_is_named_with_its_position() {
        for good in ["k", "0123456789abcdef", "a/b+c==", "a:b;c~!"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check(""), Err(SecretWordError::Empty));
        for (bad, what, place) in [
            ("key\r", "a carriage return", "at the end"),
            ("key\n", "a line feed", "at the end"),
            (" key", "a space", "at the start"),
            ("two words", "a space", "in the middle"),
            ("\"key\"", "a quotation mark", "at the start"),
            ("key’", "a quotation mark", "at the end"),
            ("\u{feff}key", "a byte order mark", "at the start"),
            ("k\u{200b}ey", "an invisible character", "in the middle"),
            ("kéy", "a character outside ASCII", "in the middle"),
            ("k\0y", "a control character", "in the middle"),
        ] {
            assert_eq!(check(bad), Err(SecretWordError::Stray { what, place }), "{bad:?}");
            assert!(!check(bad).unwrap_err().to_string().contains("key"), "{bad:?}");
        }
    }
}
