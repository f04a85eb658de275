//! Kills servers and receivers at random: everything acknowledged is delivered at least once and in order, and the events
//! give the stored state.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::Value;

use super::receiver::{Got, Receiver, ok};
use crate::{
    bodies::{mark_contact, records, user},
    harness::{Client, Server, eventually},
};

const WRITERS: usize = 4;
const PEERS: usize = 5;

/// What a receiver knows by folding the events that it got: for each owner the last version, and the marks by peer.
#[derive(Default)]
struct Known {
    versions: HashMap<String, u64>,
    marks: HashMap<(String, String), String>,
    messages: usize,
}

impl Known {
    fn take(&mut self, got: &Got) {
        self.messages += 1;
        let event = got.event();
        let (owner, version) = got.place();
        let known = self.versions.entry(owner.clone()).or_default();
        // An event may come again, but nothing may be left out: each call here takes one version.
        assert!(version <= *known + 1, "{owner}: version {version} came after {known}");
        if version <= *known {
            return;
        }
        *known = version;
        for change in event["Changes"].as_array().unwrap() {
            let item = &change["ContactItem"];
            let peer = item["To_Account"].as_str().unwrap().to_owned();
            self.marks.insert((owner.clone(), peer), item["CustomMark"].as_str().unwrap().to_owned());
        }
    }
}

fn owner(writer: usize) -> String {
    format!("owner{writer}")
}

/// Writes until the server is killed.
fn write(mut client: Client, writer: usize, values: &AtomicUsize, answers: &AtomicUsize) {
    for count in 0.. {
        let value = values.fetch_add(1, Ordering::Relaxed);
        let peer = format!("peer{}", count % PEERS);
        let mark = mark_contact(&owner(writer)).custom(user(&peer), &value.to_string());
        let Ok(answer) = client.try_call(mark.command, &mark.body()) else { return };
        assert_eq!(answer.code(), 0, "{}", answer.body);
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

fn crash(rounds: usize) {
    let directory = tempfile::tempdir().unwrap();
    let known = Arc::new(Mutex::new(Known::default()));
    let receive = |known: &Arc<Mutex<Known>>| {
        let known = Arc::clone(known);
        move |got: &Got| {
            known.lock().unwrap().take(got);
            Some(ok())
        }
    };
    let mut receiver = Some(Receiver::that(receive(&known)));
    let address = receiver.as_ref().unwrap().address;
    let start = || {
        let mut command = Server::dev_command();
        command.args(["--directory", "open", "--rate-limit", "off", "--log-level", "error"]);
        command.args([
            "--webhook",
            &format!("http://{address}/"),
            "--data",
            directory.path().to_str().unwrap(),
        ]);
        Server::start_until(&mut command, |greeting| greeting.contains("curl -d"))
    };
    let values = AtomicUsize::new(1);
    for round in 0..rounds {
        let server = start();
        let answers = AtomicUsize::new(0);
        let enough = 5 + round * 37 % 90;
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (values, answers, client) = (&values, &answers, server.client());
                scope.spawn(move || write(client, writer, values, answers));
            }
            eventually("half is written", || answers.load(Ordering::Relaxed) >= enough / 2);
            match round % 3 {
                // The receiver is away for a while, for the rest of this round, or not at all.
                0 => {
                    drop(receiver.take());
                    receiver = Some(Receiver::at(address, receive(&known)));
                }
                1 => drop(receiver.take()),
                _ => {}
            }
            eventually("enough is written", || answers.load(Ordering::Relaxed) >= enough);
            server.kill();
        });
        receiver.get_or_insert_with(|| Receiver::at(address, receive(&known)));
    }
    let server = start();
    let mut client = server.client();
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    // Everything is read before the clock moves on, because signatures expire.
    let stored: HashMap<(String, String), String> = (0..WRITERS)
        .flat_map(|writer| {
            let owner = owner(writer);
            let records = records(&mut client, &owner);
            records
                .into_iter()
                .map(move |item| ((owner.clone(), text(&item, "To_Account")), text(&item, "CustomMark")))
        })
        .collect();
    eventually("the receiver knows what is stored", || {
        super::advance(&mut client, 60);
        known.lock().unwrap().marks == stored
    });
    assert!(known.lock().unwrap().messages > rounds);
}

#[test]
fn receivers_know_everything_after_crashes_of_both_sides() {
    crash(12);
}

/// The long form. Run it with: `cargo test --locked --test it webhooks::crash -- --ignored`
#[test]
#[ignore = "twelve rounds are enough for every run of the suite"]
fn receivers_know_everything_after_two_hundred_crashes_of_both_sides() {
    crash(200);
}
