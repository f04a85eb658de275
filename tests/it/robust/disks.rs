//! Disks that are full or cannot be written, and folders that are moved away.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

use super::{look, mark, marked, metric, site};
use crate::{
    harness::{Client, Fault, eventually},
    serving::Site,
    tools::{Tool, is_missing},
};

const WRITES: &str = "write,pwrite64,writev,pwritev";

#[test]
fn a_server_on_a_full_disk_is_not_ready() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let site = site();
    let server = site.serve();
    let mut client = server.client();
    assert_eq!(mark(&mut client, "a", "before"), 0);
    assert_eq!(look(&server, "/readyz"), (200, "ready\n".to_owned()));
    {
        let _full = Fault::inject(&server, WRITES, "ENOSPC", &site.path("data/confold.db-wal"));
        assert_eq!(mark(&mut client, "a", "refused"), 50004);
        assert_eq!(look(&server, "/readyz"), (503, "not ready: the disk is full\n".to_owned()));
        assert_eq!(marked(&mut client, "a").as_deref(), Some("before"), "reads go on");
        assert_eq!(look(&server, "/healthz").0, 200, "the process itself is well");
    }
    assert_eq!(look(&server, "/readyz"), (200, "ready\n".to_owned()), "as soon as there is room");
    assert_eq!(mark(&mut client, "a", "after"), 0);
}

/// No change has to come before a full disk is noticed.
#[test]
fn readiness_finds_out_by_itself() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let site = site();
    let server = site.serve();
    let _full = Fault::inject(&server, WRITES, "ENOSPC", &site.path("data/confold.db-wal"));
    let full = (503, "not ready: the disk is full\n".to_owned());
    // A change of just now was durable.
    eventually("the server is not ready", || look(&server, "/readyz") == full);
}

/// What is in the log already can go into the database, and its room can be used again.
#[test]
fn a_full_disk_is_answered_by_a_checkpoint() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let site = site();
    let server = site.serve();
    let mut client = server.client();
    for count in 0..50 {
        assert_eq!(mark(&mut client, "a", &format!("{count}")), 0);
    }
    let used = metric(&server, "confold_store_log_used_bytes");
    {
        // One write finds no room; those after it do.
        let log = site.path("data/confold.db-wal");
        let _full = Fault::inject(&server, WRITES, "ENOSPC:when=1", &log);
        assert_eq!(mark(&mut client, "a", "after"), 0, "the client notices nothing");
    }
    let left = metric(&server, "confold_store_log_used_bytes");
    assert!(left < used, "{used} bytes of the log were in use, and then {left}");
    server.kill();
    assert_eq!(marked(&mut site.serve().client(), "a").as_deref(), Some("after"));
}

/// Runs a server as a user to whom a read-only file is one.
fn serve_as_nobody(site: &Site) -> crate::harness::Server {
    let binary = site.path("confold");
    let log = fs::File::create(site.path("log")).unwrap();
    let mut command = if rustix::process::getuid().is_root() {
        fs::copy(env!("CARGO_BIN_EXE_confold"), &binary).unwrap();
        for file in ["", "key", "confold.toml", "data", "data/lock", "data/confold.db", "data/confold.db-wal"]
        {
            std::os::unix::fs::chown(site.path(file), Some(65_534), Some(65_534)).unwrap();
        }
        let mut command = Command::new(&binary);
        command.arg("serve").arg("--config").arg(site.path("confold.toml")).uid(65_534).gid(65_534);
        command
    } else {
        site.command("serve")
    };
    Site::serve_by(command.current_dir(site.path("")).stderr(log))
}

#[test]
fn a_database_that_can_only_be_read_is_served_and_not_ready() {
    let site = site();
    let server = site.serve();
    assert_eq!(mark(&mut server.client(), "a", "kept"), 0);
    server.terminate();
    assert!(server.ended_well());
    fs::set_permissions(site.path("data/confold.db"), fs::Permissions::from_mode(0o400)).unwrap();
    let server = serve_as_nobody(&site);
    let refusal = "can only be read, and every change is refused";
    eventually("it is not said", || site.log().contains(refusal));
    let mut client = server.client();
    assert_eq!(marked(&mut client, "a").as_deref(), Some("kept"));
    assert_eq!(mark(&mut client, "a", "refused"), 50004);
    assert_eq!(look(&server, "/readyz"), (503, "not ready: the database can only be read\n".to_owned()));
}

#[test]
fn a_folder_that_is_moved_away_stops_the_server_before_anything_is_acknowledged() {
    let site = site();
    let server = site.serve();
    let mut client = server.client();
    assert_eq!(mark(&mut client, "a", "before"), 0);
    fs::rename(site.path("data"), site.path("moved")).unwrap();
    assert_eq!(mark(&mut client, "a", "refused"), 50004);
    assert!(!server.ended_well(), "it stops by itself, with an error");
    let log = site.log();
    assert!(log.contains("is not where it was opened"), "{log}");
    fs::rename(site.path("moved"), site.path("data")).unwrap();
    let found = marked(&mut site.serve().client(), "a").unwrap();
    assert!(["before", "refused"].contains(&found.as_str()), "what was acknowledged is there: {found}");
}

/// What the log held is put into the database before the server stops: both are still open.
#[test]
fn a_log_that_is_deleted_costs_nothing_that_was_acknowledged() {
    let site = site();
    let server = site.serve();
    let mut client = server.client();
    for count in 0..20 {
        assert_eq!(mark(&mut client, "a", &format!("{count}")), 0);
    }
    fs::remove_file(site.path("data/confold.db-wal")).unwrap();
    assert_eq!(mark(&mut client, "b", "refused"), 50004);
    assert!(!server.ended_well(), "it stops by itself, with an error");
    let server = site.serve();
    assert_eq!(marked(&mut server.client(), "a").as_deref(), Some("19"));
}

#[test]
fn a_log_that_is_cut_is_noticed_at_the_next_change() {
    let site = site();
    let server = site.serve();
    let mut client = server.client();
    for count in 0..20 {
        assert_eq!(mark(&mut client, "a", &format!("{count}")), 0);
    }
    fs::File::options().write(true).open(site.path("data/confold.db-wal")).unwrap().set_len(0).unwrap();
    assert_eq!(mark(&mut client, "b", "refused"), 50004);
    assert!(!server.ended_well(), "it stops by itself, with an error");
    assert!(site.log().contains("has become shorter"), "{}", site.log());
}

#[test]
fn a_folder_that_is_deleted_is_noticed_by_a_readiness_check() {
    let site = site();
    let server = site.serve();
    fs::remove_dir_all(site.path("data")).unwrap();
    // A change of just now was durable; a later check finds out. The server may have ended by then.
    let is_unready = || {
        let Ok(mut client) = Client::try_connect(server.address) else { return true };
        let answer = client.raw(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        answer.is_ok_and(|answer| answer.status == 503)
    };
    eventually("the server is ready", is_unready);
    assert!(!server.ended_well(), "it stops by itself, with an error");
}
