//! Checksums of rows in SQLite: an SQL function for writing them, and a check for rows that were read.

use rusqlite::{Connection, Row, functions::FunctionFlags, types::ValueRef};

use crate::store::{
    Damaged, StoreError,
    checksum::{Column, row_sum},
};

/// Adds the SQL function `row_sum(table, column, …)` to this connection.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn install(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("row_sum", -1, flags, |context| {
        let table = context.get_raw(0).as_str()?;
        Ok(row_sum(table, (1..context.len()).map(|index| column(context.get_raw(index)))))
    })
}

/// Compares the checksum of a row, which is in the column with the index `columns`, with the checksum of `key` and the
/// columns before it. Rows that were written before format 3 may have no checksum.
///
/// # Errors
/// Returns [`StoreError::Damaged`], which does not name the owner or chat group.
pub(super) fn check<'k>(
    table: &str,
    key: impl IntoIterator<Item = Column<'k>>,
    row: &'k Row<'_>,
    columns: usize,
) -> Result<(), StoreError> {
    let Some(stored) = row.get::<_, Option<i64>>(columns)? else { return Ok(()) };
    let read = (0..columns).map(|index| row.get_ref(index).map_or(Column::Null, column));
    match stored == row_sum(table, key.into_iter().chain(read)) {
        true => Ok(()),
        false => Err(StoreError::Damaged {
            what: Damaged::Database,
            reason: format!("a row of the table {table} does not match its checksum"),
        }),
    }
}

fn column(value: ValueRef<'_>) -> Column<'_> {
    match value {
        ValueRef::Null => Column::Null,
        ValueRef::Integer(number) => Column::Number(number),
        // Only a damaged row contains a floating-point number.
        ValueRef::Real(number) => Column::Number(i64::from_le_bytes(number.to_le_bytes())),
        ValueRef::Text(text) => Column::Text(text),
        ValueRef::Blob(bytes) => Column::Bytes(bytes),
    }
}
