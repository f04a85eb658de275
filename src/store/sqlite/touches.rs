//! The times of sessions and of chat groups. A touch reads the row that it concerns, and writes it only if a time rises.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::{batch::PAGE, error::attribute_damage, sums};
use crate::{
    domain::{AppId, ChatGroup, ChatGroupId, ChatGroupTimes, Owner, SessionTimes, Touch, UserId},
    store::{Damaged, StoreError, checksum::Column},
};

/// Divides touches by the data that they concern, so that damage to some of it does not affect touches of other data.
pub(super) fn divided(touches: Vec<Touch>) -> HashMap<Damaged, Vec<Touch>> {
    let mut divided = HashMap::<Damaged, Vec<Touch>>::new();
    for touch in touches {
        let what = match &touch {
            Touch::Peer { owner, .. } => Damaged::Sessions(owner.clone()),
            Touch::ChatGroup { app, id, .. } => Damaged::ChatGroupTimes(*app, id.clone()),
        };
        divided.entry(what).or_default().push(touch);
    }
    divided
}

/// Raises the times of one session or chat group. Returns the approximate number of bytes written.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which does not name the session.
pub(super) fn raise(db: &Connection, touch: &Touch) -> Result<usize, StoreError> {
    match touch {
        Touch::Peer { owner, peer, times } => {
            let kept = session(db, owner, peer)?;
            let next = kept.joined(*times);
            if next == kept {
                return Ok(0);
            }
            let (last, seen) = numbers(next);
            db.prepare_cached(
                "INSERT INTO session (app_id, user_id, peer, last, seen, sum)
                 VALUES (?1, ?2, ?3, ?4, ?5, row_sum('session', ?1, ?2, ?3, ?4, ?5))
                 ON CONFLICT DO UPDATE SET last = excluded.last, seen = excluded.seen, sum = excluded.sum",
            )?
            .execute(params![
                owner.app.number(),
                owner.user.as_str(),
                peer.as_str(),
                last,
                seen
            ])?;
        }
        Touch::ChatGroup { app, id, times } => {
            let kept = chat_group(db, *app, id)?;
            let next = kept.joined(*times);
            if next == kept {
                return Ok(0);
            }
            let (last, seen) = numbers(next.times);
            db.prepare_cached(
                "INSERT INTO chat_group_times (app_id, group_id, incarnation, last, seen, sum)
                 VALUES (?1, ?2, ?3, ?4, ?5, row_sum('chat_group_times', ?1, ?2, ?3, ?4, ?5))
                 ON CONFLICT DO UPDATE SET incarnation = excluded.incarnation, last = excluded.last,
                    seen = excluded.seen, sum = excluded.sum",
            )?
            .execute(params![app.number(), id.as_str(), next.incarnation, last, seen])?;
        }
    }
    Ok(PAGE)
}

/// Copies the times of a chat group to its next life if they are from after its beginning. Returns the approximate number of
/// bytes written.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which does not name the chat group.
pub(super) fn carry(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    incarnation: u32,
    next: &ChatGroup,
) -> Result<usize, StoreError> {
    match next.carried(chat_group(db, app, id)?, incarnation) {
        Some(times) => raise(db, &Touch::ChatGroup { app, id: id.clone(), times }),
        None => Ok(0),
    }
}

/// Deletes the sessions of an owner. Returns the approximate number of bytes written.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the sessions of the owner.
pub(super) fn forget(db: &Connection, owner: &Owner) -> Result<usize, StoreError> {
    let delete = || -> Result<usize, StoreError> {
        Ok(db
            .prepare_cached("DELETE FROM session WHERE app_id = ?1 AND user_id = ?2")?
            .execute(params![owner.app.number(), owner.user.as_str()])?)
    };
    let deleted = attribute_damage(|| Damaged::Sessions(owner.clone()), delete())?;
    Ok(if deleted == 0 { 0 } else { PAGE + ROW * deleted })
}

/// Reads the sessions of an owner.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the sessions of the owner.
pub(super) fn sessions(db: &Connection, owner: &Owner) -> Result<Vec<(UserId, SessionTimes)>, StoreError> {
    let read = || {
        let mut statement = db
            .prepare_cached("SELECT peer, last, seen, sum FROM session WHERE app_id = ?1 AND user_id = ?2")?;
        let mut rows = statement.query(params![owner.app.number(), owner.user.as_str()])?;
        let mut sessions = Vec::new();
        while let Some(row) = rows.next()? {
            sums::check("session", key(owner.app, owner.user.as_str()), row, 3)?;
            let peer = UserId::parse(&row.get::<_, String>(0)?).map_err(|reason| StoreError::Damaged {
                what: Damaged::Database,
                reason: reason.to_string(),
            })?;
            sessions.push((peer, times(row, 1)?));
        }
        Ok(sessions)
    };
    attribute_damage(|| Damaged::Sessions(owner.clone()), read())
}

/// Reads the times of a chat group in an incarnation.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the times of the chat group.
pub(super) fn times_of(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    incarnation: u32,
) -> Result<SessionTimes, StoreError> {
    let kept = attribute_damage(|| Damaged::ChatGroupTimes(app, id.clone()), chat_group(db, app, id))?;
    Ok(kept.of(incarnation))
}

/// Reads one session. One that is not stored has no times.
fn session(db: &Connection, owner: &Owner, peer: &UserId) -> Result<SessionTimes, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT peer, last, seen, sum FROM session WHERE app_id = ?1 AND user_id = ?2 AND peer = ?3",
    )?;
    let mut rows = statement.query(params![owner.app.number(), owner.user.as_str(), peer.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(SessionTimes::default()) };
    sums::check("session", key(owner.app, owner.user.as_str()), row, 3)?;
    times(row, 1)
}

/// Reads the row of a chat group. One that is not stored has no times.
fn chat_group(db: &Connection, app: AppId, id: &ChatGroupId) -> Result<ChatGroupTimes, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT incarnation, last, seen, sum FROM chat_group_times WHERE app_id = ?1 AND group_id = ?2",
    )?;
    let mut rows = statement.query(params![app.number(), id.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(ChatGroupTimes::default()) };
    sums::check("chat_group_times", key(app, id.as_str()), row, 3)?;
    Ok(ChatGroupTimes { incarnation: row.get(0)?, times: times(row, 1)? })
}

/// Reads the times in the columns from `first` on.
fn times(row: &Row<'_>, first: usize) -> Result<SessionTimes, StoreError> {
    let time = |column| row.get::<_, i64>(column).map(|time| u64::try_from(time).unwrap_or(0));
    Ok(SessionTimes::new(time(first)?, time(first + 1)?))
}

fn numbers(times: SessionTimes) -> (i64, i64) {
    let number = |time| i64::try_from(time).unwrap_or(i64::MAX);
    (number(times.last()), number(times.seen()))
}

/// Returns the beginning of a row's key, for its checksum.
fn key(app: AppId, id: &str) -> [Column<'_>; 2] {
    [Column::Number(app.number().into()), Column::Text(id.as_bytes())]
}

/// The approximate size of one row, in bytes.
const ROW: usize = 96;

#[cfg(test)]
#[path = "touches_tests.rs"]
mod tests;
