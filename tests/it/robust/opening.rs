//! What a server says about its store when it starts.

use std::{fs, path::Path};

use super::{mark, marked, site};
use crate::{
    harness::{Server, eventually},
    serving::Site,
    wait::Finish,
};

/// What is said about a damage, and how it is done to a log.
type Damage = (&'static str, fn(&Path));

/// The lines of the log about the store. They are written by a thread of their own; the one about the start is the last.
fn said(site: &Site) -> String {
    eventually("the start is not described", || site.log().contains(": incarnation "));
    let log = site.log();
    let about_store =
        |line: &&str| line.contains("store") || line.contains("SQLite") || line.contains("frames");
    log.lines().filter(about_store).collect::<Vec<_>>().join("\n")
}

/// A server that marked something and was killed before a checkpoint.
fn killed() -> Site {
    let site = site();
    let server = site.serve();
    let mut client = server.client();
    for count in 0..20 {
        assert_eq!(mark(&mut client, "a", &format!("{count}")), 0);
    }
    server.kill();
    site
}

fn stop(server: Server) {
    server.terminate();
    assert!(server.ended_well());
}

#[test]
fn a_new_store_one_that_was_closed_and_one_that_crashed() {
    let site = site();
    let server = site.serve();
    let log = said(&site);
    assert!(log.contains("INFO") && log.contains("created a new, empty store in /"), "{log}");
    let incarnation = log.split("incarnation ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert_eq!(mark(&mut server.client(), "a", "x"), 0);
    stop(server);

    let server = site.serve();
    let log = said(&site);
    let line =
        format!("incarnation {incarnation}, 0 accounts, 1 owners; frames in the log: 0 recovered, 0 dropped");
    assert!(log.contains("opened the store in /") && log.contains(&line), "{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    assert_eq!(mark(&mut server.client(), "a", "y"), 0);
    server.kill();

    let server = site.serve();
    let log = said(&site);
    assert!(
        log.contains(&incarnation) && !log.contains(" 0 recovered") && log.contains(" 0 dropped"),
        "{log}"
    );
    assert!(log.contains("SQLite: recovered"), "SQLite's own notices are there: {log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    assert_eq!(marked(&mut server.client(), "a").as_deref(), Some("y"));
}

#[test]
fn a_log_that_is_lost_is_not_passed_over() {
    let damages: [Damage; 2] = [
        ("confold.db-wal is missing", |log| fs::remove_file(log).unwrap()),
        ("confold.db-wal has a damaged header", |log| {
            let mut bytes = fs::read(log).unwrap();
            bytes[..32].fill(0);
            fs::write(log, bytes).unwrap();
        }),
    ];
    for (expected, damage) in damages {
        let site = killed();
        damage(&site.path("data/confold.db-wal"));
        let server = site.serve();
        let log = said(&site);
        assert!(log.contains("ERROR") && log.contains(expected), "{log}");
        assert!(log.contains("acknowledged changes since its last checkpoint are lost"), "{log}");
        // It goes on with what there is, and the next start has nothing to complain of.
        assert_eq!(mark(&mut server.client(), "a", "new"), 0);
        stop(server);
        let server = site.serve();
        assert!(!said(&site).contains("ERROR"), "{}", said(&site));
        assert_eq!(marked(&mut server.client(), "a").as_deref(), Some("new"));
    }
}

#[test]
fn a_database_that_is_missing_is_not_passed_over() {
    // Only the log is left: SQLite would delete it.
    let site = killed();
    fs::remove_file(site.path("data/confold.db")).unwrap();
    let output = site.command("serve").finish();
    let refused = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && refused.contains("holds changes that belong to it"), "{refused}");
    assert!(site.path("data/confold.db-wal").exists());
    // Nothing is left of it.
    fs::remove_file(site.path("data/confold.db-wal")).unwrap();
    let server = site.serve();
    let log = said(&site);
    assert!(log.contains("ERROR") && log.contains("nothing of it is left"), "{log}");
    drop(server);
}

#[test]
fn frames_that_are_dropped_are_counted() {
    let site = killed();
    let log = site.path("data/confold.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    // The last frame: its change was acknowledged, and nothing can tell that.
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    fs::write(&log, bytes).unwrap();
    let server = site.serve();
    let log = said(&site);
    assert!(
        log.contains("WARN") && log.contains("frames in the log") && log.contains("were dropped"),
        "{log}"
    );
    assert_eq!(marked(&mut server.client(), "a").as_deref(), Some("18"));
}
