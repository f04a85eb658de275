//! Refusals leave a trail: who called, from where, about whom, and how often.

use std::fs::{self, File};

use serde_json::{Value, json};

use crate::harness::{ADMIN, APP, KEY, Server, query};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

/// Stops the server, and returns the lines of its JSON log.
fn lines(server: Server, log: &std::path::Path) -> Vec<Value> {
    server.terminate();
    assert!(server.ended_well());
    let text = fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn logging() -> (tempfile::TempDir, Server, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let server = Server::logging_to(File::create(&log).unwrap());
    (folder, server, log)
}

#[test]
fn a_failed_call_has_an_id_a_source_a_signer_and_an_owner() {
    let (_folder, server, log) = logging();
    let mut client = server.client();
    let target = client.target(GET);
    let call = |body: &str, id: &str| {
        let header = if id.is_empty() { String::new() } else { format!("X-Request-Id: {id}\r\n") };
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        server.client().raw(request.as_bytes()).unwrap()
    };
    let plain = call(BODY, "");
    assert!(!plain.headers.contains_key("x-request-id"), "a successful call gets no request id");
    assert_eq!(call(BODY, "trace-7.b").headers["x-request-id"], "trace-7.b");
    let failed = call(r#"{"From_Account":"nobody","StartIndex":0}"#, "");
    let own = failed.headers["x-request-id"].clone();
    assert_eq!(call("{}", "mine:1").headers["x-request-id"], "mine:1");
    for foreign in ["x y", "<script>", &"z".repeat(65)] {
        assert_ne!(call("{}", foreign).headers["x-request-id"], foreign);
    }
    client.post(&format!("/v4/{GET}?{}", query(APP, "stranger", "k")), BODY).unwrap();
    let journal = client.raw(b"GET /_dev/journal HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().json();
    let entry =
        journal["Calls"].as_array().unwrap().iter().find(|call| call["RequestId"] == own.as_str()).unwrap();
    assert_eq!((&entry["Code"], &entry["Source"]), (&json!(50001), &json!("127.0.0.1")));
    let lines = lines(server, &log);
    let line = lines.iter().find(|line| line["request"] == own.as_str()).unwrap();
    for (field, value) in [
        ("code", json!(50001)),
        ("source", json!("127.0.0.1")),
        ("identifier", json!(ADMIN)),
        ("owner", json!("nobody")),
        ("app", json!(APP)),
    ] {
        assert_eq!(line[field], value, "{line}");
    }
    let forged = lines.iter().find(|line| line["identifier"] == "stranger").unwrap();
    // The log contains the app as the call gives it, so that refusals can be searched by app.
    assert_eq!((&forged["code"], &forged["app"]), (&json!(70009), &json!(APP)), "{forged}");
}

#[test]
fn refused_items_and_refused_transfers_are_counted() {
    let (_folder, server, log) = logging();
    let mut client = server.client();
    let item = |peer: &str| json!({ "OptType": 1, "ContactItem": { "Type": 1, "To_Account": peer }, "SetMark": [1] });
    let body = json!({ "From_Account": "user0", "MarkItem": [item("nobody1"), item("nobody2"), { "OptType": 1, "SetMark": [1] }] });
    assert_eq!(client.call("recentcontact/mark_contact", &body.to_string()).code(), 0);
    let export = |query: String| server.client().post(&format!("/interchange/export?{query}"), "").unwrap();
    assert_eq!(export(query(APP, ADMIN, "wrong")).status, 403);
    assert_eq!(export(query(APP, ADMIN, KEY)).status, 200);
    let metrics = client.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().body;
    for line in [
        r#"confold_refused_items_total{command="mark_contact",code="50001"} 2"#,
        r#"confold_refused_items_total{command="mark_contact",code="50002"} 1"#,
        r#"confold_transfers_total{task="export",code="70009"} 1"#,
        r#"confold_transfers_total{task="export",code="0"} 1"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    let lines = lines(server, &log);
    let items = lines.iter().find(|line| line["message"] == "items refused").unwrap();
    assert_eq!(items["items"], "50001 x2, 50002 x1", "{items}");
    let refused = lines.iter().find(|line| line["message"] == "refused request").unwrap();
    assert_eq!(
        (&refused["code"], &refused["path"]),
        (&json!(70009), &json!("/interchange/export")),
        "{refused}"
    );
    assert_eq!(
        (&refused["identifier"], &refused["source"]),
        (&json!(ADMIN), &json!("127.0.0.1")),
        "{refused}"
    );
}

#[test]
fn large_numbers_of_refusals_are_summarised() {
    let (_folder, server, log) = logging();
    let mut client = server.client();
    let target = format!("/v4/{GET}?{}", query(APP, ADMIN, "wrong"));
    for _ in 0..2_000 {
        assert_eq!(client.post(&target, BODY).unwrap().code(), 70009);
    }
    let lines = lines(server, &log);
    let alone = lines.iter().filter(|line| line["message"] == "failed call").count() as u64;
    let summed = lines.iter().filter(|line| line["message"] == "further failed calls");
    let summed: u64 = summed.map(|line| line["calls"].as_u64().unwrap()).sum();
    assert_eq!(alone + summed, 2_000, "every refusal is counted");
    assert!(summed > 0 && alone >= 50, "{alone} lines, {summed} summed");
}
