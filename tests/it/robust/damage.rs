//! Tests damaged database pages in a running service: one or many clients of damaged owners next to healthy owners.

use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{look, mark, metric, site};
use crate::{
    bodies::{account_import, create_contact_group, get_contact_group, mark_contact, records, user},
    harness::{Client, Ending},
    serving::Site,
};

const PAGE: usize = 4_096;
/// The number of calls per owner, each of which adds thirty conversations.
const PARTS: usize = 10;
const OWNERS: usize = 40;

/// Fills a store with owners that have several rows each, and stops the server.
fn filled() -> Site {
    let site = site();
    let server = site.serve();
    let mut client = server.client();
    for owner in 0..OWNERS {
        let id = format!("owner{owner:02}");
        client.does(&account_import(&id).field("Nick", "n".repeat(100)));
        for part in 0..PARTS {
            let peers = (0..30).map(|peer| format!("peer-{part}-{peer}-of-{owner:02}"));
            client.does(&create_contact_group(&id, &format!("g{part}")).with_users(peers));
        }
    }
    server.terminate();
    assert!(server.ended_well());
    site
}

/// A kind of database page: its first byte, and a byte string that it contains.
type Kind = (u8, &'static [u8]);

/// A page of the documents table that contains a head, which has the names of the groups.
const HEAD: Kind = (0x0d, b"\x02g0");
/// A page of the documents table that contains chunks; the caller excludes heads.
const CHUNK: Kind = (0x0d, b"peer-0-");
/// A page of the index of the documents table. `ACCOUNT` is the same for the accounts table.
const INDEX: Kind = (0x0a, b"owner");
const ACCOUNT: Kind = (0x0a, b"nnnnnnnnnnnnnnnn");

/// Zeroes a page of this kind, but not of the kind `but`, in the middle of the database.
fn lose(site: &Site, kind: Kind, but: Option<Kind>) {
    let database = site.path("data/confold.db");
    let mut bytes = fs::read(&database).unwrap();
    let holds = |page: &[u8], (first, text): Kind| {
        page[0] == first && page.windows(text.len()).any(|window| window == text)
    };
    let pages: Vec<usize> = (1..bytes.len() / PAGE)
        .filter(|page| {
            let page = &bytes[page * PAGE..(page + 1) * PAGE];
            holds(page, kind) && !but.is_some_and(|but| holds(page, but))
        })
        .collect();
    let page = pages[pages.len() / 2];
    bytes[page * PAGE..(page + 1) * PAGE].fill(0);
    fs::write(&database, bytes).unwrap();
}

/// Returns the owners who cannot be read.
fn damaged(client: &mut Client) -> BTreeSet<usize> {
    let code = |client: &mut Client, owner: usize| {
        client.make(&get_contact_group(&format!("owner{owner:02}"))).code()
    };
    (0..OWNERS)
        .filter(|owner| match code(client, *owner) {
            0 => false,
            50004 => true,
            other => panic!("owner {owner}: {other}"),
        })
        .collect()
}

/// Writes for damaged owners on `clients` connections, and for eight healthy owners; no healthy write may fail.
fn check(kind: Kind, but: Option<Kind>, clients: usize) {
    let site = filled();
    lose(&site, kind, but);
    let server = site.serve();
    let damaged = damaged(&mut server.client());
    assert!(!damaged.is_empty() && damaged.len() < OWNERS - 8, "{damaged:?}");
    let healthy: Vec<usize> = (0..OWNERS).filter(|owner| !damaged.contains(owner)).take(8).collect();
    let victims: Vec<usize> = damaged.iter().copied().collect();
    let (ended, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let ending = Ending(&ended);
        for client in 0..clients {
            let (server, ended, refused, victims) = (&server, &ended, &refused, &victims);
            scope.spawn(move || {
                let mut connection = server.client();
                for count in 0.. {
                    let owner = victims[(client + count) % victims.len()];
                    assert_eq!(mark(&mut connection, &format!("owner{owner:02}"), "x"), 50004);
                    refused.fetch_add(1, Ordering::Relaxed);
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        let writers: Vec<_> = healthy
            .iter()
            .map(|owner| {
                let server = &server;
                scope.spawn(move || {
                    let mut connection = server.client();
                    for count in 0..60 {
                        // Add new conversations, so that documents grow and rows move.
                        let mark = mark_contact(&format!("owner{owner:02}"));
                        let mark = mark.custom(user(&format!("new{count}")), &"m".repeat(50));
                        assert_eq!(connection.marks(&mark), [0], "owner {owner}");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        drop(ending);
    });
    assert!(refused.into_inner() >= clients);
    let (status, body) = look(&server, "/readyz");
    assert!(status == 200 && body.starts_with("ready\ndamaged: "), "{status} {body}");
    assert!(metric(&server, "confold_store_damaged") >= damaged.len() as u64);
    let log = site.log();
    for owner in &damaged {
        assert!(log.contains(&format!("stored data of user \"owner{owner:02}\" of app")), "{owner}: {log}");
    }
    // After a crash, every acknowledged change of the healthy owners is still there, no matter in which table it was
    // stored.
    server.kill();
    let server = site.serve();
    let mut client = server.client();
    for owner in healthy {
        let found = records(&mut client, &format!("owner{owner:02}")).len();
        assert_eq!(found, PARTS * 30 + 60, "owner {owner}");
    }
}

/// A call about many accounts succeeds for the readable ones and reports those that are damaged.
#[test]
fn a_call_about_many_accounts_fails_only_for_the_damaged_ones() {
    let site = filled();
    lose(&site, ACCOUNT, None);
    let server = site.serve();
    let mut client = server.client();
    let damaged = damaged(&mut client);
    let (lost, sound) =
        (damaged.first().unwrap(), (0..OWNERS).find(|owner| !damaged.contains(owner)).unwrap());
    let body = format!(r#"{{"Accounts":["owner{sound:02}","owner{lost:02}","aa-new"]}}"#);
    let reply = client.ok("im_open_login_svc/multiaccount_import", &body);
    assert_eq!(reply["FailAccounts"], serde_json::json!([format!("owner{lost:02}")]));
    let body = format!(r#"{{"DeleteItem":[{{"UserID":"owner{lost:02}"}},{{"UserID":"aa-new"}}]}}"#);
    let reply = client.ok("im_open_login_svc/account_delete", &body);
    let code = |index: usize| reply["ResultItem"][index]["ResultCode"].as_u64().unwrap();
    assert_eq!((code(0), code(1)), (70500, 0), "{reply}");
    assert_eq!(look(&server, "/readyz").0, 200);
}

#[test]
fn a_lost_page_of_heads_does_not_affect_other_owners() {
    check(HEAD, None, 1);
    check(HEAD, None, 16);
}

#[test]
fn a_lost_page_of_chunks_does_not_affect_other_owners() {
    check(CHUNK, Some(HEAD), 1);
    check(CHUNK, Some(HEAD), 16);
}

#[test]
fn a_lost_page_of_an_index_does_not_affect_other_owners() {
    check(INDEX, Some(ACCOUNT), 1);
    check(INDEX, Some(ACCOUNT), 16);
}

#[test]
fn a_lost_page_of_accounts_does_not_affect_other_owners() {
    check(ACCOUNT, None, 1);
    check(ACCOUNT, None, 16);
}
