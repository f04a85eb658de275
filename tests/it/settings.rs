//! Tests the settings of an app, and the error codes that only these settings cause.

use std::sync::{Arc, mpsc};

use confold::{
    auth::{App, Network},
    clock::Clock,
    domain::{AppId, Edit, Limits, Owner, Terms, UserId},
    store::{self, StoreConfig, Write},
};

use crate::{
    bodies::{
        account_import, create_contact_group, create_group, del_contact_group, mark_contact, records,
        rename_contact_group, search_contact_group, user,
    },
    harness::{ADMIN, APP, Client, InProcess, KEY, Server, eventually, page_app, query},
    wait::message,
    windows::{assert_calls_a_second, burst},
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
const IMPORT: &str = "im_open_login_svc/account_import";

fn start(app: App) -> InProcess {
    InProcess::start(app, store::in_memory())
}

/// Makes one call and returns its code and text.
fn refusal(app: App) -> (u64, String) {
    let answer = start(app).client().call(GET, BODY);
    (answer.code(), answer.json()["ErrorInfo"].as_str().unwrap().to_owned())
}

#[test]
fn an_app_without_settings_admits_its_administrator() {
    let server = start(page_app());
    server.client().does(&account_import("user0"));
    assert_eq!(server.client().call(GET, BODY).code(), 0);
}

#[test]
fn a_disabled_app_gives_60016() {
    let (code, said) = refusal(App { disabled: true, ..page_app() });
    assert_eq!((code, said.as_str()), (60016, "app 88888888 is disabled on this server"));
}

#[test]
fn a_closed_service_gives_60017_and_the_others_work() {
    let server = start(App { closed_services: vec!["recentcontact".to_owned()], ..page_app() });
    let mut client = server.client();
    assert_eq!(client.call(GET, BODY).code(), 60017);
    client.does(&account_import("user0"));
}

#[test]
fn an_expired_plan_gives_60020() {
    let now = Clock::system().now();
    assert_eq!(refusal(App { plan_until: Some(now - 1), ..page_app() }).0, 60020);
    assert_eq!(
        refusal(App { plan_until: Some(now + 100), ..page_app() }).0,
        50001,
        "the caller should be admitted, and the user be unknown"
    );
}

#[test]
fn a_source_that_is_not_allowed_gives_60021() {
    let only =
        |network: &str| App { allowed_sources: Network::parse(network).map(|one| vec![one]), ..page_app() };
    let (code, said) = refusal(only("10.0.0.0/8"));
    assert_eq!(
        (code, said.as_str()),
        (60021, "calls for app 88888888 are not allowed from the address 127.0.0.1")
    );
    assert_eq!(refusal(only("127.0.0.0/8")).0, 50001);
}

#[test]
fn a_denied_account_gives_70051() {
    assert_eq!(refusal(App { denied: vec![ADMIN.to_owned()], ..page_app() }).0, 70051);
    assert_eq!(refusal(App { denied: vec!["other".to_owned()], ..page_app() }).0, 50001);
}

#[test]
fn an_app_without_a_key_gives_70016() {
    let (code, said) = refusal(App { key: None, ..page_app() });
    assert_eq!(code, 70016);
    assert!(said.contains("--app 88888888:KEY"), "{said}");
    // Checks that do not need the key come first.
    let server = start(App { key: None, ..page_app() });
    let other = format!("/v4/{GET}?{}", query(7, ADMIN, KEY).replace("sdkappid=7&", "sdkappid=88888888&"));
    assert_eq!(server.client().post(&other, BODY).unwrap().code(), 70014);
}

#[test]
fn more_calls_a_second_than_the_app_may_make_give_60011() {
    let server = start(App { calls_per_second: Some(5), ..page_app() });
    assert_calls_a_second(&mut server.client(), GET, BODY, 5, 60011);
    // The limit covers all commands together: calls of one command use up the window of another. A window may end in
    // between.
    let (mut client, import) = (server.client(), account_import("user0"));
    eventually("a command finds no room after another one", || {
        let requests = burst(&client, GET, BODY, 5) + &import.request(&client);
        client.send(requests.as_bytes()).unwrap();
        let codes: Vec<u64> = (0..6).map(|_| client.answer(false).unwrap().code()).collect();
        codes[..5].iter().all(|code| *code != 60011) && codes[5] == 60011
    });
}

#[test]
fn too_many_failed_signatures_give_70050_but_a_good_one_passes() {
    let clock = Clock::system();
    clock.freeze(None);
    let app = App { failed_signatures: Some(3), ..page_app() };
    let server = InProcess::start_by(clock.clone(), app, store::in_memory());
    let mut client = server.client();
    let forged = |identifier: &str| format!("/v4/{GET}?{}", query(APP, identifier, "wrong-key"));
    let code = |client: &mut Client, target: &str| client.post(target, BODY).unwrap().code();
    let codes = [(); 5].map(|()| code(&mut client, &forged(ADMIN)));
    assert_eq!(codes, [70009, 70009, 70009, 70050, 70050]);
    assert_eq!(
        client.call(GET, BODY).code(),
        50001,
        "a valid signature should never be refused because of forged ones"
    );
    assert_eq!(code(&mut client, &forged("other")), 70009, "another identifier should be counted separately");
    clock.advance(60);
    assert_eq!(code(&mut client, &forged(ADMIN)), 70009, "the next minute");
}

#[test]
fn below_the_ultimate_edition_only_custom_marks_are_written() {
    let server = Server::dev(&["--edition", "basic"]);
    let mut client = server.client();
    for user in ["owner", "peer"] {
        client.does(&account_import(user));
    }
    let custom = mark_contact("owner").custom(user("peer"), "x");
    for refused in [
        create_contact_group("owner", "g").with(user("peer")),
        rename_contact_group("owner", "g", "h"),
        del_contact_group("owner", &["g"]),
        custom.clone().set(user("peer"), [1]),
        mark_contact("owner").set_custom(user("peer"), [], "x"),
    ] {
        assert_eq!(client.make(&refused).code(), 51013, "{}", refused.command);
    }
    // Mistakes in a request are reported before the edition is checked.
    assert_eq!(client.call("recentcontact/del_contact_group", r#"{"From_Account":"owner"}"#).code(), 50002);
    assert_eq!(records(&mut client, "owner"), [] as [serde_json::Value; 0], "nothing was written");
    client.does(&custom);
    assert_eq!(records(&mut client, "owner")[0]["CustomMark"], "x");
    client.does(&search_contact_group("owner").with(user("peer")));
}

#[test]
fn the_open_profile_has_100_groups() {
    let server = start(App { limits: Limits::OPEN, ..page_app() });
    let mut client = server.client();
    client.does(&account_import("user0"));
    let codes: Vec<u64> = (0..101)
        .map(|count| {
            client.make(&create_contact_group("user0", &format!("g{count}")).with(user("user0"))).code()
        })
        .collect();
    assert!(codes[..100].iter().all(|code| *code == 0) && codes[100] == 51010, "{codes:?}");
}

#[test]
fn the_size_of_a_page_is_a_setting() {
    let server = start(App { page_size: 2, ..page_app() });
    let mut client = server.client();
    for id in ["user0", "user1", "user2"] {
        client.does(&account_import(id));
        client.does(&mark_contact("user0").custom(user(id), "x"));
    }
    let first = client.ok(GET, BODY);
    assert_eq!((first["ContactItem"].as_array().unwrap().len(), &first["CompleteFlag"]), (2, &0.into()));
}

#[test]
fn when_too_much_waits_to_be_written_a_call_gets_60018() {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open(&StoreConfig { queue: 1, ..StoreConfig::new(directory.path()) }).unwrap();
    let server = InProcess::start(page_app(), Arc::clone(&store));
    let mut client = server.client();
    client.does(&account_import("user0"));
    // One change occupies the writer, another one fills the queue.
    let owner = || Owner { app: AppId::new(APP).unwrap(), user: UserId::parse("user0").unwrap() };
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let held = store.between_writes(Box::new(move || {
        begun.send(()).unwrap();
        message(&may_go_on, "the writer may go on");
    }));
    message(&has_begun, "the writer has begun");
    let again = Edit::ImportAccount { nick: None, face_url: None };
    let filling = store.commit(Write::new(owner(), again, Terms::of_tools(Limits::OPEN, 0)));
    let mark = mark_contact("user0").custom(user("user0"), "x");
    let refused = client.make(&mark);
    go_on.send(()).unwrap();
    drop((held, filling));
    assert_eq!(refused.code(), 60018, "{}", refused.body);
    assert_eq!(
        client.ok(GET, BODY)["ContactItem"],
        serde_json::json!([]),
        "the refused call should have no effect"
    );
    eventually("later it passes", || client.make(&mark).code() == 0);
}

#[test]
fn members_have_their_bounds() {
    let server = start(page_app());
    let mut client = server.client();
    client.does(&create_group("g"));
    let users: Vec<String> = (0..501).map(|count| format!("u{count}")).collect();
    let members = |count: usize| -> Vec<serde_json::Value> {
        users[..count].iter().map(|user| serde_json::json!({ "Member_Account": user })).collect()
    };
    let mut code = |command: &str, body: serde_json::Value| client.call(command, &body.to_string()).code();
    let add = |count| serde_json::json!({"GroupId": "g", "MemberList": members(count)});
    assert_eq!([300, 301].map(|count| code("group_open_http_svc/add_group_member", add(count))), [0, 10005]);
    let remove = |count: usize| serde_json::json!({"GroupId": "g", "MemberToDel_Account": &users[..count]});
    assert_eq!(
        [500, 501].map(|count| code("group_open_http_svc/delete_group_member", remove(count))),
        [0, 10005]
    );
    let roles = |count: usize| serde_json::json!({"GroupId": "g", "User_Account": &users[..count]});
    assert_eq!(
        [500, 501].map(|count| code("group_open_http_svc/get_role_in_group", roles(count))),
        [0, 10005]
    );
    let create = |count| serde_json::json!({"Type": "Public", "Name": "n", "MemberList": members(count)});
    assert_eq!(
        [100, 101].map(|count| code("group_open_http_svc/create_group", create(count))),
        [10019, 10005]
    );
}

#[test]
fn a_profile_text_has_500_bytes() {
    let server = start(page_app());
    let mut client = server.client();
    for field in ["Nick", "FaceUrl"] {
        let mut import = |length: usize| {
            let body = serde_json::json!({"UserID": "user0", field: "x".repeat(length)});
            client.call(IMPORT, &body.to_string()).json()
        };
        assert_eq!(import(500)["ErrorCode"], 0);
        let refused = import(501);
        assert_eq!(refused["ErrorCode"], 40601);
        assert_eq!(refused["ErrorInfo"], format!("{field} may have at most 500 bytes, found 501"));
    }
}

#[test]
fn texts_of_chat_groups_have_their_bounds() {
    let server = start(page_app());
    let mut client = server.client();
    for (field, limit) in [("Name", 30), ("Introduction", 240), ("Notification", 300), ("FaceUrl", 100)] {
        let mut code = |bytes: usize| {
            let mut body = serde_json::json!({"Type": "Public", "Name": "n"});
            body[field] = "x".repeat(bytes).into();
            client.call("group_open_http_svc/create_group", &body.to_string()).code()
        };
        assert_eq!([code(limit), code(limit + 1)], [0, 10004], "{field}");
    }
}

#[test]
fn lists_of_accounts_and_groups_have_their_bounds() {
    let server = start(page_app());
    let mut client = server.client();
    let ids = |count: usize| (0..count).map(|count| format!("u{count}")).collect::<Vec<_>>();
    let objects =
        |count| ids(count).into_iter().map(|id| serde_json::json!({"UserID": id})).collect::<Vec<_>>();
    for (command, field, limit, refused, plain) in [
        ("im_open_login_svc/multiaccount_import", "Accounts", 100, 70402, true),
        ("im_open_login_svc/multiaccount_import", "AccountList", 100, 70402, false),
        ("im_open_login_svc/account_check", "CheckItem", 100, 70402, false),
        ("im_open_login_svc/account_delete", "DeleteItem", 100, 70402, false),
        ("group_open_http_svc/get_group_info", "GroupIdList", 50, 10004, true),
    ] {
        let mut code = |count: usize| {
            let list = if plain { serde_json::json!(ids(count)) } else { serde_json::json!(objects(count)) };
            let mut body = serde_json::json!({});
            body[field] = list;
            client.call(command, &body.to_string()).code()
        };
        assert_eq!([code(0), code(1), code(limit), code(limit + 1)], [refused, 0, 0, refused], "{field}");
    }
}

#[test]
fn a_reply_does_not_depend_on_the_host_or_a_content_type() {
    let server = start(page_app());
    let mut client = server.client();
    client.does(&account_import("user0"));
    let target = client.target(GET);
    for headers in ["Host: console.tim.qq.com\r\n", "Host: nowhere:99\r\nContent-Type: text/plain\r\n"] {
        let request =
            format!("POST {target} HTTP/1.1\r\n{headers}Content-Length: {}\r\n\r\n{BODY}", BODY.len());
        assert_eq!(client.raw(request.as_bytes()).unwrap().code(), 0, "{headers}");
    }
}

#[test]
fn in_dev_every_failed_signature_has_its_own_code() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let forged = format!("/v4/{GET}?{}", query(APP, ADMIN, "wrong-key"));
    for _ in 0..150 {
        assert_eq!(client.post(&forged, BODY).unwrap().code(), 70009);
    }
    // Outside dev, there is a limit by default.
    let clock = Clock::system();
    clock.freeze(None);
    let server = InProcess::start_by(clock, page_app(), store::in_memory());
    let mut client = server.client();
    let codes: Vec<u64> = (0..61).map(|_| client.post(&forged, BODY).unwrap().code()).collect();
    assert!(codes[..60].iter().all(|code| *code == 70009) && codes[60] == 70050, "{codes:?}");
}

#[test]
fn a_probe_of_a_store_that_hangs_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open(&StoreConfig::new(directory.path())).unwrap();
    let server = InProcess::start(page_app(), Arc::clone(&store));
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let held = store.between_writes(Box::new(move || message(&may_go_on, "the writer may go on")));
    let answer = server.client().raw(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    go_on.send(()).unwrap();
    drop(held);
    assert_eq!((answer.status, answer.body.as_str()), (503, "not ready: the store does not answer\n"));
    let mut client = server.client();
    eventually("the store answers again", || {
        client.raw(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status == 200
    });
}
