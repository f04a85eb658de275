//! The outcomes of writes that a caller may repeat, by the caller's key. They are written in the transaction of the
//! change, so that a repetition finds either the change and its outcome or neither.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{batch::PAGE, error::attribute_damage, events::signed, sums, upgrade};
use crate::{
    domain::{Outcome, Owner, Receipt, UnixSeconds},
    store::{
        Damaged, OPERATION_SECONDS, OPERATIONS, Operation, StoreError, Write,
        checksum::{Column, row_sum},
        document::{decode_receipt, encode_receipt},
    },
};

/// Finds the outcome of the operation of a write, if it was done before.
///
/// # Errors
/// Returns [`StoreError::KeyReused`] if the key stands for another operation, and [`StoreError::Damaged`], which names the
/// owner's keys.
pub(super) fn repeated(db: &Connection, write: &Write) -> Result<Option<Outcome>, StoreError> {
    let Some(operation) = write.kept_operation() else { return Ok(None) };
    let Some(receipt) = find(db, &write.owner, operation, write.terms.now)? else { return Ok(None) };
    operation.repeated(&receipt, &write.edit).map(Some).ok_or(StoreError::Rule)
}

/// Keeps the outcome of a write that may be repeated. Returns the approximate number of bytes written.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the owner's keys.
pub(super) fn keep(db: &Connection, write: &Write, outcome: &Outcome) -> Result<usize, StoreError> {
    match (write.kept_operation(), Receipt::of(&write.edit, outcome)) {
        (Some(operation), Some(receipt)) => {
            Ok(PAGE + record(db, &write.owner, operation, &receipt, write.terms.now)?)
        }
        _ => Ok(0),
    }
}

fn find(
    db: &Connection,
    owner: &Owner,
    operation: &Operation,
    now: UnixSeconds,
) -> Result<Option<Receipt>, StoreError> {
    let find = || {
        let mut statement = db.prepare_cached(
            "SELECT fingerprint, at, doc, sum FROM operation
             WHERE app_id = ?1 AND user_id = ?2 AND identifier = ?3 AND key = ?4",
        )?;
        let Operation { identifier, key, .. } = operation;
        let mut rows =
            statement.query(params![owner.app.number(), owner.user.as_str(), &**identifier, &**key])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        sums::check("operation", of(owner, operation), row, 3)?;
        if row.get::<_, i64>(1)? < signed(now.saturating_sub(OPERATION_SECONDS)) {
            return Ok(None);
        }
        if row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)? != operation.fingerprint.to_be_bytes() {
            return Err(StoreError::KeyReused);
        }
        let doc = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
        let damaged = |reason| StoreError::Damaged { what: Damaged::Database, reason };
        decode_receipt(doc).map(Some).map_err(damaged)
    };
    attribute_damage(|| Damaged::Keys(owner.clone()), find())
}

/// Records an operation with its receipt, and removes those of the owner that are too old or too many. Returns the
/// approximate number of bytes written.
fn record(
    db: &Connection,
    owner: &Owner,
    operation: &Operation,
    receipt: &Receipt,
    now: UnixSeconds,
) -> Result<usize, StoreError> {
    let record = || {
        let (app, user) = (owner.app.number(), owner.user.as_str());
        let Operation { identifier, key, fingerprint, .. } = operation;
        let (fingerprint, doc) = (fingerprint.to_be_bytes(), encode_receipt(receipt));
        let columns = [Column::Bytes(&fingerprint), Column::Number(signed(now)), Column::Bytes(&doc)];
        let sum = row_sum("operation", of(owner, operation).into_iter().chain(columns));
        db.prepare_cached(
            "INSERT OR REPLACE INTO operation (app_id, user_id, identifier, key, fingerprint, at, doc, sum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![app, user, &**identifier, &**key, fingerprint, signed(now), doc, sum])?;
        // Of those with the same time, the key decides, so that each new one finds room.
        db.prepare_cached(
            "DELETE FROM operation WHERE app_id = ?1 AND user_id = ?2 AND (identifier, key) != (?3, ?4) AND (at < ?5
                OR (identifier, key) IN (SELECT identifier, key FROM operation WHERE app_id = ?1 AND user_id = ?2
                    AND (identifier, key) != (?3, ?4) ORDER BY at DESC, key LIMIT -1 OFFSET ?6))",
        )?
        .execute(params![
            app,
            user,
            &**identifier,
            &**key,
            signed(now.saturating_sub(OPERATION_SECONDS)),
            signed(OPERATIONS as u64 - 1)
        ])?;
        Ok(identifier.len() + key.len() + doc.len() + 64)
    };
    attribute_damage(|| Damaged::Keys(owner.clone()), record())
}

/// Forgets the operations of an owner, and returns how many there were.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which names the owner's keys.
pub(super) fn forget(db: &Connection, owner: &Owner) -> Result<usize, StoreError> {
    let forget = || {
        let mut statement = db.prepare_cached("DELETE FROM operation WHERE app_id = ?1 AND user_id = ?2")?;
        Ok(statement.execute(params![owner.app.number(), owner.user.as_str()])?)
    };
    attribute_damage(|| Damaged::Keys(owner.clone()), forget())
}

/// Replaces the table of operations by an empty one, because it is damaged. `now` is the time in milliseconds.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn renew(db: &Connection, now: u64) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    // The pages of the old table are freed if they can be read. Otherwise they stay in the file and are not used.
    let name = format!("damaged_operation_{now}");
    transaction.execute_batch(&format!("ALTER TABLE operation RENAME TO {name}; {}", upgrade::OPERATIONS))?;
    transaction.commit()?;
    let _ = db.execute_batch(&format!("DROP TABLE {name}"));
    Ok(())
}

/// Returns the key of an operation's row, for its checksum.
fn of<'a>(owner: &'a Owner, operation: &'a Operation) -> [Column<'a>; 4] {
    [
        Column::Number(owner.app.number().into()),
        Column::Text(owner.user.as_str().as_bytes()),
        Column::Text(operation.identifier.as_bytes()),
        Column::Text(operation.key.as_bytes()),
    ]
}

#[cfg(test)]
#[path = "operations_tests.rs"]
mod tests;
