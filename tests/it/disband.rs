//! Disbanding a chat group that many owners keep.

use std::thread;

use crate::harness::{Client, Server};

const OWNERS: usize = 2_000;

fn get(client: &mut Client, owner: usize) -> usize {
    let body = format!(r#"{{"From_Account":"o{owner}","StartIndex":0}}"#);
    client.ok("recentcontact/get_contact_group", &body)["ContactItem"].as_array().unwrap().len()
}

/// `bench/disband` does the same with 100,000 owners and takes the times.
#[test]
fn records_are_absent_at_once_also_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let start = || Server::dev(&["--rate-limit", "off", "--directory", "open", "--data", data]);
    let server = start();
    thread::scope(|scope| {
        for part in 0..8 {
            let mut client = server.client();
            scope.spawn(move || {
                for owner in (part..OWNERS).step_by(8) {
                    let body = format!(
                        r#"{{"From_Account":"o{owner}","MarkItem":[{{"OptType":1,"ContactItem":{{"Type":2,"ToGroupId":"hall"}},"SetMark":[1]}},{{"OptType":1,"ContactItem":{{"Type":1,"To_Account":"friend"}},"SetMark":[1]}}]}}"#
                    );
                    client.ok("recentcontact/mark_contact", &body);
                }
            });
        }
    });
    let mut client = server.client();
    client.ok("group_open_http_svc/create_group", r#"{"GroupId":"hall","Type":"Public","Name":"n"}"#);
    assert_eq!(get(&mut client, 7), 2);
    client.ok("group_open_http_svc/destroy_group", r#"{"GroupId":"hall"}"#);
    server.kill();

    let server = start();
    let mut client = server.client();
    for owner in (0..OWNERS).step_by(10) {
        assert_eq!(get(&mut client, owner), 1, "owner {owner}");
    }
    client.ok("group_open_http_svc/create_group", r#"{"GroupId":"hall","Type":"Public","Name":"again"}"#);
    for owner in (0..OWNERS).step_by(9) {
        assert_eq!(get(&mut client, owner), 1, "owner {owner}, after the id is used again");
    }
}
