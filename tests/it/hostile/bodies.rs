//! Tests clients that send most of a body and hold back the rest: the memory they occupy is limited, and other clients
//! can still make small calls.

use std::io::Write;

use serde_json::json;

use super::{http2::Http2, memory::metric_at_last};
use crate::{
    harness::{ADMIN, APP, Answer, Client, KEY, Server, query},
    serving::{Authority, Site},
};

const GET: &str = "recentcontact/get_contact_group";
const SMALL: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
/// The size of the largest body in these tests; the budget holds two of them.
const BODY: usize = 64 * 1024;
const BODIES: usize = 2 * BODY;

/// Starts a server with a small memory budget for bodies, and a call time-out that is long enough to fill it.
fn start() -> (Site, Authority, Server) {
    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    let tls = "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"\n";
    let limits = format!(
        "[limits]\nbody = {BODY}\nbodies = {BODIES}\ncall_timeout = \"60s\"\nrate_limit = false\n[metrics]\nenabled = true"
    );
    site.configure(&format!("{tls}{limits}"), "directory = \"open\"");
    let server = site.serve();
    (site, authority, server)
}

/// Returns the body of a call, padded to `length` bytes.
fn body(length: usize) -> String {
    SMALL.to_owned() + &" ".repeat(length - SMALL.len())
}

/// Sends all of a body except its last byte.
fn hold_back(client: &mut Client, length: usize) {
    let target = client.target(GET);
    let head = format!("POST {target} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
    let body = body(length);
    client.send((head + &body[..length - 1]).as_bytes()).unwrap();
}

/// Sends all of a body in chunks, without the end marker, so that its length is not announced.
fn hold_back_chunks(client: &mut Client, length: usize) {
    let target = client.target(GET);
    let mut request = format!("POST {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body(length).as_bytes().chunks(8 * 1024) {
        write!(request, "{:x}\r\n", chunk.len()).unwrap();
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    client.send(&request).unwrap();
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (200, 60018), "{}", answer.body);
    assert!(
        answer.body.contains("setting limits.bodies") && answer.body.contains("try again"),
        "{}",
        answer.body
    );
}

#[test]
fn bodies_that_are_held_back_are_limited_and_small_calls_succeed() {
    let (_site, _, server) = start();
    let mut watcher = server.client();
    let bytes = |watcher: &mut Client, wanted: usize| {
        let wanted = wanted as u64;
        assert_eq!(metric_at_last(watcher, "confold_body_bytes", |bytes| bytes == wanted), wanted);
    };
    // A complete body returns all of its memory.
    assert_eq!(watcher.call(GET, &body(BODY)).code(), 0);
    bytes(&mut watcher, 0);

    let mut holders = [server.client(), server.client()];
    hold_back(&mut holders[0], BODY);
    bytes(&mut watcher, BODY);
    hold_back_chunks(&mut holders[1], BODY);
    bytes(&mut watcher, BODIES);

    // There is no room for another large body, whether or not its length is announced.
    let mut others: Vec<Client> = (0..40).map(|_| server.client()).collect();
    for (number, other) in others.iter_mut().enumerate() {
        match number % 2 {
            0 => hold_back(other, BODY),
            _ => hold_back_chunks(other, BODY - 1),
        }
    }
    for other in &mut others {
        assert_refused(&other.answer(false).unwrap());
    }
    assert_eq!(watcher.metric("confold_bodies_refused_total"), 40);
    assert_refused(&server.client().call(GET, &body(BODY)));
    bytes(&mut watcher, BODIES);

    // A body above the size limit is refused for that reason, without checking the budget.
    let too_large = server.client().call(GET, &body(BODY + 1));
    assert_eq!(too_large.code(), 60002, "{}", too_large.body);

    // Small calls succeed, whether they arrive in one piece or in several.
    let mut client = server.client();
    assert_eq!(client.call(GET, SMALL).code(), 0);
    let mut slow = server.client();
    hold_back(&mut slow, 16 * 1024);
    assert_eq!(client.call(GET, &body(16 * 1024)).code(), 0);
    slow.send(b" ").unwrap();
    assert_eq!(slow.answer(false).unwrap().code(), 0);
    bytes(&mut watcher, BODIES);

    // The memory is returned when a client disconnects, and when it sends the rest.
    let [first, mut second] = holders;
    drop(first);
    bytes(&mut watcher, BODY);
    assert_eq!(server.client().call(GET, &body(BODY)).code(), 0);
    second.send(b"0\r\n\r\n").unwrap();
    assert_eq!(second.answer(false).unwrap().code(), 0);
    bytes(&mut watcher, 0);
}

#[test]
fn bodies_that_are_held_back_over_http2_are_limited_too() {
    let (_site, authority, server) = start();
    let mut watcher = server.client();
    let target = format!("/v4/{GET}?{}", query(APP, ADMIN, KEY));
    let connect = || Http2::connect(server.tls_address(), &authority.pem, 1 << 20).unwrap();
    let held = BODY - 1024;
    let mut holders = [connect(), connect()].map(|mut one| {
        let stream = one.begin("POST", &target, false).unwrap();
        one.part(stream, &body(BODY).as_bytes()[..held], false).unwrap();
        (one, stream)
    });
    let most = metric_at_last(&mut watcher, "confold_body_bytes", |bytes| bytes == BODIES as u64);
    assert_eq!(most, BODIES as u64);
    let code = |client: &mut Http2, stream: u32| {
        // After its reply, a stream whose body was not read is reset.
        let body = std::iter::repeat_with(|| client.answers(1).unwrap())
            .find_map(|mut answers| answers.bodies.remove(&stream))
            .unwrap();
        serde_json::from_slice::<serde_json::Value>(&body).unwrap()["ErrorCode"].as_u64().unwrap()
    };
    let mut other = connect();
    let large = other.begin("POST", &target, false).unwrap();
    other.part(large, body(BODY - 1024).as_bytes(), true).unwrap();
    assert_eq!(code(&mut other, large), 60018);
    let small = other.request("POST", &target, Some(SMALL)).unwrap();
    assert_eq!(code(&mut other, small), 0, "the connection still works");

    // Of the small bodies that do not end, four per connection are free, and further ones count.
    let refused = watcher.metric("confold_bodies_refused_total");
    for _ in 0..8 {
        let stream = other.begin("POST", &target, false).unwrap();
        other.part(stream, SMALL.as_bytes(), false).unwrap();
    }
    assert_eq!(other.answers(4).unwrap().bodies.len(), 4);
    assert_eq!(watcher.metric("confold_bodies_refused_total"), refused + 4);
    let whole = other.request("POST", &target, Some(SMALL)).unwrap();
    assert_eq!(code(&mut other, whole), 0);

    let (first, stream) = &mut holders[0];
    first.part(*stream, &body(BODY).as_bytes()[held..], true).unwrap();
    assert_eq!(code(first, *stream), 0);
    drop(holders);
    assert_eq!(metric_at_last(&mut watcher, "confold_body_bytes", |bytes| bytes == 0), 0);
}

#[test]
fn bodies_of_controls_are_limited_too() {
    let site = Site::new();
    site.write("token", "a-token-of-this-test");
    let limits = format!(
        "[limits]\nbody = {BODY}\nbodies = {BODY}\ncall_timeout = \"60s\"\n[metrics]\nenabled = true\n[controls]\ntoken_file = \"token\""
    );
    site.configure(&limits, "directory = \"open\"");
    let server = site.serve();
    let mut watcher = server.client();
    let control = |body: &str, length: usize| {
        let head = "POST /_dev/faults HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a-token-of-this-test\r\n";
        format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    };
    let mut holder = server.client();
    holder.send(&control(&" ".repeat(BODY - 1), BODY)).unwrap();
    let held = metric_at_last(&mut watcher, "confold_body_bytes", |bytes| bytes == BODY as u64);
    assert_eq!(held, BODY as u64);
    let answer = server.client().raw(&control(&" ".repeat(BODY), BODY)).unwrap();
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("setting limits.bodies"), "{}", answer.body);
    let answer = server.client().raw(&control("{}", 2)).unwrap();
    assert_ne!(answer.status, 503, "{}", answer.body);
    drop(holder);
    assert_eq!(metric_at_last(&mut watcher, "confold_body_bytes", |bytes| bytes == 0), 0);
}

/// The controls limit the texts and the number of fault rules, and the names and the number of snapshots.
#[test]
fn fault_rules_and_snapshots_are_limited() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let mut post = |what: &str, body: &serde_json::Value| {
        let body = body.to_string();
        let head = format!(
            "POST /_dev/{what} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        client.raw((head + &body).as_bytes()).unwrap()
    };
    let long = json!({ "Code": 50005, "Info": "x".repeat(100_000) });
    let kept = post("faults", &long).json();
    assert_eq!(kept["Info"].as_str().map(str::len), Some(1_024));
    for _ in 1..1_000 {
        assert_eq!(post("faults", &json!({ "Code": 50005 })).status, 200);
    }
    let refused = post("faults", &json!({ "Code": 50005 }));
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("there are already 1000 fault rules"), "{}", refused.body);
    let refused = post("snapshot", &json!({ "Name": "x".repeat(257) }));
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("at most 256 bytes, found 257"), "{}", refused.body);
    for number in 0..100 {
        assert_eq!(post("snapshot", &json!({ "Name": number.to_string() })).status, 200);
    }
    let refused = post("snapshot", &json!({ "Name": "one more" }));
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("there are already 100 snapshots"), "{}", refused.body);
    assert_eq!(post("snapshot", &json!({ "Name": "7" })).status, 200, "an existing snapshot can be replaced");
}
