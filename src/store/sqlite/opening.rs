//! What a store found when it was opened, in words for the log: a store that has lost something must not begin as if
//! nothing had happened.

use std::path::PathBuf;

use rusqlite::Connection;

use super::{
    files::{Files, Found},
    wal::{Frames, Log},
};

/// How many rows are counted at a start. A store with more says so, instead of starting later.
const COUNTED: u64 = 200_000;

/// What was found.
#[derive(Clone, Debug)]
pub struct Opening {
    directory: PathBuf,
    created: bool,
    incarnation: String,
    accounts: Counted,
    owners: Counted,
    recovered: u64,
    /// Frames of changes that were not complete, or that are damaged.
    dropped: u64,
    /// What an operator should look at.
    pub doubts: Vec<String>,
    /// What has been lost, or may have been.
    pub losses: Vec<String>,
}

/// A number of rows, which is not counted to its end when it is large; nothing when the table cannot be read.
type Counted = Option<u64>;

/// What the database itself says about how it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// There was none.
    Created,
    /// It was closed in good order.
    Closed,
    /// It was in use when its process ended.
    InUse,
    /// It is of a format that does not say.
    Unknown,
}

impl Opening {
    /// Looks at a database that is open, before anything is written to it.
    pub(super) fn of(
        files: &Files,
        db: &Connection,
        left: Left,
        recovered: u64,
    ) -> rusqlite::Result<Opening> {
        let Found { lock, log, .. } = files.found;
        let created = left == Left::Created;
        let (mut doubts, mut losses) = (Vec::new(), Vec::new());
        let frames = match log {
            Log::Frames(frames) => frames,
            _ => Frames::default(),
        };
        let dropped = frames.written.saturating_sub(recovered);
        if frames.last_commit > recovered {
            doubts.push(format!(
                "the last {dropped} of {} frames in the log {} were dropped, because one of them is damaged: when power \
                 failed, these are changes that were never acknowledged, but a failing disk may have cost more",
                frames.written,
                files.log.display()
            ));
        }
        let gone = match log {
            Log::Missing => Some("is missing"),
            Log::Empty => Some("is empty"),
            Log::Unreadable => Some("has a damaged header, so that nothing could be recovered from it"),
            Log::Frames(_) => None,
        };
        match (gone, left) {
            (Some(gone), Left::InUse) => losses.push(format!(
                "the log {} {gone}, although the store was not closed: acknowledged changes since its last checkpoint \
                 are lost; the store has a new incarnation",
                files.log.display()
            )),
            (Some(gone), Left::Unknown) if log != Log::Empty => losses.push(format!(
                "the log {} {gone}: if the store was not closed before, changes are lost",
                files.log.display()
            )),
            _ => {}
        }
        if created && lock {
            losses.push(format!(
                "a store was kept in {} before, and nothing of it is left: a new, empty one was made (store.create = \
                 false refuses that)",
                files.directory.display()
            ));
        }
        Ok(Opening {
            directory: files.directory.clone(),
            created,
            incarnation: db.query_row("SELECT incarnation FROM store", [], |row| row.get(0))?,
            accounts: count(db, "SELECT 1 FROM account"),
            owners: count(db, "SELECT 1 FROM organizer WHERE chunk = 0"),
            recovered,
            dropped,
            doubts,
            losses,
        })
    }

    /// Whether acknowledged changes are known to be lost, so that versions and cursors of before lead nowhere.
    pub(super) fn is_another_life(&self, left: Left) -> bool {
        left == Left::InUse && !self.losses.is_empty()
    }

    /// The store has another incarnation now.
    pub(super) fn renew(&mut self, incarnation: String) {
        self.incarnation = incarnation;
    }
}

impl std::fmt::Display for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Opening { directory, created, incarnation, accounts, owners, recovered, dropped, .. } = self;
        let directory = directory.display();
        if *created {
            return write!(f, "created a new, empty store in {directory}: incarnation {incarnation}");
        }
        write!(
            f,
            "opened the store in {directory}: incarnation {incarnation}, {} accounts, {} owners; frames in the log: \
             {recovered} recovered, {dropped} dropped",
            shown(*accounts),
            shown(*owners)
        )
    }
}

fn shown(count: Counted) -> String {
    match count {
        None => "an unknown number of".to_owned(),
        Some(count) if count > COUNTED => format!("more than {COUNTED}"),
        Some(count) => count.to_string(),
    }
}

fn count(db: &Connection, rows: &str) -> Counted {
    let sql = format!("SELECT count(*) FROM ({rows} LIMIT {})", COUNTED + 1);
    db.query_row(&sql, [], |row| row.get::<_, i64>(0)).ok().and_then(|count| u64::try_from(count).ok())
}
