//! Upgrades a database to format 3, in which rows have checksums, organizers have revisions, and members of chat
//! groups have rows of their own, to format 4, which adds the tables of sessions and checksums of the apps, to format 5,
//! which adds events, and to format 6, which adds profiles, the numbers of messages, memberships by user, pins and deletions
//! of sessions, and the runs of the store.
//!
//! A damaged page must not prevent a store from being opened. After finding damage in a transaction, SQLite also
//! refuses other changes in it. So the tables are changed in one transaction, and the rows afterwards in steps, each
//! with a transaction and a checkpoint of its own. Few steps make the start fast, and small steps keep the write-ahead
//! log short. A step that meets damage is repeated row by row. Rows that cannot be rewritten because of damage keep
//! their old form, which can still be read. Rows without a checksum are not checked, and members that are still in the
//! row of their chat group are moved when that row is next written.

use rusqlite::{Connection, OptionalExtension, Transaction, params_from_iter, types::Value};

use super::{
    chat_groups, memberships,
    schema::frames,
    steps::{Key, Table},
};
use crate::{
    domain::{AppId, ChatGroupChange, ChatGroupId},
    log_lines::log,
    store::StoreError,
};

/// The maximum number of rows that are rewritten in one step.
pub(super) const STEP: i64 = 8_192;
/// The approximate number of bytes after which a step ends early, if its rows are large.
const STEP_BYTES: usize = 4 << 20;

/// Upgrades the tables from format 2 to format 3.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn from_2_to_3(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(FORMAT_3)
}

/// Upgrades the tables from format 3 to format 4. An older version must not open the database after that, because it
/// would keep the sessions of a deleted account.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn from_3_to_4(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(FORMAT_4)
}

/// Upgrades the tables from format 4 to format 5. An older version must not open the database after that, because it
/// would change owners without recording it.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn from_4_to_5(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(EVENTS)?;
    transaction.execute_batch(OPERATIONS)?;
    transaction.execute_batch(FORMAT_5)
}

/// Upgrades the tables from format 5 to format 6. An older version must not open the database after that, because it
/// would change members without recording it for the user.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn from_5_to_6(transaction: &Transaction<'_>, sessions: OldSessions) -> rusqlite::Result<()> {
    transaction.execute_batch(match sessions {
        OldSessions::Sound => "DROP TABLE session; DROP TABLE chat_group_times;",
        OldSessions::Damaged => {
            "ALTER TABLE session RENAME TO damaged_session;
             ALTER TABLE chat_group_times RENAME TO damaged_times;"
        }
    })?;
    transaction.execute_batch(SHORTER_SCHEMA)?;
    transaction.execute_batch(FORMAT_6)
}

/// The tables of sessions of formats 4 and 5, which nothing wrote to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OldSessions {
    /// They can be removed, or do not exist yet.
    Sound,
    /// A page is damaged, so they have to stay in the file. Finding that out in the transaction would spoil it.
    Damaged,
}

impl OldSessions {
    /// Looks at the tables in a database of this format.
    pub(super) fn of(connection: &Connection, format: i64) -> OldSessions {
        let read = || {
            connection.query_row(
                "SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM chat_group_times)",
                [],
                |row| row.get::<_, i64>(0),
            )
        };
        if format < 4 || read().is_ok() { OldSessions::Sound } else { OldSessions::Damaged }
    }
}

/// Rewrites the rows of an older format, unless that has been done already, in steps of at most `most` rows. If it is
/// interrupted, the next startup continues it.
///
/// # Errors
/// Returns any SQLite error except damage.
pub(super) fn rewrite_rows(connection: &Connection, most: i64) -> Result<(), StoreError> {
    if connection.query_row("SELECT rewritten FROM store", [], |row| row.get(0))? {
        return Ok(());
    }
    log!(ROWS_BEING_REWRITTEN);
    let chat_groups = Table { name: "chat_group", key: "rowid", width: 1, most: most.min(256) };
    chat_groups.in_steps(connection, unpack_members)?;
    chat_groups.in_steps(connection, memberships::fill)?;
    for (table, columns) in [
        (chat_groups, CHAT_GROUP),
        // The rows of organizers are large.
        (Table { name: "organizer", key: "rowid", width: 1, most: most.min(1_024) }, DOCUMENT),
        (
            Table { name: "account", key: "app_id, user_id", width: 2, most },
            "app_id, user_id, nick, face_url",
        ),
        (
            Table { name: "account_aside", key: "app_id, user_id", width: 2, most },
            "app_id, user_id, nick, face_url, imported",
        ),
        (
            Table { name: "organizer_aside", key: "app_id, user_id, chunk", width: 3, most: most.min(1_024) },
            DOCUMENT,
        ),
        (Table { name: "app", key: "app_id", width: 1, most }, "app_id, disbandings"),
        (
            Table { name: "app_event", key: "app_id, seq", width: 2, most },
            "app_id, seq, group_id, incarnation, at, kind, event",
        ),
    ] {
        table.in_steps(connection, |transaction, from, to| table.add_sums(transaction, columns, from, to))?;
    }
    connection.execute("UPDATE store SET rewritten = 1", [])?;
    frames(connection, "PASSIVE")?;
    Ok(())
}

const DOCUMENT: &str = "app_id, user_id, chunk, doc, revision";
const CHAT_GROUP: &str =
    "app_id, group_id, incarnation, kind, name, owner, introduction, notification, face_url,
    max_members, join_option, created_at, member_count, places, disbanding";

/// Moves the members of the chat groups of a range to rows of their own.
fn unpack_members(db: &Connection, from: &Key, to: Key) -> Result<Key, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT rowid, app_id, group_id FROM chat_group
         WHERE members IS NOT NULL AND rowid > ?1 AND rowid <= ?2 ORDER BY rowid LIMIT 1",
    )?;
    let (mut last, mut bytes) = (from.clone(), 0);
    while bytes < STEP_BYTES {
        let found = (statement.query_row(params_from_iter(last.iter().chain(&to)), |row| {
            Ok((row.get(0)?, row.get::<_, u32>(1)?, row.get::<_, String>(2)?))
        }))
        .optional()?;
        let Some((number, app, id)) = found else { return Ok(to) };
        last = vec![Value::Integer(number)];
        let (Some(app), Ok(id)) = (AppId::new(app), ChatGroupId::parse(&id)) else { continue };
        if let Some(row) = chat_groups::row(db, app, &id)? {
            let change = ChatGroupChange { next: row.group.clone(), deltas: Vec::new() };
            bytes += chat_groups::write(db, app, &id, Some(row), &change, None, 0)?;
        }
    }
    Ok(last)
}

pub(super) const FORMAT_3: &str = "
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

const FORMAT_4: &str = "
-- The times of sessions between two users. They belong to the owner; the peer has a row of their own.
CREATE TABLE session (
    app_id INTEGER NOT NULL, user_id TEXT NOT NULL, peer TEXT NOT NULL, last INTEGER NOT NULL, seen INTEGER NOT NULL,
    sum INTEGER NOT NULL, PRIMARY KEY (app_id, user_id, peer)) WITHOUT ROWID;
-- The times that the sessions of a chat group share, in the latest incarnation that was touched.
CREATE TABLE chat_group_times (
    app_id INTEGER NOT NULL, group_id TEXT NOT NULL, incarnation INTEGER NOT NULL, last INTEGER NOT NULL,
    seen INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (app_id, group_id)) WITHOUT ROWID;
ALTER TABLE app ADD COLUMN sum INTEGER;
UPDATE store SET rewritten = 0;
";

pub(super) const EVENTS: &str = "
-- What each call changed, in the order of the commits.
CREATE TABLE event (
    number INTEGER PRIMARY KEY, app_id INTEGER NOT NULL, bucket INTEGER NOT NULL, doc BLOB NOT NULL,
    sum INTEGER NOT NULL);
";

/// The outcomes of writes that a caller may repeat, by the caller's key.
pub(super) const OPERATIONS: &str = "
CREATE TABLE operation (app_id, user_id, identifier, key, fingerprint, at, doc, sum,
    PRIMARY KEY (app_id, user_id, identifier, key)) WITHOUT ROWID;
";

const FORMAT_5: &str = "
-- The number of the owner's latest event when the row was written. The chunks of an organizer other than 0 have none.
ALTER TABLE organizer ADD COLUMN event INTEGER;
ALTER TABLE organizer_aside ADD COLUMN event INTEGER;
ALTER TABLE account ADD COLUMN event INTEGER;
ALTER TABLE account_aside ADD COLUMN event INTEGER;
-- The number of resets of the app or of owners in it.
ALTER TABLE app ADD COLUMN epoch INTEGER;
-- The number of buckets, which never changes.
ALTER TABLE store ADD COLUMN buckets INTEGER NOT NULL DEFAULT 64;
-- The number after which events begin.
ALTER TABLE store ADD COLUMN event_base INTEGER NOT NULL DEFAULT 0;
-- Webhooks: rows of several kinds, see deliveries.rs. One short table, because the
-- store cannot be opened without every page of the schema.
CREATE TABLE webhook (app_id, name, kind, key, a, b, c, note, sum, PRIMARY KEY (app_id, name, kind, key)) WITHOUT ROWID;
";

/// Shortens the text of the schema, which should fit into one page, because the store cannot be opened without any page
/// of it. SQLite documents that constraints can be removed in this way, which leaves the stored rows as they are.
const SHORTER_SCHEMA: &str = "
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql, ' NOT NULL', ''), char(10) || '    ', ' ') WHERE type = 'table';
PRAGMA writable_schema = RESET;
";

pub(super) const FORMAT_6: &str = "
-- Sessions: `kind` 1 with other users, 2 in chat groups, `life` is the incarnation of the chat group. One index for both the pinned
-- and the newest ones. Nothing wrote to the tables of sessions in earlier formats. They are created anew, in short words, because
-- the schema has to fit into one page.
CREATE TABLE session(app_id,user_id,kind,peer,life,last,seen,pinned,deleted,sum,PRIMARY KEY(app_id,user_id,kind,peer))WITHOUT ROWID;
CREATE INDEX session_new ON session(app_id,user_id,pinned,last);
-- The times that the sessions of a chat group share, in the latest incarnation that was touched, and the number and time
-- of the last message in it.
CREATE TABLE chat_group_times(app_id,group_id,incarnation,last,seen,number,at,sum,PRIMARY KEY(app_id,group_id))WITHOUT ROWID;
-- The fields of profiles apart from the nickname and the portrait.
ALTER TABLE account ADD COLUMN profile;
ALTER TABLE account_aside ADD COLUMN profile;
-- In which chat groups a user may be, see memberships.rs.
CREATE TABLE membership (app_id, user_id, group_id, incarnation, sum, PRIMARY KEY (app_id, user_id, group_id)) WITHOUT ROWID;
-- When members left according to another service, in milliseconds.
CREATE TABLE chat_group_exit (app_id, group_id, user_id, at, sum, PRIMARY KEY (app_id, group_id, user_id)) WITHOUT ROWID;
-- Details, which are NULL where they have their default value, see chat_groups.rs and members.rs.
ALTER TABLE chat_group ADD began;
ALTER TABLE chat_group ADD changed_at;
ALTER TABLE chat_group ADD mute_all;
ALTER TABLE chat_group ADD invite;
ALTER TABLE chat_group ADD owner_at;
ALTER TABLE chat_group ADD owner_ms;
ALTER TABLE chat_group ADD owner_card;
ALTER TABLE chat_group ADD joined;
ALTER TABLE chat_group_member ADD ms;
ALTER TABLE chat_group_member ADD card;
UPDATE store SET rewritten = 0;
-- The runs of the store, each with a random name and the number of the last event when it began.
CREATE TABLE run(number INTEGER PRIMARY KEY,id,began,sum);
-- The number up to which all events were removed; NULL after an upgrade until some are removed.
ALTER TABLE store ADD removed;
-- 1 while traces of erased content may be left in the files.
ALTER TABLE store ADD traces;
-- A disbanding uses up a number of events.
ALTER TABLE app_event ADD event;
";

/// Removes from the tables of format 6 what format 5 did not have.
#[cfg(test)]
pub(super) const BACK_TO_FORMAT_5: &str = "
ALTER TABLE account DROP COLUMN profile; ALTER TABLE account_aside DROP COLUMN profile;
DROP TABLE membership; DROP TABLE chat_group_exit; DROP TABLE run;
ALTER TABLE chat_group DROP COLUMN began; ALTER TABLE chat_group DROP COLUMN changed_at;
ALTER TABLE chat_group DROP COLUMN mute_all; ALTER TABLE chat_group DROP COLUMN invite;
ALTER TABLE chat_group DROP COLUMN owner_at; ALTER TABLE chat_group DROP COLUMN owner_ms;
ALTER TABLE chat_group DROP COLUMN owner_card; ALTER TABLE chat_group DROP COLUMN joined;
ALTER TABLE chat_group_member DROP COLUMN ms; ALTER TABLE chat_group_member DROP COLUMN card;
ALTER TABLE store DROP COLUMN removed; ALTER TABLE store DROP COLUMN traces; ALTER TABLE app_event DROP COLUMN event;
PRAGMA user_version = 5;
";

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "interrupted_tests.rs"]
mod interrupted;
