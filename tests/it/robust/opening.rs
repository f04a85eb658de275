//! Tests what a server logs about its store at startup.

use std::{fs, path::Path};

use super::{mark, marked, site};
use crate::{
    harness::{Server, eventually},
    serving::Site,
    wait::Finish,
};

/// The expected log text for a kind of damage, and a function that damages a log in this way.
type Damage = (&'static str, fn(&Path));

/// Returns the log once it describes the startup. A separate thread writes the log, and this is its last line about
/// the store.
fn said(site: &Site) -> String {
    eventually("the startup is logged", || site.log().contains(": incarnation "));
    let log = site.log();
    let about_store =
        |line: &&str| line.contains("store") || line.contains("SQLite") || line.contains("frames");
    log.lines().filter(about_store).collect::<Vec<_>>().join("\n")
}

/// Returns a site whose server stored marks and was killed before a checkpoint.
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
fn a_start_describes_a_new_a_closed_and_a_crashed_store() {
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
    assert!(log.contains("SQLite: recovered"), "SQLite's own notices are logged: {log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    assert_eq!(marked(&mut server.client(), "a").as_deref(), Some("y"));
}

#[test]
fn a_lost_log_is_reported() {
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
        // The server continues with the remaining data, and the next startup reports no error.
        assert_eq!(mark(&mut server.client(), "a", "new"), 0);
        stop(server);
        let server = site.serve();
        assert!(!said(&site).contains("ERROR"), "{}", said(&site));
        assert_eq!(marked(&mut server.client(), "a").as_deref(), Some("new"));
    }
}

#[test]
fn a_missing_database_is_reported() {
    // Only the log is left; SQLite on its own would delete it.
    let site = killed();
    fs::remove_file(site.path("data/confold.db")).unwrap();
    let output = site.command("serve").finish();
    let refused = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && refused.contains("holds changes that belong to it"), "{refused}");
    assert!(site.path("data/confold.db-wal").exists());
    // Neither the database nor the log is left.
    fs::remove_file(site.path("data/confold.db-wal")).unwrap();
    let server = site.serve();
    let log = said(&site);
    assert!(log.contains("ERROR") && log.contains("nothing of it is left"), "{log}");
    drop(server);
}

#[test]
fn dropped_frames_are_reported() {
    let site = killed();
    let log = site.path("data/confold.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    // Damage the last frame. Its change was acknowledged, but the store cannot know that.
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
