//! Many readers at once, and readers that do not read.

use std::sync::{Arc, Barrier};

use super::reader::{Reader, group, target};
use crate::{
    harness::{Client, Server, eventually},
    wait::start,
};

fn open() -> Server {
    Server::dev(&["--directory", "open", "--empty", "--rate-limit", "off"])
}

#[test]
fn two_hundred_readers_get_every_event() {
    const READERS: usize = 200;
    const EVENTS: usize = 30;
    let server = open();
    let opened = Arc::new(Barrier::new(READERS + 1));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (address, opened) = (server.address, Arc::clone(&opened));
            start("a reader gets every event", move || {
                let mut reader = Reader::stream(address, "after=latest");
                opened.wait();
                (0..EVENTS).map(|_| reader.event().json()["Version"].as_u64().unwrap()).collect::<Vec<_>>()
            })
        })
        .collect();
    opened.wait();
    let mut client = server.client();
    assert_eq!(client.metric("confold_feed_readers"), READERS as u64);
    for index in 0..EVENTS {
        group(&mut client, "ann", "work", &format!("peer{index}"));
    }
    let first = readers.into_iter().map(crate::wait::Work::done).reduce(|first, other| {
        assert_eq!(first, other);
        first
    });
    assert!(first.unwrap().is_sorted());
    eventually("all readers have left", || client.metric("confold_feed_readers") == 0);
    assert_eq!(client.metric("confold_feed_events_sent_total"), (READERS * EVENTS) as u64);
}

#[test]
fn a_reader_that_never_reads_costs_little_and_does_not_hold_up_others() {
    const DEAF: usize = 8;
    let server = open();
    let mut client = server.client();
    let requests = format!("GET {} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n", target(""));
    let deaf: Vec<Client> = (0..DEAF)
        .map(|_| {
            let mut deaf = Client::deaf(server.address);
            deaf.send(requests.as_bytes()).unwrap();
            deaf
        })
        .collect();
    eventually("the streams are open", || client.metric("confold_feed_readers") == DEAF as u64);
    let mut reader = Reader::stream(server.address, "");
    // More than the buffers of the system for a connection hold.
    let events = 1_500;
    let text = "\u{1}".repeat(250);
    for index in 0..events {
        let call =
            crate::bodies::mark_contact("ann").custom(crate::bodies::user("bob"), &format!("{index}{text}"));
        client.does(&call);
        assert_eq!(reader.event().json()["Owner"], "ann");
    }
    let unsent = client.metric("confold_unsent_bytes");
    assert!(unsent <= (DEAF * 64 * 1024) as u64, "{unsent} bytes wait for {DEAF} readers");
    assert_eq!(client.metric("confold_feed_readers"), DEAF as u64 + 1);
    drop(deaf);
    eventually("they have left", || client.metric("confold_feed_readers") == 1);
}
