//! Tests paging through the recent list: however sessions move meanwhile, none is missed.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::UserId;

fn session(number: u8, last: u64, seen: u64, pinned: u64) -> RecentSession {
    let conversation = Conversation::User(UserId::parse(&format!("peer{number}")).unwrap());
    RecentSession { conversation, last, seen, pinned }
}

fn request(from: u64, from_pinned: u64) -> RecentRequest {
    RecentRequest { from, from_pinned, knows_pins: true, wants_empty: true }
}

proptest! {
    /// A client pages while sessions move. What it has seen last of each session has to be what the session is in the end.
    #[test]
    fn a_client_that_pages_while_sessions_move_misses_nothing(
        begin in prop::collection::vec((0..12u8, 1..30u64, 1..6u64, any::<bool>()), 0..12),
        moves in prop::collection::vec(prop::collection::vec((0..12u8, 1..40u64, any::<bool>()), 0..4), 0..12),
        page_size in 1..4usize,
    ) {
        let rules = RecentRules { page_size, ..RecentRules::default() };
        let mut now = 6;
        let mut stored: BTreeMap<u8, RecentSession> =
            begin.into_iter().map(|(number, last, seen, pin)| (number, session(number, last, seen, pin.into()))).collect();
        let mut known = BTreeMap::new();
        let (mut from, mut from_pinned) = (0, 0);
        let mut moves = moves.into_iter();
        loop {
            let sessions: Vec<RecentSession> = stored.values().cloned().collect();
            let page = recent_page(&sessions, rules, request(from, from_pinned), now);
            for item in &page.items {
                known.insert(item.conversation.clone(), (item.time, item.is_pinned));
            }
            prop_assert!(page.is_complete || page.next > from, "the cursor advances");
            (from, from_pinned) = (page.next, page.next_pinned);
            let (is_complete, more) = (page.is_complete, moves.next());
            if is_complete && more.is_none() {
                break;
            }
            for (number, last, pin) in more.into_iter().flatten() {
                // It moves in the current second or in a later one.
                now += last % 2;
                stored.insert(number, session(number, last, now, pin.into()));
            }
        }
        let expected: BTreeMap<Conversation, (u64, bool)> =
            stored.values().map(|session| (session.conversation.clone(), (session.last, session.pinned > 0))).collect();
        prop_assert_eq!(known, expected);
    }
}

#[test]
fn a_page_ends_with_a_second_and_the_next_begins_after_it() {
    let sessions = [(1, 5), (2, 5), (3, 5), (4, 6), (5, 9)].map(|(number, seen)| session(number, 1, seen, 0));
    let rules = RecentRules { page_size: 2, ..RecentRules::default() };
    let page = recent_page(&sessions, rules, request(0, 0), 9);
    assert_eq!((page.items.len(), page.is_complete, page.next), (3, false, 6));
    let page = recent_page(&sessions, rules, request(6, 9), 9);
    assert_eq!((page.items.len(), page.is_complete, page.next), (2, true, 9));
    let page = recent_page(&sessions, rules, request(100, 9), 9);
    assert_eq!((page.items.len(), page.is_complete, page.next), (0, true, 100));
}

#[test]
fn times_are_shown_as_31_bits() {
    let sessions = [session(1, u64::MAX, 5, 0)];
    let page = recent_page(&sessions, RecentRules::default(), request(0, 0), 9);
    assert_eq!(page.items[0].time, i32::MAX as u64);
}

#[test]
fn a_clock_that_was_set_back_hides_nothing() {
    let sessions = [session(1, 5, 1_000, 0), session(2, 5, 1_000, 7)];
    let page = recent_page(&sessions, RecentRules::default(), request(10, 10), 10);
    assert_eq!((page.items.len(), page.next), (2, 10));
}
