//! What a transaction of the writer changes, until it is committed and published.

use std::{collections::HashMap, sync::Arc};

use super::{
    batch::PAGE,
    events::Head,
    lists::{Lists, Place},
    rows::Rows,
};
use crate::{
    domain::{AppId, ChatGroupId, Delta, Owner, OwnerState},
    store::{
        Revision, Scope, StoreError,
        cache::{self, OwnerCache, Snapshot},
        document::{LayoutDefect, Stored},
    },
};

/// An owner within a transaction. All changes of an owner in one batch are written together.
pub(super) struct OwnerInBatch {
    /// The owner as last committed; after [`OwnerInBatch::write`], as written by this transaction.
    pub(super) stored: Snapshot,
    /// The owner after the edits of this batch.
    pub(super) state: OwnerState,
    /// The deltas of the edits of this batch.
    pub(super) deltas: Vec<Delta>,
}

/// The changes of a transaction, to be published after its commit.
pub(super) struct Changed {
    pub(super) owners: HashMap<Owner, OwnerInBatch>,
    pub(super) disbanded: Vec<(AppId, ChatGroupId)>,
    pub(super) forgotten: Vec<Scope>,
    /// The places of what lists of recent conversations depend on.
    pub(super) moved: Vec<Place>,
    /// The last event; `None` if it was not read.
    pub(super) head: Option<Head>,
    /// Whether content was erased, so that its traces have to be removed from the files.
    pub(super) has_erased: bool,
}

impl OwnerInBatch {
    /// Loads an owner as last committed, from the cache or from the database.
    pub(super) fn begin(
        rows: Rows<'_>,
        cache: Option<&OwnerCache>,
        owner: &Owner,
    ) -> Result<OwnerInBatch, StoreError> {
        let stored = match cache.and_then(|cache| cache.get(owner)) {
            Some(entry) => entry.snapshot(),
            None => rows.owner(owner)?,
        };
        let organizer = Arc::clone(&stored.stored.organizer);
        let state = OwnerState { account: stored.account.clone(), organizer };
        Ok(OwnerInBatch { stored, state, deltas: Vec::new() })
    }

    /// Writes the organizer, and returns the approximate number of bytes. An owner who is put aside is written completely, to
    /// the separate table.
    pub(super) fn write(
        &mut self,
        rows: Rows<'_>,
        owner: &Owner,
        puts_aside: bool,
    ) -> Result<usize, StoreError> {
        let mut bytes = 0;
        let mut stored = Stored::clone(&self.stored.stored);
        let mut deltas = &self.deltas[..];
        if puts_aside {
            // Write everything of this owner to the separate table, away from the damage.
            rows.db.execute("UPDATE store SET aside = 1", [])?;
            rows.write_account_aside(owner, self.state.account.as_deref(), self.stored.event)?;
            rows.forget_aside(owner)?;
            stored = Stored::default();
            deltas = &[];
            bytes += PAGE;
        }
        if !Arc::ptr_eq(&self.state.organizer, &stored.organizer) {
            let edits = stored
                .advance(Arc::clone(&self.state.organizer), deltas)
                .map_err(|LayoutDefect| StoreError::Rule)?;
            bytes += edits.iter().map(|(_, doc)| PAGE + doc.as_ref().map_or(0, Vec::len)).sum::<usize>();
            self.stored.revision = self.revision();
            rows.write_organizer(owner, &edits, self.stored.revision, self.stored.event)?;
        }
        self.stored.stored = Arc::new(stored);
        self.stored.account.clone_from(&self.state.account);
        Ok(bytes)
    }

    pub(super) fn is_changed(&self) -> bool {
        !self.deltas.is_empty()
    }

    /// Returns the revision of the organizer after the edits of this batch.
    pub(super) fn revision(&self) -> Revision {
        let is_written = !Arc::ptr_eq(&self.state.organizer, &self.stored.stored.organizer);
        Revision(self.stored.revision.0 + u64::from(is_written))
    }
}

impl Changed {
    /// Publishes a committed batch. The owners come first, with the count of disbandings before this batch. The
    /// batch's own disbandings follow, so that every entry is compared with them when it is next used.
    pub(super) fn publish(self, cache: &OwnerCache, lists: &Lists) {
        for scope in &self.forgotten {
            cache.forget(scope);
            lists.note_all();
        }
        lists.note(&self.moved);
        for (owner, edited) in self.owners.into_iter().filter(|(_, edited)| edited.is_changed()) {
            let disbandings = cache.disbandings(owner.app);
            let seen = disbandings.count();
            cache.publish(owner, cache::CachedOwner::new(edited.stored, disbandings, seen));
        }
        for (app, id) in self.disbanded {
            cache.disbandings(app).publish(id);
        }
    }
}
