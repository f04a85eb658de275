//! The conformance list of the protocol (`docs/compatibility.md`), line by line. Lines 19 (recent
//! list) and 22 (webhooks) are about what this server does not have.

use std::{collections::BTreeSet, net::IpAddr};

use confold::{
    auth::{App, Apps, Credentials, Gate, Refusal, SecretKey, usersig::Flaw},
    clock::Clock,
    domain::AppId,
};
use serde_json::{Value, json};

use crate::harness::{ADMIN, APP, Client, InProcess, KEY, Server, import_accounts, page_app, query, sign};

const GET: &str = "recentcontact/get_contact_group";
const MARK: &str = "recentcontact/mark_contact";
const CREATE: &str = "recentcontact/create_contact_group";
const UPDATE: &str = "recentcontact/update_contact_group";
const DELETE: &str = "recentcontact/del_contact_group";
const SEARCH: &str = "recentcontact/search_contact_group";
const PAGE_REQUEST: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

fn user(id: &str) -> Value {
    json!({"Type": 1, "To_Account": id})
}

fn mark(item: &Value) -> String {
    json!({"From_Account": "teacher4", "MarkItem": [item]}).to_string()
}

fn create(owner: &str, name: &str, contacts: &[Value]) -> String {
    json!({"From_Account": owner, "GroupContactItem": [{"GroupName": name, "ContactItem": contacts}]})
        .to_string()
}

fn records(client: &mut Client, owner: &str) -> Vec<Value> {
    let reply = client.ok(GET, &json!({"From_Account": owner, "StartIndex": 0}).to_string());
    reply["ContactItem"].as_array().unwrap().clone()
}

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
fn line_02_base_fields_are_there_and_agree() {
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
fn line_03_head_is_200_and_get_says_what_the_service_says() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    assert_eq!(client.raw(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 200);
    let got = client.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!((got.code(), &got.json()["ErrorInfo"]), (60002, &json!("HTTP parse Error")));
}

#[test]
fn line_04_signature_vectors_have_their_codes() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../fixtures/usersig_vectors.json")).unwrap();
    let mut seen = BTreeSet::new();
    for vector in &vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let app = AppId::new(u32::try_from(vector["sdkappid"].as_u64().unwrap()).unwrap()).unwrap();
        // Administrators but for V7, who is an ordinary user.
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
fn line_05_the_form_of_a_request_is_free() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let signature = sign(APP, ADMIN, KEY);
    let encoded = signature.replace('*', "%2A").replace('-', "%2D").replace('_', "%5F");
    for query in [
        format!("usersig={signature}&contenttype=json&random=1&identifier={ADMIN}&sdkappid={APP}"),
        format!("sdkappid={APP}&usersig={encoded}&identifier={ADMIN}"),
    ] {
        assert_eq!(client.post(&format!("/v4/{GET}?{query}"), PAGE_REQUEST).unwrap().code(), 0);
    }
    let target = client.target(GET);
    let chunked = format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{PAGE_REQUEST}\r\n0\r\n\r\n",
        PAGE_REQUEST.len()
    );
    assert_eq!(client.raw(chunked.as_bytes()).unwrap().code(), 0);
}

#[test]
fn line_06_an_empty_body_is_no_json_and_an_empty_object_lacks_fields() {
    let server = Server::dev(&[]);
    assert_eq!(server.client().call(GET, "").code(), 60003);
    assert_eq!(server.client().call(GET, "{}").code(), 50002);
}

#[test]
fn line_07_accounts_groups_and_names_have_their_codes() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    assert_eq!(client.call(GET, r#"{"From_Account":5,"StartIndex":0}"#).code(), 60015);
    assert_eq!(client.call(GET, r#"{"From_Account":"nobody","StartIndex":0}"#).code(), 50001);
    let name_of_32_bytes = "测".repeat(10) + "ab";
    assert_eq!(client.call(CREATE, &create("teacher4", &name_of_32_bytes, &[user("user0")])).code(), 0);
    assert_eq!(client.call(CREATE, &create("teacher4", &"n".repeat(33), &[user("user0")])).code(), 51011);
    for count in 1..20 {
        assert_eq!(
            client.call(CREATE, &create("teacher4", &format!("g{count}"), &[user("user0")])).code(),
            0
        );
    }
    assert_eq!(client.call(CREATE, &create("teacher4", "one more", &[user("user0")])).code(), 51010);
}

#[test]
fn line_08_batches_have_their_bounds() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let item = json!({"OptType": 2, "ContactItem": user("user0"), "CustomMark": "x"});
    let marks =
        |count: usize| json!({"From_Account": "teacher4", "MarkItem": vec![item.clone(); count]}).to_string();
    assert_eq!([0, 1, 100, 101].map(|count| client.call(MARK, &marks(count)).code()), [51006, 0, 0, 51006]);
    let search = |count: usize| {
        json!({"From_Account": "teacher4", "ContactItem": vec![user("user0"); count]}).to_string()
    };
    assert_eq!([1, 300, 301].map(|count| client.call(SEARCH, &search(count)).code()), [0, 0, 50002]);
}

#[test]
fn line_09_groups_keep_their_ids_and_marks_survive_them() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let peers = ["p0".to_owned(), "p1".to_owned()];
    import_accounts(&mut client, &peers);
    for name in ["first", "second"] {
        client.ok(CREATE, &create("teacher4", name, &[user("p0"), user("p1")]));
    }
    client.ok(MARK, &mark(&json!({"OptType": 1, "ContactItem": user("p0"), "SetMark": [1]})));
    let ids = |items: &[Value], peer: &str| {
        items.iter().find(|item| item["To_Account"] == peer).map(|item| item["ContactGroupId"].clone())
    };
    assert_eq!(ids(&records(&mut client, "teacher4"), "p0"), Some(json!([1, 2])));
    let rename = json!({"From_Account": "teacher4", "UpdateType": 1, "UpdateGroup":
        {"UpdateGroupType": 1, "OldGroupName": "first", "NewGroupName": "renamed"}});
    assert_eq!(client.ok(UPDATE, &rename.to_string())["UpdateGroupResult"]["GroupId"], 1);
    let reply = client.ok(GET, r#"{"From_Account":"teacher4","StartIndex":0}"#);
    assert_eq!(
        reply["GroupItem"],
        json!([{"GroupName": "renamed", "GroupId": 1}, {"GroupName": "second", "GroupId": 2}])
    );
    for name in ["renamed", "second"] {
        client.ok(DELETE, &json!({"From_Account": "teacher4", "GroupName": [name]}).to_string());
    }
    let left = records(&mut client, "teacher4");
    assert_eq!(left.len(), 1, "what was only in groups is gone");
    assert_eq!((&left[0]["To_Account"], &left[0]["StandardMark"]), (&json!("p0"), &json!("10")));
    assert!(left[0].get("ContactGroupId").is_none());
}

#[test]
fn line_10_marks_are_set_cleared_and_forgotten() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let mut change = |field: &str, bits: &[u8]| {
        let mut item = json!({"OptType": 1, "ContactItem": user("user0")});
        item[field] = json!(bits);
        client.ok(MARK, &mark(&item));
        records(&mut client, "teacher4").first().map(|record| record["StandardMark"].clone())
    };
    assert_eq!(change("SetMark", &[0, 3, 4, 5]), Some(json!("111001")));
    assert_eq!(change("ClearMark", &[0]), Some(json!("111000")));
    assert_eq!(change("ClearMark", &[3, 4, 5]), None);
}

#[test]
fn line_11_bit_63_is_the_first_of_64_characters() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.ok(MARK, &mark(&json!({"OptType": 1, "ContactItem": user("user0"), "SetMark": [63]})));
    assert_eq!(records(&mut client, "teacher4")[0]["StandardMark"], format!("1{}", "0".repeat(63)));
}

#[test]
fn line_12_custom_marks_have_256_bytes_and_are_cleared_by_an_empty_one() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let mut set = |custom: &str| {
        let reply = client
            .ok(MARK, &mark(&json!({"OptType": 2, "ContactItem": user("user0"), "CustomMark": custom})));
        reply["ResultItem"][0]["ResultCode"].as_u64().unwrap()
    };
    assert_eq!([set(&"x".repeat(256)), set(&"x".repeat(257)), set(&"测".repeat(86))], [0, 50002, 50002]);
    assert_eq!(records(&mut server.client(), "teacher4")[0]["CustomMark"], "x".repeat(256));
    assert_eq!(set(""), 0);
    assert_eq!(records(&mut server.client(), "teacher4"), Vec::<Value>::new());
}

#[test]
fn line_13_items_fail_singly_in_their_order() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.ok("group_open_http_svc/destroy_group", r#"{"GroupId":"@TGS#1N3RSUYG2"}"#);
    let contacts = [user("user0"), json!({"Type": 2, "ToGroupId": "@TGS#1N3RSUYG2"})];
    let reply = client.ok(CREATE, &create("teacher4", "g", &contacts));
    let items = reply["GroupResultItem"][0]["ResultItem"].as_array().unwrap();
    assert_eq!([&items[0]["ResultCode"], &items[1]["ResultCode"]], [&json!(0), &json!(51007)]);
    assert_eq!([&items[0]["ContactItem"], &items[1]["ContactItem"]], [&contacts[0], &contacts[1]]);
}

/// Not from the seed of `dev`: prepared by calls, as a caller would.
#[test]
fn line_14_the_pages_request_gets_the_pages_reply() {
    let server = Server::dev(&["--app", "7:key:boss"]);
    let mut client = server.client().signed_for(7, "boss", "key");
    import_accounts(&mut client, &["user0".to_owned(), "teacher4".to_owned()]);
    client
        .ok("group_open_http_svc/import_group", r#"{"Type":"Public","Name":"n","GroupId":"@TGS#1N3RSUYG2"}"#);
    for name in ["test1x", "test10"] {
        client.ok(CREATE, &create("user0", name, &[user("teacher4")]));
    }
    let group = json!({"Type": 2, "ToGroupId": "@TGS#1N3RSUYG2"});
    let marks = json!({"From_Account": "user0", "MarkItem": [
        {"OptType": 1, "ContactItem": user("teacher4"), "SetMark": [0, 3, 4, 5]},
        {"OptType": 3, "ContactItem": group, "SetMark": [0, 3, 4, 5], "CustomMark": "abcd"}]});
    client.ok(MARK, &marks.to_string());
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
fn line_15_paging_gives_every_record_once_and_loses_no_survivor() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let mut client = server.client();
    let peers: Vec<String> = (0..250).map(|count| format!("p{count}")).collect();
    import_accounts(&mut client, &peers);
    for some in peers.chunks(100) {
        let contacts: Vec<Value> = some.iter().map(|peer| user(peer)).collect();
        client.ok(CREATE, &create("teacher4", "g", &contacts));
    }
    let (mut seen, mut start, mut sizes) = (Vec::new(), 0, Vec::new());
    loop {
        let reply = client.ok(GET, &json!({"From_Account": "teacher4", "StartIndex": start}).to_string());
        let items = reply["ContactItem"].as_array().unwrap();
        sizes.push(items.len());
        seen.extend(items.iter().map(|item| item["To_Account"].as_str().unwrap().to_owned()));
        assert_eq!(reply["GroupItem"], json!([{"GroupName": "g", "GroupId": 1}]), "on every page");
        start = reply["NextStartIndex"].as_u64().unwrap();
        if reply["CompleteFlag"] == 1 {
            assert_eq!(start, 0);
            break;
        }
        // One of a page already read goes, and one not yet read.
        let gone = [&peers[sizes.len()], &peers[249 - sizes.len()]]
            .map(|peer| json!({"ContactOptType": 2, "ContactItem": user(peer)}));
        let update = json!({"From_Account": "teacher4", "UpdateType": 1, "UpdateGroup":
            {"UpdateGroupType": 2, "OldGroupName": "g", "ContactUpdateItem": gone}});
        client.ok(UPDATE, &update.to_string());
    }
    assert_eq!(sizes, [100, 100, 48]);
    let once: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "each once");
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
        let contacts: Vec<Value> = some.iter().map(|peer| user(peer)).collect();
        client.ok(CREATE, &create("teacher4", "g", &contacts));
    }
    let more = client.ok(CREATE, &create("teacher4", "g", &[user("p1000"), user("p0")]));
    let items = &more["GroupResultItem"][0]["ResultItem"];
    assert_eq!([&items[0]["ResultCode"], &items[1]["ResultCode"]], [&json!(51008), &json!(0)]);
    let mut set = |peers: &[String]| -> Vec<u64> {
        let items: Vec<Value> = (peers.iter())
            .map(|peer| json!({"OptType": 2, "ContactItem": user(peer), "CustomMark": "x"}))
            .collect();
        let reply = client.ok(MARK, &json!({"From_Account": "teacher4", "MarkItem": items}).to_string());
        reply["ResultItem"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["ResultCode"].as_u64().unwrap())
            .collect()
    };
    // Marks have their own thousand, and it need not be the same one.
    for some in peers[1..].chunks(100) {
        assert!(set(some).iter().all(|code| *code == 0));
    }
    assert_eq!(set(&peers[..1]), [51008]);
}

#[test]
fn line_17_the_edition_gate_lets_custom_marks_and_reads_pass() {
    let server = Server::dev(&["--edition", "basic"]);
    let mut client = server.client();
    let standard = mark(&json!({"OptType": 1, "ContactItem": user("user0"), "SetMark": [1]}));
    let rename = r#"{"From_Account":"user0","UpdateType":1,"UpdateGroup":{"UpdateGroupType":1,"OldGroupName":"test10","NewGroupName":"x"}}"#;
    for (command, body) in [
        (CREATE, create("user0", "g", &[user("teacher4")])),
        (UPDATE, rename.to_owned()),
        (DELETE, r#"{"From_Account":"user0","GroupName":["test10"]}"#.to_owned()),
        (MARK, standard),
    ] {
        assert_eq!(client.call(command, &body).code(), 51013, "{command}");
    }
    client.ok(MARK, &mark(&json!({"OptType": 2, "ContactItem": user("user0"), "CustomMark": "x"})));
    client.ok(GET, PAGE_REQUEST);
    client.ok(SEARCH, &json!({"From_Account": "user0", "ContactItem": [user("teacher4")]}).to_string());
}

#[test]
fn line_18_the_201st_call_of_a_second_is_refused() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let target = client.target(GET);
    let one = format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{PAGE_REQUEST}",
        PAGE_REQUEST.len()
    );
    client.send(one.repeat(450).as_bytes()).unwrap();
    let codes: Vec<u64> = (0..450).map(|_| client.answer(false).unwrap().code()).collect();
    // A second may begin among them: then the calls of two windows pass, one after the other.
    let longest = codes.split(|code| *code != 0).map(<[u64]>::len).max().unwrap();
    assert!(codes.contains(&60007) && (200..=400).contains(&longest), "{longest} calls in a row passed");
    assert!(codes.iter().all(|code| [0, 60007].contains(code)));
    let other = json!({"From_Account": "user0", "ContactItem": [user("teacher4")]}).to_string();
    assert_eq!(client.call(SEARCH, &other).code(), 0, "another command");
    let mut other_app =
        server.client().signed_for(1_400_000_000, "administrator", crate::harness::SAMPLE_KEY);
    assert_eq!(other_app.call(GET, PAGE_REQUEST).code(), 0, "another app");
}

#[test]
fn line_20_unknown_fields_nulls_and_numeric_strings_are_taken() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let item = json!({"OptType": "3", "ContactItem": {"Type": "1", "To_Account": "user0", "x": 1}, "SetMark": ["1", 2.0],
        "ClearMark": null, "CustomMark": null, "Future": {"a": []}});
    client.ok(MARK, &mark(&item));
    let record = &records(&mut client, "teacher4")[0];
    assert_eq!((&record["Type"], &record["StandardMark"]), (&json!(1), &json!("110")));
}

#[test]
fn line_21_calls_are_answered_within_three_seconds_under_load() {
    let server = Server::dev(&["--rate-limit", "off"]);
    std::thread::scope(|scope| {
        for writer in 0..32 {
            let mut client = server.client();
            scope.spawn(move || {
                let clock = Clock::system();
                for count in 0..50 {
                    let before = clock.elapsed();
                    let custom = format!("{writer}-{count}");
                    let item = json!({"OptType": 2, "ContactItem": user("user0"), "CustomMark": custom});
                    let code = client.call(MARK, &mark(&item)).code();
                    assert!(code == 0 || code == 60008, "{code}");
                    assert!(clock.elapsed().saturating_sub(before).as_millis() < 3_500);
                }
            });
        }
    });
}

/// Beside the list: what stands in the reply of an app whose settings differ is tested in
/// `settings.rs`; here only that one door serves an app without an account or record.
#[test]
fn a_user_without_data_has_empty_lists() {
    let server = InProcess::start(page_app(), std::sync::Arc::new(confold::store::MemoryStore::default()));
    let mut client = server.client();
    client.ok("im_open_login_svc/account_import", r#"{"UserID":"user0"}"#);
    assert_eq!(
        client.call(GET, PAGE_REQUEST).body,
        r#"{"ContactItem":[],"GroupItem":[],"CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#
    );
}
