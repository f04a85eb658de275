//! Events: what each call changed, kept for some time for those who follow changes.

use std::sync::Arc;

use super::{ChangeNumber, ChatGroupId, Delta, Edit, UserId};

/// One call that changed an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The id of the event. It is unique within the app, and only the store that returned it can interpret it.
    pub id: String,
    /// The owner's version after the call.
    pub version: ChangeNumber,
    /// The time of the call, in milliseconds since 1970.
    pub at: u64,
    /// The identifier that signed the call; `None` for confold's own tools.
    pub operator: Option<Arc<str>>,
    /// The id of the request, if there was one.
    pub request: Option<Arc<str>>,
    /// What changed.
    pub content: EventContent,
}

/// What one call changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventContent {
    /// The deltas of the call, in order.
    Changed(Vec<Delta>),
    /// The owner's account was deleted with everything that they had organized. What that was is not recorded, because
    /// deleting an account erases the content of all of its events.
    AccountDeleted,
    /// The content was erased, because the owner's account was deleted later, or because the event is too old.
    Erased,
}

impl EventContent {
    /// Returns the content under which an edit with these deltas is recorded.
    #[must_use]
    pub fn of(edit: &Edit, deltas: &[Delta]) -> EventContent {
        if edit.forgets_owner() {
            EventContent::AccountDeleted
        } else {
            EventContent::Changed(deltas.to_vec())
        }
    }
}

/// One entry of the feed of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEntry {
    /// An owner was changed.
    Owner {
        /// The owner.
        user: UserId,
        /// What happened.
        event: Event,
    },
    /// A chat group was disbanded. This is one entry, however many owners had records about the chat group.
    Disbanded {
        /// The id of the event. It is unique within the app, and only the store that returned it can interpret it.
        event: String,
        /// The chat group.
        id: ChatGroupId,
        /// Its new incarnation (decision 20).
        incarnation: u32,
        /// The time, in milliseconds since 1970.
        at: u64,
    },
}
