//! Clients read pages while the change numbers of an owner run out.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

use crate::{
    bodies::{Call, get_contact_group_from, mark_contact, user},
    harness::{APP, Client, Server, confold, import_accounts, in_directory, succeeds},
};

/// The highest change number.
const LAST: u32 = 2_147_483_646;
/// When an owner is renumbered, numbers below this one stay, and the others move above it.
const MIDDLE: u64 = 1 << 30;

fn control(client: &mut Client, path: &str, body: &str) {
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = client.raw(request.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
}

fn peer(index: usize) -> String {
    format!("peer{index:04}")
}

/// Gives ann a record with the custom mark "start" under each of these numbers, so that no further number is left.
fn seed(client: &mut Client, numbers: &[u32]) {
    let peers: Vec<String> = (0..numbers.len()).map(peer).collect();
    import_accounts(client, &peers);
    let record = |(peer, number): (&String, &u32)| json!({ "Type": 1, "To_Account": peer, "CustomMark": "start", "Timestamp": 1_700_000_000, "Number": number });
    let records: Vec<Value> = peers.iter().zip(numbers).map(record).collect();
    seed_organizer(client, LAST, &records.into());
}

fn seed_organizer(client: &mut Client, version: u32, records: &Value) {
    let line = json!({
        "Kind": "organizer", "SdkAppId": APP, "From_Account": "ann", "Version": version, "ContactItem": records,
    });
    control(client, "/_dev/seed", &line.to_string());
}

fn mark(client: &mut Client, peers: &[usize], text: &str) {
    let mark = |call: Call, index: &usize| call.custom(user(&peer(*index)), text);
    let codes = client.marks(&peers.iter().fold(mark_contact("ann"), mark));
    assert!(codes.iter().all(|code| *code == 0), "{codes:?}");
}

/// Reads a page. Returns its records and the start of the next one.
fn page(client: &mut Client, start: u64) -> (Value, Option<u64>) {
    let mut reply = client.does(&get_contact_group_from("ann", start));
    let next = (reply["CompleteFlag"] == 0).then(|| reply["NextStartIndex"].as_u64().unwrap());
    (reply["ContactItem"].take(), next)
}

fn count(page: &(Value, Option<u64>)) -> (usize, Option<u64>) {
    (page.0.as_array().unwrap().len(), page.1)
}

/// The state of a client: the custom mark of each peer, as last seen.
#[derive(Default)]
struct Known(BTreeMap<String, String>);

impl Known {
    fn learn(&mut self, records: &Value) {
        for record in records.as_array().unwrap() {
            let text = |field: &str| record[field].as_str().unwrap().to_owned();
            self.0.insert(text("To_Account"), text("CustomMark"));
        }
    }
}

#[test]
fn a_thousand_records_are_pulled_while_their_numbers_run_out() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let mut client = server.client();
    // There are 850 numbers with gaps between them, and 150 at the end of the range.
    let numbers: Vec<u32> = (1..=850).map(|count| count * 10).chain(LAST - 149..=LAST).collect();
    seed(&mut client, &numbers);
    let mut kept: BTreeMap<String, String> =
        (0..1_000).map(|index| (peer(index), "start".to_owned())).collect();
    let (mut known, mut start, mut sizes) = (Known::default(), 0, Vec::new());
    for pause in 0.. {
        let (records, next) = page(&mut client, start);
        known.learn(&records);
        sizes.push(records.as_array().unwrap().len());
        let Some(next) = next else { break };
        assert!(next > start, "the pages should advance");
        start = next;
        // Change records already read and not yet read, near the beginning and near the end.
        let peers = [pause, 500 - pause, 500 + pause, 999 - pause];
        mark(&mut client, &peers, &format!("{pause}"));
        kept.extend(peers.map(|index| (peer(index), format!("{pause}"))));
    }
    assert_eq!(known.0, kept);
    let (last, others) = sizes.split_last().unwrap();
    assert!(others.iter().all(|size| *size == 100) && *last > 150, "the upper half is one page: {sizes:?}");
}

#[test]
fn a_client_above_the_middle_continues_after_a_second_renumbering() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let mut client = server.client();
    let numbers: Vec<u32> = (LAST - 299..=LAST).collect();
    seed(&mut client, &numbers);
    mark(&mut client, &[299], "first");
    let all = page(&mut client, 0);
    assert_eq!(count(&all), (300, None), "for ten minutes the upper half is one page");
    control(&mut client, "/_dev/clock", r#"{"Advance":601}"#);

    let (records, next) = page(&mut client, 0);
    assert_eq!(next, Some(MIDDLE + 101), "after them it is split again");
    let mut known = Known::default();
    known.learn(&records);
    // Only the version rises, as if two billion changes had been made in the meantime.
    seed_organizer(&mut client, LAST - 100, &all.0);
    assert_eq!(page(&mut client, 0), (records, next), "nothing else has changed");
    // The hundred records already read take the last numbers; the others move down by a hundred.
    mark(&mut client, &(0..100).collect::<Vec<_>>(), "read");
    mark(&mut client, &[150], "second");
    let rest = page(&mut client, MIDDLE + 101);
    assert_eq!(count(&rest), (300, None));
    known.learn(&rest.0);
    let text = |index| match index {
        0..100 => "read",
        150 => "second",
        299 => "first",
        _ => "start",
    };
    assert_eq!(known.0, (0..300).map(|index| (peer(index), text(index).to_owned())).collect());

    // A number above all current ones was assigned before the renumbering, so it lists everything above the middle,
    // no matter how late it is used.
    control(&mut client, "/_dev/clock", r#"{"Advance":601}"#);
    let (mut late, mut start) = (Known::default(), Some(u64::from(LAST) - 100));
    let mut sizes = Vec::new();
    while let Some(at) = start {
        let (records, next) = page(&mut client, at);
        late.learn(&records);
        sizes.push(records.as_array().unwrap().len());
        start = next;
    }
    assert_eq!((sizes, late.0), (vec![100, 100, 100], known.0));
}

fn tool(task: &str, data: &Path, arguments: &[&str]) -> String {
    succeeds(confold(&[task]).args(in_directory(data)).args(arguments))
}

#[test]
fn the_ten_minutes_outlive_a_restart_and_a_move_to_another_store() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let server = Server::on(&first);
    let mut client = server.client();
    seed(&mut client, &(LAST - 299..=LAST).collect::<Vec<_>>());
    mark(&mut client, &[299], "x");
    let all = page(&mut client, 0);
    assert_eq!(count(&all), (300, None));
    let stop = |server: Server, client: Client| {
        drop(client);
        server.terminate();
        assert!(server.ended_well());
    };
    stop(server, client);

    let server = Server::on(&first);
    let mut client = server.client();
    assert_eq!(page(&mut client, MIDDLE + 101), all);
    stop(server, client);

    let lines = tool("export", &first, &[]);
    assert!(lines.contains(r#""Renumberings":1,"LastRenumbering":1"#), "{lines}");
    let file = folder.path().join("lines.ndjson");
    fs::write(&file, lines).unwrap();
    tool("import", &second, &[file.to_str().unwrap()]);
    let server = Server::on(&second);
    let mut client = server.client();
    assert_eq!(page(&mut client, MIDDLE + 101), all);
    stop(server, client);
}
