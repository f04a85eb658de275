use super::{
    turns::{PROBE_EVERY, RETRIES},
    *,
};
use crate::{
    domain::{Event, EventContent, FeedEntry, UserId},
    store::{Lane, Placed},
    webhooks::sending::{Outcome, Verdict},
};

const HOUR: u64 = 3_600_000;

fn state(buckets: u8) -> DeliveryState {
    let lane = |stream| Lane { stream, number: 0, attempts: 0, due: 0 };
    let lanes = (0..buckets).map(Stream::Bucket).chain([Stream::Disbandings]).map(lane).collect();
    DeliveryState { life: Life { run: 7, epoch: 1 }, lanes, ..DeliveryState::default() }
}

fn event(bucket: u8, number: u64) -> Placed {
    let content = EventContent::AccountDeleted;
    let event = Event {
        id: format!("{bucket}-{number}"),
        version: 1,
        at: 1_000 + number,
        operator: None,
        request: None,
        content,
    };
    let entry = FeedEntry::Owner { user: UserId::parse("ann").unwrap(), event };
    Placed { stream: Stream::Bucket(bucket), number, event: number, entry }
}

/// A feed with this many events in each bucket, of which `removed` are gone.
struct Feed {
    events: Vec<u64>,
    removed: u64,
}

impl Feed {
    fn read(&self, lanes: &mut Lanes, now: u64) -> Option<usize> {
        let cursor = lanes.cursor(now)?;
        let mut part = FeedPart {
            start: FeedCursor {
                point: HistoryPoint { run: 7, event: 0 },
                epoch: 1,
                disbandings: 0,
                buckets: Vec::new(),
            },
            ..FeedPart::default()
        };
        for (bucket, last) in (0..).zip(&self.events) {
            let after = cursor.of_bucket(bucket).max(if cursor.of_bucket(bucket) == u64::MAX {
                0
            } else {
                self.removed
            });
            part.start.buckets.push(after);
            part.has_more |= *last > after.saturating_add(3);
            part.entries
                .extend((after.saturating_add(1)..=*last).take(3).map(|number| event(bucket, number)));
        }
        part.end = part.start.clone();
        part.entries.iter().for_each(|placed| part.end.advance(placed));
        lanes.fill(&cursor, part)
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    Outcome { verdict, rest: None }
}

fn refused() -> Outcome {
    outcome(Verdict::Refused("HTTP 500".to_owned()))
}

fn unreachable() -> Outcome {
    outcome(Verdict::Unreachable("no connection".to_owned()))
}

fn all(_: &FeedEntry) -> bool {
    true
}

fn place(due: &Due) -> (Stream, u64) {
    (due.placed.stream, due.placed.number)
}

fn lane(lanes: &Lanes, bucket: u8) -> Lane {
    lanes.queues[usize::from(bucket)].lane
}

#[test]
fn each_lane_sends_one_event_after_another() {
    let (feed, mut lanes) = (Feed { events: vec![5, 1, 0], removed: 0 }, Lanes::of(&state(3)));
    let mut seen = vec![Vec::new(); 3];
    for _ in 0..6 {
        assert_eq!(feed.read(&mut lanes, 1).unwrap_or(0), 0);
        let Some(first) = lanes.take(1, 8, all) else { break };
        let second = lanes.take(1, 8, all);
        for due in [Some(first), second].into_iter().flatten() {
            let (Stream::Bucket(bucket), number) = place(&due) else { panic!("nothing was disbanded") };
            seen[usize::from(bucket)].push(number);
            assert_eq!(lanes.answered(&due, &outcome(Verdict::Delivered), 1, 0.0), Turn::GoOn);
        }
    }
    assert_eq!(seen, [vec![1, 2, 3, 4, 5], vec![1], vec![]]);
    let progress = lanes.take_progress();
    assert_eq!(progress.lanes.iter().map(|lane| lane.number).collect::<Vec<_>>(), [5, 1]);
    assert_eq!(lanes.changes(), 0);
    lanes.restore_progress(progress);
    assert_eq!(lanes.changes(), 2, "what was not stored is stored later");
}

#[test]
fn a_refused_event_is_sent_again_later_and_later_and_holds_up_its_lane_alone_until_it_is_given_up() {
    let (feed, mut lanes) = (Feed { events: vec![2, 1_000], removed: 0 }, Lanes::of(&state(2)));
    let mut now = 1;
    for wait in RETRIES.map(Some).into_iter().chain([None]) {
        feed.read(&mut lanes, now);
        let due = loop {
            // The other lane goes on.
            let due = lanes.take(now, 1, all).unwrap();
            if due.placed.stream == Stream::Bucket(0) {
                break due;
            }
            lanes.answered(&due, &outcome(Verdict::Delivered), now, 0.0);
            feed.read(&mut lanes, now);
        };
        assert_eq!(place(&due), (Stream::Bucket(0), 1));
        let turn = lanes.answered(&due, &refused(), now, 0.5);
        let Some(wait) = wait else {
            assert_eq!(turn, Turn::GaveUp);
            break;
        };
        assert_eq!(turn, Turn::GoOn);
        assert_eq!(lane(&lanes, 0).due, now + wait * 1_100, "a tenth later than at least");
        assert_eq!(lanes.summary().waiting, 1);
        assert_eq!(lanes.summary().oldest, Some(1_001));
        let other = lanes.take(now, 8, all).unwrap();
        assert_eq!(other.placed.stream, Stream::Bucket(1));
        lanes.answered(&other, &outcome(Verdict::Delivered), now, 0.0);
        assert_eq!(lanes.next_due(now), Some(lane(&lanes, 0).due));
        now = lane(&lanes, 0).due;
    }
    let progress = lanes.take_progress();
    assert_eq!(progress.given_up.len(), 1);
    assert_eq!(
        (progress.given_up[0].event.as_str(), progress.given_up[0].reason.as_str()),
        ("0-1", "HTTP 500")
    );
    assert_eq!(lane(&lanes, 0), Lane { stream: Stream::Bucket(0), number: 1, attempts: 0, due: 0 });
    feed.read(&mut lanes, now);
    let next = std::iter::from_fn(|| lanes.take(now, 8, all)).map(|due| place(&due));
    assert!(next.collect::<Vec<_>>().contains(&(Stream::Bucket(0), 2)), "the lane goes on");
}

#[test]
fn a_destination_that_fails_for_an_hour_is_paused_keeps_its_events_and_is_tried_from_time_to_time() {
    let (feed, mut lanes) = (Feed { events: vec![9, 9, 9], removed: 0 }, Lanes::of(&state(3)));
    let mut now = 1;
    let mut turns = Vec::new();
    while !lanes.summary().is_paused {
        feed.read(&mut lanes, now);
        while let Some(due) = lanes.take(now, 8, all) {
            turns.push(lanes.answered(&due, &unreachable(), now, 0.0));
        }
        now = lanes.next_due(now).unwrap();
        assert!(now < 3 * HOUR);
    }
    assert_eq!(turns.iter().filter(|turn| **turn == Turn::Paused).count(), 1);
    assert!(now > HOUR);
    let attempts = lane(&lanes, 0).attempts;
    for _ in 0..1_000 {
        feed.read(&mut lanes, now);
        let probe = lanes.take(now, 8, all).expect("it is tried again");
        assert!(lanes.take(now, 8, all).is_none(), "with one event only");
        assert_eq!(lanes.answered(&probe, &unreachable(), now, 0.0), Turn::GoOn);
        assert_eq!(lanes.next_due(now), Some(now + PROBE_EVERY));
        now += PROBE_EVERY;
    }
    let numbers: Vec<_> = lanes.queues.iter().map(|lane| lane.lane.number).collect();
    assert_eq!((numbers, lanes.given_up.len()), (vec![0; 4], 0), "nothing was given up in days");
    assert_eq!(lane(&lanes, 0).attempts, attempts);
    feed.read(&mut lanes, now);
    let probe = lanes.take(now, 8, all).unwrap();
    assert_eq!(lanes.answered(&probe, &outcome(Verdict::Delivered), now, 0.0), Turn::Resumed);
    feed.read(&mut lanes, now);
    let all_at_once = std::iter::from_fn(|| lanes.take(now, 8, all)).count();
    assert_eq!(all_at_once, 3, "every lane goes on at once");
}

#[test]
fn an_event_that_alone_is_refused_while_nothing_else_happens_is_given_up_in_the_end() {
    let (feed, mut lanes) = (Feed { events: vec![1], removed: 0 }, Lanes::of(&state(1)));
    let (mut now, mut turn) = (1, Turn::GoOn);
    while turn != Turn::GaveUp {
        feed.read(&mut lanes, now);
        if let Some(due) = lanes.take(now, 8, all) {
            turn = lanes.answered(&due, &refused(), now, 0.0);
        }
        now = lanes.next_due(now).unwrap_or(now);
        assert!(now < 200 * HOUR);
    }
    let whole: u64 = RETRIES.iter().sum::<u64>() * 1_000;
    assert!((whole..whole + HOUR).contains(&now), "{now}");
}

fn busy(rest: u64) -> Outcome {
    Outcome { verdict: Verdict::Busy("HTTP 429".to_owned()), rest: Some(rest) }
}

#[test]
fn a_receiver_can_rest_or_switch_itself_off() {
    let (feed, mut lanes) = (Feed { events: vec![9, 9], removed: 0 }, Lanes::of(&state(2)));
    feed.read(&mut lanes, 1);
    // One message may be refused for another reason. The second one shows that all are.
    for _ in 0..2 {
        let due = lanes.take(1, 8, all).unwrap();
        assert_eq!(lanes.answered(&due, &busy(60), 1, 0.0), Turn::GoOn);
    }
    assert!(lanes.take(60_000, 8, all).is_none() && lanes.cursor(60_000).is_none());
    assert_eq!((lanes.next_due(1), lane(&lanes, 0).attempts), (Some(60_001), 0));
    feed.read(&mut lanes, 60_001);
    let due = lanes.take(60_001, 8, all).unwrap();
    assert_eq!(lanes.answered(&due, &busy(60), 60_001, 0.0), Turn::GoOn);
    assert!(lanes.take(60_001, 8, all).is_none(), "the rest goes on after the first answer");
    feed.read(&mut lanes, 120_001);
    let due = lanes.take(120_001, 8, all).unwrap();
    assert_eq!(lanes.answered(&due, &outcome(Verdict::Gone), 120_001, 0.0), Turn::Off);
    assert!(lanes.take(120_001, 8, all).is_none() && lanes.cursor(120_001).is_none());
    assert_eq!(lanes.take_progress().off, Some(true));
    let mut again = Lanes::of(&DeliveryState { is_off: true, ..state(2) });
    assert!(again.summary().is_off && again.cursor(1).is_none(), "also after a restart");
    again.enable();
    assert_eq!(again.take_progress().off, Some(false));
    feed.read(&mut again, 1);
    assert!(again.take(1, 8, all).is_some());
}

#[test]
fn unwanted_events_are_passed_over() {
    let (feed, mut lanes) = (Feed { events: vec![3], removed: 0 }, Lanes::of(&state(1)));
    feed.read(&mut lanes, 1);
    let third = |entry: &FeedEntry| matches!(entry, FeedEntry::Owner { event, .. } if event.id == "0-3");
    let due = lanes.take(1, 8, third).unwrap();
    assert_eq!(place(&due), (Stream::Bucket(0), 3));
    assert_eq!(lanes.take_progress().lanes[0].number, 2);
}

#[test]
fn removed_events_and_other_lives_are_noticed() {
    let (feed, mut lanes) = (Feed { events: vec![9, 9], removed: 4 }, Lanes::of(&state(2)));
    assert_eq!(feed.read(&mut lanes, 1), Some(2), "both lanes miss something");
    assert_eq!(lanes.take(1, 8, all).map(|due| place(&due).1), Some(5));
    assert_eq!(feed.read(&mut lanes, 1).unwrap_or(0), 0, "it is said once");
    let mut lanes = Lanes::of(&DeliveryState { life: Life { run: 8, epoch: 1 }, ..state(2) });
    assert_eq!(feed.read(&mut lanes, 1), None);
}

#[test]
fn an_event_that_alone_is_answered_with_429_holds_up_its_lane_alone_until_it_is_given_up() {
    let (feed, mut lanes) = (Feed { events: vec![1, 1_000], removed: 0 }, Lanes::of(&state(2)));
    let (mut now, mut turn, mut sent) = (1, Turn::GoOn, 0);
    while turn != Turn::GaveUp {
        assert!(now < 100 * HOUR);
        feed.read(&mut lanes, now);
        let mut others = 0;
        for due in [lanes.take(now, 8, all), lanes.take(now, 8, all)].into_iter().flatten() {
            if due.placed.stream == Stream::Bucket(0) {
                turn = lanes.answered(&due, &busy(3_600), now, 0.0);
                sent += 1;
            } else {
                assert_eq!(lanes.answered(&due, &outcome(Verdict::Delivered), now, 0.0), Turn::GoOn);
                others += 1;
            }
        }
        assert_eq!(others, 1, "the other lane goes on");
        now += HOUR / 2;
    }
    assert!((70..80).contains(&sent), "{sent}");
    assert_eq!(lanes.take_progress().given_up.len(), 1);
}

#[test]
fn messages_that_are_not_answered_soon_leave_room_for_others() {
    let (feed, mut lanes) = (Feed { events: vec![1; 40], removed: 0 }, Lanes::of(&state(40)));
    while feed.read(&mut lanes, 1).is_some() {}
    let sent = |lanes: &mut Lanes, now| std::iter::from_fn(|| lanes.take(now, 8, all)).count();
    assert_eq!((sent(&mut lanes, 1), sent(&mut lanes, SLOW)), (8, 0));
    assert_eq!(lanes.next_due(1), Some(SLOW + 1), "others are sent then");
    assert_eq!(sent(&mut lanes, SLOW + 1), 8);
    assert_eq!((2..9).map(|second| sent(&mut lanes, second * SLOW + 1)).sum::<usize>(), 16, "32 in all");
}

#[test]
fn events_that_failed_leave_room_for_others() {
    let (feed, mut lanes) = (Feed { events: vec![2; 12], removed: 0 }, Lanes::of(&state(12)));
    while feed.read(&mut lanes, 1).is_some() {}
    for _ in 0..8 {
        let due = lanes.take(1, 8, all).unwrap();
        lanes.answered(&due, &refused(), 1, 0.0);
    }
    while feed.read(&mut lanes, 6_001).is_some() {}
    // It is their turn.
    lanes.next = 0;
    let sent: Vec<_> = std::iter::from_fn(|| lanes.take(6_001, 8, all)).map(|due| place(&due).0).collect();
    let is_again = |stream: &&Stream| (0..8).any(|bucket| **stream == Stream::Bucket(bucket));
    assert_eq!((sent.len(), sent.iter().filter(is_again).count()), (8, 4));
}

#[test]
fn a_lane_without_an_answer_does_not_take_the_room_for_reading_from_others() {
    let (feed, mut lanes) = (Feed { events: vec![3; 2], removed: 0 }, Lanes::of(&state(2)));
    feed.read(&mut lanes, 1);
    let stuck = lanes.take(1, 1, all).unwrap();
    let Placed { stream, number, .. } = lanes.queues[0].queue[0].clone();
    let many = (number..).take(READ_AHEAD + 1).map(|number| Placed { number, ..event(0, number) });
    lanes.queues[0].queue = many.collect();
    lanes.queues[1].queue.clear();
    lanes.note_changes();
    assert_eq!((stream, place(&stuck)), (Stream::Bucket(0), (Stream::Bucket(0), 1)));
    let cursor = lanes.cursor(1).expect("the other lane is read");
    assert_eq!((cursor.buckets[0], lanes.queues[0].queue.len()), (u64::MAX, 1));
    lanes.answered(&stuck, &outcome(Verdict::Delivered), 1, 0.0);
    assert_eq!(lanes.cursor(1).unwrap().buckets[0], 1, "what was forgotten is read again");
}

#[test]
fn waits_do_not_become_longer_when_the_clock_is_set_back() {
    let (feed, mut lanes) = (Feed { events: vec![1], removed: 0 }, Lanes::of(&state(1)));
    let year = 365 * 24 * HOUR;
    lanes.note_time(2 * year);
    feed.read(&mut lanes, 2 * year);
    let due = lanes.take(2 * year, 8, all).unwrap();
    lanes.answered(&due, &refused(), 2 * year, 0.0);
    lanes.note_time(year);
    assert_eq!(lanes.next_due(year), Some(year + 5_000));
    // The same while the server was not running.
    let stored =
        DeliveryState { lanes: vec![Lane { due: 3 * year, attempts: 1, ..state(1).lanes[0] }], ..state(1) };
    let mut again = Lanes::of(&stored);
    again.note_time(year);
    assert!(again.next_due(year).unwrap() <= year + 30 * HOUR);
}
