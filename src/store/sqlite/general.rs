//! The changes in a transaction that are not about one owner: of chat groups, the times of sessions, and the store as a
//! whole or a part of it.

use std::collections::HashSet;

use super::{
    batch::{Batch, PAGE},
    chat_groups, disbandings,
    error::attribute_damage,
    events::{self, Head},
    lives, members, memberships, runs, touches,
};
use crate::{
    domain::{
        ChatGroupChange, ChatGroupEdit, ChatGroupOutcome, ChatGroupRejection, ChatGroupWorld, Decision,
        Numbers, Posting, Touch, UnixSeconds,
    },
    store::{ChatGroupWrite, Damaged, Scope, StoreError, events::bucket_of, guarded},
};

/// The number of bytes that a readiness check writes: a few pages.
const PROBE: usize = 12_000;
/// The number of bytes it writes while changes are failing: as many as a usual batch of changes.
const LARGE_PROBE: usize = 256 << 10;

impl Batch<'_> {
    /// Applies an edit of a chat group.
    pub(super) fn edit_chat_group(
        &mut self,
        write: &ChatGroupWrite,
        now: UnixSeconds,
    ) -> Result<Result<ChatGroupOutcome, ChatGroupRejection>, StoreError> {
        let (app, id) = (write.app, &write.id);
        let named = write.edit.users();
        let imported = match named.is_empty() {
            true => HashSet::new(),
            false => attribute_damage(
                || Damaged::Directory(app),
                self.rows().imported(app, named.iter().copied()),
            )?,
        };
        let imported = named.into_iter().filter(|user| imported.contains(user.as_str())).cloned().collect();
        let old = chat_groups::row(self.db, app, id)?;
        let members = match &old {
            Some(row) => {
                let members = row.members(self.db, app, id, &write.edit.wanted());
                attribute_damage(|| Damaged::ChatGroup(app, id.clone()), members)?
            }
            None => Vec::new(),
        };
        let exits = members::exits(self.db, app, id, &write.edit.leavers());
        let exits = attribute_damage(|| Damaged::ChatGroup(app, id.clone()), exits)?;
        let world =
            ChatGroupWorld { terms: &write.terms, imported: &imported, members: &members, exits: &exits };
        let group = old.as_ref().map(|row| &row.group);
        let Decision { outcome, change } = match guarded(|| write.edit.decide(group, world))? {
            Ok(decision) => decision,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let kept = change.filter(|_| !write.dry_run);
        let Some(change) = kept else { return Ok(Ok(outcome)) };
        let ChatGroupChange { next, deltas } = &change;
        let mut disbanding = None;
        let incarnation = group.map_or(0, |old| old.incarnation);
        if next.incarnation > incarnation {
            // What was sent after the reported moment belongs to the new life.
            if matches!(write.edit, ChatGroupEdit::Observed { .. }) {
                let times = touches::carry(self.db, app, id, incarnation, next);
                self.bytes += attribute_damage(|| Damaged::ChatGroupTimes(app, id.clone()), times)?;
            }
            let number = self.use_up_number()?;
            disbanding =
                Some(disbandings::write_disbanding(self.db, app, id, next.incarnation, now, number)?);
            self.bytes += 3 * PAGE;
            self.disbanded.push((app, id.clone()));
        }
        self.bytes += memberships::add(self.db, app, id, next, deltas)?;
        self.moved.push(self.lists.place_of(app, &id.clone().into()));
        self.moved.extend(memberships::added(deltas).map(|user| self.lists.place_of_user(app, user)));
        self.bytes += PAGE + chat_groups::write(self.db, app, id, old, &change, disbanding, write.terms.now)?;
        Ok(Ok(outcome))
    }

    /// Uses up a number of events, so that what clients got before and after something that is not an event is of
    /// different points.
    fn use_up_number(&mut self) -> Result<u64, StoreError> {
        let head = self.head.map_or_else(|| events::last(self.db), Ok);
        let head = attribute_damage(|| Damaged::Events, head)?;
        let head = Head { number: head.number + 1, ..head };
        events::raise_base(self.db, head.number)?;
        self.head = Some(head);
        Ok(head.number)
    }

    /// Applies touches, all of which concern `what`.
    pub(super) fn touch(&mut self, what: &Damaged, touches: &[Touch]) -> Result<(), StoreError> {
        for touch in touches {
            if let Touch::Peer { owner, needs_account: true, .. } = touch {
                let imported = self.rows().imported(owner.app, std::iter::once(&owner.user));
                if attribute_damage(|| Damaged::Directory(owner.app), imported)?.is_empty() {
                    continue;
                }
            }
            let bytes = attribute_damage(|| what.clone(), touches::raise(self.db, touch))?;
            if bytes > 0 {
                self.bytes += bytes;
                self.moved.push(match touch {
                    Touch::Peer { owner, .. } => self.lists.place_of_user(owner.app, &owner.user),
                    Touch::ChatGroup { app, id, .. } | Touch::Messages { app, id, .. } => {
                        self.lists.place_of(*app, &id.clone().into())
                    }
                });
            }
        }
        Ok(())
    }

    /// Gives messages to a chat group their numbers.
    pub(super) fn post(&mut self, posting: &Posting) -> Result<Option<Numbers>, StoreError> {
        let (numbers, bytes) = touches::post(self.db, posting)?;
        if bytes > 0 {
            self.bytes += bytes;
            self.moved.push(self.lists.place_of(posting.app, &posting.id.clone().into()));
        }
        Ok(numbers)
    }

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
        self.use_up_number()?;
        self.rows().forget(scope)?;
        match scope {
            // The store has a new incarnation.
            Scope::All => runs::begin_within(self.db)?,
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
