//! What streams and long polls contain.

use serde_json::{Value, json};

use super::{
    copy::Copy,
    reader::{Notice, Reader, get, group, poll, target},
};
use crate::{
    bodies::{
        account_delete, account_import, chat, create_contact_group, create_group, del_contact_group,
        destroy_group, mark_contact, rename_contact_group, user,
    },
    harness::{APP, Client, Server, eventually},
    serving::Site,
    wait::start,
};

/// A generator of numbers, so that a test does the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn open() -> Server {
    Server::dev(&["--directory", "open", "--empty", "--rate-limit", "off"])
}

/// Makes the call with this index. It always changes something.
fn change(client: &mut Client, owner: &str, index: u64) {
    let peer = user(&format!("peer{}", index % 5));
    match index % 7 {
        0 => client.does(&create_contact_group(owner, &format!("g{index}")).with(peer)),
        1 => client.does(&rename_contact_group(owner, &format!("g{}", index - 1), &format!("h{index}"))),
        2 => client.does(&mark_contact(owner).set_custom(
            peer,
            [(index % 60) as u8],
            &format!("m{index}\n\"é"),
        )),
        3 => client.does(&create_contact_group(owner, &format!("r{index}")).with(chat("room"))),
        4 => client.does(&del_contact_group(owner, &[&format!("h{}", index - 3)])),
        5 => client.does(&mark_contact(owner).custom(chat("room"), &format!("m{index}"))),
        _ => client.does(&del_contact_group(owner, &[&format!("r{}", index - 3)])),
    };
}

#[test]
fn every_change_arrives_in_order_however_often_a_reader_connects() {
    const CALLS: u64 = 140;
    const DISBANDINGS: usize = 5;
    let server = open();
    let owners = ["ann", "bob", "carl"];
    let mut client = server.client();
    for index in 0..DISBANDINGS {
        client.does(&create_group(&format!("lost{index}")));
        for owner in owners {
            client.does(&create_contact_group(owner, "lost").with(chat(&format!("lost{index}"))));
        }
    }
    let writers: Vec<_> = owners
        .into_iter()
        .map(|owner| {
            let mut client = server.client();
            start("a writer", move || (0..CALLS).for_each(|index| change(&mut client, owner, index)))
        })
        .collect();
    let disbanding = start("the chat group is disbanded", move || {
        for index in 0..DISBANDINGS {
            client.does(&destroy_group(&format!("lost{index}")));
        }
    });
    let (mut copy, mut dice, mut last) = (Copy::default(), Dice(7), None::<String>);
    let all = owners.len() * (usize::try_from(CALLS).unwrap() + DISBANDINGS) + DISBANDINGS;
    while copy.events() < all {
        let mut reader = Reader::stream_after(server.address, "", last.as_deref()).unwrap();
        for _ in 0..dice.below(40) {
            if copy.events() == all {
                break;
            }
            let Notice { kind, id, .. } = {
                let event = reader.event();
                copy.apply(&event.json());
                event
            };
            assert_ne!(kind.as_deref(), Some("gap"));
            last = id;
        }
    }
    writers.into_iter().for_each(crate::wait::Work::done);
    disbanding.done();
    let mut client = server.client();
    for owner in owners {
        copy.is_right(&mut client, owner);
    }
    // A long poll, page by page, has the same.
    let (mut polled, mut after) = (Copy::default(), String::new());
    loop {
        let reply = poll(server.address, &format!("wait=0&after={after}"));
        reply["Events"].as_array().unwrap().iter().for_each(|event| polled.apply(event));
        reply["Cursor"].as_str().unwrap().clone_into(&mut after);
        assert_eq!(reply.get("Gap"), None);
        if reply["HasMore"] == false {
            break;
        }
    }
    assert_eq!(polled.events(), all);
    for owner in owners {
        polled.is_right(&mut client, owner);
    }
}

#[test]
fn a_killed_server_loses_no_acknowledged_change() {
    const ROUNDS: u64 = 4;
    let data = tempfile::tempdir().unwrap();
    let (mut copy, mut last, mut index) = (Copy::default(), None::<String>, 0);
    for round in 0..ROUNDS {
        let server = Server::on(data.path());
        let mut client = server.client();
        if round == 0 {
            client.does(&account_import("ann"));
        }
        let mut reader = Reader::stream_after(server.address, "", last.as_deref()).unwrap();
        // A stream may break off anywhere, because the server is killed while calls are made.
        let reading = start("the stream ends with the server", move || {
            let mut events = Vec::new();
            while let Ok(Some(notice)) = reader.next() {
                events.push(notice);
            }
            events
        });
        let first = index;
        let writer = start("the writer notices the end", move || {
            let mut at = first;
            loop {
                let call = mark_contact("ann").custom(user("ann"), &format!("text {at}"));
                match client.try_call(call.command, &call.body()) {
                    Ok(answer) => assert_eq!(answer.code(), 0, "{}", answer.body),
                    Err(_) => return at,
                }
                at += 1;
            }
        });
        let mut other = server.client();
        eventually("some events are sent", || other.metric("confold_feed_events_sent_total") > 5 + round * 3);
        server.kill();
        index = writer.done();
        for notice in reading.done().iter().filter(|notice| notice.kind.is_some()) {
            assert_eq!(notice.kind.as_deref(), Some("changed"));
            copy.apply(&notice.json());
            last.clone_from(&notice.id);
        }
    }
    let server = Server::on(data.path());
    let reply = poll(server.address, &format!("wait=0&after={}", last.unwrap()));
    assert_eq!(reply.get("Gap"), None, "{reply}");
    reply["Events"].as_array().unwrap().iter().for_each(|event| copy.apply(event));
    copy.is_right(&mut server.client(), "ann");
    assert!(copy.events() as u64 > index, "every acknowledged change should have an event");
}

#[test]
fn a_long_poll_ends_with_the_first_change() {
    let server = open();
    let now = poll(server.address, "after=latest&wait=0");
    assert_eq!((&now["Events"], &now["HasMore"]), (&json!([]), &json!(false)));
    let cursor = now["Cursor"].as_str().unwrap().to_owned();
    let address = server.address;
    let asked = format!("wait=60&after={cursor}");
    let polling = start("a long poll ends", move || poll(address, &asked));
    let mut client = server.client();
    eventually("the long poll waits", || client.metric("confold_feed_readers") == 1);
    group(&mut client, "ann", "work", "bob");
    let reply = polling.done();
    assert_eq!(reply["Events"].as_array().unwrap().len(), 1, "{reply}");
    let event = &reply["Events"][0];
    assert_eq!((&event["Owner"], &event["Version"]), (&json!("ann"), &json!(2)));
    assert_eq!(event["Operator"], "admin");
    eventually("the reader has left", || client.metric("confold_feed_readers") == 0);
    // The answer of a poll without anything new has the same cursor.
    let after = reply["Cursor"].as_str().unwrap();
    let again = poll(server.address, &format!("wait=0&after={after}"));
    assert_eq!((again["Cursor"].as_str(), &again["Events"]), (Some(after), &json!([])));
    // An event has a request's own id.
    let call = create_contact_group("ann", "play").with(user("bob")).request(&client);
    client.raw(call.replace("Host: x", "Host: x\r\nX-Request-Id: mine-1").as_bytes()).unwrap();
    let reply = poll(server.address, &format!("after={after}"));
    assert_eq!(reply["Events"][0]["RequestId"], "mine-1");
}

#[test]
fn a_stream_begins_with_its_cursor_and_resumes_after_any_event() {
    let server = open();
    let mut client = server.client();
    let mut reader = Reader::stream(server.address, "after=latest");
    let header = |name: &str| reader.headers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    assert_eq!(header("content-type"), Some("text/event-stream"));
    assert_eq!(header("cache-control"), Some("no-store"));
    assert_eq!(header("access-control-allow-origin"), None);
    let first = reader.next().unwrap().unwrap();
    assert_eq!((first.retry.as_deref(), first.kind), (Some("3000"), None));
    for index in 0..6 {
        group(&mut client, "ann", &format!("g{index}"), "bob");
    }
    let events: Vec<Notice> = (0..6).map(|_| reader.event()).collect();
    // The header wins over the query, with which a browser repeats its first request.
    for (index, id) in std::iter::once(&first.id).chain(events.iter().map(|event| &event.id)).enumerate() {
        let id = id.as_deref().unwrap();
        let mut resumed = Reader::stream_after(server.address, "after=latest", Some(id)).unwrap();
        let again: Vec<Notice> = (index..6).map(|_| resumed.event()).collect();
        assert_eq!(again, events[index..], "after {index} events");
    }
}

#[test]
fn a_cursor_from_before_a_reset_shows_a_gap() {
    let server = open();
    let mut client = server.client();
    group(&mut client, "ann", "before", "bob");
    let mut reader = Reader::stream(server.address, "");
    let cursor = reader.event().id.unwrap();
    for body in [json!({"SdkAppId": APP}), json!({})] {
        client.post("/_dev/reset", &body.to_string()).unwrap();
        group(&mut client, "carl", "after", "bob");
        // The stream goes on with everything that is kept.
        let gap = reader.event();
        assert_eq!((gap.kind.as_deref(), gap.json()), (Some("gap"), json!({})));
        assert_eq!(reader.event().json()["Owner"], "carl");
        let reply = poll(server.address, &format!("wait=60&after={cursor}"));
        assert_eq!((&reply["Gap"], &reply["Events"][0]["Owner"]), (&json!(true), &json!("carl")));
        assert_eq!(reply["Events"].as_array().unwrap().len(), 1);
        let after = reply["Cursor"].as_str().unwrap();
        let next = poll(server.address, &format!("wait=0&after={after}"));
        assert_eq!((next.get("Gap"), &next["Events"]), (None, &json!([])));
        // The notice of the gap has a cursor of its own.
        let mut resumed = Reader::stream_after(server.address, "", gap.id.as_deref()).unwrap();
        assert_eq!(resumed.event().json()["Owner"], "carl");
    }
}

#[test]
fn events_that_are_not_kept_any_more_are_a_gap() {
    let site = Site::new();
    site.configure("[store]\ndirectory = \"data\"\nevents_bytes = \"1KiB\"", "directory = \"open\"");
    let cursor = {
        let server = site.serve();
        let cursor = poll(server.address, "after=latest&wait=0")["Cursor"].as_str().unwrap().to_owned();
        for index in 0..50 {
            group(&mut server.client(), "ann", "g", &format!("peer{index}"));
        }
        cursor
    };
    // Old events are removed after the first change.
    let server = site.serve();
    group(&mut server.client(), "ann", "g", "last");
    let after = format!("wait=0&after={cursor}");
    eventually("events are removed", || poll(server.address, &after).get("Gap").is_some());
    let mut reader = Reader::stream(server.address, &format!("after={cursor}"));
    assert_eq!(reader.event().kind.as_deref(), Some("gap"));
    assert_eq!(reader.event().kind.as_deref(), Some("changed"));
}

#[test]
fn deleting_an_account_empties_its_events_for_every_reader() {
    let server = Server::dev(&["--directory", "strict", "--empty"]);
    let mut client = server.client();
    client.does(&account_import("ann"));
    client.does(&account_import("bob"));
    let mut early = Reader::stream(server.address, "after=latest");
    let start = early.next().unwrap().unwrap().id.unwrap();
    group(&mut client, "ann", "secret name", "bob");
    assert!(early.event().data.contains("secret name"));
    client.does(&account_delete("ann"));
    assert_eq!(early.event().json()["Kind"], "account_deleted");
    // Neither the store nor what is kept in memory has the content.
    for after in ["", &start] {
        let mut reader = Reader::stream(server.address, &format!("after={after}"));
        let kinds: Vec<String> = std::iter::repeat_with(|| reader.event())
            .inspect(|event| assert!(!event.data.contains("secret name"), "{}", event.data))
            .map(|event| event.json())
            .filter(|event| event["Owner"] == "ann")
            .map(|event| event["Kind"].as_str().unwrap().to_owned())
            .take(2)
            .collect();
        assert_eq!(kinds[0], "erased", "after {after:?}");
    }
}

/// Returns a line that gives an owner many records, which one event has.
fn large_owner(owner: &str) -> String {
    let record = |index: usize| json!({"Type": 1, "To_Account": format!("peer{index}"), "CustomMark": "\u{1}".repeat(60), "Timestamp": 1_700_000_000});
    let records: Vec<Value> = (0..500).map(record).collect();
    json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": owner, "ContactItem": records}).to_string()
}

#[test]
fn a_large_event_arrives_whole() {
    let server = open();
    let mut client = server.client();
    let mut keeping_up = Reader::stream(server.address, "after=latest");
    let start = keeping_up.next().unwrap().unwrap().id.unwrap();
    group(&mut client, "ann", "small", "bob");
    let import = target("").replacen("/feed", "/interchange/import", 1);
    let report = client.post(&import, &large_owner("large")).unwrap();
    assert_eq!(report.status, 200, "{}", report.body);
    group(&mut client, "carl", "small", "bob");
    let mut behind = Reader::stream(server.address, &format!("after={start}"));
    for reader in [&mut keeping_up, &mut behind] {
        let events = [reader.event(), reader.event(), reader.event()];
        let large = events.iter().find(|event| event.json()["Owner"] == "large").unwrap();
        assert!(large.data.len() > 200_000, "{}", large.data.len());
        let records = |event: &Value| {
            let changes = event["Changes"].as_array().unwrap();
            changes.iter().filter(|change| change["Change"] == "record_created").count()
        };
        assert_eq!(records(&large.json()), 500);
        for owner in ["ann", "carl"] {
            assert!(events.iter().any(|event| event.json()["Owner"] == owner), "{owner}");
        }
    }
    // As an object, too, which ends after it.
    let (mut after, mut owners) = (start, Vec::new());
    while owners.len() < 3 {
        let reply = poll(server.address, &format!("wait=0&after={after}"));
        let events = reply["Events"].as_array().unwrap();
        owners.extend(events.iter().map(|event| event["Owner"].as_str().unwrap().to_owned()));
        reply["Cursor"].as_str().unwrap().clone_into(&mut after);
    }
    owners.sort();
    assert_eq!(owners, ["ann", "carl", "large"]);
}

#[test]
fn a_stop_ends_streams_and_long_polls_in_order() {
    let server = open();
    let mut reader = Reader::stream(server.address, "after=latest");
    let address = server.address;
    let polling =
        start("a long poll ends", move || get(address, &target("wait=60&after=latest"), "").unwrap());
    let mut client = server.client();
    eventually("both wait", || client.metric("confold_feed_readers") == 2);
    group(&mut client, "ann", "work", "bob");
    assert_eq!(reader.event().json()["Owner"], "ann");
    polling.done();
    let polling =
        start("a long poll ends", move || get(address, &target("wait=60&after=latest"), "").unwrap());
    eventually("both wait", || client.metric("confold_feed_readers") == 2);
    server.terminate();
    assert!(reader.next().unwrap().is_none(), "the stream should end completely");
    let answer = polling.done();
    assert_eq!((answer.status, &answer.json()["Events"]), (200, &json!([])));
    assert!(server.ended_well());
}

#[test]
fn a_silent_stream_is_not_a_slow_connection() {
    let site = Site::new();
    site.configure(
        "[limits]\nidle_timeout = \"100ms\"\ncall_timeout = \"100ms\"\nhead_timeout = \"100ms\"",
        "directory = \"open\"",
    );
    let server = site.serve();
    let mut reader = Reader::stream(server.address, "after=latest");
    // Connections without a request are closed several times over while the stream waits.
    for _ in 0..8 {
        let mut idle = server.client();
        eventually("an idle connection is closed", || idle.has_ended());
    }
    group(&mut server.client(), "ann", "work", "bob");
    assert_eq!(reader.event().json()["Owner"], "ann");
}
