//! The open connections: how many there may be in total and per source, and which one is closed when a new connection
//! needs its place.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, Semaphore};

use super::{
    activity::milliseconds,
    source::Source,
    table::{Opened, Table},
    task::TaskHandle,
    unsent::Unsent,
};
use crate::metrics::ConnectionCounts;

/// How many connections beyond the limit may be open at once. All but one of them may wait for a place, so that a
/// health check always gets in.
pub(super) const PROBES: usize = 4;

/// How long a connection beyond the limit may take to send a health check before the next one may replace it.
pub(super) const PROBE_GRACE: Duration = Duration::from_millis(250);

/// How many connections from trusted proxies may be without a place, either because their client is not named yet or
/// because they wait for one.
const UNPLACED: usize = 256;

/// How long a request without a valid signature may be in progress before its connection may be closed to make room.
const WORK_GRACE: Duration = Duration::from_secs(3);

/// How long a client may go without reading any of its answers when memory is tight, and how often this is checked.
const STANDSTILL: Duration = Duration::from_secs(2);
/// How often clients are checked when no memory is left for further answers.
const URGENT_PAUSE: Duration = Duration::from_millis(50);

/// How many connections may be open.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// In total.
    pub all: usize,
    /// How many connections one source address may have. 0 means all except a reserve for other sources.
    pub per_source: usize,
}

impl ConnectionLimits {
    /// Returns the maximum number of connections that one source may have. By default some are reserved for others,
    /// so that one address cannot lock everyone out.
    pub(super) fn of_source(self) -> usize {
        match self.per_source {
            0 => self.all - (self.all / 10).clamp(1, 100).min(self.all - 1),
            some => some,
        }
    }
}

/// The open connections.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) limits: ConnectionLimits,
    table: Mutex<Table>,
    pub(super) unsent: Arc<Unsent>,
    /// Wakes listeners that wait for a place.
    pub(super) left: Notify,
    /// Permits for connections from trusted proxies that have no place yet.
    unplaced: Semaphore,
    accepted: AtomicU64,
    evicted: AtomicU64,
    refused: AtomicU64,
}

/// A connection that has no place yet.
#[derive(Clone, Debug)]
pub(super) struct Newcomer {
    /// The address that appears in the log and is counted.
    pub(super) address: IpAddr,
    /// Whether a trusted proxy named it. Loopback is counted only then, because local tools and sidecars all share
    /// that address.
    pub(super) named: bool,
    /// Whether its requests may name their source.
    pub(super) forwards: bool,
    /// Ends the connection from outside.
    pub(super) handle: Arc<TaskHandle>,
}

/// Why a connection is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Its source already has as many connections as it may have.
    Source,
    /// All places are taken, including those for health checks.
    All,
}

impl Registry {
    pub(super) fn new(limits: ConnectionLimits, unsent: Arc<Unsent>) -> Arc<Registry> {
        Arc::new(Registry {
            limits,
            table: Mutex::default(),
            unsent,
            left: Notify::new(),
            unplaced: Semaphore::new(UNPLACED),
            accepted: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an accepted connection.
    pub(super) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the connection counts for the metrics.
    pub(super) fn counts(&self) -> ConnectionCounts {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ConnectionCounts {
            accepted: count(&self.accepted),
            open: self.table().entries.len() as u64,
            evicted: count(&self.evicted),
            refused: count(&self.refused),
            unsent: self.unsent.bytes() as u64,
        }
    }

    /// Returns the maximum number of connections that one source may have.
    pub(super) fn of_source(&self) -> usize {
        self.limits.of_source()
    }

    /// Returns whether one more connection fits within the limit, closing another one if necessary.
    pub(super) fn has_room(&self, table: &mut Table, now: Duration) -> bool {
        table.entries.len() - table.probes < self.limits.all || self.evict(table, None, now)
    }

    /// Returns the permits for connections that have no place yet.
    pub(super) fn unplaced(&self) -> &Semaphore {
        &self.unplaced
    }

    /// Waits until a connection has ended.
    pub(super) fn left(&self) -> tokio::sync::futures::Notified<'_> {
        self.left.notified()
    }

    /// Makes room for one more connection of a source, closing another one if necessary.
    pub(super) fn make_room_of(
        &self,
        table: &mut Table,
        source: Source,
        now: Duration,
    ) -> Result<(), NoPlace> {
        let open = table.sources.get(&source).copied().unwrap_or(0);
        if open < self.limits.of_source() || self.evict(table, Some(source), now) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(NoPlace::Source)
    }

    /// Ends the connection that has been idle longest, among those that never presented a valid signature and that
    /// belong to the source, if one is given. A connection with a request in progress has some time to present a
    /// signature and is ended last. With thousands of connections, one per cent of them are ended at once, so that a
    /// flood of new connections does not cost a full scan for each of them.
    fn evict(&self, table: &mut Table, of: Option<Source>, now: Duration) -> bool {
        let now = milliseconds(now);
        let strangers = table.entries.iter().filter(|(_, entry)| {
            let activity = &entry.activity;
            !activity.is_signed()
                && !activity.is_probe()
                && (activity.is_quiet() || now >= activity.last() + milliseconds(WORK_GRACE))
                && of.is_none_or(|source| entry.source == Some(source))
        });
        let mut idle: Vec<(bool, u64, u64)> =
            strangers.map(|(id, entry)| (!entry.activity.is_quiet(), entry.activity.last(), *id)).collect();
        let at_once = (idle.len() / 100).max(1);
        if at_once < idle.len() {
            idle.select_nth_unstable(at_once);
        }
        let leaving: Vec<u64> = idle.into_iter().take(at_once).map(|(_, _, id)| id).collect();
        for id in &leaving {
            self.end(table, *id);
        }
        !leaving.is_empty()
    }

    /// Ends the oldest connection beyond the limit that does not carry a call and whose time to send a health check
    /// is over.
    pub(super) fn evict_probe(&self, table: &mut Table, now: Duration) -> bool {
        let asked = |entry: &Opened| {
            entry.activity.is_probe()
                && entry.activity.is_quiet()
                && !entry.waits
                && now >= entry.since + PROBE_GRACE
        };
        let oldest = table.entries.iter().filter(|(_, entry)| asked(entry)).map(|(id, _)| *id).min();
        oldest.map(|id| self.end(table, id)).is_some()
    }

    fn end(&self, table: &mut Table, id: u64) {
        if let Some(entry) = table.remove(id) {
            entry.activity.evict();
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Frees memory when more bytes of answers are waiting than the limit allows: ends connections whose clients have
    /// not read anything for a while, the longest stalled first. If no memory is left (`urgent`), it ends those with
    /// the oldest unread answers, even if they are reading. Called once a second, and by requests when memory is
    /// full; calls that follow too soon do nothing.
    pub(super) fn shed_slow_readers(&self, now: Duration, urgent: bool) {
        if !self.unsent.is_tight() {
            return;
        }
        let mut table = self.table();
        let pause = if urgent { URGENT_PAUSE } else { STANDSTILL };
        if now < table.looked + pause {
            return;
        }
        table.looked = now;
        let mut holders: Vec<(u64, u64)> = Vec::new();
        for (id, entry) in &mut table.entries {
            let activity = &entry.activity;
            if activity.unsent_and_limited() == 0 {
                entry.stands = None;
                continue;
            }
            // The time of the last answer that was read, or of the first one that was not.
            let (taken, since) = match entry.stands {
                Some((taken, since)) if taken == activity.taken() => {
                    (taken, since.max(activity.unsent_since()))
                }
                _ => (activity.taken(), milliseconds(now)),
            };
            let since = if entry.stands.is_none() { activity.unsent_since() } else { since };
            entry.stands = Some((taken, since));
            if urgent || milliseconds(now) >= since + milliseconds(STANDSTILL) {
                holders.push((since, *id));
            }
        }
        holders.sort_unstable();
        let mut waiting = self.unsent.limited();
        for (_, id) in holders {
            if waiting <= self.unsent.limit() {
                return;
            }
            waiting = waiting.saturating_sub(table.entries[&id].activity.unsent_and_limited());
            self.end(&mut table, id);
        }
    }
}
