//! All connections that are open: how many there may be, how many of one source, and which one has to go when
//! a newcomer needs its place.

mod place;

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

pub(super) use self::place::Place;
use super::{
    activity::{Activity, TaskHandle, milliseconds},
    sources::Source,
    unsent::Unsent,
};

/// How many connections beyond the limit are open at once. All but one of them may wait for a place, so that a
/// health check always gets in.
const PROBES: usize = 4;

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
    fn of_source(self) -> usize {
        match self.per_source {
            0 => self.all - (self.all / 10).clamp(1, 100).min(self.all - 1),
            some => some,
        }
    }
}

/// The connections that are open.
#[derive(Debug)]
pub(super) struct Registry {
    limits: ConnectionLimits,
    table: Mutex<Table>,
    unsent: Arc<Unsent>,
    /// Wakes listeners that wait for a place.
    left: Notify,
    /// One for each connection of a trusted proxy that has no place yet.
    unplaced: Semaphore,
    evicted: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<u64, Entry>,
    sources: HashMap<Source, usize>,
    last: u64,
    /// Connections beyond the limit, and calls on them that wait for a place.
    probes: usize,
    waiting: usize,
    /// When slow readers were looked for last.
    looked: Duration,
}

#[derive(Debug)]
struct Entry {
    activity: Arc<Activity>,
    /// What the connection is counted for; nothing when it is exempt.
    source: Option<Source>,
    /// When it was accepted.
    since: Duration,
    /// While it holds answers: how many it had taken at the last look, and since when it took none.
    stands: Option<(u64, u64)>,
    /// Whether it carries a call that waits for a place.
    waits: bool,
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
            evicted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections are open, were sent away for others, and got no place.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let open = self.table().entries.len() as u64;
        (open, self.evicted.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    /// The most connections of one source.
    pub(super) fn of_source(&self) -> usize {
        self.limits.of_source()
    }

    /// Gives a connection its place at `now` of the monotonic clock. When there is none, the connection that has
    /// been idle longest, of those that never showed a good signature, goes first.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) fn enter(self: &Arc<Registry>, who: &Newcomer, now: Duration) -> Result<Place, NoPlace> {
        let counted = who.named || !who.address.to_canonical().is_loopback();
        let source = counted.then(|| Source::of(who.address));
        let mut table = self.table();
        if let Some(source) = source {
            self.make_room_of(&mut table, source, now)?;
        }
        let full = !self.has_room(&mut table, now);
        if full {
            if table.probes >= PROBES && !self.evict_probe(&mut table, now) {
                return Err(NoPlace::All);
            }
            table.probes += 1;
        }
        let activity = Arc::new(Activity::new(
            who.address,
            who.forwards,
            full,
            &self.unsent,
            Arc::clone(&who.handle),
            now,
        ));
        table.last += 1;
        let id = table.last;
        table.count(source);
        table.entries.insert(
            id,
            Entry { activity: Arc::clone(&activity), source, since: now, stands: None, waits: false },
        );
        Ok(Place::new(Arc::clone(self), id, activity))
    }

    /// Whether one more connection has its place within the limit, if need be because another one leaves.
    fn has_room(&self, table: &mut Table, now: Duration) -> bool {
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
    fn make_room_of(&self, table: &mut Table, source: Source, now: Duration) -> Result<(), NoPlace> {
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
    fn evict_probe(&self, table: &mut Table, now: Duration) -> bool {
        let asked = |entry: &Entry| {
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
    /// answers longest, whatever they take meanwhile. Every worker calls this once a second, and requests do when there
    /// is no room; it is done at most so often.
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
    fn count(&mut self, source: Option<Source>) {
        if let Some(source) = source {
            *self.sources.entry(source).or_default() += 1;
        }
    }

    fn uncount(&mut self, source: Option<Source>) {
        let Some(source) = source else { return };
        if let Some(open) = self.sources.get_mut(&source) {
            *open -= 1;
            if *open == 0 {
                self.sources.remove(&source);
            }
        }
    }

    fn wait(&mut self, id: u64, waits: bool) {
        if let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.waits != waits) {
            entry.waits = waits;
            match waits {
                true => self.waiting += 1,
                false => self.waiting -= 1,
            }
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        self.wait(id, false);
        let entry = self.entries.remove(&id)?;
        self.uncount(entry.source);
        self.probes -= usize::from(entry.activity.is_probe());
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::{place::Waiting, *};
    use crate::clock::Clock;

    fn registry(all: usize, per_source: usize) -> Arc<Registry> {
        Registry::new(ConnectionLimits { all, per_source }, Arc::new(Unsent::new(1_000)))
    }

    fn from(address: &str) -> Newcomer {
        Newcomer { address: address.parse().unwrap(), named: false, forwards: false, handle: Arc::default() }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn by_default_a_source_leaves_a_reserve() {
        let most = |all| ConnectionLimits { all, per_source: 0 }.of_source();
        assert_eq!([most(1), most(2), most(30), most(10_000)], [1, 1, 27, 9_900]);
        assert_eq!(ConnectionLimits { all: 30, per_source: 5 }.of_source(), 5);
    }

    #[test]
    fn a_source_beyond_its_share_loses_its_own_longest_idle_connection() {
        let registry = registry(30, 2);
        let first = registry.enter(&from("192.0.2.1"), at(1)).unwrap();
        let second = registry.enter(&from("192.0.2.1"), at(2)).unwrap();
        first.activity.touch(at(3));
        let third = registry.enter(&from("::ffff:192.0.2.1"), at(4)).unwrap();
        assert!(
            !registry.table().entries.contains_key(&second.id)
                && registry.table().entries.contains_key(&first.id)
        );
        assert_eq!(registry.counts(), (2, 1, 0));
        first.activity.mark_signed();
        third.activity.mark_signed();
        assert_eq!(registry.enter(&from("192.0.2.1"), at(5)).err(), Some(NoPlace::Source));
        assert!(registry.enter(&from("192.0.2.2"), at(5)).is_ok(), "others are served");
        drop((first, second));
        assert!(registry.enter(&from("192.0.2.1"), at(6)).is_ok());
    }

    #[test]
    fn a_stranger_that_works_has_time_to_show_a_signature() {
        let registry = registry(1, 1);
        let place = registry.enter(&from("127.0.0.1"), at(1)).unwrap();
        place.activity.touch(at(2));
        let request = place.activity.begin();
        assert!(
            registry.enter(&from("127.0.0.1"), at(4)).unwrap().activity.is_probe(),
            "it is left in peace"
        );
        assert!(!registry.enter(&from("127.0.0.1"), at(5)).unwrap().activity.is_probe(), "but not for ever");
        drop(request);
    }

    #[test]
    fn addresses_of_one_network_are_one_source_and_loopback_is_exempt() {
        let registry = registry(30, 1);
        let one = registry.enter(&from("2001:db8::1"), at(1)).unwrap();
        one.activity.mark_signed();
        assert_eq!(registry.enter(&from("2001:db8::2"), at(1)).err(), Some(NoPlace::Source));
        assert!(registry.enter(&from("2001:db8:0:1::2"), at(1)).is_ok());
        let local: Vec<_> = (0..5).map(|_| registry.enter(&from("127.0.0.1"), at(1)).unwrap()).collect();
        for place in &local {
            place.activity.mark_signed();
        }
        let named = Newcomer { named: true, ..from("127.0.0.1") };
        let counted = registry.enter(&named, at(1)).unwrap();
        counted.activity.mark_signed();
        assert_eq!(registry.enter(&named, at(1)).err(), Some(NoPlace::Source));
        assert_eq!(local[0].count_for("127.0.0.1".parse().unwrap(), at(1)), Err(NoPlace::Source));
        assert_eq!(local[0].count_for("192.0.2.9".parse().unwrap(), at(1)), Ok(()));
        drop(counted);
        assert_eq!(local[1].count_for("127.0.0.1".parse().unwrap(), at(1)), Ok(()));
    }

    #[test]
    fn when_all_places_are_taken_a_few_connections_may_ask_for_health() {
        let registry = registry(2, 2);
        let places: Vec<_> = (0..2).map(|_| registry.enter(&from("127.0.0.1"), at(1)).unwrap()).collect();
        for place in &places {
            place.activity.mark_signed();
        }
        let probes: Vec<_> =
            (0..PROBES).map(|_| registry.enter(&from("127.0.0.1"), at(1)).unwrap()).collect();
        assert!(probes.iter().all(|place| place.activity.is_probe()) && !places[0].activity.is_probe());
        for probe in &probes {
            registry.table().wait(probe.id, true);
        }
        assert_eq!(registry.enter(&from("127.0.0.1"), at(1)).err(), Some(NoPlace::All));
        registry.table().wait(probes[1].id, false);
        assert_eq!(registry.enter(&from("127.0.0.1"), at(1)).err(), Some(NoPlace::All), "it is too new");
        let newcomer = registry.enter(&from("127.0.0.1"), at(2)).unwrap();
        assert!(newcomer.activity.is_probe());
        assert!(
            !registry.table().entries.contains_key(&probes[1].id),
            "the one that waits for nothing has left"
        );
        drop((probes, newcomer));
        assert!(registry.enter(&from("127.0.0.1"), at(1)).unwrap().activity.is_probe());
        drop(places);
        assert!(!registry.enter(&from("127.0.0.1"), at(1)).unwrap().activity.is_probe());
    }

    #[tokio::test]
    async fn a_call_beyond_the_limit_waits_for_a_place_and_leaves_room_for_a_health_check() {
        let registry = registry(1, 1);
        let enter = || registry.enter(&from("127.0.0.1"), at(1)).unwrap();
        let (first, clock) = (enter(), Clock::system());
        first.activity.mark_signed();
        let beyond: Vec<_> = (0..PROBES).map(|_| enter()).collect();
        let soon = Duration::from_millis(1);
        {
            let _waiting: Vec<_> = (beyond[1..].iter())
                .map(|place| {
                    registry.table().wait(place.id, true);
                    Waiting(place)
                })
                .collect();
            assert!(!beyond[0].wait(Duration::from_secs(60), &clock).await, "as many as may wait do so");
        }
        assert!(!beyond[0].wait(soon, &clock).await, "no place within the time");
        drop(first);
        assert!(beyond[0].wait(Duration::from_secs(60), &clock).await && !beyond[0].activity.is_probe());
        beyond[0].activity.mark_signed();
        assert!(!beyond[1].wait(soon, &clock).await);
        let table = registry.table();
        assert_eq!((table.entries.len(), table.probes, table.waiting), (4, 3, 0));
    }

    #[test]
    fn readers_that_take_nothing_are_sent_away_when_memory_is_tight() {
        let registry = registry(30, 30);
        let places: Vec<_> = (0..3).map(|_| registry.enter(&from("127.0.0.1"), at(1)).unwrap()).collect();
        let answer = |place: &Place, bytes| place.activity.begin().with(vec![b'x'; bytes]);
        let _held = [answer(&places[0], 300), answer(&places[1], 900), answer(&places[2], 500)];
        registry.shed_slow_readers(at(2), false);
        registry.shed_slow_readers(at(2), false);
        assert_eq!(registry.counts().0, 3, "nobody has stood still for long");
        // One takes an answer meanwhile; what the others send does not count.
        drop(answer(&places[1], 10));
        places[0].activity.receive(1_000_000);
        registry.shed_slow_readers(at(4), false);
        let left: Vec<u64> = registry.table().entries.keys().copied().collect();
        assert_eq!(left, [places[1].id], "the one that reads stays");
    }

    #[test]
    fn without_any_room_those_go_that_have_held_answers_longest() {
        let registry = registry(30, 30);
        let places: Vec<_> = (0..3).map(|_| registry.enter(&from("127.0.0.1"), at(1)).unwrap()).collect();
        let held: Vec<_> = (places.iter().zip(1..))
            .map(|(place, second)| {
                place.activity.touch(at(second));
                place.activity.begin().with(vec![b'x'; 600])
            })
            .collect();
        drop(places[2].activity.begin().with(vec![b'x'; 10]));
        registry.shed_slow_readers(at(4), true);
        let mut left: Vec<u64> = registry.table().entries.keys().copied().collect();
        left.sort_unstable();
        assert_eq!(left, [places[2].id], "two of three had to go");
        drop(held);
    }
}
