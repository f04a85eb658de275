//! Kills servers with `kill -9` while webhooks arrive: what was answered must be kept.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::json;

use super::{BEGIN, C2C, JOINED, OK, SECRET, joined, message, target};
use crate::{
    harness::{Client, eventually},
    serving::Site,
};

const ROUNDS: usize = 20;
const WRITERS: usize = 4;
const PEERS: usize = 8;

/// The time of the newest answered message, by user and peer, and the users whose joining was answered, by chat group.
#[derive(Default)]
struct Answered {
    messages: HashMap<(String, String), u64>,
    joined: Vec<(String, String)>,
}

#[test]
fn no_answered_webhook_is_lost_by_twenty_crashes() {
    let site = Site::new();
    let app = format!(
        "directory = \"open\"\n[app.callback]\nsecret = {SECRET:?}\nmembership = true\ncalls_per_second = 0"
    );
    site.configure("", &app);
    let (answered, times) = (Mutex::new(Answered::default()), AtomicUsize::new(0));
    let mut all = 0;
    for round in 0..ROUNDS {
        let server = site.serve();
        check(&mut server.client(), &answered.lock().unwrap());
        let (enough, answers) = (5 + round * 37 % 160, AtomicUsize::new(0));
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (client, answered, times, answers) = (server.client(), &answered, &times, &answers);
                scope.spawn(move || write(client, writer, answered, times, answers));
            }
            eventually("webhooks are answered", || answers.load(Ordering::Relaxed) >= enough);
            server.kill();
        });
        all += answers.into_inner();
    }
    let server = site.serve();
    check(&mut server.client(), &answered.lock().unwrap());
    assert!(all > ROUNDS * 20, "only {all} webhooks were answered");
}

/// Sends webhooks until the server is killed.
fn write(
    mut client: Client,
    writer: usize,
    answered: &Mutex<Answered>,
    times: &AtomicUsize,
    answers: &AtomicUsize,
) {
    for count in 0.. {
        let time = times.fetch_add(1, Ordering::Relaxed) as u64;
        let (user, peer) = (format!("u{writer}"), format!("p{writer}-{}", count % PEERS));
        let at = *BEGIN - 1_000_000 + time;
        let group = format!("g{writer}");
        let (kind, body) = match count % 3 {
            0 => (JOINED, joined(&group, &[&format!("m{time}")], at * 1_000)),
            _ => (C2C, message(&user, &peer, at)),
        };
        match client.post(&target(kind, ""), &body.to_string()) {
            Ok(answer) => assert_eq!(answer.body, OK),
            Err(_) => return,
        }
        let mut answered = answered.lock().unwrap();
        match kind {
            JOINED => answered.joined.push((group, format!("m{time}"))),
            _ => drop(answered.messages.insert((user, peer), at)),
        }
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

fn check(client: &mut Client, answered: &Answered) {
    for writer in 0..WRITERS {
        let owner = format!("u{writer}");
        let body = json!({"From_Account": owner, "TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0, "TopStartIndex": 0, "AssistFlags": 7});
        let list = client.ok("recentcontact/get_list", &body.to_string());
        let found: HashMap<&str, u64> = (list["SessionItem"].as_array().unwrap().iter())
            .map(|item| (item["To_Account"].as_str().unwrap(), item["MsgTime"].as_u64().unwrap()))
            .collect();
        for ((_, peer), at) in answered.messages.iter().filter(|((user, _), _)| *user == owner) {
            let newest = found.get(peer.as_str()).copied().unwrap_or(0);
            assert!(newest >= *at, "{owner} {peer}: {newest} instead of {at}");
        }
        let group = format!("g{writer}");
        let members: Vec<&String> =
            answered.joined.iter().filter(|(of, _)| *of == group).map(|(_, member)| member).collect();
        for part in members.chunks(100) {
            let body = json!({"GroupId": group, "User_Account": part});
            let reply = client.ok("group_open_http_svc/get_role_in_group", &body.to_string());
            for found in reply["UserIdList"].as_array().unwrap() {
                assert_eq!(found["Role"], "Member", "{group} {found}");
            }
        }
    }
}
