use std::{fs, path::Path, sync::Arc};

use rusqlite::Connection;

use super::super::SqliteStore;
use crate::{
    clock::Clock,
    domain::{
        AppId, ChatGroup, ChatGroupEdit, ChatGroupId, Conversation, CustomMark, DirectoryMode, Edit,
        GroupName, Limits, MarkChange, Owner, Terms, UserId,
    },
    store::{
        ChatGroupWrite, Deliveries, DestinationId, Directory, Events, FeedCursor, FeedFrom, Followed, Lane,
        Maintenance, Owners, Progress, Retention, Scope, StoreConfig, Stream, WantedEvents, Write,
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

/// Stores the disbanding of a chat group that is not known otherwise.
async fn disband(store: &SqliteStore, id: &str) {
    let terms = Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, NOW) };
    let edit = ChatGroupEdit::Restore {
        group: ChatGroup { incarnation: 1, ..ChatGroup::default() },
        members: [].into(),
    };
    let write = ChatGroupWrite::new(AppId::new(1).unwrap(), ChatGroupId::parse(id).unwrap(), edit, terms);
    store.commit_chat_group(write).await.unwrap().unwrap();
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
fn large_events_make_a_part_of_the_feed_shorter() {
    const EVENTS: usize = 60;
    let (directory, clock) = (tempfile::tempdir().unwrap(), frozen());
    let store = open(directory.path(), &clock, Retention::default());
    block_on(async {
        for number in 0..EVENTS {
            let custom = CustomMark::parse(&format!("{number:0256}")).unwrap();
            let change = MarkChange { custom: Some(custom), ..MarkChange::default() };
            let peer = |index| Conversation::User(UserId::parse(&format!("peer{index}")).unwrap());
            let items = (0..100).map(|index| Ok((peer(index), change.clone()))).collect();
            commit(&store, &owner("ann"), Edit::Mark { items }).await;
        }
        let (mut from, mut numbers, mut parts) = (FeedFrom::Earliest, Vec::new(), 0);
        loop {
            let part = store.feed(AppId::new(1).unwrap(), from, 100).await.unwrap();
            parts += 1;
            numbers.extend(part.entries.iter().map(|entry| entry.number));
            if !part.has_more {
                break;
            }
            from = FeedFrom::After(part.end);
        }
        assert_eq!(numbers, (1..=EVENTS as u64).collect::<Vec<_>>());
        assert_eq!(parts, 3, "3 MiB in parts of 1 MiB");
        store.close().await;
    });
}

#[test]
fn a_cursor_of_the_original_shows_a_gap_in_a_restored_copy() {
    let (directory, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = frozen();
    let write = |directory: &Path, custom: [&'static str; 2]| {
        let store = open(directory, &clock, Retention::default());
        block_on(async {
            for custom in custom {
                commit(&store, &owner("ann"), mark("bob", custom)).await;
            }
            let app = AppId::new(1).unwrap();
            let end = store.feed(app, FeedFrom::Latest, 1).await.unwrap().start;
            store.close().await;
            end
        })
    };
    let before = write(directory.path(), ["1", "2"]);
    fs::copy(directory.path().join("confold.db"), copy.path().join("confold.db")).unwrap();
    let ahead = write(directory.path(), ["3", "4"]);
    // The copy soon has more events than the original had.
    write(copy.path(), ["5", "6"]);
    write(copy.path(), ["7", "8"]);
    let restored = open(copy.path(), &clock, Retention::default());
    block_on(async {
        let read = |cursor| restored.feed(AppId::new(1).unwrap(), FeedFrom::After(cursor), 10);
        let part = read(ahead).await.unwrap();
        assert!(part.has_gap && part.entries.len() == 6, "everything that is kept follows: {part:?}");
        assert!(!read(part.end.clone()).await.unwrap().has_gap);
        let part = read(before).await.unwrap();
        assert!(!part.has_gap && part.entries.len() == 4, "what the copy has been through counts: {part:?}");
        let unwanted = FeedCursor { buckets: vec![u64::MAX], ..part.end };
        let unwanted = read(unwanted).await.unwrap();
        assert!(!unwanted.has_gap && unwanted.entries.is_empty());
        restored.close().await;
    });
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
fn old_events_are_removed_and_their_numbers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let clock = frozen();
    let retention = Retention { seconds: 60, bytes: u64::MAX };
    let store = open(directory.path(), &clock, retention);
    let app = AppId::new(1).unwrap();
    block_on(async {
        for count in 0..10 {
            commit(&store, &owner("ann"), mark("bob", &format!("secret {count}"))).await;
        }
        let latest = store.feed(app, FeedFrom::Latest, 9).await.unwrap().start;
        let first = store.feed(app, FeedFrom::Earliest, 9).await.unwrap().start;
        assert_eq!(kept(&store).await, 10);
        store.close().await;
        clock.advance(61);
        // Old events are removed after changes, here of another owner.
        let store = open(directory.path(), &clock, retention);
        commit(&store, &owner("carl"), mark("bob", "new")).await;
        store.between_writes(Box::new(|| ())).await.unwrap();
        assert_eq!(kept(&store).await, 1);
        let followed = follow(&store, &owner("ann")).await;
        assert_eq!((followed.events.len(), followed.is_complete), (0, false));
        // A reader who has seen everything misses nothing.
        assert!(!store.feed(app, FeedFrom::After(latest.clone()), 9).await.unwrap().has_gap);
        assert!(store.feed(app, FeedFrom::After(first), 9).await.unwrap().has_gap);
        commit(&store, &owner("ann"), mark("bob", "after")).await;
        let followed = follow(&store, &owner("ann")).await;
        assert_eq!((followed.events.len(), followed.events[0].version), (1, 11));
        store.close().await;
        // The numbers go on even after all events were removed.
        clock.advance(61);
        let store = open(directory.path(), &clock, retention);
        store.ready().await.unwrap();
        store.between_writes(Box::new(|| ())).await.unwrap();
        assert_eq!(kept(&store).await, 0);
        store.close().await;
        let store = open(directory.path(), &clock, retention);
        // Disbandings use up numbers. A reader who has seen all events misses nothing for all that.
        let all = store.feed(app, FeedFrom::Latest, 9).await.unwrap().start;
        disband(&store, "g").await;
        disband(&store, "h").await;
        let part = store.feed(app, FeedFrom::After(all.clone()), 9).await.unwrap();
        assert_eq!((part.entries.len(), part.has_gap), (2, false));
        commit(&store, &owner("ann"), mark("bob", "at last")).await;
        let part = store.feed(app, FeedFrom::After(all), 9).await.unwrap();
        assert_eq!((part.entries.len(), part.has_gap), (3, false));
        let part = store.feed(app, FeedFrom::Earliest, 1).await.unwrap();
        assert_eq!(part.entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [15]);
        assert!(store.feed(app, FeedFrom::After(latest), 9).await.unwrap().has_gap);
        store.close().await;
    });
}

#[test]
fn a_reset_of_one_app_does_not_hide_later_events_of_another() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), &frozen(), Retention::default());
    let (one, two) = (AppId::new(1).unwrap(), AppId::new(2).unwrap());
    block_on(async {
        let other = Owner { app: two, ..owner("ann") };
        commit(&store, &other, mark("bob", "first")).await;
        for count in 0..10 {
            commit(&store, &owner("ann"), mark("bob", &format!("{count}"))).await;
        }
        let cursor = store.feed(two, FeedFrom::Latest, 9).await.unwrap().start;
        store.reset(Scope::App(one)).await.unwrap();
        commit(&store, &other, mark("bob", "second")).await;
        let part = store.feed(two, FeedFrom::After(cursor.clone()), 9).await.unwrap();
        assert_eq!((part.entries.len(), part.has_gap), (1, false));
        // Events of another app are not looked at twice.
        for count in 0..10 {
            commit(&store, &owner("ann"), mark("bob", &format!("{count}"))).await;
        }
        let part = store.feed(two, FeedFrom::After(part.end), 9).await.unwrap();
        assert!(part.entries.is_empty() && part.end.buckets[0] > cursor.buckets[0] + 10);
        store.close().await;
    });
}

#[test]
fn lanes_that_are_behind_get_their_events_only() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), &frozen(), Retention::default());
    let app = AppId::new(1).unwrap();
    block_on(async {
        for count in 0..100 {
            commit(&store, &owner(&format!("user{count}")), mark("bob", "x")).await;
        }
        let all = store.feed(app, FeedFrom::Earliest, 1_000).await.unwrap();
        let Stream::Bucket(behind) = all.entries[0].stream else { panic!("a bucket is expected") };
        let mut cursor = FeedCursor { buckets: vec![all.end.buckets[0]; 64], ..all.end.clone() };
        cursor.buckets[usize::from(behind)] = 0;
        let part = store.feed(app, FeedFrom::After(cursor.clone()), 1_000).await.unwrap();
        let expected = all.entries.iter().filter(|entry| entry.stream == Stream::Bucket(behind));
        assert_eq!(part.entries.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        part.entries.iter().for_each(|entry| cursor.advance(entry));
        assert_eq!(store.feed(app, FeedFrom::After(cursor), 9).await.unwrap().entries, []);
        store.close().await;
    });
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
    // An event takes about 80 bytes.
    assert!((150..300).contains(&left), "{left} of 400 events are left");
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
fn traces_of_a_deleted_account_are_removed_even_if_the_server_crashes_before_that() {
    let (directory, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(directory.path(), &frozen(), Retention::default());
    let ann = owner("ann");
    let words = ["label-one", "peer-one"];
    block_on(async {
        for count in 0..200 {
            commit(&store, &ann, mark(&format!("peer-one-{count}"), &format!("label-one {count}"))).await;
        }
        // Hold the writer, so that it deletes the account and lets the files be copied before it cleans up.
        let (go_on, wait) = std::sync::mpsc::channel();
        let held = store.between_writes(Box::new(move || wait.recv().unwrap()));
        let terms = Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, NOW) };
        let deleted = store.commit(Write::new(ann.clone(), Edit::DeleteAccount, terms));
        let (from, to) = (directory.path().to_owned(), crashed.path().to_owned());
        let copied = store.between_writes(Box::new(move || {
            for name in ["confold.db", "confold.db-wal"] {
                fs::copy(from.join(name), to.join(name)).unwrap();
            }
        }));
        go_on.send(()).unwrap();
        held.await.unwrap();
        deleted.await.unwrap().unwrap();
        copied.await.unwrap();
        store.close().await;
    });
    assert_eq!(found(crashed.path(), &words), words);
    let store = open(crashed.path(), &frozen(), Retention::default());
    block_on(async {
        store.between_writes(Box::new(|| ())).await.unwrap();
        assert_eq!(found(crashed.path(), &words), Vec::<&str>::new());
        store.close().await;
    });
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

/// Returns how many pages of the log are in use.
fn frames(directory: &Path) -> u64 {
    let log = fs::read(directory.join("confold.db-wal")).unwrap();
    // A frame that belongs to the log has the same salt as the log.
    let frames = log[32..].chunks_exact(4_096 + 24);
    frames.filter(|frame| frame[8..16] == log[16..24]).count() as u64
}

/// The number of changes of the test below.
const CHANGES: u64 = 100;

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
            commit(&store, owner, mark("bob", "again")).await;
        }
        let written = frames(directory.path()) - before;
        // One page for the owner, one for the event, and a few more when a page of events is full.
        assert!(
            (2 * CHANGES..=2 * CHANGES + CHANGES / 5).contains(&written),
            "{written} pages for {CHANGES} changes"
        );
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
        events.len()
    };
    let short = Retention { seconds: 60, bytes: u64::MAX };
    block_on(async {
        let store = open(directory.path(), &clock, short);
        let before = store.destination(id.clone()).await.unwrap();
        for count in 0..10 {
            commit(&store, &owner("ann"), mark("bob", &format!("secret {count}"))).await;
        }
        store.close().await;
        clock.advance(61);
        assert_eq!(trimmed(short, Progress::default()).await, 10, "nothing is delivered");
        let lanes = |number| {
            let lanes = before.lanes.iter().map(|lane| Lane { number, ..*lane });
            Progress { lanes: lanes.collect(), ..Progress::default() }
        };
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
