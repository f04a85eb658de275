//! What is handed to a store to be written.

use std::{collections::HashMap, sync::Arc};

use crate::domain::{
    AppId, Change, ChangeNumber, ChatGroupEdit, ChatGroupId, Conversation, Decision, Edit, Outcome, Owner,
    OwnerState, Presence, Rejection, Terms, World,
};

/// How often the organizer of an owner has been written. Unlike the version, it never falls, so that it can be compared
/// before a swap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// One edit of an owner on its way to a store.
#[derive(Clone, Debug)]
pub struct Write {
    /// Whose data it changes.
    pub owner: Owner,
    /// What it changes.
    pub edit: Edit,
    /// The terms on which it is decided.
    pub terms: Terms,
    /// The call it comes from.
    pub context: CallContext,
    /// The revision that the organizer must have; any, if there is none.
    pub expected: Option<Revision>,
    /// What names this write when it is sent again because its answer was lost. A store in this process answers or
    /// has not written, and ignores it.
    pub operation: Option<OperationId>,
}

/// One edit of a chat group on its way to a store.
#[derive(Clone, Debug)]
pub struct ChatGroupWrite {
    /// The app of the chat group.
    pub app: AppId,
    /// Its id.
    pub id: ChatGroupId,
    /// What changes.
    pub edit: ChatGroupEdit,
    /// The terms on which it is decided.
    pub terms: Terms,
    /// The call it comes from.
    pub context: CallContext,
}

/// The call that a write comes from, for records of who changed what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallContext {
    /// The identifier that signed the call; none for confold's own tools.
    pub identifier: Option<Arc<str>>,
    /// The id of the request.
    pub request: Option<Arc<str>>,
}

/// Names one write among all, also after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperationId(pub u128);

impl Write {
    /// A write without conditions.
    #[must_use]
    pub fn new(owner: Owner, edit: Edit, terms: Terms) -> Write {
        Write { owner, edit, terms, context: CallContext::default(), expected: None, operation: None }
    }

    /// Decides the edit. `dead` are the numbers of the records whose chat groups were disbanded.
    pub(super) fn decide(
        &self,
        state: &OwnerState,
        dead: &[ChangeNumber],
        presences: &HashMap<Conversation, Presence>,
    ) -> Result<Decision<Outcome, Change>, Rejection> {
        let world = World { owner: &self.owner.user, terms: &self.terms, presences };
        self.edit.decide(state, dead, world)
    }
}

impl ChatGroupWrite {
    /// A write without a call.
    #[must_use]
    pub fn new(app: AppId, id: ChatGroupId, edit: ChatGroupEdit, terms: Terms) -> ChatGroupWrite {
        ChatGroupWrite { app, id, edit, terms, context: CallContext::default() }
    }
}
