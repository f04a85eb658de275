//! One transaction of the writer: the changes in it, and what becomes visible when it is committed.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use rusqlite::Connection;

use super::{chat_groups, health::Health, rows::Rows};
use crate::{
    domain::{
        Account, AppId, ChangeNumber, ChatGroupId, Conversation, Organizer, Owner, Presence, UnixSeconds,
    },
    store::{
        ChatGroupRule, Damaged, Next, OwnerRule, Scope, Seen, StoreError,
        cache::{self, OwnerCache},
        document::Stored,
        guarded,
    },
};

/// The database's page size: what a row, however small, adds to the write-ahead log.
pub(super) const PAGE: usize = 4_096;

/// Roughly what one record takes in a document.
const RECORD: usize = 128;
/// What a readiness check writes: a few pages.
const PROBE: usize = 12_000;
/// What it writes while changes fail: as much as a usual batch of changes.
const LARGE_PROBE: usize = 256 << 10;

/// One transaction on its way.
pub(super) struct Batch<'a> {
    db: &'a Connection,
    cache: &'a OwnerCache,
    health: &'a Health,
    /// Owners to put aside when they are changed.
    aside: &'a HashSet<Owner>,
    owners: HashMap<Owner, Working>,
    disbanded: Vec<(AppId, ChatGroupId)>,
    /// What this transaction forgot.
    forgotten: Vec<Scope>,
    /// Roughly how much was written; 0 when there is nothing to commit.
    bytes: usize,
    /// Roughly how much is still to be written for owners.
    pending: usize,
    /// Whether a readiness check has written something.
    is_probed: bool,
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
    pub(super) fn new(
        db: &'a Connection,
        cache: &'a OwnerCache,
        health: &'a Health,
        aside: &'a HashSet<Owner>,
    ) -> Batch<'a> {
        Batch {
            db,
            cache,
            health,
            aside,
            owners: HashMap::new(),
            disbanded: Vec::new(),
            forgotten: Vec::new(),
            bytes: 0,
            pending: 0,
            is_probed: false,
        }
    }

    /// Writes what is left to be written. Returns roughly how many bytes that makes in all, and what was changed.
    ///
    /// # Errors
    /// Whose data could not be written, and why.
    pub(super) fn complete(mut self) -> Result<(usize, Changed), (Owner, StoreError)> {
        self.write_organizers()?;
        let Batch { owners, disbanded, forgotten, bytes, .. } = self;
        Ok((bytes, Changed { owners, disbanded, forgotten }))
    }
}

impl<'a> Batch<'a> {
    fn rows(&self) -> Rows<'a> {
        let has_aside = self.health.has_aside() || !self.aside.is_empty();
        Rows { db: self.db, health: self.health, has_aside }
    }

    /// Roughly how many bytes a commit would write.
    pub(super) fn weight(&self) -> usize {
        self.bytes + self.pending
    }

    /// Changes an owner by `rule`. `presences` has an entry for each conversation that the rule asks about.
    pub(super) fn change_owner(
        &mut self,
        owner: &Owner,
        presences: &mut HashMap<Conversation, Presence>,
        rule: &mut OwnerRule,
    ) -> Result<(), StoreError> {
        let rows = self.rows();
        rows.look_up(owner.app, presences)?;
        let working = match self.owners.entry(owner.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                // The cache may still hold what this transaction deleted, and says nothing about damage on the disk.
                let is_elsewhere = self.forgotten.iter().any(|scope| scope.covers(owner))
                    || self.health.is_damaged(|| Damaged::Owner(owner.clone()));
                let cache = (!is_elsewhere).then_some(self.cache);
                let working = Working::begin(rows, cache, owner);
                match &working {
                    Ok(_) if is_elsewhere => self.health.note_sound(owner),
                    _ => {}
                }
                entry.insert(working?)
            }
        };
        if self.disbanded.iter().any(|(app, _)| *app == owner.app) {
            working.dead = rows.dead(owner.app, &working.organizer)?;
        }
        let buried = match working.dead.is_empty() {
            true => None,
            false => Some(working.organizer.buried(&working.dead)),
        };
        let seen = Seen {
            account: working.account.as_ref(),
            organizer: buried.as_ref().unwrap_or(&working.organizer),
            presences,
        };
        let Next { account, organizer } = guarded(|| rule(&seen))?;
        if let Some(account) = account {
            if self.aside.contains(owner) {
                rows.write_account_aside(owner, account.as_deref())?;
            } else {
                rows.write_account(owner, account.as_deref())?;
            }
            self.bytes += PAGE;
            working.account = account;
            working.changed = true;
        }
        if let Some(organizer) = organizer {
            // Each change took a number. After a renumbering everything is written.
            let (before, after) = (working.organizer.counters(), organizer.counters());
            let changes = match before.renumberings == after.renumberings {
                true => after.version.saturating_sub(before.version) as usize,
                false => usize::MAX,
            };
            self.pending += PAGE + RECORD * changes.min(organizer.records().len() + organizer.groups().len());
            working.organizer = Arc::new(organizer);
            working.dead = Vec::new();
            working.changed = true;
        }
        Ok(())
    }

    pub(super) fn change_chat_group(
        &mut self,
        app: AppId,
        id: &ChatGroupId,
        rule: &mut ChatGroupRule,
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        let old = chat_groups::chat_group(self.db, app, id)?;
        let Some(next) = guarded(|| rule(old.as_ref()))? else { return Ok(()) };
        self.bytes += PAGE + chat_groups::write_chat_group(self.db, app, id, &next)?;
        if next.incarnation > old.map_or(0, |old| old.incarnation) {
            chat_groups::write_disbanding(self.db, app, id, next.incarnation, now)?;
            self.bytes += 2 * PAGE;
            self.disbanded.push((app, id.clone()));
        }
        Ok(())
    }

    /// Writes something that has to be durable like any change, and that needs free pages as changes do.
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
        // While changes fail, a small one that happens to find room would prove nothing.
        let bytes = if self.health.is_failing() { LARGE_PROBE } else { PROBE };
        self.db
            .prepare_cached("UPDATE probe SET doc = randomblob(?1)")?
            .execute([i64::try_from(bytes).unwrap_or(0)])?;
        self.bytes += PAGE + bytes;
        Ok(())
    }

    /// Writes that the store is in use.
    pub(super) fn mark_in_use(&mut self) -> Result<(), StoreError> {
        super::schema::mark_in_use(self.db)?;
        self.bytes += PAGE;
        Ok(())
    }

    pub(super) fn reset(&mut self, scope: &Scope) -> Result<(), StoreError> {
        self.owners.retain(|owner, _| !scope.covers(owner));
        self.disbanded.retain(|(app, _)| !scope.covers_app(*app));
        self.rows().forget(scope)?;
        self.bytes += PAGE;
        self.forgotten.push(scope.clone());
        Ok(())
    }

    pub(super) fn note_filled(&mut self) -> Result<(), StoreError> {
        self.db.execute("UPDATE store SET filled = 1", [])?;
        self.bytes += PAGE;
        Ok(())
    }

    fn write_organizers(&mut self) -> Result<(), (Owner, StoreError)> {
        let rows = self.rows();
        for (owner, working) in &mut self.owners {
            let failed = |error| (owner.clone(), error);
            if working.changed && self.aside.contains(owner) {
                // Everything of him is written anew, to where nothing is damaged.
                self.db.execute("UPDATE store SET aside = 1", []).map_err(|error| failed(error.into()))?;
                rows.write_account_aside(owner, working.account.as_deref()).map_err(failed)?;
                rows.forget_aside(owner).map_err(failed)?;
                working.stored = Stored::default();
                self.bytes += PAGE;
            }
            if !Arc::ptr_eq(&working.organizer, &working.stored.organizer) {
                let edits = working.stored.advance(Arc::clone(&working.organizer));
                self.bytes +=
                    edits.iter().map(|(_, doc)| PAGE + doc.as_ref().map_or(0, Vec::len)).sum::<usize>();
                rows.write_organizer(owner, &edits).map_err(failed)?;
            }
        }
        Ok(())
    }
}

impl Working {
    /// An owner as last committed: from the cache, which is exact, or from the database.
    fn begin(rows: Rows<'_>, cache: Option<&OwnerCache>, owner: &Owner) -> Result<Working, StoreError> {
        let (account, stored, dead) = if let Some(entry) = cache.and_then(|cache| cache.get(owner)) {
            (entry.account.clone(), Stored::clone(&entry.stored), entry.dead.clone())
        } else {
            let (stored, account, dead) = rows.owner(owner)?;
            (account, stored, dead)
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
