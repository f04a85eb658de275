//! The lines of the conformance list of the commands beside conversation groups, as far as they are about the members and
//! profiles of chat groups.

use serde_json::{Value, json};

use crate::harness::{Client, Server, at_server, exported, fed, import_accounts, keyed, said};

const DEMO: &str = "@TGS#2J4SZEAEL";

fn call(client: &mut Client, command: &str, body: &str) -> String {
    client.call(&format!("group_open_http_svc/{command}"), body).body
}

fn reply(client: &mut Client, command: &str, body: &Value) -> Value {
    serde_json::from_str(&call(client, command, &body.to_string())).unwrap()
}

fn code(client: &mut Client, command: &str, body: &Value) -> u64 {
    reply(client, command, body)["ErrorCode"].as_u64().unwrap()
}

/// Starts a server with the accounts and chat groups of the examples.
fn served(options: &[&str]) -> (Server, Client) {
    let server = Server::dev(options);
    let mut client = server.client();
    import_accounts(&mut client, &["user_0007", "user_0042", "cid"].map(str::to_owned));
    for (id, kind) in [(DEMO, "Public"), ("@TGS#aJ4SZEAEL", "AVChatRoom")] {
        let group = json!({"Owner_Account": "user_0007", "Type": kind, "GroupId": id, "Name": "Demo", "CreateTime": 1_767_220_000});
        assert_eq!(code(&mut client, "import_group", &group), 0);
    }
    (server, client)
}

#[test]
fn line_1_the_fields_of_every_example_have_their_order() {
    let (_server, mut client) = served(&[]);
    let base = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0"#;
    for (command, body, rest) in [
        (
            "import_group_member",
            r#"{"GroupId":"@TGS#2J4SZEAEL","MemberList":[{"Member_Account":"user_0042","Role":"Admin","JoinTime":1767220001},{"Member_Account":"ghost"}]}"#,
            r#","MemberList":[{"Member_Account":"user_0042","Result":1},{"Member_Account":"ghost","Result":0}]}"#,
        ),
        (
            "get_joined_group_list",
            r#"{"Member_Account":"user_0042","Limit":10,"ResponseFilter":{"GroupBaseInfoFilter":["Type","Name","MemberNum"],"SelfInfoFilter":["Role","JoinTime"]}}"#,
            r#","TotalCount":1,"GroupIdList":[{"GroupId":"@TGS#2J4SZEAEL","Type":"Public","Name":"Demo","MemberNum":2,"SelfInfo":{"Role":"Admin","JoinTime":1767220001}}]}"#,
        ),
        (
            "get_group_member_info",
            r#"{"GroupId":"@TGS#2J4SZEAEL","Limit":100,"Offset":0,"MemberInfoFilter":["Role","JoinTime"]}"#,
            r#","MemberNum":2,"MemberList":[{"Member_Account":"user_0007","Role":"Owner","JoinTime":1767220000},{"Member_Account":"user_0042","Role":"Admin","JoinTime":1767220001}]}"#,
        ),
        (
            "modify_group_base_info",
            r#"{"GroupId":"@TGS#2J4SZEAEL","Name":"Demo 2","Notification":"","MuteAllMember":"Off"}"#,
            "}",
        ),
        (
            "modify_group_member_info",
            r#"{"GroupId":"@TGS#2J4SZEAEL","Member_Account":"user_0042","Role":"Member","NameCard":"Ada from sales"}"#,
            "}",
        ),
        ("change_group_owner", r#"{"GroupId":"@TGS#2J4SZEAEL","NewOwner_Account":"user_0042"}"#, "}"),
        ("get_online_member_num", r#"{"GroupId":"@TGS#aJ4SZEAEL"}"#, r#","OnlineMemberNum":0}"#),
    ] {
        assert_eq!(call(&mut client, command, body), format!("{base}{rest}"), "{command}");
    }
    // A failure has the code before the text.
    let failed = call(&mut client, "get_online_member_num", r#"{"GroupId":"nowhere"}"#);
    assert!(failed.starts_with(r#"{"ActionStatus":"FAIL","ErrorCode":10010,"ErrorInfo":""#), "{failed}");
}

#[test]
fn line_15_members_are_imported_in_the_order_of_the_request_and_300_at_most() {
    let (_server, mut client) = served(&["--directory", "open"]);
    let members = |count: usize| {
        let users: Vec<Value> =
            (0..count).map(|user| json!({"Member_Account": format!("u{user}")})).collect();
        json!({"GroupId": DEMO, "MemberList": users})
    };
    let results = |reply: &Value| -> Vec<u64> {
        reply["MemberList"].as_array().unwrap().iter().map(|item| item["Result"].as_u64().unwrap()).collect()
    };
    assert_eq!(code(&mut client, "import_group_member", &members(301)), 10005);
    assert_eq!(code(&mut client, "import_group_member", &members(0)), 10004);
    let imported = reply(&mut client, "import_group_member", &members(300));
    assert_eq!(results(&imported), [1; 300]);
    let (_server, mut client) = served(&[]);
    let some = json!({"GroupId": DEMO, "MemberList": [{"Member_Account": "ghost"}, {"Member_Account": "cid"},
        {"Member_Account": "user_0007"}, {"Member_Account": "user_0042", "JoinTime": 1_767_219_999}]});
    assert_eq!(results(&reply(&mut client, "import_group_member", &some)), [0, 1, 2, 0]);
    let room = json!({"GroupId": "@TGS#aJ4SZEAEL", "MemberList": [{"Member_Account": "cid"}]});
    assert_eq!(code(&mut client, "import_group_member", &room), 10007);
}

#[test]
fn line_16_joined_groups_are_listed_by_id_and_counted_whatever_the_limit() {
    let (_server, mut client) = served(&[]);
    for id in ["b", "a", "C"] {
        let group = json!({"Owner_Account": "user_0007", "Type": "Private", "GroupId": id, "Name": id, "MemberList": [{"Member_Account": "cid"}]});
        assert_eq!(code(&mut client, "create_group", &group), 0);
    }
    let listed = reply(&mut client, "get_joined_group_list", &json!({"Member_Account": "cid"}));
    assert_eq!(listed["GroupIdList"], json!([{"GroupId": "C"}, {"GroupId": "a"}, {"GroupId": "b"}]));
    let one = json!({"Member_Account": "cid", "Limit": 1, "Offset": 2});
    let listed = reply(&mut client, "get_joined_group_list", &one);
    assert_eq!((&listed["TotalCount"], &listed["GroupIdList"]), (&json!(3), &json!([{"GroupId": "b"}])));
    let older = json!({"Member_Account": "cid", "Limit": 1, "ResponseFilter": {"GroupBaseInfoFilter": ["ShutUpAllMember"]}});
    let listed = reply(&mut client, "get_joined_group_list", &older);
    assert_eq!(listed["GroupIdList"], json!([{"GroupId": "C", "ShutUpAllMember": "Off"}]));
    // Those who leave, and all members of a chat group that is disbanded, have it in their list no more.
    let leave = json!({"GroupId": "a", "MemberToDel_Account": ["cid"]});
    assert_eq!(code(&mut client, "delete_group_member", &leave), 0);
    assert_eq!(code(&mut client, "destroy_group", &json!({"GroupId": "b"})), 0);
    let listed = reply(&mut client, "get_joined_group_list", &json!({"Member_Account": "cid"}));
    assert_eq!(listed["GroupIdList"], json!([{"GroupId": "C"}]));
    assert_eq!(code(&mut client, "get_joined_group_list", &json!({"Member_Account": "ghost"})), 10019);
    let (_server, mut client) = served(&["--directory", "open"]);
    let listed = reply(&mut client, "get_joined_group_list", &json!({"Member_Account": "ghost"}));
    assert_eq!((&listed["TotalCount"], &listed["GroupIdList"]), (&json!(0), &json!([])));
}

#[test]
fn line_17_null_filters_and_a_limit_of_0_ask_for_everything() {
    let (_server, mut client) = served(&[]);
    let member =
        json!({"GroupId": DEMO, "MemberList": [{"Member_Account": "user_0042"}, {"Member_Account": "cid"}]});
    assert_eq!(code(&mut client, "add_group_member", &member), 0);
    let all =
        json!({"GroupId": DEMO, "Limit": 0, "Offset": 0, "MemberInfoFilter": null, "MemberRoleFilter": null});
    let listed = reply(&mut client, "get_group_member_info", &all);
    let fields = |member: &Value| member.as_object().unwrap().len();
    assert_eq!(listed["MemberList"].as_array().unwrap().iter().map(fields).collect::<Vec<_>>(), [8; 3]);
    let few = json!({"GroupId": DEMO, "Limit": 1, "Offset": 1, "MemberRoleFilter": ["Member"], "MemberInfoFilter": ["Role"]});
    let listed = reply(&mut client, "get_group_member_info", &few);
    assert_eq!((&listed["MemberNum"], listed["MemberList"].as_array().unwrap().len()), (&json!(3), 1));
    assert_eq!(listed["MemberList"][0]["Role"], "Member");
}

#[test]
fn line_18_older_names_of_fields_are_accepted() {
    let (_server, mut client) = served(&[]);
    let get = json!({"GroupIdList": [DEMO], "ResponseFilter": {"GroupBaseInfoFilter": ["MaxMemberNum", "MuteAllMember", "ShutUpAllMember", "LastInfoTime"]}});
    let change = json!({"GroupId": DEMO, "MaxMemberCount": 17, "ShutUpAllMember": "On"});
    assert_eq!(code(&mut client, "modify_group_base_info", &change), 0);
    let info = reply(&mut client, "get_group_info", &get)["GroupInfo"][0].take();
    assert_eq!(
        [&info["MaxMemberNum"], &info["MuteAllMember"], &info["ShutUpAllMember"]],
        [&json!(17), &json!("On"), &json!("On")]
    );
    assert!(info["LastInfoTime"].as_u64() > Some(1_767_220_000), "a change moves it");
    let private = json!({"Owner_Account": "user_0007", "Type": "Private", "GroupId": "p", "Name": "p", "MemberList": [{"Member_Account": "cid"}]});
    assert_eq!(code(&mut client, "create_group", &private), 0);
    for name in ["MuteTime", "ShutUpTime", "MuteUntil", "ShutUpUntil"] {
        // Nobody can be muted in a private group, so the call is refused if the name is understood.
        let mut mute = json!({"GroupId": "p", "Member_Account": "cid"});
        mute[name] = json!(60);
        assert_eq!(code(&mut client, "modify_group_member_info", &mute), 10007, "{name}");
        mute["GroupId"] = json!(DEMO);
        mute["Member_Account"] = json!("user_0007");
        assert_eq!(code(&mut client, "modify_group_member_info", &mute), 0, "{name}");
    }
    let older = json!({"GroupId": DEMO, "MemberInfoFilter": ["ShutUpUntil"]});
    let listed = reply(&mut client, "get_group_member_info", &older);
    assert_eq!(listed["MemberList"][0], json!({"Member_Account": "user_0007", "ShutUpUntil": 0}));
}

#[test]
fn line_19_only_a_member_becomes_the_owner() {
    let (_server, mut client) = served(&[]);
    let change = |group: &str, user: &str| json!({"GroupId": group, "NewOwner_Account": user});
    assert_eq!(code(&mut client, "change_group_owner", &change(DEMO, "cid")), 10004);
    assert_eq!(code(&mut client, "change_group_owner", &change("@TGS#aJ4SZEAEL", "user_0007")), 10007);
    assert_eq!(code(&mut client, "change_group_owner", &change(DEMO, "user_0007")), 0);
    let member = json!({"GroupId": DEMO, "MemberList": [{"Member_Account": "cid"}]});
    assert_eq!(code(&mut client, "add_group_member", &member), 0);
    assert_eq!(code(&mut client, "change_group_owner", &change(DEMO, "cid")), 0);
    let roles = reply(
        &mut client,
        "get_role_in_group",
        &json!({"GroupId": DEMO, "User_Account": ["cid", "user_0007"]}),
    );
    let roles: Vec<&Value> =
        roles["UserIdList"].as_array().unwrap().iter().map(|user| &user["Role"]).collect();
    assert_eq!(roles, ["Owner", "Member"]);
    // Both have it in their list, and the former owner can leave now.
    let leave = json!({"GroupId": DEMO, "MemberToDel_Account": ["user_0007"]});
    assert_eq!(code(&mut client, "delete_group_member", &leave), 0);
    for (user, count) in [("cid", 1), ("user_0007", 0)] {
        let listed = reply(&mut client, "get_joined_group_list", &json!({"Member_Account": user}));
        assert_eq!(listed["TotalCount"], count, "{user}");
    }
}

#[test]
fn line_20_only_a_room_counts_who_is_online() {
    let (_server, mut client) = served(&[]);
    assert_eq!(code(&mut client, "get_online_member_num", &json!({"GroupId": DEMO})), 10007);
    let room = reply(&mut client, "get_online_member_num", &json!({"GroupId": "@TGS#aJ4SZEAEL"}));
    assert_eq!(room["OnlineMemberNum"], 0);
}

#[test]
fn a_reply_of_more_than_a_mebibyte_is_refused() {
    let (_server, mut client) = served(&["--directory", "open"]);
    let grow = json!({"GroupId": DEMO, "MaxMemberNum": 6_000});
    assert_eq!(code(&mut client, "modify_group_base_info", &grow), 0);
    for part in 0..19 {
        let users: Vec<Value> =
            (0..300).map(|user| json!({"Member_Account": format!("{:\"<32}", part * 300 + user)})).collect();
        assert_eq!(
            code(&mut client, "import_group_member", &json!({"GroupId": DEMO, "MemberList": users})),
            0
        );
    }
    assert_eq!(code(&mut client, "get_group_member_info", &json!({"GroupId": DEMO})), 10018);
    assert_eq!(code(&mut client, "get_group_member_info", &json!({"GroupId": DEMO, "Limit": 100})), 0);
}

/// Makes changes of every kind to the profile and the members of the demo group.
fn changed(client: &mut Client) {
    for (command, body) in [
        (
            "import_group_member",
            json!({"GroupId": DEMO, "MemberList": [{"Member_Account": "user_0042", "JoinTime": 1_767_220_005}]}),
        ),
        ("add_group_member", json!({"GroupId": DEMO, "MemberList": [{"Member_Account": "cid"}]})),
        (
            "modify_group_base_info",
            json!({"GroupId": DEMO, "Notification": "n", "InviteJoinOption": "DisableInvite", "MuteAllMember": "On"}),
        ),
        (
            "modify_group_member_info",
            json!({"GroupId": DEMO, "Member_Account": "user_0042", "NameCard": "Ada"}),
        ),
        (
            "modify_group_member_info",
            json!({"GroupId": DEMO, "Member_Account": "cid", "Role": "Admin", "NameCard": "Cid"}),
        ),
        ("change_group_owner", json!({"GroupId": DEMO, "NewOwner_Account": "user_0042"})),
    ] {
        assert_eq!(code(client, command, &body), 0, "{command}");
    }
}

/// Returns the replies in which the profile and the members of the demo group can be seen.
fn shown(client: &mut Client) -> Vec<String> {
    let members = call(client, "get_group_member_info", &json!({"GroupId": DEMO}).to_string());
    let filter = json!({"GroupBaseInfoFilter": ["Notification", "InviteJoinOption", "MuteAllMember", "LastInfoTime", "Owner_Account"],
        "SelfInfoFilter": ["Role", "JoinTime", "NameCard"]});
    let joined = ["user_0007", "user_0042", "cid"].map(|user| {
        let body = json!({"Member_Account": user, "ResponseFilter": filter, "WithHugeGroups": 1});
        call(client, "get_joined_group_list", &body.to_string())
    });
    [&[members][..], &joined].concat()
}

#[test]
fn profiles_and_members_are_exported_imported_and_kept_in_snapshots() {
    let (first, mut client) = served(&[]);
    changed(&mut client);
    let before = shown(&mut client);
    assert!(
        before[0].contains(r#""NameCard":"Ada""#) && before[2].contains(r#""JoinTime":1767220005"#),
        "{before:?}"
    );
    let all = exported(&at_server(&first));
    let second = Server::dev(&["--empty"]);
    let imported = fed(keyed(&["import"]).arg("-").args(at_server(&second)), &all);
    assert!(imported.status.success(), "{}", said(&imported));
    assert_eq!(exported(&at_server(&second)), all);
    assert_eq!(shown(&mut second.client()), before);
    // A snapshot keeps them as well, and a reset ends all memberships.
    let control = |client: &mut Client, path: &str, body: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(client.raw(head.as_bytes()).unwrap().status, 200, "{path}");
    };
    control(&mut client, "/_dev/snapshot", r#"{"Name":"s"}"#);
    control(&mut client, "/_dev/reset", "");
    import_accounts(&mut client, &["user_0042".to_owned()]);
    let listed = reply(&mut client, "get_joined_group_list", &json!({"Member_Account": "user_0042"}));
    assert_eq!(listed["TotalCount"], 0);
    control(&mut client, "/_dev/restore", r#"{"Name":"s"}"#);
    assert_eq!(shown(&mut client), before);
}

#[test]
fn a_deleted_account_stays_a_member_but_has_no_list() {
    let (_server, mut client) = served(&[]);
    changed(&mut client);
    client.ok("im_open_login_svc/account_delete", r#"{"DeleteItem":[{"UserID":"cid"}]}"#);
    assert_eq!(code(&mut client, "get_joined_group_list", &json!({"Member_Account": "cid"})), 10019);
    let members = reply(&mut client, "get_group_member_info", &json!({"GroupId": DEMO}));
    assert_eq!(members["MemberNum"], 3);
    import_accounts(&mut client, &["cid".to_owned()]);
    let listed = reply(&mut client, "get_joined_group_list", &json!({"Member_Account": "cid"}));
    assert_eq!(listed["TotalCount"], 1);
}
