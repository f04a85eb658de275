//! Touches: each reads the row that it concerns, and writes it only if a time rises. The times of chat groups are here, and
//! sessions in `sessions.rs`.

use std::{collections::HashMap, sync::atomic::Ordering};

use rusqlite::{Connection, Row, params};

use super::{SqliteStore, batch::PAGE, error::attribute_damage, job::Job, sessions, sums};
use crate::{
    domain::{AppId, ChatGroupId, ChatGroupTimes, Conversation, Owner, Session, SessionTimes, Touch},
    store::{Damaged, Pending, Recent, RecentQuery, StoreError, Touches, checksum::Column},
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
            let conversation = Conversation::User(peer.clone());
            let kept = sessions::one(db, owner, &conversation)?;
            let next = kept.touched(*times);
            if next == kept {
                return Ok(0);
            }
            sessions::write(db, owner, &conversation, next)?;
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

impl Touches for SqliteStore {
    fn touch(&self, touches: Vec<Touch>) -> Pending<'_, ()> {
        let queued: Vec<_> = (divided(touches).into_iter())
            .map(|(what, touches)| {
                let unsettled = self.unsettled(touches.iter().map(|touch| touch.seen()).min());
                self.queue(|slot| Job::Touch { what, touches, slot, unsettled })
            })
            .collect();
        Box::pin(async {
            let mut outcome = Ok(());
            for raised in queued {
                outcome = outcome.and(raised.await);
            }
            outcome
        })
    }

    fn sessions(&self, owner: &Owner, named: Vec<Conversation>) -> Pending<'_, Vec<Session>> {
        let owner = owner.clone();
        self.readers.run(move |reader| reader.sessions(&owner, &named))
    }

    fn recent(&self, owner: &Owner, query: RecentQuery) -> Pending<'_, Recent> {
        // This comes before the read, which includes everything that has been written by then.
        let settled = self.shared.lists.settled(query.terms.now);
        if !self.closed.load(Ordering::Acquire)
            && let Some(found) = self.shared.lists.get(owner, &query)
        {
            return Box::pin(async move { Ok(Recent { sessions: found, settled }) });
        }
        let owner = owner.clone();
        self.readers
            .run(move |reader| reader.recent(&owner, &query).map(|sessions| Recent { sessions, settled }))
    }

    fn chat_group_times(&self, app: AppId, lives: Vec<(ChatGroupId, u32)>) -> Pending<'_, Vec<SessionTimes>> {
        self.readers.run(move |reader| reader.chat_group_times(app, &lives))
    }
}

#[cfg(test)]
#[path = "touches_tests.rs"]
mod tests;
