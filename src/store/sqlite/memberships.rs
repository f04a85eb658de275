//! The members' side of membership: in which chat groups each user may be. It has a row for every chat group that a user
//! owns or is a member of, and possibly others, because the rows stay when users leave and when chat groups are disbanded.
//! Only the rows of the chat group decide. Rows that prove dead are deleted with the owner's next write. Until an upgrade from a
//! format without these rows is finished, the rows of chat groups are searched as well.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};

use super::{batch::PAGE, chat_groups, error::attribute_damage, steps::Key, sums};
use crate::{
    domain::{AppId, ChatGroup, ChatGroupDelta, ChatGroupId, Member, Owner, UserId, WantedMembers},
    store::{Damaged, Membership, StoreError, checksum::Column},
};

/// What one row adds to the write-ahead log at most, in bytes: a page, because neighbouring rows are of other users.
const ROW: usize = PAGE;
/// The number of owners whose dead rows are recorded. The rows of others stay until a later read records them.
const RECORDED: usize = 1_024;
/// The approximate number of bytes after which a step of the upgrade ends.
const STEP_BYTES: usize = 4 << 20;

/// The rows that readers found dead, for the writer to delete.
#[derive(Default)]
pub(super) struct DeadRows {
    found: Mutex<HashMap<Owner, Vec<ChatGroupId>>>,
    /// Whether `found` has any entry, which can be read without the lock.
    any: AtomicBool,
}

impl DeadRows {
    fn found(&self) -> MutexGuard<'_, HashMap<Owner, Vec<ChatGroupId>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, owner: &Owner, ids: Vec<ChatGroupId>) {
        let mut found = self.found();
        if !ids.is_empty() && (found.len() < RECORDED || found.contains_key(owner)) {
            found.insert(owner.clone(), ids);
            self.any.store(true, Ordering::Release);
        }
    }

    /// Deletes the rows of an owner that were found dead and still are. Returns the approximate number of bytes written.
    ///
    /// # Errors
    /// Returns [`StoreError::Damaged`], which names the owner's memberships.
    pub(super) fn delete(&self, db: &Connection, owner: &Owner) -> Result<usize, StoreError> {
        if !self.any.load(Ordering::Acquire) {
            return Ok(0);
        }
        let ids = {
            let mut found = self.found();
            let ids = found.remove(owner).unwrap_or_default();
            self.any.store(!found.is_empty(), Ordering::Release);
            ids
        };
        let mut bytes = 0;
        for id in ids {
            // The user may have joined again in the meantime. A row that cannot be checked stays.
            let is_dead = match membership(db, owner, &id) {
                Ok(found) => found.is_none(),
                Err(StoreError::Damaged { .. }) => false,
                Err(error) => return Err(error),
            };
            if is_dead {
                let deleted = || {
                    let mut statement = db.prepare_cached(
                        "DELETE FROM membership WHERE app_id = ?1 AND user_id = ?2 AND group_id = ?3",
                    )?;
                    Ok(statement.execute(params![owner.app.number(), owner.user.as_str(), id.as_str()])?)
                };
                attribute_damage(|| Damaged::Memberships(owner.clone()), deleted())?;
                bytes += PAGE;
            }
        }
        Ok(bytes)
    }
}

/// Reads the memberships of an owner, sorted by the id of the chat group, and records the rows that are dead.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the owner's memberships or the chat group.
pub(super) fn of(
    db: &Connection,
    owner: &Owner,
    dead_rows: &DeadRows,
) -> Result<Vec<Membership>, StoreError> {
    let of_owner = || Damaged::Memberships(owner.clone());
    let ids = attribute_damage(of_owner, ids(db, owner))?;
    let unfilled = attribute_damage(of_owner, unfilled(db, owner))?;
    let (mut living, mut dead) = (Vec::new(), Vec::new());
    for id in unfilled.into_iter().filter(|id| !ids.contains(id)) {
        living.extend(membership(db, owner, &id)?);
    }
    for id in ids {
        match membership(db, owner, &id)? {
            Some(membership) => living.push(membership),
            None => dead.push(id),
        }
    }
    dead_rows.note(owner, dead);
    living.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(living)
}

/// Returns the chat groups that a user may be in and has no row for, because the upgrade from a format without these rows is not
/// finished.
fn unfilled(db: &Connection, owner: &Owner) -> Result<Vec<ChatGroupId>, StoreError> {
    if db.prepare_cached("SELECT rewritten FROM store")?.query_row([], |row| row.get(0))? {
        return Ok(Vec::new());
    }
    let mut statement = db.prepare_cached(
        "SELECT group_id FROM chat_group_member WHERE app_id = ?1 AND user_id = ?2
         UNION SELECT group_id FROM chat_group WHERE app_id = ?1 AND (owner = ?2 OR members IS NOT NULL)",
    )?;
    let mut rows = statement.query(params![owner.app.number(), owner.user.as_str()])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(parsed(&row.get::<_, String>(0)?)?);
    }
    Ok(ids)
}

fn parsed(id: &str) -> Result<ChatGroupId, StoreError> {
    ChatGroupId::parse(id)
        .map_err(|reason| StoreError::Damaged { what: Damaged::Database, reason: reason.to_string() })
}

fn ids(db: &Connection, owner: &Owner) -> Result<Vec<ChatGroupId>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT group_id, incarnation, sum FROM membership WHERE app_id = ?1 AND user_id = ?2 ORDER BY group_id",
    )?;
    let mut rows = statement.query(params![owner.app.number(), owner.user.as_str()])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        let key = [Column::Number(owner.app.number().into()), Column::Text(owner.user.as_str().as_bytes())];
        sums::check("membership", key, row, 2)?;
        ids.push(parsed(&row.get::<_, String>(0)?)?);
    }
    Ok(ids)
}

/// Returns the membership of an owner in a chat group, as the rows of the chat group say.
fn membership(db: &Connection, owner: &Owner, id: &ChatGroupId) -> Result<Option<Membership>, StoreError> {
    let wanted = WantedMembers::Named(vec![owner.user.clone()]);
    let found = chat_groups::loaded(db, owner.app, id, &wanted)?;
    Ok(found.and_then(|state| Membership::of(&owner.user, id, &state)))
}

/// Adds the rows that an edit of a chat group makes necessary. This comes before the chat group itself is written. Returns
/// the approximate number of bytes written.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the memberships of one user.
pub(super) fn add(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    next: &ChatGroup,
    deltas: &[ChatGroupDelta],
) -> Result<usize, StoreError> {
    let mut bytes = 0;
    for user in added(deltas) {
        bytes += add_row(db, app, id, user, next.incarnation)?;
    }
    Ok(bytes)
}

/// Returns the users whom an edit of a chat group adds as its owner or members.
pub(super) fn added(deltas: &[ChatGroupDelta]) -> impl Iterator<Item = &UserId> {
    deltas.iter().filter_map(|delta| match delta {
        ChatGroupDelta::Joined(Member { user, .. }) => Some(user),
        ChatGroupDelta::Profiled { before, profile } => {
            let owner_before = before.as_ref().and_then(|before| before.owner.as_ref());
            profile.owner.as_ref().filter(|owner| owner_before != Some(owner))
        }
        _ => None,
    })
}

fn add_row(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    user: &UserId,
    incarnation: u32,
) -> Result<usize, StoreError> {
    let add = || {
        let mut statement = db.prepare_cached(
            "INSERT INTO membership (app_id, user_id, group_id, incarnation, sum)
             VALUES (?1, ?2, ?3, ?4, row_sum('membership', ?1, ?2, ?3, ?4))
             ON CONFLICT DO UPDATE SET incarnation = excluded.incarnation, sum = excluded.sum
                WHERE incarnation != excluded.incarnation",
        )?;
        Ok(statement.execute(params![app.number(), user.as_str(), id.as_str(), incarnation])?)
    };
    let owner = || Damaged::Memberships(Owner { app, user: user.clone() });
    Ok(ROW * attribute_damage(owner, add())?)
}

/// Adds the rows for the chat groups in a range of row numbers, for a database of a format without them. Returns the row
/// number that was reached.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn fill(db: &Connection, from: &Key, to: Key) -> Result<Key, StoreError> {
    let mut next = db.prepare_cached(
        "SELECT seq FROM chat_group WHERE kind IS NOT NULL AND seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT 1",
    )?;
    let mut fill = db.prepare_cached(
        "INSERT OR IGNORE INTO membership (app_id, user_id, group_id, incarnation, sum)
         SELECT app_id, user_id, group_id, incarnation, row_sum('membership', app_id, user_id, group_id, incarnation)
         FROM (SELECT app_id, user_id, group_id, incarnation FROM chat_group JOIN chat_group_member USING (app_id, group_id)
                 WHERE seq = ?1
             UNION ALL SELECT app_id, owner, group_id, incarnation FROM chat_group WHERE seq = ?1 AND owner IS NOT NULL)",
    )?;
    let (mut last, mut bytes) = (from.clone(), 0);
    while bytes < STEP_BYTES {
        let found: Option<i64> =
            next.query_row(params_from_iter(last.iter().chain(&to)), |row| row.get(0)).optional()?;
        let Some(number) = found else { return Ok(to) };
        bytes += ROW * fill.execute([number])?;
        last = vec![Value::Integer(number)];
    }
    Ok(last)
}

#[cfg(test)]
#[path = "memberships_tests.rs"]
mod tests;
