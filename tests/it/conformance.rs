//! Tests the conformance list of the protocol, line by line. Lines 19 (recent list) and 22 (webhooks) concern features
//! that this server does not have. `docs/compatibility.md` names the tests of the lines that are missing here.

use std::{collections::BTreeSet, net::IpAddr};

use confold::{
    auth::{App, Apps, Credentials, Gate, Refusal, SecretKey, usersig::Flaw},
    domain::AppId,
};
use serde_json::{Value, json};

use crate::{
    bodies::{
        Call, account_import, chat, create_contact_group, del_contact_group, destroy_group, everything,
        get_contact_group, get_contact_group_from, import_group, mark_contact, records, regroup_contacts,
        rename_contact_group, user,
    },
    harness::{ADMIN, APP, InProcess, Server, import_accounts, page_app, query},
};

const GET: &str = "recentcontact/get_contact_group";
const PAGE_REQUEST: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

#[test]
fn line_01_every_reply_has_status_200() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let (good, forged) = (client.target(GET), format!("/v4/{GET}?{}", query(APP, ADMIN, "wrong")));
    for (target, body) in [
        (good.as_str(), PAGE_REQUEST),
        (&good, "no json"),
        (&good, "{}"),
        (&forged, PAGE_REQUEST),
        ("/v4/nothing/here", "{}"),
        ("/", "{}"),
        ("/v4/recentcontact/get_contact_group", ""),
    ] {
        assert_eq!(client.post(target, body).unwrap().status, 200, "{target} {body}");
    }
}

#[test]
fn line_02_base_fields_are_present_and_agree() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    for command in confold::api::Command::ALL {
        for body in ["{}", PAGE_REQUEST, "[]"] {
            let reply = client.call(command.path().trim_start_matches("/v4/"), body).json();
            let code = reply["ErrorCode"].as_u64().unwrap();
            let info = reply["ErrorInfo"].as_str().unwrap();
            assert_eq!(reply["ActionStatus"], if code == 0 { "OK" } else { "FAIL" }, "{reply}");
            assert_eq!(info.is_empty(), code == 0, "{reply}");
        }
    }
}

#[test]
fn line_04_signature_vectors_have_their_codes() {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../../crates/usersig/tests/vectors.json")).unwrap();
    let mut seen = BTreeSet::new();
    for vector in &vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let app = AppId::new(u32::try_from(vector["sdkappid"].as_u64().unwrap()).unwrap()).unwrap();
        // All are administrators except V7, who is an ordinary user.
        let admins = if text("name") == "V7" { Vec::new() } else { vec![text("identifier").to_owned()] };
        let gate = Gate::new(Apps::new([App::new(app, SecretKey::new(text("key")).unwrap(), admins)]));
        let number = app.to_string();
        let said = Credentials {
            sdkappid: Some(&number),
            identifier: Some(text("identifier")),
            usersig: Some(text("usersig")),
            look_alikes: &[],
            source: IpAddr::from([127, 0, 0, 1]),
            service: "recentcontact",
        };
        let code = match gate.admit(said, vector["now"].as_u64().unwrap()) {
            Ok(_) => 0,
            Err(Refusal::NotAdmin { .. }) => 60010,
            Err(Refusal::Signature { flaw, .. }) => match flaw {
                Flaw::Expired { .. } => 70001,
                Flaw::Zlib | Flaw::Base64 | Flaw::Json => 70003,
                Flaw::Forged => 70009,
                Flaw::Identifier(_) => 70013,
                Flaw::App(_) => 70014,
                other => panic!("{other}"),
            },
            Err(other) => panic!("{other}"),
        };
        let expected = if text("name") == "V7" { 60010 } else { vector["error_code"].as_u64().unwrap() };
        assert_eq!(code, expected, "{}", text("name"));
        seen.insert(code);
    }
    assert_eq!(seen, BTreeSet::from([0, 60010, 70001, 70003, 70009, 70013, 70014]));
}

#[test]
fn line_07_accounts_groups_and_names_have_their_codes() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    assert_eq!(client.call(GET, r#"{"From_Account":5,"StartIndex":0}"#).code(), 60015);
    assert_eq!(client.make(&get_contact_group("nobody")).code(), 50001);
    let mut create =
        |name: &str| client.make(&create_contact_group("teacher4", name).with(user("user0"))).code();
    let name_of_32_bytes = "测".repeat(10) + "ab";
    assert_eq!([create(&name_of_32_bytes), create(&"n".repeat(33))], [0, 51011]);
    for count in 1..20 {
        assert_eq!(create(&format!("g{count}")), 0);
    }
    assert_eq!(create("one more"), 51010);
}

#[test]
fn line_09_groups_keep_their_ids_and_marks_survive_them() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    import_accounts(&mut client, &["p0".to_owned(), "p1".to_owned()]);
    for name in ["first", "second"] {
        client.does(&create_contact_group("teacher4", name).with_users(["p0", "p1"]));
    }
    client.does(&mark_contact("teacher4").set(user("p0"), [1]));
    let ids = |items: &[Value], peer: &str| {
        items.iter().find(|item| item["To_Account"] == peer).map(|item| item["ContactGroupId"].clone())
    };
    assert_eq!(ids(&records(&mut client, "teacher4"), "p0"), Some(json!([1, 2])));
    let renamed = client.does(&rename_contact_group("teacher4", "first", "renamed"));
    assert_eq!(renamed["UpdateGroupResult"]["GroupId"], 1);
    assert_eq!(
        everything(&mut client, "teacher4").1,
        [json!({"GroupName": "renamed", "GroupId": 1}), json!({"GroupName": "second", "GroupId": 2})]
    );
    for name in ["renamed", "second"] {
        client.does(&del_contact_group("teacher4", &[name]));
    }
    let left = records(&mut client, "teacher4");
    assert_eq!(left.len(), 1, "records that were only in groups should be gone");
    assert_eq!((&left[0]["To_Account"], &left[0]["StandardMark"]), (&json!("p0"), &json!("10")));
    assert!(left[0].get("ContactGroupId").is_none());
}

#[test]
fn line_10_marks_are_set_cleared_and_forgotten() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let mut change = |call: &Call| {
        client.does(call);
        records(&mut client, "teacher4").first().map(|record| record["StandardMark"].clone())
    };
    let mark = || mark_contact("teacher4");
    assert_eq!(change(&mark().set(user("user0"), [0, 3, 4, 5])), Some(json!("111001")));
    assert_eq!(change(&mark().clear(user("user0"), [0])), Some(json!("111000")));
    assert_eq!(change(&mark().clear(user("user0"), [3, 4, 5])), None);
}

#[test]
fn line_11_bit_63_is_the_first_of_64_characters() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.does(&mark_contact("teacher4").set(user("user0"), [63]));
    assert_eq!(records(&mut client, "teacher4")[0]["StandardMark"], format!("1{}", "0".repeat(63)));
}

#[test]
fn line_12_custom_marks_have_256_bytes_and_are_cleared_by_an_empty_one() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let mut set = |custom: &str| client.marks(&mark_contact("teacher4").custom(user("user0"), custom))[0];
    assert_eq!([set(&"x".repeat(256)), set(&"x".repeat(257)), set(&"测".repeat(86))], [0, 50002, 50002]);
    assert_eq!(records(&mut server.client(), "teacher4")[0]["CustomMark"], "x".repeat(256));
    assert_eq!(set(""), 0);
    assert_eq!(records(&mut server.client(), "teacher4"), Vec::<Value>::new());
}

#[test]
fn line_13_items_fail_singly_in_their_order() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.does(&destroy_group("@TGS#1N3RSUYG2"));
    let contacts = [user("user0"), chat("@TGS#1N3RSUYG2")];
    let create = create_contact_group("teacher4", "g").with(contacts[0].clone()).with(contacts[1].clone());
    let reply = client.does(&create);
    let items = reply["GroupResultItem"][0]["ResultItem"].as_array().unwrap();
    assert_eq!([&items[0]["ResultCode"], &items[1]["ResultCode"]], [&json!(0), &json!(51007)]);
    assert_eq!([&items[0]["ContactItem"], &items[1]["ContactItem"]], [&contacts[0], &contacts[1]]);
}

/// Prepares the data by calls, as a client would, instead of using the seed of `dev`.
#[test]
fn line_14_the_pages_request_gets_the_pages_reply() {
    let server = Server::dev(&["--app", "7:key:boss"]);
    let mut client = server.client().signed_for(7, "boss", "key");
    import_accounts(&mut client, &["user0".to_owned(), "teacher4".to_owned()]);
    client.does(&import_group("@TGS#1N3RSUYG2"));
    for name in ["test1x", "test10"] {
        client.does(&create_contact_group("user0", name).with(user("teacher4")));
    }
    let marks = mark_contact("user0").set(user("teacher4"), [0, 3, 4, 5]);
    client.does(&marks.set_custom(chat("@TGS#1N3RSUYG2"), [0, 3, 4, 5], "abcd"));
    let reply = client.call(GET, "{\n    \"From_Account\":\"user0\",\n    \"StartIndex\":0\n}").body;
    let time = reply.split("\"Timestamp\":").nth(1).unwrap()[..10].to_owned();
    let expected = concat!(
        r#"{"ContactItem":[{"Type":1,"To_Account":"teacher4","StandardMark":"111001","ContactGroupId":[1,2],"Timestamp":?},"#,
        r##"{"Type":2,"ToGroupId":"@TGS#1N3RSUYG2","StandardMark":"111001","CustomMark":"abcd","Timestamp":?}],"##,
        r#""GroupItem":[{"GroupName":"test1x","GroupId":1},{"GroupName":"test10","GroupId":2}],"#,
        r#""CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#,
    );
    assert_eq!(reply, expected.replace('?', &time));
}

#[test]
fn line_15_paging_returns_every_record_once_and_does_not_lose_any() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let mut client = server.client();
    let peers: Vec<String> = (0..250).map(|count| format!("p{count}")).collect();
    import_accounts(&mut client, &peers);
    for some in peers.chunks(100) {
        client.does(&create_contact_group("teacher4", "g").with_users(some));
    }
    let (mut seen, mut start, mut sizes) = (Vec::new(), 0, Vec::new());
    loop {
        let reply = client.does(&get_contact_group_from("teacher4", start));
        let items = reply["ContactItem"].as_array().unwrap();
        sizes.push(items.len());
        seen.extend(items.iter().map(|item| item["To_Account"].as_str().unwrap().to_owned()));
        assert_eq!(
            reply["GroupItem"],
            json!([{"GroupName": "g", "GroupId": 1}]),
            "groups should be on every page"
        );
        start = reply["NextStartIndex"].as_u64().unwrap();
        if reply["CompleteFlag"] == 1 {
            assert_eq!(start, 0);
            break;
        }
        // Remove one record from a page already read and one from a page not yet read.
        let [first, second] = [&peers[sizes.len()], &peers[249 - sizes.len()]].map(|peer| user(peer));
        client.does(&regroup_contacts("teacher4", "g").remove(first).remove(second));
    }
    assert_eq!(sizes, [100, 100, 48]);
    let once: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "every record should appear once");
    let survivors: BTreeSet<&String> =
        (peers.iter()).filter(|peer| ![&peers[248], &peers[247]].contains(peer)).collect();
    assert_eq!(once, survivors);
}

#[test]
fn line_16_a_thousand_grouped_and_a_thousand_marked() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let mut client = server.client();
    let peers: Vec<String> = (0..1_001).map(|count| format!("p{count}")).collect();
    import_accounts(&mut client, &peers);
    for some in peers[..1_000].chunks(100) {
        client.does(&create_contact_group("teacher4", "g").with_users(some));
    }
    let more = client.does(&create_contact_group("teacher4", "g").with_users(["p1000", "p0"]));
    let items = &more["GroupResultItem"][0]["ResultItem"];
    assert_eq!([&items[0]["ResultCode"], &items[1]["ResultCode"]], [&json!(51008), &json!(0)]);
    let mut set = |peers: &[String]| -> Vec<u64> {
        let marks = peers.iter().fold(mark_contact("teacher4"), |call, peer| call.custom(user(peer), "x"));
        client.marks(&marks)
    };
    // Marks have a separate limit of a thousand, which may be used by other conversations.
    for some in peers[1..].chunks(100) {
        assert!(set(some).iter().all(|code| *code == 0));
    }
    assert_eq!(set(&peers[..1]), [51008]);
}

#[test]
fn line_20_unknown_fields_nulls_and_numeric_strings_are_accepted() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let item = json!({"OptType": "3", "ContactItem": {"Type": "1", "To_Account": "user0", "x": 1}, "SetMark": ["1", 2.0],
        "ClearMark": null, "CustomMark": null, "Future": {"a": []}});
    client.ok(
        "recentcontact/mark_contact",
        &json!({"From_Account": "teacher4", "MarkItem": [item]}).to_string(),
    );
    let record = &records(&mut client, "teacher4")[0];
    assert_eq!((&record["Type"], &record["StandardMark"]), (&json!(1), &json!("110")));
}

#[test]
fn line_21_under_load_calls_are_answered_or_refused_for_the_time_limit() {
    let server = Server::dev(&["--rate-limit", "off"]);
    std::thread::scope(|scope| {
        for writer in 0..32 {
            let mut client = server.client();
            scope.spawn(move || {
                for count in 0..50 {
                    // A call that takes too long ends with the server's own time limit, so a busy machine does not
                    // fail the test.
                    let mark = mark_contact("teacher4").custom(user("user0"), &format!("{writer}-{count}"));
                    let code = client.make(&mark).code();
                    assert!(code == 0 || code == 60008, "{code}");
                }
            });
        }
    });
}

/// This test is not in the list. Replies of apps with other settings are tested in `settings.rs`; this one checks that
/// a user without records is served.
#[test]
fn a_user_without_data_has_empty_lists() {
    let server = InProcess::start(page_app(), confold::store::in_memory());
    let mut client = server.client();
    client.does(&account_import("user0"));
    assert_eq!(
        client.call(GET, PAGE_REQUEST).body,
        r#"{"ContactItem":[],"GroupItem":[],"CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#
    );
}
