//! Events of owners: one row for each call that changed an owner, written in the transaction of the change.
//!
//! The rows are in the order in which they were committed, so that the events of one transaction are next to each other.
//! Each row refers to the previous event of the same owner, and the owner's own rows refer to the latest, so that the
//! events of one owner are found without an index. A change therefore writes about one page more than without its event.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::{error::attribute_damage, lives::incarnation, sums, upgrade};
use crate::{
    domain::{AppId, Delta, Event, Owner},
    store::{
        Damaged, Place, StoreError, WantedEvents, Write,
        checksum::{Column, row_sum},
        document::{EventHeader, StoredEvent, decode_event, decode_header, encode_erased, encode_event},
        events::{event_id, event_number},
    },
};

/// The last event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    pub(super) number: u64,
    /// The number of bytes of all events so far, including removed ones.
    pub(super) total: u64,
}

/// The approximate number of bytes of an event, apart from its document.
pub(super) const OVERHEAD: usize = 24;

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

/// Records a change after the last event, which is `head`. Returns the new last event, and the approximate number of bytes
/// written.
///
/// # Errors
/// Returns any error of the store; [`Damaged::Database`] does not name the events.
pub(super) fn record(db: &Connection, head: Head, event: &NewEvent<'_>) -> Result<(Head, usize), StoreError> {
    let NewEvent { bucket, previous, version, at, write, deltas } = *event;
    let (app, number) = (write.owner.app, head.number + 1);
    let header = EventHeader { user: write.owner.user.clone(), previous, version, at, total: head.total };
    let doc = encode_event(&header, write, deltas);
    db.prepare_cached("INSERT INTO event (number, app_id, bucket, doc, sum) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![signed(number), app.number(), bucket, doc, sum(number, app, bucket, &doc)])?;
    let bytes = OVERHEAD + doc.len();
    Ok((Head { number, total: head.total + bytes as u64 }, bytes))
}

/// Returns the checksum of an event. It is computed here, because that is cheaper than in SQL.
fn sum(number: u64, app: AppId, bucket: u8, doc: &[u8]) -> i64 {
    let key = [signed(number), app.number().into(), bucket.into()].map(Column::Number);
    row_sum("event", key.into_iter().chain([Column::Bytes(doc)]))
}

/// Reads the last event. Its number is never lower than that of an event which existed before.
///
/// # Errors
/// Returns any error of the store; [`Damaged::Database`] does not name the events.
pub(super) fn last(db: &Connection) -> Result<Head, StoreError> {
    let base = unsigned(base(db)?);
    let mut statement = db.prepare_cached("SELECT number, doc FROM event ORDER BY number DESC LIMIT 1")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(Head { number: base, total: 0 }) };
    let doc = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
    let total = decode_header(doc).map_err(|reason| damaged(&reason))?.total;
    Ok(Head { number: unsigned(row.get(0)?).max(base), total: total + (OVERHEAD + doc.len()) as u64 })
}

/// Returns the error for an event that cannot be decoded.
pub(super) fn damaged(reason: &str) -> StoreError {
    StoreError::Damaged { what: Damaged::Database, reason: format!("an event: {reason}") }
}

/// Returns the number after which events begin. It is 0 unless events were given up or reset.
fn base(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT event_base FROM store")?.query_row([], |row| row.get(0))
}

/// Makes sure that the numbers of later events are higher than all earlier ones, even if these are deleted.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn raise_base(db: &Connection, number: u64) -> rusqlite::Result<()> {
    db.execute("UPDATE store SET event_base = max(event_base, ?1)", [signed(number)]).map(drop)
}

/// Replaces the table of events by an empty one, because it is damaged. Otherwise, no owner could be changed. New events
/// get higher numbers than all earlier ones, so that those who follow changes notice the gap. `now` is the time in
/// milliseconds.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn give_up(db: &Connection, now: u64) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    // The last number may be unreadable. There are never as many events in a millisecond.
    let base = unsigned(base(&transaction)?).max(now.saturating_mul(1_024)).saturating_add(1);
    // The pages of the old table are freed if they can be read. Otherwise they stay in the file and are not used.
    let name = format!("damaged_event_{base}");
    transaction.execute_batch(&format!("ALTER TABLE event RENAME TO {name}; {}", upgrade::EVENTS))?;
    raise_base(&transaction, base)?;
    note_removed(&transaction, base)?;
    transaction.commit()?;
    let _ = db.execute_batch(&format!("DROP TABLE {name}"));
    Ok(())
}

/// Erases the contents of an owner's events, beginning with the latest. Returns the approximate number of bytes written.
///
/// # Errors
/// Returns any error of the store; [`Damaged::Database`] does not name the events.
pub(super) fn erase(db: &Connection, owner: &Owner, latest: u64) -> Result<usize, StoreError> {
    let (mut number, mut bytes) = (latest, 0);
    while let Some((bucket, stored)) = of_number(db, owner, number)? {
        bytes += rewrite_erased(db, number, owner.app, bucket, &stored.header)?;
        number = stored.header.previous;
    }
    Ok(bytes)
}

/// Erases the contents of all events of an owner, even of those that a damaged row does not lead to any more.
///
/// # Errors
/// Returns any error of the store; [`Damaged::Database`] does not name the events.
pub(super) fn erase_all(db: &Connection, owner: &Owner, bucket: u8) -> Result<(), StoreError> {
    let mut statement =
        db.prepare_cached("SELECT number, doc FROM event WHERE app_id = ?1 AND bucket = ?2")?;
    let mut rows = statement.query(params![owner.app.number(), bucket])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let doc = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let header = decode_header(doc).map_err(|reason| damaged(&reason))?;
        if header.user == owner.user {
            found.push((unsigned(row.get(0)?), header));
        }
    }
    for (number, header) in found {
        rewrite_erased(db, number, owner.app, bucket, &header)?;
    }
    Ok(())
}

/// Replaces an event by one whose content is erased. Returns the approximate number of bytes written.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn rewrite_erased(
    db: &Connection,
    number: u64,
    app: AppId,
    bucket: u8,
    header: &EventHeader,
) -> rusqlite::Result<usize> {
    let doc = encode_erased(header);
    db.prepare_cached("UPDATE event SET doc = ?2, sum = ?3 WHERE number = ?1")?.execute(params![
        signed(number),
        doc,
        sum(number, app, bucket, &doc)
    ])?;
    Ok(OVERHEAD + doc.len())
}

/// Reads an event from the columns `app_id`, `bucket`, `doc` and `sum`, and checks its sum.
///
/// # Errors
/// Returns any error of the store; [`Damaged::Database`] does not name the events.
pub(super) fn read(row: &Row<'_>, number: u64) -> Result<StoredEvent, StoreError> {
    sums::check("event", [Column::Number(signed(number))], row, 3)?;
    let doc = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
    decode_event(doc).map_err(|reason| damaged(&reason))
}

/// Reads the event with this number and its bucket, if it is one of the owner.
fn of_number(db: &Connection, owner: &Owner, number: u64) -> Result<Option<(u8, StoredEvent)>, StoreError> {
    if number == 0 {
        return Ok(None);
    }
    let mut statement = db.prepare_cached("SELECT app_id, bucket, doc, sum FROM event WHERE number = ?1")?;
    let mut rows = statement.query([signed(number)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let stored = read(row, number)?;
    let is_own = row.get::<_, u32>(0)? == owner.app.number() && stored.header.user == owner.user;
    // A reference never leads to a later event.
    Ok((is_own && stored.header.previous < number).then_some((row.get(1)?, stored)))
}

/// Returns a stored event as the domain describes it.
pub(super) fn event(stored: StoredEvent, number: u64, incarnation: u64) -> Event {
    let StoredEvent { header, operator, request, content, .. } = stored;
    let EventHeader { version, at, .. } = header;
    Event { id: event_id(incarnation, number, at), version, at, operator, request, content }
}

/// The events of an owner.
#[derive(Default)]
pub(super) struct OfOwner {
    pub(super) events: Vec<Event>,
    pub(super) is_complete: bool,
    pub(super) has_more: bool,
    pub(super) knows_before: bool,
}

/// Checks that the owner's last event, whose number is `latest`, is the one that a write expects.
///
/// # Errors
/// Returns [`StoreError::Elsewhere`] with the owner's place if it is another, or any error of reading it.
pub(super) fn check_last(
    db: &Connection,
    write: &Write,
    latest: u64,
    place: Place,
) -> Result<(), StoreError> {
    let Some(expected) = &write.last_event else { return Ok(()) };
    let wanted = WantedEvents { most: 1, ..WantedEvents::default() };
    let found = of_owner(db, &write.owner, latest, &wanted)?;
    if found.events.first() == Some(expected) { Ok(()) } else { Err(StoreError::Elsewhere(place)) }
}

/// Reads the wanted events of an owner, whose latest event is `latest`.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the events.
pub(super) fn of_owner(
    db: &Connection,
    owner: &Owner,
    latest: u64,
    wanted: &WantedEvents,
) -> Result<OfOwner, StoreError> {
    let next = |number: u64| attribute_damage(|| Damaged::Events, of_number(db, owner, number));
    let incarnation = incarnation(db)?;
    let mut found = OfOwner { is_complete: true, knows_before: true, ..OfOwner::default() };
    let (mut number, mut bytes) = (latest, 0);
    if let Some(before) = &wanted.before {
        let before = match event_number(before, incarnation) {
            Some((number, at)) => next(number)?.filter(|(_, stored)| stored.header.at == at),
            None => None,
        };
        found.knows_before = before.is_some();
        number = before.map_or(0, |(_, stored)| stored.header.previous);
    }
    while number != 0 {
        let Some((_, stored)) = next(number)? else {
            // This event was removed, and all older ones with it.
            found.is_complete = false;
            break;
        };
        if wanted.after.is_some_and(|after| stored.header.version <= after) {
            break;
        }
        let is_full = bytes > 0 && wanted.bytes.is_some_and(|most| bytes + stored.bytes > most);
        if is_full || found.events.len() == wanted.most {
            (found.is_complete, found.has_more) = (false, true);
            break;
        }
        bytes += stored.bytes;
        let previous = stored.header.previous;
        found.events.push(event(stored, number, incarnation));
        number = previous;
    }
    Ok(found)
}

/// Returns the number up to which all events were removed. `head` is the number of the last event.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn removed(db: &Connection, head: u64) -> rusqlite::Result<u64> {
    let noted: Option<i64> =
        db.prepare_cached("SELECT removed FROM store")?.query_row([], |row| row.get(0))?;
    if let Some(number) = noted {
        return Ok(unsigned(number));
    }
    // No event was removed since the store was upgraded.
    let oldest = db
        .prepare_cached("SELECT number FROM event ORDER BY number LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(oldest.map_or(head, |number| unsigned(number).saturating_sub(1)))
}

/// Notes up to which number all events were removed, unless that is noted already. It has to be done before a number is
/// used up or events of one app are removed, since the oldest event does not show it any more after that. `head` is the number of
/// the last event.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn settle_removed(db: &Connection, head: u64) -> rusqlite::Result<()> {
    let is_noted: bool =
        db.prepare_cached("SELECT removed IS NOT NULL FROM store")?.query_row([], |row| row.get(0))?;
    if is_noted {
        return Ok(());
    }
    let number = removed(db, head)?;
    note_removed(db, number)
}

/// Notes that all events up to this number were removed.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn note_removed(db: &Connection, number: u64) -> rusqlite::Result<()> {
    db.execute("UPDATE store SET removed = max(coalesce(removed, 0), ?1)", [signed(number)]).map(drop)
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
