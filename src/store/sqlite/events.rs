//! Events of owners: one row for each call that changed an owner, written in the transaction of the change.
//!
//! The rows are ordered by app, bucket and number, so that the feed is read in order. Each row refers to the previous
//! event of the same owner, and the owner's own rows refer to the latest, so that the events of one owner are found
//! without an index, which would cost another page for each change.

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::{error::attribute_damage, sums, upgrade};
use crate::{
    domain::{Delta, Event, Owner},
    store::{
        Damaged, StoreError, WantedEvents, Write,
        checksum::Column,
        document::{decode_content, encode_content},
        events::{Range, event_id, event_number},
    },
};

/// The last event of a bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    pub(super) number: u64,
    /// The number of bytes of all events of the bucket so far, including removed ones.
    pub(super) total: u64,
}

/// The last event of each bucket that was written to since the store was opened.
pub(super) type Heads = HashMap<Range, Head>;

/// The approximate number of bytes of an event, apart from its texts and content.
const OVERHEAD: usize = 48;

/// A change to record.
pub(super) struct NewEvent<'a> {
    /// The owner's bucket.
    pub(super) bucket: u8,
    /// The number of the owner's previous event; 0 if there is none.
    pub(super) previous: u64,
    pub(super) version: u32,
    /// The time in milliseconds.
    pub(super) at: u64,
    pub(super) write: &'a Write,
    pub(super) deltas: &'a [Delta],
}

/// Records a change after the last event of the owner's bucket, which is `head` if that is known. Returns the new last
/// event, and the approximate number of bytes written.
///
/// # Errors
/// Returns any error of the store; [`Damaged::Database`] does not name the events.
pub(super) fn record(
    db: &Connection,
    head: Option<Head>,
    event: &NewEvent<'_>,
) -> Result<(Head, usize), StoreError> {
    let NewEvent { bucket, previous, version, at, write: Write { owner, edit, context, .. }, deltas } =
        *event;
    let head = match head {
        Some(head) => head,
        None => last(db, (owner.app, bucket))?,
    };
    let doc = encode_content(edit, deltas);
    let texts =
        [&context.identifier, &context.request].map(|text| text.as_ref().map_or(0, |text| text.len()));
    let bytes = OVERHEAD + owner.user.as_str().len() + texts.iter().sum::<usize>() + doc.len();
    let next = Head { number: head.number + 1, total: head.total + bytes as u64 };
    db.prepare_cached(
        "INSERT INTO event (app_id, bucket, number, user_id, previous, total, at, version, operator, request, doc, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
            row_sum('event', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11))",
    )?
    .execute(params![
        owner.app.number(),
        bucket,
        signed(next.number),
        owner.user.as_str(),
        signed(previous),
        signed(next.total),
        signed(at),
        version,
        context.identifier.as_deref(),
        context.request.as_deref(),
        doc,
    ])?;
    Ok((next, bytes))
}

/// Reads the last event of a bucket.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn last(db: &Connection, (app, bucket): Range) -> rusqlite::Result<Head> {
    let found = db
        .prepare_cached(
            "SELECT number, total FROM event WHERE app_id = ?1 AND bucket = ?2 ORDER BY number DESC LIMIT 1",
        )?
        .query_row(params![app.number(), bucket], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (number, total) = match found {
        Some(found) => found,
        None => (base(db)?, 0),
    };
    Ok(Head { number: unsigned(number), total: unsigned(total) })
}

/// Returns the number after which the events of each bucket begin. It is 0 unless damaged events were given up.
fn base(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT event_base FROM store")?.query_row([], |row| row.get(0))
}

/// Replaces the table of events by an empty one, because it is damaged. Otherwise, the owners whose events are on a
/// damaged page could not be changed. New events get higher numbers than all earlier ones, so that those who follow
/// changes notice the gap. `now` is the time in milliseconds.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn give_up(db: &Connection, now: u64) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    let base = base(&transaction)?.max(signed(now.saturating_mul(256))).saturating_add(1);
    // The pages of the old table are freed if they can be read. Otherwise they stay in the file and are not used.
    let name = format!("damaged_event_{base}");
    transaction.execute_batch(&format!("ALTER TABLE event RENAME TO {name}; {}", upgrade::EVENTS))?;
    transaction.execute("UPDATE store SET event_base = ?1", [base])?;
    transaction.commit()?;
    let _ = db.execute_batch(&format!("DROP TABLE {name}"));
    Ok(())
}

/// Erases the contents of an owner's events, beginning with the latest. Returns the approximate number of bytes written.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn erase(db: &Connection, owner: &Owner, bucket: u8, latest: u64) -> Result<usize, StoreError> {
    let mut erase = db.prepare_cached(
        "UPDATE event SET operator = NULL, request = NULL, doc = x'', sum =
            row_sum('event', app_id, bucket, number, user_id, previous, total, at, version, NULL, NULL, x'')
         WHERE app_id = ?1 AND bucket = ?2 AND number = ?3 AND user_id = ?4 RETURNING previous",
    )?;
    let (mut number, mut bytes) = (latest, 0);
    while number != 0 {
        let key = params![owner.app.number(), bucket, signed(number), owner.user.as_str()];
        let previous = erase.query_row(key, |row| row.get(0)).optional()?.map_or(0, unsigned);
        // A damaged reference must not lead back to a later event.
        number = if previous < number { previous } else { 0 };
        bytes += OVERHEAD;
    }
    Ok(bytes)
}

/// Erases the contents of all events of an owner, even of those that a damaged row no longer leads to.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn erase_all(db: &Connection, owner: &Owner, bucket: u8) -> Result<(), StoreError> {
    db.execute(
        "UPDATE event SET operator = NULL, request = NULL, doc = x'', sum =
            row_sum('event', app_id, bucket, number, user_id, previous, total, at, version, NULL, NULL, x'')
         WHERE app_id = ?1 AND bucket = ?2 AND user_id = ?3",
        params![owner.app.number(), bucket, owner.user.as_str()],
    )?;
    Ok(())
}

pub(super) const COLUMNS: &str = "user_id, previous, total, at, version, operator, request, doc, sum";

/// An event as it is stored.
pub(super) struct Stored {
    pub(super) user: String,
    previous: u64,
    /// The number of bytes of the content.
    bytes: usize,
    pub(super) event: Event,
}

/// Reads an event from the columns of [`COLUMNS`], and checks its sum.
pub(super) fn read(row: &Row<'_>, range: Range, number: u64, incarnation: u64) -> Result<Stored, StoreError> {
    let (app, bucket) = range;
    let key = [app.number().into(), bucket.into(), signed(number)].map(Column::Number);
    sums::check("event", key, row, 8)?;
    let text = |column| row.get::<_, Option<String>>(column).map(|text| text.map(Arc::from));
    let doc = row.get_ref(7)?.as_blob().map_err(rusqlite::Error::from)?;
    let content = decode_content(doc).map_err(|reason| StoreError::Damaged {
        what: Damaged::Database,
        reason: format!("event {number} of bucket {bucket}: {reason}"),
    })?;
    Ok(Stored {
        user: row.get(0)?,
        previous: unsigned(row.get(1)?),
        bytes: doc.len(),
        event: Event {
            id: event_id(incarnation, bucket, number),
            version: row.get(4)?,
            at: unsigned(row.get(3)?),
            operator: text(5)?,
            request: text(6)?,
            content,
        },
    })
}

/// The events of an owner.
#[derive(Default)]
pub(super) struct OfOwner {
    pub(super) events: Vec<Event>,
    pub(super) is_complete: bool,
    pub(super) has_more: bool,
    pub(super) knows_before: bool,
}

/// Reads the wanted events of an owner, whose latest event is `latest`.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the events.
pub(super) fn of_owner(
    db: &Connection,
    owner: &Owner,
    bucket: u8,
    latest: u64,
    incarnation: u64,
    wanted: &WantedEvents,
) -> Result<OfOwner, StoreError> {
    let read_all = || {
        let mut statement = db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM event WHERE app_id = ?1 AND bucket = ?2 AND number = ?3"
        ))?;
        let mut next = |number: u64| -> Result<Option<Stored>, StoreError> {
            let mut rows = statement.query(params![owner.app.number(), bucket, signed(number)])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let stored = read(row, (owner.app, bucket), number, incarnation)?;
            Ok((stored.user == owner.user.as_str() && stored.previous < number).then_some(stored))
        };
        let mut found = OfOwner { is_complete: true, knows_before: true, ..OfOwner::default() };
        let (mut number, mut bytes) = (latest, 0);
        if let Some(before) = &wanted.before {
            let before = event_number(before, incarnation, bucket).map(&mut next).transpose()?.flatten();
            found.knows_before = before.is_some();
            number = before.map_or(0, |stored| stored.previous);
        }
        while number != 0 {
            let Some(stored) = next(number)? else {
                // This event was removed, and all older ones with it.
                found.is_complete = false;
                break;
            };
            if wanted.after.is_some_and(|after| stored.event.version <= after) {
                break;
            }
            let is_full = bytes > 0 && wanted.bytes.is_some_and(|most| bytes + stored.bytes > most);
            if is_full || found.events.len() == wanted.most {
                (found.is_complete, found.has_more) = (false, true);
                break;
            }
            bytes += OVERHEAD + stored.bytes;
            found.events.push(stored.event);
            number = stored.previous;
        }
        Ok(found)
    };
    attribute_damage(|| Damaged::Events, read_all())
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
