//! Removes events that are too old, or too many.

use rusqlite::{Connection, params};

use super::{
    deliveries::delivered,
    error::committing,
    events::{OVERHEAD, damaged, last, note_removed, raise_base, signed, unsigned},
};
use crate::store::{Retention, StoreError, document::decode_header};

/// How many events are removed at a time, so that removing many of them takes several small transactions.
const AT_ONCE: usize = 1_000;

/// Removes some of the events that are older than `retention` allows at the time `now`, in milliseconds, or that exceed
/// its size. Returns how many were removed. Old events stay while a webhook has not delivered them, unless the size is
/// exceeded.
///
/// # Errors
/// Returns any error of the store.
pub(super) fn trim(db: &Connection, retention: Retention, now: u64) -> Result<usize, StoreError> {
    let before = now.saturating_sub(retention.seconds.saturating_mul(1_000));
    let head = last(db)?;
    let kept_from = head.total.saturating_sub(retention.bytes);
    let mut statement = db.prepare_cached("SELECT number, doc FROM event ORDER BY number LIMIT ?1")?;
    let mut rows = statement.query([i64::try_from(AT_ONCE).unwrap_or(i64::MAX)])?;
    let delivered = delivered(db)?.unwrap_or(u64::MAX);
    let mut removable = None;
    while let Some(row) = rows.next()? {
        let doc = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let header = decode_header(doc).map_err(|reason| damaged(&reason))?;
        // The last bytes of the event have to be within the size, too.
        let is_too_much = header.total + ((OVERHEAD + doc.len()) as u64) <= kept_from;
        let number = unsigned(row.get(0)?);
        if !is_too_much && (header.at >= before || number > delivered) {
            break;
        }
        removable = Some(number);
    }
    drop(rows);
    let Some(number) = removable else { return Ok(0) };
    remove(db, head.number, number).map_err(committing)
}

/// Removes the events up to this number. The last event has the number `head`.
fn remove(db: &Connection, head: u64, number: u64) -> rusqlite::Result<usize> {
    let transaction = db.unchecked_transaction()?;
    // The numbers go on even if no event is left.
    raise_base(&transaction, head)?;
    note_removed(&transaction, number)?;
    let removed = transaction
        .prepare_cached("DELETE FROM event WHERE number <= ?1")?
        .execute(params![signed(number)])?;
    transaction.commit()?;
    Ok(removed)
}
