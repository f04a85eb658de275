//! Tests threads that panic: a server that has lost one stops, instead of accepting calls that it never answers.

use std::{
    env,
    process::{Command, Stdio},
    sync::{Arc, Barrier},
    task::{Context, Wake, Waker},
    time::Duration,
};

use confold::{
    compose::Plan,
    http::Bound,
    signals::Signals,
    store::{self, Store, StoreConfig},
};

use crate::{
    harness::{page_app, said},
    wait::{Finish, message},
};

/// An environment variable that is set in the child process that runs the server. A server needs its own process,
/// because it handles the signals of its whole process.
const CHILD: &str = "CONFOLD_TEST_SERVER_THAT_LOSES_ITS_WRITER";

/// Panics in the thread that wakes it.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("this waker panics on purpose");
    }
}

/// Requests a pause whose waker panics, which ends the writer thread when it reports the result.
fn end_the_writer(store: &dyn Store) {
    let hold = Arc::new(Barrier::new(2));
    let barrier = Arc::clone(&hold);
    let mut pending = store.between_writes(Box::new(move || {
        barrier.wait();
    }));
    let waker = Waker::from(Arc::new(Panics));
    assert!(pending.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    hold.wait();
    // If the future were dropped, its waker would not be called.
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
    let store = store::open(&StoreConfig::new(folder.path())).unwrap();
    let failure = store.failure();
    let bound = Bound::to(([127, 0, 0, 1], 0).into()).unwrap();
    let address = bound.address();
    let composed = Plan::new(Arc::clone(&store), [page_app()]).compose();
    let server = composed.server(vec![bound], Some(2), Duration::from_secs(5));
    // If the server did not notice, it would run forever.
    let (ended, has_ended) = std::sync::mpsc::channel();
    let signals = Signals::install(|_, _| {}).unwrap();
    let stops = signals.subscribe();
    std::thread::spawn(move || {
        ended.send(server.run(|| end_the_writer(&*store), stops, Box::new(|| {}), failure).result)
    });
    let end = message(&has_ended, "the server stops").unwrap_err();
    println!("it ended: {end}");
    assert!(std::net::TcpStream::connect(address).is_err(), "the server does not listen any more");
}
