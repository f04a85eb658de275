//! The states of owners that clients hold: opaque texts for a place in the life of an owner (decision 21), and the
//! conditions that calls make with them.

use super::{Call, Command, Error, describe::recentcontact::IF_IN_STATE};
use crate::{
    domain::{Known, Owner},
    opaque,
    store::{HistoryPoint, Operation, Place, PlaceSlot, StoreError, WantedEvents},
    wire::{Envelope, Fault, Fields, Path},
};

/// The header that asks for the state of the owner in the reply.
pub const STATE: &str = "x-confold-state";
/// The header with the key of an operation that the caller may repeat (draft-ietf-httpapi-idempotency-key-header).
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header of an answer that is the repetition of an earlier one; its value is `true`.
pub const REPLAYED: &str = "idempotent-replayed";
/// The header with the state that the owner must have, as documents spell it.
const IF_MATCH: &str = "If-Match";

/// Why a header is refused on a command that is not one of [`Command::is_conditional`].
const MISPLACED: &str = "this header works for create_contact_group, update_contact_group, del_contact_group, mark_contact \
                         and undo; leave it out; this call had no effect";

/// What the headers of a call ask for beyond the reply.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Whether nothing that the call changes is kept.
    pub dry_run: bool,
    /// Whether the reply is to contain the state of the owner.
    pub state: bool,
    /// The state that the owner must have, without quotation marks.
    pub if_match: Option<String>,
    /// The operation that the caller may repeat.
    pub operation: Option<Operation>,
}

/// A state that a client holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) place: Place,
    /// The version at which the client began with nothing, if it has not caught up with that version yet; otherwise 0.
    pub(super) begun: u32,
}

impl State {
    /// Returns the text of the state.
    pub(super) fn text(self, owner: &Owner) -> String {
        let Place { point: HistoryPoint { run, event }, epoch, renumberings, version, disbandings } =
            self.place;
        let numbers = [
            run,
            event,
            epoch.into(),
            renumberings.into(),
            version.into(),
            disbandings,
            if self.begun > version { self.begun.into() } else { 0 },
        ];
        opaque::encode(&subject(owner), &numbers)
    }

    /// Reads the text of a state of this owner. Returns `None` if it is something else.
    pub(super) fn read(owner: &Owner, text: &str) -> Option<State> {
        let [run, event, epoch, renumberings, version, disbandings, begun] =
            opaque::decode(&subject(owner), text)?;
        let small = |number: u64| u32::try_from(number).ok();
        let place = Place {
            point: HistoryPoint { run, event },
            epoch: small(epoch)?,
            renumberings: small(renumberings)?,
            version: small(version)?,
            disbandings,
        };
        Some(State { place, begun: small(begun)? })
    }

    /// Returns what a client in this state knows.
    pub(super) fn known(self) -> Known {
        let Place { version, disbandings, .. } = self.place;
        Known { version, begun: self.begun, disbandings }
    }
}

/// A state is only valid for the owner it was given for.
fn subject(owner: &Owner) -> String {
    format!("{}/{}", owner.app, owner.user.as_str())
}

impl Command {
    /// Checks whether a call of the command can be made dependent on the state of the owner, and repeated with the same
    /// key without a second effect. These are the commands that change one owner, named in `From_Account`.
    #[must_use]
    pub fn is_conditional(self) -> bool {
        matches!(
            self,
            Command::CreateContactGroup
                | Command::UpdateContactGroup
                | Command::DelContactGroup
                | Command::MarkContact
                | Command::Undo
        )
    }
}

impl Command {
    /// Checks whether the command is about one owner and changes nothing.
    fn only_reads(self) -> bool {
        let changes_sessions = matches!(self, Command::Delete | Command::Top | Command::BatchDelete);
        self.has_owner() && !self.is_conditional() && !changes_sessions
    }
}

impl Call<'_> {
    /// Reads the state that the owner must have, from `IfInState` and `If-Match`. A text that is not a state of this
    /// owner becomes a place that no owner is at, so that the store refuses it like any other state that is over.
    pub(super) fn expected_place(&self, request: Fields<'_>) -> Result<Option<Place>, Error> {
        let header = self.asked.and_then(|asked| asked.if_match.as_deref());
        let body = match self.command.is_conditional() {
            true => request.optional_text(&IF_IN_STATE)?,
            false => None,
        };
        let text = match (header, body) {
            (None, None) => return Ok(None),
            (Some(_), _) if !self.command.is_conditional() => {
                return Err(Fault::refused(Path::Member(&Path::Root, IF_MATCH), MISPLACED).into());
            }
            (Some(header), Some(body)) if header != body => {
                let rule = "IfInState and the header If-Match are given and differ; leave one of them out";
                return Err(request.refused(&IF_IN_STATE, rule).into());
            }
            (Some(text), _) | (None, Some(text)) => text,
        };
        let owner = self.owner(request)?;
        Ok(Some(State::read(&owner, text).map_or_else(Place::default, |state| state.place)))
    }

    /// Refuses the key of an operation on a command that would have an effect each time.
    pub(super) fn check_repeatable(&self) -> Result<(), Error> {
        let has_key = self.asked.is_some_and(|asked| asked.operation.is_some());
        if !has_key || self.command.is_conditional() || self.command.only_reads() {
            return Ok(());
        }
        Err(Fault::refused(Path::Member(&Path::Root, "Idempotency-Key"), MISPLACED).into())
    }

    /// Runs the command, and adds the state of the owner to the reply.
    pub(super) async fn with_state(self, request: Fields<'_>) -> Result<Vec<u8>, Error> {
        let owner = self.owner(request)?;
        let slot = PlaceSlot::default();
        // A state that is older than the reply makes a client read something again. One that is newer would make it miss
        // something.
        let before = self.service.store.follow(&owner, WantedEvents::default()).await?.place;
        let reply = self.command.run_boxed(Call { place_after: Some(&slot), ..self }, request).await?;
        let place = slot.get().unwrap_or(before);
        Ok(with_state(&reply, &State { place, begun: 0 }.text(&owner)))
    }

    /// Returns the state of the owner after the call failed with `error`, if its caller asked for the state or expected
    /// another one. There is none if the call names no owner, or if the owner cannot be read.
    pub async fn state_after(&self, request: Fields<'_>, error: &Error) -> Option<String> {
        let found = match error {
            Error::Store(StoreError::Elsewhere(place)) => Some(*place),
            _ => None,
        };
        let is_asked = self.asked.is_some_and(|asked| asked.state) && self.command.has_owner();
        if found.is_none() && !is_asked {
            return None;
        }
        let owner = self.owner(request).ok()?;
        let place = match found {
            Some(place) => place,
            None => self.service.store.follow(&owner, WantedEvents::default()).await.ok()?.place,
        };
        Some(State { place, begun: 0 }.text(&owner))
    }
}

/// Adds a state to a reply, as its first field.
pub(super) fn with_state(reply: &[u8], state: &str) -> Vec<u8> {
    Envelope::beginning_with("State", state, reply)
}
