//! Signatures and secrets in unexpected places are masked wherever they are shown.

use serde_json::{Value, json};

use crate::{
    harness::{ADMIN, APP, Client, KEY, Server, said, sign},
    serving::Site,
};

const CALL: &str = "recentcontact/get_contact_group";

fn controls(client: &mut Client, request: &str, body: &str) -> String {
    let length = body.len();
    let request = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n{body}");
    client.raw(request.as_bytes()).unwrap().body
}

/// Returns the first part of a secret that occurs in `text`, if any does.
fn shown<'a>(text: &str, secret: &'a str) -> Option<&'a str> {
    let parts = (0..=secret.len() - 16).map(|at| &secret[at..at + 16]);
    parts.into_iter().find(|part| text.contains(part))
}

#[test]
fn the_journal_shows_no_signature_from_any_place() {
    let server = Server::dev(&["--strict"]);
    let mut client = server.client();
    let signature = sign(APP, ADMIN, KEY);
    let escaped = signature.chars().fold(String::new(), |text, c| text + &format!("\\u{:04x}", u32::from(c)));
    let long = "x".repeat(16_300);
    let bodies = [
        json!({ "usersig": signature }).to_string(),
        json!({ "From_Account": signature, "StartIndex": 0 }).to_string(),
        json!({ &*signature: 1 }).to_string(),
        json!({ "a": [[{ "b": format!("see {signature}!") }]] }).to_string(),
        json!({ "a": json!({ "UserSig": signature }).to_string() }).to_string(),
        format!(r#"{{"a":"{escaped}"}}"#),
        format!(r#"{{"a":"{signature}""#),
        format!("usersig={signature}&x=1"),
        signature.clone(),
        format!(r#"{{"a":"{long}{signature}"}}"#),
        format!("{long}{signature}{long}"),
    ];
    for body in &bodies {
        client.call(CALL, body);
    }
    // Send a signature in the path, in place of a command.
    let target = client.target(&signature);
    client.post(&target, "{}").unwrap();
    let journal = controls(&mut client, "GET /_dev/journal?Limit=100", "");
    let calls = serde_json::from_str::<Value>(&journal).unwrap()["Calls"].as_array().unwrap().len();
    assert_eq!(calls, bodies.len() + 1);
    assert_eq!(shown(&journal, &signature), None, "{journal}");
}

#[test]
fn the_journal_masks_values_of_secret_names_only() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let secret = "hunter2-and-then-some-more";
    for name in
        ["password", "Secret", "webhook_secret", "TOKEN", "key", "client-secret", "Authorization", "sig"]
    {
        for value in [json!(secret), json!([secret]), json!({ "a": secret })] {
            client.call(CALL, &json!({ "From_Account": "user0", "StartIndex": 0, name: value }).to_string());
        }
    }
    let journal = controls(&mut client, "GET /_dev/journal?Limit=100", "");
    assert_eq!(shown(&journal, secret), None, "{journal}");
    let calls = serde_json::from_str::<Value>(&journal).unwrap();
    for call in calls["Calls"].as_array().unwrap() {
        let mut request = call["Request"].as_object().unwrap().clone();
        assert_eq!((&request["From_Account"], &request["StartIndex"]), (&json!("user0"), &json!(0)));
        request.retain(|name, _| name != "From_Account" && name != "StartIndex");
        assert_eq!(request.values().collect::<Vec<_>>(), [&json!("…")]);
    }
}

#[test]
fn a_fault_rule_shows_no_signature() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let signature = sign(APP, ADMIN, KEY);
    for (name, value) in [("Info", &signature), ("From_Account", &signature), ("Command", &signature)] {
        let rule = json!({ "Code": 60007, name: value }).to_string();
        let reply = controls(&mut client, "POST /_dev/faults", &rule);
        assert_eq!(shown(&reply, &signature), None, "{reply}");
    }
    let reply = controls(&mut client, "GET /_dev/faults", "");
    assert!(reply.contains("60007") && shown(&reply, &signature).is_none(), "{reply}");
}

#[test]
fn a_password_in_an_address_is_not_printed() {
    let site = Site::new();
    site.configure("[traces]\nendpoint = \"http://collector:hunter2-and-more@localhost:4318\"", "");
    let output = site.check();
    let said = said(&output);
    assert!(output.status.success() && said.contains("endpoint = \"http://…@localhost:4318\""), "{said}");
}
