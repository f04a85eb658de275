use serde_json::{Value, json};

use super::*;
use crate::domain::{
    ChatGroupId, Conversation, CustomMark, Group, GroupName, Organizer, OwnerState, ProfileTag, ProfileValue,
    StandardMark,
};

fn group(id: u32, name: &str, number: u32) -> Group {
    Group { id, name: GroupName::parse(name).unwrap(), number }
}

fn name(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

fn record(conversation: Conversation, groups: &[u32], bits: u64, custom: &str, number: u32) -> Arc<Record> {
    let incarnation = if conversation.chat_group().is_some() { 3 } else { 0 };
    Arc::new(Record {
        conversation,
        incarnation,
        groups: groups.to_vec(),
        mark: StandardMark::from_bits(bits),
        custom: CustomMark::parse(custom).unwrap(),
        number,
        timestamp: 1_700_000_000 + u64::from(number),
    })
}

fn user(id: &str) -> Conversation {
    Conversation::User(UserId::parse(id).unwrap())
}

fn room() -> Conversation {
    Conversation::ChatGroup(ChatGroupId::parse("@TGS#room").unwrap())
}

fn event(deltas: Vec<Delta>) -> Event {
    Event {
        id: "e1".to_owned(),
        version: 12,
        at: 1_764_300_000_123,
        operator: None,
        request: None,
        content: EventContent::Changed(deltas),
    }
}

fn written(deltas: Vec<Delta>) -> Value {
    let mut out = Vec::new();
    write_event(&UserId::parse("ann").unwrap(), &event(deltas), &mut out);
    assert!(!out.contains(&b'\n') && !out.contains(&b'\r'), "an event is one line");
    serde_json::from_slice(&out).expect("an event is valid JSON")
}

fn account_with_profile() -> Arc<Account> {
    let mut account = Account::default();
    account.set(ProfileTag::Level, Some(ProfileValue::Number(3)));
    account.set(ProfileTag::Custom("Test".into()), Some(ProfileValue::Text("\u{2028}\n\"".into())));
    Arc::new(account)
}

fn account(nick: &str, face_url: &str) -> Arc<Account> {
    Arc::new(Account { nick: nick.to_owned(), face_url: face_url.to_owned(), ..Account::default() })
}

/// One delta of every kind, in an order that is possible.
fn all_deltas() -> Vec<Delta> {
    let counters =
        Counters { version: 40, last_group: 9, last_timestamp: 1_800_000_000, ..Counters::default() };
    vec![
        Delta::AccountImported { before: None, account: account("An\u{2028}n\n\"\\", "") },
        Delta::GroupCreated(group(1, "a \"b\" \u{2029}\u{1f600}", 1)),
        Delta::GroupCreated(group(2, "two", 2)),
        Delta::RecordChanged { before: None, record: record(user("x"), &[1, 2], 0, "", 3) },
        Delta::RecordChanged { before: None, record: record(room(), &[2], 5, "c\n\r\u{1}", 4) },
        Delta::GroupRenamed { before: name("two"), group: group(2, "zwei", 5) },
        Delta::RecordChanged {
            before: Some(record(user("x"), &[1, 2], 0, "", 3)),
            record: record(user("x"), &[1], 7, "m", 6),
        },
        Delta::RecordChanged { before: None, record: record(user("y"), &[], 1, "", 7) },
        Delta::RecordGone { number: 8, record: record(user("x"), &[1], 7, "m", 6) },
        Delta::RecordBuried { number: 9, record: record(room(), &[2], 5, "c\n\r\u{1}", 4) },
        Delta::GroupDeleted { number: 10, group: group(1, "a \"b\" \u{2029}\u{1f600}", 1) },
        Delta::AccountImported {
            before: Some(account("An\u{2028}n\n\"\\", "")),
            account: account("", "https://example.com/a.png"),
        },
        Delta::AccountImported {
            before: Some(account("", "https://example.com/a.png")),
            account: account_with_profile(),
        },
        Delta::AccountDeleted(account("", "https://example.com/a.png")),
        Delta::CountersSet(counters),
        Delta::Renumbered { at: 1_764_300_000 },
    ]
}

/// Reads a record as a program does that follows the feed.
fn read_record(change: &Value) -> Arc<Record> {
    let item = &change["ContactItem"];
    let conversation = match item["Type"].as_u64() {
        Some(1) => user(item["To_Account"].as_str().unwrap()),
        _ => Conversation::ChatGroup(ChatGroupId::parse(item["ToGroupId"].as_str().unwrap()).unwrap()),
    };
    let groups = item["ContactGroupId"].as_array().cloned().unwrap_or_default();
    Arc::new(Record {
        conversation,
        incarnation: number(&change["Incarnation"]),
        groups: groups.iter().map(number).collect(),
        mark: StandardMark::parse(item["StandardMark"].as_str().unwrap()).unwrap(),
        custom: CustomMark::parse(item["CustomMark"].as_str().unwrap_or_default()).unwrap(),
        number: number(&change["Number"]),
        timestamp: item["Timestamp"].as_u64().unwrap(),
    })
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap_or(0)).unwrap()
}

fn read_group(change: &Value) -> Group {
    let item = &change["GroupItem"];
    group(number(&item["GroupId"]), item["GroupName"].as_str().unwrap(), number(&change["Number"]))
}

fn read_account(change: &Value) -> Arc<Account> {
    let text = |name: &str| change["Account"][name].as_str().unwrap_or_default().to_owned();
    let mut account = Account { nick: text("Nick"), face_url: text("FaceUrl"), ..Account::default() };
    for item in change["Account"]["ProfileItem"].as_array().into_iter().flatten() {
        let tag = ProfileTag::parse(item["Tag"].as_str().unwrap()).unwrap();
        let value = match item["Value"].as_str() {
            Some(text) => ProfileValue::Text(text.into()),
            None => ProfileValue::Number(number(&item["Value"])),
        };
        account.set(tag, Some(value));
    }
    Arc::new(account)
}

/// Reads a change. What only describes the state before is not read.
fn read_change(change: &Value) -> Delta {
    let number = number(&change["Number"]);
    match change["Change"].as_str().unwrap() {
        "group_created" => Delta::GroupCreated(read_group(change)),
        "group_renamed" => Delta::GroupRenamed { before: name("any"), group: read_group(change) },
        "group_deleted" => Delta::GroupDeleted { number, group: read_group(change) },
        "record_created" | "record_changed" => {
            let record = read_record(change);
            let before = (change["Change"] == "record_changed").then(|| Arc::clone(&record));
            Delta::RecordChanged { before, record }
        }
        "record_gone" => Delta::RecordGone { number, record: read_record(change) },
        "record_buried" => Delta::RecordBuried { number, record: read_record(change) },
        "account_imported" | "account_changed" => {
            Delta::AccountImported { before: None, account: read_account(change) }
        }
        "account_deleted" => Delta::AccountDeleted(read_account(change)),
        "renumbered" => Delta::Renumbered { at: change["Time"].as_u64().unwrap() },
        "counters_set" => {
            let counters = &change["Counters"];
            Delta::CountersSet(Counters {
                version: self::number(&counters["Version"]),
                last_group: self::number(&counters["LastGroupId"]),
                last_timestamp: counters["LastTimestamp"].as_u64().unwrap(),
                renumberings: self::number(&counters["Renumberings"]),
                renumbered_at: counters["RenumberedAt"].as_u64().unwrap_or(0),
            })
        }
        other => panic!("unknown change {other}"),
    }
}

#[test]
fn applying_the_changes_in_json_rebuilds_the_state() {
    let all = all_deltas();
    for count in 0..=all.len() {
        let event = written(all[..count].to_vec());
        let read: Vec<Delta> = event["Changes"].as_array().unwrap().iter().map(read_change).collect();
        let start = OwnerState { account: None, organizer: Arc::new(Organizer::default()) };
        assert_eq!(start.folded(&read), start.folded(&all[..count]), "after {count} changes");
    }
}

#[test]
fn changes_look_as_described() {
    let event = written(all_deltas());
    let head = ["Id", "Kind", "Owner", "Version", "Time"].map(|name| event[name].clone());
    assert_eq!(json!(head), json!(["e1", "changed", "ann", 12, 1_764_300_000_123_u64]));
    let changes = &event["Changes"];
    assert_eq!(
        changes[5],
        json!({
            "Change": "group_renamed",
            "Before": { "GroupName": "two", "GroupId": 2 },
            "GroupItem": { "GroupName": "zwei", "GroupId": 2 },
            "Number": 5,
        })
    );
    let mut item = Vec::new();
    write_record(&record(user("x"), &[1], 7, "m", 6), &mut item);
    let item: Value = serde_json::from_slice(&item).unwrap();
    assert_eq!((&changes[6]["ContactItem"], &changes[8]["ContactItem"]), (&item, &item));
    assert_eq!(changes[6]["Before"]["ContactGroupId"], json!([1, 2]));
    assert_eq!((&changes[8]["Change"], &changes[8]["Number"]), (&json!("record_gone"), &json!(8)));
    assert_eq!(changes[9]["Incarnation"], 3);
    assert_eq!(changes[8].get("Incarnation"), None);
    assert_eq!(changes[11].get("ProfileItem"), None);
    assert_eq!(
        changes[12]["Account"]["ProfileItem"],
        json!([
            { "Tag": "Tag_Profile_IM_Level", "Value": 3 },
            { "Tag": "Tag_Profile_Custom_Test", "Value": "\u{2028}\n\"" },
        ])
    );
    assert_eq!(
        changes[13],
        json!({ "Change": "account_deleted", "Account": { "FaceUrl": "https://example.com/a.png" } })
    );
}

#[test]
fn absent_values_are_left_out() {
    let shown = |entry: &FeedEntry| {
        let mut out = Vec::new();
        write_feed_entry(entry, &mut out);
        String::from_utf8(out).unwrap()
    };
    let of = |content, who: Option<&str>| FeedEntry::Owner {
        user: UserId::parse("ann").unwrap(),
        event: Event {
            content,
            operator: who.map(Arc::from),
            request: who.map(|_| Arc::from("r\"1")),
            ..event(Vec::new())
        },
    };
    let deleted = of(EventContent::AccountDeleted, Some("boss"));
    assert_eq!(
        (kind_of(&deleted), shown(&deleted).as_str()),
        (
            "account_deleted",
            r#"{"Id":"e1","Kind":"account_deleted","Owner":"ann","Version":12,"Time":1764300000123,"Operator":"boss","RequestId":"r\"1"}"#
        )
    );
    let erased = of(EventContent::Erased, None);
    assert_eq!(
        (kind_of(&erased), shown(&erased).as_str()),
        ("erased", r#"{"Id":"e1","Kind":"erased","Owner":"ann","Version":12,"Time":1764300000123}"#)
    );
    let disbanded = FeedEntry::Disbanded {
        event: "e2".to_owned(),
        id: ChatGroupId::parse("@TGS#room").unwrap(),
        incarnation: 4,
        at: 1_764_300_000_000,
    };
    assert_eq!(
        (kind_of(&disbanded), shown(&disbanded).as_str()),
        (
            "chat_group_disbanded",
            r#"{"Id":"e2","Kind":"chat_group_disbanded","GroupId":"@TGS#room","Incarnation":4,"Time":1764300000000}"#
        )
    );
}
