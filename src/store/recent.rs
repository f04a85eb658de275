//! What a list of recent conversations is made of.

use std::sync::Arc;

use crate::domain::{
    Conversation, MembershipMode, Owner, Presence, RecentSession, Terms, UnixSeconds, World,
};

/// What a list is made of.
#[derive(Clone, Debug)]
pub struct Recent {
    /// The sessions.
    pub sessions: Arc<[RecentSession]>,
    /// The second up to which the sessions are complete: whatever moves later is seen in this second or after it. It is the time
    /// of the query, or earlier if something is being written that was seen earlier.
    pub settled: UnixSeconds,
}

/// Which sessions to read for a list.
#[derive(Clone, Debug)]
pub struct RecentQuery {
    /// The number of newest sessions to read, besides the pinned ones.
    pub listed: usize,
    /// The first second whose messages count; at least 1.
    pub oldest: UnixSeconds,
    /// The settings that decide which users and chat groups exist.
    pub terms: Terms,
}

impl RecentQuery {
    /// Returns the incarnation in which the owner's sessions of a conversation are shown, or `None` if its user or chat group
    /// does not exist for the owner.
    pub(super) fn incarnation(
        &self,
        owner: &Owner,
        conversation: &Conversation,
        presence: Presence,
    ) -> Option<u32> {
        shown_incarnation(owner, &self.terms, conversation, presence)
    }
}

/// Returns the incarnation in which an owner's sessions of a conversation are shown under these terms, or `None` if its user
/// or chat group does not exist for the owner.
pub(super) fn shown_incarnation(
    owner: &Owner,
    terms: &Terms,
    conversation: &Conversation,
    presence: Presence,
) -> Option<u32> {
    let terms = Terms { membership: MembershipMode::Require, ..terms.clone() };
    let presences = [(conversation.clone(), presence)].into();
    let world = World { owner: &owner.user, terms: &terms, presences: &presences, sessions: None };
    world.incarnation(conversation).ok()
}
