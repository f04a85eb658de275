//! Imports and exports do not delay other calls, and do not lock out other apps.

use std::fmt::Write;

use crate::{
    harness::{ADMIN, APP, Client, KEY, Server, eventually, query},
    serving::serving,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

fn target(path: &str, app: u32, admin: &str, key: &str) -> String {
    format!("/interchange/{path}?{}", query(app, admin, key))
}

/// Returns the line of an owner with very many records.
fn heavy_line() -> String {
    let mut line =
        format!("{{\"Kind\":\"organizer\",\"SdkAppId\":{APP},\"From_Account\":\"heavy\",\"ContactItem\":[");
    let custom = "x".repeat(256);
    for record in 0..60_000 {
        let comma = if record == 0 { "" } else { "," };
        write!(line, "{comma}{{\"Type\":1,\"To_Account\":\"p{record}\",\"StandardMark\":\"1\",\"CustomMark\":\"{custom}\",\"Timestamp\":1}}").unwrap();
    }
    line + "]}\n"
}

#[test]
fn calls_are_served_while_a_large_line_is_parsed() {
    let (_site, server, mut client) =
        serving("workers = 1\n[limits]\nrate_limit = false\ncall_timeout = \"60s\"", "");
    let line = heavy_line();
    let mut importer = server.client();
    let head = format!(
        "POST {} HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
        target("check", APP, ADMIN, KEY),
        line.len()
    );
    importer.send(head.as_bytes()).unwrap();
    importer.send(line.as_bytes()).unwrap();
    // The whole line has been sent. Until it is answered, the only worker must keep serving other callers.
    let answered = std::sync::atomic::AtomicBool::new(false);
    let calls = std::thread::scope(|scope| {
        scope.spawn(|| {
            let answer = importer.answer(false).unwrap();
            answered.store(true, std::sync::atomic::Ordering::SeqCst);
            assert_eq!(answer.status, 400, "more records than an owner may have: {}", answer.body);
        });
        let mut calls = 0;
        while !answered.load(std::sync::atomic::Ordering::SeqCst) {
            assert_eq!(client.call(GET, BODY).code(), 50001);
            calls += 1;
        }
        calls
    });
    assert!(calls >= 10, "{calls} calls were served meanwhile");
}

#[test]
fn a_slow_import_blocks_only_its_own_app() {
    let server = Server::dev(&["--app", "7:0123456789abcdef0123456789abcdef:boss"]);
    let begin = |app, admin, key| {
        let mut slow = server.client();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{",
            target("import", app, admin, key)
        );
        slow.send(head.as_bytes()).unwrap();
        slow
    };
    let ask = |app, admin, key| {
        let mut client = server.client();
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            target("import", app, admin, key)
        );
        client.raw(request.as_bytes()).unwrap()
    };
    // The import is accepted some time after it is sent, unless the request of `ask` arrives first and takes the
    // app's only slot.
    let mut slow = Vec::new();
    eventually("the import is accepted", || {
        slow.push(begin(APP, ADMIN, KEY));
        ask(APP, ADMIN, KEY).status != 200
    });
    let refused = ask(APP, ADMIN, KEY);
    assert_eq!((refused.status, refused.code()), (503, 60018), "{}", refused.body);
    assert!(refused.body.contains("try again later"), "{}", refused.body);
    assert_eq!(ask(7, "boss", "0123456789abcdef0123456789abcdef").status, 200, "another app is not affected");
}

#[test]
fn a_transfer_that_trickles_is_aborted() {
    let limits = "[limits]\nidle_timeout = \"1s\"\ncall_timeout = \"1s\"\nhead_timeout = \"1s\"";
    let (_site, server, _) = serving(limits, "");
    let mut slow = server.client();
    let head =
        format!("POST {} HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", target("import", APP, ADMIN, KEY));
    slow.send(head.as_bytes()).unwrap();
    // Send a byte whenever there is no reply: the transfer never stalls, but is far too slow.
    slow.wait_at_most(std::time::Duration::from_millis(100));
    let mut bytes = 0;
    while slow.send(b" ").is_ok() && !slow.has_ended() {
        bytes += 1;
        assert!(bytes < 300, "a transfer that trickles must be aborted");
    }
    let request = format!("POST {} HTTP/1.1\r\nContent-Length: 0\r\n\r\n", target("import", APP, ADMIN, KEY));
    eventually("the slot of the import is free again", || {
        server.client().raw(request.as_bytes()).unwrap().status == 200
    });
}

#[test]
fn an_app_has_two_exports_at_once() {
    let (_site, server, mut client) = serving("[limits]\nrate_limit = false", "");
    let nick = "n".repeat(400);
    let line = |user: usize| {
        format!("{{\"Kind\":\"account\",\"SdkAppId\":{APP},\"UserID\":\"user{user}\",\"Nick\":\"{nick}\"}}\n")
    };
    let lines: String = (0..40_000).map(line).collect();
    assert_eq!(client.post(&target("import", APP, ADMIN, KEY), &lines).unwrap().status, 200);
    let request = format!("POST {} HTTP/1.1\r\nContent-Length: 0\r\n\r\n", target("export", APP, ADMIN, KEY));
    // The export is larger than the socket buffers, so it waits for its reader.
    let mut held: Vec<Client> = (0..2).map(|_| Client::deaf(server.address)).collect();
    for one in &mut held {
        one.send(request.as_bytes()).unwrap();
    }
    eventually("both exports are accepted", || {
        server.client().raw(request.as_bytes()).map_or(503, |answer| answer.status) == 503
    });
    assert_eq!(client.call(GET, BODY).code(), 0, "calls are still served");
    drop(held);
    let export = |()| {
        let mut client = server.client();
        client.send(request.as_bytes()).unwrap();
        client.head().unwrap()
    };
    eventually("the slots of the exports are free again", || export(()) == 200);
}
