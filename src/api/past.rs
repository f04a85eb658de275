//! The latest events of an owner, back to the one that an undo names.

use super::{Call, Error, history::no_such_event};
use crate::{
    domain::{Conversation, Delta, Event, EventContent, Owner, Rejection, Undo},
    excerpt::quoted,
    store::{Place, WantedEvents},
};

/// How many events are read at a time, and the approximate size of them in the store.
const PAGE: usize = 100;
const PAGE_BYTES: usize = 1 << 20;
/// The most events that an undo looks at, and the most changes in them. They bound its memory and its time.
pub(super) const EVENTS: usize = 10_000;
pub(super) const CHANGES: usize = 50_000;

/// The latest events of an owner.
pub(super) struct Past<'a> {
    call: Call<'a>,
    owner: &'a Owner,
    target: &'a str,
    /// The events that were read, latest first. After a read, the last one is the target.
    events: Vec<Event>,
    /// How many changes they have.
    changes: usize,
    /// The conversations of records about disbanded chat groups, with the numbers of the disbandings.
    dead: Vec<(Conversation, u64)>,
    /// Whether the store has been through the point of the state that the caller expects.
    knows_expected: bool,
}

impl<'a> Past<'a> {
    /// Prepares reading back to the event with the id `target`.
    pub(super) fn new(call: Call<'a>, owner: &'a Owner, target: &'a str) -> Past<'a> {
        Past { call, owner, target, events: Vec::new(), changes: 0, dead: Vec::new(), knows_expected: false }
    }

    /// Reads the events that are new since the last time, and returns the owner's place after them.
    ///
    /// The latest page is read together with the place, in one moment. The pages before it cannot change, apart from being
    /// erased or removed, which is noticed. So the events are exactly those that lead to the place.
    ///
    /// # Errors
    /// Returns the fault that `refused` makes of a reason.
    pub(super) async fn read(&mut self, refused: impl Fn(String) -> Error) -> Result<Place, Error> {
        let (mut fresh, mut place): (Vec<Event>, _) = (Vec::new(), None);
        'pages: loop {
            let before = fresh.last().map(|event| event.id.clone());
            let point = self.call.place.map(|expected| expected.point);
            let wanted = WantedEvents { before, point, most: PAGE, bytes: Some(PAGE_BYTES), after: None };
            let page = self.call.follow(self.owner, wanted).await?;
            if place.is_none() {
                place = Some(page.place);
                (self.dead, self.knows_expected) = (page.dead, page.foreign.is_none());
            }
            for event in page.events {
                match self.events.first() {
                    Some(known) if *known == event => break 'pages,
                    // It was erased meanwhile, and all events before it.
                    Some(known) if known.id == event.id => {
                        self.events.clear();
                        self.changes = fresh.iter().map(count).sum();
                    }
                    _ => {}
                }
                self.changes += count(&event);
                let is_target = event.id == self.target;
                fresh.push(event);
                if is_target {
                    break 'pages;
                }
                if self.events.len() + fresh.len() >= EVENTS || self.changes > CHANGES {
                    return Err(refused(format!(
                        "among the last {EVENTS} events of the owner, or those with the last {CHANGES} changes, there is no \
                         event {}; only these can be undone",
                        quoted(self.target)
                    )));
                }
            }
            if !page.has_more {
                return Err(refused(no_such_event(self.target)));
            }
        }
        fresh.append(&mut self.events);
        self.events = fresh;
        Ok(place.expect("at least one page was read"))
    }

    /// Returns the last event that was read.
    pub(super) fn last(&self) -> Option<&Event> {
        self.events.first()
    }

    /// Returns the conversations of records about disbanded chat groups, with the numbers of the disbandings.
    pub(super) fn dead(&self) -> &[(Conversation, u64)] {
        &self.dead
    }

    /// Checks whether the store has been through the point of the state that the caller expects.
    pub(super) fn knows_expected(&self) -> bool {
        self.knows_expected
    }

    /// Returns the events after the target, latest first.
    pub(super) fn newer(&self) -> &[Event] {
        self.events.split_last().map_or(&[], |(_, newer)| newer)
    }

    /// Returns the undo of the target alone.
    pub(super) fn change(&self, refused: impl Fn(String) -> Error) -> Result<Undo, Error> {
        let target = &self.events[self.newer().len()..];
        Ok(Undo { later: deltas(self.newer(), &refused)?, reverted: deltas(target, &refused)?, events: 1 })
    }

    /// Returns the undo of everything after the target.
    pub(super) fn since(&self, refused: impl Fn(String) -> Error) -> Result<Undo, Error> {
        let newer = self.newer();
        Ok(Undo { reverted: deltas(newer, &refused)?, later: Vec::new(), events: newer.len() })
    }
}

/// Returns how many changes an event has.
fn count(event: &Event) -> usize {
    match &event.content {
        EventContent::Changed(deltas) => deltas.len(),
        EventContent::AccountDeleted | EventContent::Erased => 0,
    }
}

/// Returns what events changed, oldest first. The events are given latest first.
fn deltas(events: &[Event], refused: impl Fn(String) -> Error) -> Result<Vec<Delta>, Error> {
    if events.iter().any(|event| event.content == EventContent::AccountDeleted) {
        return Err(Rejection::Erased.into());
    }
    let mut all = Vec::new();
    for event in events.iter().rev() {
        match &event.content {
            EventContent::Changed(deltas) => all.extend_from_slice(deltas),
            EventContent::AccountDeleted | EventContent::Erased => {
                return Err(refused(format!(
                    "what the event {} changed was erased, because the account was deleted later or the event is too \
                     old; only later events can be undone",
                    quoted(&event.id)
                )));
            }
        }
    }
    Ok(all)
}
