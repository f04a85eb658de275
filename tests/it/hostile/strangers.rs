//! Text from callers is never echoed at unlimited length, and cannot forge log lines.

use std::{fs, io::Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use super::assert_plain;
use crate::harness::{ADMIN, APP, Answer, Client, KEY, Server, sign};

/// The maximum length of a message, and of the rest of a reply.
const MESSAGE: usize = 1_024;
const REPLY: usize = MESSAGE + 200;
/// The maximum length of a log line with its fields.
const LINE: usize = 4_096;

/// Checks that the `ErrorInfo` of a refusal is short and plain and that the rest of the reply is small, and returns the
/// `ErrorInfo`.
#[track_caller]
fn refused(answer: &Answer) -> String {
    assert!(answer.body.len() < REPLY, "{} bytes: {}…", answer.body.len(), &answer.body[..200]);
    let info = answer.json()["ErrorInfo"].as_str().unwrap().to_owned();
    assert!(info.len() <= MESSAGE, "{info}");
    assert_plain(&info);
    info
}

/// Stops the server, checks that every line of its log is limited in length and genuine, and returns the log.
#[track_caller]
fn check_log(server: Server, log: &std::path::Path) -> String {
    // The log is written by a separate thread, so it is complete only after the server has ended.
    server.terminate();
    assert!(server.ended_well());
    let text = fs::read_to_string(log).unwrap();
    assert_plain(&text);
    for line in text.lines() {
        assert!(line.len() < LINE, "a line of {} bytes: {}", line.len(), &line[..200]);
        assert!(line.starts_with("20") && line.contains('Z'), "a forged line: {line:?}");
    }
    text
}

/// Starts a server that writes its log as text to a file.
fn logging() -> (tempfile::TempDir, Server, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let server = Server::logging_text(&["--rate-limit", "off"], &log);
    (folder, server, log)
}

/// Packs these fields as a UserSig, whether or not they are valid.
fn usersig(fields: &Value) -> String {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(fields.to_string().as_bytes()).unwrap();
    let text = STANDARD.encode(packer.finish().unwrap());
    text.replace('+', "*").replace('/', "-").replace('=', "_")
}

#[test]
fn a_small_request_causes_no_large_reply_and_no_large_log_line() {
    let (_folder, server, log) = logging();
    let mut client = server.client();
    let claims = |identifier: &str| {
        usersig(&json!({
            "TLS.ver": "2.0", "TLS.identifier": identifier, "TLS.sdkappid": APP, "TLS.time": 1, "TLS.expire": 1,
            "TLS.sig": "AAAA",
        }))
    };
    let endless = "x".repeat(8_000);
    let mut queries = vec![
        format!("sdkappid={APP}&identifier=a&usersig={}", claims(&"\x7f".repeat(65_000))),
        format!("sdkappid={APP}&identifier={endless}&usersig={}", claims("a")),
        format!("sdkappid={endless}&identifier=a&usersig=x"),
        format!("sdkappid={APP}&identifier=a&usersig={endless}"),
        format!("contenttype={endless}"),
        format!("{endless}=1&sdkappid=%zz{endless}"),
    ];
    let escapes = "%0A2026-11-27T00:00:00Z%20%20INFO%20forged%1B%5B31m%E2%80%AE".repeat(20);
    queries.push(format!("sdkappid={APP}&identifier={escapes}&usersig={}", claims("a")));
    queries.push(format!("sdkappid={escapes}&identifier=a&usersig=x"));
    for query in &queries {
        let answer = client.post(&format!("/v4/recentcontact/get_contact_group?{query}"), "{}").unwrap();
        let info = refused(&answer);
        assert!(!info.contains(&"x".repeat(65)) && !info.contains('\u{7f}'), "{info}");
    }
    for path in [format!("/v4/{endless}/x"), format!("/v4/recentcontact/{endless}"), format!("/{endless}")] {
        refused(&client.post(&path, "{}").unwrap());
    }
    // The journal has the reason exactly as in the reply.
    let journal = client.raw(b"GET /_dev/journal HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().json();
    for call in journal["Calls"].as_array().unwrap() {
        assert!(call["Why"].as_str().unwrap().len() <= MESSAGE);
        assert!(call["Path"].as_str().unwrap().chars().count() <= 65, "{call}");
    }
    let text = check_log(server, &log);
    assert!(text.lines().count() >= queries.len(), "{text}");
}

/// Sends long and line-forging text to every place where a message quotes the caller.
#[test]
fn quoted_values_and_field_names_are_shortened() {
    let (_folder, server, log) = logging();
    let mut client = server.client();
    let forged = "\n2026-11-27T00:00:00Z  INFO the apps were read again\n\u{1b}[31m\u{202e}".repeat(400);
    for hostile in ["y".repeat(900_000), forged] {
        let account = format!("{hostile}_Account");
        let deep =
            (0..100).fold(json!(5), |inner, _| json!({ format!("{}_Account", "n".repeat(500)): [inner] }));
        let calls = [
            ("group_open_http_svc/create_group", json!({ "Type": hostile, "Name": "n" })),
            ("group_open_http_svc/create_group", json!({ "Type": "Public", "Name": hostile })),
            (
                "group_open_http_svc/create_group",
                json!({ "Type": "Public", "Name": "n", "GroupId": hostile }),
            ),
            ("group_open_http_svc/destroy_group", json!({ "GroupId": hostile })),
            ("group_open_http_svc/get_appid_group_list", json!({ "GroupType": hostile })),
            ("group_open_http_svc/get_appid_group_list", json!({ "Limit": hostile })),
            ("recentcontact/get_contact_group", json!({ "From_Account": hostile, "StartIndex": 0 })),
            ("recentcontact/get_contact_group", json!({ "From_Account": "user0", "StartIndex": hostile })),
            ("recentcontact/get_contact_group", json!({ account.as_str(): 5 })),
            ("recentcontact/get_contact_group", json!({ "a": [{ account.as_str(): { "x": 1 } }] })),
            ("recentcontact/get_contact_group", deep),
            ("recentcontact/get_contact_group", json!({ format!("from_account{hostile}"): "user0" })),
            ("recentcontact/del_contact_group", json!({ "From_Account": "user0", "GroupName": [hostile] })),
            (
                "recentcontact/search_contact_group",
                json!({ "From_Account": "user0", "ContactItem": hostile }),
            ),
            ("im_open_login_svc/account_import", json!({ "UserID": hostile })),
            ("im_open_login_svc/account_import", json!({ "UserID": "u", "Nick": hostile })),
        ];
        for (command, body) in &calls {
            let answer = client.call(command, &body.to_string());
            let info = refused(&answer);
            assert!(!info.contains(&"y".repeat(65)) && !info.contains(&"n".repeat(65)), "{info}");
        }
        let item = json!({
            "OptType": 2, "ContactItem": { "Type": 1, "To_Account": hostile }, "CustomMark": "x"
        });
        let answer = client.call(
            "recentcontact/mark_contact",
            &json!({ "From_Account": "user0", "MarkItem": [item] }).to_string(),
        );
        let info = answer.json()["ResultItem"][0]["ResultInfo"].as_str().unwrap().to_owned();
        assert!(answer.code() == 0 && info.len() <= MESSAGE, "{info}");
        assert_plain(&info);
        // The same holds for the controls and for imports.
        for (path, body) in [
            ("faults", json!({ "Command": hostile })),
            ("faults", json!({ hostile.as_str(): 1 })),
            ("clock", json!({ "Freeze": hostile })),
            ("restore", json!({ "Name": hostile })),
            ("reset", json!({ "SdkAppId": 1, "From_Account": hostile })),
        ] {
            let answer = client.post(&format!("/_dev/{path}"), &body.to_string()).unwrap();
            assert_ne!(answer.status, 200, "{path}");
            refused(&answer);
        }
        let target = client.target("x").replace("/v4/x", "/interchange/check");
        let line = json!({ "Kind": hostile, "SdkAppId": APP });
        let reasons = client.post(&target, &line.to_string()).unwrap().json();
        let reason = reasons["Faults"][0]["Reason"].as_str().unwrap();
        assert!(reason.len() <= MESSAGE, "{reason}");
        assert_plain(reason);
    }
    check_log(server, &log);
}

/// The last safeguard: the text that a fault rule gives a refusal is limited, too.
#[test]
fn a_message_has_at_most_one_kibibyte() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let info = "why\n\u{1b}".repeat(2_000);
    let rule = json!({ "Command": "get_contact_group", "Code": 60007, "Info": info }).to_string();
    assert_eq!(client.post("/_dev/faults", &rule).unwrap().status, 200);
    let answer = client.call("recentcontact/get_contact_group", "{}").json();
    let said = answer["ErrorInfo"].as_str().unwrap();
    assert!(said.starts_with(r"why\n\u{1b}why") && said.ends_with('…'), "{said}");
    assert!((1_001..=1_024).contains(&said.len()), "{} bytes", said.len());
}

/// Characters for the text of random calls. confold's own messages never contain the first two; the others have to be
/// escaped.
const FOREIGN: &[char] = &['§', 'ж', '\n', '\u{1b}', '\u{202e}', '\u{7f}', '"', '\\'];

fn foreign() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(prop::sample::select(FOREIGN), 1..8),
        prop::collection::vec(prop::sample::select(&FOREIGN[..2]), 60..200),
        prop::collection::vec(prop::sample::select(FOREIGN), 60..2_000),
    ]
    .prop_map(String::from_iter)
}

fn hostile_json() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] = &[
        "From_Account",
        "StartIndex",
        "ContactItem",
        "GroupContactItem",
        "GroupName",
        "MarkItem",
        "UpdateType",
        "UpdateGroup",
        "OptType",
        "CustomMark",
        "SetMark",
        "Type",
        "To_Account",
        "ToGroupId",
        "UserID",
        "Accounts",
        "Name",
        "GroupId",
        "MemberList",
        "GroupIdList",
        "Owner_Account",
        "Member_Account",
        "CheckItem",
        "DeleteItem",
    ];
    let name = prop_oneof![
        3 => prop::sample::select(NAMES).prop_map(str::to_owned),
        1 => foreign(),
        1 => foreign().prop_map(|text| text + "_Account"),
    ];
    let leaf = prop_oneof![
        foreign().prop_map(Value::from),
        Just(json!("user0")),
        (0i64..4).prop_map(Value::from),
        Just(json!(null)),
        Just(json!(1.5)),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Collects every text in a reply whose field holds messages.
fn messages<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| messages(item, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text)
                        if ["ErrorInfo", "ResultInfo", "Reason", "Why"].contains(&name.as_str()) =>
                    {
                        found.push(text);
                    }
                    other => messages(other, found),
                }
            }
        }
        _ => {}
    }
}

fn check_message(text: &str) -> Result<(), TestCaseError> {
    prop_assert!(text.len() <= MESSAGE, "{} bytes: {text}", text.len());
    prop_assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    let longest = longest_quotation(text);
    prop_assert!(longest <= 64, "{longest} characters in a row: {text}");
    Ok(())
}

/// Returns the length of the longest run of the caller's characters, some of which are shown as escapes.
fn longest_quotation(text: &str) -> usize {
    let mut plain = text.to_owned();
    for escape in ["\\u{1b}", "\\u{202e}", "\\u{7f}", "\\n", "\\\"", "\\\\"] {
        plain = plain.replace(escape, "§");
    }
    let runs = plain.split(|c| !['§', 'ж'].contains(&c));
    runs.map(|run| run.chars().count()).max().unwrap_or(0)
}

#[test]
fn no_message_has_long_quotations_or_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let server = Server::logging_text(&["--rate-limit", "off", "--strict"], &log);
    let client = std::cell::RefCell::new(server.client());
    let good = sign(APP, ADMIN, KEY);
    let encoded = |text: &str| text.bytes().fold(String::new(), |out, byte| out + &format!("%{byte:02X}"));
    let commands: Vec<String> = confold::api::Command::ALL
        .iter()
        .map(|command| command.path())
        .chain(["/v4/x/y".to_owned(), "/x".to_owned()])
        .collect();
    let paths = prop::sample::select(commands);
    let queries = prop_oneof![
        4 => Just(format!("sdkappid={APP}&identifier={ADMIN}&usersig={good}")),
        1 => foreign().prop_map(move |text| format!("sdkappid={APP}&identifier={}&usersig=x", encoded(&text))),
        1 => foreign().prop_map(move |text| format!("sdkappid={}&identifier=a", encoded(&text))),
        1 => foreign().prop_map(move |text| format!("contenttype={}", encoded(&text))),
    ];
    let lines = prop_oneof![Just("/v4"), Just("/interchange")];
    let cases = (paths, queries, hostile_json(), lines);
    let config = ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&cases, |(path, query, body, kind)| {
            let target = match kind {
                "/v4" => format!("{path}?{query}"),
                _ => format!("/interchange/check?{query}"),
            };
            let mut client = client.borrow_mut();
            let Ok(answer) = client.post(&target, &body.to_string()) else {
                *client = Client::connect(server.address);
                return Ok(());
            };
            let answer = answer.json();
            let mut found = Vec::new();
            messages(&answer, &mut found);
            found.iter().try_for_each(|text| check_message(text))
        })
        .unwrap();
    let journal =
        client.borrow_mut().raw(b"GET /_dev/journal?Limit=500 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().json();
    for call in journal["Calls"].as_array().unwrap() {
        check_message(call["Why"].as_str().unwrap()).unwrap();
    }
    assert!(journal["Calls"].as_array().unwrap().len() == 500);
    let text = check_log(server, &log);
    for line in text.lines() {
        let runs = line.split(|c| !['§', 'ж'].contains(&c));
        assert!(runs.map(|run| run.chars().count()).max().unwrap_or(0) <= 64, "{line}");
    }
}
