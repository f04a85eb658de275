//! Every reason for which a rule refuses something. `api/codes.rs` maps them to the error codes of the protocol.

use super::{ChatGroupId, Conversation, MAX_NUMBER, UserId};
use crate::excerpt::quoted;

/// Why a call, or one item of it, is refused. The text names the rule and what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The owner's account does not exist.
    #[error("the account {} has not been imported", quoted(.0.as_str()))]
    UnknownOwner(UserId),
    /// The owner is an administrator of the app, whose account cannot be deleted.
    #[error("{} is an administrator of the app, and administrators cannot be deleted", quoted(.0.as_str()))]
    Administrator(UserId),
    /// The imported data of an owner contradicts itself, the limits or the directory.
    #[error("{0}")]
    Import(String),
    /// The other user of a one-to-one conversation does not exist.
    #[error("the account {} has not been imported", quoted(.0.as_str()))]
    UnknownPeer(UserId),
    /// The chat group of a conversation does not exist.
    #[error("the chat group {} does not exist", quoted(.0.as_str()))]
    UnknownChatGroup(ChatGroupId),
    /// The chat group of a conversation was disbanded.
    #[error("the chat group {} was disbanded", quoted(.0.as_str()))]
    DisbandedChatGroup(ChatGroupId),
    /// The owner is not a member of the chat group of a conversation, but the configuration requires it.
    #[error("the owner is not a member of the chat group {}", quoted(.0.as_str()))]
    NotMember(ChatGroupId),
    /// The stored data about the user or chat group of a conversation is damaged.
    #[error("the stored data about {0} is damaged, so confold cannot determine whether it exists")]
    UnreadablePeer(Conversation),
    /// The owner would have too many conversations in groups.
    #[error("the owner already has {limit} conversations in groups, the most allowed")]
    TooManyGrouped {
        /// The limit.
        limit: usize,
    },
    /// The owner would have too many conversations with a mark or custom mark.
    #[error("the owner already has {limit} conversations with a mark or custom mark, the most allowed")]
    TooManyMarked {
        /// The limit.
        limit: usize,
    },
    /// The owner would have too many pinned sessions.
    #[error("the owner already has {limit} pinned conversations, the most allowed; unpin some of them first")]
    TooManyPinned {
        /// The limit.
        limit: usize,
    },
    /// The owner would have too many groups.
    #[error("the owner already has {limit} conversation groups, the most allowed")]
    TooManyGroups {
        /// The limit.
        limit: usize,
    },
    /// The owner has used the highest group id.
    #[error(
        "the owner has used all ids of conversation groups up to {max}, and ids are never reused; rename a group \
         instead of creating one",
        max = MAX_NUMBER
    )]
    NoGroupIdLeft,
    /// The profile would have too many fields with tags of the app's own.
    #[error("a profile may have at most {limit} fields with tags of the app's own")]
    TooManyTags {
        /// The limit.
        limit: usize,
    },
    /// No group of the owner has this name.
    #[error("the owner has no conversation group named {}", quoted(.0))]
    NoSuchGroup(String),
    /// Another group of the owner already has this name.
    #[error("another conversation group of the owner is already named {}", quoted(.0))]
    NameTaken(String),
    /// A group name is empty or too long.
    #[error("a conversation group name must have 1 to 32 bytes, found {bytes}")]
    NameLength {
        /// The number of bytes found.
        bytes: usize,
    },
    /// A group name contains a control character.
    #[error("a conversation group name must not contain control characters, found {found:?}")]
    NameCharacter {
        /// The character found.
        found: char,
    },
    /// An id is empty or too long.
    #[error("a {what} must have 1 to {limit} bytes, found {bytes}")]
    IdLength {
        /// The kind of id.
        what: &'static str,
        /// The number of bytes found.
        bytes: usize,
        /// The highest number allowed.
        limit: usize,
    },
    /// An id contains a character that is not allowed in it.
    #[error("a {what} must be {alphabet}, found {found:?}")]
    IdCharacter {
        /// The kind of id.
        what: &'static str,
        /// The allowed characters.
        alphabet: &'static str,
        /// The character found.
        found: char,
    },
    /// The number of a standard mark is not within 0 to 63.
    #[error("a standard mark must be a bit number from 0 to 63, found {found}")]
    MarkBit {
        /// The number found.
        found: i64,
    },
    /// The text of standard marks is not a binary numeral of at most 64 digits.
    #[error("a standard mark must have at most 64 characters, each 0 or 1, found {}", quoted(found))]
    MarkText {
        /// The text found.
        found: String,
    },
    /// A custom mark is too long.
    #[error("a custom mark may have at most 256 bytes, found {bytes}")]
    CustomMarkLength {
        /// The number of bytes found.
        bytes: usize,
    },
    /// An item of a call could not be parsed; the text gives the reason.
    #[error("{0}")]
    Unreadable(String),
    /// An item of a mark call requests no change.
    #[error("nothing to apply: {expected}")]
    NothingToApply {
        /// The fields that the item should have had.
        expected: &'static str,
    },
    /// The calls to be undone changed neither conversation groups nor marks.
    #[error(
        "the calls to be undone changed no conversation groups and no marks; an undo does not revert changes of accounts and counters"
    )]
    NothingToUndo,
    /// The account was deleted among or after the calls to be undone, which erased what its owner had organized.
    #[error(
        "the account was deleted in the meantime, which erases what its owner had organized; only calls after that can be undone"
    )]
    Erased,
    /// A call names no conversations, or too many.
    #[error("one call must name 1 to {limit} conversations, found {found}")]
    BatchSize {
        /// How many were named.
        found: usize,
        /// The highest number allowed.
        limit: usize,
    },
}
