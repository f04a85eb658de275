//! The tests of events that every store has to pass.

use std::{collections::HashMap, sync::Arc};

use super::{
    Scope, Store, StoreError, app, commit, destroy, grouping, in_group, keep, owner, profile, revive,
    set_account, terms, user,
};
use crate::{
    domain::{
        Account, Delta, Edit, Event, EventContent, FeedEntry, GroupName, Grouped, MemberChange, Outcome,
        Owner, OwnerState, Terms, Undo, UserId,
    },
    store::{
        CallContext, FeedCursor, FeedFrom, FeedPart, Followed, HistoryPoint, OPERATIONS, Operation, Place,
        PlaceSlot, Placed, Stream, WantedEvents, Write,
    },
};

fn name(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

async fn follow(store: &dyn Store, owner: &Owner, after: Option<u32>, most: usize) -> Followed {
    store.follow(owner, WantedEvents { after, most, ..WantedEvents::default() }).await.unwrap()
}

/// Returns all events of an owner, oldest first.
async fn events(store: &dyn Store, owner: &Owner) -> Vec<Event> {
    let followed = follow(store, owner, None, usize::MAX).await;
    assert!(followed.is_complete && !followed.has_more);
    followed.events.into_iter().rev().collect()
}

fn deltas(event: &Event) -> &[Delta] {
    match &event.content {
        EventContent::Changed(deltas) => deltas,
        other => panic!("{other:?} should be a list of deltas"),
    }
}

/// Applies the deltas of these events to an owner who has nothing.
fn folded(events: &[Event]) -> OwnerState {
    events.iter().fold(OwnerState::default(), |state, event| state.folded(deltas(event)))
}

async fn rename(store: &dyn Store, owner: &Owner, from: &str, to: &str) {
    let edit = Edit::RenameGroup { name: name(from), new: name(to) };
    commit(store, owner, edit).await.unwrap().unwrap();
}

/// Commits an edit that expects the owner at a place.
async fn expecting(store: &dyn Store, owner: &Owner, place: Place, edit: Edit) -> Result<(), Place> {
    let write = Write { place: Some(place), ..Write::new(owner.clone(), edit, terms()) };
    match store.commit(write).await {
        Ok(outcome) => outcome.map(drop).map_err(|rejection| panic!("{rejection}")),
        Err(StoreError::Elsewhere(place)) => Err(place),
        Err(other) => panic!("{other}"),
    }
}

async fn feed(store: &dyn Store, number: u32, from: FeedFrom) -> FeedPart {
    store.feed(app(number), from, 1_000).await.unwrap()
}

/// Returns the cursor after all entries of a part.
fn after(part: &FeedPart) -> FeedCursor {
    let mut cursor = part.start.clone();
    part.entries.iter().for_each(|entry| cursor.advance(entry));
    cursor
}

/// Returns the owners and disbanded chat groups of a part's entries, sorted.
fn subjects(part: &FeedPart) -> Vec<String> {
    let subject = |placed: &Placed| match &placed.entry {
        FeedEntry::Owner { user, .. } => user.to_string(),
        FeedEntry::Disbanded { id, incarnation, .. } => format!("{}:{incarnation}", id.as_str()),
    };
    let mut subjects: Vec<_> = part.entries.iter().map(subject).collect();
    subjects.sort();
    subjects
}

pub(in crate::store) async fn every_change_is_recorded_once_and_in_order(store: &dyn Store) {
    let owner = owner(1, "a");
    set_account(store, &owner, Account { nick: "N".to_owned(), ..Account::default() }).await;
    keep(store, &owner, "first", &[user("x"), user("y")]).await;
    // These change nothing, so there is nothing to record.
    keep(store, &owner, "first", &[user("x")]).await;
    assert!(commit(store, &owner, Edit::DeleteGroup { name: name("other") }).await.unwrap().is_err());
    rename(store, &owner, "first", "second").await;
    let context = CallContext { identifier: Some(Arc::from("boss")), request: Some(Arc::from("id-1")) };
    let changes = vec![(MemberChange::Remove, user("x"))];
    let edit = Edit::ChangeMembers { name: name("second"), changes };
    let write = Write { context, ..Write::new(owner.clone(), edit, terms()) };
    store.commit(write).await.unwrap().unwrap();
    let all = events(store, &owner).await;
    assert_eq!(all.len(), 4);
    assert_eq!(folded(&all), store.load(&owner).await.unwrap().state);
    assert!(all.windows(2).all(|pair| pair[0].version <= pair[1].version));
    assert_eq!(all[3].version, store.load(&owner).await.unwrap().state.organizer.counters().version);
    assert_eq!((all[3].operator.as_deref(), all[3].request.as_deref()), (Some("boss"), Some("id-1")));
    assert_eq!((all[2].operator.as_deref(), all[2].request.as_deref()), (None, None));
    let ids: std::collections::HashSet<_> = all.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), 4, "ids are unique");
    // Another owner of the same name, in another app, has no events.
    assert_eq!(events(store, &super::owner(2, "a")).await, []);
    // An import is one event, too.
    let restoration = crate::domain::Restoration { makes_known: true, ..Default::default() };
    commit(store, &owner, Edit::Restore(restoration)).await.unwrap().unwrap();
    let all = events(store, &owner).await;
    assert_eq!((all.len(), folded(&all)), (5, store.load(&owner).await.unwrap().state));
}

pub(in crate::store) async fn events_are_read_page_by_page_and_from_a_version(store: &dyn Store) {
    let owner = owner(1, "a");
    for number in 0..10 {
        keep(store, &owner, &format!("group {number}"), &[user("x")]).await;
        // Events of others stand between those of this owner.
        keep(store, &super::owner(1, &format!("other-{number}")), "g", &[user("x")]).await;
    }
    let all = events(store, &owner).await;
    assert_eq!(all.len(), 10);
    let mut read = Vec::new();
    let mut before = None;
    loop {
        let wanted = WantedEvents { before, most: 3, ..WantedEvents::default() };
        let followed = store.follow(&owner, wanted).await.unwrap();
        read.extend(followed.events);
        if !followed.has_more {
            break;
        }
        assert!(!followed.is_complete);
        before = read.last().map(|event: &Event| event.id.clone());
    }
    read.reverse();
    assert_eq!(read, all);
    for (index, event) in all.iter().enumerate() {
        let followed = follow(store, &owner, Some(event.version), usize::MAX).await;
        assert!(followed.is_complete);
        assert_eq!(followed.events.len(), 9 - index);
        assert_eq!(followed.place.version, all[9].version);
    }
    // Only an event of this owner is a place in the owner's events.
    let other = events(store, &super::owner(1, "other-3")).await[0].id.clone();
    let unknown = "unknown".to_owned();
    for (before, is_known) in
        [(None, true), (Some(all[0].id.clone()), true), (Some(unknown), false), (Some(other), false)]
    {
        let wanted = WantedEvents { before: before.clone(), most: 3, ..WantedEvents::default() };
        let followed = store.follow(&owner, wanted).await.unwrap();
        assert_eq!(followed.knows_before, is_known, "{before:?}");
        assert_eq!(followed.events.len(), if before.is_none() { 3 } else { 0 }, "{before:?}");
    }
    // A limit of bytes ends a page early, but not before its first event.
    for (bytes, expected) in [(0, 1), (1, 1), (1 << 20, 10)] {
        let wanted = WantedEvents { most: 10, bytes: Some(bytes), ..WantedEvents::default() };
        let followed = store.follow(&owner, wanted).await.unwrap();
        assert_eq!((followed.events.len(), followed.has_more), (expected, expected < 10), "{bytes}");
        assert_eq!(followed.is_complete, expected == 10);
    }
}

pub(in crate::store) async fn a_write_can_expect_a_place(store: &dyn Store) {
    let (owner, other) = (owner(1, "a"), owner(1, "b"));
    for id in ["mine", "foreign"] {
        revive(store, app(1), id, profile("n")).await;
    }
    keep(store, &owner, "first", &[user("x"), in_group("mine")]).await;
    let place = follow(store, &owner, None, 0).await.place;
    // Changes of other owners and disbandings of other chat groups do not matter.
    keep(store, &other, "first", &[user("x")]).await;
    destroy(store, app(1), "foreign").await;
    expecting(store, &owner, place, grouping("second", &[user("y")])).await.unwrap();
    let found = expecting(store, &owner, place, grouping("third", &[user("y")])).await.unwrap_err();
    let place = follow(store, &owner, None, 0).await.place;
    assert_eq!(found, place);
    assert!(place.is_in_life_of(&found));
    // A disbanding of a chat group that the owner has a record about does, although the version stays.
    destroy(store, app(1), "mine").await;
    let found = expecting(store, &owner, place, grouping("third", &[user("y")])).await.unwrap_err();
    let followed = follow(store, &owner, None, 0).await;
    assert_eq!((found, found.version), (followed.place, place.version));
    assert_eq!(followed.dead, [(in_group("mine"), 2)]);
    assert!(followed.state.organizer.records().iter().all(|record| record.conversation != in_group("mine")));
    // It matters also after the chat group was created again.
    revive(store, app(1), "mine", profile("n")).await;
    assert!(expecting(store, &owner, place, grouping("third", &[user("y")])).await.is_err());
    expecting(store, &owner, found, grouping("third", &[user("y")])).await.unwrap();
    assert_eq!(follow(store, &owner, None, 0).await.dead, []);
    // A place from before a reset is in another life, even if the versions are equal.
    let place = follow(store, &other, None, 0).await.place;
    store.reset(Scope::Owner(other.clone())).await.unwrap();
    keep(store, &other, "first", &[user("x")]).await;
    let now = follow(store, &other, None, 0).await.place;
    assert_eq!(now.version, place.version);
    assert!(!now.is_in_life_of(&place));
    assert!(knows(store, &other, place).await, "the point is known, the epoch has changed");
    assert!(expecting(store, &other, place, grouping("second", &[user("y")])).await.is_err());
    for scope in [Scope::App(app(1)), Scope::All] {
        let place = follow(store, &other, None, 0).await.place;
        assert!(knows(store, &other, place).await);
        store.reset(scope).await.unwrap();
        let now = follow(store, &other, None, 0).await.place;
        assert!(!now.is_in_life_of(&place) || !knows(store, &other, place).await);
        assert!(knows(store, &other, now).await);
    }
    let elsewhere = Place { point: HistoryPoint::default(), ..follow(store, &other, None, 0).await.place };
    assert!(!knows(store, &other, elsewhere).await);
    assert!(expecting(store, &other, elsewhere, grouping("second", &[user("y")])).await.is_err());
}

/// Checks whether the store has been through the point of a place.
async fn knows(store: &dyn Store, owner: &Owner, place: Place) -> bool {
    let wanted = WantedEvents { point: Some(place.point), ..WantedEvents::default() };
    store.follow(owner, wanted).await.unwrap().foreign.is_none()
}

pub(in crate::store) async fn a_write_can_expect_a_last_event(store: &dyn Store) {
    let owner = owner(1, "a");
    let attempt = async |followed: &Followed, edit: Edit| {
        let last_event = followed.events.first().cloned().map(Box::new);
        let write =
            Write { place: Some(followed.place), last_event, ..Write::new(owner.clone(), edit, terms()) };
        store.commit(write).await.map(Result::unwrap)
    };
    keep(store, &owner, "first", &[user("x")]).await;
    let before = follow(store, &owner, None, 1).await;
    commit(store, &owner, Edit::DeleteGroup { name: name("first") }).await.unwrap().unwrap();
    let followed = follow(store, &owner, None, 1).await;
    let stale = Followed { place: followed.place, ..before };
    assert!(matches!(attempt(&stale, grouping("second", &[user("x")])).await, Err(StoreError::Elsewhere(_))));
    attempt(&followed, grouping("second", &[user("x")])).await.unwrap();
    attempt(&follow(store, &owner, None, 1).await, Edit::DeleteGroup { name: name("second") }).await.unwrap();
    // The owner has nothing, so a deletion changes neither the place nor the number of the last event.
    let followed = follow(store, &owner, None, 1).await;
    commit(store, &owner, Edit::DeleteAccount).await.unwrap().unwrap();
    let erased = follow(store, &owner, None, 1).await;
    assert_eq!((erased.place, &erased.events[0].id), (followed.place, &followed.events[0].id));
    assert!(matches!(
        attempt(&followed, grouping("third", &[user("x")])).await,
        Err(StoreError::Elsewhere(_))
    ));
    attempt(&erased, grouping("third", &[user("x")])).await.unwrap();
}

pub(in crate::store) async fn a_write_says_where_the_owner_is_afterwards(store: &dyn Store) {
    let owner = owner(1, "a");
    let slot = PlaceSlot::default();
    for (dry_run, name, version) in [(false, "first", 2), (true, "tried", 2), (false, "made", 4)] {
        let write = Write::new(owner.clone(), grouping(name, &[user("z")]), terms());
        let write = Write { dry_run, place_after: Some(slot.clone()), ..write };
        store.commit(write).await.unwrap().unwrap();
        assert_eq!(slot.get(), Some(follow(store, &owner, None, 0).await.place));
        assert_eq!(slot.get().unwrap().version, version, "{name}");
    }
}

pub(in crate::store) async fn deleting_an_account_erases_its_events(store: &dyn Store) {
    let (owner, other) = (owner(1, "a"), owner(1, "b"));
    for owner in [&owner, &other] {
        set_account(store, owner, Account::default()).await;
        keep(store, owner, "first", &[user("x")]).await;
        rename(store, owner, "first", "second").await;
    }
    commit(store, &owner, Edit::DeleteAccount).await.unwrap().unwrap();
    let all = follow(store, &owner, None, usize::MAX).await.events;
    assert_eq!(all[0].content, EventContent::AccountDeleted);
    assert!(all.len() == 4 && all[1..].iter().all(|event| event.content == EventContent::Erased));
    assert!(all[1..].iter().all(|event| event.operator.is_none() && event.request.is_none()));
    assert_eq!(folded(&events(store, &other).await), store.load(&other).await.unwrap().state);
    // So does deleting an account that is not stored, and one that has nothing left.
    let unstored = super::owner(1, "unstored");
    keep(store, &unstored, "first", &[user("x")]).await;
    commit(store, &unstored, Edit::DeleteAccount).await.unwrap().unwrap();
    let all = follow(store, &unstored, None, usize::MAX).await.events;
    let erased = EventContent::Erased;
    assert_eq!(
        all.iter().map(|event| &event.content).collect::<Vec<_>>(),
        [&EventContent::AccountDeleted, &erased]
    );
    let emptied = super::owner(1, "emptied");
    keep(store, &emptied, "first", &[user("x")]).await;
    commit(store, &emptied, Edit::DeleteGroup { name: name("first") }).await.unwrap().unwrap();
    commit(store, &emptied, Edit::DeleteAccount).await.unwrap().unwrap();
    let all = follow(store, &emptied, None, usize::MAX).await.events;
    assert!(all.len() == 2 && all.iter().all(|event| event.content == erased), "{all:?}");
    // The owner goes on with another life of the same account.
    set_account(store, &owner, Account::default()).await;
    keep(store, &owner, "third", &[user("x")]).await;
    let latest = follow(store, &owner, None, 2).await;
    assert!(latest.has_more && latest.events.iter().all(|event| !deltas(event).is_empty()));
}

pub(in crate::store) async fn the_feed_has_every_entry_exactly_once(store: &dyn Store) {
    let start = feed(store, 1, FeedFrom::Latest).await;
    assert!(start.entries.is_empty() && !start.has_gap);
    let mut cursor = after(&start);
    let (mut order, mut count) = (HashMap::<UserId, u32>::new(), 0);
    revive(store, app(1), "gone", profile("n")).await;
    for round in 0..6 {
        for index in 0..7 {
            keep(store, &owner(1, &format!("user{index}")), &format!("group {round}"), &[user("x")]).await;
            keep(store, &owner(2, &format!("user{index}")), "g", &[user("x")]).await;
        }
        if round % 2 == 1 {
            destroy(store, app(1), "gone").await;
            revive(store, app(1), "gone", profile("n")).await;
        }
        // Read in small parts, and remember only the cursor.
        loop {
            let part = store.feed(app(1), FeedFrom::After(cursor.clone()), 5).await.unwrap();
            assert!(!part.has_gap);
            assert_eq!(part.start, cursor);
            for entry in &part.entries {
                count += 1;
                if let FeedEntry::Owner { user, event } = &entry.entry {
                    let before = order.insert(user.clone(), event.version);
                    assert!(
                        before.is_none_or(|before| before < event.version),
                        "events of an owner are in order"
                    );
                }
            }
            cursor = after(&part);
            if !part.has_more {
                break;
            }
        }
        assert_eq!(count, (round + 1) * 7 + (round + 1) / 2);
    }
    assert_eq!(order.len(), 7);
    let everything = feed(store, 1, FeedFrom::Earliest).await;
    assert_eq!(everything.entries.len(), 45);
    let disbandings = everything.entries.iter().filter(|entry| entry.stream == Stream::Disbandings);
    assert_eq!(disbandings.map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(subjects(&everything)[..3], ["gone:1", "gone:2", "gone:3"]);
    assert_eq!(after(&everything), cursor);
    assert_eq!(feed(store, 1, FeedFrom::After(cursor)).await.entries, []);
}

pub(in crate::store) async fn a_cursor_from_another_life_shows_a_gap(store: &dyn Store) {
    for scope in [Scope::Owner(owner(1, "b")), Scope::App(app(1)), Scope::All] {
        keep(store, &owner(1, "a"), "first", &[user("x")]).await;
        let cursor = after(&feed(store, 1, FeedFrom::Latest).await);
        assert!(!feed(store, 1, FeedFrom::After(cursor.clone())).await.has_gap);
        store.reset(scope).await.unwrap();
        keep(store, &owner(1, "c"), "first", &[user("x")]).await;
        let part = feed(store, 1, FeedFrom::After(cursor)).await;
        assert!(part.has_gap);
        // It starts over, with everything that is kept.
        assert!(subjects(&part).contains(&"c".to_owned()));
        assert!(!feed(store, 1, FeedFrom::After(after(&part))).await.has_gap);
    }
}

pub(in crate::store) async fn waiting_for_changes_ends_with_a_change(store: &dyn Store) {
    let mut changes = store.changes();
    changes.mark_unchanged();
    keep(store, &owner(1, "a"), "first", &[user("x")]).await;
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    destroy(store, app(1), "g").await;
    assert!(changes.has_changed().unwrap());
}

fn operation(identifier: &str, key: &str, fingerprint: u128) -> Operation {
    let (identifier, key) = (Arc::from(identifier), Arc::from(key));
    Operation { identifier, key, fingerprint, is_repeated: Arc::default() }
}

/// Commits an operation at a time. Returns its outcome, and whether it is that of an earlier time.
async fn operate(
    store: &dyn Store,
    owner: &Owner,
    edit: Edit,
    operation: Operation,
    now: u64,
) -> Result<(Outcome, bool), StoreError> {
    let is_repeated = Arc::clone(&operation.is_repeated);
    let terms = Terms { now, ..terms() };
    let write = Write { operation: Some(operation), ..Write::new(owner.clone(), edit, terms) };
    let outcome = store.commit(write).await?.unwrap();
    Ok((outcome, is_repeated.load(std::sync::atomic::Ordering::Acquire)))
}

pub(in crate::store) async fn a_repeated_operation_has_no_second_effect(store: &dyn Store) {
    let (owner, other) = (owner(1, "a"), owner(1, "b"));
    let add = || grouping("first", &[user("x"), in_group("gone")]);
    destroy(store, app(1), "gone").await;
    let (done, is_repeated) = operate(store, &owner, add(), operation("boss", "k", 1), 100).await.unwrap();
    assert!(!is_repeated && matches!(&done, Outcome::Grouped(Grouped { items, .. }) if items[1].is_err()));
    commit(store, &owner, Edit::DeleteGroup { name: name("first") }).await.unwrap().unwrap();
    let place = follow(store, &owner, None, 0).await.place;
    // The outcome is that of the first time, even if the write would be refused now.
    let again = operate(store, &owner, add(), operation("boss", "k", 1), 200).await.unwrap();
    assert_eq!(again, (done.clone(), true));
    assert_eq!(follow(store, &owner, None, 0).await.place, place);
    // Another body, caller or owner is another operation.
    let other_body = operate(store, &owner, add(), operation("boss", "k", 2), 200).await;
    assert!(matches!(other_body, Err(StoreError::KeyReused)), "{other_body:?}");
    assert!(!operate(store, &owner, add(), operation("clerk", "k", 2), 200).await.unwrap().1);
    assert!(!operate(store, &other, add(), operation("boss", "k", 2), 200).await.unwrap().1);
    // So is the same one a day later.
    assert!(operate(store, &owner, add(), operation("boss", "k", 1), 100 + 86_400).await.unwrap().1);
    assert!(!operate(store, &owner, add(), operation("boss", "k", 2), 101 + 86_400).await.unwrap().1);
    // A refused write is not kept, so it is decided again.
    let refused = Write {
        operation: Some(operation("boss", "refused", 3)),
        ..Write::new(owner.clone(), Edit::DeleteGroup { name: name("none") }, terms())
    };
    assert!(store.commit(refused).await.unwrap().is_err());
    keep(store, &owner, "none", &[user("x")]).await;
    let delete = Edit::DeleteGroup { name: name("none") };
    assert!(!operate(store, &owner, delete, operation("boss", "refused", 3), 200).await.unwrap().1);
    // A dry run is not kept either.
    let tried = Write {
        dry_run: true,
        operation: Some(operation("boss", "tried", 4)),
        ..Write::new(owner.clone(), grouping("tried", &[user("x")]), terms())
    };
    store.commit(tried).await.unwrap().unwrap();
    let made = operate(store, &owner, grouping("tried", &[user("x")]), operation("boss", "tried", 4), 200);
    assert!(!made.await.unwrap().1);
}

pub(in crate::store) async fn the_oldest_operations_are_forgotten(store: &dyn Store) {
    let owner = owner(1, "a");
    let add = |number: usize| grouping("first", &[user(&format!("u{number}"))]);
    let key = |number: usize| operation("boss", &format!("{number}"), number as u128);
    for number in 0..=OPERATIONS {
        let time = 1_000 + number as u64;
        assert!(!operate(store, &owner, add(number), key(number), time).await.unwrap().1);
    }
    for number in 1..=OPERATIONS {
        assert!(operate(store, &owner, add(number), key(number), 2_000).await.unwrap().1, "{number}");
    }
    assert!(!operate(store, &owner, add(0), key(0), 2_000).await.unwrap().1, "the oldest was forgotten");
    // The keys end with the account, and with a reset.
    commit(store, &owner, Edit::DeleteAccount).await.unwrap().unwrap();
    assert!(!operate(store, &owner, add(5), key(5), 2_000).await.unwrap().1);
    store.reset(Scope::Owner(owner.clone())).await.unwrap();
    assert!(!operate(store, &owner, add(5), key(5), 2_000).await.unwrap().1);
    store.reset(Scope::App(app(1))).await.unwrap();
    assert!(!operate(store, &owner, add(5), key(5), 2_000).await.unwrap().1);
}

pub(in crate::store) async fn a_repeated_undo_is_answered_without_its_events(store: &dyn Store) {
    let owner = owner(1, "a");
    keep(store, &owner, "first", &[user("x")]).await;
    let deltas = match &follow(store, &owner, None, 1).await.events[0].content {
        EventContent::Changed(deltas) => deltas.clone(),
        other => panic!("{other:?}"),
    };
    let undo = Edit::Undo(Undo { reverted: deltas, later: Vec::new(), events: 1 });
    let (done, is_repeated) = operate(store, &owner, undo, operation("boss", "k", 1), 100).await.unwrap();
    let event = follow(store, &owner, None, 1).await.events.remove(0);
    let Outcome::Undone(undone) = &done else { panic!("{done:?}") };
    assert_eq!((undone.event.as_ref(), undone.events, is_repeated), (Some(&event.id), 1, false));
    let ask = async |key: &str, fingerprint: u128, now: u64| {
        let terms = Terms { now, ..terms() };
        let edit = Edit::Undo(Undo::default());
        let operation = Some(operation("boss", key, fingerprint));
        store.repeated(Write { operation, ..Write::new(owner.clone(), edit, terms) }).await
    };
    assert_eq!(ask("k", 1, 200).await.unwrap(), Some(done));
    assert_eq!(ask("other", 1, 200).await.unwrap(), None);
    assert_eq!(ask("k", 1, 101 + 86_400).await.unwrap(), None);
    // Asking records nothing.
    assert_eq!(ask("other", 1, 200).await.unwrap(), None);
    assert_eq!(follow(store, &owner, None, 9).await.events.len(), 2);
    keep(store, &owner, "second", &[user("x")]).await;
    assert!(matches!(ask("k", 2, 200).await, Err(StoreError::KeyReused)));
}
