//! Tests what real clients send: administrators as users, empty values, empty arrays for objects, encoded bodies.

use std::io::{Read, Write};

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use serde_json::{Value, json};

use crate::{
    harness::{ADMIN, Answer, Client, Server, at_server, eventually, exported},
    serving::{Site, serving},
};

const ACCOUNTS: &str = "im_open_login_svc";
const GROUPS: &str = "group_open_http_svc";
const CONTACTS: &str = "recentcontact";

/// Makes a call that has to succeed.
fn done(client: &mut Client, service: &str, command: &str, body: &Value) -> Value {
    client.ok(&format!("{service}/{command}"), &body.to_string())
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

    // An administrator can be an owner and a peer.
    let contact = |user: &str| json!({ "Type": 1, "To_Account": user });
    let mark = |owner: &str, peer: &str| json!({ "From_Account": owner, "MarkItem": [{ "OptType": 1, "ContactItem": contact(peer), "SetMark": [0] }] });
    for (owner, peer) in [(ADMIN, "user"), ("user", ADMIN), (ADMIN, ADMIN)] {
        let marked = done(client, CONTACTS, "mark_contact", &mark(owner, peer));
        assert_eq!(marked["ResultItem"][0]["ResultCode"], 0, "{owner} about {peer}: {marked}");
    }
    let all = done(client, CONTACTS, "get_contact_group", &json!({ "From_Account": ADMIN, "StartIndex": 0 }));
    assert_eq!(all["ContactItem"].as_array().unwrap().len(), 2);

    // An administrator can own chat groups and be a member of them.
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
    assert_eq!(added["MemberList"][0]["Result"], 2, "the member should already exist");
    for (group, role) in [("g", "Owner"), ("h", "Member"), ("@TGS#i", "Owner")] {
        let asked = json!({ "GroupId": group, "User_Account": [ADMIN] });
        assert_eq!(done(client, GROUPS, "get_role_in_group", &asked)["UserIdList"][0]["Role"], role);
    }

    // An administrator cannot be deleted, and their records stay.
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
    let lines = exported(&at_server(&server));
    assert!(!lines.contains(r#""Kind":"account""#), "{lines}");
    done(
        client,
        ACCOUNTS,
        "account_import",
        &json!({ "UserID": ADMIN, "Nick": "Ann", "FaceUrl": "http://a" }),
    );
    let lines = exported(&at_server(&server));
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
    // This name could not be imported, but an administrator may have it.
    assert_eq!((get(client, ADMIN), get(client, "客服 1"), get(client, "later")), (0, 0, 50001));
    let body = json!({ "From_Account": "客服 1", "MarkItem": [
        { "OptType": 1, "ContactItem": { "Type": 1, "To_Account": "admin" }, "SetMark": [0] }] });
    done(client, CONTACTS, "mark_contact", &body);
    let target = client.target("x").replace("/v4/x", "/interchange/import");
    let again = client.post(&target, &exported(&at_server(&server))).unwrap();
    assert_eq!(again.status, 200, "an export should be importable without changes: {}", again.body);

    site.configure("", "admins = [\"admin\", \"later\"]");
    server.signal(rustix::process::Signal::HUP);
    eventually("the new administrator is one", || get(client, "later") == 0);
    assert_eq!(get(client, "客服 1"), 50001, "a former administrator should have no account");
}

#[test]
fn an_empty_optional_is_absent_where_something_is_created_or_asked_for() {
    let (_site, server, mut client) = serving("", "");
    let client = &mut client;
    // Libraries generated from an API description send unset fields like this.
    let unset = json!({
        "Owner_Account": "", "GroupId": "", "Introduction": "", "Notification": "", "FaceUrl": "",
        "MaxMemberCount": 0, "ApplyJoinOption": "", "CreateTime": 0, "MemberList": [],
    });
    for command in ["create_group", "import_group"] {
        let mut body = unset.clone();
        body["Type"] = json!("Public");
        body["Name"] = json!("n");
        let id = done(client, GROUPS, command, &body)["GroupId"].clone();
        let asked = json!({ "GroupIdList": [id], "ResponseFilter": { "GroupBaseInfoFilter": [], "MemberInfoFilter": [] } });
        let info = done(client, GROUPS, "get_group_info", &asked)["GroupInfo"][0].clone();
        let found = [&info["MaxMemberNum"], &info["ApplyJoinOption"], &info["Owner_Account"]];
        assert_eq!(found, [&json!(2000), &json!("NeedPermission"), &json!("")], "{command}: {info}");
        assert!(info["CreateTime"].as_u64().unwrap() > 1_700_000_000, "{command}: {info}");
    }
    // Required fields are not affected: an empty one is refused for its own reason.
    for (field, said) in
        [("Type", "Type must be Public, "), ("Name", "Name is refused: it must have 1 to 30 bytes")]
    {
        let mut body = unset.clone();
        body["Type"] = json!("Public");
        body["Name"] = json!("n");
        body[field] = json!("");
        let answer = client.call("group_open_http_svc/create_group", &body.to_string());
        let found = answer.json()["ErrorInfo"].as_str().unwrap().to_owned();
        assert!(answer.code() == 10004 && found.starts_with(said), "{found}");
    }

    // An empty string does not remove a nick, and an empty UserID next to an Identifier counts as missing.
    done(client, ACCOUNTS, "account_import", &json!({ "UserID": "ann", "Nick": "Ann", "FaceUrl": "f" }));
    done(client, ACCOUNTS, "account_import", &json!({ "UserID": "ann", "Nick": "", "FaceUrl": "" }));
    done(client, ACCOUNTS, "account_import", &json!({ "UserID": "", "Identifier": "bob", "Nick": 0 }));
    let list = json!({ "Accounts": ["carl"], "AccountList": [] });
    done(client, ACCOUNTS, "multiaccount_import", &list);
    let list = json!({ "Accounts": [], "AccountList": [{ "UserID": "ann", "Nick": "", "FaceUrl": "" }] });
    done(client, ACCOUNTS, "multiaccount_import", &list);
    for user in ["ann", "bob", "carl"] {
        assert_eq!(checked(client, user), "Imported", "{user}");
    }
    assert!(exported(&at_server(&server)).contains(r#""UserID":"ann","Nick":"Ann","FaceUrl":"f""#));

    // Members and lists.
    let group = json!({ "Type": "Public", "Name": "n", "GroupId": "g", "MemberList": [{ "Member_Account": "ann", "Role": "" }] });
    done(client, GROUPS, "create_group", &group);
    let member =
        json!({ "GroupId": "g", "Silence": 0, "MemberList": [{ "Member_Account": "bob", "Role": "" }] });
    assert_eq!(done(client, GROUPS, "add_group_member", &member)["MemberList"][0]["Result"], 1);
    for next in [json!(""), json!(0)] {
        let listed = done(
            client,
            GROUPS,
            "get_appid_group_list",
            &json!({ "Limit": 0, "Next": next, "GroupType": "" }),
        );
        assert_eq!((&listed["TotalCount"], &listed["Next"]), (&json!(3), &json!(0)));
    }

    // In recentcontact an empty string is a value: it clears a custom mark.
    let mark = |custom: &str| {
        json!({ "From_Account": "ann", "MarkItem": [
            { "OptType": 2, "ContactItem": { "Type": 1, "To_Account": "bob" }, "CustomMark": custom }] })
    };
    done(client, CONTACTS, "mark_contact", &mark("x"));
    done(client, CONTACTS, "mark_contact", &mark(""));
    let all = done(client, CONTACTS, "get_contact_group", &json!({ "From_Account": "ann", "StartIndex": 0 }));
    assert_eq!(all["ContactItem"], json!([]));
}

/// Returns the code and the text of an answer.
fn refused(client: &mut Client, command: &str, body: &str) -> (u64, String) {
    let answer = client.call(command, body);
    (answer.code(), answer.json()["ErrorInfo"].as_str().unwrap().to_owned())
}

#[test]
fn an_empty_array_is_an_empty_object() {
    let (_site, _server, mut client) = serving("", "directory = \"open\"");
    let client = &mut client;
    let (code, said) = refused(client, "recentcontact/get_contact_group", " [ ] ");
    assert_eq!(
        (code, &*said),
        (50002, "From_Account is missing (a string: the user whose conversations are organized)")
    );
    let listed = done(client, GROUPS, "get_appid_group_list", &json!([]));
    assert_eq!(listed["TotalCount"], 0);
    // An empty body is not JSON, and a non-empty array is not an object.
    assert_eq!(refused(client, "recentcontact/get_contact_group", "").0, 60003);
    let (code, said) = refused(client, "recentcontact/get_contact_group", "[{}]");
    assert_eq!((code, &*said), (60003, "the body must be one JSON object: found an array of 1"));

    // The same applies to nested objects: the refusal is the same as for {}.
    let lacks_type = "ContactItem.Type is missing; it must be 1 (one-to-one, with To_Account) or 2 (group, with ToGroupId)";
    for empty in [json!([]), json!({})] {
        let marked = done(
            client,
            CONTACTS,
            "mark_contact",
            &json!({ "From_Account": "a", "MarkItem": [{ "OptType": 1, "SetMark": [0], "ContactItem": empty }] }),
        );
        let item = &marked["ResultItem"][0];
        assert_eq!((&item["ResultCode"], &item["ContactItem"]), (&json!(50002), &json!({})));
        assert_eq!(item["ResultInfo"], format!("MarkItem[0].{lacks_type}"));
        let update = json!({ "From_Account": "a", "UpdateType": 1, "UpdateGroup": empty });
        let (code, said) = refused(client, "recentcontact/update_contact_group", &update.to_string());
        assert_eq!(code, 50002);
        assert!(said.starts_with("UpdateGroup.UpdateGroupType is missing; it must be 1 (rename"), "{said}");
        let asked = json!({ "GroupIdList": ["g"], "ResponseFilter": empty });
        done(client, GROUPS, "get_group_info", &asked);
    }
}

#[test]
fn a_field_of_few_values_lists_them_where_it_is_missing_or_wrong() {
    let (_site, _server, mut client) = serving("", "directory = \"open\"");
    let contact = "1 (one-to-one, with To_Account) or 2 (group, with ToGroupId)";
    let kinds = "Public, Private, Work, ChatRoom, Meeting, AVChatRoom or Community";
    let joins = "FreeAccess, NeedPermission or DisableApply";
    // The path of the field, its allowed values, and a body in which it can be replaced.
    for (command, path, allowed, body) in [
        (
            "recentcontact/search_contact_group",
            "ContactItem[0].Type",
            contact,
            r#"{"From_Account":"a","ContactItem":[{"To_Account":"b"@}]}"#,
        ),
        (
            "recentcontact/mark_contact",
            "MarkItem[0].OptType",
            "1 (standard marks), 2 (custom mark) or 3 (both)",
            r#"{"From_Account":"a","MarkItem":[{"SetMark":[1]@}]}"#,
        ),
        (
            "recentcontact/update_contact_group",
            "UpdateType",
            "1 (the only one defined)",
            r#"{"From_Account":"a"@}"#,
        ),
        (
            "recentcontact/update_contact_group",
            "UpdateGroup.UpdateGroupType",
            "1 (rename, with NewGroupName) or 2 (change members, with ContactUpdateItem)",
            r#"{"From_Account":"a","UpdateType":1,"UpdateGroup":{"OldGroupName":"g"@}}"#,
        ),
        (
            "recentcontact/update_contact_group",
            "UpdateGroup.ContactUpdateItem[0].ContactOptType",
            "1 (add) or 2 (remove)",
            r#"{"From_Account":"a","UpdateType":1,"UpdateGroup":{"UpdateGroupType":2,"OldGroupName":"g","ContactUpdateItem":[{"ContactItem":{"Type":1,"To_Account":"b"}@}]}}"#,
        ),
        ("group_open_http_svc/create_group", "Type", kinds, r#"{"Name":"n"@}"#),
        ("group_open_http_svc/create_group", "ApplyJoinOption", joins, r#"{"Type":"Public","Name":"n"@}"#),
        (
            "group_open_http_svc/create_group",
            "MemberList[0].Role",
            "Admin or Member",
            r#"{"Type":"Public","Name":"n","MemberList":[{"Member_Account":"a"@}]}"#,
        ),
        ("group_open_http_svc/get_appid_group_list", "GroupType", kinds, r#"{"Limit":1@}"#),
    ] {
        let name = path.rsplit('.').next().unwrap();
        for (value, found) in [("7", "the number 7"), (r#""x""#, r#"the string "x""#), ("{}", "an object")] {
            let (_, said) = refused(&mut client, command, &body.replace('@', &format!(",{name:?}:{value}")));
            assert_eq!(said, format!("{path} must be {allowed}, found {found}"));
        }
        let (code, said) = refused(&mut client, command, &body.replace('@', ""));
        let is_optional = ["ApplyJoinOption", "Role", "GroupType"].contains(&name);
        let expected =
            if is_optional { String::new() } else { format!("{path} is missing; it must be {allowed}") };
        assert_eq!((code == 0, said), (is_optional, expected), "{command}");
    }
    // The message about an invalid bit names the valid ones.
    let mark = |bit: Value| {
        json!({ "From_Account": "a", "MarkItem": [
            { "OptType": 1, "ContactItem": { "Type": 1, "To_Account": "b" }, "SetMark": [bit] }] })
    };
    for (bit, found) in [(json!(64), "found 64"), (json!("x"), "found the string \"x\"")] {
        let said = done(&mut client, CONTACTS, "mark_contact", &mark(bit))["ResultItem"][0]["ResultInfo"]
            .to_string();
        assert!(
            said.contains("a bit number from 0 to 63") && said.contains(&found.replace('"', "\\\"")),
            "{said}"
        );
    }
}

/// Sends a body with additional headers, signed by this client.
fn encoded(client: &mut Client, target: &str, headers: &str, body: &[u8]) -> Answer {
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    client.raw(&[head.as_bytes(), body].concat()).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

const BODY: &[u8] = br#"{"From_Account":"a","StartIndex":0}"#;
const LIMIT: usize = 1 << 20;

#[test]
fn a_compressed_body_is_read_within_the_bounds_of_bodies() {
    let (_site, _server, mut client) =
        serving("limits.body = \"1MiB\"\nlimits.bodies = \"2MiB\"\n", "directory = \"open\"");
    let target = client.target("recentcontact/get_contact_group");
    let mut call = |headers: &str, body: &[u8]| {
        let answer = encoded(&mut client, &target, headers, body);
        (answer.code(), answer.json()["ErrorInfo"].as_str().unwrap().to_owned())
    };
    let named = |name: &str| format!("Content-Encoding: {name}\r\n");
    let ok = (0, String::new());
    for (name, body) in [
        ("gzip", gzip(BODY)),
        ("GZIP", gzip(BODY)),
        ("x-gzip", gzip(BODY)),
        ("identity, gzip", gzip(BODY)),
        ("gzip", [gzip(&BODY[..9]), gzip(&BODY[9..])].concat()),
        ("deflate", zlib(BODY)),
        ("identity", BODY.to_vec()),
        ("", BODY.to_vec()),
    ] {
        assert_eq!(call(&named(name), &body), ok, "{name}");
    }
    // Send many large bodies. Their memory is released each time.
    let large = [BODY, &b" ".repeat(LIMIT - BODY.len())[..]].concat();
    for _ in 0..8 {
        assert_eq!(call(&named("gzip"), &gzip(&large)), ok);
    }
    // Send one byte too many, and eight times too many.
    for size in [LIMIT + 1, 8 * LIMIT] {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        std::io::copy(&mut std::io::repeat(b' ').take(size as u64), &mut packed).unwrap();
        let (code, said) = call(&named("gzip"), &packed.finish().unwrap());
        assert_eq!(code, 60002);
        assert!(said.ends_with("the body is larger than 1048576 bytes when decompressed"), "{said}");
    }
    // Unsupported encodings are named together with the supported ones, and the connection stays open.
    for (name, shown) in
        [("br", "br"), ("zstd", "zstd"), ("gzip, br", "gzip, br"), ("gzip, gzip", "gzip, gzip")]
    {
        let (code, said) = call(&named(name), BODY);
        assert_eq!(code, 60002);
        let expected = format!(
            "a body with the header Content-Encoding: \"{shown}\" is not supported; send it uncompressed, or compressed by gzip or deflate"
        );
        assert!(said.ends_with(&expected), "{said}");
    }
    let whole = gzip(BODY);
    for (name, body, expected) in [
        ("gzip", &whole[..whole.len() - 9], "the gzip data of the body is incomplete"),
        ("gzip", BODY, "the header Content-Encoding says gzip, but the body is not valid gzip data; send it"),
        (
            "deflate",
            &whole[..],
            "the header Content-Encoding says deflate, but the body is not valid deflate data; send it",
        ),
    ] {
        let (code, said) = call(&named(name), body);
        assert_eq!(code, 60002);
        assert!(said.contains(expected), "{said}");
    }
    let (code, said) = call("", &whole);
    assert_eq!(code, 60003);
    assert!(said.contains("the body is compressed by gzip; add the header Content-Encoding: gzip"), "{said}");
    assert_eq!(call("", BODY), ok);
}

#[test]
fn a_decompressed_body_takes_memory_of_the_budget() {
    let (_site, server, mut client) =
        serving("limits.body = \"1MiB\"\nlimits.bodies = \"1MiB\"\n", "directory = \"open\"");
    let target = client.target("recentcontact/get_contact_group");
    let large = [BODY, &b" ".repeat(700 * 1024)[..]].concat();
    let packed = gzip(&large);
    assert!(packed.len() < 16 * 1024, "the compressed body should be below the size that counts");
    let mut call = || encoded(&mut client, &target, "Content-Encoding: gzip\r\n", &packed).code();
    assert_eq!(call(), 0);
    // Another client has reserved most of the budget.
    let mut other = server.client();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT}\r\n\r\n",
        other.target("recentcontact/get_contact_group")
    );
    other.send(head.as_bytes()).unwrap();
    other.send(&b" ".repeat(900 * 1024)).unwrap();
    eventually("the budget is taken", || call() == 60018);
    drop(other);
    eventually("the budget is given back", || call() == 0);
}

#[test]
fn a_byte_order_mark_is_ignored_and_other_encodings_are_named() {
    let server = Server::dev(&["--directory", "open"]);
    let mut client = server.client();
    let target = client.target("recentcontact/get_contact_group");
    let marked = |text: &[u8]| [b"\xEF\xBB\xBF", text].concat();
    assert_eq!(encoded(&mut client, &target, "", &marked(BODY)).code(), 0);
    assert_eq!(encoded(&mut client, &target, "Content-Encoding: gzip\r\n", &gzip(&marked(BODY))).code(), 0);
    let empty = encoded(&mut client, &target, "", &marked(b""));
    assert_eq!(empty.code(), 60003);
    assert!(empty.body.contains("it is empty"), "{}", empty.body);

    let units: Vec<u16> = std::str::from_utf8(BODY).unwrap().encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let wide: Vec<u8> = BODY.iter().flat_map(|byte| u32::from(*byte).to_be_bytes()).collect();
    let encodings =
        [[&b"\xFF\xFE"[..], &little].concat(), [&b"\xFE\xFF"[..], &big].concat(), little, big, wide];
    for body in &encodings {
        let answer = encoded(&mut client, &target, "", body);
        let said = answer.json()["ErrorInfo"].as_str().unwrap().to_owned();
        assert_eq!(answer.code(), 60003);
        assert!(said.starts_with("the body must be one JSON object: the body is UTF-16"), "{said}");
        assert!(said.ends_with("; send UTF-8"), "{said}");
    }

    // The controls behave the same, and imports reject encodings with a message.
    let journal = br#"{"Freeze":true}"#;
    for (headers, body) in
        [("", marked(journal)), ("Content-Encoding: gzip\r\n", gzip(journal)), ("", journal.to_vec())]
    {
        let set = encoded(&mut client, "/_dev/clock", headers, &body);
        assert_eq!((set.status, &set.json()["Frozen"]), (200, &json!(true)), "{}", set.body);
    }
    assert_eq!(encoded(&mut client, "/_dev/clock", "", br#"{"Resume":true}"#).status, 200);
    assert_eq!(
        encoded(&mut client, "/_dev/reset", "", b"[]").status,
        200,
        "an empty list should count as an empty object, as PHP sends it"
    );
    let refused = encoded(&mut client, "/_dev/clock", "", &encodings[0]);
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("the body is UTF-16; send UTF-8"), "{}", refused.body);
    let import = client.target("x").replace("/v4/x", "/interchange/import");
    for target in ["/_dev/seed", &import] {
        let refused = encoded(&mut client, target, "Content-Encoding: br\r\n", b"x");
        assert_eq!(refused.status, 400);
        assert!(
            refused.body.contains(
                r#"a body of lines must not be compressed or encoded, found the header Content-Encoding: \"br\"; send it without this header"#
            ),
            "{}",
            refused.body
        );
    }
}

#[test]
fn a_cure_is_one_that_helps() {
    let (_site, _server, mut strict) = serving("", "");
    let (_other_site, _other_server, mut open) = serving("", "directory = \"open\"");
    let get = |user: &str| json!({ "From_Account": user, "StartIndex": 0 }).to_string();
    // Try an id that can be imported, and ids that cannot be.
    let (code, said) = refused(&mut strict, "recentcontact/get_contact_group", &get("a"));
    assert_eq!(code, 50001);
    assert!(
        said.contains(
            "import it with v4/im_open_login_svc/account_import, or start dev with --directory open"
        ),
        "{said}"
    );
    for (user, shown, found) in [("a b", "a b", "' '"), ("安", "安", "'安'"), ("a\tb", "a\\tb", "'\\t'")] {
        for client in [&mut strict, &mut open] {
            let rule = format!(
                "the account \"{shown}\" has not been imported and cannot be: a UserID to be imported must be printable ASCII without blanks, found {found}"
            );
            let (code, said) = refused(client, "recentcontact/get_contact_group", &get(user));
            assert_eq!((code, said), (50001, format!("From_Account: {rule}")));
            let group = json!({ "Type": "Public", "Name": "n", "Owner_Account": user }).to_string();
            assert_eq!(refused(client, "group_open_http_svc/create_group", &group), (10019, rule.clone()));
            done(client, ACCOUNTS, "account_import", &json!({ "UserID": "a" }));
            let mark = json!({ "From_Account": "a", "MarkItem": [
                { "OptType": 1, "ContactItem": { "Type": 1, "To_Account": user }, "SetMark": [0] }] });
            assert_eq!(done(client, CONTACTS, "mark_contact", &mark)["ResultItem"][0]["ResultInfo"], rule);
        }
    }
    // Chat groups: the advice depends on the form of the id and on whether the group was disbanded.
    let about = |client: &mut Client, id: &str| {
        let mark = json!({ "From_Account": "a", "MarkItem": [
            { "OptType": 1, "ContactItem": { "Type": 2, "ToGroupId": id }, "SetMark": [0] }] });
        let item = done(client, CONTACTS, "mark_contact", &mark)["ResultItem"][0].clone();
        (item["ResultCode"].as_u64().unwrap(), item["ResultInfo"].as_str().unwrap().to_owned())
    };
    let open_cure = ", or start dev with --directory open (confold serve: with the app's setting directory)";
    for (id, cure) in [
        ("g", "create it with v4/group_open_http_svc/create_group or import_group"),
        (
            "@TGS#g",
            "create it with v4/group_open_http_svc/import_group, the only command that accepts an id that begins with @TGS#",
        ),
        (
            &"t".repeat(49),
            "import it from a file with confold import, because no command creates an id of more than 48 bytes",
        ),
    ] {
        let expected = format!("the chat group \"{id}\" does not exist; {cure}{open_cure}");
        assert_eq!(about(&mut strict, id), (51007, expected));
        assert_eq!(about(&mut open, id).0, 0, "{id}");
    }
    for client in [&mut strict, &mut open] {
        done(client, GROUPS, "create_group", &json!({ "Type": "Public", "Name": "n", "GroupId": "h" }));
        done(client, GROUPS, "destroy_group", &json!({ "GroupId": "h" }));
        let expected = "the chat group \"h\" was disbanded; to use its id again, create it with v4/group_open_http_svc/create_group or import_group; earlier records about it are not restored";
        assert_eq!(about(client, "h"), (51007, expected.to_owned()));
        let (code, said) = refused(client, "group_open_http_svc/destroy_group", r#"{"GroupId":"@TGS#x"}"#);
        let is_open = code == 0;
        assert!(
            is_open
                || said.ends_with("import_group, the only command that accepts an id that begins with @TGS#"),
            "{said}"
        );
    }
}
