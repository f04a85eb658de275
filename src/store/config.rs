//! Which store is opened, and how.

use std::{path::PathBuf, time::Duration};

use crate::clock::Clock;

/// Which store to open, and how.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The directory of its files.
    pub directory: PathBuf,
    /// Whether the directory and a store are made if they are not there.
    pub create: bool,
    /// Bytes of owners kept in memory.
    pub cache_bytes: u64,
    /// Threads that read what the cache misses.
    pub readers: usize,
    /// How many reads may wait for them; more are refused.
    pub read_queue: usize,
    /// How long a call waits for its reading to begin; it is refused then. Part of the time that the call has.
    pub read_patience: Duration,
    /// How many changes may wait to be written; more are refused.
    pub queue: usize,
    /// How long closing the store may take.
    pub close_within: Duration,
    /// What time it is, for events that are removed when they are old.
    pub clock: Clock,
}

impl StoreConfig {
    /// The usual options for a store in `directory`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> StoreConfig {
        StoreConfig {
            directory: directory.into(),
            create: true,
            cache_bytes: 256 << 20,
            readers: 2,
            read_queue: 16_384,
            read_patience: Duration::from_millis(2_400),
            queue: 8_192,
            close_within: Duration::from_secs(5),
            clock: Clock::system(),
        }
    }
}
