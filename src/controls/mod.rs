//! What an emulator lets a test do to it: forget, remember, set the clock, fail on demand, and tell what
//! was asked of it. No HTTP; `call/controls.rs` speaks it under `/_dev/`.

mod faults;
mod journal;
mod snapshots;
mod spool;

pub use faults::{Effect, FaultRule, Faults, Struck};
pub use journal::{Journal, JournalEntry, Text};
pub use snapshots::{SnapshotError, Snapshots};
pub use spool::{Spool, SpoolError};

use std::sync::Arc;

use crate::auth::Token;

/// The controls of one server.
#[derive(Debug)]
pub struct Controls {
    /// Who may use them; everybody when there is no token.
    pub token: Option<Token>,
    /// Failures on demand.
    pub faults: Faults,
    /// What was asked.
    pub journal: Journal,
    /// States to come back to.
    pub snapshots: Snapshots,
    /// Held by whatever changes everything, so that it happens one after the other.
    pub turn: Arc<tokio::sync::Mutex<()>>,
}

impl Controls {
    /// Controls for whoever has the token, or for everybody.
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

    /// Forgets fault rules, calls and snapshots.
    pub fn clear(&self) {
        self.faults.remove(None);
        self.journal.clear();
        self.snapshots.clear();
    }
}
