//! Reads the feed once for all readers. A thousand readers share one reading of the store: a background service adds new
//! entries to a ring per app, from which all readers take them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{pace::Pace, ring::Ring};
use crate::{
    domain::AppId,
    log_lines::log,
    metrics::FeedCounts,
    store::{FeedFrom, Store},
};

/// The maximum number of readers of one app, and of all apps. Each may occupy about 64 KiB.
const READERS_OF_APP: usize = 1_000;
const READERS: usize = 1_024;
/// How many readers that are behind may read from the store at once.
pub(super) const READS: usize = 2;
/// The maximum number of entries that are read at once for a ring.
const AT_ONCE: u32 = 256;
/// How many times entries may be sent, to all readers together, after a ring was read once: while the writer is busy,
/// and while it is idle. The more readers there are, the fewer entries are read at once, so that sending them does
/// not occupy all threads for long.
const SENT_AT_ONCE: (f64, f64) = (16_000.0, 128_000.0);
/// The maximum number of bytes of all rings.
const RING_BYTES: usize = 4 << 20;
/// How long an entry stays in a ring, so that erased content is forgotten soon even if no event reports the erasure.
const KEPT: Duration = Duration::from_secs(10);
/// How often rings are read and cleaned up even if nothing changes.
const PERIOD: Duration = Duration::from_secs(5);
/// How long a ring is kept without readers, because a client that polls comes back.
const LINGER: Duration = Duration::from_secs(60);
/// The shortest time between two readings, and how much longer it is for each reader. Changes in quick succession are sent
/// together, because every piece that is sent takes time from the calls that make the changes.
const PACE: Duration = Duration::from_millis(5);
const PACE_OF_READER: Duration = Duration::from_micros(50);

/// The feeds of all apps.
pub struct Feed {
    pub(super) store: Arc<dyn Store>,
    rings: Mutex<HashMap<AppId, Followed>>,
    /// Notified when an app gets its first reader.
    wanted: Notify,
    /// Permits for reading from the store.
    pub(super) reads: Semaphore,
    /// Permits for waiting until the feed may send more. Those who wait hold up no first readings.
    pub(super) turns: Semaphore,
    pub(super) pace: Pace,
    sent: AtomicU64,
    /// Since when there are events that have not been passed to the readers who keep up; `None` if there are none.
    behind: Mutex<Option<Instant>>,
    /// Whether the last reading failed, so that only the first of several failures is logged.
    is_failing: AtomicBool,
}

/// A ring with its readers.
struct Followed {
    ring: Arc<Ring>,
    readers: usize,
    /// When the last reader left.
    left: Instant,
}

impl Feed {
    /// Creates the feeds of a store. [`Feed::run`] has to run for readers to get new entries.
    #[must_use]
    pub(in crate::call) fn new(store: Arc<dyn Store>) -> Arc<Feed> {
        Arc::new(Feed {
            store,
            rings: Mutex::default(),
            wanted: Notify::new(),
            reads: Semaphore::new(READS),
            turns: Semaphore::new(READS),
            pace: Pace::new(thread::available_parallelism().map_or(1, usize::from)),
            sent: AtomicU64::new(0),
            behind: Mutex::new(None),
            is_failing: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AppId, Followed>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a reader of an app; `None` if there are too many.
    pub(in crate::call) fn subscribe(self: &Arc<Feed>, app: AppId) -> Option<Subscription> {
        let mut rings = self.lock();
        let of_app = rings.get(&app).map_or(0, |followed| followed.readers);
        if of_app >= READERS_OF_APP || rings.values().map(|one| one.readers).sum::<usize>() >= READERS {
            return None;
        }
        let followed = rings.entry(app).or_insert_with(|| Followed {
            ring: Arc::new(Ring::new(app)),
            readers: 0,
            left: Instant::now(),
        });
        followed.readers += 1;
        let ring = Arc::clone(&followed.ring);
        self.wanted.notify_one();
        Some(Subscription { feed: Arc::clone(self), ring })
    }

    /// Counts sent entries.
    pub(super) fn count(&self, events: u64) {
        self.sent.fetch_add(events, Ordering::Relaxed);
    }

    /// Returns the current counts.
    pub(in crate::call) fn counts(&self) -> FeedCounts {
        let readers = self.lock().values().map(|followed| followed.readers as u64).sum();
        let behind = *self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        FeedCounts {
            readers,
            events: self.sent.load(Ordering::Relaxed),
            delay: behind.map(|since| since.elapsed()).unwrap_or_default(),
        }
    }

    /// Adds new entries to the rings until the server stops.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        tokio::select! {
            () = &mut stop => {}
            // The store was closed, so that nothing is left to do.
            () = self.follow() => stop.await,
        }
    }

    async fn follow(&self) {
        let mut changes = self.store.changes();
        let mut period = interval(PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut next, mut has_more) = (Instant::now(), false);
        loop {
            tokio::select! {
                news = changes.changed() => if news.is_err() { return },
                _ = period.tick() => {}
                () = self.wanted.notified() => {}
                () = std::future::ready(()), if has_more => {}
            }
            sleep_until(next).await;
            self.turn().await;
            let readers = u32::try_from(self.counts().readers).unwrap_or(u32::MAX);
            next = Instant::now() + PACE + PACE_OF_READER * readers;
            let most = self.most_at_once(readers);
            changes.mark_unchanged();
            has_more = false;
            for ring in self.rings_with_readers() {
                has_more |= self.read(&ring, most).await;
            }
            let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
            *behind = has_more.then(|| behind.unwrap_or_else(Instant::now));
        }
    }

    /// Returns how many entries to read at once for a ring.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 1 to AT_ONCE")]
    fn most_at_once(&self, readers: u32) -> usize {
        let (busy, idle) = SENT_AT_ONCE;
        let sent = busy + (idle - busy) * self.pace.freedom();
        (sent / f64::from(readers.max(1))).clamp(1.0, f64::from(AT_ONCE)) as usize
    }

    /// Waits until the feed may send more without taking too much time from the calls that write.
    pub(super) async fn turn(&self) {
        self.pace.turn(|| self.store.statistics().writing).await;
    }

    /// Returns the rings to read, without those that have had no readers for some time.
    fn rings_with_readers(&self) -> Vec<Arc<Ring>> {
        let mut rings = self.lock();
        rings.retain(|_, followed| followed.readers > 0 || followed.left.elapsed() < LINGER);
        rings.values().map(|followed| Arc::clone(&followed.ring)).collect()
    }

    /// Reads at most `most` entries after the end of a ring. Returns whether there are more. The caller reads those only when
    /// readers have had time to take these. Otherwise, readers would fall behind the ring and read the store one by one.
    async fn read(&self, ring: &Ring, most: usize) -> bool {
        let from = ring.end().map_or(FeedFrom::Latest, FeedFrom::After);
        let part = match self.store.feed(ring.app, from, most).await {
            Ok(part) => part,
            // Readers that read by themselves get an error. The others wait until it works again.
            Err(error) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    log!(FEED_NOT_READ, app = ring.app.number(), %error);
                }
                return false;
            }
        };
        self.is_failing.store(false, Ordering::Relaxed);
        let has_more = part.has_more;
        ring.add(part, RING_BYTES / self.lock().len().max(1));
        if let Some(before) = Instant::now().checked_sub(KEPT) {
            ring.forget(before);
        }
        has_more
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// A reader's place among the readers of an app.
pub(in crate::call) struct Subscription {
    pub(super) feed: Arc<Feed>,
    pub(super) ring: Arc<Ring>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(followed) = self.feed.lock().get_mut(&self.ring.app) {
            followed.readers -= 1;
            followed.left = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    #[test]
    fn readers_are_limited_for_an_app_and_in_all() {
        let feed = Feed::new(store::in_memory());
        let app = |number| AppId::new(number).unwrap();
        let mut readers: Vec<_> = (0..READERS_OF_APP).map(|_| feed.subscribe(app(1)).unwrap()).collect();
        assert!(feed.subscribe(app(1)).is_none(), "an app has a limit of its own");
        readers.extend((READERS_OF_APP..READERS).map(|_| feed.subscribe(app(2)).unwrap()));
        assert!(feed.subscribe(app(2)).is_none() && feed.subscribe(app(3)).is_none());
        assert_eq!(feed.counts().readers, READERS as u64);
        drop(readers.pop());
        let another = feed.subscribe(app(3));
        assert!(another.is_some(), "a place is free again");
        drop((readers, another));
        assert_eq!(feed.counts().readers, 0);
    }

    #[tokio::test]
    async fn rings_are_not_read_while_sending_has_taken_too_much_time() {
        let feed = Feed::new(store::in_memory());
        let app = |number| AppId::new(number).unwrap();
        let is_read = async |ring: &Ring| {
            while ring.end().is_none() {
                tokio::task::yield_now().await;
            }
        };
        let first = feed.subscribe(app(1)).unwrap();
        tokio::select! {
            () = feed.follow() => panic!("the store is open"),
            () = is_read(&first.ring) => {}
        }
        feed.pace.sending.add(Duration::from_secs(1_000_000));
        // The time is noticed when the window of the measurement is over.
        tokio::time::timeout(Duration::from_millis(100), feed.follow()).await.unwrap_err();
        let second = feed.subscribe(app(2)).unwrap();
        tokio::time::timeout(Duration::from_millis(200), feed.follow()).await.unwrap_err();
        assert!(second.ring.end().is_none(), "its turn comes in days");
    }
}
