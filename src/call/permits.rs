//! Limits how many imports and exports run at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::AppId;

/// How many imports and exports of one app may run at once.
const IMPORTS: usize = 1;
const EXPORTS: usize = 2;

/// The direction of a transfer, from the server's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    In,
    Out,
}

/// The permits of running transfers. Each app has its own, so that a slow transfer does not block other apps.
#[derive(Debug, Default)]
pub(super) struct Transfers(Mutex<HashMap<(AppId, Direction), Arc<Semaphore>>>);

impl Transfers {
    /// Takes a permit for one more transfer; `None` if the maximum is running.
    pub(super) fn permit(&self, app: AppId, direction: Direction) -> Option<OwnedSemaphorePermit> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = match direction {
            Direction::In => IMPORTS,
            Direction::Out => EXPORTS,
        };
        let permits = all.entry((app, direction)).or_insert_with(|| Arc::new(Semaphore::new(most)));
        Arc::clone(permits).try_acquire_owned().ok()
    }
}
