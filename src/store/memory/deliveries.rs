//! Webhooks in memory.

use std::collections::HashMap;

use super::{MemoryStore, PARTITIONS, lock};
use crate::store::{
    Deliveries, DeliveryState, DestinationId, FeedFrom, GivenUp, GivenUpPart, Lane, Life, MAX_GIVEN_UP,
    Pending, Progress, Scope, Stream,
};

/// The stored destinations.
#[derive(Default)]
pub(super) struct Destinations {
    states: HashMap<DestinationId, DeliveryState>,
    /// The events that were given up, with their places in the list.
    given_up: Vec<(u64, DestinationId, GivenUp)>,
    last_place: u64,
}

impl MemoryStore {
    fn life_of(&self, id: &DestinationId) -> Life {
        let lives = self.lives_of(id.app);
        Life { incarnation: lives.now.run, epoch: lives.epoch }
    }

    fn opened(&self, id: &DestinationId) -> DeliveryState {
        let life = self.life_of(id);
        let latest = self.feed_part(id.app, &FeedFrom::Latest, 0).start;
        let mut destinations = lock(&self.destinations);
        let given_up = destinations.given_up.iter().filter(|(_, of, _)| of == id).count();
        let state = destinations.states.entry(id.clone()).or_insert_with(|| {
            let buckets = (0u8..).take(PARTITIONS).map(Stream::Bucket);
            let lane = |stream| {
                let number = match stream {
                    Stream::Bucket(bucket) => latest.of_bucket(bucket),
                    Stream::Disbandings => latest.disbandings,
                };
                Lane { stream, number, attempts: 0, due: 0 }
            };
            let lanes = buckets.chain([Stream::Disbandings]).map(lane).collect();
            DeliveryState { lanes, ..DeliveryState::default() }
        });
        DeliveryState { life, given_up, ..state.clone() }
    }

    fn note(&self, id: &DestinationId, progress: Progress) {
        let life = self.life_of(id);
        let mut destinations = lock(&self.destinations);
        let Some(state) = destinations.states.get_mut(id) else { return };
        state.is_off = progress.off.unwrap_or(state.is_off);
        if progress.life == life {
            for next in progress.lanes {
                state
                    .lanes
                    .iter_mut()
                    .filter(|lane| lane.stream == next.stream)
                    .for_each(|lane| *lane = next);
            }
            for given_up in progress.given_up {
                destinations.last_place += 1;
                let place = destinations.last_place;
                destinations.given_up.push((place, id.clone(), given_up));
            }
        }
        let of_this = destinations.given_up.iter().filter(|(_, of, _)| of == id).count();
        let mut excess = of_this.saturating_sub(MAX_GIVEN_UP);
        destinations.given_up.retain(|(_, of, _)| {
            let goes = of == id && excess > 0;
            excess -= usize::from(goes);
            !goes
        });
        let is_settled =
            |place: u64, given_up: &GivenUp| progress.settled.contains(&(place, given_up.number));
        destinations.given_up.retain(|(place, of, given_up)| of != id || !is_settled(*place, given_up));
    }

    /// Makes the lanes begin again where the numbers of events do, because a scope is deleted.
    pub(super) fn begin_lanes_again(&self, scope: &Scope) {
        let Destinations { states, given_up, .. } = &mut *lock(&self.destinations);
        for (_, state) in states.iter_mut().filter(|(id, _)| scope.covers_app(id.app)) {
            for lane in state.lanes.iter_mut().filter(|lane| lane.stream != Stream::Disbandings) {
                *lane = Lane { stream: lane.stream, number: 0, attempts: 0, due: 0 };
            }
        }
        given_up.retain(|(_, id, _)| !scope.covers_app(id.app));
    }
}

impl Deliveries for MemoryStore {
    fn destination(&self, id: DestinationId) -> Pending<'_, DeliveryState> {
        self.run_all();
        self.read(|| self.opened(&id))
    }

    fn progress(&self, id: DestinationId, progress: Progress) -> Pending<'_, ()> {
        self.read(|| self.note(&id, progress))
    }

    fn keep_destinations(&self, ids: Vec<DestinationId>) -> Pending<'_, ()> {
        self.read(|| {
            let Destinations { states, given_up, .. } = &mut *lock(&self.destinations);
            states.retain(|id, _| ids.contains(id));
            given_up.retain(|(_, id, _)| ids.contains(id));
        })
    }

    fn destinations(&self) -> Pending<'_, Vec<DestinationId>> {
        self.read(|| {
            let mut ids: Vec<_> = lock(&self.destinations).states.keys().cloned().collect();
            ids.sort_unstable();
            ids
        })
    }

    fn given_up(&self, id: DestinationId, after: u64, most: usize) -> Pending<'_, GivenUpPart> {
        let life = self.life_of(&id);
        let list = &lock(&self.destinations).given_up;
        let events = (list.iter())
            .filter(|(place, of, _)| *of == id && *place > after)
            .map(|(place, _, given_up)| (*place, given_up.clone()))
            .take(most)
            .collect();
        self.read(|| GivenUpPart { life, events })
    }
}
