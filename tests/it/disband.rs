//! Tests the disbanding of a chat group about which many owners have records.

use std::thread;

use crate::{
    bodies::{chat, create_group, destroy_group, mark_contact, records, user},
    harness::{Client, Server},
};

const OWNERS: usize = 2_000;

fn get(client: &mut Client, owner: usize) -> usize {
    records(client, &format!("o{owner}")).len()
}

/// `bench/disband` does the same with 100,000 owners and measures the time.
#[test]
fn records_are_absent_immediately_even_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let start = || Server::dev(&["--rate-limit", "off", "--directory", "open", "--data", data]);
    let server = start();
    thread::scope(|scope| {
        for part in 0..8 {
            let mut client = server.client();
            scope.spawn(move || {
                for owner in (part..OWNERS).step_by(8) {
                    let mark = mark_contact(&format!("o{owner}")).set(chat("hall"), [1]);
                    client.does(&mark.set(user("friend"), [1]));
                }
            });
        }
    });
    let mut client = server.client();
    client.does(&create_group("hall"));
    assert_eq!(get(&mut client, 7), 2);
    client.does(&destroy_group("hall"));
    server.kill();

    let server = start();
    let mut client = server.client();
    for owner in (0..OWNERS).step_by(10) {
        assert_eq!(get(&mut client, owner), 1, "owner {owner}");
    }
    client.does(&create_group("hall"));
    for owner in (0..OWNERS).step_by(9) {
        assert_eq!(get(&mut client, owner), 1, "owner {owner}, after the id is used again");
    }
}
