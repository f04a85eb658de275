//! Events in memory. Each partition is one bucket.

use std::collections::HashMap;

use tokio::sync::watch;

use super::{Kept, MemoryStore, PARTITIONS, lock, partition_of};
use crate::{
    domain::{AppId, ChatGroupId, Delta, Event, EventContent, FeedEntry, Organizer, Owner, UserId},
    store::{
        Events, FeedCursor, FeedFrom, FeedPart, Followed, HistoryPoint, Pending, Place, Placed, Scope,
        StoreError, Stream, WantedEvents, Write,
        events::{disbanding_id, event_id, event_number},
        place::{Lives, check_place},
    },
};

/// The events of one app in one partition, in order. The first has the number 1.
pub(super) type Log = Vec<(UserId, Event)>;

/// What happened to an app as a whole.
#[derive(Default)]
pub(super) struct AppLife {
    epoch: u32,
    /// The disbanded chat groups with their new incarnations and the times in seconds. The first has the number 1.
    disbandings: Vec<(ChatGroupId, u32, u64)>,
}

impl Kept {
    /// Records a change of an owner, and returns the id of its event.
    pub(super) fn record(
        &mut self,
        incarnation: u64,
        write: &Write,
        organizer: &Organizer,
        deltas: &[Delta],
    ) -> String {
        let Write { owner, edit, context, terms, .. } = write;
        let bucket = u8::try_from(partition_of(owner.user.as_str())).unwrap_or(0);
        let log = self.events.entry(owner.app).or_default();
        let at = terms.now.saturating_mul(1_000);
        let id = event_id(incarnation, number_of(bucket, log.len() as u64 + 1), at);
        let event = Event {
            id: id.clone(),
            version: organizer.counters().version,
            at,
            operator: context.identifier.clone(),
            request: context.request.clone(),
            content: EventContent::of(edit, deltas),
        };
        log.push((owner.user.clone(), event));
        id
    }

    /// Erases the contents of an owner's events.
    pub(super) fn erase_events(&mut self, owner: &Owner) {
        if let Some(log) = self.events.get_mut(&owner.app) {
            erase(log, &owner.user);
        }
    }

    /// Deletes the events of a scope.
    pub(super) fn forget_events(&mut self, scope: &Scope) {
        self.events.retain(|app, _| !scope.covers_app(*app));
        if let Scope::Owner(owner) = scope {
            self.erase_events(owner);
        }
    }
}

/// Returns the approximate number of bytes that a database would need for an event.
fn size_of(event: &Event) -> usize {
    match &event.content {
        EventContent::Changed(deltas) => 64 + 64 * deltas.len(),
        EventContent::AccountDeleted | EventContent::Erased => 64,
    }
}

/// Returns a number for an event that no event of another bucket has.
fn number_of(bucket: u8, place: u64) -> u64 {
    place * PARTITIONS as u64 + u64::from(bucket)
}

/// Returns the place of an event in this bucket, or `None` if it is in another.
fn place_in(bucket: u8, number: u64) -> Option<u64> {
    (number % PARTITIONS as u64 == u64::from(bucket)).then_some(number / PARTITIONS as u64)
}

fn erase(log: &mut Log, user: &UserId) {
    for (_, event) in log.iter_mut().filter(|(of, _)| of == user) {
        *event = Event { operator: None, request: None, content: EventContent::Erased, ..event.clone() };
    }
}

impl MemoryStore {
    pub(super) fn lives_of(&self, app: AppId) -> Lives {
        // A store in memory has a single run in each incarnation, whose points it has all been through.
        let now = HistoryPoint { run: *lock(&self.incarnation), event: 0 };
        match lock(&self.apps).get(&app) {
            Some(life) => Lives { now, epoch: life.epoch, disbandings: life.disbandings.len() as u64 },
            None => Lives { now, ..Lives::default() },
        }
    }

    /// Records the disbanding of a chat group.
    pub(super) fn record_disbanding(&self, app: AppId, id: &ChatGroupId, incarnation: u32, now: u64) {
        lock(&self.apps).entry(app).or_default().disbandings.push((id.clone(), incarnation, now));
    }

    /// Begins a new life of what the scope covers.
    pub(super) fn begin_new_life(&self, scope: &Scope) {
        match scope {
            Scope::All => *lock(&self.incarnation) = u64::from_le_bytes(crate::random::array()),
            Scope::App(app) | Scope::Owner(Owner { app, .. }) => {
                lock(&self.apps).entry(*app).or_default().epoch += 1;
            }
        }
    }

    /// Returns the place of an owner, and their dead records with the numbers of the disbandings.
    fn place_of(
        &self,
        owner: &Owner,
        organizer: &Organizer,
        dead: &[u32],
    ) -> (Place, Vec<(crate::domain::Conversation, u64)>) {
        let lives = self.lives_of(owner.app);
        let apps = lock(&self.apps);
        let number = |id: &ChatGroupId| {
            let all = apps.get(&owner.app).map_or(&[][..], |life| &life.disbandings);
            all.iter().rposition(|(disbanded, ..)| disbanded == id).map_or(0, |index| index as u64 + 1)
        };
        let records = organizer.records().iter().filter(|record| dead.contains(&record.number));
        let dead = records
            .filter_map(|record| {
                let id = record.conversation.chat_group()?;
                Some((record.conversation.clone(), number(id)))
            })
            .collect();
        (lives.place_of(organizer), dead)
    }

    /// Returns the current place of an owner.
    pub(super) fn current_place(&self, owner: &Owner) -> Place {
        let (state, _, _) = self.owner(owner);
        self.place_of(owner, &state.organizer, &[]).0
    }

    /// Compares the owner's place and last event with those that a write expects.
    pub(super) fn check_place(
        &self,
        write: &Write,
        organizer: &Organizer,
        dead: &[u32],
    ) -> Result<(), StoreError> {
        let Some(expected) = &write.place else { return Ok(()) };
        let (current, dead) = self.place_of(&write.owner, organizer, dead);
        let has_been_through = expected.point.run == current.point.run;
        check_place(expected, has_been_through, current, &dead).map_err(StoreError::Elsewhere)?;
        let Some(last) = &write.last_event else { return Ok(()) };
        let kept = self.owners(&write.owner);
        let mut log = kept.events.get(&write.owner.app).into_iter().flatten().rev();
        let found = log.find(|(user, _)| *user == write.owner.user);
        let is_last = found.is_some_and(|(_, event)| *event == **last);
        if is_last { Ok(()) } else { Err(StoreError::Elsewhere(current)) }
    }

    fn followed(&self, owner: &Owner, wanted: &WantedEvents) -> Followed {
        let (state, _, dead) = self.owner(owner);
        let (place, disbanded) = self.place_of(owner, &state.organizer, &dead);
        let bucket = u8::try_from(partition_of(owner.user.as_str())).unwrap_or(0);
        let before = match &wanted.before {
            Some(id) => {
                let number = event_number(id, place.point.run).map_or(0, |(number, _)| number);
                place_in(bucket, number).unwrap_or(0)
            }
            None => u64::MAX,
        };
        let kept = self.owners(owner);
        let log = kept.events.get(&owner.app).map_or(&[][..], |log| &log[..]);
        let found_before = usize::try_from(before).ok().and_then(|number| log.get(number.checked_sub(1)?));
        let knows_before = wanted.before.as_ref().is_none_or(|id| {
            found_before.is_some_and(|(user, event)| *user == owner.user && event.id == *id)
        });
        let foreign = wanted.point.filter(|point| point.run != place.point.run);
        let mut bytes = 0;
        let mut found = (log.iter().enumerate().rev())
            .filter(|(index, (user, _))| *user == owner.user && *index as u64 + 1 < before)
            .map(|(_, (_, event))| event)
            .take_while(|event| wanted.after.is_none_or(|after| event.version > after))
            .peekable();
        let mut events = Vec::new();
        while let Some(event) = found.next_if(|event| {
            let is_full = bytes > 0 && wanted.bytes.is_some_and(|most| bytes + size_of(event) > most);
            bytes += size_of(event);
            !is_full && events.len() < wanted.most
        }) {
            events.push(event.clone());
        }
        let has_more = found.peek().is_some();
        let organizer = state.organizer.living(&dead).into();
        let state = crate::domain::OwnerState { organizer, ..state };
        Followed {
            state,
            place,
            dead: disbanded,
            events,
            is_complete: !has_more,
            has_more,
            knows_before,
            foreign,
        }
    }

    pub(super) fn feed_part(&self, app: AppId, from: &FeedFrom, most: usize) -> FeedPart {
        let lives = self.lives_of(app);
        let known = match from {
            FeedFrom::After(cursor) => {
                Some(cursor).filter(|cursor| (cursor.point.run, cursor.epoch) == (lives.now.run, lives.epoch))
            }
            FeedFrom::Earliest | FeedFrom::Latest => None,
        };
        let mut part = FeedPart {
            has_gap: known.is_none() && matches!(from, FeedFrom::After(_)),
            ..FeedPart::default()
        };
        let start = |last: u64, of_cursor: u64| match (known, from) {
            (Some(_), _) => of_cursor,
            (None, FeedFrom::Latest) => last,
            (None, _) => 0,
        };
        let mut cursor = FeedCursor { point: lives.now, epoch: lives.epoch, ..FeedCursor::default() };
        for (partition, bucket) in self.partitions.iter().zip(0u8..) {
            let kept = lock(&partition.kept);
            let log = kept.events.get(&app).map_or(&[][..], |log| &log[..]);
            let after = start(log.len() as u64, known.map_or(0, |cursor| cursor.of_bucket(bucket)));
            cursor.buckets.push(after);
            let entries = (log.iter().zip(1u64..)).filter(|(_, number)| *number > after).map(
                |((user, event), number)| Placed {
                    stream: Stream::Bucket(bucket),
                    number,
                    event: lives.now.event,
                    entry: FeedEntry::Owner { user: user.clone(), event: event.clone() },
                },
            );
            part.entries.extend(entries);
        }
        let apps = lock(&self.apps);
        let disbandings = apps.get(&app).map_or(&[][..], |life| &life.disbandings);
        cursor.disbandings = start(lives.disbandings, known.map_or(0, |cursor| cursor.disbandings));
        let entries = (disbandings.iter().zip(1u64..))
            .filter(|(_, number)| *number > cursor.disbandings)
            .map(|((id, incarnation, at), number)| Placed {
                stream: Stream::Disbandings,
                number,
                event: lives.now.event,
                entry: FeedEntry::Disbanded {
                    event: disbanding_id(lives.now.run, number, at.saturating_mul(1_000)),
                    id: id.clone(),
                    incarnation: *incarnation,
                    at: at.saturating_mul(1_000),
                },
            });
        part.entries.extend(entries);
        part.has_more = part.entries.len() > most;
        part.entries.truncate(most);
        part.start = cursor.clone();
        part.entries.iter().for_each(|entry| cursor.advance(entry));
        part.end = cursor;
        part
    }

    /// The events of all partitions have to be written before any is read.
    pub(super) fn run_all(&self) {
        (0..PARTITIONS).for_each(|partition| self.run_queued(partition));
    }
}

impl Events for MemoryStore {
    fn follow(&self, owner: &Owner, wanted: WantedEvents) -> Pending<'_, Followed> {
        self.run_queued(partition_of(owner.user.as_str()));
        self.read(|| self.followed(owner, &wanted))
    }

    fn feed(&self, app: AppId, from: FeedFrom, most: usize) -> Pending<'_, FeedPart> {
        self.run_all();
        self.read(|| self.feed_part(app, &from, most))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// The events of each app in one partition.
pub(super) type Logs = HashMap<AppId, Log>;
