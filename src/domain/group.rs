//! Conversation groups: named folders into which an owner sorts their conversations.

use std::sync::Arc;

use super::{ChangeNumber, Rejection};

/// The number of a conversation group: 1, 2, 3 … for each owner, and never reused (decision 9).
pub type GroupId = u32;

/// The name of a conversation group: 1 to 32 bytes of UTF-8 without control characters, compared
/// byte by byte – nothing is trimmed, folded or normalized.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// The maximum length of a name, in bytes.
    pub const MAX_BYTES: usize = 32;

    /// Reads a group name.
    ///
    /// # Errors
    /// Returns [`Rejection::NameLength`] if the name is empty or too long, and [`Rejection::NameCharacter`] if it
    /// contains NUL or another control character.
    pub fn parse(text: &str) -> Result<GroupName, Rejection> {
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return Err(Rejection::NameLength { bytes: text.len() });
        }
        match text.chars().find(|c| c.is_control()) {
            Some(found) => Err(Rejection::NameCharacter { found }),
            None => Ok(GroupName(text.into())),
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One conversation group of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number, which survives renaming.
    pub id: GroupId,
    /// Its name, unique among the owner's groups.
    pub name: GroupName,
    /// The number of its last change (creation or renaming).
    pub number: ChangeNumber,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_1_to_32_bytes() {
        assert_eq!(GroupName::parse(""), Err(Rejection::NameLength { bytes: 0 }));
        assert!(GroupName::parse(&"n".repeat(32)).is_ok());
        assert_eq!(GroupName::parse(&"n".repeat(33)), Err(Rejection::NameLength { bytes: 33 }));
        assert!(GroupName::parse("测试测试测试测试测试aa").is_ok(), "32 bytes of mixed text");
        assert!(GroupName::parse("测试测试测试测试测试a测").is_err(), "34 bytes, 12 characters");
    }

    #[test]
    fn control_characters_are_refused_and_blanks_kept() {
        assert_eq!(GroupName::parse("a\0"), Err(Rejection::NameCharacter { found: '\0' }));
        assert_eq!(GroupName::parse("a\nb"), Err(Rejection::NameCharacter { found: '\n' }));
        assert_eq!(GroupName::parse(" a ").unwrap().as_str(), " a ");
    }
}
