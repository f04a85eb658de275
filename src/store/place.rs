//! Places in the lives of owners, which writes can depend on.

use crate::domain::{ChangeNumber, Conversation, Counters, Organizer};

/// A point in the history of a store.
///
/// Each time a store is opened, it begins a run with a random name. A store that is a restored copy of another one, or that
/// has lost changes, has not been through the later points of that store, although it may have the same numbers again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryPoint {
    /// The name of the run. No store has been through points of the run 0.
    pub run: u64,
    /// The number of the last event in the store.
    pub event: u64,
}

/// A place in the life of an owner (decision 21). Two places are comparable if the store has been through the points of
/// both, and their epochs and numbers of renumberings are equal; otherwise, one of them is from another life, and the owner
/// has to be read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// When the owner was there.
    pub point: HistoryPoint,
    /// The number of resets of the app or of owners in it.
    pub epoch: u32,
    /// The number of renumberings of the owner.
    pub renumberings: u32,
    /// The owner's version.
    pub version: ChangeNumber,
    /// The number of chat groups of the app that have been disbanded.
    pub disbandings: u64,
}

impl Place {
    /// Checks whether both places are in the same life of the owner, provided that the store has been through the points
    /// of both.
    #[must_use]
    pub fn is_in_life_of(&self, other: &Place) -> bool {
        (self.epoch, self.renumberings) == (other.epoch, other.renumberings)
    }
}

/// The life of an app. Numbers of events from another life mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// The incarnation of the store.
    pub incarnation: u64,
    /// The number of resets in the app.
    pub epoch: u32,
}

/// The lives of an app, which places and cursors are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lives {
    /// The current point.
    pub(super) now: HistoryPoint,
    pub(super) epoch: u32,
    pub(super) disbandings: u64,
}

impl Lives {
    /// Returns the place of an owner with this organizer.
    pub(super) fn place_of(self, organizer: &Organizer) -> Place {
        let Lives { now, epoch, disbandings } = self;
        let Counters { version, renumberings, .. } = *organizer.counters();
        Place { point: now, epoch, renumberings, version, disbandings }
    }
}

/// Compares a write's expected place, whose point the store `has_been_through` or not, with the owner's current one. Other
/// disbandings do not matter than those of chat groups that the owner has a record about, which are in `dead`.
///
/// # Errors
/// Returns the current place if they differ.
pub fn check_place(
    expected: &Place,
    has_been_through: bool,
    current: Place,
    dead: &[(Conversation, u64)],
) -> Result<(), Place> {
    let is_there = has_been_through
        && expected.is_in_life_of(&current)
        && expected.version == current.version
        && dead.iter().all(|(_, disbanding)| *disbanding <= expected.disbandings);
    if is_there { Ok(()) } else { Err(current) }
}
