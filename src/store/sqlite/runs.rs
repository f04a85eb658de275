//! The runs of the store: each time it was opened for changes, under a random name. Together with the number of the last
//! event, they show whether a state or cursor of a client describes something that this store has been through. A restored
//! copy of the files begins a run of its own, and knows nothing of what the original did after the copy was made.
//!
//! If the rows of runs cannot be read, nothing that clients got before counts. They then read everything again.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    events::{self, signed, unsigned},
    sums,
};
use crate::store::{HistoryPoint, StoreError};

/// The number of runs that are remembered.
const RUNS: i64 = 4_096;

/// Records that a run begins after the last event.
///
/// # Errors
/// Returns any error of the store except damage.
pub(super) fn begin(db: &Connection) -> Result<(), StoreError> {
    unless_damaged((), || {
        let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
        begin_within(&transaction)?;
        Ok(transaction.commit()?)
    })
}

/// Forgets all runs, so that nothing that clients got before counts.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn forget(db: &Connection) -> rusqlite::Result<()> {
    db.execute("DELETE FROM run", []).map(drop)
}

/// Like [`begin`], as a part of a transaction.
///
/// # Errors
/// Returns any error of the store.
pub(super) fn begin_within(db: &Connection) -> Result<(), StoreError> {
    let began = signed(events::last(db)?.number);
    let (number, id): (i64, i64) =
        db.query_row("SELECT coalesce(max(number), 0) + 1, random() FROM run", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    db.execute(
        "INSERT INTO run (number, id, began, sum) VALUES (?1, ?2, ?3, row_sum('run', ?1, ?2, ?3))",
        params![number, id, began],
    )?;
    db.execute("DELETE FROM run WHERE number <= ?1", [number - RUNS])?;
    Ok(())
}

/// Returns the name of the current run. It is 0 if that is unknown.
///
/// # Errors
/// Returns any error of the store except damage.
pub(super) fn current(db: &Connection) -> Result<u64, StoreError> {
    unless_damaged(0, || {
        let id: Option<i64> = db
            .prepare_cached("SELECT id FROM run ORDER BY number DESC LIMIT 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(id.map_or(0, i64::cast_unsigned))
    })
}

/// Checks whether the store has been through this point.
///
/// # Errors
/// Returns any error of the store except damage.
pub(super) fn has_been_through(db: &Connection, point: HistoryPoint) -> Result<bool, StoreError> {
    unless_damaged(false, || {
        let select = "SELECT number, id, began, sum FROM run WHERE";
        let mut statement = db.prepare_cached(&format!("{select} id = ?1"))?;
        let mut rows = statement.query([point.run.cast_signed()])?;
        let Some(row) = rows.next()? else { return Ok(false) };
        sums::check("run", [], row, 3)?;
        let mut statement = db.prepare_cached(&format!("{select} number > ?1 ORDER BY number LIMIT 1"))?;
        let mut rows = statement.query([row.get::<_, i64>(0)?])?;
        let end = match rows.next()? {
            Some(row) => {
                sums::check("run", [], row, 3)?;
                unsigned(row.get(2)?)
            }
            // It is the current run.
            None => events::last(db)?.number,
        };
        Ok(point.event <= end)
    })
}

/// Returns what `read` returns, or `otherwise` if the rows are damaged.
fn unless_damaged<T>(otherwise: T, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    match read() {
        Err(StoreError::Damaged { .. }) => Ok(otherwise),
        result => result,
    }
}
