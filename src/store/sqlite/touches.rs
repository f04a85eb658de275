//! Touches: each reads the row that it concerns, and writes it only if a time rises. The times of chat groups are here, and
//! sessions in `sessions.rs`.

use std::{collections::HashMap, sync::atomic::Ordering};

use rusqlite::{Connection, Row, params};

use super::{SqliteStore, batch::PAGE, error::attribute_damage, events::unsigned, job::Job, sessions, sums};
use crate::{
    domain::{
        AppId, ChatGroup, ChatGroupId, ChatGroupTimes, ChatGroupTraffic, Conversation, LastMessage, Numbers,
        Owner, Posting, Session, SessionTimes, Touch,
    },
    store::{Damaged, Pending, Recent, RecentQuery, StoreError, Touches, checksum::Column, guarded},
};

/// Divides touches by the data that they concern, so that damage to some of it does not affect touches of other data.
pub(super) fn divided(touches: Vec<Touch>) -> HashMap<Damaged, Vec<Touch>> {
    let mut divided = HashMap::<Damaged, Vec<Touch>>::new();
    for touch in touches {
        let what = match &touch {
            Touch::Peer { owner, .. } => Damaged::Sessions(owner.clone()),
            Touch::ChatGroup { app, id, .. } | Touch::Messages { app, id, .. } => {
                Damaged::ChatGroupTimes(*app, id.clone())
            }
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
        Touch::Peer { owner, peer, times, needs_account: _ } => {
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
            let next = kept.touched(*times);
            if next == kept {
                return Ok(0);
            }
            write_chat_group(db, *app, id, next)?;
        }
        Touch::Messages { app, id, incarnation, last } => {
            let kept = chat_group(db, *app, id)?;
            let next = kept.counted(*incarnation, *last);
            if next == kept {
                return Ok(0);
            }
            write_chat_group(db, *app, id, next)?;
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
    match next.carried(chat_group(db, app, id)?.times, incarnation) {
        Some(times) => raise(db, &Touch::ChatGroup { app, id: id.clone(), times }),
        None => Ok(0),
    }
}

/// Gives messages their numbers. Returns them, or `None` if the chat group was destroyed in the meantime, and the
/// approximate number of bytes written.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the times of the chat group.
pub(super) fn post(db: &Connection, posting: &Posting) -> Result<(Option<Numbers>, usize), StoreError> {
    let Posting { app, id, dry_run, .. } = posting;
    let write = || {
        let kept = chat_group(db, *app, id)?;
        let Some((numbers, next)) = guarded(|| posting.decide(kept))? else { return Ok((None, 0)) };
        if *dry_run || next == kept {
            return Ok((Some(numbers), 0));
        }
        write_chat_group(db, *app, id, next)?;
        Ok((Some(numbers), PAGE))
    };
    attribute_damage(|| Damaged::ChatGroupTimes(*app, id.clone()), write())
}

fn write_chat_group(
    db: &Connection,
    app: AppId,
    id: &ChatGroupId,
    next: ChatGroupTraffic,
) -> Result<(), StoreError> {
    let ChatGroupTraffic { times: ChatGroupTimes { incarnation, times }, last: message } = next;
    let (last, seen) = numbers(times);
    let present = |number: u64| (number > 0).then(|| i64::try_from(number).unwrap_or(i64::MAX));
    let (number, at) = (present(message.number.into()), present(message.at));
    db.prepare_cached(
        "INSERT INTO chat_group_times (app_id, group_id, incarnation, last, seen, number, at, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, row_sum('chat_group_times', ?1, ?2, ?3, ?4, ?5, ?6, ?7))
         ON CONFLICT DO UPDATE SET incarnation = excluded.incarnation, last = excluded.last, seen = excluded.seen,
            number = excluded.number, at = excluded.at, sum = excluded.sum",
    )?
    .execute(params![app.number(), id.as_str(), incarnation, last, seen, number, at])?;
    Ok(())
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
    Ok(traffic(db, app, id)?.times.of(incarnation))
}

/// Reads what is kept of the messages to a chat group.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the times of the chat group.
pub(super) fn traffic(db: &Connection, app: AppId, id: &ChatGroupId) -> Result<ChatGroupTraffic, StoreError> {
    attribute_damage(|| Damaged::ChatGroupTimes(app, id.clone()), chat_group(db, app, id))
}

/// Reads the row of a chat group. One that is not stored has no times and no messages.
fn chat_group(db: &Connection, app: AppId, id: &ChatGroupId) -> Result<ChatGroupTraffic, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT incarnation, last, seen, number, at, sum FROM chat_group_times WHERE app_id = ?1 AND group_id = ?2",
    )?;
    let mut rows = statement.query(params![app.number(), id.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(ChatGroupTraffic::default()) };
    sums::check("chat_group_times", key(app, id.as_str()), row, 5)?;
    let last = LastMessage {
        number: row.get::<_, Option<u32>>(3)?.unwrap_or_default(),
        at: row.get::<_, Option<i64>>(4)?.map_or(0, unsigned),
    };
    Ok(ChatGroupTraffic { times: ChatGroupTimes { incarnation: row.get(0)?, times: times(row, 1)? }, last })
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
        self.readers.run(move |reader| reader.traffic(app, &lives, |kept, life| kept.times.of(life)))
    }

    fn post(&self, posting: Posting) -> Pending<'_, Option<Numbers>> {
        let unsettled = self.unsettled(Some(posting.now));
        let posting = Box::new(posting);
        self.queue(|slot| Job::Post { posting, slot, unsettled })
    }

    fn last_messages(&self, app: AppId, lives: Vec<(ChatGroupId, u32)>) -> Pending<'_, Vec<LastMessage>> {
        self.readers.run(move |reader| reader.traffic(app, &lives, ChatGroupTraffic::of))
    }
}

#[cfg(test)]
#[path = "touches_tests.rs"]
mod tests;
