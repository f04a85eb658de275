//! The changes in a transaction that concern the store as a whole, or a part of it.

use super::{
    batch::{Batch, PAGE},
    error::attribute_damage,
    events, lives,
};
use crate::store::{Damaged, Scope, StoreError, events::bucket_of};

/// The number of bytes that a readiness check writes: a few pages.
const PROBE: usize = 12_000;
/// The number of bytes it writes while changes are failing: as many as a usual batch of changes.
const LARGE_PROBE: usize = 256 << 10;

impl Batch<'_> {
    /// Writes data for a readiness check, which needs free pages and has to become durable like any change.
    pub(super) fn probe(&mut self) -> Result<(), StoreError> {
        if self.is_probed {
            return Ok(());
        }
        self.is_probed = true;
        if self.health.is_probe_damaged() {
            self.db.prepare_cached("UPDATE store SET probes = probes + 1")?.execute([])?;
            self.bytes += PAGE;
            return Ok(());
        }
        // While changes are failing, a small write may succeed by chance, so write more.
        let bytes = if self.health.is_failing() { LARGE_PROBE } else { PROBE };
        self.db
            .prepare_cached("UPDATE probe SET doc = randomblob(?1)")?
            .execute([i64::try_from(bytes).unwrap_or(0)])?;
        self.bytes += PAGE + bytes;
        Ok(())
    }

    /// Records in the database that the store is in use.
    pub(super) fn mark_in_use(&mut self) -> Result<(), StoreError> {
        super::schema::mark_in_use(self.db)?;
        self.bytes += PAGE;
        Ok(())
    }

    pub(super) fn reset(&mut self, scope: &Scope) -> Result<(), StoreError> {
        self.owners.retain(|owner, _| !scope.covers(owner));
        self.disbanded.retain(|(app, _)| !scope.covers_app(*app));
        // Cursors of other apps may be after the events that are deleted.
        let head = self.head.map_or_else(|| events::last(self.db), Ok);
        let head = attribute_damage(|| Damaged::Events, head)?;
        events::raise_base(self.db, head.number)?;
        self.rows().forget(scope)?;
        match scope {
            // The store has a new incarnation.
            Scope::All => {}
            Scope::App(app) => lives::raise_epoch(self.db, *app)?,
            Scope::Owner(owner) => {
                let erased = events::erase_all(self.db, owner, bucket_of(owner, self.buckets));
                attribute_damage(|| Damaged::Events, erased)?;
                lives::raise_epoch(self.db, owner.app)?;
            }
        }
        self.has_erased = true;
        self.bytes += PAGE;
        self.forgotten.push(scope.clone());
        Ok(())
    }

    pub(super) fn note_filled(&mut self) -> Result<(), StoreError> {
        self.db.execute("UPDATE store SET filled = 1", [])?;
        self.bytes += PAGE;
        Ok(())
    }
}
