//! Tests of the pipeline without a protocol: requests are built by hand, and observers record the exchanges.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};

use super::{
    Answer, Connection, Content, Exchange, Head, Header, Headers, Observer, Pipeline, Rest, SmallBodies,
    Status, Subject,
    exchange::{Bodies, Observers},
    head::Broken,
    id::Id,
};
use crate::{
    api::Command,
    auth::{App, Identifier, SecretKey, usersig},
    clock::Clock,
    compose::Plan,
    controls::{Controls, FaultRule},
    domain::AppId,
    metrics::CallsOfApps,
    store,
    wire::code::Code,
};

/// Headers from a list.
#[derive(Default)]
pub(super) struct Listed(pub(super) Vec<(Header, Vec<u8>)>);

impl Headers for Listed {
    fn first(&self, header: Header) -> Option<&[u8]> {
        self.all(header).first().copied()
    }

    fn all(&self, header: Header) -> Vec<&[u8]> {
        self.0.iter().filter(|(name, _)| *name == header).map(|(_, value)| &value[..]).collect()
    }

    fn ask_for_extensions(&self) -> bool {
        self.0.iter().any(|(name, _)| matches!(name, Header::DryRun | Header::State | Header::IfMatch))
    }
}

/// A placeholder for a connection.
struct Nowhere;

impl Connection for Nowhere {
    fn mark_signed(&self) {}

    fn small_bodies(&self) -> Option<&SmallBodies> {
        None
    }
}

/// Builds the head of a request.
pub(super) fn head<'a>(
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    headers: &'a Listed,
) -> Head<'a> {
    Head {
        method,
        path,
        query,
        authority: None,
        headers,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        started: Duration::ZERO,
        connection: &Nowhere,
    }
}

fn app() -> App {
    let key = SecretKey::new("a-key-of-a-test-that-is-long-enough").unwrap();
    App::new(AppId::new(7).unwrap(), key, vec!["admin".to_owned()])
}

fn plan() -> Plan {
    Plan::new(store::in_memory(), [app()])
}

fn query() -> String {
    let signature = usersig::make(
        app().id,
        &Identifier::parse("admin").unwrap(),
        app().key.as_ref().unwrap(),
        Clock::system().now(),
        3_600,
    );
    format!("sdkappid=7&identifier=admin&usersig={signature}&random=1&contenttype=json")
}

async fn ask(pipeline: &Pipeline, method: &str, path: &str, text: &'static str) -> Option<Answer> {
    let (query, headers) = (query(), Listed::default());
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, path.starts_with("/v4/").then_some(query.as_str())),
    };
    let mut body = Full::new(Bytes::from_static(text.as_bytes())).map_err(|_| Broken);
    pipeline.answer(&head(method, path, query, &headers), &mut body).await.ok()
}

fn text(answer: Answer) -> String {
    match answer.content {
        Content::Fixed(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Content::Made(bytes) => String::from_utf8(bytes).unwrap(),
        Content::Stream(_) => panic!("a stream has no text"),
    }
}

const IMPORT: &str = "/v4/im_open_login_svc/account_import";

#[tokio::test]
async fn a_call_needs_no_protocol() {
    let http = plan().compose().http;
    let pipeline = http.pipeline();
    let answer = ask(pipeline, "POST", IMPORT, r#"{"UserID":"one"}"#).await.unwrap();
    assert_eq!((answer.status, answer.rest, answer.open_to_pages), (Status::Ok, Rest::Read, true));
    assert_eq!(text(answer), r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#);
    let answer = ask(pipeline, "POST", "/v4/recentcontact/get_contact_groups", "{}").await.unwrap();
    assert_eq!(answer.rest, Rest::Unread);
    assert!(text(answer).contains("60009"));
    let answer = ask(pipeline, "PUT", "/metrics", "").await.unwrap();
    assert_eq!(answer.status, Status::MethodNotAllowed);
    assert!(answer.headers.contains(&("allow", "GET".into())));
}

#[tokio::test]
async fn a_fault_rule_drops_an_answer_and_the_journal_records_the_call() {
    let controls = Controls::new(None);
    controls.faults.add(FaultRule { lose_answer: true, ..FaultRule::default() }).unwrap();
    let http = Plan { controls: Some(controls), metrics: true, ..plan() }.compose().http;
    let pipeline = http.pipeline();
    assert!(ask(pipeline, "POST", IMPORT, r#"{"UserID":"one"}"#).await.is_none());
    let journal = text(ask(pipeline, "GET", "/_dev/journal", "").await.unwrap());
    assert!(journal.contains(r#""Request":{"UserID":"one"}"#) && !journal.contains("Reply"), "{journal}");
    let removed = text(ask(pipeline, "DELETE", "/_dev/faults?Id=1", "").await.unwrap());
    assert_eq!(removed, r#"{"Removed":1}"#);
    let metrics = text(ask(pipeline, "GET", "/metrics", "").await.unwrap());
    assert!(metrics.contains(r#"confold_controls_total{path="journal",status="200"} 1"#), "{metrics}");
    assert!(
        !metrics.contains("confold_calls_total{"),
        "a call without an answer should not be counted by code"
    );
}

/// Records the bodies that it receives.
struct Recorder {
    wants: bool,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Observer for Recorder {
    fn wants_bodies(&self) -> bool {
        self.wants
    }

    fn observe(&self, exchange: &Exchange<'_>) {
        let Bodies { request, reply } = exchange.bodies;
        let seen = format!(
            "{:?} {} {}",
            exchange.subject,
            String::from_utf8_lossy(request),
            String::from_utf8_lossy(reply)
        );
        self.seen.lock().unwrap().push(seen);
    }
}

#[test]
fn observers_see_an_exchange_once_and_bodies_only_when_they_want_them() {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let recorder = |wants| Box::new(Recorder { wants, seen: Arc::clone(&seen) }) as Box<dyn Observer>;
    let observers = Observers::new([recorder(false), recorder(true), recorder(false)]);
    let headers = Listed::default();
    observers.observe(Exchange {
        head: &head("POST", "/", None, &headers),
        subject: Subject::Call(Some(Command::MarkContact)),
        app: None,
        calls: &CallsOfApps::default(),
        took: Duration::ZERO,
        code: Code::OK,
        failure: None,
        items: &std::collections::BTreeMap::new(),
        item_hint: None,
        bodies: Bodies { request: b"asked", reply: b"said" },
        dry_run: false,
        cut: false,
        id: &Id::of(None),
    });
    let without = "Call(Some(MarkContact))  ";
    assert_eq!(*seen.lock().unwrap(), [without, "Call(Some(MarkContact)) asked said", without]);
}
