//! The identifier that a UserSig is made for.

use std::{fmt, ops::Deref, str::FromStr};

/// An identifier that can be signed: 1 to 256 bytes without control characters.
///
/// The HMAC of a UserSig is computed over lines of text, one of which is the identifier. If an identifier could contain
/// line feeds, the signature for one identifier could also be valid for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier(Box<str>);

/// Why a string is not a valid identifier. The message continues a sentence and does not show the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// It is longer than [`Identifier::MAX_BYTES`].
    #[error("has {0} bytes; at most {max} are allowed", max = Identifier::MAX_BYTES)]
    TooLong(usize),
    /// It contains a control character.
    #[error("contains the control character U+{:04X} at byte {at}; remove it", u32::from(*found))]
    Control {
        /// The first control character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
}

impl Identifier {
    /// The maximum length in bytes of UTF-8.
    pub const MAX_BYTES: usize = 256;

    /// Parses an identifier.
    ///
    /// # Errors
    /// Returns [`IdentifierError`].
    pub fn parse(text: &str) -> Result<Identifier, IdentifierError> {
        match text.len() {
            0 => return Err(IdentifierError::Empty),
            1..=Self::MAX_BYTES => {}
            bytes => return Err(IdentifierError::TooLong(bytes)),
        }
        match text.char_indices().find(|(_, c)| c.is_control()) {
            Some((at, found)) => Err(IdentifierError::Control { found, at }),
            None => Ok(Identifier(text.into())),
        }
    }
}

impl FromStr for Identifier {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Identifier, IdentifierError> {
        Identifier::parse(text)
    }
}

impl Deref for Identifier {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_1_to_256_bytes_and_no_control_character() {
        for good in ["a", "administrator", "user_0001-测试", "a\"b\\", &"x".repeat(256)] {
            assert_eq!(Identifier::parse(good).as_deref(), Ok(good));
        }
        assert_eq!(Identifier::parse(""), Err(IdentifierError::Empty));
        assert_eq!(Identifier::parse(&"测".repeat(86)), Err(IdentifierError::TooLong(258)));
        for found in ['\0', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}'] {
            let refused = Identifier::parse(&format!("测{found}x"));
            assert_eq!(refused, Err(IdentifierError::Control { found, at: 3 }));
        }
        let said = Identifier::parse("a\nb").unwrap_err().to_string();
        assert_eq!(said, "contains the control character U+000A at byte 1; remove it");
    }
}
