//! One transaction of the writer: the changes in it, and what becomes visible when it is committed.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use rusqlite::Connection;

use super::rows;
use crate::{
    domain::{Account, AppId, ChangeNumber, ChatGroupId, Conversation, Organizer, Owner},
    store::{
        ChatGroupRule, Next, OwnerRule, Scope, Seen, StoreError,
        cache::{self, OwnerCache},
        document::Stored,
        guarded,
    },
};

/// The database's page size: what a row, however small, adds to the write-ahead log.
pub(super) const PAGE: usize = 4_096;

/// One transaction on its way.
pub(super) struct Batch<'a> {
    db: &'a Connection,
    cache: &'a OwnerCache,
    owners: HashMap<Owner, Working>,
    disbanded: Vec<(AppId, ChatGroupId)>,
    /// What this transaction forgot.
    forgotten: Vec<Scope>,
    /// Roughly how much was written; 0 when there is nothing to commit.
    bytes: usize,
}

/// One owner within a transaction. What happens to a hot owner in one batch is written once.
pub(super) struct Working {
    account: Option<Arc<Account>>,
    stored: Stored,
    dead: Vec<ChangeNumber>,
    /// The organizer as the changes of this batch left it.
    organizer: Arc<Organizer>,
    changed: bool,
}

/// What a committed transaction changed.
pub(super) struct Changed {
    owners: HashMap<Owner, Working>,
    disbanded: Vec<(AppId, ChatGroupId)>,
    forgotten: Vec<Scope>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(db: &'a Connection, cache: &'a OwnerCache) -> Batch<'a> {
        Batch { db, cache, owners: HashMap::new(), disbanded: Vec::new(), forgotten: Vec::new(), bytes: 0 }
    }

    /// Writes what is left to be written, and tells roughly how many bytes it were in all.
    pub(super) fn complete(mut self) -> Result<(usize, Changed), StoreError> {
        self.write_organizers()?;
        let Batch { owners, disbanded, forgotten, bytes, .. } = self;
        Ok((bytes, Changed { owners, disbanded, forgotten }))
    }
}

impl Batch<'_> {
    pub(super) fn change_owner(
        &mut self,
        owner: &Owner,
        named: Vec<Conversation>,
        rule: &mut OwnerRule,
    ) -> Result<(), StoreError> {
        let presences = rows::presences(self.db, owner.app, named)?;
        let working = match self.owners.entry(owner.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                // The cache does not know yet what this transaction forgot.
                let cache = (!self.forgotten.iter().any(|scope| scope.covers(owner))).then_some(self.cache);
                entry.insert(Working::begin(self.db, cache, owner)?)
            }
        };
        if self.disbanded.iter().any(|(app, _)| *app == owner.app) {
            working.dead = rows::dead(self.db, owner.app, &working.organizer)?;
        }
        let buried = match working.dead.is_empty() {
            true => None,
            false => Some(working.organizer.buried(&working.dead)),
        };
        let seen = Seen {
            account: working.account.as_ref(),
            organizer: buried.as_ref().unwrap_or(&working.organizer),
            presences: &presences,
        };
        let Next { account, organizer } = guarded(|| rule(&seen))?;
        if let Some(account) = account {
            rows::write_account(self.db, owner, account.as_deref())?;
            self.bytes += PAGE;
            working.account = account;
            working.changed = true;
        }
        if let Some(organizer) = organizer {
            working.organizer = Arc::new(organizer);
            working.dead = Vec::new();
            working.changed = true;
        }
        Ok(())
    }

    pub(super) fn change_chat_group(
        &mut self,
        app: AppId,
        id: ChatGroupId,
        rule: &mut ChatGroupRule,
    ) -> Result<(), StoreError> {
        let old = rows::chat_group(self.db, app, &id)?;
        let Some(next) = guarded(|| rule(old.as_ref()))? else { return Ok(()) };
        rows::write_chat_group(self.db, app, &id, &next)?;
        self.bytes += PAGE;
        if next.incarnation > old.map_or(0, |old| old.incarnation) {
            rows::write_disbanding(self.db, app, &id, next.incarnation)?;
            self.disbanded.push((app, id));
        }
        Ok(())
    }

    pub(super) fn reset(&mut self, scope: Scope) -> Result<(), StoreError> {
        self.owners.retain(|owner, _| !scope.covers(owner));
        self.disbanded.retain(|(app, _)| !scope.covers_app(*app));
        rows::forget(self.db, &scope)?;
        self.bytes += PAGE;
        self.forgotten.push(scope);
        Ok(())
    }

    pub(super) fn note_filled(&mut self) -> Result<(), StoreError> {
        self.db.execute("UPDATE store SET filled = 1", [])?;
        self.bytes += PAGE;
        Ok(())
    }

    fn write_organizers(&mut self) -> Result<(), StoreError> {
        for (owner, working) in &mut self.owners {
            if !Arc::ptr_eq(&working.organizer, &working.stored.organizer) {
                let edits = working.stored.advance(Arc::clone(&working.organizer));
                self.bytes +=
                    edits.iter().map(|(_, doc)| PAGE + doc.as_ref().map_or(0, Vec::len)).sum::<usize>();
                rows::write_organizer(self.db, owner, &edits)?;
            }
        }
        Ok(())
    }
}

impl Working {
    /// An owner as last committed: from the cache, which is exact, or from the database.
    fn begin(db: &Connection, cache: Option<&OwnerCache>, owner: &Owner) -> Result<Working, StoreError> {
        let (account, stored, dead) = if let Some(entry) = cache.and_then(|cache| cache.get(owner)) {
            (entry.account.clone(), Stored::clone(&entry.stored), entry.dead.clone())
        } else {
            let stored = rows::organizer(db, owner)?;
            let dead = rows::dead(db, owner.app, &stored.organizer)?;
            (rows::account(db, owner)?, stored, dead)
        };
        let organizer = Arc::clone(&stored.organizer);
        Ok(Working { account, stored, dead, organizer, changed: false })
    }
}

impl Changed {
    /// Makes a committed batch visible. The owners first, as true up to the disbandings before this
    /// batch: those of the batch, published after them, make each entry compare itself.
    pub(super) fn publish(self, cache: &OwnerCache) {
        for scope in &self.forgotten {
            cache.forget(scope);
        }
        for (owner, working) in self.owners.into_iter().filter(|(_, working)| working.changed) {
            let disbandings = cache.disbandings(owner.app);
            let seen = disbandings.count();
            let entry =
                cache::Entry::new(working.account, Arc::new(working.stored), working.dead, disbandings, seen);
            cache.publish(owner, entry);
        }
        for (app, id) in self.disbanded {
            cache.disbandings(app).publish(id);
        }
    }
}
