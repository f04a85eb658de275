//! Kills servers with `kill -9` while clients write: nothing acknowledged may be missing afterwards.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    bodies::{mark_contact, records, user},
    harness::{Client, Server, eventually, import_accounts},
    tools::{Tool, is_missing},
};

const ROUNDS: usize = 50;
const WRITERS: usize = 8;
const PEERS: usize = 12;

/// The last value sent and the last value acknowledged, by owner and peer.
type Ledger = HashMap<(String, String), (usize, usize)>;

#[test]
fn nothing_acknowledged_is_lost_by_fifty_crashes() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Mutex::new(Ledger::new());
    let values = AtomicUsize::new(1);
    let mut acknowledged = 0;
    {
        let server = Server::on(directory.path());
        let peers = (0..WRITERS).flat_map(|writer| (0..PEERS).map(move |count| peer(writer, count)));
        let users: Vec<String> = (0..WRITERS).map(owner).chain(peers).collect();
        import_accounts(&mut server.client(), &users);
    }
    for round in 0..ROUNDS {
        let server = Server::on(directory.path());
        check(&mut server.client(), &ledger.lock().unwrap());
        // Crash after a different number of acknowledgements each time, while other writes are in progress.
        let enough = 5 + round * 37 % 160;
        let answers = AtomicUsize::new(0);
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (ledger, values, answers) = (&ledger, &values, &answers);
                let client = server.client();
                scope.spawn(move || write(client, writer, ledger, values, answers));
            }
            eventually("writes are acknowledged", || answers.load(Ordering::Relaxed) >= enough);
            server.kill();
        });
        acknowledged += answers.into_inner();
    }
    let server = Server::on(directory.path());
    check(&mut server.client(), &ledger.lock().unwrap());
    assert!(acknowledged > ROUNDS * 20, "only {acknowledged} writes were acknowledged");
}

const WRITES: usize = 40;

/// Killing the process does not show whether its writes would survive a power failure, because the system keeps them
/// in memory. Counting synchronizations shows it: each acknowledged write must be preceded by one.
#[test]
fn every_acknowledged_write_is_synchronised() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let server = Server::traced(&trace);
    let mut client = server.client();
    let synchronised = || {
        let text = std::fs::read_to_string(&trace).unwrap();
        text.lines().filter(|line| line.contains("sync(") && line.ends_with("= 0")).count()
    };
    for count in 1..=WRITES {
        let before = synchronised();
        let mark = mark_contact("user0").custom(user("user0"), &count.to_string());
        client.does(&mark);
        assert!(synchronised() > before, "write {count} was acknowledged before it was synchronised");
    }
}

/// Returns the owner of a writer. Half of the writers share one.
fn owner(writer: usize) -> String {
    format!("u{}", if writer.is_multiple_of(2) { 0 } else { writer })
}

/// Returns the peer of a write. No two writers share a conversation, so that its last acknowledged value is known.
fn peer(writer: usize, count: usize) -> String {
    format!("p{writer}-{}", count % PEERS)
}

/// Writes increasing values until the server is killed.
fn write(
    mut client: Client,
    writer: usize,
    ledger: &Mutex<Ledger>,
    values: &AtomicUsize,
    answers: &AtomicUsize,
) {
    for count in 0.. {
        let (owner, peer) = (owner(writer), peer(writer, count));
        let value = values.fetch_add(1, Ordering::Relaxed);
        let mark = mark_contact(&owner).custom(user(&peer), &value.to_string());
        let key = (owner, peer);
        ledger.lock().unwrap().entry(key.clone()).or_insert((0, 0)).0 = value;
        let Ok(answer) = client.try_call(mark.command, &mark.body()) else { return };
        assert_eq!(answer.json()["ResultItem"][0]["ResultCode"], 0, "{}", answer.body);
        ledger.lock().unwrap().get_mut(&key).unwrap().1 = value;
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

/// Checks that every conversation has the value acknowledged last or the one that was in progress.
fn check(client: &mut Client, ledger: &Ledger) {
    for writer in 0..WRITERS {
        let owner = owner(writer);
        let records = records(client, &owner);
        let found: HashMap<&str, usize> = (records.iter())
            .map(|item| {
                (item["To_Account"].as_str().unwrap(), item["CustomMark"].as_str().unwrap().parse().unwrap())
            })
            .collect();
        for ((_, peer), (sent, acknowledged)) in ledger.iter().filter(|((other, _), _)| *other == owner) {
            let found = found.get(peer.as_str()).copied().unwrap_or(0);
            assert!(
                (*acknowledged..=*sent).contains(&found),
                "{owner} {peer}: acknowledged {acknowledged}, sent {sent}, found {found}"
            );
        }
    }
}
