//! What real clients send: administrators as users, empty values, empty arrays for objects, encoded bodies.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::{
    harness::{ADMIN, APP, Client, KEY, Server, eventually, said},
    serving::{Site, serving},
};

const ACCOUNTS: &str = "im_open_login_svc";
const GROUPS: &str = "group_open_http_svc";
const CONTACTS: &str = "recentcontact";

/// A call that succeeds.
fn done(client: &mut Client, service: &str, command: &str, body: &Value) -> Value {
    client.ok(&format!("{service}/{command}"), &body.to_string())
}

/// Everything that the server keeps, as lines.
fn exported(server: &Server) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
    command.args(["export", "--url", &format!("http://{}", server.address), "--app", &APP.to_string()]);
    let output =
        command.args(["--admin", ADMIN]).env("CONFOLD_KEY", KEY).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn checked(client: &mut Client, user: &str) -> Value {
    done(client, ACCOUNTS, "account_check", &json!({ "CheckItem": [{ "UserID": user }] }))["ResultItem"][0]
        ["AccountStatus"]
        .clone()
}

#[test]
fn an_administrator_is_an_account_without_being_stored() {
    let (_site, server, mut client) = serving("", "");
    let client = &mut client;
    done(client, ACCOUNTS, "account_import", &json!({ "UserID": "user" }));
    assert_eq!(checked(client, ADMIN), "Imported");
    assert_eq!(checked(client, "other"), "NotImported");

    // As owner and as peer.
    let contact = |user: &str| json!({ "Type": 1, "To_Account": user });
    let mark = |owner: &str, peer: &str| json!({ "From_Account": owner, "MarkItem": [{ "OptType": 1, "ContactItem": contact(peer), "SetMark": [0] }] });
    for (owner, peer) in [(ADMIN, "user"), ("user", ADMIN), (ADMIN, ADMIN)] {
        let marked = done(client, CONTACTS, "mark_contact", &mark(owner, peer));
        assert_eq!(marked["ResultItem"][0]["ResultCode"], 0, "{owner} about {peer}: {marked}");
    }
    let all = done(client, CONTACTS, "get_contact_group", &json!({ "From_Account": ADMIN, "StartIndex": 0 }));
    assert_eq!(all["ContactItem"].as_array().unwrap().len(), 2);

    // As owner and member of chat groups.
    let group = json!({ "Type": "Public", "Name": "g", "GroupId": "g", "Owner_Account": ADMIN });
    done(client, GROUPS, "create_group", &group);
    let member = json!([{ "Member_Account": ADMIN }]);
    let with_member = json!({ "Type": "Public", "Name": "h", "GroupId": "h", "MemberList": member });
    done(client, GROUPS, "create_group", &with_member);
    let imported = json!({ "Type": "Public", "Name": "i", "GroupId": "@TGS#i", "Owner_Account": ADMIN });
    done(client, GROUPS, "import_group", &imported);
    let added = done(
        client,
        GROUPS,
        "add_group_member",
        &json!({ "GroupId": "@TGS#i", "MemberList": [{ "Member_Account": "user" }] }),
    );
    assert_eq!(added["MemberList"][0]["Result"], 1);
    let added = done(client, GROUPS, "add_group_member", &json!({ "GroupId": "h", "MemberList": member }));
    assert_eq!(added["MemberList"][0]["Result"], 2, "it is a member already");
    for (group, role) in [("g", "Owner"), ("h", "Member"), ("@TGS#i", "Owner")] {
        let asked = json!({ "GroupId": group, "User_Account": [ADMIN] });
        assert_eq!(done(client, GROUPS, "get_role_in_group", &asked)["UserIdList"][0]["Role"], role);
    }

    // It is not deleted, and neither is what it keeps.
    let items = json!({ "DeleteItem": [{ "UserID": ADMIN }, { "UserID": "user" }] });
    let deleted = done(client, ACCOUNTS, "account_delete", &items);
    let results = &deleted["ResultItem"];
    assert_eq!(
        (&results[0]["ResultCode"], &results[1]["ResultCode"]),
        (&json!(71000), &json!(0)),
        "{deleted}"
    );
    let said = results[0]["ResultInfo"].as_str().unwrap();
    assert!(said.starts_with("administrators are set in the configuration"), "{said}");
    assert_eq!(checked(client, ADMIN), "Imported");
    let all = done(client, CONTACTS, "get_contact_group", &json!({ "From_Account": ADMIN, "StartIndex": 0 }));
    assert_eq!(all["ContactItem"].as_array().unwrap().len(), 2);

    // An export does not invent an account; a profile that was imported is stored like any other.
    let lines = exported(&server);
    assert!(!lines.contains(r#""Kind":"account""#), "{lines}");
    done(
        client,
        ACCOUNTS,
        "account_import",
        &json!({ "UserID": ADMIN, "Nick": "Ann", "FaceUrl": "http://a" }),
    );
    let lines = exported(&server);
    assert!(lines.contains(r#""UserID":"admin","Nick":"Ann","FaceUrl":"http://a""#), "{lines}");
}

#[test]
fn a_new_administrator_exists_from_the_reload_on() {
    let site = Site::new();
    site.configure("", "admins = [\"admin\", \"客服 1\"]");
    let server = site.serve();
    let client = &mut server.client();
    let get = |client: &mut Client, user: &str| {
        let body = json!({ "From_Account": user, "StartIndex": 0 }).to_string();
        client.call("recentcontact/get_contact_group", &body).code()
    };
    // This name could not be imported; an administrator it is all the same.
    assert_eq!((get(client, ADMIN), get(client, "客服 1"), get(client, "later")), (0, 0, 50001));
    let body = json!({ "From_Account": "客服 1", "MarkItem": [
        { "OptType": 1, "ContactItem": { "Type": 1, "To_Account": "admin" }, "SetMark": [0] }] });
    done(client, CONTACTS, "mark_contact", &body);
    let target = client.target("x").replace("/v4/x", "/interchange/import");
    let again = client.post(&target, &exported(&server)).unwrap();
    assert_eq!(again.status, 200, "an export is imported as it is: {}", again.body);

    site.configure("", "admins = [\"admin\", \"later\"]");
    server.signal(rustix::process::Signal::HUP);
    eventually("the new administrator is one", || get(client, "later") == 0);
    assert_eq!(get(client, "客服 1"), 50001, "who is not an administrator any more has no account");
}
