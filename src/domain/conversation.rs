//! What an owner organizes: conversations with one user or with a chat group.

use std::fmt;

use super::{ChatGroupId, UserId};
use crate::excerpt::quoted;

/// A conversation of an owner, identified by its peer. Peers compare byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Conversation {
    /// One-to-one, with this user (`Type` 1 on the wire).
    User(UserId),
    /// In this chat group (`Type` 2 on the wire).
    ChatGroup(ChatGroupId),
}

impl Conversation {
    /// The chat group, if it is a conversation in one.
    #[must_use]
    pub fn chat_group(&self) -> Option<&ChatGroupId> {
        match self {
            Conversation::User(_) => None,
            Conversation::ChatGroup(id) => Some(id),
        }
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Conversation::User(id) => write!(f, "the user {}", quoted(id.as_str())),
            Conversation::ChatGroup(id) => write!(f, "the chat group {}", quoted(id.as_str())),
        }
    }
}
