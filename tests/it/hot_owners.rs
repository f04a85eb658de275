//! Tests many clients that write to one owner at once.

use std::{collections::BTreeSet, thread};

use serde_json::Value;

use crate::{
    bodies::{
        create_contact_group, everything, get_contact_group_from, mark_contact, regroup_contacts, user,
    },
    harness::{Client, Server, import_accounts},
};

const CLIENTS: usize = 32;

/// Runs `work` on 32 connections at once and collects the results.
fn at_once<T: Send>(server: &Server, work: impl Fn(usize, &mut Client) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (work, mut client) = (&work, server.client());
                scope.spawn(move || work(number, &mut client))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn no_update_is_lost_and_limits_are_exact() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let mut client = server.client();
    let peers: Vec<String> = (0..1_280).map(|count| format!("p{count}")).collect();
    import_accounts(&mut client, &peers);

    // 32 clients create 3 groups each, but only 20 are allowed.
    let made = at_once(&server, |number, client| {
        let mut made = Vec::new();
        for count in 0..3 {
            let name = format!("n{number}-{count}");
            match client.make(&create_contact_group("p0", &name).with(user("p0"))).code() {
                0 => made.push(name),
                code => assert_eq!(code, 51010),
            }
        }
        made
    });
    let made: BTreeSet<String> = made.into_iter().flatten().collect();
    assert_eq!(made.len(), 20);
    let (_, groups) = everything(&mut client, "p0");
    let kept: BTreeSet<String> =
        groups.iter().map(|group| group["GroupName"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kept, made);
    let ids: Vec<u64> = groups.iter().map(|group| group["GroupId"].as_u64().unwrap()).collect();
    assert_eq!(ids, (1..=20).collect::<Vec<_>>());

    // 32 clients add 40 conversations each, but only 1,000 may be in groups and 1,000 marked.
    let group = made.first().unwrap();
    let accepted = at_once(&server, |number, client| {
        let mut accepted = (Vec::new(), Vec::new());
        for some in peers[number * 40..(number + 1) * 40].chunks(10) {
            let adds = some.iter().fold(regroup_contacts("p0", group), |call, peer| call.add(user(peer)));
            let reply = client.make(&adds).json();
            collect(&reply["UpdateGroupResult"]["ContactResultItem"], &mut accepted.0);
            let marks = some.iter().fold(mark_contact("p0"), |call, peer| call.custom(user(peer), peer));
            collect(&client.make(&marks).json()["ResultItem"], &mut accepted.1);
        }
        accepted
    });
    let (grouped, marked): (Vec<_>, Vec<_>) = accepted.into_iter().unzip();
    let grouped: BTreeSet<String> = grouped.into_iter().flatten().chain(["p0".to_owned()]).collect();
    let marked: BTreeSet<String> = marked.into_iter().flatten().collect();
    assert_eq!((grouped.len(), marked.len()), (1_000, 1_000));

    let (records, _) = everything(&mut client, "p0");
    let holding = |field: &str| -> BTreeSet<String> {
        let holders = records.iter().filter(|record| record.get(field).is_some());
        holders.map(|record| record["To_Account"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(holding("ContactGroupId"), grouped);
    assert_eq!(holding("CustomMark"), marked);
}

/// Collects the peers of the items that succeeded. All others must have been refused because of the limit.
fn collect(items: &Value, accepted: &mut Vec<String>) {
    for item in items.as_array().unwrap() {
        match item["ResultCode"].as_u64().unwrap() {
            0 => accepted.push(item["ContactItem"]["To_Account"].as_str().unwrap().to_owned()),
            code => assert_eq!(code, 51008),
        }
    }
}

#[test]
fn paging_under_writes_misses_no_record() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let mut client = server.client();
    let peers: Vec<String> = (0..400).map(|count| format!("p{count}")).collect();
    import_accounts(&mut client, &peers);
    let mark = |peers: &[String], value: usize| {
        peers.iter().fold(mark_contact("p0"), |call, peer| call.custom(user(peer), &value.to_string()))
    };
    for some in peers.chunks(100) {
        client.does(&mark(some, 0));
    }
    let mut writer = server.client();
    for round in 1..=20 {
        // After each page, a write moves records of pages already read and not yet read.
        let (mut seen, mut start) = (BTreeSet::new(), 0);
        loop {
            let reply = client.does(&get_contact_group_from("p0", start));
            for record in reply["ContactItem"].as_array().unwrap() {
                seen.insert(record["To_Account"].as_str().unwrap().to_owned());
            }
            if reply["CompleteFlag"] == 1 {
                assert_eq!(reply["NextStartIndex"], 0);
                break;
            }
            let next = reply["NextStartIndex"].as_u64().unwrap();
            assert!(next > start);
            start = next;
            if start < 5_000 {
                writer.does(&mark(&[peers[round].clone(), peers[400 - round].clone()], round));
            }
        }
        assert_eq!(seen.len(), 400);
    }
}
