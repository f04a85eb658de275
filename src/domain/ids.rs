//! Identifiers: apps, users, chat groups, and the owner of an organizer.

use super::Rejection;

/// An SDKAppID, which identifies one tenant. All known ones are positive and fit into a `u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(u32);

impl AppId {
    /// Creates the id of an app. Returns `None` for zero, which is not a valid id.
    #[must_use]
    pub fn new(number: u32) -> Option<AppId> {
        (number != 0).then_some(AppId(number))
    }

    /// Returns the number that requests contain as `sdkappid`.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for AppId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A UserID: 1 to 32 bytes of UTF-8, compared byte by byte.
///
/// Accounts can only be imported under some of these ids, see [`UserId::is_importable`]. Any other id is valid but
/// identifies nobody.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Box<str>);

impl UserId {
    /// The maximum length of a UserID, in bytes.
    pub const MAX_BYTES: usize = 32;

    /// Reads a UserID.
    ///
    /// # Errors
    /// Returns [`Rejection::IdLength`] if it is empty or longer than [`UserId::MAX_BYTES`].
    pub fn parse(text: &str) -> Result<UserId, Rejection> {
        check_length("UserID", text, Self::MAX_BYTES)?;
        Ok(UserId(text.into()))
    }

    /// Reads a UserID under which an account may be imported.
    ///
    /// # Errors
    /// Returns [`Rejection::IdLength`], or [`Rejection::IdCharacter`] for a character that
    /// [`UserId::is_importable`] does not allow.
    pub fn importable(text: &str) -> Result<UserId, Rejection> {
        let user = UserId::parse(text)?;
        match text.chars().find(|c| !c.is_ascii_graphic()) {
            Some(found) => Err(Rejection::IdCharacter {
                what: "UserID to be imported",
                alphabet: "printable ASCII without blanks",
                found,
            }),
            None => Ok(user),
        }
    }

    /// Checks whether an account may be imported under this id. Only printable ASCII without the space is allowed: the
    /// documents of the protocol disagree on the exact set, and this is the widest that all clients can send.
    #[must_use]
    pub fn is_importable(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows the id as quoted text, for use in errors.
impl std::fmt::Debug for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a chat group: 1 to 48 bytes of printable ASCII, or up to 96 for a topic.
///
/// Not to be confused with [`super::GroupId`], the number of a *conversation group*.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatGroupId(Box<str>);

impl ChatGroupId {
    /// The maximum length of an id that a conversation can name, in bytes. Only ids of topics are that long.
    pub const MAX_BYTES: usize = 96;
    /// The maximum length of an id that a chat group can be created with, in bytes.
    pub const MAX_CREATED_BYTES: usize = 48;
    /// The prefix of the ids that the server generates. Callers may use it only in an import.
    pub const RESERVED_PREFIX: &str = "@TGS#";

    /// Reads the id of the chat group or topic of a conversation.
    ///
    /// # Errors
    /// Returns [`Rejection::IdLength`] or [`Rejection::IdCharacter`] if the text is not a valid id.
    pub fn parse(text: &str) -> Result<ChatGroupId, Rejection> {
        Self::within(text, Self::MAX_BYTES)
    }

    /// Reads an id under which a chat group can be created.
    ///
    /// # Errors
    /// Returns the same errors as [`ChatGroupId::parse`].
    pub fn creatable(text: &str) -> Result<ChatGroupId, Rejection> {
        Self::within(text, Self::MAX_CREATED_BYTES)
    }

    fn within(text: &str, limit: usize) -> Result<ChatGroupId, Rejection> {
        check_length("chat group id", text, limit)?;
        match text.chars().find(|c| !matches!(c, ' '..='~')) {
            Some(found) => {
                Err(Rejection::IdCharacter { what: "chat group id", alphabet: "printable ASCII", found })
            }
            None => Ok(ChatGroupId(text.into())),
        }
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows the id as quoted text, for use in errors.
impl std::fmt::Debug for ChatGroupId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Display for ChatGroupId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The owner of an organizer: one user of one app.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The app.
    pub app: AppId,
    /// The user.
    pub user: UserId,
}

/// Seconds since 1970-01-01 UTC, which the protocol uses for every time.
pub type UnixSeconds = u64;

/// The last second of the year 9999. No stored time is later.
pub const LAST_SECOND: UnixSeconds = 253_402_300_799;

fn check_length(what: &'static str, text: &str, limit: usize) -> Result<(), Rejection> {
    if text.is_empty() || text.len() > limit {
        return Err(Rejection::IdLength { what, bytes: text.len(), limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_are_1_to_32_bytes() {
        assert!(UserId::parse("").is_err());
        assert!(UserId::parse(&"u".repeat(32)).is_ok());
        assert!(UserId::parse(&"u".repeat(33)).is_err());
        assert!(UserId::parse(&"测".repeat(11)).is_err(), "33 bytes, though 11 characters");
    }

    #[test]
    fn only_printable_ascii_can_be_imported() {
        for good in ["a", "user_0001", "@RBT#1", "~"] {
            assert!(UserId::parse(good).unwrap().is_importable(), "{good}");
        }
        for bad in ["a b", "测试", "tab\t"] {
            assert!(!UserId::parse(bad).unwrap().is_importable(), "{bad}");
        }
    }

    #[test]
    fn chat_group_ids_are_printable_ascii() {
        assert!(ChatGroupId::parse("@TGS#1N3RSUYG2").is_ok());
        assert!(ChatGroupId::parse("with space").is_ok());
        assert!(ChatGroupId::parse(&"g".repeat(96)).is_ok());
        assert!(ChatGroupId::parse(&"g".repeat(97)).is_err());
        assert_eq!(
            ChatGroupId::parse("群"),
            Err(Rejection::IdCharacter { what: "chat group id", alphabet: "printable ASCII", found: '群' })
        );
    }
}
