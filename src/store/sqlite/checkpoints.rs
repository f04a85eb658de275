//! Keeping the write-ahead log short.
//!
//! A passive checkpoint copies what no reader needs any more, but the log is only begun anew at a moment when nobody
//! reads from it, and under constant reads there is none. So when the log has become long, one checkpoint makes such a
//! moment: it lets the readers at work finish – each takes some milliseconds – while new ones read from the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;

use super::{batch::PAGE, error::committing, schema};
use crate::store::StoreError;

/// After how many bytes written the log is copied into the database.
const COPY_ABOVE: u64 = 8 << 20;
/// Above this size the log is copied even while changes wait, and is begun anew.
const RESTART_ABOVE: u64 = 32 << 20;
/// How long the writer waits for readers when the log is to be begun anew.
const RESTART_WITHIN: Duration = Duration::from_millis(250);
/// How long it waits otherwise. Nobody else writes, so that this never counts.
const USUAL_WAIT: Duration = Duration::from_secs(5);
/// What a page takes in the log.
const FRAME: u64 = PAGE as u64 + 24;

/// When to run which checkpoint.
pub(super) struct Checkpoints {
    /// Bytes in the log that are not in the database yet, roughly.
    uncopied: u64,
    /// Bytes in the log since it was begun anew, roughly.
    length: u64,
    /// Beyond this length it is to be begun anew.
    restart_above: u64,
    counts: Arc<CheckpointCounts>,
}

/// What checkpoints have to tell.
#[derive(Debug, Default)]
pub(super) struct CheckpointCounts {
    /// Bytes in the log that count.
    pub(super) length: AtomicU64,
    /// How often the log could not be begun anew because a reader stayed.
    pub(super) held: AtomicU64,
}

impl Checkpoints {
    pub(super) fn new(counts: Arc<CheckpointCounts>) -> Checkpoints {
        Checkpoints { uncopied: 0, length: 0, restart_above: RESTART_ABOVE, counts }
    }

    /// Takes note of a commit of roughly so many bytes.
    pub(super) fn note(&mut self, bytes: u64) {
        self.uncopied += bytes;
        self.length += bytes;
        self.counts.length.store(self.length, Ordering::Relaxed);
    }

    /// Runs the checkpoints that are due, if any. `is_idle` says that no change waits.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the disk failed.
    pub(super) fn run_due(&mut self, db: &Connection, is_idle: bool) -> Result<(), StoreError> {
        if self.uncopied > COPY_ABOVE && (is_idle || self.length > RESTART_ABOVE) {
            self.run(db, "PASSIVE")?;
        }
        if self.length > self.restart_above {
            self.restart(db)?;
        }
        Ok(())
    }

    /// Copies the log and lets it begin anew, so that the next change is written to its start.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the disk failed.
    pub(super) fn restart(&mut self, db: &Connection) -> Result<(), StoreError> {
        let patience = |within| {
            if let Err(error) = db.busy_timeout(within) {
                tracing::warn!(%error, "the time for a checkpoint cannot be set");
            }
        };
        patience(RESTART_WITHIN);
        let ended = self.run(db, "RESTART");
        patience(USUAL_WAIT);
        match ended? {
            Ended::Complete => (self.length, self.restart_above) = (0, RESTART_ABOVE),
            // A long reader, such as a backup, or a full disk: the log grows meanwhile. Trying at every commit would
            // hold up writers.
            ended => {
                self.restart_above = self.length + COPY_ABOVE;
                if ended == Ended::Held {
                    self.counts.held.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(
                        log_bytes = self.length,
                        "the log of the store grows, because something has been reading from it for long"
                    );
                }
            }
        }
        self.counts.length.store(self.length, Ordering::Relaxed);
        Ok(())
    }

    /// Runs a checkpoint. What a reader still looks at, and what a full disk refuses, is left for the next time.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the disk failed.
    pub(super) fn run(&mut self, db: &Connection, mode: &str) -> Result<Ended, StoreError> {
        match schema::frames(db, mode) {
            Ok((frames, left, busy)) => {
                (self.length, self.uncopied) = (frames * FRAME, left * FRAME);
                self.counts.length.store(self.length, Ordering::Relaxed);
                Ok(if busy || left > 0 { Ended::Held } else { Ended::Complete })
            }
            Err(error) => {
                tracing::error!(%error, "a checkpoint failed");
                if let lost @ StoreError::Lost(_) = committing(error) {
                    return Err(lost);
                }
                // Not at every batch again.
                self.uncopied = 0;
                Ok(Ended::Refused)
            }
        }
    }
}

/// How a checkpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything is in the database.
    Complete,
    /// A reader kept something from being copied.
    Held,
    /// The disk had no room.
    Refused,
}
