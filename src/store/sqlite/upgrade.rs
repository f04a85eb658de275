//! Upgrades a database to format 3, in which rows have checksums, organizers have revisions, and members of chat
//! groups have rows of their own.
//!
//! A damaged page must not prevent a store from being opened. After finding damage in a transaction, SQLite also
//! refuses other changes in it. So the tables are changed in one transaction, and the rows afterwards in many. Rows
//! that cannot be rewritten because of damage keep their old form, which can still be read. Rows without a checksum
//! are not checked, and members that are still in the row of their chat group are moved when that row is next
//! written.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{chat_groups, schema::frames};
use crate::{
    domain::{AppId, ChatGroupId},
    store::StoreError,
};

/// How many rows are rewritten in one transaction.
const STEP: i64 = 8_192;

/// Upgrades the tables from format 2 to format 3.
///
/// # Errors
/// Returns the errors of SQLite.
pub(super) fn from_2_to_3(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(FORMAT_3)
}

/// Rewrites the rows of an older format, unless that has been done already. If it is interrupted, the next start
/// continues.
///
/// # Errors
/// Returns the errors of SQLite, except for damage.
pub(super) fn rewrite_rows(connection: &Connection) -> rusqlite::Result<()> {
    if connection.query_row("SELECT rewritten FROM store", [], |row| row.get(0))? {
        return Ok(());
    }
    tracing::info!("the rows of the store are being rewritten for format 3");
    unless_damaged(unpack_members(connection))?;
    for (table, columns) in [("organizer", DOCUMENT), ("chat_group", CHAT_GROUP)] {
        unless_damaged(sum_by_row_number(connection, table, columns))?;
    }
    for (table, columns) in [
        ("account", "app_id, user_id, nick, face_url"),
        ("account_aside", "app_id, user_id, nick, face_url, imported"),
        ("organizer_aside", DOCUMENT),
        ("app_event", "app_id, seq, group_id, incarnation, at, kind"),
    ] {
        let statement = format!("UPDATE {table} SET sum = row_sum('{table}', {columns}) WHERE sum IS NULL");
        unless_damaged(connection.execute(&statement, []).map(drop))?;
        frames(connection, "PASSIVE")?;
    }
    connection.execute("UPDATE store SET rewritten = 1", [])?;
    frames(connection, "PASSIVE").map(drop)
}

const DOCUMENT: &str = "app_id, user_id, chunk, doc, revision";
const CHAT_GROUP: &str =
    "app_id, group_id, incarnation, kind, name, owner, introduction, notification, face_url,
    max_members, join_option, created_at, member_count, places, disbanding";

/// Logs damage instead of returning it as an error.
fn unless_damaged(done: rusqlite::Result<()>) -> rusqlite::Result<()> {
    let Err(error) = done else { return Ok(()) };
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) {
        tracing::warn!(%error, "some rows of the store cannot be rewritten, because they are damaged");
        return Ok(());
    }
    Err(error)
}

/// Adds checksums to the rows of a table with row numbers, in steps that keep the write-ahead log short.
fn sum_by_row_number(connection: &Connection, table: &str, columns: &str) -> rusqlite::Result<()> {
    let last: i64 =
        connection
            .query_row(&format!("SELECT coalesce(max(rowid), 0) FROM {table}"), [], |row| row.get(0))?;
    let mut statement = connection.prepare(&format!(
        "UPDATE {table} SET sum = row_sum('{table}', {columns}) WHERE sum IS NULL AND rowid > ?1 AND rowid <= ?2"
    ))?;
    let mut from = 0;
    while from < last {
        unless_damaged(statement.execute(params![from, from + STEP]).map(drop))?;
        frames(connection, "PASSIVE")?;
        from += STEP;
    }
    Ok(())
}

/// Moves the members of chat groups to rows of their own.
fn unpack_members(connection: &Connection) -> rusqlite::Result<()> {
    let packed = {
        let mut statement =
            connection.prepare("SELECT app_id, group_id FROM chat_group WHERE members IS NOT NULL")?;
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        found.collect::<rusqlite::Result<Vec<(u32, String)>>>()?
    };
    for (app, id) in packed {
        let (Some(app), Ok(id)) = (AppId::new(app), ChatGroupId::parse(&id)) else { continue };
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        match unpack(&transaction, app, &id) {
            Ok(()) => transaction.commit()?,
            Err(error) => {
                transaction.finish()?;
                tracing::warn!(%error, "the members of a chat group stay where they are");
            }
        }
    }
    frames(connection, "PASSIVE").map(drop)
}

fn unpack(connection: &Connection, app: AppId, id: &ChatGroupId) -> Result<(), StoreError> {
    let Some(row) = chat_groups::row(connection, app, id)? else { return Ok(()) };
    let group = row.group.clone();
    chat_groups::write(connection, app, id, Some(row), &group, None, &[]).map(drop)
}

const FORMAT_3: &str = "
-- Whether the rows of an older format have been rewritten.
ALTER TABLE store ADD COLUMN rewritten INTEGER NOT NULL DEFAULT 0;
-- The checksum of a row covers the name of its table and all its columns; rows of an older format may have none. The
-- revision counts how often an organizer was written. It is stored in chunk 0, and is 0 in all other chunks.
ALTER TABLE organizer ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE organizer ADD COLUMN sum INTEGER;
ALTER TABLE organizer_aside ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE organizer_aside ADD COLUMN sum INTEGER;
ALTER TABLE account ADD COLUMN sum INTEGER;
ALTER TABLE account_aside ADD COLUMN sum INTEGER;
ALTER TABLE app_event ADD COLUMN sum INTEGER;
-- Members have rows of their own. Only chat groups that have not been rewritten yet have them in the column `members`,
-- which the checksum does not cover.
ALTER TABLE chat_group ADD COLUMN member_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chat_group ADD COLUMN places INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chat_group ADD COLUMN sum INTEGER;
CREATE TABLE chat_group_member (
    app_id INTEGER NOT NULL, group_id TEXT NOT NULL, user_id TEXT NOT NULL, place INTEGER NOT NULL,
    admin INTEGER NOT NULL, joined_at INTEGER NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (app_id, group_id, user_id)) WITHOUT ROWID;
";

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "interrupted_tests.rs"]
mod interrupted;
