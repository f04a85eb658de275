//! Identifiers: apps, users, chat groups, and the owner of an organizer.

use super::Rejection;

/// An SDKAppID: one tenant. A `u32` above zero in every known case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(u32);

impl AppId {
    /// The app with this number; zero is no app.
    #[must_use]
    pub fn new(number: u32) -> Option<AppId> {
        (number != 0).then_some(AppId(number))
    }

    /// The number as it stands in a request's `sdkappid`.
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
/// What may be *imported* is narrower, see [`UserId::is_importable`]; an id outside that set simply
/// names nobody.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Box<str>);

impl UserId {
    /// The longest UserID, in bytes.
    pub const MAX_BYTES: usize = 32;

    /// Reads a UserID.
    ///
    /// # Errors
    /// [`Rejection::IdLength`] when it is empty or longer than [`UserId::MAX_BYTES`].
    pub fn parse(text: &str) -> Result<UserId, Rejection> {
        check_length("UserID", text, Self::MAX_BYTES)?;
        Ok(UserId(text.into()))
    }

    /// Reads a UserID under which an account may be imported.
    ///
    /// # Errors
    /// [`Rejection::IdLength`], or [`Rejection::IdCharacter`] outside the set of
    /// [`UserId::is_importable`].
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

    /// Whether an account may be imported under this id: printable ASCII without the space (the
    /// sources disagree on the exact set; this is the widest that all clients can send).
    #[must_use]
    pub fn is_importable(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The quoted text, as errors show it.
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

/// The id of a chat group: 1 to 96 bytes of printable ASCII (48 for a group, up to 96 for a topic).
///
/// Not to be confused with [`super::GroupId`], the number of a *conversation group*.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatGroupId(Box<str>);

impl ChatGroupId {
    /// The longest id a conversation can name, in bytes: a topic's.
    pub const MAX_BYTES: usize = 96;
    /// The longest id a chat group can be created with, in bytes.
    pub const MAX_CREATED_BYTES: usize = 48;
    /// What ids given out by the server begin with; a caller may choose it only on import.
    pub const RESERVED_PREFIX: &str = "@TGS#";

    /// Reads the id of a chat group or topic, as a conversation names it.
    ///
    /// # Errors
    /// [`Rejection::IdLength`] or [`Rejection::IdCharacter`] when it cannot be one.
    pub fn parse(text: &str) -> Result<ChatGroupId, Rejection> {
        Self::within(text, Self::MAX_BYTES)
    }

    /// Reads an id under which a chat group can be created.
    ///
    /// # Errors
    /// As [`ChatGroupId::parse`].
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

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The quoted text, as errors show it.
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

/// Whose organizer it is: one user of one app.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The app.
    pub app: AppId,
    /// The user.
    pub user: UserId,
}

/// Seconds since 1970-01-01 UTC, as every time on this wire.
pub type UnixSeconds = u64;

/// The end of the year 9999, the last time that is ever given to something.
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
