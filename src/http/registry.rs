//! All connections that are open: how many there may be, how many of one source, and which one has to go when
//! a newcomer needs its place.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, Semaphore};

use super::{
    activity::{Activity, milliseconds},
    source::Source,
    task::TaskHandle,
    unsent::Unsent,
};
use crate::metrics::ConnectionCounts;

/// How many connections beyond the limit are open at once. All but one of them may wait for a place, so that a
/// health check always gets in.
pub(super) const PROBES: usize = 4;

/// How long a connection beyond the limit may take to ask for health before it has to make room for the next one.
pub(super) const PROBE_GRACE: Duration = Duration::from_millis(250);

/// How many connections of trusted proxies may be without a place: about to say whom they are for, or waiting.
const UNPLACED: usize = 256;

/// How long a stranger's request may be in work before its connection has to make room for others.
const WORK_GRACE: Duration = Duration::from_secs(3);

/// How long a client may take none of its answers when memory is tight, and how often that is looked at.
const STANDSTILL: Duration = Duration::from_secs(2);
/// The same when there is no memory at all for further answers.
const URGENT_PAUSE: Duration = Duration::from_millis(50);

/// How many connections may be open.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// In all.
    pub all: usize,
    /// From one source address; 0 for all but the reserve.
    pub per_source: usize,
}

impl ConnectionLimits {
    /// The most connections of one source. By default some are kept for others, so that one address cannot
    /// lock everybody out.
    pub(super) fn of_source(self) -> usize {
        match self.per_source {
            0 => self.all - (self.all / 10).clamp(1, 100).min(self.all - 1),
            some => some,
        }
    }
}

/// The connections that are open.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) limits: ConnectionLimits,
    table: Mutex<Table>,
    pub(super) unsent: Arc<Unsent>,
    /// Wakes listeners that wait for a place.
    pub(super) left: Notify,
    /// One for each connection of a trusted proxy that has no place yet.
    unplaced: Semaphore,
    accepted: AtomicU64,
    evicted: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) entries: HashMap<u64, Opened>,
    pub(super) sources: HashMap<Source, usize>,
    pub(super) last: u64,
    /// Connections beyond the limit, and calls on them that wait for a place.
    pub(super) probes: usize,
    pub(super) waiting: usize,
    /// When slow readers were looked for last.
    pub(super) looked: Duration,
}

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) activity: Arc<Activity>,
    /// What the connection is counted for; nothing when it is exempt.
    pub(super) source: Option<Source>,
    /// When it was accepted.
    pub(super) since: Duration,
    /// While it holds answers: how many it had taken at the last look, and since when it took none.
    pub(super) stands: Option<(u64, u64)>,
    /// Whether it carries a call that waits for a place.
    pub(super) waits: bool,
}

/// Who has connected.
#[derive(Clone, Debug)]
pub(super) struct Newcomer {
    /// The address that is shown, and counted.
    pub(super) address: IpAddr,
    /// Whether a trusted proxy named it. Loopback is counted only then, because tools and sidecars of the same
    /// machine share that address.
    pub(super) named: bool,
    /// Whether its requests may name their source.
    pub(super) forwards: bool,
    /// What ends the connection from outside.
    pub(super) handle: Arc<TaskHandle>,
}

/// Why a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Its source has as many as it may have.
    Source,
    /// All places are taken, those for health checks included.
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

    /// A connection was accepted.
    pub(super) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// How the connections are doing.
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

    /// The most connections of one source.
    pub(super) fn of_source(&self) -> usize {
        self.limits.of_source()
    }

    /// Whether one more connection has its place within the limit, if need be because another one leaves.
    pub(super) fn has_room(&self, table: &mut Table, now: Duration) -> bool {
        table.entries.len() - table.probes < self.limits.all || self.evict(table, None, now)
    }

    /// The permits of connections that have no place yet.
    pub(super) fn unplaced(&self) -> &Semaphore {
        &self.unplaced
    }

    /// Waits until a connection has left.
    pub(super) fn left(&self) -> tokio::sync::futures::Notified<'_> {
        self.left.notified()
    }

    /// Sees to it that one more connection of a source has its place.
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

    /// Ends the connection that has been idle longest, of those – of this source – that never showed a good
    /// signature. One that works on a request has some time to show one before it may go, too, and goes last. Where
    /// thousands may be open, some more of them end with it, so that a flood of newcomers does not cost a look at all
    /// connections for each of them.
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

    /// Ends the oldest connection beyond the limit, of those that carry no call and have had their time to ask
    /// for health.
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

    /// Makes room when more answers wait than may wait: ends connections whose clients have taken none of theirs for a
    /// while, the longest first. When it is urgent, because there is no room at all, it ends those that have held
    /// answers longest, whatever they take meanwhile. This is called once a second, and by requests when there is no
    /// room; it is done at most so often.
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
            if activity.unsent() == 0 {
                entry.stands = None;
                continue;
            }
            // When it last took an answer, or began to hold some.
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
        let mut waiting = self.unsent.bytes();
        for (_, id) in holders {
            if waiting <= self.unsent.limit() {
                return;
            }
            waiting = waiting.saturating_sub(table.entries[&id].activity.unsent());
            self.end(&mut table, id);
        }
    }
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
