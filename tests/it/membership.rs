//! Tests that an owner has to be a member of a chat group to organize it, where the app requires that (decision 30).

use serde_json::{Value, json};

use crate::{
    bodies::{chat, get_contact_group, mark_contact},
    harness::{APP, Client, Server, at_server, fed, import_accounts, keyed, printed},
};

/// Starts a server with these options, and a chat group `team` of boss with the member ann, and a room of boss.
fn server(options: &[&str]) -> (Server, Client) {
    let server = Server::dev(options);
    let mut client = server.client();
    import_accounts(&mut client, &["boss", "ann", "eve"].map(str::to_owned));
    for body in [
        json!({"Type": "Public", "Name": "n", "GroupId": "team", "Owner_Account": "boss", "MemberList": [{"Member_Account": "ann"}]}),
        json!({"Type": "AVChatRoom", "Name": "n", "GroupId": "room", "Owner_Account": "boss"}),
    ] {
        client.ok("group_open_http_svc/create_group", &body.to_string());
    }
    (server, client)
}

/// Marks the conversations with chat groups, and returns the code of each item.
fn marks(client: &mut Client, owner: &str, groups: &[&str]) -> Vec<u64> {
    let call = groups.iter().fold(mark_contact(owner), |call, group| call.set(chat(group), [1]));
    codes(&client.ok("recentcontact/mark_contact", &call.body()))
}

fn codes(reply: &Value) -> Vec<u64> {
    reply["ResultItem"].as_array().unwrap().iter().map(|item| item["ResultCode"].as_u64().unwrap()).collect()
}

#[test]
fn an_owner_has_to_be_a_member_only_where_that_is_required() {
    let (_server, mut client) = server(&["--profile", "tencent-2026"]);
    let all = ["team", "room", "unknown"];
    for (owner, expected) in [("boss", [0, 0, 51007]), ("ann", [0, 0, 51007]), ("eve", [51007, 0, 51007])] {
        assert_eq!(marks(&mut client, owner, &all), expected, "{owner}");
    }
    let refused = client.ok("recentcontact/mark_contact", &mark_contact("eve").set(chat("team"), [1]).body());
    let said = refused["ResultItem"][0]["ResultInfo"].as_str().unwrap();
    assert!(
        said.starts_with("the owner is not a member of the chat group \"team\"; add the owner with"),
        "{said}"
    );
    // Creating a group and adding to it are refused for the item, too.
    let create = json!({"From_Account": "eve", "GroupContactItem": [{"GroupName": "g", "ContactItem": [chat("team")]}]});
    let created = client.ok("recentcontact/create_contact_group", &create.to_string());
    assert_eq!(created["GroupResultItem"][0]["ResultItem"][0]["ResultCode"], 51007);
    // What a former member has organized stays, and can be cleared and removed.
    client.ok("recentcontact/create_contact_group", &create.to_string().replace("eve", "ann"));
    let leave = r#"{"GroupId":"team","MemberToDel_Account":["ann"]}"#;
    client.ok("group_open_http_svc/delete_group_member", leave);
    assert_eq!(marks(&mut client, "ann", &["team"]), [51007]);
    let clear = mark_contact("ann").clear(chat("team"), [1]);
    assert_eq!(codes(&client.ok("recentcontact/mark_contact", &clear.body())), [0]);
    let remove = json!({"From_Account": "ann", "UpdateType": 1, "UpdateGroup": {"UpdateGroupType": 2, "OldGroupName": "g",
        "ContactUpdateItem": [{"ContactOptType": 2, "ContactItem": chat("team")}]}});
    let removed = client.ok("recentcontact/update_contact_group", &remove.to_string());
    assert_eq!(removed["UpdateGroupResult"]["ContactResultItem"][0]["ResultCode"], 0);
    let left = client.ok("recentcontact/get_contact_group", &get_contact_group("ann").body());
    let ids: Vec<&Value> =
        left["ContactItem"].as_array().unwrap().iter().map(|item| &item["ToGroupId"]).collect();
    assert_eq!(ids, ["room"]);
    // The other profiles do not require it.
    let (_server, mut client) = server(&["--profile", "open"]);
    assert_eq!(marks(&mut client, "eve", &all), [0, 0, 51007]);
}

#[test]
fn an_unknown_chat_group_of_an_open_directory_has_no_members_to_require() {
    let (_server, mut client) = server(&["--profile", "tencent-2026", "--directory", "open"]);
    assert_eq!(marks(&mut client, "eve", &["team", "room", "unknown"]), [51007, 0, 0]);
}

#[test]
fn imports_do_not_require_membership() {
    let (server, mut client) = server(&["--profile", "tencent-2026"]);
    let line = json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": "eve", "GroupItem": [],
        "ContactItem": [{"Type": 2, "ToGroupId": "team", "StandardMark": "1", "Timestamp": 1}]});
    let imported = fed(keyed(&["import"]).arg("-").args(at_server(&server)), &format!("{line}\n"));
    assert!(imported.status.success(), "{}", printed(&imported));
    let listed = client.ok("recentcontact/get_contact_group", &get_contact_group("eve").body());
    assert_eq!(listed["ContactItem"][0]["ToGroupId"], "team");
    assert_eq!(marks(&mut client, "eve", &["team"]), [51007]);
}
