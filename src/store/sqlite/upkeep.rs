//! What the writer does between batches: removes old events, and the traces of erased content.

use std::time::Duration;

use tokio::sync::mpsc;

use super::{
    batch::PAGE,
    checkpoints::Ended,
    disbandings,
    error::{attribute_damage, committing},
    job::Job,
    scrubbing::note_traces,
    trimming,
    writer::WriterThread,
};
use crate::{
    log_lines::log,
    store::{Damaged, StoreError},
};

/// How often to look for old events.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// How long to wait before trying again to remove traces of erased content.
const CLEAN_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl WriterThread {
    /// Removes every trace of erased content from the files: empties the log, which keeps it until it is overwritten, and
    /// sweeps the database file. The sweep goes on while the writer is idle, and otherwise after later changes.
    ///
    /// # Errors
    /// Returns [`StoreError::Lost`] if the disk failed.
    pub(super) fn clean_up(&mut self, queue: &mpsc::Receiver<Job>) -> Result<(), StoreError> {
        if std::mem::take(&mut self.has_erased) {
            self.scrubber.begin();
        }
        let now = self.shared.clock.elapsed();
        while self.scrubber.is_due() && self.clean_after.is_none_or(|after| now >= after) {
            let emptied = self.checkpoints.run(&self.db, "TRUNCATE")? == Ended::Complete;
            if emptied {
                self.files.note_emptied_log();
            }
            let cleaned = emptied
                && self.db.execute_batch("PRAGMA shrink_memory").is_ok()
                && self.scrubber.step().is_ok();
            // Trying again at every batch would delay changes, for example while readers use the log.
            self.clean_after = (!cleaned).then_some(now + CLEAN_AGAIN_AFTER);
            if cleaned && !self.scrubber.is_due() {
                // If this fails, the files are swept again after the next startup.
                let _ = note_traces(&self.db, false);
            }
            if !queue.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Removes old events from time to time, in separate transactions.
    ///
    /// # Errors
    /// Returns [`StoreError::Lost`] if the disk failed.
    pub(super) fn trim_events(&mut self) -> Result<(), StoreError> {
        let now = self.shared.clock.elapsed();
        if self.trimmed.is_some_and(|trimmed| now < trimmed + TRIM_EVERY) {
            return Ok(());
        }
        let before = self.clock.now().saturating_sub(self.retention.seconds);
        let disbandings = disbandings::trim_all_events(&self.db, &self.shared.health, before);
        let disbandings = disbandings.map_err(committing);
        let events = trimming::trim(&self.db, self.retention, self.clock.now_in_milliseconds());
        let events = attribute_damage(|| Damaged::Events, events);
        match disbandings.and_then(|removed| Ok(removed + events?)) {
            // There may be more. They are removed after the next changes.
            Ok(removed) if removed > 0 => self.checkpoints.note((removed * PAGE) as u64),
            Ok(_) => self.trimmed = Some(now),
            Err(error) => {
                self.trimmed = Some(now);
                // Damaged events are given up before the next changes.
                self.shared.health.note(&error);
                log!(EVENTS_NOT_REMOVED, %error);
                if let StoreError::Lost(_) = error {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
