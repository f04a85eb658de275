//! Attacks on the real binary by hostile clients, servers, files and signals. The tests assert limits and states, and
//! never how long something takes.

mod answers;
mod authority;
mod bodies;
mod counters;
mod exposed;
mod files;
mod health;
mod http2;
mod log;
mod memory;
mod outputs;
mod pages;
mod places;
mod printing;
mod processes;
mod reloads;
mod replies;
mod secrets;
mod servers;
mod signals;
mod signatures;
mod stopping;
mod strangers;
mod threads;
mod trail;
mod transfers;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use crate::harness::patient;

/// Asserts that `text` contains no control or bidi characters, which could affect a terminal or forge log lines.
#[track_caller]
fn assert_plain(text: &str) {
    let bad = |c: &char| {
        (c.is_control() && *c != '\n') || matches!(*c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.chars().any(|c| bad(&c)), "{text:?}");
}

/// A fake server whose replies the test defines.
pub(crate) struct Fake {
    address: SocketAddr,
    /// The number of requests so far.
    requests: Arc<AtomicUsize>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Starts a server. `answer` gets the number of the request, counted from 0, its head and body, and the connection.
    pub(crate) fn start(answer: impl Fn(usize, &str, &mut TcpStream) + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, ending) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (Arc::clone(&requests), Arc::clone(&ending));
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let mut connection = connection.unwrap();
                patient(&connection).unwrap();
                while let Some(request) = read_request(&mut connection) {
                    answer(count.fetch_add(1, Ordering::Relaxed), &request, &mut connection);
                }
            }
        });
        Fake { address, requests, ending, thread: Some(thread) }
    }

    /// Starts a server that replies to every request with the JSON that `answer` returns.
    pub(crate) fn json(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Fake {
        Fake::start(move |number, request, connection| {
            let body = answer(number, request);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            // The client may have disconnected.
            let _ = connection.write_all((head + &body).as_bytes());
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        // The thread checks the flag only after accepting a connection.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Reads a request, including its body if it has a length or is chunked.
fn read_request(connection: &mut TcpStream) -> Option<String> {
    let (mut request, mut byte) = (Vec::new(), [0]);
    let mut read = |request: &mut Vec<u8>| {
        let some = connection.read(&mut byte).ok()? == 1;
        some.then(|| request.push(byte[0]))
    };
    while !request.ends_with(b"\r\n\r\n") {
        read(&mut request)?;
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        while !request.ends_with(b"0\r\n\r\n") {
            read(&mut request)?;
        }
    }
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
    for _ in 0..length.unwrap_or(0) {
        read(&mut request)?;
    }
    Some(String::from_utf8_lossy(&request).into_owned())
}
