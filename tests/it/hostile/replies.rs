//! Stored text that looks like part of the protocol is returned unchanged over every interface.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    bodies::{Call, account_import, create_contact_group, mark_contact, user},
    harness::{ADMIN, APP, Client, KEY, Server, query, said},
    tls::LocalTls,
    tools::{Tool, is_missing},
    wait::Finish,
};

const GET: &str = "recentcontact/get_contact_group";

/// The beginning of hyper's own error reply, repeated so that any part of a body may begin with it.
const LURE: &str = "HTTP/1.1 4";

/// Stores owners whose fields all contain the lure, shifted by one more character for each owner.
fn store_lures(client: &mut Client) {
    let lure = |length: usize| LURE.repeat(length / LURE.len() + 1)[..length].to_owned();
    for shift in 0..LURE.len() {
        let owner = format!("lured{shift}");
        client.does(&account_import(&owner).field("Nick", lure(400)).field("FaceUrl", lure(400)));
        let group = json!({
            "Type": "Public", "Name": lure(30), "GroupId": format!("lured{shift}"), "Introduction": lure(240),
            "Notification": lure(300), "FaceUrl": lure(100),
        });
        client.ok("group_open_http_svc/create_group", &group.to_string());
        let peers: Vec<String> = (0..100).map(|peer| format!("peer{peer}")).collect();
        client.does(&create_contact_group(&owner, &lure(32)).with_users(&peers));
        let custom = lure(256)[shift..].to_owned() + &lure(shift);
        let mark = |call: Call, peer: &String| call.set_custom(user(peer), [0, 63], &custom);
        client.does(&peers.iter().fold(mark_contact(&owner), mark));
    }
}

fn body(shift: usize) -> String {
    format!(r#"{{"From_Account":"lured{shift}","StartIndex":0}}"#)
}

#[test]
fn stored_text_that_looks_like_a_reply_is_returned_unchanged() {
    if is_missing(&[Tool::Curl]) {
        return;
    }
    let tls = LocalTls::start_with(&["--directory", "open"]);
    let mut plain = tls.server.client();
    store_lures(&mut plain);
    let expected: Vec<String> = (0..LURE.len()).map(|shift| plain.call(GET, &body(shift)).body).collect();
    for one in &expected {
        assert!(one.len() > 30_000 && one.matches(LURE).count() > 2_000);
        assert!(serde_json::from_str::<Value>(one).unwrap()["ContactItem"].as_array().unwrap().len() == 100);
    }
    let ca = std::fs::read_to_string(tls.ca()).unwrap();
    let mut secure = Client::try_connect_tls(tls.server.tls_address(), &ca, "localhost").unwrap();
    let mut deaf = Client::deaf(tls.server.address);
    for client in [&mut plain, &mut secure, &mut deaf] {
        // Send many requests before reading any reply, so that unread replies fill the buffers.
        for _ in 0..3 {
            for shift in 0..LURE.len() {
                let (target, body) = (client.target(GET), body(shift));
                let request = format!(
                    "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                client.send(request.as_bytes()).unwrap();
            }
            for one in &expected {
                assert!(client.answer(false).unwrap().body == *one);
            }
        }
    }
    let url = format!("https://localhost:{}/v4/{GET}?{}", tls.port(), query(APP, ADMIN, KEY));
    for (shift, one) in expected.iter().enumerate() {
        let output = tls.curl(&["--http2", "--limit-rate", "2M", "-d", &body(shift), &url]);
        assert!(said(&output) == *one, "over HTTP/2");
    }
    let exported = |url: String| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
        command.args(["export", "--app", &format!("{APP}:{KEY}:{ADMIN}"), "--url", &url]);
        let output = command.arg("--ca").arg(tls.ca()).finish();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let lines = exported(format!("http://{}", tls.server.address));
    assert!(lines.windows(LURE.len()).filter(|part| *part == LURE.as_bytes()).count() > 20_000);
    assert!(exported(format!("https://localhost:{}", tls.port())) == lines);
    assert_eq!(secure.raw(b"nonsense\r\n\r\n").unwrap().code(), 60002, "hyper's own replies are replaced");
}

/// The reply to an invalid head comes after replies that the client has not read yet, and does not change them.
#[test]
fn an_invalid_head_after_unread_replies_changes_none_of_them() {
    let server = Server::dev(&["--directory", "open", "--rate-limit", "off"]);
    let mut client = server.client();
    store_lures(&mut client);
    let expected = client.call(GET, &body(3)).body;
    let mut deaf = Client::deaf(server.address);
    let (target, body) = (deaf.target(GET), body(3));
    let request =
        format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    deaf.send((request.repeat(5) + "nonsense\r\n\r\n").as_bytes()).unwrap();
    for _ in 0..5 {
        assert!(deaf.answer(false).unwrap().body == expected);
    }
    // The last reply is hyper's or confold's, but separate from the others.
    let last = deaf.answer(false).unwrap();
    assert!(last.status == 400 || last.code() == 60002, "{last:?}");
    assert!(deaf.is_closed());
}
