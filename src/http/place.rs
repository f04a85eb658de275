//! The place of one connection among all open connections.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{
    activity::Activity,
    registry::{Newcomer, NoPlace, PROBES, Registry},
    source::Source,
    table::Opened,
};
use crate::clock::Clock;

/// The place of a connection, released when this is dropped.
pub(super) struct Place {
    pub(super) registry: Arc<Registry>,
    id: u64,
    pub(super) activity: Arc<Activity>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.table().remove(self.id);
        self.registry.left.notify_waiters();
    }
}

impl Place {
    /// Gives a connection its place at `now` of the monotonic clock. When all places are taken, the connection that
    /// has been idle longest is closed, among those that never presented a valid signature.
    ///
    /// # Errors
    /// Returns [`NoPlace`] when no other connection may be closed for it.
    pub(super) fn enter(registry: &Arc<Registry>, who: &Newcomer, now: Duration) -> Result<Place, NoPlace> {
        let counted = who.named || !who.address.to_canonical().is_loopback();
        let source = counted.then(|| Source::of(who.address));
        let mut table = registry.table();
        if let Some(source) = source {
            registry.make_room_of(&mut table, source, now)?;
        }
        let full = !registry.has_room(&mut table, now);
        if full {
            if table.probes >= PROBES && !registry.evict_probe(&mut table, now) {
                return Err(NoPlace::All);
            }
            table.probes += 1;
        }
        let activity = Arc::new(Activity::new(
            who.address,
            who.forwards,
            full,
            &registry.unsent,
            Arc::clone(&who.handle),
            now,
        ));
        table.last += 1;
        let id = table.last;
        table.count(source);
        table.entries.insert(
            id,
            Opened { activity: Arc::clone(&activity), source, since: now, stands: None, waits: false },
        );
        Ok(Place { registry: Arc::clone(registry), id, activity })
    }

    /// Counts the connection towards `address`, which a trusted proxy has named in a request, from now on.
    ///
    /// # Errors
    /// Returns [`NoPlace::Source`] when that address already has as many connections as it may have.
    pub(super) fn count_for(&self, address: IpAddr, now: Duration) -> Result<(), NoPlace> {
        let source = Source::of(address);
        let mut table = self.registry.table();
        let Some(before) = table.entries.get(&self.id).map(|entry| entry.source) else { return Ok(()) };
        if before == Some(source) {
            return Ok(());
        }
        self.registry.make_room_of(&mut table, source, now)?;
        table.uncount(before);
        table.count(Some(source));
        if let Some(entry) = table.entries.get_mut(&self.id) {
            entry.source = Some(source);
        }
        Ok(())
    }

    /// Waits until a connection beyond the limit gets a place within it. Returns false when that takes too long, or
    /// when the maximum number of connections is waiting already.
    pub(super) async fn wait(&self, within: Duration, clock: &Clock) -> bool {
        let registry = &*self.registry;
        {
            let mut table = registry.table();
            if table.waiting + 1 >= PROBES {
                return false;
            }
            table.wait(self.id, true);
        }
        let _waiting = Waiting(self);
        let promoted = async {
            loop {
                let left = registry.left();
                if self.try_promote(clock.elapsed()) {
                    return;
                }
                left.await;
            }
        };
        tokio::time::timeout(within, promoted).await.is_ok()
    }

    fn try_promote(&self, now: Duration) -> bool {
        let mut table = self.registry.table();
        if self.activity.is_probe() && table.entries.contains_key(&self.id) {
            if !self.registry.has_room(&mut table, now) {
                return false;
            }
            table.probes -= 1;
            self.activity.promote();
        }
        true
    }
}

/// Marks a call as waiting for a place, until this is dropped.
struct Waiting<'a>(&'a Place);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.registry.table().wait(self.0.id, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{in_flight::InFlight, registry::ConnectionLimits, unsent::Unsent};

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
    fn a_source_beyond_its_limit_loses_its_longest_idle_connection() {
        let registry = registry(30, 2);
        let first = Place::enter(&registry, &from("192.0.2.1"), at(1)).unwrap();
        let second = Place::enter(&registry, &from("192.0.2.1"), at(2)).unwrap();
        first.activity.touch(at(3));
        let third = Place::enter(&registry, &from("::ffff:192.0.2.1"), at(4)).unwrap();
        assert!(
            !registry.table().entries.contains_key(&second.id)
                && registry.table().entries.contains_key(&first.id)
        );
        let counts = registry.counts();
        assert_eq!((counts.open, counts.evicted, counts.refused), (2, 1, 0));
        first.activity.mark_signed();
        third.activity.mark_signed();
        assert_eq!(Place::enter(&registry, &from("192.0.2.1"), at(5)).err(), Some(NoPlace::Source));
        assert!(Place::enter(&registry, &from("192.0.2.2"), at(5)).is_ok(), "others are served");
        drop((first, second));
        assert!(Place::enter(&registry, &from("192.0.2.1"), at(6)).is_ok());
    }

    #[test]
    fn a_request_in_progress_has_time_to_present_a_signature() {
        let registry = registry(1, 1);
        let place = Place::enter(&registry, &from("127.0.0.1"), at(1)).unwrap();
        place.activity.touch(at(2));
        let request = InFlight::begin(&place.activity);
        assert!(
            Place::enter(&registry, &from("127.0.0.1"), at(4)).unwrap().activity.is_probe(),
            "a recent request keeps its connection open"
        );
        assert!(
            !Place::enter(&registry, &from("127.0.0.1"), at(5)).unwrap().activity.is_probe(),
            "an older request no longer does"
        );
        drop(request);
    }

    #[test]
    fn addresses_of_one_network_are_one_source_and_loopback_is_exempt() {
        let registry = registry(30, 1);
        let one = Place::enter(&registry, &from("2001:db8::1"), at(1)).unwrap();
        one.activity.mark_signed();
        assert_eq!(Place::enter(&registry, &from("2001:db8::2"), at(1)).err(), Some(NoPlace::Source));
        assert!(Place::enter(&registry, &from("2001:db8:0:1::2"), at(1)).is_ok());
        let local: Vec<_> =
            (0..5).map(|_| Place::enter(&registry, &from("127.0.0.1"), at(1)).unwrap()).collect();
        for place in &local {
            place.activity.mark_signed();
        }
        let named = Newcomer { named: true, ..from("127.0.0.1") };
        let counted = Place::enter(&registry, &named, at(1)).unwrap();
        counted.activity.mark_signed();
        assert_eq!(Place::enter(&registry, &named, at(1)).err(), Some(NoPlace::Source));
        assert_eq!(local[0].count_for("127.0.0.1".parse().unwrap(), at(1)), Err(NoPlace::Source));
        assert_eq!(local[0].count_for("192.0.2.9".parse().unwrap(), at(1)), Ok(()));
        drop(counted);
        assert_eq!(local[1].count_for("127.0.0.1".parse().unwrap(), at(1)), Ok(()));
    }

    #[test]
    fn when_all_places_are_taken_a_few_connections_may_ask_for_health() {
        let registry = registry(2, 2);
        let places: Vec<_> =
            (0..2).map(|_| Place::enter(&registry, &from("127.0.0.1"), at(1)).unwrap()).collect();
        for place in &places {
            place.activity.mark_signed();
        }
        let probes: Vec<_> =
            (0..PROBES).map(|_| Place::enter(&registry, &from("127.0.0.1"), at(1)).unwrap()).collect();
        assert!(probes.iter().all(|place| place.activity.is_probe()) && !places[0].activity.is_probe());
        for probe in &probes {
            registry.table().wait(probe.id, true);
        }
        assert_eq!(Place::enter(&registry, &from("127.0.0.1"), at(1)).err(), Some(NoPlace::All));
        registry.table().wait(probes[1].id, false);
        assert_eq!(
            Place::enter(&registry, &from("127.0.0.1"), at(1)).err(),
            Some(NoPlace::All),
            "its grace period is not over"
        );
        let newcomer = Place::enter(&registry, &from("127.0.0.1"), at(2)).unwrap();
        assert!(newcomer.activity.is_probe());
        assert!(
            !registry.table().entries.contains_key(&probes[1].id),
            "the probe without a waiting call should be evicted"
        );
        drop((probes, newcomer));
        assert!(Place::enter(&registry, &from("127.0.0.1"), at(1)).unwrap().activity.is_probe());
        drop(places);
        assert!(!Place::enter(&registry, &from("127.0.0.1"), at(1)).unwrap().activity.is_probe());
    }

    #[tokio::test]
    async fn a_call_beyond_the_limit_waits_for_a_place_and_leaves_room_for_a_health_check() {
        let registry = registry(1, 1);
        let enter = || Place::enter(&registry, &from("127.0.0.1"), at(1)).unwrap();
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
            assert!(!beyond[0].wait(Duration::from_secs(60), &clock).await, "as many calls wait as may wait");
        }
        assert!(!beyond[0].wait(soon, &clock).await, "no place became free in time");
        drop(first);
        assert!(beyond[0].wait(Duration::from_secs(60), &clock).await && !beyond[0].activity.is_probe());
        beyond[0].activity.mark_signed();
        assert!(!beyond[1].wait(soon, &clock).await);
        let table = registry.table();
        assert_eq!((table.entries.len(), table.probes, table.waiting), (4, 3, 0));
    }

    #[test]
    fn clients_that_read_nothing_are_disconnected_when_memory_is_tight() {
        let registry = registry(30, 30);
        let places: Vec<_> =
            (0..3).map(|_| Place::enter(&registry, &from("127.0.0.1"), at(1)).unwrap()).collect();
        let answer = |place: &Place, bytes| InFlight::begin(&place.activity).with(vec![b'x'; bytes]);
        let _held = [answer(&places[0], 300), answer(&places[1], 900), answer(&places[2], 500)];
        registry.shed_slow_readers(at(2), false);
        registry.shed_slow_readers(at(2), false);
        assert_eq!(registry.counts().open, 3, "no client has been stalled for long enough");
        // One client reads an answer meanwhile. Bytes that the others send do not count.
        drop(answer(&places[1], 10));
        places[0].activity.receive(1_000_000);
        registry.shed_slow_readers(at(4), false);
        let left: Vec<u64> = registry.table().entries.keys().copied().collect();
        assert_eq!(left, [places[1].id], "the client that reads stays connected");
    }

    #[test]
    fn streams_with_a_limit_of_their_own_take_no_memory_from_others() {
        let registry = registry(30, 30);
        let places: Vec<_> =
            (0..2).map(|_| Place::enter(&registry, &from("127.0.0.1"), at(1)).unwrap()).collect();
        let stream = InFlight::begin(&places[0].activity);
        let piece = stream.count(vec![b'x'; 50_000], true);
        registry.shed_slow_readers(at(2), false);
        registry.shed_slow_readers(at(5), false);
        assert_eq!((registry.counts().open, registry.counts().unsent), (2, 50_000));
        let _held = InFlight::begin(&places[1].activity).with(vec![b'x'; 1_500]);
        registry.shed_slow_readers(at(8), false);
        registry.shed_slow_readers(at(11), false);
        let left: Vec<u64> = registry.table().entries.keys().copied().collect();
        assert_eq!(left, [places[0].id], "only the other client is disconnected");
        drop(piece);
        assert_eq!((registry.counts().unsent, registry.unsent.limited()), (1_500, 1_500));
    }

    #[test]
    fn when_memory_is_full_clients_with_the_oldest_unread_answers_are_disconnected() {
        let registry = registry(30, 30);
        let places: Vec<_> =
            (0..3).map(|_| Place::enter(&registry, &from("127.0.0.1"), at(1)).unwrap()).collect();
        let held: Vec<_> = (places.iter().zip(1..))
            .map(|(place, second)| {
                place.activity.touch(at(second));
                InFlight::begin(&place.activity).with(vec![b'x'; 600])
            })
            .collect();
        drop(InFlight::begin(&places[2].activity).with(vec![b'x'; 10]));
        registry.shed_slow_readers(at(4), true);
        let mut left: Vec<u64> = registry.table().entries.keys().copied().collect();
        left.sort_unstable();
        assert_eq!(left, [places[2].id], "two of three should be disconnected");
        drop(held);
    }
}
