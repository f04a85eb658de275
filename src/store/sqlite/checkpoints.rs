//! Keeps the write-ahead log short.
//!
//! A passive checkpoint copies as much of the log into the database as readers allow. But SQLite restarts the log
//! only when no reader uses it, which never happens under constant reads. So if the log has become long, a blocking
//! checkpoint waits for the current readers, which need a few milliseconds each, while new ones read from the
//! database only.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI32, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rusqlite::Connection;

use super::{batch::PAGE, error::committing, schema};
use crate::{log_lines::log, store::StoreError};

/// The number of bytes after which the log is copied into the database.
const COPY_ABOVE: u64 = 8 << 20;
/// The size in bytes above which the log is copied even if changes are waiting, and is then restarted.
const RESTART_ABOVE: u64 = 32 << 20;
/// How many times the writer checks whether readers have finished before it gives up restarting the log. With
/// [`READER_POLL`] between the checks, this is a quarter of a second. After each failure, the number is doubled, up
/// to [`MAX_READER_CHECKS`].
const READER_CHECKS: i32 = 250;
const MAX_READER_CHECKS: i32 = 8 * READER_CHECKS;
const READER_POLL: Duration = Duration::from_millis(1);
/// The size of a page in the log, in bytes.
const FRAME: u64 = PAGE as u64 + 24;

/// Decides when to run which checkpoint.
pub(super) struct Checkpoints {
    /// The approximate number of bytes in the log that have not been copied into the database.
    uncopied: u64,
    /// The approximate number of bytes in the log since it was last restarted.
    length: u64,
    /// The length above which the log is to be restarted.
    restart_above: u64,
    /// How many times to check whether readers have finished.
    checks: Arc<AtomicI32>,
    counts: Arc<CheckpointCounts>,
}

/// Checkpoint counters, for the metrics.
#[derive(Debug, Default)]
pub(super) struct CheckpointCounts {
    /// The approximate number of bytes in the log since it was last restarted.
    pub(super) length: AtomicU64,
    /// The number of times the log could not be restarted because a reader was using it.
    pub(super) held: AtomicU64,
}

impl Checkpoints {
    /// Prepares the writer's connection for checkpoints.
    ///
    /// # Errors
    /// Returns any SQLite error.
    pub(super) fn new(db: &mut Connection, counts: Arc<CheckpointCounts>) -> rusqlite::Result<Checkpoints> {
        let checks = Arc::new(AtomicI32::new(READER_CHECKS));
        let most = Arc::clone(&checks);
        // SQLite's own busy handler eventually checks only every tenth of a second. Under constant reads, it might
        // find a reader every time.
        db.busy_handler(Some(move |checked| {
            let goes_on = checked < most.load(Ordering::Relaxed);
            if goes_on {
                wait_for_reader();
            }
            goes_on
        }))?;
        Ok(Checkpoints { uncopied: 0, length: 0, restart_above: RESTART_ABOVE, checks, counts })
    }

    /// Records a commit of approximately this many bytes.
    pub(super) fn note(&mut self, bytes: u64) {
        self.uncopied += bytes;
        self.length += bytes;
        self.counts.length.store(self.length, Ordering::Relaxed);
    }

    /// Runs the checkpoints that are due, if any. `is_idle` means that no changes are waiting.
    ///
    /// # Errors
    /// Returns [`StoreError::Lost`] if the disk failed.
    pub(super) fn run_due(&mut self, db: &Connection, is_idle: bool) -> Result<(), StoreError> {
        if self.uncopied > COPY_ABOVE && (is_idle || self.length > RESTART_ABOVE) {
            self.run(db, "PASSIVE")?;
        }
        if self.length > self.restart_above {
            self.restart(db)?;
        }
        Ok(())
    }

    /// Copies the log into the database and restarts it, so that the next change is written to its start.
    ///
    /// # Errors
    /// Returns [`StoreError::Lost`] if the disk failed.
    pub(super) fn restart(&mut self, db: &Connection) -> Result<(), StoreError> {
        let ended = self.run(db, "RESTART");
        match ended? {
            Ended::Complete => {
                (self.length, self.restart_above) = (0, RESTART_ABOVE);
                self.checks.store(READER_CHECKS, Ordering::Relaxed);
            }
            // After a failure, let the log grow before the next attempt. Trying at every commit would delay changes.
            ended => {
                self.restart_above = self.length + COPY_ABOVE;
                if ended == Ended::Held {
                    let checks = self.checks.load(Ordering::Relaxed);
                    self.checks.store((2 * checks).min(MAX_READER_CHECKS), Ordering::Relaxed);
                    self.counts.held.fetch_add(1, Ordering::Relaxed);
                    log!(LOG_HELD, log_bytes = self.length);
                }
            }
        }
        self.counts.length.store(self.length, Ordering::Relaxed);
        Ok(())
    }

    /// Runs a checkpoint. If a reader or a full disk prevents it from completing, the next checkpoint continues.
    ///
    /// # Errors
    /// Returns [`StoreError::Lost`] if the disk failed.
    pub(super) fn run(&mut self, db: &Connection, mode: &str) -> Result<Ended, StoreError> {
        match schema::frames(db, mode) {
            Ok((frames, left, busy)) => {
                (self.length, self.uncopied) = (frames * FRAME, left * FRAME);
                self.counts.length.store(self.length, Ordering::Relaxed);
                Ok(if busy || left > 0 { Ended::Held } else { Ended::Complete })
            }
            Err(error) => {
                log!(CHECKPOINT_FAILED, %error);
                if let lost @ StoreError::Lost(_) = committing(error) {
                    return Err(lost);
                }
                // Don't try again at every batch.
                self.uncopied = 0;
                Ok(Ended::Refused)
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "SQLite does not signal when a reader has finished")]
fn wait_for_reader() {
    thread::sleep(READER_POLL);
}

/// How a checkpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything was copied into the database.
    Complete,
    /// A reader prevented it from completing.
    Held,
    /// The checkpoint failed, usually because the disk is full.
    Refused,
}
