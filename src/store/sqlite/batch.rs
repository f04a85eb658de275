//! One transaction of the writer, with the changes that are published when it is committed.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use rusqlite::Connection;

use super::{
    changed::{Changed, OwnerInBatch},
    error::attribute_damage,
    events::{self, Head, NewEvent},
    health::Health,
    lists::{Lists, Place},
    lives,
    memberships::{self, DeadRows},
    operations,
    reader::Shared,
    rows::Rows,
    runs::Runs,
    sessions,
};
use crate::{
    domain::{
        AppId, Change, ChatGroupId, Conversation, Decision, Delta, Outcome, Owner, Presence, Rejection,
    },
    store::{
        Damaged, HistoryPoint, Scope, StoreError, Write,
        cache::OwnerCache,
        events::{bucket_of, event_id},
        guarded,
        place::check_place,
    },
};

/// The database's page size, which even the smallest changed row adds to the write-ahead log.
pub(super) const PAGE: usize = 4_096;

/// The approximate size of one record in a document, in bytes.
const RECORD: usize = 128;

/// Returns the current point in a transaction, which has read or written the last event if `head` is set.
fn now(db: &Connection, head: Option<Head>, runs: &Runs) -> Result<HistoryPoint, StoreError> {
    let head = head.map_or_else(|| events::last(db), Ok);
    Ok(runs.now(attribute_damage(|| Damaged::Events, head)?.number))
}

/// Checks that the owner is where a write expects them to be.
fn check_expected(
    rows: Rows<'_>,
    write: &Write,
    edited: &OwnerInBatch,
    head: Option<Head>,
    runs: &Runs,
) -> Result<(), StoreError> {
    let Some(expected) = &write.place else { return Ok(()) };
    let now = now(rows.db, head, runs)?;
    let lives = lives::lives(rows.db, write.owner.app, now)?;
    let organizer = &edited.state.organizer;
    let dead = rows.disbanded(write.owner.app, organizer, &edited.stored.dead, lives)?;
    let place = lives.place_of(organizer);
    let knows_point = runs.include(expected.point, now.event);
    check_place(expected, knows_point, place, &dead).map_err(StoreError::Elsewhere)?;
    events::check_last(rows.db, write, edited.stored.event, place)
}

/// A transaction that has not been committed yet.
pub(super) struct Batch<'a> {
    pub(super) db: &'a Connection,
    cache: &'a OwnerCache,
    pub(super) health: &'a Health,
    dead_memberships: &'a DeadRows,
    pub(super) lists: &'a Lists,
    runs: &'a Runs,
    /// Owners that have to be written to the separate table because of damage near their data.
    aside: &'a HashSet<Owner>,
    pub(super) owners: HashMap<Owner, OwnerInBatch>,
    pub(super) disbanded: Vec<(AppId, ChatGroupId)>,
    /// The scopes that this transaction has reset.
    pub(super) forgotten: Vec<Scope>,
    /// The places of what lists of recent conversations depend on and this transaction has changed.
    pub(super) moved: Vec<Place>,
    /// The last event, including those of this transaction; `None` if it has not been read yet.
    pub(super) head: Option<Head>,
    /// The number of buckets of the store.
    pub(super) buckets: u8,
    /// Whether the content of events was erased.
    pub(super) has_erased: bool,
    /// The approximate number of bytes written; 0 if there is nothing to commit.
    pub(super) bytes: usize,
    /// The approximate number of bytes still to be written for owners.
    pending: usize,
    /// Whether a readiness check has written something.
    pub(super) is_probed: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        db: &'a Connection,
        shared: &'a Shared,
        aside: &'a HashSet<Owner>,
        head: Option<Head>,
    ) -> Batch<'a> {
        Batch {
            db,
            cache: &shared.cache,
            health: &shared.health,
            dead_memberships: &shared.dead_memberships,
            lists: &shared.lists,
            runs: &shared.runs,
            moved: Vec::new(),
            aside,
            head,
            buckets: shared.buckets,
            has_erased: false,
            owners: HashMap::new(),
            disbanded: Vec::new(),
            forgotten: Vec::new(),
            bytes: 0,
            pending: 0,
            is_probed: false,
        }
    }

    /// Writes the changed owners. Returns the approximate number of bytes of the whole transaction, and its changes.
    ///
    /// # Errors
    /// Returns the owner that could not be written, and the reason.
    pub(super) fn complete(mut self) -> Result<(usize, Changed), (Owner, StoreError)> {
        let rows = self.rows();
        for (owner, edited) in self.owners.iter_mut().filter(|(_, edited)| edited.is_changed()) {
            let written = edited.write(rows, owner, self.aside.contains(owner));
            self.bytes += written.map_err(|error| (owner.clone(), error))?;
        }
        let Batch { owners, disbanded, forgotten, moved, head, has_erased, bytes, .. } = self;
        Ok((bytes, Changed { owners, disbanded, forgotten, moved, head, has_erased }))
    }

    /// Runs a function that writes rows of other kinds, and returns its result and the approximate number of bytes.
    pub(super) fn add<T>(
        &mut self,
        write: impl FnOnce(&Connection, u8) -> Result<(T, usize), StoreError>,
    ) -> Result<T, StoreError> {
        let (made, bytes) = write(self.db, self.buckets)?;
        self.bytes += bytes;
        Ok(made)
    }

    pub(super) fn rows(&self) -> Rows<'a> {
        let has_aside = self.health.has_aside() || !self.aside.is_empty();
        Rows { db: self.db, health: self.health, has_aside }
    }

    /// Returns the approximate number of bytes that a commit would write.
    pub(super) fn weight(&self) -> usize {
        self.bytes + self.pending
    }

    /// Applies an edit of an owner at this time, in milliseconds. `presences` has an entry for each conversation that the
    /// edit names.
    pub(super) fn edit_owner(
        &mut self,
        write: &Write,
        presences: &mut HashMap<Conversation, Presence>,
        at: u64,
    ) -> Result<Result<Outcome, Rejection>, StoreError> {
        let outcome = self.apply(write, presences, at)?;
        if let (Ok(_), Some(slot)) = (&outcome, &write.place_after)
            && let Some(edited) = self.owners.get(&write.owner)
        {
            let now = now(self.db, self.head, self.runs)?;
            slot.put(lives::lives(self.db, write.owner.app, now)?.place_of(&edited.state.organizer));
        }
        Ok(outcome)
    }

    fn apply(
        &mut self,
        write: &Write,
        presences: &mut HashMap<Conversation, Presence>,
        at: u64,
    ) -> Result<Result<Outcome, Rejection>, StoreError> {
        let (rows, owner) = (self.rows(), &write.owner);
        rows.look_up(owner.app, write.required_member(), presences)?;
        let edited = match self.owners.entry(owner.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                // Don't use the cache if this transaction deleted the owner, or if their data on disk may be damaged.
                let is_elsewhere = self.forgotten.iter().any(|scope| scope.covers(owner))
                    || self.health.is_damaged(|| Damaged::Owner(owner.clone()));
                let cache = (!is_elsewhere).then_some(self.cache);
                let begun = OwnerInBatch::begin(rows, cache, owner);
                if begun.is_ok() && is_elsewhere {
                    self.health.note_sound(owner);
                }
                entry.insert(begun?)
            }
        };
        if self.disbanded.iter().any(|(app, _)| *app == owner.app) {
            edited.stored.dead = rows.dead(owner.app, &edited.state.organizer)?;
        }
        if let Some(outcome) = operations::repeated(self.db, write)? {
            return Ok(Ok(outcome));
        }
        let found = edited.revision();
        if write.expected.is_some_and(|expected| expected != found) {
            return Err(StoreError::Conflict(found));
        }
        check_expected(rows, write, edited, self.head, self.runs)?;
        let sessions = sessions::known_to(rows, write)?;
        let decision =
            guarded(|| write.decide(&edited.state, &edited.stored.dead, presences, sessions.as_ref()))?;
        let Decision { mut outcome, change } = match decision {
            Ok(decision) => decision,
            Err(rejection) => return Ok(Err(rejection)),
        };
        if write.dry_run {
            return Ok(Ok(outcome));
        }
        if write.edit.forgets_owner() {
            self.bytes += forget(self.db, write, self.dead_memberships, edited.stored.event)?;
            self.moved.push(self.lists.place_of_user(owner.app, &owner.user));
            self.has_erased = true;
        }
        let Some(Change { next, deltas }) = change else {
            self.bytes += operations::keep(self.db, write, &outcome)?;
            return Ok(Ok(outcome));
        };
        let written = sessions::apply(self.db, owner, &deltas)?;
        if written > 0 {
            self.bytes += written;
            self.moved.push(self.lists.place_of_user(owner.app, &owner.user));
        }
        if !deltas.iter().any(Delta::is_recorded) {
            return Ok(Ok(outcome));
        }
        self.bytes += self.dead_memberships.delete(self.db, owner)?;
        let event = NewEvent {
            bucket: bucket_of(owner, self.buckets),
            previous: edited.stored.event,
            version: next.organizer.counters().version,
            at,
            write,
            deltas: &deltas,
        };
        let record = || {
            let head = self.head.map_or_else(|| events::last(self.db), Ok)?;
            events::record(self.db, head, &event)
        };
        let (head, bytes) = attribute_damage(|| Damaged::Events, record())?;
        self.head = Some(head);
        self.bytes += PAGE + bytes;
        edited.stored.event = head.number;
        if matches!(outcome, Outcome::Undone(_)) {
            outcome.note_event(event_id(lives::incarnation(self.db)?, head.number, at));
        }
        self.bytes += operations::keep(self.db, write, &outcome)?;
        if next.account != edited.state.account {
            self.moved.push(self.lists.place_of_user(owner.app, &owner.user));
            if self.aside.contains(owner) {
                rows.write_account_aside(owner, next.account.as_deref(), head.number)?;
            } else {
                rows.write_account(owner, next.account.as_deref(), head.number)?;
            }
            self.bytes += PAGE;
        }
        if !Arc::ptr_eq(&next.organizer, &edited.state.organizer) {
            // A renumbering rewrites everything.
            let is_renumbered = deltas.iter().any(|delta| matches!(delta, Delta::Renumbered { .. }));
            let all = next.organizer.records().len() + next.organizer.groups().len();
            self.pending += PAGE + RECORD * if is_renumbered { all } else { deltas.len().min(all) };
            edited.stored.dead = Vec::new();
        }
        edited.state = next;
        edited.deltas.extend(deltas);
        Ok(Ok(outcome))
    }
}

/// Deletes what is kept of an owner besides the account and the organizer, and ends the sessions in the owner's chat groups.
/// `event` is the number of the latest event. Returns the approximate number of bytes written.
fn forget(db: &Connection, write: &Write, dead_rows: &DeadRows, event: u64) -> Result<usize, StoreError> {
    let Write { owner, terms, .. } = write;
    operations::forget(db, owner)?;
    // The owner stays a member of chat groups.
    let memberships = memberships::of(db, owner, dead_rows)?;
    let sessions = sessions::forget(db, owner)? + sessions::end(db, owner, memberships, terms.now)?;
    let erased = events::erase(db, owner, event);
    Ok(sessions + attribute_damage(|| Damaged::Events, erased)?)
}
