//! The place of one connection among all that are open.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{NoPlace, PROBES, Registry};
use crate::{
    clock::Clock,
    http::{activity::Activity, sources::Source},
};

/// A connection's place; given back when this is dropped.
pub(in crate::http) struct Place {
    registry: Arc<Registry>,
    pub(super) id: u64,
    pub(in crate::http) activity: Arc<Activity>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.table().remove(self.id);
        self.registry.left.notify_waiters();
    }
}

impl Place {
    pub(super) fn new(registry: Arc<Registry>, id: u64, activity: Arc<Activity>) -> Place {
        Place { registry, id, activity }
    }

    /// Counts the connection for `address` from now on, which a trusted proxy has named in a request.
    ///
    /// # Errors
    /// [`NoPlace::Source`] when that address has as many connections as it may have.
    pub(in crate::http) fn count_for(&self, address: IpAddr, now: Duration) -> Result<(), NoPlace> {
        let source = Source::of(address);
        let mut table = self.registry.table();
        let Some(before) = table.entries.get(&self.id).map(|entry| entry.source) else { return Ok(()) };
        if before == Some(source) {
            return Ok(());
        }
        self.registry.make_room_of(&mut table, source, now)?;
        table.uncount(before);
        table.count(Some(source));
        if let Some(entry) = table.entries.get_mut(&self.id) {
            entry.source = Some(source);
        }
        Ok(())
    }

    /// Waits until a connection beyond the limit has its place within it; false when that takes too long, or when
    /// as many as may wait do so already.
    pub(in crate::http) async fn wait(&self, within: Duration, clock: &Clock) -> bool {
        let registry = &*self.registry;
        {
            let mut table = registry.table();
            if table.waiting + 1 >= PROBES {
                return false;
            }
            table.wait(self.id, true);
        }
        let _waiting = Waiting(self);
        let promoted = async {
            loop {
                let left = registry.left();
                if self.try_promote(clock.elapsed()) {
                    return;
                }
                left.await;
            }
        };
        tokio::time::timeout(within, promoted).await.is_ok()
    }

    fn try_promote(&self, now: Duration) -> bool {
        let mut table = self.registry.table();
        if self.activity.is_probe() && table.entries.contains_key(&self.id) {
            if !self.registry.has_room(&mut table, now) {
                return false;
            }
            table.probes -= 1;
            self.activity.promote();
        }
        true
    }
}

/// A call that waits for a place.
pub(super) struct Waiting<'a>(pub(super) &'a Place);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.registry.table().wait(self.0.id, false);
    }
}
