//! Rewrites the rows of a table in steps, each with a transaction and a checkpoint of its own.

use rusqlite::{Connection, Transaction, TransactionBehavior, params_from_iter, types::Value};

use super::{error::committing, schema::frames};
use crate::{log_lines::log, store::StoreError};

/// The value of a key.
pub(super) type Key = Vec<Value>;

/// A table whose rows are rewritten in the order of its key.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The columns of the key.
    pub(super) key: &'static str,
    /// The number of these columns.
    pub(super) width: usize,
    /// The maximum number of rows that are rewritten in one step.
    pub(super) most: i64,
}

impl Table {
    /// Calls `rewrite` for one range of keys after another: from its first key (exclusive) to its second (inclusive).
    /// `rewrite` returns the key up to which it has rewritten the rows.
    ///
    /// # Errors
    /// Returns any SQLite error except damage.
    pub(super) fn in_steps(
        self,
        connection: &Connection,
        rewrite: impl Fn(&Connection, &Key, Key) -> Result<Key, StoreError>,
    ) -> Result<(), StoreError> {
        // Keys begin with the number of an app or a row, which is positive, so -1 is before all of them.
        let mut from = vec![Value::Integer(-1); self.width];
        let (mut rows, mut skipped, mut damage) = (self.most, 1, None);
        loop {
            let to = match self.last_of_next(connection, &from, rows) {
                Ok(Some(to)) => to,
                Ok(None) => break,
                Err(StoreError::Damaged { .. }) if rows > 1 => {
                    rows = 1;
                    continue;
                }
                // If the key is the number of a row, the rows after the damage can still be found.
                Err(StoreError::Damaged { reason, .. }) => {
                    damage = Some(reason);
                    let [Value::Integer(number)] = &mut from[..] else { break };
                    *number = number.saturating_add(skipped);
                    skipped = skipped.saturating_mul(2);
                    if *number >= self.last_number(connection) {
                        break;
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            skipped = 1;
            match one_step(connection, |transaction| rewrite(transaction, &from, to.clone())) {
                Ok(reached) => {
                    from = reached;
                    rows = (2 * rows).min(self.most);
                }
                Err(StoreError::Damaged { .. }) if rows > 1 => rows = 1,
                Err(StoreError::Damaged { reason, .. }) => {
                    damage = Some(reason);
                    from = to;
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(reason) = damage {
            let table = self.name;
            log!(ROWS_NOT_REWRITTEN, table, reason);
        }
        Ok(())
    }

    /// Returns the last key of the next `rows` rows.
    fn last_of_next(self, connection: &Connection, from: &Key, rows: i64) -> Result<Option<Key>, StoreError> {
        let Table { name, key, width, .. } = self;
        let (after, next) = (parameters(1, width), width + 1);
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {key} FROM {name} WHERE ({key}) > ({after}) ORDER BY {key} LIMIT ?{next}"
        ))?;
        let mut found = statement.query(params_from_iter(from.iter().chain([&Value::Integer(rows)])))?;
        let mut last = None;
        while let Some(row) = found.next()? {
            last = Some((0..width).map(|index| row.get(index)).collect::<rusqlite::Result<Key>>()?);
        }
        Ok(last)
    }

    /// Returns the last number of a row, or -1 if it cannot be found.
    fn last_number(self, connection: &Connection) -> i64 {
        let last = format!("SELECT coalesce(max(rowid), -1) FROM {}", self.name);
        connection.query_row(&last, [], |row| row.get(0)).unwrap_or(-1)
    }

    /// Adds checksums to the rows of a range that have none. They cover `columns`.
    ///
    /// # Errors
    /// Returns any SQLite error.
    pub(super) fn add_sums(
        self,
        db: &Connection,
        columns: &str,
        from: &Key,
        to: Key,
    ) -> Result<Key, StoreError> {
        let Table { name, key, width, .. } = self;
        let (after, until) = (parameters(1, width), parameters(width + 1, width));
        db.prepare_cached(&format!(
            "UPDATE {name} SET sum = row_sum('{name}', {columns})
             WHERE sum IS NULL AND ({key}) > ({after}) AND ({key}) <= ({until})"
        ))?
        .execute(params_from_iter(from.iter().chain(&to)))?;
        Ok(to)
    }
}

/// Returns a list of SQL parameters.
fn parameters(first: usize, count: usize) -> String {
    let numbers: Vec<String> = (first..first + count).map(|number| format!("?{number}")).collect();
    numbers.join(", ")
}

/// Runs one step in a transaction, and then copies the log into the database.
fn one_step<T>(
    connection: &Connection,
    step: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // Dropping the transaction rolls it back.
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let done = step(&transaction)?;
    transaction.commit().map_err(committing)?;
    frames(connection, "PASSIVE").map_err(committing)?;
    Ok(done)
}
