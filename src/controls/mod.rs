//! The controls of an emulator, for tests: reset, snapshots, the clock, fault rules and the journal of
//! calls. This module does not use HTTP; `call/controls/` serves it under `/_dev/`.

mod faults;
mod journal;
mod snapshots;
mod spool;

pub use faults::{Effect, FaultRule, Faults, InjectedFault};
pub use journal::{Journal, JournalEntry, Text};
pub use snapshots::{SnapshotError, Snapshots};
pub use spool::{Spool, SpoolError};

use std::sync::Arc;

use crate::auth::Token;

/// The controls of one server.
#[derive(Debug)]
pub struct Controls {
    /// The token that requests must have; without one, every caller is admitted.
    pub token: Option<Token>,
    /// The fault rules.
    pub faults: Faults,
    /// The most recent calls.
    pub journal: Journal,
    /// Saved states of the store.
    pub snapshots: Snapshots,
    /// A lock that operations hold while they replace the whole state, so that only one of them runs at a time.
    pub turn: Arc<tokio::sync::Mutex<()>>,
}

impl Controls {
    /// Creates controls for callers with the token, or for every caller if there is none.
    #[must_use]
    pub fn new(token: Option<Token>) -> Controls {
        Controls {
            token,
            faults: Faults::default(),
            journal: Journal::default(),
            snapshots: Snapshots::default(),
            turn: Arc::default(),
        }
    }

    /// Removes all fault rules, calls and snapshots.
    pub fn clear(&self) {
        self.faults.remove(None);
        self.journal.clear();
        self.snapshots.clear();
    }
}
