//! Tests that touches and deletions of sessions give the same result in any order, and that changes of marks are what their
//! deltas say.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::domain::{DirectoryMode, Limits, Terms, UserId};

fn marks() -> impl Strategy<Value = SessionMarks> {
    (0..4u64, 0..6u64).prop_map(|(pinned, deleted)| SessionMarks { pinned, deleted })
}

proptest! {
    #[test]
    fn touches_commute_and_can_be_repeated(
        marks in marks(),
        (touches, shuffled) in prop::collection::vec((1..9u64, 7..8u64), 1..10)
            .prop_flat_map(|touches| (Just(touches.clone()), Just(touches).prop_shuffle())),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let begin = Session { marks, ..Session::default() };
        let all = |touches: &[(u64, u64)]| {
            touches.iter().fold(begin, |session, (last, seen)| session.touched(SessionTimes::new(*last, *seen)))
        };
        let mut other = shuffled;
        other.extend(again.iter().map(|index| *index.get(&touches)));
        prop_assert_eq!(all(&touches), all(&other));
        let newest = touches.iter().map(|(last, _)| *last).filter(|last| *last > marks.deleted).max();
        prop_assert_eq!(all(&touches).times.last(), newest.unwrap_or(0));
    }

    #[test]
    fn a_deletion_ends_what_was_before_it_wherever_it_comes(
        touches in prop::collection::vec(1..20u64, 0..8), at in any::<prop::sample::Index>(), deleted in 5..15u64,
    ) {
        // The deletion comes among the touches. Those of up to its time never count, and later ones always do.
        let change = SessionChanged {
            number: Some(1),
            conversation: Conversation::User(UserId::parse("b").unwrap()),
            incarnation: 0,
            at: deleted,
            before: SessionMarks::default(),
            after: SessionMarks { pinned: 0, deleted },
        };
        let mut session = Session::default();
        let at = at.index(touches.len() + 1);
        for (index, last) in touches.iter().enumerate() {
            if index == at {
                session = session.changed(&change);
            }
            session = session.touched(SessionTimes::new(*last, 1));
        }
        if at == touches.len() {
            session = session.changed(&change);
        }
        let newest = touches.iter().copied().filter(|last| *last > deleted).max().unwrap_or(0);
        prop_assert_eq!(session.times.last(), newest);
    }
}

#[test]
fn a_session_of_another_life_is_over() {
    let times = SessionTimes::new(5, 5);
    let session = Session { incarnation: 1, times, marks: SessionMarks { pinned: 3, deleted: 2 } };
    assert_eq!(session.of(1), session);
    assert_eq!(session.of(2), Session { incarnation: 2, ..Session::default() });
}

fn user(name: &str) -> Conversation {
    Conversation::User(UserId::parse(name).unwrap())
}

/// Decides changes of an owner's sessions at the time 100.
fn decide(
    known: &KnownSessions,
    items: &[(Conversation, SessionChange)],
) -> Result<Option<Change>, Rejection> {
    let owner = UserId::parse("a").unwrap();
    let terms = Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, 100) };
    let presences = items
        .iter()
        .map(|(named, _)| (named.clone(), Presence::User { imported: false }))
        .collect::<HashMap<_, _>>();
    let world = World { owner: &owner, terms: &terms, presences: &presences, sessions: Some(known) };
    change(&OwnerState::default(), world, items)
}

#[test]
fn later_items_see_what_earlier_ones_change() {
    let known = KnownSessions::default();
    let pin_and_unpin = [(user("b"), SessionChange::Pin), (user("b"), SessionChange::Unpin)];
    assert_eq!(decide(&known, &pin_and_unpin), Ok(None), "nothing is left of it");
    let many: Vec<_> = (0..60).map(|count| (user(&format!("u{count}")), SessionChange::Pin)).collect();
    let refused = Err(Rejection::TooManyPinned { limit: MOST_PINNED });
    assert_eq!(decide(&known, &many), refused);
    let and_unpin: Vec<_> = many
        .iter()
        .cloned()
        .chain(many[..10].iter().map(|(named, _)| (named.clone(), SessionChange::Unpin)))
        .collect();
    let change = decide(&known, &and_unpin).unwrap().unwrap();
    assert_eq!(change.deltas.len(), 50);
    assert_eq!(change.next.organizer.counters().version, 50);
    assert_eq!(OwnerState::default().folded(&change.deltas), change.next);
}

#[test]
fn a_limit_that_is_exceeded_already_refuses_only_what_adds_pins() {
    let names: Vec<Conversation> = (0..60).map(|count| user(&format!("u{count}"))).collect();
    let session = Session { marks: SessionMarks { pinned: 1, deleted: 0 }, ..Session::default() };
    let known = KnownSessions {
        named: names.iter().map(|named| (named.clone(), session)).collect(),
        pinned: names.iter().cloned().collect(),
    };
    assert!(decide(&known, &[(names[0].clone(), SessionChange::Unpin)]).unwrap().is_some());
    assert_eq!(decide(&known, &[(names[0].clone(), SessionChange::Pin)]), Ok(None));
    let refused = Err(Rejection::TooManyPinned { limit: MOST_PINNED });
    assert_eq!(decide(&known, &[(user("new"), SessionChange::Pin)]), refused);
}
