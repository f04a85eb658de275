//! Tests counters that an import has set to their highest value: nothing gets a higher number, and exported data can be
//! imported again.

use std::{path::Path, process::Output};

use serde_json::json;

use crate::{
    bodies::{chat, create_contact_group, create_group, destroy_group, mark_contact, records, user},
    harness::{APP, Client, Server, confold, in_directory, said},
    wait::Finish,
};

/// The highest value of every counter.
const LAST: u32 = 2_147_483_646;

fn tool(task: &str, data: &Path, arguments: &[&str]) -> Output {
    confold(&[task]).args(in_directory(data)).args(arguments).finish()
}

/// Imports these lines into a store in `folder`, and starts a server on it.
fn with(folder: &Path, lines: &[serde_json::Value]) -> Server {
    let text = lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n");
    std::fs::write(folder.join("in.ndjson"), text).unwrap();
    let output = tool("import", &folder.join("data"), &[folder.join("in.ndjson").to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    Server::on(&folder.join("data"))
}

/// Stops the server, exports its data, checks that the export survives an import into an empty store, and returns it.
fn exported_and_imported(folder: &Path, server: Server) -> String {
    server.terminate();
    assert!(server.ended_well());
    let export = |data: &str| {
        let output = tool("export", &folder.join(data), &[]);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = export("data");
    std::fs::write(folder.join("out.ndjson"), &first).unwrap();
    let output = tool("import", &folder.join("other"), &[folder.join("out.ndjson").to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(export("other"), first);
    first
}

fn create(client: &mut Client, name: &str) -> u64 {
    client.make(&create_contact_group("ann", name).with(user("ann"))).code()
}

#[test]
fn an_owner_without_free_group_ids_gets_51010_and_the_export_can_be_imported() {
    let folder = tempfile::tempdir().unwrap();
    let line =
        json!({ "Kind": "organizer", "SdkAppId": APP, "From_Account": "ann", "LastGroupId": LAST - 1 });
    let server = with(folder.path(), &[line]);
    let mut client = server.client();
    assert_eq!(create(&mut client, "last"), 0, "the last id is assigned");
    for _ in 0..2 {
        assert_eq!(create(&mut client, "one more"), 51010);
    }
    assert_eq!(create(&mut client, "last"), 0, "an existing group can still be used");
    drop(client);
    let export = exported_and_imported(folder.path(), server);
    assert!(export.contains(&format!("\"LastGroupId\":{LAST}")), "{export}");
}

#[test]
fn change_numbers_continue_above_the_middle_and_the_export_can_be_imported() {
    let folder = tempfile::tempdir().unwrap();
    let line = json!({
        "Kind": "organizer", "SdkAppId": APP, "From_Account": "ann", "Version": LAST, "Renumberings": LAST,
        "LastTimestamp": 253_402_300_799u64,
    });
    let server = with(folder.path(), &[line]);
    let mut client = server.client();
    for name in ["a", "b"] {
        assert_eq!(create(&mut client, name), 0);
    }
    drop(client);
    let export = exported_and_imported(folder.path(), server);
    assert!(export.contains("\"Timestamp\":253402300799"), "{export}");
    // Two changes create groups, and two change the one record.
    assert!(export.contains(&format!("\"Version\":{}", (1 << 30) + 4)), "{export}");
}

#[test]
fn a_chat_group_with_the_last_incarnation_cannot_be_created_again() {
    let folder = tempfile::tempdir().unwrap();
    let group = json!({ "Kind": "chat_group", "SdkAppId": APP, "GroupId": "team", "Incarnation": LAST - 1 });
    let account = json!({ "Kind": "account", "SdkAppId": APP, "UserID": "ann" });
    let server = with(folder.path(), &[group, account]);
    let mut client = server.client();
    client.does(&mark_contact("ann").custom(chat("team"), "x"));
    client.does(&destroy_group("team"));
    assert_eq!(
        records(&mut client, "ann"),
        [] as [serde_json::Value; 0],
        "the record about the group is gone"
    );
    assert_eq!(client.make(&create_group("team")).code(), 10021);
    drop(client);
    let export = exported_and_imported(folder.path(), server);
    assert!(export.contains(&format!("\"Incarnation\":{LAST},\"Destroyed\":true")), "{export}");
}

#[test]
fn an_import_refuses_numbers_above_the_highest() {
    let folder = tempfile::tempdir().unwrap();
    let organizer = |name: &str, value: u64| json!({ "Kind": "organizer", "SdkAppId": APP, "From_Account": "ann", name: value });
    let group = |name: &str, value: u64| json!({ "Kind": "chat_group", "SdkAppId": APP, "GroupId": "g", name: value });
    let end = u64::from(LAST) + 1;
    let lines = [
        organizer("Version", end),
        organizer("LastGroupId", end),
        organizer("Renumberings", end),
        organizer("LastTimestamp", 253_402_300_800),
        organizer("LastRenumbering", 253_402_300_800),
        group("Incarnation", end),
        group("Incarnation", end - 1),
        group("MaxMemberCount", 100_001),
    ];
    let text = lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n");
    std::fs::write(folder.path().join("in.ndjson"), text).unwrap();
    let output =
        tool("import", &folder.path().join("data"), &[folder.path().join("in.ndjson").to_str().unwrap()]);
    let said = said(&output);
    for number in 1..=lines.len() {
        assert!(said.contains(&format!("in.ndjson:{number}: ")), "{said}");
    }
    assert!(
        said.contains(
            "Incarnation must be at most 2147483645 while the chat group exists, found the number 2147483646"
        ),
        "{said}"
    );
}
