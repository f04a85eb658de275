//! Tests imports that would lose data: because of a misspelt field, an incomplete page, an encoding, or because the
//! lines demand it.

use std::{fs, io::Write as _, process::Output};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::{
    harness::{
        APP, Answer, Client, Server, at_server, exported, fed, import_accounts, in_directory, keyed, printed,
        said,
    },
    wait::Finish,
};

const GET: &str = "recentcontact/get_contact_group";

/// Starts a server with ann, who has a group and two records, and bob, who has one record.
fn filled() -> Server {
    let server = Server::dev(&["--directory", "open"]);
    let lines = [
        json!({"Kind": "chat_group", "SdkAppId": APP, "GroupId": "team", "Type": "Work", "MemberList": [{"Member_Account": "ann", "Role": "Admin"}]}),
        json!({"Kind": "account", "SdkAppId": APP, "UserID": "ann", "Nick": "Ann"}),
        organizer("ann", &json!([record("peer", 1), record("other", 2)])),
        organizer("bob", &json!([record("peer", 1)])),
    ];
    let seeded = seed(&mut server.client(), "", &text(&lines));
    assert_eq!(seeded.status, 200, "{}", seeded.body);
    server
}

fn organizer(user: &str, records: &Value) -> Value {
    json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": user, "GroupItem": [{"GroupName": "g", "GroupId": 1}], "ContactItem": records})
}

fn record(peer: &str, timestamp: u64) -> Value {
    json!({"Type": 1, "To_Account": peer, "StandardMark": "1", "ContactGroupId": [1], "Timestamp": timestamp})
}

fn text(lines: &[Value]) -> String {
    lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n")
}

fn seed(client: &mut Client, query: &str, lines: &str) -> Answer {
    client.post(&format!("/_dev/seed{query}"), lines).unwrap()
}

/// Imports bytes from a file of this name.
fn import(place: &[String], options: &[&str], name: &str, bytes: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    keyed(&["import"]).arg(name).args(options).args(place).current_dir(&folder).finish()
}

/// Lines with a misspelt field, for every kind of object, and one with a null list, each with part of the message.
fn misspelt() -> Vec<(Value, &'static str)> {
    let mut long = record("peer", 1);
    long["StandardMarks"] = json!("11");
    let group = json!({"GroupName": "g", "GroupId": 1, "Numbr": 2});
    vec![
        (
            json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": "ann", "ContactItems": [record("peer", 1)]}),
            "ContactItems is refused: an organizer has no such field; did you mean ContactItem?",
        ),
        (
            json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": "ann", "group_item": [], "ContactItem": []}),
            "group_item is refused: an organizer has no such field; did you mean GroupItem?",
        ),
        (
            json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": "ann", "GroupItem": [group]}),
            "GroupItem[0].Numbr is refused: a group has no such field; did you mean Number?",
        ),
        (
            organizer("ann", &json!([record("other", 1), long])),
            "ContactItem[1].StandardMarks is refused: a record has no such field; did you mean StandardMark?",
        ),
        (
            json!({"Kind": "account", "SdkAppId": APP, "UserID": "ann", "nick": "Anna"}),
            "nick is refused: an account has no such field; did you mean Nick?",
        ),
        (
            json!({"Kind": "chat_group", "SdkAppId": APP, "GroupId": "team", "Memberlist": []}),
            "Memberlist is refused: a chat group has no such field; did you mean MemberList?",
        ),
        (
            json!({"Kind": "chat_group", "SdkAppId": APP, "GroupId": "team", "MemberList": [{"Member_Account": "ann", "Join_Time": 1}]}),
            "MemberList[0].Join_Time is refused: a member has no such field; did you mean JoinTime?",
        ),
        (
            json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": "ann", "ContactItem": null}),
            "ContactItem is refused: it is null; write an empty list as []",
        ),
    ]
}

#[test]
fn a_misspelt_field_loses_no_data_on_any_import_path() {
    let server = filled();
    let (place, mut client) = (at_server(&server), server.client());
    let before = exported(&place);
    for (line, reason) in misspelt() {
        let text = format!("\n{line}\n");
        // --lenient does not help, because a similar name was probably meant to be a known field.
        for lenient in ["", "lenient=1"] {
            let options = if lenient.is_empty() { &[][..] } else { &["--lenient"] };
            let output = import(&place, options, "in.ndjson", text.as_bytes());
            let found = said(&output);
            assert!(
                !output.status.success() && found.starts_with(&format!("in.ndjson:2: {reason}")),
                "{found}"
            );
            for way in ["/_dev/seed", "/interchange/import", "/interchange/check"] {
                let target = client.target("x").replace("/v4/x", way);
                let target = if way == "/_dev/seed" {
                    format!("{way}?{lenient}")
                } else {
                    format!("{target}&{lenient}")
                };
                let answer = client.post(&target, &text).unwrap();
                let reply = answer.json();
                assert_eq!((answer.status, &reply["Faults"][0]["Line"]), (400, &json!(2)), "{way}: {reply}");
                assert!(reply["Faults"][0]["Reason"].as_str().unwrap().starts_with(reason), "{way}: {reply}");
                // The report has the same fields as every refusal.
                assert_eq!(
                    (reply["ActionStatus"].as_str(), reply["ErrorCode"].as_u64()),
                    (Some("FAIL"), Some(50002))
                );
                assert!(
                    reply["ErrorInfo"].as_str().unwrap().starts_with(&format!("line 2: {reason}")),
                    "{reply}"
                );
            }
        }
    }
    assert_eq!(exported(&place), before);
    // The seed file of a new server is checked as well.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("seed.ndjson"), misspelt()[0].0.to_string()).unwrap();
    let mut dev = Server::dev_command();
    let output = dev.args(["--seed", "seed.ndjson"]).current_dir(&folder).finish();
    assert!(!output.status.success() && said(&output).contains(misspelt()[0].1), "{}", said(&output));
}

#[test]
fn an_unknown_field_is_refused_unless_the_import_is_lenient() {
    let server = filled();
    let place = at_server(&server);
    let mut line = organizer("carl", &json!([record("peer", 1)]));
    line["Colour"] = json!("red");
    line["ContactItem"][0]["Weight"] = json!(3);
    let output = import(&place, &[], "in.ndjson", line.to_string().as_bytes());
    assert_eq!(
        said(&output),
        "in.ndjson:1: Colour is refused: an organizer has no such field; remove it, or import with --lenient (in a \
         URL: lenient=1), which ignores such fields\nerror: nothing was changed\n"
    );
    let output = import(&place, &["--lenient"], "in.ndjson", line.to_string().as_bytes());
    assert_eq!(printed(&output), "imported 1 line (1 changed something)\n");
    let data = tempfile::tempdir().unwrap();
    let directory = in_directory(&data.path().join("data"));
    assert!(!import(&directory, &[], "in.ndjson", line.to_string().as_bytes()).status.success());
    assert!(import(&directory, &["--lenient"], "in.ndjson", line.to_string().as_bytes()).status.success());
    let mut client = server.client();
    assert_eq!(seed(&mut client, "", &line.to_string()).status, 400);
    assert_eq!(seed(&mut client, "?lenient=1", &line.to_string()).status, 200);
    let refused = seed(&mut client, "?lenient=yes", &line.to_string());
    assert!(
        refused.status == 400
            && refused.body.contains(r#"the query parameter lenient must be 0 or 1, found \"yes\""#),
        "{}",
        refused.body
    );
}

#[test]
fn a_saved_reply_is_a_line_when_it_is_all_that_the_user_has() {
    let server = filled();
    let place = at_server(&server);
    let before = exported(&place);
    let reply = server.client().ok(GET, r#"{"From_Account":"ann","StartIndex":0}"#);
    let line = |changes: &Value| {
        let mut line = reply.clone();
        let own = json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": "ann"});
        for (name, value) in own.as_object().unwrap().iter().chain(changes.as_object().unwrap()) {
            line[name] = value.clone();
        }
        line.to_string()
    };
    // Replies of the original service have two more fields.
    let whole = line(&json!({"CompleteTime": 1_745_810_706, "ErrorDisplay": ""}));
    let output = import(&place, &[], "in.ndjson", whole.as_bytes());
    assert_eq!(printed(&output), "imported 1 line (0 changed something)\n");
    for (changes, reason) in [
        (
            json!({"CompleteFlag": 0, "NextStartIndex": 101}),
            "CompleteFlag is refused: it is 0, so this is one page of several",
        ),
        (
            json!({"CompleteFlag": null, "NextStartIndex": 101}),
            "NextStartIndex is refused: another page follows this one",
        ),
        (json!({"StartIndex": 101}), "StartIndex is refused: it is 101, so other pages come before this one"),
        (
            json!({"ErrorCode": 50001, "ActionStatus": "FAIL"}),
            "ErrorCode is refused: the reply in this line is a refusal (50001)",
        ),
        (json!({"ActionStatus": "FAIL"}), "ActionStatus is refused: the reply in this line is a refusal"),
        (json!({"ErrorCode": "none"}), "ErrorCode must be an integer, found the string \"none\""),
    ] {
        for options in [&[][..], &["--lenient"]] {
            let output = import(&place, options, "in.ndjson", line(&changes).as_bytes());
            assert!(
                !output.status.success() && said(&output).contains(reason),
                "{changes}: {}",
                said(&output)
            );
        }
    }
    assert_eq!(exported(&place), before);
}

#[test]
fn a_dry_run_reports_what_would_be_lost_and_an_import_what_was() {
    let server = filled();
    let (remote, data) = (at_server(&server), tempfile::tempdir().unwrap());
    let local = in_directory(&data.path().join("data"));
    assert!(import(&local, &[], "all.ndjson", exported(&remote).as_bytes()).status.success());
    let empty = |user: &str| json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": user, "GroupItem": [], "ContactItem": []});
    let mut changed = record("peer", 1);
    changed["StandardMark"] = json!("11");
    let lines = text(&[
        json!({"Kind": "account", "SdkAppId": APP, "UserID": "ann", "Nick": "Anna"}),
        organizer("ann", &json!([changed, record("new", 3)])),
        empty("bob"),
        organizer("carl", &json!([record("peer", 1)])),
        organizer("dora", &json!([])),
        json!({"Kind": "chat_group", "SdkAppId": APP, "GroupId": "team", "Destroyed": true}),
    ]);
    let lost = |verb: &str, destroyed: &str| {
        format!(
            "1 chat group {destroyed}, together with everything that owners have stored about them\n\
             2 owners {verb} something, 1 of them everything:\n  \
             ann of app 88888888: 1 record\n  \
             bob of app 88888888: 1 group and 1 record, which is everything\n"
        )
    };
    let would = "6 lines are good; nothing was changed\n\
         accounts: 0 would be created, 1 replaced, 0 unchanged\n\
         chat groups: 0 would be created, 1 replaced, 0 unchanged\n\
         owners: 2 would be created, 2 replaced, 0 unchanged\n\
         groups of owners: 2 would be added, 1 removed, 0 changed\n\
         records of owners: 2 would be added, 2 removed, 1 changed\n"
        .to_owned()
        + &lost("would lose", "would be destroyed");
    for place in [&remote[..], &local[..]] {
        let before = exported(place);
        let output = import(place, &["--dry-run"], "in.ndjson", lines.as_bytes());
        assert_eq!(said(&output), would, "{place:?}");
        assert_eq!(exported(place), before, "a dry run should change nothing");
        let output = import(place, &[], "in.ndjson", lines.as_bytes());
        let expected = format!("imported 6 lines (6 changed something)\n{}", lost("lost", "destroyed"));
        assert_eq!(said(&output), expected, "{place:?}");
        let output = import(place, &["--dry-run"], "in.ndjson", lines.as_bytes());
        assert!(
            said(&output).ends_with(
                "owners: 0 would be created, 0 replaced, 4 unchanged\n\
                 groups of owners: 0 would be added, 0 removed, 0 changed\n\
                 records of owners: 0 would be added, 0 removed, 0 changed\n"
            ),
            "{}",
            said(&output)
        );
    }
}

#[test]
fn the_owners_who_lose_something_are_named_up_to_a_number() {
    let server = Server::dev(&["--directory", "open"]);
    let place = at_server(&server);
    let lines = |records: &Value| {
        text(&(0..25).map(|user| organizer(&format!("u{user:02}"), records)).collect::<Vec<_>>())
    };
    assert!(import(&place, &[], "in.ndjson", lines(&json!([record("peer", 1)])).as_bytes()).status.success());
    let found = said(&import(&place, &["--dry-run"], "in.ndjson", lines(&json!([])).as_bytes()));
    assert!(
        found.contains("25 owners would lose something:\n") && found.ends_with("  and 15 more\n"),
        "{found}"
    );
    assert!(found.contains("  u09 of app 88888888: 1 record\n") && !found.contains("u10"), "{found}");
}

#[test]
fn a_dry_run_through_a_server_needs_the_administrators_signature() {
    let server = filled();
    let mut place = at_server(&server);
    place[5] = "nobody".to_owned();
    let output = import(&place, &["--dry-run"], "in.ndjson", b"{}");
    assert!(!output.status.success() && said(&output).contains("(60010)"), "{}", said(&output));
    let output = keyed(&["export"]).args(&place).finish();
    assert!(!output.status.success() && said(&output).contains("(60010)"), "{}", said(&output));
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn account(name: &str) -> String {
    json!({"Kind": "account", "SdkAppId": APP, "UserID": name}).to_string()
}

#[test]
fn byte_order_marks_line_ends_of_windows_and_gzip_are_read() {
    let server = Server::dev(&[]);
    let (remote, data) = (at_server(&server), tempfile::tempdir().unwrap());
    let local = in_directory(&data.path().join("data"));
    let (mark, [a, b, c]) = ("\u{feff}", ["a", "b", "c"].map(account));
    // Two concatenated files from Windows, and a lone byte order mark.
    let windows = format!("{mark}{a}\r\n{b}\r\n{mark}{c}\r\n{mark}\r\n\r\n");
    let twice = [packed(&format!("{a}\n{b}\n")), packed(&c)].concat();
    for place in [&remote[..], &local[..]] {
        for bytes in [windows.as_bytes(), &packed(&windows), &twice] {
            let output = import(place, &[], "in.ndjson.gz", bytes);
            assert!(said(&output).starts_with("imported 3 lines ("), "{}", said(&output));
        }
        let output = import(place, &[], "in.gz", &packed(&format!("{a}\n\nbroken")));
        assert!(said(&output).starts_with("in.gz:3: the line is not a JSON object: "), "{}", said(&output));
        let output = import(place, &[], "in.gz", &packed(&windows.repeat(50))[..60]);
        assert!(
            !output.status.success()
                && said(&output).contains("in.gz: the gzip file ends too early; it was cut off"),
            "{}",
            said(&output)
        );
    }
    let mut command = keyed(&["import", "-"]);
    let output = fed(command.args(&local), &windows);
    assert_eq!(printed(&output), "imported 3 lines (0 changed something)\n");
    assert_eq!(seed(&mut server.client(), "", &windows).status, 200);
    // A server's seed file can contain the same input.
    let seeded = data.path().join("seed.ndjson.gz");
    fs::write(&seeded, packed(&windows)).unwrap();
    let server = Server::dev(&["--seed", seeded.to_str().unwrap()]);
    assert!(exported(&at_server(&server)).contains(&b));
}

#[test]
fn text_in_another_encoding_is_refused_by_name() {
    let server = Server::dev(&[]);
    let place = at_server(&server);
    let before = exported(&place);
    let lines = format!("{}\n{}\n", account("a"), account("b"));
    let utf16: Vec<u8> =
        "\u{feff}".encode_utf16().chain(lines.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let output = import(&place, &[], "in.ndjson", &utf16);
    assert_eq!(
        said(&output),
        "in.ndjson:1: the text is UTF-16, but lines must be UTF-8; write it as UTF-8, for example with iconv -f \
         UTF-16 -t UTF-8\nerror: nothing was changed\n"
    );
    let output = import(&place, &[], "in.ndjson", b"PK\x03\x04 and so on\nbroken\n");
    assert_eq!(said(&output).lines().count(), 2, "{}", said(&output));
    assert!(said(&output).starts_with("in.ndjson:1: this is a zip archive, not lines; decompress it first"));
    let latin = [&account("a").as_bytes()[..account("a").len() - 1], b",\"Nick\":\"Jos\xe9\"}"].concat();
    let output = import(&place, &[], "in.ndjson", &latin);
    let found = said(&output);
    let expected = format!(
        "in.ndjson:1: the line is not a JSON object: byte {} is not valid UTF-8, and JSON must be UTF-8\n",
        account("a").len() + 12
    );
    assert!(found.starts_with(&expected), "{found} {expected}");
    // The body of an import is not decompressed.
    let mut client = server.client();
    let body = packed(&lines);
    let mut request =
        format!("POST /_dev/seed HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend(body);
    let answer = client.raw(&request).unwrap();
    assert!(answer.status == 400 && answer.body.contains("this is gzip data, not lines"), "{}", answer.body);
    assert_eq!(exported(&place), before);
}

#[test]
fn import_errors_contain_no_library_messages() {
    let server = Server::dev(&[]);
    let place = at_server(&server);
    import_accounts(&mut server.client(), &["ann".to_owned()]);
    for (line, expected) in [
        ("{", "it ends at byte 1, before the value is complete"),
        ("{'Kind':1}", "\"'\" is not expected at column 2; strings and names must be in double quotes"),
        (
            r#"{"Kind":"account",}"#,
            "\"}\" is not expected at column 19; perhaps there is one comma too many before it",
        ),
        (r#"{"Kind":"account"} {"#, "more text follows the value, from column 20 on"),
        ("[1]", "the line must be an object, found an array of 1"),
        (r#"{"Kind":"account","SdkAppId":"x"}"#, "SdkAppId must be an integer, found the string \"x\""),
    ] {
        let found = said(&import(&place, &[], "in.ndjson", line.as_bytes()));
        assert!(found.contains(expected), "{line}: {found}");
        assert!(!found.contains("expected value") && !found.contains("line 1 column"), "{found}");
    }
}
