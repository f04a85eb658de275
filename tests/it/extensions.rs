//! What confold adds to the vendor's service: its own command `search`, and dry runs of all commands.

use std::collections::BTreeSet;

use confold::{api::Command, auth::App};
use serde_json::{Value, json};

use crate::{
    bodies::{
        Call, account_check, account_delete, account_import, chat, create_contact_group, create_group,
        get_contact_group, mark_contact, multiaccount_import, records, user,
    },
    harness::{
        Answer, Client, InProcess, Server, at_server, eventually, exported, keyed, page_app, printed, said,
    },
    serving::serving,
    wait::Finish,
};

const SEARCH: &str = "confold/search";

/// Searches with these conditions, page by page. Every page but the last has to have `size` records.
#[track_caller]
fn found(client: &mut Client, owner: &str, conditions: &Value, size: usize) -> Vec<Value> {
    let mut all = Vec::new();
    let mut start = json!(0);
    loop {
        let mut body = conditions.clone();
        body["From_Account"] = json!(owner);
        body["StartIndex"] = start;
        let reply = client.ok(SEARCH, &body.to_string());
        let items = reply["ContactItem"].as_array().unwrap();
        all.extend(items.iter().cloned());
        if reply["CompleteFlag"] == 1 {
            assert_eq!(reply["NextStartIndex"], 0);
            return all;
        }
        assert_eq!(items.len(), size, "{conditions}");
        start = reply["NextStartIndex"].clone();
    }
}

/// Creates an owner with 60 conversations that differ in marks, groups and kind.
fn with_conversations(client: &mut Client) {
    for index in 0..60u8 {
        let peer = if index % 3 == 0 { chat(&format!("g{index}")) } else { user(&format!("u{index}")) };
        let text = ["", "order 1", "order 2", "open"][usize::from(index % 4)];
        let bits: Vec<u8> = [0, 1, 63].into_iter().filter(|bit| index >> (bit % 5) & 1 == 1).collect();
        client.does(&mark_contact("ann").set_custom(peer.clone(), bits, text));
        if index % 5 == 0 {
            client.does(&create_contact_group("ann", "fives").with(peer.clone()));
        }
        if index % 7 == 0 {
            client.does(&create_contact_group("ann", "sevens").with(peer));
        }
    }
}

/// Decides whether a record meets conditions.
type Keep<'a> = &'a dyn Fn(&Value) -> bool;

#[test]
fn a_search_finds_what_a_client_that_reads_everything_would_keep() {
    let server = Server::dev(&["--directory", "open", "--rate-limit", "off", "--page-size", "4"]);
    let mut client = server.client();
    with_conversations(&mut client);
    let all = records(&mut client, "ann");
    assert!(all.len() > 50, "{}", all.len());
    let bit = |record: &Value, bit: usize| {
        let text = record["StandardMark"].as_str().unwrap();
        text.len() > bit && text.as_bytes()[text.len() - 1 - bit] == b'1'
    };
    let is_in = |record: &Value, group: u64| {
        record["ContactGroupId"].as_array().is_some_and(|groups| groups.contains(&json!(group)))
    };
    let begins = |record: &Value, prefix: &str| {
        record["CustomMark"].as_str().is_some_and(|text| text.starts_with(prefix))
    };
    let cases: [(Value, Keep<'_>); 9] = [
        (json!({}), &|_| true),
        (json!({"All": [0, 1]}), &|record| bit(record, 0) && bit(record, 1)),
        (json!({"Any": [63, 5]}), &|record| bit(record, 63)),
        (json!({"None": [0, 63]}), &|record| !bit(record, 0) && !bit(record, 63)),
        (json!({"GroupName": "fives"}), &|record| is_in(record, 1)),
        (json!({"GroupName": "sevens", "NotInGroup": "fives"}), &|record| {
            is_in(record, 2) && !is_in(record, 1)
        }),
        (json!({"CustomPrefix": "order"}), &|record| begins(record, "order")),
        (json!({"CustomPrefix": "o", "Type": 2, "Any": [0, 1]}), &|record| {
            begins(record, "o") && record["Type"] == 2 && (bit(record, 0) || bit(record, 1))
        }),
        (json!({"All": [63], "None": [63]}), &|_| false),
    ];
    for (conditions, keep) in cases {
        let expected: Vec<Value> = all.iter().filter(|record| keep(record)).cloned().collect();
        assert_eq!(found(&mut client, "ann", &conditions, 4), expected, "{conditions}");
    }
}

#[test]
fn a_search_that_is_read_page_by_page_misses_nothing_that_changes_meanwhile() {
    let server = Server::dev(&["--directory", "open", "--rate-limit", "off", "--page-size", "3"]);
    let mut client = server.client();
    with_conversations(&mut client);
    let conditions = json!({"GroupName": "fives"});
    let peer =
        |record: &Value| record["To_Account"].as_str().or(record["ToGroupId"].as_str()).unwrap().to_owned();
    let expected: BTreeSet<String> = found(&mut client, "ann", &conditions, 3).iter().map(peer).collect();
    let (mut seen, mut start) = (BTreeSet::new(), json!(0));
    for turn in 0.. {
        let body = json!({"From_Account": "ann", "GroupName": "fives", "StartIndex": start});
        let reply = client.ok(SEARCH, &body.to_string());
        seen.extend(reply["ContactItem"].as_array().unwrap().iter().map(peer));
        if reply["CompleteFlag"] == 1 {
            break;
        }
        start = reply["NextStartIndex"].clone();
        // The next conversation that would be listed moves to the end, at most ten times.
        if turn < 10 {
            let body = json!({"From_Account": "ann", "GroupName": "fives", "StartIndex": start});
            let next = client.ok(SEARCH, &body.to_string())["ContactItem"][0].clone();
            let contact = if next["Type"] == 1 { user(&peer(&next)) } else { chat(&peer(&next)) };
            client.does(&mark_contact("ann").custom(contact, &format!("turn {turn}")));
        }
    }
    assert_eq!(seen, expected);
}

#[test]
fn searching_is_a_read_that_every_edition_has() {
    let server = Server::dev(&["--edition", "basic"]);
    let mut client = server.client();
    let all = found(&mut client, "user0", &json!({"All": [0, 3], "GroupName": "test10"}), 100);
    assert_eq!(all.len(), 1);
    // A dry run is refused for the same reasons as the call.
    let refused = dry(&mut client, &mark_contact("user0").set(user("teacher4"), [1]));
    assert_eq!(refused.code(), 51013);
}

#[test]
fn a_condition_has_the_bounds_of_what_it_is_about() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let mut code = |prefix: &str| {
        let body = json!({"From_Account": "user0", "CustomPrefix": prefix, "StartIndex": 0});
        let reply = client.call(SEARCH, &body.to_string()).json();
        (reply["ErrorCode"].as_u64().unwrap(), reply["ErrorInfo"].as_str().unwrap().to_owned())
    };
    assert_eq!(code(&"x".repeat(256)), (0, String::new()));
    let said = "CustomPrefix is refused: a custom mark may have at most 256 bytes, found 257";
    assert_eq!(code(&"x".repeat(257)), (50002, said.to_owned()));
}

#[test]
fn the_service_of_confold_is_a_service_like_the_others() {
    let (_site, _server, mut client) =
        serving("metrics.enabled = true\n", "directory = \"open\"\nclosed_services = [\"confold\"]\n");
    let body = r#"{"From_Account":"ann","StartIndex":0}"#;
    let closed = client.call(SEARCH, body);
    assert_eq!((closed.status, closed.code()), (200, 60017), "{}", closed.body);
    client.does(&get_contact_group("ann"));
    assert_eq!(client.metric(r#"confold_calls_total{command="search",code="60017"}"#), 1);
    let app = App { closed_services: vec!["recentcontact".to_owned()], ..page_app() };
    let server = InProcess::start(app, confold::store::in_memory());
    let unknown = server.client().call(SEARCH, body);
    assert_eq!(unknown.code(), 50001, "the service is open, and the account unknown: {}", unknown.body);
}

#[test]
fn the_command_line_finds_the_command_with_and_without_its_service() {
    let server = Server::dev(&[]);
    for name in ["search", SEARCH, "/v4/confold/search"] {
        let body = r#"{"From_Account":"user0","All":[5],"Type":2,"StartIndex":0}"#;
        let output = keyed(&["call", name, body]).args(at_server(&server)).finish();
        assert!(output.status.success(), "{name}: {}", said(&output));
        assert!(printed(&output).contains("@TGS#1N3RSUYG2"), "{name}: {}", said(&output));
    }
    let output = keyed(&["call", "confold/find", "{}"]).args(at_server(&server)).finish();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the service confold has no command \"find\""), "{}", said(&output));
}

/// Makes a dry run of a call.
fn dry(client: &mut Client, call: &Call) -> Answer {
    client.with_headers(call, "X-Confold-Dry-Run: 1\r\n")
}

const ECHO: &str = "x-confold-dry-run";

/// Returns calls of every command that writes. Each changes what the ones before it have left, and some have items that
/// are refused. `LATEST` is the id of the owner's latest event.
fn writes() -> Vec<(&'static str, Value)> {
    let contact = json!({"Type": 1, "To_Account": "teacher4"});
    let unknown = json!({"Type": 1, "To_Account": "ghost"});
    vec![
        ("im_open_login_svc/account_import", json!({"UserID": "ann", "Nick": "Ann"})),
        (
            "profile/portrait_set",
            json!({"From_Account": "ann", "ProfileItem": [{"Tag": "Tag_Profile_IM_Level", "Value": 3}]}),
        ),
        ("im_open_login_svc/multiaccount_import", json!({"Accounts": ["bob", "carl", "bad name"]})),
        (
            "recentcontact/mark_contact",
            json!({"From_Account": "user0", "MarkItem": [
            {"OptType": 3, "ContactItem": contact, "SetMark": [9], "CustomMark": "x"},
            {"OptType": 1, "ContactItem": unknown, "SetMark": [9]}]}),
        ),
        (
            "recentcontact/create_contact_group",
            json!({"From_Account": "user0", "GroupContactItem": [
            {"GroupName": "new", "ContactItem": [contact, unknown]}]}),
        ),
        (
            "recentcontact/update_contact_group",
            json!({"From_Account": "user0", "UpdateType": 1, "UpdateGroup":
            {"UpdateGroupType": 1, "OldGroupName": "new", "NewGroupName": "newer"}}),
        ),
        (
            "recentcontact/update_contact_group",
            json!({"From_Account": "user0", "UpdateType": 1, "UpdateGroup":
            {"UpdateGroupType": 2, "OldGroupName": "newer", "ContactUpdateItem": [
                {"ContactOptType": 2, "ContactItem": contact}]}}),
        ),
        ("confold/undo", json!({"From_Account": "user0", "Change": "LATEST"})),
        (
            "recentcontact/top",
            json!({"From_Account": "user0", "OperationType": 1, "RecentContactItem": [contact, {"Type": 1, "To_Account": "ann"}]}),
        ),
        ("recentcontact/delete", json!({"From_Account": "user0", "Type": 1, "To_Account": "teacher4"})),
        (
            "recentcontact/batch_delete",
            json!({"From_Account": "user0", "ContactItem": [{"Type": 1, "To_Account": "ann"}]}),
        ),
        ("recentcontact/del_contact_group", json!({"From_Account": "user0", "GroupName": ["test10"]})),
        (
            "group_open_http_svc/create_group",
            json!({"Type": "Public", "Name": "n", "GroupId": "club",
            "Owner_Account": "ann"}),
        ),
        ("group_open_http_svc/import_group", json!({"Type": "Public", "Name": "n", "GroupId": "@TGS#2NEW"})),
        (
            "group_open_http_svc/add_group_member",
            json!({"GroupId": "club", "MemberList": [
            {"Member_Account": "bob"}, {"Member_Account": "carl"}]}),
        ),
        (
            "group_open_http_svc/delete_group_member",
            json!({"GroupId": "club", "MemberToDel_Account": ["bob"]}),
        ),
        (
            "group_open_http_svc/import_group_member",
            json!({"GroupId": "club", "MemberList": [{"Member_Account": "bob"}, {"Member_Account": "ghost"}]}),
        ),
        (
            "group_open_http_svc/modify_group_base_info",
            json!({"GroupId": "club", "Name": "new", "Notification": "n"}),
        ),
        (
            "group_open_http_svc/modify_group_member_info",
            json!({"GroupId": "club", "Member_Account": "bob", "NameCard": "b"}),
        ),
        ("group_open_http_svc/change_group_owner", json!({"GroupId": "club", "NewOwner_Account": "bob"})),
        ("group_open_http_svc/destroy_group", json!({"GroupId": "@TGS#1N3RSUYG2"})),
        (
            "im_open_login_svc/account_delete",
            json!({"DeleteItem": [{"UserID": "user0"}, {"UserID": "ghost"}]}),
        ),
    ]
}

/// The message commands. Exports do not show what they change, so `neighbours.rs` tests them.
const MESSAGES: [Command; 6] = [
    Command::SendMsg,
    Command::BatchSendMsg,
    Command::ImportMsg,
    Command::SendGroupMsg,
    Command::ImportGroupMsg,
    Command::SendGroupSystemNotification,
];

/// The commands that write nothing.
const READS: [Command; 17] = [
    Command::GetList,
    Command::SearchContactGroup,
    Command::GetContactGroup,
    Command::AccountCheck,
    Command::GetGroupInfo,
    Command::GetAppidGroupList,
    Command::GetRoleInGroup,
    Command::Kick,
    Command::PortraitGet,
    Command::QueryOnlineStatus,
    Command::QueryState,
    Command::GetJoinedGroupList,
    Command::GetGroupMemberInfo,
    Command::GetOnlineMemberNum,
    Command::Search,
    Command::Changes,
    Command::History,
];

#[test]
fn a_dry_run_of_every_command_answers_like_the_command_and_keeps_nothing() {
    let server = Server::dev(&["--extensions", "recent"]);
    let mut client = server.client();
    // Some replies contain the current time.
    assert_eq!(client.post("/_dev/clock", r#"{"Freeze":true}"#).unwrap().status, 200);
    let everything = || exported(&at_server(&server));
    // An undo says which event it has caused. A dry run has caused none.
    let own_event = |reply: &str| {
        let reply: Value = serde_json::from_str(reply).unwrap();
        reply["EventId"].as_str().map(|id| format!(r#""EventId":"{id}","#)).unwrap_or_default()
    };
    for (command, mut body) in writes() {
        if body["Change"] == "LATEST" {
            let history = client.ok("confold/history", r#"{"From_Account":"user0"}"#);
            body["Change"] = history["Event"][0]["Id"].clone();
        }
        let call = Call::new(command, body);
        let before = everything();
        let tried = dry(&mut client, &call);
        assert_eq!(tried.headers.get(ECHO).map(String::as_str), Some("1"), "{command}");
        assert_eq!(everything(), before, "{command} changed something");
        let done = client.make(&call);
        let event = own_event(&done.body);
        assert_eq!((done.status, done.body.replace(&event, "")), (tried.status, tried.body), "{command}");
        assert_eq!(event.is_empty(), command != "confold/undo");
        assert!(!done.headers.contains_key(ECHO), "{command}: a client that did not ask gets no such header");
        assert_eq!(done.code(), 0, "{command}: {}", done.body);
        assert_ne!(everything(), before, "{command} should have changed something");
    }
    // What only reads answers as always.
    for command in READS {
        let example: Value = serde_json::from_str(command.description().example).unwrap();
        let name = command.full_name();
        let call = Call::new(Box::leak(name.into_boxed_str()), example);
        assert_eq!(dry(&mut client, &call).body, client.make(&call).body, "{}", command.name());
    }
    let tried: BTreeSet<String> = writes().iter().map(|(command, _)| (*command).to_owned()).collect();
    let read: BTreeSet<String> = READS.iter().map(|command| command.full_name()).collect();
    let all: BTreeSet<String> = Command::ALL.iter().map(|command| command.full_name()).collect();
    let messages: BTreeSet<String> = MESSAGES.iter().map(|command| command.full_name()).collect();
    assert_eq!(&(&tried | &read) | &messages, all, "every command should be tried here");
    assert_eq!((&tried & &read).len(), 0);
}

#[test]
fn accounts_of_one_dry_run_are_tried_each_alone() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let twice = Call::new(
        "im_open_login_svc/account_delete",
        json!({"DeleteItem": [{"UserID": "user0"}, {"UserID": "user0"}]}),
    );
    let codes = |answer: &Answer| {
        let items = answer.json()["ResultItem"].as_array().unwrap().clone();
        items.iter().map(|item| item["ResultCode"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&dry(&mut client, &twice)), [0, 0]);
    assert_eq!(codes(&client.make(&twice)), [0, 70107]);
    dry(&mut client, &multiaccount_import(&["ann".to_owned(), "bob".to_owned()]));
    let checked = client.does(&account_check("ann"));
    assert_eq!(checked["ResultItem"][0]["AccountStatus"], "NotImported");
    // What an earlier dry run would have made does not exist.
    dry(&mut client, &create_group("club"));
    client.does(&account_import("ann"));
    let tried = dry(&mut client, &create_contact_group("ann", "g").with(chat("club")));
    assert_eq!(tried.json()["GroupResultItem"][0]["ResultItem"][0]["ResultCode"], 51007);
}

#[test]
fn another_value_of_the_header_is_refused_and_the_call_has_no_effect() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let before = exported(&at_server(&server));
    let mark = mark_contact("user0").custom(user("teacher4"), "x");
    let header = |value: &str| format!("X-Confold-Dry-Run: {value}\r\n");
    let twice = [header("1"), header("0")].concat();
    for headers in
        [header("0"), header("true"), header(""), header("1, 1"), header("yes"), header("1x"), twice]
    {
        let refused = client.with_headers(&mark, &headers);
        let reply = refused.json();
        assert_eq!((refused.status, &reply["ErrorCode"]), (200, &json!(50002)), "{headers}");
        let said = reply["ErrorInfo"].as_str().unwrap();
        let beginning =
            "X-Confold-Dry-Run is refused: this header must be 1, or be left out to make the change, found ";
        assert!(said.starts_with(beginning) && said.ends_with("; this call had no effect"), "{said}");
        assert!(!refused.headers.contains_key(ECHO), "{headers}");
    }
    let bytes = b"X-Confold-Dry-Run: \xff\x1b[31m\r\n";
    let request = mark.request(&client);
    let place = request.find("Content-Length").unwrap();
    let spoilt = [&request.as_bytes()[..place], bytes, &request.as_bytes()[place..]].concat();
    let refused = client.raw(&spoilt).map(|answer| answer.json()["ErrorCode"].clone());
    assert!(refused.is_ok_and(|code| code != json!(0)), "bytes that are not text");
    client = server.client();
    for (call, code) in [(account_delete("user0"), 70402), (create_group("club"), 10004)] {
        assert_eq!(client.with_headers(&call, &header("no")).code(), code);
    }
    let twice = [header("1"), header("1")].concat();
    assert_eq!(client.with_headers(&mark, &twice).code(), 0, "a header that is sent twice has one value");
    assert_eq!(exported(&at_server(&server)), before);
    client.does(&mark);
    assert_ne!(exported(&at_server(&server)), before);
}

#[test]
fn what_is_not_a_command_refuses_dry_runs_instead_of_making_the_change() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let before = exported(&at_server(&server));
    let signed = client.target("x").split_once('?').unwrap().1.to_owned();
    let line = r#"{"Kind":"account","SdkAppId":88888888,"UserID":"zoe"}"#;
    for (target, body) in [
        (format!("/interchange/import?{signed}"), line),
        ("/_dev/seed".to_owned(), line),
        ("/_dev/reset".to_owned(), "{}"),
    ] {
        let request = |header: &str| {
            format!(
                "POST {target} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let refused = client.raw(request("X-Confold-Dry-Run: 1\r\n").as_bytes()).unwrap();
        let said = refused.json()["ErrorInfo"].as_str().unwrap().to_owned();
        assert!(
            refused.status == 400 && said.contains("works for commands below /v4/ only"),
            "{target}: {said}"
        );
        assert_eq!(exported(&at_server(&server)), before, "{target}");
        client = server.client();
        assert_eq!(client.raw(request("").as_bytes()).unwrap().status, 200, "{target}");
        client.raw(b"POST /_dev/reset HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").unwrap();
        let page = std::fs::read_to_string("src/cli/page.ndjson").unwrap();
        let seed =
            format!("POST /_dev/seed HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        assert_eq!(client.raw(seed.as_bytes()).unwrap().status, 200);
    }
    let health = client.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Confold-Dry-Run: 1\r\n\r\n").unwrap();
    assert_eq!(health.status, 200, "what only reads ignores the header");
}

#[test]
fn the_log_and_the_journal_say_what_was_a_dry_run() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let server = Server::logging_to(log.reopen().unwrap());
    let mut client = server.client();
    dry(&mut client, &account_import("ann"));
    client.does(&account_import("bob"));
    let journal = client.raw(b"GET /_dev/journal?Limit=10 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().json();
    let said: Vec<Option<bool>> =
        journal["Calls"].as_array().unwrap().iter().map(|call| call["DryRun"].as_bool()).collect();
    assert_eq!(said, [Some(true), None]);
    eventually("both calls are in the log", || {
        let text = std::fs::read_to_string(log.path()).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let calls: Vec<Value> = lines.filter(|line| line["command"] == "account_import").collect();
        calls.len() == 2 && calls[0]["dry_run"] == true && calls[1].get("dry_run").is_none()
    });
}

#[test]
fn a_web_page_may_send_the_header_if_it_asks() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let mut allowed = |asked: &str| {
        let asked = if asked.is_empty() {
            String::new()
        } else {
            format!("Access-Control-Request-Headers: {asked}\r\n")
        };
        let request = format!(
            "OPTIONS /v4/recentcontact/mark_contact HTTP/1.1\r\nHost: x\r\nOrigin: http://page\r\n{asked}\r\n"
        );
        let answer = client.raw(request.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        answer.headers["access-control-allow-headers"].clone()
    };
    let always = "X-Requested-With, Content-Type";
    assert_eq!(allowed(""), always);
    assert_eq!(allowed("content-type,x-other"), always, "what is not known is not allowed");
    for asked in ["x-confold-dry-run", "content-type, X-Confold-Dry-Run"] {
        assert_eq!(allowed(asked), format!("{always}, x-confold-dry-run"), "{asked}");
    }
}
