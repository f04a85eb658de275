//! Events of owners: one row for each call that changed an owner, written in the transaction of the change.
//!
//! The rows are ordered by app, bucket and number, so that the feed is read in order. Each row refers to the previous
//! event of the same owner, and the owner's own rows refer to the latest, so that the events of one owner are found
//! without an index, which would cost another page for each change.

use std::collections::HashMap;

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};

use super::{error::attribute_damage, sums, upgrade};
use crate::{
    domain::{Delta, Event, Owner},
    store::{
        Damaged, StoreError, WantedEvents, Write,
        checksum::{Column, row_sum},
        document::{EventHeader, StoredEvent, decode_event, decode_header, encode_erased, encode_event},
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

/// The approximate number of bytes of an event, apart from its document.
const OVERHEAD: usize = 24;

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
    let NewEvent { bucket, previous, version, at, write, deltas } = *event;
    let range = (write.owner.app, bucket);
    let head = match head {
        Some(head) => head,
        None => last(db, range)?,
    };
    let number = head.number + 1;
    let header = EventHeader { user: write.owner.user.clone(), previous, version, at, total: head.total };
    let doc = encode_event(&header, write, deltas);
    db.prepare_cached("INSERT INTO event (app_id, bucket, number, doc, sum) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![write.owner.app.number(), bucket, signed(number), doc, sum(range, number, &doc)])?;
    let bytes = OVERHEAD + doc.len();
    Ok((Head { number, total: head.total + bytes as u64 }, bytes))
}

/// Returns the checksum of an event. It is computed here, because that is cheaper than in SQL.
fn sum((app, bucket): Range, number: u64, doc: &[u8]) -> i64 {
    let key = [app.number().into(), bucket.into(), signed(number)].map(Column::Number);
    row_sum("event", key.into_iter().chain([Column::Bytes(doc)]))
}

/// Reads the last event of a bucket.
///
/// # Errors
/// Returns any error of the store; [`Damaged::Database`] does not name the events.
pub(super) fn last(db: &Connection, (app, bucket): Range) -> Result<Head, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT number, doc FROM event WHERE app_id = ?1 AND bucket = ?2 ORDER BY number DESC LIMIT 1",
    )?;
    let mut rows = statement.query(params![app.number(), bucket])?;
    let Some(row) = rows.next()? else { return Ok(Head { number: unsigned(base(db)?), total: 0 }) };
    let doc = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
    let header = decode_header(doc).map_err(|reason| damaged((app, bucket), &reason))?;
    Ok(Head { number: unsigned(row.get(0)?), total: header.total + (OVERHEAD + doc.len()) as u64 })
}

/// Returns the error for an event that cannot be decoded.
pub(super) fn damaged((_, bucket): Range, reason: &str) -> StoreError {
    StoreError::Damaged { what: Damaged::Database, reason: format!("an event of bucket {bucket}: {reason}") }
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
/// Returns any error of the store; [`Damaged::Database`] does not name the events.
pub(super) fn erase(db: &Connection, owner: &Owner, bucket: u8, latest: u64) -> Result<usize, StoreError> {
    let (range, mut number, mut bytes) = ((owner.app, bucket), latest, 0);
    while number != 0 {
        let Some(header) = header_of(db, range, number)?.filter(|header| header.user == owner.user) else {
            break;
        };
        bytes += rewrite_erased(db, range, number, &header)?;
        // A damaged reference must not lead back to a later event.
        number = if header.previous < number { header.previous } else { 0 };
    }
    Ok(bytes)
}

/// Erases the contents of all events of an owner, even of those that a damaged row does not lead to any more.
///
/// # Errors
/// Returns any error of the store; [`Damaged::Database`] does not name the events.
pub(super) fn erase_all(db: &Connection, owner: &Owner, bucket: u8) -> Result<(), StoreError> {
    let range = (owner.app, bucket);
    let mut statement =
        db.prepare_cached("SELECT number, doc FROM event WHERE app_id = ?1 AND bucket = ?2")?;
    let mut rows = statement.query(params![owner.app.number(), bucket])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let header = decode_header(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)
            .map_err(|reason| damaged(range, &reason))?;
        if header.user == owner.user {
            found.push((unsigned(row.get(0)?), header));
        }
    }
    for (number, header) in found {
        rewrite_erased(db, range, number, &header)?;
    }
    Ok(())
}

fn header_of(db: &Connection, range: Range, number: u64) -> Result<Option<EventHeader>, StoreError> {
    let (app, bucket) = range;
    let mut statement =
        db.prepare_cached("SELECT doc, sum FROM event WHERE app_id = ?1 AND bucket = ?2 AND number = ?3")?;
    let mut rows = statement.query(params![app.number(), bucket, signed(number)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(read(row, range, number)?.header))
}

/// Replaces an event by one whose content is erased. Returns the approximate number of bytes written.
pub(super) fn rewrite_erased(
    db: &Connection,
    range: Range,
    number: u64,
    header: &EventHeader,
) -> Result<usize, StoreError> {
    let ((app, bucket), doc) = (range, encode_erased(header));
    db.prepare_cached(
        "UPDATE event SET doc = ?4, sum = ?5 WHERE app_id = ?1 AND bucket = ?2 AND number = ?3",
    )?
    .execute(params![app.number(), bucket, signed(number), doc, sum(range, number, &doc)])?;
    Ok(OVERHEAD + doc.len())
}

/// Reads an event from the columns `doc` and `sum`, and checks its sum.
///
/// # Errors
/// Returns any error of the store; [`Damaged::Database`] does not name the events.
pub(super) fn read(row: &Row<'_>, range: Range, number: u64) -> Result<StoredEvent, StoreError> {
    let (app, bucket) = range;
    let key = [app.number().into(), bucket.into(), signed(number)].map(Column::Number);
    sums::check("event", key, row, 1)?;
    let doc = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
    decode_event(doc).map_err(|reason| damaged(range, &reason))
}

/// Returns a stored event as the domain describes it.
pub(super) fn event(stored: StoredEvent, bucket: u8, number: u64, incarnation: u64) -> Event {
    let StoredEvent { header, operator, request, content } = stored;
    let EventHeader { version, at, .. } = header;
    Event { id: event_id(incarnation, bucket, number), version, at, operator, request, content }
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
        let mut statement = db
            .prepare_cached("SELECT doc, sum FROM event WHERE app_id = ?1 AND bucket = ?2 AND number = ?3")?;
        // An event with its size.
        let mut next = |number: u64| -> Result<Option<(StoredEvent, usize)>, StoreError> {
            let mut rows = statement.query(params![owner.app.number(), bucket, signed(number)])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let stored = read(row, (owner.app, bucket), number)?;
            let size = OVERHEAD + row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?.len();
            let is_own = stored.header.user == owner.user && stored.header.previous < number;
            Ok(is_own.then_some((stored, size)))
        };
        let mut found = OfOwner { is_complete: true, knows_before: true, ..OfOwner::default() };
        let (mut number, mut bytes) = (latest, 0);
        if let Some(before) = &wanted.before {
            let before = event_number(before, incarnation, bucket).map(&mut next).transpose()?.flatten();
            found.knows_before = before.is_some();
            number = before.map_or(0, |(stored, _)| stored.header.previous);
        }
        while number != 0 {
            let Some((stored, size)) = next(number)? else {
                // This event was removed, and all older ones with it.
                found.is_complete = false;
                break;
            };
            if wanted.after.is_some_and(|after| stored.header.version <= after) {
                break;
            }
            let is_full = bytes > 0 && wanted.bytes.is_some_and(|most| bytes + size > most);
            if is_full || found.events.len() == wanted.most {
                (found.is_complete, found.has_more) = (false, true);
                break;
            }
            bytes += size;
            let previous = stored.header.previous;
            found.events.push(event(stored, bucket, number, incarnation));
            number = previous;
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
