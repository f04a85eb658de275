use rusqlite::Connection;

use super::*;
use crate::domain::{
    ChatGroupEdit, ChatGroupKind, ChatGroupProfile, DirectoryMode, Edit, GroupName, Grouped, JoinOption,
    Limits, Member, ProfileDetails, Terms, UserId,
};
use crate::{
    store::{Lane, Maintenance, Scope, Statistics, StoreFailure, Stream},
    testing::block_on,
};

fn owner(user: &str) -> Owner {
    Owner { app: AppId::new(1).unwrap(), user: UserId::parse(user).unwrap() }
}

fn terms() -> Terms {
    Terms { directory: DirectoryMode::Open, ..Terms::of_tools(Limits::OPEN, 1_800_000_000) }
}

/// Runs an edit whose outcome does not matter.
fn edit(store: &SqliteStore, user: &str, edit: Edit) -> Pending<'static, ()> {
    let write = Write::new(owner(user), edit, terms());
    let presences =
        write.edit.named().into_iter().map(|named| (named.clone(), Presence::Unreadable)).collect();
    let made = store.queue(|slot| Job::Owner { write: Box::new(write), presences, slot, unsettled: None });
    Box::pin(async { made.await.map(drop) })
}

fn rename(store: &SqliteStore, user: &str, nick: String) -> Pending<'static, ()> {
    edit(store, user, Edit::ImportAccount { nick: Some(nick), face_url: None })
}

fn edit_chat_group(store: &SqliteStore, id: &str, edit: ChatGroupEdit) -> Pending<'static, ()> {
    let id = ChatGroupId::parse(id).unwrap();
    let write = Box::new(ChatGroupWrite::new(AppId::new(1).unwrap(), id, edit, terms()));
    let made = store.queue(|slot| Job::ChatGroup { write, slot, unsettled: None });
    Box::pin(async { made.await.map(drop) })
}

/// Reads the nick of an account.
async fn nick(store: &SqliteStore, user: &str) -> String {
    store.load(&owner(user)).await.unwrap().state.account.unwrap().nick.clone()
}

/// Closes a store, so that its directory can be opened again.
fn close(store: &SqliteStore) {
    block_on(store.close());
}

fn database(directory: &tempfile::TempDir) -> Connection {
    Connection::open(directory.path().join("confold.db")).unwrap()
}

#[test]
fn many_changes_share_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    block_on(async {
        let pending: Vec<_> =
            (0..256).map(|count| rename(&store, &format!("u{count}"), "x".to_owned())).collect();
        for change in pending {
            change.await.unwrap();
        }
    });
    assert!(store.commits() <= 32, "{} commits for 256 changes", store.commits());
}

#[test]
fn the_log_does_not_grow_without_bound() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    block_on(async {
        for count in 0..6_000 {
            rename(&store, &format!("u{}", count % 10), format!("nick {count}")).await.unwrap();
        }
    });
    let log = std::fs::metadata(directory.path().join("confold.db-wal")).unwrap().len();
    // 6,000 commits write at least one page each, which makes 24 MB.
    assert!(log < 16 << 20, "{log} bytes");
}

/// If there is always a reader, SQLite never restarts the log by itself.
#[test]
fn the_log_does_not_grow_without_bound_while_readers_never_pause() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    let readers = [store.files.connect().unwrap(), store.files.connect().unwrap()];
    let ended = std::sync::atomic::AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        let ended_too = &ended;
        scope.spawn(move || {
            let begin = |reader: usize| {
                readers[reader].execute_batch("BEGIN; SELECT count(*) FROM account").unwrap();
                // Read slowly, so that nearly every checkpoint finds a reader from before the last change.
                let count = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
                             SELECT count(*) FROM n";
                readers[reader].execute_batch(count).unwrap();
            };
            begin(0);
            // At least one of the two is always reading.
            while !ended_too.load(Ordering::Relaxed) {
                for (next, last) in [(1, 0), (0, 1)] {
                    begin(next);
                    readers[last].execute_batch("COMMIT").unwrap();
                }
            }
        });
        let longest = block_on(async {
            let mut longest = 0;
            for count in 0..500 {
                let pending: Vec<_> = (0..200)
                    .map(|user| rename(&store, &format!("u{user}"), format!("{count}").repeat(400)))
                    .collect();
                for change in pending {
                    change.await.unwrap();
                }
                longest = longest.max(store.statistics().log_bytes);
            }
            longest
        });
        ended.store(true, Ordering::Relaxed);
        longest
    });
    println!("{longest} bytes");
    assert!(longest > 30 << 20, "{longest} bytes: the log has to become long enough for a restart");
    // Without restarts, it would be several hundred megabytes. The size depends on how soon a reader gets a processor.
    assert!(longest < 160 << 20, "{longest} bytes");
}

/// Transactions and the log stay small even if many changes arrive at once.
#[test]
fn many_large_changes_do_not_share_one_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    let members: Vec<_> = (0..6_000)
        .map(|count| Member::new(UserId::parse(&format!("{count:032}")).unwrap(), false, 1_700_000_000))
        .collect();
    let profile = ChatGroupProfile {
        kind: ChatGroupKind::Public,
        name: "n".to_owned(),
        owner: None,
        introduction: String::new(),
        notification: String::new(),
        face_url: String::new(),
        max_members: 6_000,
        join_option: JoinOption::FreeAccess,
        created_at: 1,
        details: ProfileDetails::default(),
    };
    let pending: Vec<_> = (0..60)
        .map(|count| {
            let create = ChatGroupEdit::Create { profile: profile.clone(), members: members.clone() };
            edit_chat_group(&store, &format!("g{count}"), create)
        })
        .collect();
    block_on(async {
        for change in pending {
            change.await.unwrap();
        }
    });
    let Statistics { commits, log_bytes, .. } = store.statistics();
    // There are 60 changes of about 600 KB each on the side of the chat groups, and of up to 24 MB on the side of the users,
    // whose rows are on many pages. A transaction has about 4 MiB, or one change.
    assert!((8..=60).contains(&commits), "{commits} commits");
    assert!(log_bytes < 64 << 20, "{log_bytes} bytes");
}

/// A long read, such as a backup, may prevent the log from being restarted. This is counted, and changes continue.
#[test]
fn a_reader_that_stays_holds_the_log_and_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    let reader = store.files.connect().unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM account").unwrap();
    let write_until = |enough: &dyn Fn(Statistics) -> bool| {
        block_on(async {
            for count in 0..10_000 {
                let pending: Vec<_> = (0..200)
                    .map(|user| rename(&store, &format!("u{user}"), format!("{count}").repeat(400)))
                    .collect();
                for change in pending {
                    change.await.unwrap();
                }
                if enough(store.statistics()) {
                    return;
                }
            }
            panic!("the expected state was not reached: {:?}", store.statistics());
        });
    };
    write_until(&|statistics| statistics.log_held > 0 && statistics.log_in_use > 34 << 20);
    reader.execute_batch("COMMIT").unwrap();
    write_until(&|statistics| statistics.log_in_use < 8 << 20);
}

/// The log does not grow from crash to crash, because each startup takes the existing log into account.
#[test]
fn the_log_does_not_grow_over_crashes() {
    let mut directory = tempfile::tempdir().unwrap();
    let mut longest = 0;
    for _ in 0..20 {
        let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
        block_on(async {
            for count in 0..100 {
                rename(&store, &format!("u{count}"), format!("nick {count}")).await.unwrap();
            }
        });
        // Copy the files while the store is in use, which is what a crash would leave.
        let image = tempfile::tempdir().unwrap();
        for file in ["confold.db", "confold.db-wal"] {
            std::fs::copy(directory.path().join(file), image.path().join(file)).unwrap();
        }
        longest = longest.max(std::fs::metadata(image.path().join("confold.db-wal")).unwrap().len());
        close(&store);
        directory = image;
    }
    // There are 100 commits of a few pages each.
    assert!(longest < 3 << 20, "{longest} bytes");
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    assert_eq!(block_on(nick(&store, "u99")), "nick 99");
}

/// Reads of callers who have left are skipped.
#[test]
fn reads_that_nobody_waits_for_are_skipped() {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreConfig { readers: 1, ..StoreConfig::new(directory.path()) };
    let store = SqliteStore::open(&options).unwrap();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let held = store.readers.run(move |_| {
        may_go_on.recv().unwrap();
        Ok(())
    });
    let waiting: Vec<_> = (0..500).map(|count| store.load(&owner(&format!("u{count}")))).collect();
    assert!(store.statistics().reads_waiting >= 500);
    drop(waiting);
    go_on.send(()).unwrap();
    block_on(async {
        held.await.unwrap();
        store.load(&owner("last")).await.unwrap();
    });
    assert_eq!(store.statistics().cache_misses, 1, "only the last one was read");
}

#[test]
fn a_damaged_owner_does_not_affect_others() {
    let directory = tempfile::tempdir().unwrap();
    close(&SqliteStore::open(&StoreConfig::new(directory.path())).unwrap());
    let damage = "INSERT INTO organizer (app_id, user_id, chunk, doc) VALUES (1, 'bad', 0, x'0102')";
    database(&directory).execute(damage, []).unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    block_on(async {
        let pending: Vec<_> =
            (["a", "bad", "b"].into_iter()).map(|user| rename(&store, user, "x".to_owned())).collect();
        let mut outcomes = Vec::new();
        for change in pending {
            outcomes.push(change.await);
        }
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
        assert!(matches!(outcomes[1], Err(StoreError::Damaged { .. })), "{outcomes:?}");
        assert!(matches!(store.load(&owner("bad")).await, Err(StoreError::Damaged { .. })));
        assert_eq!(nick(&store, "b").await, "x");
    });
}

#[test]
fn a_disbanding_is_one_event_of_the_app() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    block_on(async {
        for _ in 0..2 {
            destroy_again(&store, "g").await;
        }
    });
    close(&store);
    let db = database(&directory);
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
    assert_eq!(number("SELECT disbandings FROM app"), 2);
    assert_eq!(number("SELECT disbanding FROM chat_group"), 2);
    let mut events = db.prepare("SELECT app_id, seq, kind, group_id, incarnation FROM app_event").unwrap();
    let events: Vec<(u32, u32, u32, String, u32)> = events
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(events, [(1, 1, 1, "g".to_owned(), 1), (1, 2, 1, "g".to_owned(), 2)]);
}

/// Imports a chat group, so that it exists again, and destroys it.
async fn destroy_again(store: &SqliteStore, id: &str) {
    let profile = ChatGroupProfile {
        kind: ChatGroupKind::Public,
        name: String::new(),
        owner: None,
        introduction: String::new(),
        notification: String::new(),
        face_url: String::new(),
        max_members: 9,
        join_option: JoinOption::FreeAccess,
        created_at: 1,
        details: ProfileDetails::default(),
    };
    edit_chat_group(store, id, ChatGroupEdit::Create { profile, members: Vec::new() }).await.unwrap();
    edit_chat_group(store, id, ChatGroupEdit::Destroy).await.unwrap();
}

/// Destroys chat groups that exist only because the directory is open.
async fn disband(store: &SqliteStore, ids: std::ops::Range<u32>) {
    let pending: Vec<_> =
        ids.map(|id| edit_chat_group(store, &format!("g{id}"), ChatGroupEdit::Destroy)).collect();
    for change in pending {
        change.await.unwrap();
    }
}

#[test]
fn a_disbanding_counts_for_edits_in_its_own_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    let group = |id: &str| Conversation::ChatGroup(ChatGroupId::parse(id).unwrap());
    let put = |id: &str| {
        let name = GroupName::parse("first").unwrap();
        let limits = Limits { grouped: 1, ..Limits::OPEN };
        let edit = Edit::CreateGroup { name, conversations: vec![group(id)] };
        store.commit(Write::new(owner("a"), edit, Terms { limits, ..terms() }))
    };
    let outcome = block_on(async {
        let first = put("g");
        // Hold the writer, so that the following edits are written together.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let pause = store.between_writes(Box::new(move || held.recv().unwrap()));
        let (before, end) = (put("h"), edit_chat_group(&store, "g", ChatGroupEdit::Destroy));
        let after = put("h");
        release.send(()).unwrap();
        pause.await.unwrap();
        end.await.unwrap();
        [first.await, before.await, after.await].map(|outcome| outcome.unwrap().unwrap())
    });
    let grouped = |item| Outcome::Grouped(Grouped { id: 1, items: vec![item] });
    let full = Err(Rejection::TooManyGrouped { limit: 1 });
    assert_eq!(outcome, [grouped(Ok(())), grouped(full), grouped(Ok(()))]);
}

/// A dry run in a transaction between two edits of the same owner is not a part of it.
#[test]
fn a_dry_run_in_a_batch_sees_what_is_before_it_and_leaves_nothing_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    let put = |name: &str, id: &str, dry_run| {
        let conversations = vec![Conversation::User(UserId::parse(id).unwrap())];
        let edit = Edit::CreateGroup { name: GroupName::parse(name).unwrap(), conversations };
        store.commit(Write { dry_run, ..Write::new(owner("a"), edit, terms()) })
    };
    let end =
        |dry_run| store.commit(Write { dry_run, ..Write::new(owner("a"), Edit::DeleteAccount, terms()) });
    block_on(async {
        rename(&store, "a", "x".to_owned()).await.unwrap();
        let commits = store.commits();
        // Hold the writer, so that the following edits are written together.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let pause = store.between_writes(Box::new(move || held.recv().unwrap()));
        let (first, tried, ended) = (put("one", "x", false), put("two", "y", true), end(true));
        let (second, again) = (put("two", "z", false), put("two", "z", true));
        release.send(()).unwrap();
        pause.await.unwrap();
        let grouped = |id| Outcome::Grouped(Grouped { id, items: vec![Ok(())] });
        assert_eq!(first.await.unwrap(), Ok(grouped(1)));
        assert_eq!(tried.await.unwrap(), Ok(grouped(2)), "the group before it counts");
        assert_eq!(ended.await.unwrap(), Ok(Outcome::Account { existed: true, changed: true }));
        assert_eq!(second.await.unwrap(), Ok(grouped(2)), "the id was not taken");
        assert_eq!(again.await.unwrap(), Ok(grouped(2)));
        assert_eq!(store.commits(), commits + 1, "they were written together");
    });
    let left = |store: &SqliteStore| {
        let state = block_on(store.load(&owner("a"))).unwrap().state;
        let organizer = &state.organizer;
        let named: Vec<_> = organizer.groups().iter().map(|group| group.name.as_str().to_owned()).collect();
        (state.account.is_some(), named, organizer.records().len(), organizer.counters().version)
    };
    let expected = (true, vec!["one".to_owned(), "two".to_owned()], 2, 4);
    assert_eq!(left(&store), expected);
    close(&store);
    assert_eq!(
        left(&SqliteStore::open(&StoreConfig::new(directory.path())).unwrap()),
        expected,
        "on disk, too"
    );
}

#[test]
fn events_that_are_too_many_or_too_old_are_removed_and_their_numbers_go_on() {
    const EVENTS: &str = "SELECT count(*), coalesce(min(seq), 0), coalesce(max(seq), 0) FROM app_event";
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    clock.freeze(Some(1_800_000_000));
    let open = || {
        let options = StoreConfig { clock: clock.clone(), ..StoreConfig::new(directory.path()) };
        SqliteStore::open(&options).unwrap()
    };
    let events = |sql: &str| {
        database(&directory).query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
    };
    let store = open();
    block_on(async {
        for thousand in 0..11 {
            disband(&store, thousand * 1_000..(thousand + 1) * 1_000).await;
        }
    });
    close(&store);
    assert_eq!(events(EVENTS), (10_000, 1_001, 11_000), "the latest events are kept");
    clock.advance(7 * 86_400 + 1);
    let store = open();
    block_on(async {
        // After each change, some old events are removed.
        for count in 0..200 {
            rename(&store, "a", format!("{count}")).await.unwrap();
        }
        destroy_again(&store, "g0").await;
    });
    block_on(store.reset(Scope::App(AppId::new(1).unwrap()))).unwrap();
    block_on(disband(&store, 5..6));
    close(&store);
    assert_eq!(events(EVENTS), (1, 11_002, 11_002), "even a reset does not lower the number");
}

#[test]
fn old_disbandings_stay_until_webhooks_have_delivered_them_unless_they_are_too_many() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    clock.freeze(Some(1_800_000_000));
    let open = || {
        let options = StoreConfig { clock: clock.clone(), ..StoreConfig::new(directory.path()) };
        SqliteStore::open(&options).unwrap()
    };
    let kept = || -> i64 {
        database(&directory).query_row("SELECT count(*) FROM app_event", [], |row| row.get(0)).unwrap()
    };
    let id = DestinationId { app: AppId::new(1).unwrap(), name: "hook".into() };
    // Old events are removed after a change.
    let trim = |progress: Progress| {
        let store = open();
        block_on(async {
            let life = store.destination(id.clone()).await.unwrap().life;
            store.progress(id.clone(), Progress { life, ..progress }).await.unwrap();
        });
        close(&store);
        let store = open();
        block_on(async {
            for count in 0..9 {
                rename(&store, "a", format!("{count}")).await.unwrap();
            }
        });
        close(&store);
        kept()
    };
    let store = open();
    block_on(async { store.destination(id.clone()).await.unwrap() });
    block_on(disband(&store, 0..10));
    close(&store);
    clock.advance(7 * 86_400 + 1);
    assert_eq!(trim(Progress::default()), 10, "nothing is delivered");
    let lane = Lane { stream: Stream::Disbandings, number: 4, attempts: 0, due: 0 };
    assert_eq!(trim(Progress { lanes: vec![lane], ..Progress::default() }), 6, "what was delivered can go");
    assert_eq!(trim(Progress { off: Some(true), ..Progress::default() }), 0, "nobody waits");
    assert_eq!(trim(Progress { off: Some(false), ..Progress::default() }), 0);
    let store = open();
    block_on(disband(&store, 10..20));
    block_on(async {
        for thousand in 1..11 {
            disband(&store, thousand * 1_000..(thousand + 1) * 1_000).await;
        }
    });
    close(&store);
    assert_eq!(kept(), 10_000, "the maximum number takes precedence");
}

#[test]
fn a_panic_in_a_reader_ends_no_thread() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig { readers: 1, ..StoreConfig::new(directory.path()) }).unwrap();
    block_on(async {
        let panicked = store.readers.run::<()>(|_| panic!("this task always panics"));
        assert!(matches!(panicked.await, Err(StoreError::Rule)));
        tokio::time::timeout(Duration::from_secs(10), store.ready()).await.unwrap().unwrap();
    });
}

#[test]
fn a_store_is_unfilled_until_its_filling_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    for filled in [false, false, true] {
        let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
        assert!(store.is_unfilled());
        if filled {
            block_on(store.note_filled()).unwrap();
        }
        close(&store);
    }
    assert!(!SqliteStore::open(&StoreConfig::new(directory.path())).unwrap().is_unfilled());
}

/// Checks the number of writes per commit (one fsync) with 64 callers who each wait for their answer, on 64 owners
/// and on one.
#[test]
fn writers_who_wait_share_commits() {
    for owners in [64, 1] {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..64 {
                let store = &store;
                scope.spawn(move || {
                    block_on(async {
                        for count in 0..60 {
                            let user = format!("u{}", writer % owners);
                            rename(store, &user, format!("{writer}-{count}")).await.unwrap();
                        }
                    });
                });
            }
        });
        let per_commit = 64 * 60 / store.commits();
        println!("{owners} owners: {per_commit} writes per commit");
        assert!(per_commit >= 8, "{owners} owners: {per_commit} writes per commit");
    }
}

/// A waker that panics, in the thread that sends the answer.
struct PanicsWhenWoken;

impl std::task::Wake for PanicsWhenWoken {
    fn wake(self: Arc<Self>) {
        panic!("this waker always panics");
    }
}

/// Waits for an answer with a waker that panics, so that the answering thread panics outside all `guarded` functions.
/// The future has to be polled before the answer is sent, so `hold` makes the thread wait.
fn ask_for_a_panic<T>(mut pending: Pending<'static, T>, hold: &std::sync::Barrier) {
    let waker = std::task::Waker::from(Arc::new(PanicsWhenWoken));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let entered = runtime.enter();
    assert!(pending.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    drop(entered);
    // Don't drop the runtime, because that would wake the future's timer.
    std::mem::forget(runtime);
    hold.wait();
    // Don't drop the future, because then the thread would not wake it.
    std::mem::forget(pending);
}

fn failure_of(store: &SqliteStore) -> StoreFailure {
    block_on(async { tokio::time::timeout(Duration::from_secs(20), store.failure()).await.unwrap() })
}

#[test]
fn a_writer_that_panics_is_a_failure_of_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    block_on(rename(&store, "a", "before".to_owned())).unwrap();
    let hold = Arc::new(std::sync::Barrier::new(2));
    let barrier = Arc::clone(&hold);
    let pause: Box<dyn FnOnce() + Send> = Box::new(move || {
        barrier.wait();
    });
    let pause = store.queue(|slot| Job::Pause(pause, slot));
    ask_for_a_panic(pause, &hold);
    assert_eq!(failure_of(&store), StoreFailure::Thread("writing"));
    assert!(matches!(block_on(rename(&store, "a", "after".to_owned())), Err(StoreError::Closed)));
    close(&store);
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    assert_eq!(block_on(nick(&store, "a")), "before");
}

#[test]
fn a_reader_that_panics_is_a_failure_of_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    let hold = Arc::new(std::sync::Barrier::new(2));
    let barrier = Arc::clone(&hold);
    let task = store.readers.run(move |_| {
        barrier.wait();
        Ok(())
    });
    ask_for_a_panic(task, &hold);
    assert_eq!(failure_of(&store), StoreFailure::Thread("reading"));
}

#[test]
fn closing_a_store_is_not_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&StoreConfig::new(directory.path())).unwrap();
    let mut failure = Box::pin(store.failure());
    block_on(rename(&store, "a", "x".to_owned())).unwrap();
    close(&store);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(failure.as_mut().poll(&mut context).is_pending());
}
