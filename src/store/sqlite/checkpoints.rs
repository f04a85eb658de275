//! Keeping the write-ahead log short.
//!
//! A passive checkpoint copies what no reader needs any more, but SQLite restarts the log only when no reader uses it,
//! which never happens under constant reads. So when the log has become long, one checkpoint makes it happen: it waits
//! for the readers at work – each takes some milliseconds – while new ones read from the database.

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
use crate::store::StoreError;

/// After how many bytes written the log is copied into the database.
const COPY_ABOVE: u64 = 8 << 20;
/// Above this size the log is copied even while changes wait, and is begun anew.
const RESTART_ABOVE: u64 = 32 << 20;
/// How often the writer looks whether readers have finished when the log is to be begun anew, and the time between: a
/// quarter of a second in all. Each time that it was in vain the next wait is twice as long, up to two seconds.
const LOOKS: i32 = 250;
const MOST_LOOKS: i32 = 8 * LOOKS;
const LOOK_AGAIN: Duration = Duration::from_millis(1);
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
    /// How often to look whether readers have finished.
    looks: Arc<AtomicI32>,
    counts: Arc<CheckpointCounts>,
}

/// Checkpoint counters, for the metrics.
#[derive(Debug, Default)]
pub(super) struct CheckpointCounts {
    /// Bytes in the log that count.
    pub(super) length: AtomicU64,
    /// How often the log could not be begun anew because a reader stayed.
    pub(super) held: AtomicU64,
}

impl Checkpoints {
    /// For checkpoints of the writer's connection.
    ///
    /// # Errors
    /// Those of SQLite.
    pub(super) fn new(db: &mut Connection, counts: Arc<CheckpointCounts>) -> rusqlite::Result<Checkpoints> {
        let looks = Arc::new(AtomicI32::new(LOOKS));
        let most = Arc::clone(&looks);
        // SQLite's own way of waiting looks every tenth of a second in the end, and may always come between two readers.
        db.busy_handler(Some(move |looked| {
            let goes_on = looked < most.load(Ordering::Relaxed);
            if goes_on {
                wait_for_reader();
            }
            goes_on
        }))?;
        Ok(Checkpoints { uncopied: 0, length: 0, restart_above: RESTART_ABOVE, looks, counts })
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
        let ended = self.run(db, "RESTART");
        match ended? {
            Ended::Complete => {
                (self.length, self.restart_above) = (0, RESTART_ABOVE);
                self.looks.store(LOOKS, Ordering::Relaxed);
            }
            // A reader that hangs, or a full disk: the log grows meanwhile. Trying at every commit would
            // hold up writers.
            ended => {
                self.restart_above = self.length + COPY_ABOVE;
                if ended == Ended::Held {
                    let looks = self.looks.load(Ordering::Relaxed);
                    self.looks.store((2 * looks).min(MOST_LOOKS), Ordering::Relaxed);
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

#[expect(clippy::disallowed_methods, reason = "SQLite gives no sign when a reader has finished")]
fn wait_for_reader() {
    thread::sleep(LOOK_AGAIN);
}

/// How a checkpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything is in the database.
    Complete,
    /// A reader kept something from being copied.
    Held,
    /// It failed, usually for want of room.
    Refused,
}
