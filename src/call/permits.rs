//! How many transfers of lines may run at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::AppId;

/// How many imports, and how many exports, of one app may run at once.
const IMPORTS: usize = 1;
const EXPORTS: usize = 2;

/// Which way lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    In,
    Out,
}

/// The transfers that run. Each app has its own permits, so that a slow one keeps no other out.
#[derive(Debug, Default)]
pub(super) struct Transfers(Mutex<HashMap<(AppId, Direction), Arc<Semaphore>>>);

impl Transfers {
    /// Leave to begin one more; nothing when as many run as may.
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
