//! The table of open connections, and how many of them each source has.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{activity::Activity, source::Source};

/// The open connections and their counts.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) entries: HashMap<u64, Opened>,
    pub(super) sources: HashMap<Source, usize>,
    pub(super) last: u64,
    /// The number of connections beyond the limit, and of calls on them that wait for a place.
    pub(super) probes: usize,
    pub(super) waiting: usize,
    /// When slow readers were last checked.
    pub(super) looked: Duration,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) activity: Arc<Activity>,
    /// The source that the connection counts towards; `None` when it is exempt.
    pub(super) source: Option<Source>,
    /// When it was accepted.
    pub(super) since: Duration,
    /// How many answers had been read at the last check, and the time since which none has been read. `None` if no
    /// answer is unread.
    pub(super) stands: Option<(u64, u64)>,
    /// Whether it carries a call that waits for a place.
    pub(super) waits: bool,
}

impl Table {
    pub(super) fn count(&mut self, source: Option<Source>) {
        if let Some(source) = source {
            *self.sources.entry(source).or_default() += 1;
        }
    }

    pub(super) fn uncount(&mut self, source: Option<Source>) {
        let Some(source) = source else { return };
        if let Some(open) = self.sources.get_mut(&source) {
            *open -= 1;
            if *open == 0 {
                self.sources.remove(&source);
            }
        }
    }

    pub(super) fn wait(&mut self, id: u64, waits: bool) {
        if let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.waits != waits) {
            entry.waits = waits;
            match waits {
                true => self.waiting += 1,
                false => self.waiting -= 1,
            }
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Opened> {
        self.wait(id, false);
        let entry = self.entries.remove(&id)?;
        self.uncount(entry.source);
        self.probes -= usize::from(entry.activity.is_probe());
        Some(entry)
    }
}
