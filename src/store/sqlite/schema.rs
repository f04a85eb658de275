//! The format of the database. Creates, upgrades and opens databases.

use rusqlite::Connection;

use super::{
    files::Files,
    first_formats::{FORMAT_1, from_1_to_2},
    opening::{Opening, PreviousEnd},
    runs,
    scrubbing::has_traces,
    upgrade::{self, OldSessions},
    wal::Log,
};
use crate::{
    domain::UnixSeconds,
    log_lines,
    store::{OpenError, StoreError},
};

/// The current format of the database. Older formats are upgraded when the database is opened; newer ones are
/// refused.
pub(super) const FORMAT: i64 = 6;

/// The `PRAGMA application_id` of confold's databases (`cfld`).
pub(super) const APPLICATION: i64 = 0x6366_6c64;

/// The size in bytes to which SQLite truncates a longer log when it restarts it.
pub(super) const LOG_LIMIT: i64 = 64 << 20;

/// An open database.
pub(super) struct Opened {
    /// The connection of the writer.
    pub(super) connection: Connection,
    /// Whether the initial data still has to be loaded.
    pub(super) unfilled: bool,
    /// The number of buckets of events.
    pub(super) buckets: u8,
    /// The findings for the log.
    pub(super) opening: Opening,
    /// Whether the database is marked as in use. If it could not be written, the writer marks it later.
    pub(super) marked: bool,
    /// Whether traces of erased content may be left in the files.
    pub(super) has_traces: bool,
}

/// Opens or creates the database of these files; `create` is the number of buckets of a database that may be created. An
/// upgrade uses `now` for events that have no date in an older format.
pub(super) fn open(files: &Files, create: Option<u8>, now: UnixSeconds) -> Result<Opened, OpenError> {
    open_with(files.connect()?, files, create, now, upgrade::STEP)
}

/// Opens or creates the database of these files with this connection. Old rows are rewritten in steps of at most `most`
/// rows.
pub(super) fn open_with(
    mut connection: Connection,
    files: &Files,
    create: Option<u8>,
    now: UnixSeconds,
    most: i64,
) -> Result<Opened, OpenError> {
    let failed =
        |source: rusqlite::Error| OpenError::Database { file: files.database.clone(), source: source.into() };
    let pragma =
        |connection: &Connection, name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let format = pragma(&connection, "user_version").map_err(failed)?;
    let application = pragma(&connection, "application_id").map_err(failed)?;
    let tables = (connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)))
        .map_err(failed)?;
    if (tables > 0 || application != 0) && application != APPLICATION {
        return Err(OpenError::Foreign(files.database.clone()));
    }
    if format == 0 && create.is_none() {
        let directory = files.directory.clone();
        return Err(OpenError::NoStore { directory, had_one: files.found.lock });
    }
    if format > FORMAT {
        return Err(OpenError::Newer { file: files.database.clone(), found: format, known: FORMAT });
    }
    set_up(&connection).map_err(failed)?;
    // Find out how much of the log SQLite could use, before anything is written.
    let recovered = match files.found.log {
        Log::Frames(found) => match frames(&connection, "NOOP") {
            Ok((frames, ..)) => frames,
            // SQLite needs write access even for this.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly) => {
                found.last_commit
            }
            Err(error) => return Err(failed(error)),
        },
        _ => 0,
    };
    let previous = previous_end(&connection, format).map_err(failed)?;
    let mut opening = Opening::of(files, previous, recovered);
    let has_lost = opening.has_lost_commits(previous);
    bring_up_to_date(&mut connection, format, create, now, has_lost).map_err(failed)?;
    opening.look_into(&connection).map_err(failed)?;
    let unfilled =
        !connection.query_row("SELECT filled FROM store", [], |row| row.get::<_, bool>(0)).map_err(failed)?;
    let directory = files.directory.display();
    let marked = match mark(&connection, &mut opening, has_lost) {
        Ok(()) => {
            // The first check records which files are open.
            files.check_identity().is_ok()
        }
        // The stored data can still be read, so open the store anyway.
        Err(StoreError::Full(reason)) => {
            opening.losses.push(log_lines::STORE_FULL.found([&directory, &reason]));
            false
        }
        Err(StoreError::ReadOnly(reason)) => {
            opening.losses.push(log_lines::STORE_READ_ONLY.found([&directory, &reason]));
            false
        }
        Err(source) => {
            return Err(OpenError::Database { file: files.database.clone(), source: Box::new(source) });
        }
    };
    // Rewriting fills the log, which would hide at the next startup that an earlier log is missing. So this comes after
    // the mark.
    if marked {
        match upgrade::rewrite_rows(&connection, most) {
            Ok(()) => {}
            // The old form of the rows can still be read.
            Err(error @ (StoreError::Full(_) | StoreError::ReadOnly(_))) => {
                opening.doubts.push(log_lines::UPGRADE_INCOMPLETE.found([&directory, &error]));
            }
            Err(source) => {
                return Err(OpenError::Rewriting { file: files.database.clone(), source, format: FORMAT });
            }
        }
    }
    // A failure only means that a later startup may not notice a missing database.
    if let Err(error) = files.mark_directory() {
        opening.doubts.push(log_lines::LOCK_UNWRITTEN.found([&directory, &error]));
    }
    let buckets: u8 =
        connection.query_row("SELECT buckets FROM store", [], |row| row.get(0)).map_err(failed)?;
    let has_traces = has_traces(&connection).map_err(failed)?;
    Ok(Opened { connection, unfilled, buckets, opening, marked, has_traces })
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // NORMAL would not be enough: in WAL mode, it can lose acknowledged commits when the power fails.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The writer runs checkpoints itself, after it has answered the callers.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    // Overwrite what is deleted, so that nothing of a deleted account stays in the files.
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "cache_size", -32_768)
}

/// Begins a run, and marks the database as in use, in the database file itself and not only in its log. If the log is missing at the
/// next startup, the mark shows that changes were lost.
fn mark(connection: &Connection, opening: &mut Opening, has_lost: bool) -> Result<(), StoreError> {
    if has_lost {
        renew(connection)?;
        opening.look_into(connection)?;
    }
    runs::begin(connection)?;
    mark_in_use(connection)?;
    frames(connection, "PASSIVE")?;
    Ok(())
}

/// Gives a store that has lost changes, or that was emptied, a new incarnation.
pub(super) fn renew(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE store SET incarnation = lower(hex(randomblob(8)))", [])?;
    runs::forget(connection)
}

/// Marks the store as in use.
pub(super) fn mark_in_use(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE store SET closed = 0", []).map(drop)
}

/// Marks the store as closed normally.
pub(super) fn mark_closed(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE store SET closed = 1", []).map(drop)
}

/// Runs a checkpoint with this mode. Returns the number of frames in the log, how many of them have not been copied
/// into the database, and whether a reader prevented the checkpoint from completing.
///
/// # Errors
/// Returns any SQLite error.
pub(super) fn frames(connection: &Connection, mode: &str) -> rusqlite::Result<(u64, u64, bool)> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        let (busy, log, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let count = |frames: i64| u64::try_from(frames).unwrap_or(0);
        Ok((count(log), count(log - copied), busy))
    })
}

/// Creates the tables, or upgrades those of an older format. The same transaction marks the store as in use and renews
/// it if it has lost changes, because at the next startup the log of this transaction would hide that loss.
fn bring_up_to_date(
    connection: &mut Connection,
    format: i64,
    create: Option<u8>,
    now: UnixSeconds,
    has_lost: bool,
) -> rusqlite::Result<()> {
    if format == FORMAT {
        return Ok(());
    }
    let sessions = OldSessions::of(connection, format);
    let transaction = connection.transaction()?;
    if format == 0 {
        transaction.execute_batch(FORMAT_1)?;
        // Clients get the incarnation together with versions and cursors, so that those from before a loss or reset
        // can be recognized (decision 21).
        transaction
            .execute("INSERT INTO store (incarnation, filled) VALUES (lower(hex(randomblob(8))), 0)", [])?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
    }
    if format < 2 {
        from_1_to_2(&transaction, now)?;
    }
    if format < 3 {
        upgrade::from_2_to_3(&transaction)?;
    }
    if format < 4 {
        upgrade::from_3_to_4(&transaction)?;
    }
    if format < 5 {
        upgrade::from_4_to_5(&transaction)?;
    }
    upgrade::from_5_to_6(&transaction, sessions)?;
    if format == 0 {
        transaction.execute(
            "UPDATE store SET rewritten = 1, removed = 0, buckets = coalesce(?1, buckets)",
            [create],
        )?;
    }
    if has_lost {
        renew(&transaction)?;
    }
    mark_in_use(&transaction)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// Finds out how a database of this format was last used.
fn previous_end(connection: &Connection, format: i64) -> rusqlite::Result<PreviousEnd> {
    if format < 2 {
        return Ok(if format == 0 { PreviousEnd::Created } else { PreviousEnd::Unknown });
    }
    let closed = connection.query_row("SELECT closed FROM store", [], |row| row.get::<_, bool>(0))?;
    Ok(if closed { PreviousEnd::Closed } else { PreviousEnd::InUse })
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
