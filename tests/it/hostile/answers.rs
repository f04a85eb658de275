//! A client that sends more data than the server accepts still gets a reply.

use std::fs;

use crate::{
    harness::{Client, Server},
    tls::LocalTls,
};

/// Sends the whole of a large body before reading, as simple clients do.
#[track_caller]
fn send_much(client: &mut Client, head: &str, megabytes: usize, expected: (u16, u64)) {
    client.send(format!("{head}Content-Length: {}\r\n\r\n", megabytes << 20).as_bytes()).unwrap();
    let piece = vec![b' '; 1 << 20];
    for sent in 0..megabytes {
        client.send(&piece).unwrap_or_else(|error| panic!("{error} after {sent} MiB of {head}"));
    }
    let answer = client.answer(false).unwrap();
    assert_eq!((answer.status, answer.code()), expected, "{}", answer.body);
    assert_eq!(answer.headers["connection"], "close");
    assert!(client.is_closed());
}

#[test]
fn the_reply_to_a_body_that_is_too_large_arrives() {
    let tls = LocalTls::start();
    let ca = fs::read_to_string(tls.ca()).unwrap();
    for _ in 0..6 {
        let plain = tls.server.client();
        let secure = Client::try_connect_tls(tls.server.tls_address(), &ca, "localhost").unwrap();
        for mut client in [plain, secure] {
            let target = client.target("recentcontact/get_contact_group");
            send_much(&mut client, &format!("POST {target} HTTP/1.1\r\nHost: x\r\n"), 8, (200, 60002));
        }
    }
    // An unauthenticated caller, unknown paths, and methods whose bodies are not read.
    for (head, expected) in [
        ("POST /v4/recentcontact/get_contact_group?sdkappid=x HTTP/1.1\r\nHost: x\r\n", (200, 60006)),
        ("POST /nothing HTTP/1.1\r\nHost: x\r\n", (404, 60009)),
        ("PUT /v4/recentcontact/get_contact_group HTTP/1.1\r\nHost: x\r\n", (200, 60002)),
        ("POST /interchange/import?sdkappid=x HTTP/1.1\r\nHost: x\r\n", (403, 60006)),
        ("POST /_dev/reset HTTP/1.1\r\nHost: evil.example\r\n", (403, 60009)),
        ("POST /healthz HTTP/1.1\r\nHost: x\r\n", (405, 60002)),
    ] {
        send_much(&mut tls.server.client(), head, 8, expected);
    }
}

#[test]
fn a_probe_with_a_body_and_an_endless_head_are_answered() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client
        .send(format!("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 4 << 20).as_bytes())
        .unwrap();
    client.send(&vec![b' '; 4 << 20]).unwrap();
    assert_eq!(client.answer(false).unwrap().body, "ok\n");
    let mut client = server.client();
    let endless = format!("POST /v4/x HTTP/1.1\r\nX: {}", "y".repeat(4 << 20));
    client.send(endless.as_bytes()).unwrap();
    assert_eq!(client.answer(false).unwrap().code(), 60002);
    assert!(client.is_closed());
}
