//! Tests the commands beside `recentcontact`: profiles, presence and messages. Each test names the line of the
//! conformance list of neighbouring commands that it shows. The arrangement of the replies is in the golden files.

use std::{collections::BTreeSet, sync::Arc};

use confold::{
    auth::{App, MessageMode},
    clock::Clock,
    domain::{AppId, ChatGroupId},
    store::{self, Store, StoreConfig},
};
use serde_json::{Value, json};

use crate::{
    bodies::account_import,
    harness::{ADMIN, APP, Answer, Client, InProcess, Server, at_server, exported, page_app},
};

const SET: &str = "profile/portrait_set";
const GET: &str = "profile/portrait_get";
const STATUS: &str = "openim/query_online_status";
const SEND: &str = "openim/sendmsg";
const BATCH: &str = "openim/batchsendmsg";
const IMPORT: &str = "openim/importmsg";
const SEND_TO_GROUP: &str = "group_open_http_svc/send_group_msg";
const IMPORT_TO_GROUP: &str = "group_open_http_svc/import_group_msg";

/// A server whose store the test can read.
struct World {
    server: InProcess,
    store: Arc<dyn Store>,
}

impl World {
    /// Starts a server that accepts messages, with the users `ann` and `bob`.
    fn accepting(app: App) -> World {
        let store = store::in_memory();
        let server = InProcess::start(App { messages: MessageMode::Accept, ..app }, Arc::clone(&store));
        let world = World { server, store };
        for user in ["ann", "bob"] {
            world.client().does(&account_import(user));
        }
        world
    }

    fn client(&self) -> Client {
        self.server.client()
    }

    /// Returns the recent lists of these users as texts such as `ann>bob`.
    fn sessions(&self, users: &[&str]) -> BTreeSet<String> {
        let mut client = self.client();
        let mut all = BTreeSet::new();
        for user in users {
            all.extend(recent(&mut client, user).into_iter().map(|(peer, _)| format!("{user}>{peer}")));
        }
        all
    }

    /// Returns the time of the newest message that moves the sessions of a chat group.
    fn moved(&self, group: &str) -> u64 {
        let lives = vec![(ChatGroupId::parse(group).unwrap(), 0)];
        wait(self.store.chat_group_times(AppId::new(APP).unwrap(), lives))[0].last()
    }
}

/// Returns the users in the recent list of a user, with the times of their newest messages.
fn recent(client: &mut Client, user: &str) -> Vec<(String, u64)> {
    let body = json!({
        "From_Account": user, "TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0, "TopStartIndex": 0, "AssistFlags": 0,
    });
    let list = done(client, "recentcontact/get_list", &body);
    let items = list["SessionItem"].as_array().unwrap().iter();
    let item = |item: &Value| {
        let peer = item["To_Account"].as_str().unwrap().to_owned();
        (peer, item["MsgTime"].as_u64().unwrap())
    };
    items.map(item).collect()
}

fn wait<T>(pending: store::Pending<'_, T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(pending).unwrap()
}

/// Calls a command that has to succeed.
#[track_caller]
fn done(client: &mut Client, command: &str, body: &Value) -> Value {
    let answer = client.call(command, &body.to_string());
    assert_eq!(answer.code(), 0, "{command} {body}: {}", answer.body);
    answer.json()
}

fn code(client: &mut Client, command: &str, body: &Value) -> u64 {
    client.call(command, &body.to_string()).code()
}

fn set(tag: &str, value: &Value) -> Value {
    json!({"From_Account": "ann", "ProfileItem": [{"Tag": tag, "Value": value}]})
}

/// Returns the value of a field of `ann`'s profile.
fn field(client: &mut Client, tag: &str) -> Value {
    let found = done(client, GET, &json!({"To_Account": ["ann"], "TagList": [tag]}));
    found["UserProfileItem"][0]["ProfileItem"][0]["Value"].clone()
}

/// Returns a message with these fields.
fn message(fields: Value) -> Value {
    let mut message = json!({
        "From_Account": "ann", "To_Account": "bob", "MsgRandom": 7, "MsgSeq": 5,
        "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hello"}}],
    });
    with(&mut message, fields)
}

/// Returns a message to the chat group `group`.
fn to_group(fields: Value) -> Value {
    let mut message = json!({
        "GroupId": "group", "From_Account": "ann", "Random": 7,
        "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hello"}}],
    });
    with(&mut message, fields)
}

fn with(message: &mut Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    for (name, value) in fields {
        message[name] = value;
    }
    message.take()
}

fn create_group(client: &mut Client, id: &str, kind: &str) {
    done(client, "group_open_http_svc/create_group", &json!({"Type": kind, "Name": "n", "GroupId": id}));
}

/// Returns `NextMsgSeq` and `LastMsgTime` of the chat group `group`.
fn next(client: &mut Client) -> (u64, u64) {
    let info = done(client, "group_open_http_svc/get_group_info", &json!({"GroupIdList": ["group"]}));
    let info = &info["GroupInfo"][0];
    (info["NextMsgSeq"].as_u64().unwrap(), info["LastMsgTime"].as_u64().unwrap())
}

fn says(answer: &Answer, text: &str) -> bool {
    answer.json()["ErrorInfo"].as_str().unwrap().contains(text)
}

#[test]
fn line_1_the_examples_have_the_fields_in_their_order() {
    let server = Server::dev(&["--messages", "accept"]);
    let mut client = server.client();
    for user in ["user_0007", "user_0042"] {
        client.does(&account_import(user));
    }
    for (command, body, reply) in [
        (
            SET,
            r#"{"From_Account":"user_0007","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Ada"},{"Tag":"Tag_Profile_IM_Level","Value":3}]}"#,
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
        (
            GET,
            r#"{"To_Account":["user_0007","ghost"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Level"]}"#,
            r#"{"UserProfileItem":[{"To_Account":"user_0007","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Ada"},{"Tag":"Tag_Profile_IM_Level","Value":3}],"ResultCode":0,"ResultInfo":""},{"To_Account":"ghost","ResultCode":40003,"ResultInfo":"this account is not imported"}],"Fail_Account":["ghost"],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
        (
            "im_open_login_svc/kick",
            r#"{"UserID":"user_0007"}"#,
            r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#,
        ),
        (
            STATUS,
            r#"{"To_Account":["user_0007","ghost"]}"#,
            r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"QueryResult":[{"To_Account":"user_0007","Status":"Offline","State":"Offline"}],"ErrorList":[{"To_Account":"ghost","ErrorCode":70107}]}"#,
        ),
    ] {
        assert_eq!(client.call(command, body).body, reply);
    }
    let names = |reply: &str| -> Vec<String> {
        let mut names = Vec::new();
        let mut rest = reply;
        while let Some(at) = rest.find("\":") {
            names.push(rest[..at].rsplit('"').next().unwrap().to_owned());
            rest = &rest[at + 2..];
        }
        names
    };
    let sent = client
        .call(SEND, &message(json!({"From_Account": "user_0007", "To_Account": "user_0042"})).to_string());
    assert_eq!(names(&sent.body), ["ActionStatus", "ErrorInfo", "ErrorCode", "MsgTime", "MsgKey", "MsgId"]);
    let to = |users: &[&str]| message(json!({"From_Account": "user_0007", "To_Account": users})).to_string();
    let all = client.call(BATCH, &to(&["user_0042"]));
    assert_eq!(names(&all.body), ["ErrorInfo", "ActionStatus", "ErrorCode", "MsgKey", "MsgId"]);
    let some = client.call(BATCH, &to(&["user_0042", "ghost"]));
    let expected =
        ["ActionStatus", "ErrorCode", "ErrorInfo", "MsgKey", "MsgId", "ErrorList", "To_Account", "ErrorCode"];
    assert_eq!(names(&some.body), expected);
    let none = client.call(BATCH, &to(&["ghost"]));
    assert_eq!(names(&none.body), ["ActionStatus", "ErrorInfo", "ErrorCode"]);
    create_group(&mut client, "group", "Public");
    let posted = client.call(SEND_TO_GROUP, &to_group(json!({"From_Account": "user_0007"})).to_string());
    assert_eq!(names(&posted.body), ["ActionStatus", "ErrorInfo", "ErrorCode", "MsgTime", "MsgSeq"]);
    let refused = client.call(IMPORT_TO_GROUP, r#"{"GroupId":"nowhere"}"#);
    assert_eq!(names(&refused.body), ["ActionStatus", "ErrorCode", "ErrorInfo", "ImportMsgResult"]);
}

#[test]
fn line_2_both_names_of_the_status_are_there_and_querystate_lists_everybody() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let body = json!({"To_Account": ["user0", "ghost", ""], "IsNeedDetail": 1});
    let newer = done(&mut client, STATUS, &body);
    let offline = |user: &str| json!({"To_Account": user, "Status": "Offline", "State": "Offline"});
    assert_eq!(newer["QueryResult"], json!([offline("user0")]));
    let unknown = |user: &str| json!({"To_Account": user, "ErrorCode": 70107});
    assert_eq!(newer["ErrorList"], json!([unknown("ghost"), unknown("")]));
    let older = done(&mut client, "openim/querystate", &body);
    assert_eq!(older["QueryResult"], json!([offline("user0"), offline("ghost"), offline("")]));
    assert_eq!(older.get("ErrorList"), None);
    assert_eq!(done(&mut client, STATUS, &json!({"To_Account": [ADMIN]}))["ErrorList"], json!([]));
}

#[test]
fn line_3_five_hundred_users_may_be_asked_for() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let users = |count: usize| json!({"To_Account": vec!["user0"; count]});
    assert_eq!(done(&mut client, STATUS, &users(500))["QueryResult"].as_array().unwrap().len(), 500);
    for (body, expected) in
        [(users(501), 90011), (users(0), 90001), (json!({"To_Account": "user0"}), 90003), (json!({}), 90003)]
    {
        for command in [STATUS, "openim/querystate"] {
            assert_eq!(code(&mut client, command, &body), expected, "{body}");
        }
    }
    let empty = client.call(STATUS, r#"{"To_Account":[]}"#);
    assert!(says(&empty, "Fail to Parse json data of body, Please check it"), "{}", empty.body);
}

#[test]
fn line_4_fields_of_a_profile_are_checked_and_nothing_is_stored_if_one_is_wrong() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.does(&account_import("ann"));
    done(&mut client, SET, &set("Tag_Profile_IM_BirthDay", &json!("19900101")));
    assert_eq!(field(&mut client, "Tag_Profile_IM_BirthDay"), 19_900_101);
    done(&mut client, SET, &set("Tag_Profile_Custom_Test", &json!("text")));
    assert_eq!(field(&mut client, "Tag_Profile_Custom_Test"), "text");
    for (tag, value, expected) in [
        ("Tag_Profile_IM_Nick", json!(7), 40610),
        ("Tag_Profile_IM_Nick", json!("x".repeat(501)), 40601),
        ("Tag_Profile_IM_Level", json!(1.5), 40610),
        ("Tag_Profile_IM_Gender", json!("male"), 40605),
        ("Tag_Profile_IM_Location", json!("x".repeat(17)), 40605),
        ("Tag_Profile_Custom_Toolongkey", json!("x"), 40009),
        ("faceURL", json!("x"), 40009),
    ] {
        let mut body = set("Tag_Profile_IM_Nick", &json!("kept?"));
        body["ProfileItem"].as_array_mut().unwrap().push(json!({"Tag": tag, "Value": value}));
        assert_eq!(code(&mut client, SET, &body), expected, "{tag}");
    }
    assert_eq!(field(&mut client, "Tag_Profile_IM_Nick"), Value::Null, "nothing of a refused call is stored");
    done(&mut client, SET, &set("Tag_Profile_IM_Nick", &json!("x".repeat(500))));
    // The last of a repeated tag wins, and an empty text clears.
    let twice = json!({"From_Account": "ann", "ProfileItem": [
        {"Tag": "Tag_Profile_IM_Nick", "Value": "first"}, {"Tag": "Tag_Profile_IM_Nick", "Value": "last"},
        {"Tag": "Tag_Profile_Custom_Test", "Value": ""}, {"Tag": "Tag_Profile_IM_AllowType", "Value": ""}]});
    done(&mut client, SET, &twice);
    assert_eq!(field(&mut client, "Tag_Profile_IM_Nick"), "last");
    assert_eq!(field(&mut client, "Tag_Profile_Custom_Test"), Value::Null);
    assert_eq!(field(&mut client, "Tag_Profile_IM_AllowType"), "AllowType_Type_NeedConfirm");
    let many =
        |count: usize| json!({"From_Account": "ann", "ProfileItem": vec![&twice["ProfileItem"][0]; count]});
    assert_eq!((code(&mut client, SET, &many(100)), code(&mut client, SET, &many(101))), (0, 40001));
}

#[test]
fn line_5_the_nickname_of_account_import_is_that_of_the_profile() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let import = |client: &mut Client, fields: Value| {
        done(client, "im_open_login_svc/account_import", &with(&mut json!({"UserID": "ann"}), fields));
    };
    import(&mut client, json!({"Nick": "Ann", "FaceUrl": "http://a"}));
    assert_eq!(field(&mut client, "Tag_Profile_IM_Nick"), "Ann");
    assert_eq!(field(&mut client, "Tag_Profile_IM_Image"), "http://a");
    done(&mut client, SET, &set("Tag_Profile_IM_Nick", &json!("Anna")));
    done(&mut client, SET, &set("Tag_Profile_IM_Level", &json!(3)));
    import(&mut client, json!({"FaceUrl": "http://b"}));
    assert_eq!(field(&mut client, "Tag_Profile_IM_Nick"), "Anna");
    assert_eq!(field(&mut client, "Tag_Profile_IM_Level"), 3);
    let exported = exported(&at_server(&server));
    let line = exported.lines().find(|line| line.contains("\"UserID\":\"ann\"")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["Nick"], &line["FaceUrl"]), (&json!("Anna"), &json!("http://b")));
    assert_eq!(line["ProfileItem"], json!([{"Tag": "Tag_Profile_IM_Level", "Value": 3}]));
}

#[test]
fn line_6_a_user_who_does_not_exist_is_in_fail_account() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let get = |users: Value| json!({"To_Account": users, "TagList": ["Tag_Profile_IM_Nick"]});
    let mixed = done(&mut client, GET, &get(json!(["ghost", "user0", ""])));
    assert_eq!(mixed["Fail_Account"], json!(["ghost", ""]));
    let items = mixed["UserProfileItem"].as_array().unwrap();
    let codes: Vec<&Value> = items.iter().map(|item| &item["ResultCode"]).collect();
    assert_eq!(codes, [40003, 0, 40003]);
    assert!(items[0].get("ProfileItem").is_none() && items[1]["ProfileItem"].is_array());
    assert_eq!(done(&mut client, GET, &get(json!(["user0"]))).get("Fail_Account"), None);
    for (body, expected) in [
        (json!({"TagList": ["Tag_Profile_IM_Nick"]}), 40002),
        (get(json!([])), 40002),
        (get(json!(vec!["user0"; 101])), 40001),
        (json!({"To_Account": ["user0"], "TagList": []}), 40001),
        (json!({"To_Account": ["user0"], "TagList": ["Nick"]}), 40009),
    ] {
        assert_eq!(code(&mut client, GET, &body), expected, "{body}");
    }
}

#[test]
fn a_profile_ends_with_its_account_and_its_changes_are_events() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.does(&account_import("ann"));
    done(&mut client, SET, &set("Tag_Profile_Custom_Test", &json!("secret word")));
    let history = client.call("confold/history", r#"{"From_Account":"ann"}"#);
    let event = &history.json()["Event"][0]["Changes"][0];
    assert_eq!(event["Change"], "account_changed", "{}", history.body);
    let item = json!([{"Tag": "Tag_Profile_Custom_Test", "Value": "secret word"}]);
    assert_eq!((&event["Account"]["ProfileItem"], event["Before"].get("ProfileItem")), (&item, None));
    done(&mut client, "im_open_login_svc/account_delete", &json!({"DeleteItem": [{"UserID": "ann"}]}));
    assert_eq!(code(&mut client, SET, &set("Tag_Profile_IM_Nick", &json!("x"))), 40003);
    client.does(&account_import("ann"));
    assert_eq!(field(&mut client, "Tag_Profile_Custom_Test"), Value::Null);
    let history = client.call("confold/history", r#"{"From_Account":"ann"}"#).body;
    assert!(!history.contains("secret word"), "{history}");
    let exported = exported(&at_server(&server));
    assert!(!exported.contains("secret word"), "{exported}");
}

#[test]
fn line_7_kick_takes_the_old_name_of_its_field() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    for body in [
        json!({"UserID": "user0"}),
        json!({"Identifier": "user0"}),
        json!({"UserID": "", "Identifier": ADMIN}),
    ] {
        done(&mut client, "im_open_login_svc/kick", &body);
    }
    let ghost = client.call("im_open_login_svc/kick", r#"{"UserID":"ghost"}"#);
    let said = ghost.json()["ErrorInfo"].clone();
    assert_eq!((ghost.code(), said), (70107, json!("Err_TLS_PT_Open_Login_Account_Not_Exist")));
    assert!(ghost.headers["x-confold-hint"].contains("UserID: the account \"ghost\""), "{:?}", ghost.headers);
}

#[test]
fn line_8_the_ids_of_a_message_consist_of_its_numbers() {
    let world = World::accepting(page_app());
    let mut client = world.client();
    let sent = done(&mut client, SEND, &message(json!({})));
    let time = sent["MsgTime"].as_u64().unwrap();
    assert_eq!(sent["MsgKey"], format!("5_7_{time}"));
    let (sender, rest) = sent["MsgId"].as_str().unwrap().split_once('-').unwrap();
    assert_eq!(rest, format!("{time}-7"));
    assert!((1 << 57..(1u64 << 57) + (1 << 40)).contains(&sender.parse().unwrap()), "{sender}");
    let of = |sent: &Value| sent["MsgId"].as_str().unwrap().split('-').next().unwrap().to_owned();
    let again = done(&mut client, SEND, &message(json!({"To_Account": ADMIN, "MsgSeq": 6})));
    assert_eq!(of(&again), sender, "the number of a sender is stable");
    let other = done(&mut client, SEND, &message(json!({"From_Account": "bob", "To_Account": "ann"})));
    assert_ne!(of(&other), sender);
    let seq = |sent: &Value| sent["MsgKey"].as_str().unwrap().split('_').next().unwrap().to_owned();
    let without = |client: &mut Client| {
        let sent = done(client, SEND, &message(json!({"MsgSeq": 0})));
        seq(&sent)
    };
    assert_ne!(without(&mut client), without(&mut client), "a number is made up at random");
}

#[test]
fn line_9_a_message_without_a_sender_is_the_administrators() {
    let world = World::accepting(App { touch_admins: true, ..page_app() });
    let mut client = world.client();
    let id = |sent: &Value| sent["MsgId"].as_str().unwrap().split('-').next().unwrap().to_owned();
    let named = id(&done(&mut client, SEND, &message(json!({"From_Account": ADMIN}))));
    for sender in [json!(""), json!(null)] {
        assert_eq!(id(&done(&mut client, SEND, &message(json!({"From_Account": sender})))), named);
    }
    let both = [format!("{ADMIN}>bob"), format!("bob>{ADMIN}")];
    assert_eq!(world.sessions(&["ann", "bob", ADMIN]), BTreeSet::from(both.clone()));
    // By default, the administrator's own list does not move.
    let world = World::accepting(page_app());
    done(&mut world.client(), SEND, &message(json!({"From_Account": ""})));
    assert_eq!(world.sessions(&["ann", "bob", ADMIN]), BTreeSet::from([both[1].clone()]));
}

#[test]
fn line_10_a_message_to_several_reaches_those_who_exist() {
    let world = World::accepting(page_app());
    let mut client = world.client();
    let to = |users: Value| message(json!({"To_Account": users}));
    let all = done(&mut client, BATCH, &to(json!(["bob", ADMIN])));
    assert_eq!((all.get("ErrorList"), &all["ActionStatus"]), (None, &json!("OK")));
    let some = done(&mut client, BATCH, &to(json!(["ghost", "bob", ""])));
    assert_eq!(some["ActionStatus"], "SomeError");
    let unknown = |user: &str| json!({"To_Account": user, "ErrorCode": 70107});
    assert_eq!(some["ErrorList"], json!([unknown("ghost"), unknown("")]));
    let none = client.call(BATCH, &to(json!(["ghost"])).to_string());
    assert!(none.code() == 90012 && says(&none, "invalid To_Account"), "{}", none.body);
    assert_eq!(
        world.sessions(&["ann", "bob"]),
        BTreeSet::from([format!("ann>{ADMIN}"), "ann>bob".to_owned(), "bob>ann".to_owned()])
    );
    for (users, expected) in
        [(json!("bob"), 90028), (json!(null), 90028), (json!([]), 90029), (json!(vec!["bob"; 501]), 90011)]
    {
        assert_eq!(code(&mut client, BATCH, &to(users)), expected);
    }
    assert_eq!(code(&mut client, BATCH, &to(json!(vec!["bob"; 500]))), 0);
    let long = json!([{"MsgType": "TIMTextElem", "MsgContent": {"Text": "x".repeat(12 * 1024)}}]);
    let long = |users: Value| message(json!({"To_Account": users, "MsgBody": long}));
    assert_eq!(code(&mut client, BATCH, &long(json!(["bob"]))), 90055);
    assert_eq!(code(&mut client, SEND, &long(json!("bob"))), 93000);
}

#[test]
fn line_11_imported_messages_say_whether_they_are_old() {
    let world = World::accepting(page_app());
    let mut client = world.client();
    let import = |kind: Value| message(json!({"SyncFromOldSystem": kind, "MsgTimeStamp": 1_700_000_000}));
    for kind in [1, 2, 5] {
        let reply = done(&mut client, IMPORT, &import(json!(kind)));
        assert_eq!(reply, json!({"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0}));
    }
    for kind in [json!(3), json!(0), json!("x"), json!(null)] {
        assert_eq!(code(&mut client, IMPORT, &import(kind)), 90030);
    }
    assert_eq!(world.sessions(&["ann", "bob"]), ["ann>bob", "bob>ann"].map(str::to_owned).into());
    let last = || recent(&mut world.client(), "ann")[0].1;
    assert_eq!(last(), 1_700_000_000, "the time of the message counts");
    let mut future = import(json!(2));
    future["MsgTimeStamp"] = json!(4_000_000_000u64);
    done(&mut client, IMPORT, &future);
    assert!(
        (1_700_000_001..=Clock::system().now()).contains(&last()),
        "a message from the future is one of now"
    );
    for time in [json!(null), json!("yesterday"), json!(-1)] {
        let body = message(json!({"SyncFromOldSystem": 2, "MsgTimeStamp": time}));
        assert_eq!(code(&mut client, IMPORT, &body), 90006);
    }
    let mut anonymous = import(json!(2));
    anonymous["From_Account"] = json!(null);
    assert_eq!(code(&mut client, IMPORT, &anonymous), 90008);
}

#[test]
fn line_12_messages_of_a_chat_group_are_counted_and_a_new_life_begins_at_1() {
    let world = World::accepting(page_app());
    let mut client = world.client();
    let old = json!({"Type": "Public", "Name": "n", "GroupId": "group", "CreateTime": 1_600_000_000});
    done(&mut client, "group_open_http_svc/import_group", &old);
    assert_eq!(next(&mut client), (1, 0));
    let past = |time: u64| to_group(json!({"SendTime": time}));
    let import = |times: &[u64]| json!({"GroupId": "group", "MsgList": times.iter().map(|time| past(*time)).collect::<Vec<_>>()});
    let imported = done(&mut client, IMPORT_TO_GROUP, &import(&[1_700_000_000, 1_700_000_000]));
    let result = |seq: u64| json!({"MsgSeq": seq, "MsgTime": 1_700_000_000, "Result": 0});
    assert_eq!(imported["ImportMsgResult"], json!([result(1), result(2)]));
    assert_eq!(next(&mut client), (3, 1_700_000_000));
    let sent = done(&mut client, SEND_TO_GROUP, &to_group(json!({})));
    assert_eq!(sent["MsgSeq"], 3);
    assert_eq!(next(&mut client), (4, sent["MsgTime"].as_u64().unwrap()));
    // A message only for those who are online takes a number, and is not the last one.
    let fleeting = done(&mut client, SEND_TO_GROUP, &to_group(json!({"OnlineOnlyFlag": 1})));
    assert_eq!(fleeting["MsgSeq"], 4);
    assert_eq!(next(&mut client), (5, sent["MsgTime"].as_u64().unwrap()));
    done(&mut client, "group_open_http_svc/destroy_group", &json!({"GroupId": "group"}));
    assert_eq!(code(&mut client, SEND_TO_GROUP, &to_group(json!({}))), 10010);
    create_group(&mut client, "group", "Public");
    assert_eq!(next(&mut client), (1, 0));
    assert_eq!(done(&mut client, SEND_TO_GROUP, &to_group(json!({})))["MsgSeq"], 1);
    assert_eq!(next(&mut client).0, 2);
}

#[test]
fn line_13_some_messages_do_not_move_the_list() {
    let world = World::accepting(page_app());
    let mut client = world.client();
    for (fields, moved) in [
        (json!({"SendMsgControl": ["NoUnread", "NoLastMsg"]}), &[][..]),
        (json!({"OnlineOnlyFlag": 1}), &[]),
        (json!({"MsgLifeTime": 0}), &[]),
        (json!({"SyncOtherMachine": 2}), &["bob>ann"]),
        (json!({"MsgLifeTime": 60, "SyncOtherMachine": 1, "OnlineOnlyFlag": 0}), &["ann>bob", "bob>ann"]),
    ] {
        done(&mut client, SEND, &message(fields.clone()));
        assert_eq!(world.sessions(&["ann", "bob"]).iter().collect::<Vec<_>>(), moved, "{fields}");
    }
    let old = json!({"Type": "Public", "Name": "n", "GroupId": "group", "CreateTime": 1_600_000_000});
    done(&mut client, "group_open_http_svc/import_group", &old);
    create_group(&mut client, "room", "AVChatRoom");
    for fields in [
        json!({"SendMsgControl": ["NoLastMsg"]}),
        json!({"OnlineOnlyFlag": 1}),
        json!({"MsgOnlineOnlyFlag": 1}),
        json!({"To_Account": ["bob"]}),
        json!({"TopicId": "@TGS#_x@TOPIC#_y"}),
        json!({"GroupId": "room"}),
        json!({"GroupId": "room", "OnlineOnlyFlag": 1}),
    ] {
        done(&mut client, SEND_TO_GROUP, &to_group(fields));
    }
    assert_eq!((world.moved("group"), world.moved("room")), (0, 0));
    let notice = json!({"GroupId": "group", "Content": "x", "ToMembers_Account": ["bob"]});
    done(&mut client, "group_open_http_svc/send_group_system_notification", &notice);
    assert_eq!(world.moved("group"), 0);
    done(&mut client, SEND_TO_GROUP, &to_group(json!({})));
    assert!(world.moved("group") > 0);
    // Imported messages move the list only if they say so.
    done(
        &mut client,
        "group_open_http_svc/import_group",
        &with(&mut old.clone(), json!({"GroupId": "past"})),
    );
    let import = |time: u64, flag: u64| {
        let message = to_group(json!({"SendTime": time}));
        json!({"GroupId": "past", "MsgList": [message], "RecentContactFlag": flag})
    };
    done(&mut client, IMPORT_TO_GROUP, &import(1_700_000_000, 0));
    assert_eq!(world.moved("past"), 0);
    done(&mut client, IMPORT_TO_GROUP, &import(1_700_000_001, 1));
    assert_eq!(world.moved("past"), 1_700_000_001);
}

#[test]
fn line_14_seven_messages_may_be_imported_in_order() {
    let world = World::accepting(page_app());
    let mut client = world.client();
    let old = json!({"Type": "Public", "Name": "n", "GroupId": "group", "CreateTime": 1_600_000_000});
    done(&mut client, "group_open_http_svc/import_group", &old);
    let import = |times: &[u64]| {
        let past = |time: &u64| to_group(json!({"SendTime": time}));
        json!({"GroupId": "group", "MsgList": times.iter().map(past).collect::<Vec<_>>()})
    };
    let refused = client.call(IMPORT_TO_GROUP, &import(&[1_700_000_000; 8]).to_string());
    assert_eq!((refused.code(), &refused.json()["ImportMsgResult"]), (10004, &json!([])));
    assert_eq!(code(&mut client, IMPORT_TO_GROUP, &import(&[])), 10004);
    let times = [1_599_999_999, 1_600_000_000, 1_700_000_001, 1_700_000_000, 4_000_000_000, 1_700_000_001];
    let imported = done(&mut client, IMPORT_TO_GROUP, &import(&times));
    let found: Vec<(u64, u64)> = (imported["ImportMsgResult"].as_array().unwrap().iter())
        .map(|item| (item["MsgSeq"].as_u64().unwrap(), item["Result"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, [(0, 10004), (1, 0), (2, 0), (0, 10004), (0, 10004), (3, 0)]);
    let listed: Vec<u64> = (imported["ImportMsgResult"].as_array().unwrap().iter())
        .map(|item| item["MsgTime"].as_u64().unwrap())
        .collect();
    assert_eq!(listed, times);
    // The order is that of all calls together.
    let again = done(&mut client, IMPORT_TO_GROUP, &import(&[1_700_000_000]));
    assert_eq!(again["ImportMsgResult"][0]["Result"], 10004);
    let mut long = import(&[1_700_000_002]);
    long["MsgList"][0]["MsgBody"][0]["MsgContent"]["Text"] = json!("x".repeat(12 * 1024));
    assert_eq!(done(&mut client, IMPORT_TO_GROUP, &long)["ImportMsgResult"][0]["Result"], 80002);
    create_group(&mut client, "room", "AVChatRoom");
    assert_eq!(
        code(&mut client, IMPORT_TO_GROUP, &with(&mut import(&[1_700_000_002]), json!({"GroupId": "room"}))),
        10007
    );
}

#[test]
fn a_message_to_a_chat_group_moves_the_lists_of_its_members_at_once() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::dev(&["--messages", "accept", "--data", data.path().to_str().unwrap()]);
    let mut client = server.client();
    for user in ["ann", "bob"] {
        client.does(&account_import(user));
    }
    let group =
        json!({"Type": "Public", "Name": "n", "GroupId": "group", "MemberList": [{"Member_Account": "ann"}]});
    done(&mut client, "group_open_http_svc/create_group", &group);
    let listed = |client: &mut Client, user: &str| {
        let body = json!({
            "From_Account": user, "TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0, "TopStartIndex": 0, "AssistFlags": 0,
        });
        let list = done(client, "recentcontact/get_list", &body);
        list["SessionItem"].as_array().unwrap().iter().map(|item| item["GroupId"].clone()).collect::<Vec<_>>()
    };
    // The lists are read before, so that an outdated one in memory would be noticed.
    assert_eq!((listed(&mut client, "ann"), listed(&mut client, "bob")), (vec![], vec![]));
    done(&mut client, SEND_TO_GROUP, &to_group(json!({})));
    assert_eq!((listed(&mut client, "ann"), listed(&mut client, "bob")), (vec![json!("group")], vec![]));
}

#[test]
fn a_message_to_a_chat_group_is_checked() {
    let world = World::accepting(page_app());
    let mut client = world.client();
    create_group(&mut client, "group", "Public");
    let long = json!([{"MsgType": "TIMTextElem", "MsgContent": {"Text": "x".repeat(12 * 1024)}}]);
    for (fields, expected) in [
        (json!({"MsgBody": long}), 80002),
        (json!({"MsgBody": []}), 10004),
        (json!({"MsgBody": [{"MsgType": "Text", "MsgContent": {}}]}), 10004),
        (json!({"Random": null}), 10004),
        (json!({"MsgPriority": "high"}), 10004),
        (json!({"To_Account": vec!["bob"; 51]}), 10004),
        (json!({"GroupAtInfo": vec![json!({"GroupAtAllFlag": 1}); 31]}), 10053),
        (json!({"GroupAtInfo": vec![json!({"GroupAtAllFlag": 1}); 30]}), 0),
        (json!({"From_Account": "ghost"}), 10019),
        (json!({"GroupId": "nowhere"}), 10010),
        (json!({"GroupId": "é"}), 10015),
    ] {
        assert_eq!(code(&mut client, SEND_TO_GROUP, &to_group(fields.clone())), expected, "{fields}");
    }
    assert_eq!(next(&mut client).0, 2, "a refused message takes no number");
}

#[test]
fn a_message_between_users_is_checked() {
    let world = World::accepting(page_app());
    let mut client = world.client();
    for (fields, expected) in [
        (json!({"MsgBody": []}), 90002),
        (json!({"MsgBody": [{"MsgContent": {}}]}), 90002),
        (json!({"MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": []}]}), 0),
        (json!({"MsgBody": [7]}), 90010),
        (json!({"MsgBody": {}}), 90007),
        (json!({"MsgRandom": -1}), 90005),
        (json!({"MsgRandom": u32::MAX}), 0),
        (json!({"To_Account": "a-name-of-more-than-thirty-two-bytes"}), 90012),
        (json!({"From_Account": "ghost"}), 90008),
        (json!({"OfflinePushInfo": "x"}), 90043),
        (json!({"OfflinePushInfo": {"PushFlag": 0}}), 0),
        (json!({"MsgLifeTime": 9_999_999}), 0),
        (json!({"MsgLifeTime": "x"}), 90044),
        (json!({"SyncOtherMachine": "x"}), 90031),
        (json!({"To_Account": 7}), 60015),
    ] {
        assert_eq!(code(&mut client, SEND, &message(fields.clone())), expected, "{fields}");
    }
}

#[test]
fn a_dry_run_of_a_message_moves_nothing() {
    let world = World::accepting(page_app());
    let mut client = world.client();
    create_group(&mut client, "group", "Public");
    let mut dry = |command: &str, body: &Value| {
        let (target, body) = (client.target(command), body.to_string());
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nX-Confold-Dry-Run: 1\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        client.raw(format!("{head}{body}").as_bytes()).unwrap().json()
    };
    assert_eq!(dry(SEND, &message(json!({})))["ErrorCode"], 0);
    for _ in 0..2 {
        assert_eq!(dry(SEND_TO_GROUP, &to_group(json!({})))["MsgSeq"], 1);
    }
    assert_eq!(world.sessions(&["ann", "bob"]), BTreeSet::new());
    assert_eq!((next(&mut world.client()), world.moved("group")), ((1, 0), 0));
}

#[test]
fn in_an_open_directory_every_user_and_chat_group_exists() {
    let server = Server::dev(&["--directory", "open", "--messages", "accept"]);
    let mut client = server.client();
    done(&mut client, SEND, &message(json!({"From_Account": "stranger", "To_Account": "other"})));
    for number in [1, 2] {
        let sent = done(&mut client, SEND_TO_GROUP, &to_group(json!({"From_Account": "stranger"})));
        assert_eq!(sent["MsgSeq"], number);
    }
    done(&mut client, "im_open_login_svc/kick", &json!({"UserID": "stranger"}));
    assert_eq!(done(&mut client, STATUS, &json!({"To_Account": ["stranger"]}))["ErrorList"], json!([]));
    done(&mut client, SET, &set("Tag_Profile_IM_Nick", &json!("Ann")));
    assert_eq!(field(&mut client, "Tag_Profile_IM_Nick"), "Ann");
}

#[test]
fn profiles_and_numbers_of_messages_outlive_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let run = |work: &mut dyn FnMut(&mut Client)| {
        let store = store::open(&StoreConfig::new(directory.path())).unwrap();
        let app = App { messages: MessageMode::Accept, ..page_app() };
        let server = InProcess::start(app, Arc::clone(&store));
        work(&mut server.client());
        drop(server);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(store.close());
    };
    run(&mut |client| {
        client.does(&account_import("ann"));
        create_group(client, "group", "Public");
        done(client, SET, &set("Tag_Profile_Custom_Test", &json!("text")));
        assert_eq!(done(client, SEND_TO_GROUP, &to_group(json!({})))["MsgSeq"], 1);
    });
    run(&mut |client| {
        assert_eq!(field(client, "Tag_Profile_Custom_Test"), "text");
        assert_eq!(done(client, SEND_TO_GROUP, &to_group(json!({})))["MsgSeq"], 2);
    });
}
