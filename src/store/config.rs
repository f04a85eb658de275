//! The options for opening a store.

use std::{path::PathBuf, time::Duration};

use super::BUCKETS;
use crate::clock::Clock;

/// The kinds of stores. The suite of `contract.rs` has to name each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Keeps everything in memory, for checks and tests.
    Memory,
    /// Keeps everything in an embedded database.
    Sqlite,
}

/// How long events are kept. The older of two limits applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How old an event may become, in seconds.
    pub seconds: u64,
    /// The approximate size of all events, in bytes, above which the oldest are removed.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { seconds: 7 * 86_400, bytes: 4 << 30 }
    }
}

/// The options for opening a store.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The kind of the store.
    pub backend: Backend,
    /// The directory with the store's files.
    pub directory: PathBuf,
    /// Whether to create the directory and the store if they do not exist.
    pub create: bool,
    /// The size of the cache of owners, in bytes.
    pub cache_bytes: u64,
    /// The number of threads that read from the database.
    pub readers: usize,
    /// How many reads may wait for these threads; more are refused.
    pub read_queue: usize,
    /// How long a read may wait before it begins; then it is refused. This is shorter than the deadline of the whole
    /// call.
    pub read_patience: Duration,
    /// How many changes may wait to be written; more are refused.
    pub queue: usize,
    /// How long events are kept.
    pub retention: Retention,
    /// The number of buckets of a store that is created, see [`super::BUCKETS`].
    pub buckets: u8,
    /// How long closing the store may take.
    pub close_within: Duration,
    /// The clock. The store uses it to remove events after some time.
    pub clock: Clock,
}

impl StoreConfig {
    /// Returns the default options for a store in `directory`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> StoreConfig {
        StoreConfig {
            backend: Backend::Sqlite,
            directory: directory.into(),
            create: true,
            cache_bytes: 256 << 20,
            readers: 2,
            read_queue: 16_384,
            read_patience: Duration::from_millis(2_400),
            queue: 8_192,
            retention: Retention::default(),
            buckets: BUCKETS,
            close_within: Duration::from_secs(5),
            clock: Clock::system(),
        }
    }
}
