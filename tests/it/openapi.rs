//! Compares `/openapi.json` with the code, the golden file and the running server.

use std::fs;

use confold::{
    api::Command,
    openapi,
    wire::{Field, Shape},
};
use serde_json::{Value, json};

use crate::{harness::Server, tools::root};

#[test]
fn the_document_is_current() {
    let file = root().join("docs/openapi.json");
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&file, openapi::text()).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == openapi::text(), "docs/openapi.json is not what the code says; GOLDEN=write writes it");
    let served = Server::dev(&[]).client().raw(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(served.body == found && served.headers["content-type"].starts_with("application/json"));
    let document: Value = serde_json::from_str(&found).unwrap();
    for command in Command::ALL {
        assert_eq!(document["paths"][command.path()]["post"]["operationId"], command.name());
    }
}

/// Runs each example on the data of the documentation page with a member and a room, in strict mode as well.
#[test]
fn examples_work_and_replies_are_as_described() {
    let server = Server::dev(&["--strict", "--messages", "accept", "--extensions", "recent"]);
    let mut client = server.client();
    for command in Command::ALL {
        client.raw(b"POST /_dev/reset HTTP/1.1\r\nContent-Length: 0\r\n\r\n").unwrap();
        let page = fs::read_to_string(root().join("src/cli/page.ndjson")).unwrap();
        let head = format!("POST /_dev/seed HTTP/1.1\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        assert_eq!(client.raw(head.as_bytes()).unwrap().status, 200);
        // Some examples need a member, or a room.
        let member = r#"{"GroupId":"@TGS#1N3RSUYG2","MemberList":[{"Member_Account":"user0"}]}"#;
        client.ok("group_open_http_svc/add_group_member", member);
        let room = r#"{"Type":"AVChatRoom","Name":"Live","GroupId":"@TGS#aC4SZEAEL"}"#;
        client.ok("group_open_http_svc/import_group", room);
        let described = command.description();
        let mut example: Value = serde_json::from_str(described.example).unwrap();
        if example.get("Since").is_some() {
            // The ids of events differ between servers.
            let latest = client.ok("confold/history", r#"{"From_Account":"user0"}"#);
            example["Since"] = latest["Event"][0]["Id"].clone();
        }
        let reply = client.ok(command.path().trim_start_matches("/v4/"), &example.to_string());
        fits(&reply, described.reply, command.name());
    }
}

fn fits(value: &Value, fields: &[Field], place: &str) {
    for field in fields {
        let place = format!("{place}.{}", field.name);
        match value.get(field.name) {
            None => assert!(!field.required, "{place} is missing"),
            Some(value) => fits_shape(value, &field.shape, &place),
        }
    }
}

fn fits_shape(value: &Value, shape: &Shape, place: &str) {
    match shape {
        Shape::Any => {}
        Shape::Text | Shape::Word(_) => assert!(value.is_string(), "{place} should be a string"),
        Shape::Number | Shape::Choice(_) => assert!(value.is_u64(), "{place} should be a number"),
        Shape::List(of) => value.as_array().unwrap().iter().for_each(|item| fits_shape(item, of, place)),
        Shape::Object(fields) => fits(value, fields, place),
    }
}

/// Every successful golden call succeeds in strict mode as well.
#[test]
fn the_strict_mode_refuses_nothing_that_is_right() {
    let server = Server::dev(&["--strict", "--extensions", "recent"]);
    let mut client = server.client();
    let answer = client.call("recentcontact/mark_contact", &json!({"From_Account": "user0", "MarkItem": [{"OptType": 1, "ContactItem": {"Type": 1, "To_Acount": "x"}}]}).to_string());
    assert_eq!(
        (answer.code(), answer.json()["ErrorInfo"].as_str()),
        (
            50002,
            Some(
                "MarkItem[0].ContactItem.To_Acount is refused: there is no such field here (strict mode); did you mean To_Account?"
            )
        )
    );
    let answer = client.call("im_open_login_svc/account_import", r#"{"UserID":"a","Gender":1}"#);
    assert_eq!(answer.code(), 70402);
    let answer = client.call("group_open_http_svc/destroy_group", r#"{"GroupId":"a","X":1}"#);
    assert_eq!(answer.code(), 10004);
}
