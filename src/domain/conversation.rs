//! The conversations that an owner organizes, with one user or in a chat group.

use std::fmt;

use super::{ChatGroupId, UserId};
use crate::excerpt::quoted;

/// A conversation of an owner, identified by the user or chat group on the other side. Ids are compared byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Conversation {
    /// A one-to-one conversation with this user (`Type` 1 on the wire).
    User(UserId),
    /// The conversation in this chat group (`Type` 2 on the wire).
    ChatGroup(ChatGroupId),
}

impl From<ChatGroupId> for Conversation {
    fn from(id: ChatGroupId) -> Conversation {
        Conversation::ChatGroup(id)
    }
}

impl Conversation {
    /// Returns the chat group, or `None` for a one-to-one conversation.
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
