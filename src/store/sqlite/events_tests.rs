use std::{fs, path::Path, sync::Arc};

use rusqlite::Connection;

use super::super::SqliteStore;
use crate::{
    clock::Clock,
    domain::{
        AppId, ChatGroupId, Conversation, CustomMark, DirectoryMode, Edit, Event, EventContent, GroupName,
        Limits, MarkChange, Owner, Terms, UserId,
    },
    store::{
        Deliveries, DestinationId, Events, FeedFrom, Followed, Lane, Maintenance, Owners, Progress,
        Retention, StoreConfig, Stream, WantedEvents, Write,
    },
    testing::block_on,
};

const NOW: u64 = 1_800_000_000;

fn owner(user: &str) -> Owner {
    Owner { app: AppId::new(1).unwrap(), user: UserId::parse(user).unwrap() }
}

fn open(directory: &Path, clock: &Clock, retention: Retention) -> SqliteStore {
    let config = StoreConfig { clock: clock.clone(), retention, ..StoreConfig::new(directory) };
    SqliteStore::open(&config).unwrap()
}

fn frozen() -> Clock {
    let clock = Clock::system();
    clock.freeze(Some(NOW));
    clock
}

async fn commit(store: &SqliteStore, owner: &Owner, edit: Edit) {
    let terms = Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, NOW) };
    store.commit(Write::new(owner.clone(), edit, terms)).await.unwrap().unwrap();
}

fn mark(peer: &str, custom: &str) -> Edit {
    let change = MarkChange { custom: Some(CustomMark::parse(custom).unwrap()), ..MarkChange::default() };
    Edit::Mark { items: vec![Ok((Conversation::User(UserId::parse(peer).unwrap()), change))] }
}

fn group(name: &str, peer: &str) -> Edit {
    let conversations = vec![Conversation::ChatGroup(ChatGroupId::parse(peer).unwrap())];
    Edit::CreateGroup { name: GroupName::parse(name).unwrap(), conversations }
}

async fn follow(store: &SqliteStore, owner: &Owner) -> Followed {
    let wanted = WantedEvents { most: usize::MAX, ..WantedEvents::default() };
    store.follow(owner, wanted).await.unwrap()
}

async fn kept(store: &SqliteStore) -> usize {
    let part = store.feed(AppId::new(1).unwrap(), FeedFrom::Earliest, 1_000_000).await.unwrap();
    part.entries.len()
}

/// Returns which of these words the files of a store contain.
fn found<'w>(directory: &Path, words: &[&'w str]) -> Vec<&'w str> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        files.push(fs::read(entry.unwrap().path()).unwrap());
    }
    let is_in = |word: &str| {
        files.iter().any(|bytes| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
    };
    words.iter().copied().filter(|word| is_in(word)).collect()
}

#[test]
fn events_go_on_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, owner) = (frozen(), owner("ann"));
    let mut versions = Vec::new();
    for round in 0..3 {
        let store = open(directory.path(), &clock, Retention::default());
        block_on(async {
            for count in 0..4 {
                commit(&store, &owner, mark("bob", &format!("{round} {count}"))).await;
            }
            let followed = follow(&store, &owner).await;
            assert!(followed.is_complete);
            versions = followed.events.iter().map(|event| event.version).collect();
            store.close().await;
        });
    }
    assert_eq!(versions, (1..=12).rev().collect::<Vec<_>>());
}

#[test]
fn old_events_are_removed_except_the_last_of_a_bucket_whose_content_is_erased() {
    let directory = tempfile::tempdir().unwrap();
    let clock = frozen();
    let store = open(directory.path(), &clock, Retention { seconds: 60, bytes: u64::MAX });
    block_on(async {
        for count in 0..10 {
            commit(&store, &owner("ann"), mark("bob", &format!("secret {count}"))).await;
        }
        let cursor = store.feed(AppId::new(1).unwrap(), FeedFrom::Latest, 9).await.unwrap().start;
        let first = store.feed(AppId::new(1).unwrap(), FeedFrom::Earliest, 9).await.unwrap().start;
        assert_eq!(kept(&store).await, 10);
        store.close().await;
        clock.advance(61);
        let store = open(directory.path(), &clock, Retention { seconds: 60, bytes: u64::MAX });
        // Old events are removed after changes, here of an owner in another bucket.
        for count in 0..5 {
            commit(&store, &owner("carl"), mark("bob", &format!("{count}"))).await;
        }
        store.between_writes(Box::new(|| ())).await.unwrap();
        assert_eq!(kept(&store).await, 6);
        let followed = follow(&store, &owner("ann")).await;
        assert!(!followed.is_complete);
        assert_eq!(contents(&followed.events), [EventContent::Erased]);
        // Who has seen everything misses nothing.
        let app = AppId::new(1).unwrap();
        assert!(!store.feed(app, FeedFrom::After(cursor), 9).await.unwrap().has_gap);
        assert!(store.feed(app, FeedFrom::After(first), 9).await.unwrap().has_gap);
        // The numbers go on.
        commit(&store, &owner("ann"), mark("bob", "after")).await;
        let followed = follow(&store, &owner("ann")).await;
        assert_eq!((followed.events.len(), followed.events[0].version), (2, 11));
        store.close().await;
    });
}

#[test]
fn old_events_stay_until_webhooks_have_delivered_them_unless_they_take_too_much_room() {
    let directory = tempfile::tempdir().unwrap();
    let clock = frozen();
    let app = AppId::new(1).unwrap();
    let id = DestinationId { app, name: Arc::from("hook") };
    let keep_all = Retention { seconds: u64::MAX, bytes: u64::MAX };
    let trimmed = async |retention: Retention, progress: Progress| {
        let store = open(directory.path(), &clock, keep_all);
        let life = store.destination(id.clone()).await.unwrap().life;
        store.progress(id.clone(), Progress { life, ..progress }).await.unwrap();
        store.close().await;
        // Old events are removed after the first change.
        let store = open(directory.path(), &clock, retention);
        for count in 0..5 {
            commit(&store, &owner("carl"), mark("bob", &format!("{count}"))).await;
        }
        store.between_writes(Box::new(|| ())).await.unwrap();
        let events = follow(&store, &owner("ann")).await.events;
        store.close().await;
        contents(&events).iter().filter(|content| **content != EventContent::Erased).count()
    };
    let short = Retention { seconds: 60, bytes: u64::MAX };
    block_on(async {
        let store = open(directory.path(), &clock, short);
        let before = store.destination(id.clone()).await.unwrap();
        for count in 0..10 {
            commit(&store, &owner("ann"), mark("bob", &format!("secret {count}"))).await;
        }
        let place = store.feed(app, FeedFrom::Latest, 9).await.unwrap().start;
        store.close().await;
        clock.advance(61);
        assert_eq!(trimmed(short, Progress::default()).await, 10, "nothing is delivered");
        let lane = *before
            .lanes
            .iter()
            .find(|lane| matches!(lane.stream, Stream::Bucket(bucket) if place.of_bucket(bucket) == 10))
            .unwrap();
        let lanes = |number| Progress { lanes: vec![Lane { number, ..lane }], ..Progress::default() };
        assert_eq!(trimmed(short, lanes(4)).await, 6, "what was delivered can go");
        assert_eq!(trimmed(short, Progress { off: Some(true), ..lanes(4) }).await, 0, "nobody waits");
        let store = open(directory.path(), &clock, keep_all);
        for count in 0..10 {
            commit(&store, &owner("ann"), mark("bob", &format!("more {count}"))).await;
        }
        store.close().await;
        let small = Retention { seconds: u64::MAX, bytes: 300 };
        let left = trimmed(small, Progress { off: Some(false), ..lanes(10) }).await;
        assert!(left < 10, "the size counts more: {left}");
    });
}

fn contents(events: &[Event]) -> Vec<EventContent> {
    events.iter().map(|event| event.content.clone()).collect()
}

#[test]
fn the_oldest_events_are_removed_if_they_take_too_much_room() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let retention = Retention { seconds: u64::MAX, bytes: 20_000 };
    for round in 0..40 {
        // Every start looks for events that have to be removed.
        let store = open(directory.path(), &clock, retention);
        block_on(async {
            for count in 0..10 {
                commit(&store, &owner(&format!("user{count}")), mark("bob", &format!("{round}"))).await;
            }
            store.between_writes(Box::new(|| ())).await.unwrap();
            store.close().await;
        });
    }
    let store = open(directory.path(), &clock, Retention { seconds: u64::MAX, bytes: u64::MAX });
    let left = block_on(kept(&store));
    // An event takes about 150 bytes. The last event of each bucket always stays.
    assert!((10..250).contains(&left), "{left} of 400 events are left");
    block_on(store.close());
}

#[test]
fn nothing_of_a_deleted_account_is_left_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), &frozen(), Retention::default());
    let words = ["folder-one", "folder-two", "label-one", "label-two", "peer-one", "peer-two", "nick-one"];
    let others = ["folder-of-bob", "label-of-bob"];
    let (ann, bob) = (owner("ann"), owner("bob"));
    block_on(async {
        let nick = Some("nick-one".to_owned());
        commit(&store, &ann, Edit::ImportAccount { nick, face_url: None }).await;
        commit(&store, &bob, group("folder-of-bob", "g")).await;
        for count in 0..200 {
            // Rows are rewritten and pages divided many times.
            commit(&store, &ann, mark(&format!("peer-one-{count}"), &format!("label-one {count}"))).await;
            commit(&store, &bob, mark("x", &format!("label-of-bob {count}"))).await;
        }
        commit(&store, &ann, group("folder-one", "peer-two")).await;
        commit(&store, &ann, mark("peer-two", "label-two")).await;
        let renamed = Edit::RenameGroup {
            name: GroupName::parse("folder-one").unwrap(),
            new: GroupName::parse("folder-two").unwrap(),
        };
        commit(&store, &ann, renamed).await;
        commit(&store, &ann, Edit::DeleteGroup { name: GroupName::parse("folder-two").unwrap() }).await;
        assert_eq!(found(directory.path(), &words), words);
        commit(&store, &ann, Edit::DeleteAccount).await;
        store.between_writes(Box::new(|| ())).await.unwrap();
        assert_eq!(found(directory.path(), &words), Vec::<&str>::new(), "while the store is open");
        assert_eq!(found(directory.path(), &others), others);
        // The store goes on after its log was emptied.
        commit(&store, &bob, mark("x", "label-of-bob at last")).await;
        store.close().await;
    });
    assert_eq!(found(directory.path(), &words), Vec::<&str>::new(), "after the store was closed");
}

#[test]
fn damaged_events_are_given_up_and_followers_notice() {
    let directory = tempfile::tempdir().unwrap();
    let clock = frozen();
    let store = open(directory.path(), &clock, Retention::default());
    let app = AppId::new(1).unwrap();
    let (ann, cursor) = (
        owner("ann"),
        block_on(async {
            for count in 0..10 {
                commit(&store, &owner("ann"), mark("bob", &format!("{count}"))).await;
            }
            let cursor = store.feed(app, FeedFrom::Latest, 9).await.unwrap().start;
            store.close().await;
            cursor
        }),
    );
    let db = Connection::open(directory.path().join("confold.db")).unwrap();
    let root: i64 = db
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'event'", [], |row| row.get(0))
        .unwrap();
    drop(db);
    let root = usize::try_from(root).unwrap();
    let file = directory.path().join("confold.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[(root - 1) * 4_096..root * 4_096].fill(0);
    fs::write(&file, bytes).unwrap();
    let store = open(directory.path(), &clock, Retention::default());
    block_on(async {
        // The owner is readable, and only their events are not.
        let followed = follow(&store, &ann).await;
        assert_eq!((followed.place.version, followed.events.len(), followed.is_complete), (10, 0, false));
        commit(&store, &ann, mark("bob", "after")).await;
        let followed = follow(&store, &ann).await;
        assert_eq!((followed.place.version, followed.events.len(), followed.is_complete), (11, 1, false));
        let part = store.feed(app, FeedFrom::After(cursor), 9).await.unwrap();
        assert!(part.has_gap && part.entries.len() == 1);
        let store_is_ready = store.ready().await;
        assert!(store_is_ready.is_ok(), "{store_is_ready:?}");
        store.close().await;
    });
}

/// Returns how many frames the log has.
fn frames(directory: &Path) -> u64 {
    (fs::metadata(directory.join("confold.db-wal")).unwrap().len() - 32) / (4_096 + 24)
}

/// The number of changes of the test below.
const CHANGES: u64 = 300;

#[test]
fn a_small_change_writes_at_most_two_more_pages_for_its_event() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), &frozen(), Retention::default());
    block_on(async {
        let owners: Vec<Owner> = (0..CHANGES).map(|count| owner(&format!("user{count}"))).collect();
        for owner in &owners {
            commit(&store, owner, mark("bob", "first")).await;
        }
        let before = frames(directory.path());
        for owner in &owners {
            commit(&store, owner, mark("bob", "second")).await;
        }
        let written = frames(directory.path()) - before;
        // One page for the owner, and at most two for the event.
        assert!(written <= 3 * CHANGES, "{written} pages for {CHANGES} changes");
        println!("{written} pages for {CHANGES} changes");
        store.close().await;
    });
}
