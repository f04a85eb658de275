//! The tables of formats 1 and 2 of the database. All later formats are upgrades of these.

use rusqlite::Transaction;

use crate::domain::UnixSeconds;

/// Upgrades format 1 to format 2, which records how the store was last used, counts the disbandings of each app, and
/// has dates for events, so that old ones can be removed.
pub(super) fn from_1_to_2(transaction: &Transaction<'_>, now: UnixSeconds) -> rusqlite::Result<()> {
    transaction.execute_batch(FORMAT_2)?;
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    transaction.execute("UPDATE app_event SET at = ?1", [now])?;
    transaction.execute_batch(
        "INSERT INTO app (app_id, disbandings) SELECT app_id, max(seq) FROM app_event GROUP BY app_id;
         UPDATE chat_group SET disbanding = latest.seq
            FROM (SELECT app_id, group_id, max(seq) AS seq FROM app_event GROUP BY app_id, group_id) AS latest
            WHERE latest.app_id = chat_group.app_id AND latest.group_id = chat_group.group_id;
         DELETE FROM app_event WHERE seq <=
            (SELECT disbandings FROM app WHERE app.app_id = app_event.app_id) - 10000;",
    )
}

pub(super) const FORMAT_1: &str = "
CREATE TABLE store (incarnation TEXT NOT NULL, filled INTEGER NOT NULL);
-- One document per owner, in chunks. This is a rowid table, which writes less here than WITHOUT ROWID.
CREATE TABLE organizer (
    app_id INTEGER NOT NULL, user_id TEXT NOT NULL, chunk INTEGER NOT NULL, doc BLOB NOT NULL,
    PRIMARY KEY (app_id, user_id, chunk));
CREATE TABLE account (
    app_id INTEGER NOT NULL, user_id TEXT NOT NULL, nick TEXT NOT NULL, face_url TEXT NOT NULL,
    PRIMARY KEY (app_id, user_id)) WITHOUT ROWID;
-- Destroyed chat groups stay, with kind NULL, because their incarnation shows which records are out of date. Lists are
-- sorted by seq, which never changes.
CREATE TABLE chat_group (
    seq INTEGER PRIMARY KEY,
    app_id INTEGER NOT NULL, group_id TEXT NOT NULL, incarnation INTEGER NOT NULL,
    kind INTEGER, name TEXT, owner TEXT, introduction TEXT, notification TEXT, face_url TEXT,
    max_members INTEGER, join_option INTEGER, created_at INTEGER, members BLOB,
    UNIQUE (app_id, group_id));
CREATE INDEX chat_group_list ON chat_group (app_id, seq) WHERE kind IS NOT NULL;
-- Events of an app. seq counts per app; kind 1 is the disbanding of the chat group.
CREATE TABLE app_event (
    app_id INTEGER NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL,
    group_id TEXT NOT NULL, incarnation INTEGER NOT NULL,
    PRIMARY KEY (app_id, seq)) WITHOUT ROWID;
";

pub(super) const FORMAT_2: &str = "
-- Whether the store was closed normally, whether any owner is in the tables for owners who are aside, and how many
-- readiness checks had to write here.
ALTER TABLE store ADD COLUMN closed INTEGER NOT NULL DEFAULT 1;
ALTER TABLE store ADD COLUMN aside INTEGER NOT NULL DEFAULT 0;
ALTER TABLE store ADD COLUMN probes INTEGER NOT NULL DEFAULT 0;
-- The data of readiness checks. It has a table of its own, because any page that it uses may be damaged.
CREATE TABLE probe (id INTEGER PRIMARY KEY, doc BLOB NOT NULL);
INSERT INTO probe VALUES (1, x'');
-- The number of the last disbanding in an app. It never decreases, even if events are removed.
CREATE TABLE app (app_id INTEGER PRIMARY KEY, disbandings INTEGER NOT NULL);
-- The number of the chat group's last disbanding.
ALTER TABLE chat_group ADD COLUMN disbanding INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app_event ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
-- Owners who could not be changed in the other tables, because of damage in a page of other data.
CREATE TABLE organizer_aside (
    app_id INTEGER NOT NULL, user_id TEXT NOT NULL, chunk INTEGER NOT NULL, doc BLOB NOT NULL,
    PRIMARY KEY (app_id, user_id, chunk)) WITHOUT ROWID;
CREATE TABLE account_aside (
    app_id INTEGER NOT NULL, user_id TEXT NOT NULL, imported INTEGER NOT NULL, nick TEXT NOT NULL,
    face_url TEXT NOT NULL, PRIMARY KEY (app_id, user_id)) WITHOUT ROWID;
";
