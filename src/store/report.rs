//! What a store reports about itself.

use std::time::Duration;

use crate::log_lines::Finding;

/// The statistics of a store since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Transactions, each with one fsync.
    pub commits: u64,
    /// Changes in these transactions.
    pub changes: u64,
    /// How long the writer has been busy writing changes. Other changes wait during that time.
    pub writing: Duration,
    /// Changes that are waiting to be written.
    pub waiting: u64,
    /// Reads of owners that were in the cache.
    pub cache_hits: u64,
    /// Reads of owners that were not in the cache.
    pub cache_misses: u64,
    /// The size of the cache, in bytes.
    pub cache_bytes: u64,
    /// Reads that are waiting for a thread.
    pub reads_waiting: u64,
    /// Reads that were refused, because too many were waiting or they had waited too long.
    pub reads_refused: u64,
    /// The size of the database and its write-ahead log on disk, in bytes.
    pub disk_bytes: u64,
    /// The size of the write-ahead log's file, in bytes.
    pub log_bytes: u64,
    /// The part of the write-ahead log that is in use, in bytes.
    pub log_in_use: u64,
    /// The number of times the write-ahead log could not be restarted because a reader was still using it.
    pub log_held: u64,
    /// The number of owners and chat groups that are known to be damaged.
    pub damaged: u64,
    /// 1 if undamaged data cannot be changed because of damage elsewhere, otherwise 0.
    pub unwritable: u64,
}

/// What was found when a store was opened, as messages for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpeningReport {
    /// A summary of the stored data.
    pub summary: Option<Finding>,
    /// Findings that an operator should check.
    pub doubts: Vec<Finding>,
    /// Data that was lost or may have been lost.
    pub losses: Vec<Finding>,
}

/// The state of a store that can make changes durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The number of owners and chat groups that are known to be damaged. All others can be used.
    pub damaged: u64,
}
