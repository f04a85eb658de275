//! The writes that a store accepts.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::Place;
use crate::domain::{
    AppId, Change, ChangeNumber, ChatGroupEdit, ChatGroupId, Conversation, Decision, Edit, Event,
    KnownSessions, MembershipMode, Outcome, Owner, OwnerState, Presence, Receipt, Rejection, Terms,
    UnixSeconds, UserId, World,
};

/// The number of times an owner's organizer has been written. Unlike the version, it never decreases, so a write can
/// use it to detect other writes in the meantime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// An edit of an owner, with everything a store needs to apply it.
#[derive(Clone, Debug)]
pub struct Write {
    /// The owner to change.
    pub owner: Owner,
    /// The edit.
    pub edit: Edit,
    /// The settings and the time that the edit is decided with.
    pub terms: Terms,
    /// The call that submits it.
    pub context: CallContext,
    /// Whether to answer only what the edit would do, and to keep nothing of it.
    pub dry_run: bool,
    /// The revision that the organizer must have; `None` accepts any.
    pub expected: Option<Revision>,
    /// The place at which the owner must be; `None` accepts any. Unlike a revision, a client can hold it.
    pub place: Option<Place>,
    /// What the owner's last event must be, apart from the place; `None` accepts any. Deleting an account that has organized
    /// nothing erases its events, but leaves its place as it is.
    pub last_event: Option<Box<Event>>,
    /// Where to store the owner's place after the edit, if the caller wants to know it.
    pub place_after: Option<PlaceSlot>,
    /// Which operation of a caller this is, if the caller may repeat it.
    pub operation: Option<Operation>,
}

/// Where a store puts the place of an owner after an edit. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PlaceSlot(Arc<Mutex<Option<Place>>>);

impl PlaceSlot {
    /// Leaves a place, instead of an earlier one.
    pub fn put(&self, place: Place) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// Returns the place, if there is one.
    #[must_use]
    pub fn get(&self) -> Option<Place> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An edit of a chat group, with everything a store needs to apply it.
#[derive(Clone, Debug)]
pub struct ChatGroupWrite {
    /// The app of the chat group.
    pub app: AppId,
    /// The id of the chat group.
    pub id: ChatGroupId,
    /// The edit.
    pub edit: ChatGroupEdit,
    /// The settings and the time that the edit is decided with.
    pub terms: Terms,
    /// The call that submits it.
    pub context: CallContext,
    /// Whether to answer only what the edit would do, and to keep nothing of it.
    pub dry_run: bool,
}

/// The call that submits a write, for recording who changed what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallContext {
    /// The identifier that signed the call; `None` for confold's own tools.
    pub identifier: Option<Arc<str>>,
    /// The id of the request, if there is one.
    pub request: Option<Arc<str>>,
}

/// How many operations of an owner are kept.
pub const OPERATIONS: usize = 64;
/// How long an operation is kept, in seconds.
pub const OPERATION_SECONDS: UnixSeconds = 86_400;

/// An operation that a caller may repeat, for example because the answer was lost. A store that has done it before
/// answers with the outcome of that time, and changes nothing. Only operations that are not refused are kept.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The identifier that signed the call. Keys of different callers are different.
    pub identifier: Arc<str>,
    /// The key that the caller gave the operation.
    pub key: Arc<str>,
    /// A number for everything that the caller asks for. It has to be the same when the operation is repeated.
    pub fingerprint: u128,
    /// Set if the outcome is that of an earlier time.
    pub is_repeated: Arc<AtomicBool>,
}

impl Operation {
    /// Returns the outcome of an earlier time, and records that it is one. Returns `None` if the receipt is not one of this
    /// edit, which its fingerprint rules out.
    pub(super) fn repeated(&self, receipt: &Receipt, edit: &Edit) -> Option<Outcome> {
        self.is_repeated.store(true, Ordering::Release);
        receipt.outcome(edit)
    }
}

impl Write {
    /// Returns the operation that the write does or repeats. A dry run is none.
    pub(super) fn kept_operation(&self) -> Option<&Operation> {
        self.operation.as_ref().filter(|_| !self.dry_run)
    }

    /// Creates a write that is kept, without a call, an expected revision or an operation id.
    #[must_use]
    pub fn new(owner: Owner, edit: Edit, terms: Terms) -> Write {
        let context = CallContext::default();
        Write {
            owner,
            edit,
            terms,
            context,
            dry_run: false,
            expected: None,
            place: None,
            last_event: None,
            place_after: None,
            operation: None,
        }
    }

    /// Returns the user whose membership in the chat groups that the edit names matters; `None` if nobody's does.
    pub(super) fn required_member(&self) -> Option<&UserId> {
        let is_required = self.terms.membership == MembershipMode::Require || self.edit.is_about_sessions();
        is_required.then_some(&self.owner.user)
    }

    /// Decides the edit. `dead` lists the numbers of the records whose chat groups were disbanded, and `sessions` is given for
    /// an edit about sessions.
    pub(super) fn decide(
        &self,
        state: &OwnerState,
        dead: &[ChangeNumber],
        presences: &HashMap<Conversation, Presence>,
        sessions: Option<&KnownSessions>,
    ) -> Result<Decision<Outcome, Change>, Rejection> {
        let world = World { owner: &self.owner.user, terms: &self.terms, presences, sessions };
        self.edit.decide(state, dead, world)
    }
}

impl ChatGroupWrite {
    /// Creates a write that is kept, without a call.
    #[must_use]
    pub fn new(app: AppId, id: ChatGroupId, edit: ChatGroupEdit, terms: Terms) -> ChatGroupWrite {
        ChatGroupWrite { app, id, edit, terms, context: CallContext::default(), dry_run: false }
    }
}
