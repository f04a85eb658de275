//! A server without a socket: calls go directly into the pipeline.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use confold::{
    auth::{App, Identifier, usersig},
    call::{Broken, Connection, Content, Head, Header, Headers, RateLimit, SmallBodies},
    clock::Clock,
    compose::Plan,
    controls::Controls,
    domain::DirectoryMode,
    http::{HttpLimits, HttpService},
    store::{self, Retention, Store, StoreConfig},
};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    bodies::{Call, Calls},
    harness::{ADMIN, page_app},
};

/// How long events are kept by a store on a disk, in seconds.
pub(super) const RETENTION: u64 = 60;

/// Where a server keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In the reference store.
    Memory,
    /// In a database.
    Disk,
}

/// A server that is called without a socket.
pub(super) struct Caller {
    runtime: Runtime,
    /// The time of the server, which stands still unless the test moves it.
    pub(super) clock: Clock,
    directory: Option<TempDir>,
    /// A copy of the directory from some time ago.
    copied: Option<TempDir>,
    store: Arc<dyn Store>,
    http: Arc<HttpService>,
    query: String,
}

/// The headers of a request.
struct Listed<'a>(&'a [(Header, &'a str)]);

impl Headers for Listed<'_> {
    fn first(&self, header: Header) -> Option<&[u8]> {
        self.all(header).first().copied()
    }

    fn all(&self, header: Header) -> Vec<&[u8]> {
        self.0.iter().filter(|(name, _)| *name == header).map(|(_, value)| value.as_bytes()).collect()
    }

    fn ask_for_extensions(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The connection of all requests.
struct Nowhere;

impl Connection for Nowhere {
    fn mark_signed(&self) {}

    fn small_bodies(&self) -> Option<&SmallBodies> {
        None
    }
}

impl Caller {
    /// Starts a server with an open directory and the controls of an emulator.
    pub(super) fn start(kind: Kind) -> Caller {
        let clock = Clock::system();
        clock.freeze(Some(1_700_000_000));
        let (directory, store) = match kind {
            Kind::Memory => (None, store::in_memory()),
            Kind::Disk => {
                let directory = tempfile::tempdir().unwrap();
                let store = open(&directory, &clock);
                (Some(directory), store)
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (app, identifier) = (app(), Identifier::parse(ADMIN).unwrap());
        let signature =
            usersig::make(app.id, &identifier, app.key.as_ref().unwrap(), clock.now(), 1_000_000_000);
        let query = format!("sdkappid={}&identifier={ADMIN}&usersig={signature}", app.id);
        let http = compose(&store, &clock);
        Caller { runtime, clock, directory, copied: None, store, http, query }
    }

    /// Stops the server and starts it again, if it keeps its data on a disk. The first change after that removes old events.
    pub(super) fn restart(&mut self) -> bool {
        if self.directory.is_none() {
            return false;
        }
        self.stop();
        self.go_on();
        true
    }

    /// Copies the directory of the running server, if it keeps its data on a disk.
    pub(super) fn copy(&mut self) {
        let Some(directory) = &self.directory else { return };
        let (from, copied) = (directory.path().to_owned(), tempfile::tempdir().unwrap());
        let to = copied.path().to_owned();
        self.runtime.block_on(self.store.between_writes(Box::new(move || copy_files(&from, &to)))).unwrap();
        self.copied = Some(copied);
    }

    /// Copies the directory while the server is stopped, and starts it again.
    pub(super) fn restart_with_copy(&mut self) {
        self.stop();
        let directory = self.directory.as_ref().expect("the data is on a disk");
        let copied = tempfile::tempdir().unwrap();
        copy_files(directory.path(), copied.path());
        self.copied = Some(copied);
        self.go_on();
    }

    /// Stops the server, puts the last copy in the place of its directory, and starts it again, if there is a copy.
    pub(super) fn restore_copy(&mut self) -> bool {
        let Some(copied) = &self.copied else { return false };
        let restored = tempfile::tempdir().unwrap();
        copy_files(copied.path(), restored.path());
        self.stop();
        self.directory = Some(restored);
        self.go_on();
        true
    }

    fn stop(&mut self) {
        self.runtime.block_on(self.store.close());
        self.store = store::in_memory();
        self.http = compose(&self.store, &self.clock);
    }

    fn go_on(&mut self) {
        let directory = self.directory.as_ref().expect("the data is on a disk");
        self.store = open(directory, &self.clock);
        self.http = compose(&self.store, &self.clock);
    }

    /// Makes a call with these headers.
    pub(super) fn with_headers(&self, call: &Call, headers: &[(Header, &str)]) -> Value {
        self.ask(&format!("/v4/{}", call.command), Some(&self.query), headers, call.body())
    }

    /// Uses a control, which has to succeed.
    pub(super) fn control(&self, path: &str, body: &str) {
        let reply = self.ask(&format!("/_dev/{path}"), None, &[], body.to_owned());
        assert!(reply.get("ErrorCode").is_none_or(|code| *code == 0), "{path} {body}: {reply}");
    }

    fn ask(&self, path: &str, query: Option<&str>, headers: &[(Header, &str)], body: String) -> Value {
        let headers = Listed(headers);
        let head = Head {
            method: "POST",
            path,
            query,
            authority: None,
            headers: &headers,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            started: self.clock.elapsed(),
            connection: &Nowhere,
        };
        let mut body = Full::new(Bytes::from(body)).map_err(|_| Broken);
        let answer = self.runtime.block_on(self.http.pipeline().answer(&head, &mut body)).unwrap();
        match answer.content {
            Content::Fixed(bytes) => serde_json::from_slice(bytes).unwrap(),
            Content::Made(bytes) => serde_json::from_slice(&bytes).unwrap(),
            Content::Stream(_) => json!({}),
        }
    }
}

impl Calls for Caller {
    fn reply_to(&mut self, call: &Call) -> Value {
        self.with_headers(call, &[])
    }
}

fn app() -> App {
    App { directory: DirectoryMode::Open, page_size: 7, ..page_app() }
}

fn copy_files(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn open(directory: &TempDir, clock: &Clock) -> Arc<dyn Store> {
    let retention = Retention { seconds: RETENTION, bytes: u64::MAX };
    let config =
        StoreConfig { retention, clock: clock.clone(), readers: 1, ..StoreConfig::new(directory.path()) };
    store::open(&config).unwrap()
}

fn compose(store: &Arc<dyn Store>, clock: &Clock) -> Arc<HttpService> {
    let limits =
        HttpLimits { rate: RateLimit::Off, answer_within: Duration::from_secs(120), ..HttpLimits::default() };
    let plan = Plan {
        clock: clock.clone(),
        limits,
        controls: Some(Controls::new(None)),
        ..Plan::new(Arc::clone(store), [app()])
    };
    plan.compose().http
}
