//! Describes events and conversations of replies for people. The server may be hostile, so every text is quoted.

use serde_json::Value;

use crate::excerpt::{plain, quoted};

/// How many changes of an event are described.
const DESCRIBED: usize = 3;

/// Describes what an event changed, on one line.
pub(super) fn of_event(event: &Value) -> String {
    match event["Kind"].as_str().unwrap_or_default() {
        "changed" => {}
        "account_deleted" => return "account deleted, with everything organized".to_owned(),
        "erased" => return "the content was erased".to_owned(),
        other => return plain(other).to_string(),
    }
    let changes = event["Changes"].as_array().map_or(&[][..], Vec::as_slice);
    let mut described: Vec<String> = changes.iter().take(DESCRIBED).map(of_change).collect();
    if changes.len() > DESCRIBED {
        described.push(format!("and {} more", changes.len() - DESCRIBED));
    }
    described.join("; ")
}

fn of_change(change: &Value) -> String {
    let conversation = || conversation(&change["ContactItem"]);
    match change["Change"].as_str().unwrap_or_default() {
        "group_created" => format!("created {}", group(&change["GroupItem"])),
        "group_deleted" => format!("deleted {}", group(&change["GroupItem"])),
        "group_renamed" => {
            let name = change["GroupItem"]["GroupName"].as_str().unwrap_or_default();
            format!("renamed {} to {}", group(&change["Before"]), quoted(name))
        }
        "record_created" | "record_changed" => {
            format!("{}: {}", conversation(), differences(&change["Before"], &change["ContactItem"]))
        }
        "record_gone" => {
            format!("{}: {}", conversation(), differences(&change["ContactItem"], &Value::Null))
        }
        "record_buried" => format!("{}: removed with the chat group", conversation()),
        "account_imported" => "account imported".to_owned(),
        "account_changed" => "profile of the account changed".to_owned(),
        "account_deleted" => "account deleted".to_owned(),
        "renumbered" => "change numbers lowered".to_owned(),
        "counters_set" => "counters imported".to_owned(),
        "session_pinned" => format!("{}: pinned", session(&change["RecentContactTopItem"])),
        "session_unpinned" => format!("{}: unpinned", session(&change["RecentContactTopItem"])),
        "session_deleted" => format!("{}: session deleted", session(&change["RecentContactDeleteItem"])),
        other => plain(other).to_string(),
    }
}

/// Describes the conversation of a session.
fn session(list: &Value) -> String {
    let item = &list["RecentContactList"][0];
    match (item["To_Account"].as_str().or(item["Peer_Account"].as_str()), item["GroupId"].as_str()) {
        (Some(user), _) => quoted(user).to_string(),
        (None, Some(chat)) => format!("chat group {}", quoted(chat)),
        (None, None) => "a conversation".to_owned(),
    }
}

/// Describes a conversation group with its name and id.
pub(super) fn group(group: &Value) -> String {
    let name = group["GroupName"].as_str().unwrap_or_default();
    format!("group {} ({})", quoted(name), plain(&group["GroupId"].to_string()))
}

/// Describes a conversation.
pub(super) fn conversation(contact: &Value) -> String {
    match (contact["To_Account"].as_str(), contact["ToGroupId"].as_str()) {
        (Some(user), _) => quoted(user).to_string(),
        (None, Some(chat)) => format!("chat group {}", quoted(chat)),
        (None, None) => "a conversation".to_owned(),
    }
}

/// Describes how two records differ.
fn differences(before: &Value, after: &Value) -> String {
    let mut parts = Vec::new();
    let groups = |record: &Value| -> Vec<u64> {
        record["ContactGroupId"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
    };
    let (old, new) = (bits(&before["StandardMark"]), bits(&after["StandardMark"]));
    for (what, some, other) in [
        ("in group", groups(after), groups(before)),
        ("not in group", groups(before), groups(after)),
        ("set", new.clone(), old.clone()),
        ("cleared", old, new),
    ] {
        let only: Vec<String> =
            some.iter().filter(|one| !other.contains(one)).map(ToString::to_string).collect();
        if !only.is_empty() {
            parts.push(format!("{what} {}", only.join(" ")));
        }
    }
    match (before["CustomMark"].as_str(), after["CustomMark"].as_str()) {
        (old, new) if old == new => {}
        (_, Some(new)) => parts.push(format!("custom mark {}", quoted(new))),
        (_, None) => parts.push("custom mark removed".to_owned()),
    }
    if parts.is_empty() { "nothing visible".to_owned() } else { parts.join(", ") }
}

/// Returns the numbers of the standard marks in a text of binary digits.
pub(super) fn bits(mark: &Value) -> Vec<u64> {
    let digits = mark.as_str().unwrap_or_default().chars().rev().take(64);
    digits.zip(0..).filter(|(digit, _)| *digit == '1').map(|(_, bit)| bit).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_change_is_described() {
        let record = |mark: &str, custom: Option<&str>, groups: &[u32]| json!({"Type": 1, "To_Account": "bob", "StandardMark": mark, "CustomMark": custom, "ContactGroupId": groups});
        let event = |changes: Value| of_event(&json!({"Kind": "changed", "Changes": changes}));
        let (work, home) =
            (json!({"GroupName": "work", "GroupId": 1}), json!({"GroupName": "home", "GroupId": 1}));
        for (change, expected) in [
            (json!({"Change": "group_created", "GroupItem": work}), r#"created group "work" (1)"#),
            (json!({"Change": "group_deleted", "GroupItem": work}), r#"deleted group "work" (1)"#),
            (
                json!({"Change": "group_renamed", "Before": work, "GroupItem": home}),
                r#"renamed group "work" (1) to "home""#,
            ),
            (
                json!({"Change": "record_created", "ContactItem": record("1001", Some("x"), &[1, 2])}),
                r#""bob": in group 1 2, set 0 3, custom mark "x""#,
            ),
            (
                json!({"Change": "record_changed", "Before": record("1001", Some("x"), &[1, 2]),
                    "ContactItem": record("11", None, &[2])}),
                r#""bob": not in group 1, set 1, cleared 3, custom mark removed"#,
            ),
            (json!({"Change": "record_gone", "ContactItem": record("1", None, &[])}), r#""bob": cleared 0"#),
            (
                json!({"Change": "record_buried", "ContactItem": {"Type": 2, "ToGroupId": "club"}}),
                r#"chat group "club": removed with the chat group"#,
            ),
            (json!({"Change": "account_imported"}), "account imported"),
            (
                json!({"Change": "session_pinned", "RecentContactTopItem": {"RecentContactList": [{"Type": 1, "To_Account": "bob"}]}}),
                r#""bob": pinned"#,
            ),
            (
                json!({"Change": "session_unpinned", "RecentContactTopItem": {"RecentContactList": [{"Type": 2, "GroupId": "club"}]}}),
                r#"chat group "club": unpinned"#,
            ),
            (
                json!({"Change": "session_deleted", "RecentContactDeleteItem": {"RecentContactList": [{"Type": 1, "Peer_Account": "bob"}]}}),
                r#""bob": session deleted"#,
            ),
            (json!({"Change": "new \u{1b}"}), "new \\u{1b}"),
            (json!(7), ""),
        ] {
            assert_eq!(event(json!([change])), expected);
        }
        let one = json!({"Change": "renumbered"});
        assert_eq!(
            event(json!([one, one, one, one, one])),
            "change numbers lowered; change numbers lowered; change numbers lowered; and 2 more"
        );
    }
}
