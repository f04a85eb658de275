//! Describes for the log what was found when a store was opened, including possible losses of data.

use std::path::PathBuf;

use rusqlite::Connection;

use super::{
    files::{Files, Found},
    wal::{Frames, Log},
};
use crate::log_lines::{self, Finding};

/// The maximum number of rows of a table that are counted, so that a large store does not start slowly.
const COUNTED: u64 = 200_000;

/// The findings at the opening of a store.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    directory: PathBuf,
    created: bool,
    incarnation: String,
    accounts: Counted,
    owners: Counted,
    recovered: u64,
    /// The frames that could not be used, because their transaction is incomplete or a frame is damaged.
    dropped: u64,
    /// Findings that an operator should check.
    pub doubts: Vec<Finding>,
    /// Data that was lost or may have been lost.
    pub losses: Vec<Finding>,
}

/// A number of rows, and whether all rows were counted; `None` if the table cannot be read.
type Counted = Option<(u64, bool)>;

/// How the database was last used, according to the database itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreviousEnd {
    /// The database is new.
    Created,
    /// The database was closed normally.
    Closed,
    /// The database was in use when its process ended.
    InUse,
    /// The database has an older format, which does not contain this information.
    Unknown,
}

impl Opening {
    /// Judges what was found, before anything is written.
    pub(super) fn of(files: &Files, left: PreviousEnd, recovered: u64) -> Opening {
        let Found { lock, log, .. } = files.found;
        let created = left == PreviousEnd::Created;
        let (mut doubts, mut losses) = (Vec::new(), Vec::new());
        let frames = match log {
            Log::Frames(frames) => frames,
            _ => Frames::default(),
        };
        let dropped = frames.written.saturating_sub(recovered);
        if frames.last_commit > recovered {
            let log = files.log.display();
            doubts.push(log_lines::FRAMES_DROPPED.found([&dropped, &frames.written, &log]));
        }
        let gone = match log {
            Log::Missing => Some("is missing"),
            Log::Empty => Some("is empty"),
            Log::Unreadable => Some("has a damaged header, so that nothing could be recovered from it"),
            // A store in use has written at least one frame, so this log was truncated.
            Log::Frames(Frames { stored: 0, .. }) => Some("was truncated, so that nothing of it is left"),
            // The mark that the store is in use was committed in an earlier log than this one.
            Log::Frames(Frames { last_commit: 0, restarts: 0, .. }) => {
                Some("was restarted by an interrupted startup")
            }
            Log::Frames(_) => None,
        };
        match (gone, left) {
            (Some(gone), PreviousEnd::InUse) => {
                losses.push(log_lines::LOG_GONE.found([&files.log.display(), &gone]));
            }
            (Some(gone), PreviousEnd::Unknown) if log != Log::Empty => {
                losses.push(log_lines::LOG_OF_OLD_FORMAT_GONE.found([&files.log.display(), &gone]));
            }
            _ => {}
        }
        if created && lock {
            losses.push(log_lines::STORE_GONE.found([&files.directory.display()]));
        }
        Opening {
            directory: files.directory.clone(),
            created,
            incarnation: String::new(),
            accounts: None,
            owners: None,
            recovered,
            dropped,
            doubts,
            losses,
        }
    }

    /// Reads the incarnation, and counts what the database contains.
    pub(super) fn look_into(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.incarnation = db.query_row("SELECT incarnation FROM store", [], |row| row.get(0))?;
        self.accounts = count(db, "SELECT 1 FROM account", "1");
        self.owners = count(db, "SELECT chunk FROM organizer", "chunk = 0");
        Ok(())
    }

    /// Checks whether acknowledged changes were lost, which makes the clients' versions and cursors invalid.
    pub(super) fn has_lost_commits(&self, left: PreviousEnd) -> bool {
        left == PreviousEnd::InUse && !self.losses.is_empty()
    }

    /// Summarizes the stored data.
    pub(super) fn summary(&self) -> Finding {
        let Opening { directory, created, incarnation, accounts, owners, recovered, dropped, .. } = self;
        let directory = directory.display();
        if *created {
            return log_lines::STORE_CREATED.found([&directory, incarnation]);
        }
        let (accounts, owners) = (shown(*accounts), shown(*owners));
        log_lines::STORE_OPENED.found([&directory, incarnation, &accounts, &owners, recovered, dropped])
    }
}

fn shown(count: Counted) -> String {
    match count {
        None => "an unknown number of".to_owned(),
        Some((count, true)) => count.to_string(),
        Some((count, false)) => format!("at least {count}"),
    }
}

/// Counts the rows that meet `condition`, among the first `COUNTED + 1`.
fn count(db: &Connection, rows: &str, condition: &str) -> Counted {
    let sql = format!("SELECT count(*), coalesce(sum({condition}), 0) FROM ({rows} LIMIT {})", COUNTED + 1);
    let number = |row: &rusqlite::Row<'_>, index| {
        row.get::<_, i64>(index).map(|number| u64::try_from(number).unwrap_or(0))
    };
    db.query_row(&sql, [], |row| Ok((number(row, 1)?, number(row, 0)? <= COUNTED))).ok()
}
