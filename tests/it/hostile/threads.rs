//! Threads that panic: a server that has lost one stops, instead of accepting calls that nobody answers.

use std::{
    env,
    process::{Command, Stdio},
    sync::{Arc, Barrier},
    task::{Context, Wake, Waker},
    time::Duration,
};

use confold::{
    api::Service,
    auth::{Apps, Gate},
    clock::Clock,
    domain::{AppId, Owner, UserId},
    http::{Bound, Door, DoorLimits},
    server::Server,
    signals::Signals,
    store::{Next, SqliteOptions, SqliteStore, Store},
};

use crate::{
    harness::{APP, page_app, said},
    wait::{Finish, message},
};

/// Set for the process in which the server runs, because a server takes the signals of its process.
const CHILD: &str = "CONFOLD_TEST_SERVER_THAT_LOSES_ITS_WRITER";

/// Panics in the thread that wakes it.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("this waker panics, as the test wants");
    }
}

/// Asks for a change in such a way that the thread which has made it panics when it says so.
fn end_the_writer(store: &SqliteStore) {
    let owner = Owner { app: AppId::new(APP).unwrap(), user: UserId::parse("user0").unwrap() };
    let hold = Arc::new(Barrier::new(2));
    let barrier = Arc::clone(&hold);
    let mut pending = store.change(
        owner,
        Vec::new(),
        Box::new(move |_| {
            barrier.wait();
            Next::default()
        }),
    );
    let waker = Waker::from(Arc::new(Panics));
    assert!(pending.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    hold.wait();
    // Dropped, it would not be woken any more.
    std::mem::forget(pending);
}

#[test]
fn a_server_that_has_lost_its_writer_stops() {
    if env::var_os(CHILD).is_some() {
        return serve_without_a_writer();
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "hostile::threads::a_server_that_has_lost_its_writer_stops", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::null())
        .finish();
    let said = said(&child);
    assert!(child.status.success(), "{said}");
    assert!(said.contains("it ended: a defect ended the writing thread of the store"), "{said}");
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn serve_without_a_writer() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&SqliteOptions::new(folder.path())).unwrap());
    let failure = store.failure();
    let bound = Bound::to(([127, 0, 0, 1], 0).into()).unwrap();
    let address = bound.address();
    let service = Service { store: Arc::clone(&store) as Arc<dyn Store>, clock: Clock::system() };
    let door = Door::new(Gate::new(Apps::new([page_app()])), service, DoorLimits::default());
    let server = Server { bound: vec![bound], door, workers: 2, drain: Duration::from_secs(5) };
    // It would run until the end of time if it did not notice.
    let (ended, has_ended) = std::sync::mpsc::channel();
    let signals = Signals::install(|_, _| {}).unwrap();
    let told = signals.told();
    std::thread::spawn(move || {
        ended.send(server.run(|| end_the_writer(&store), told, Box::new(|| {}), failure).result)
    });
    let end = message(&has_ended, "the server stops").unwrap_err();
    println!("it ended: {end}");
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}
