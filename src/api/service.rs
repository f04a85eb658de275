//! What all commands share: the store and the clock.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{auth::App, clock::Clock, domain::Terms, store::Store};

/// What every command needs to run.
#[derive(Clone)]
pub struct Service {
    /// Holds accounts, chat groups and everything that owners organized.
    pub store: Arc<dyn Store>,
    /// The source of the current time.
    pub clock: Clock,
    /// Limits how many undos run at once.
    pub(super) undos: Arc<Semaphore>,
}

/// How many undos run at once. Others wait for their turn within the time limit of a call.
const UNDOS: usize = 4;

impl Service {
    /// Creates the commands for the data in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Service {
        Service { store, clock, undos: Arc::new(Semaphore::new(UNDOS)) }
    }

    /// Copies the present terms of an app, because an edit may outlive both the call and the configuration.
    #[must_use]
    pub fn terms(&self, app: &App) -> Terms {
        let App { limits, directory, membership, admins, .. } = app;
        Terms {
            limits: *limits,
            directory: *directory,
            membership: *membership,
            admins: Arc::clone(admins),
            now: self.clock.now(),
        }
    }
}
