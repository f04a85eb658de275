//! Places in the lives of owners, which writes can depend on.

use crate::domain::{ChangeNumber, Conversation, Counters, Organizer};

/// A place in the life of an owner (decision 21). Two places are comparable if all parts but `version` and
/// `disbandings` are equal; otherwise, one of them is from another life, and the owner has to be read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The incarnation of the store.
    pub incarnation: u64,
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
    /// Checks whether both places are in the same life of the owner.
    #[must_use]
    pub fn is_in_life_of(&self, other: &Place) -> bool {
        (self.incarnation, self.epoch, self.renumberings)
            == (other.incarnation, other.epoch, other.renumberings)
    }
}

/// The lives of an app, which places and cursors are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lives {
    pub(super) incarnation: u64,
    pub(super) epoch: u32,
    pub(super) disbandings: u64,
}

impl Lives {
    /// Returns the place of an owner with this organizer.
    pub(super) fn place_of(self, organizer: &Organizer) -> Place {
        let Lives { incarnation, epoch, disbandings } = self;
        let Counters { version, renumberings, .. } = *organizer.counters();
        Place { incarnation, epoch, renumberings, version, disbandings }
    }
}

/// Compares a write's expected place with the owner's current one. Other disbandings do not matter than those of chat
/// groups that the owner has a record about, which are in `dead`.
///
/// # Errors
/// Returns the current place if they differ.
pub fn check_place(expected: &Place, current: Place, dead: &[(Conversation, u64)]) -> Result<(), Place> {
    let is_there = expected.is_in_life_of(&current)
        && expected.version == current.version
        && dead.iter().all(|(_, disbanding)| *disbanding <= expected.disbandings);
    if is_there { Ok(()) } else { Err(current) }
}
