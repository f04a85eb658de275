//! Tests disks that are full or read-only, and store directories that are moved or deleted.

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
        assert_eq!(marked(&mut client, "a").as_deref(), Some("before"), "reads still succeed");
        assert_eq!(look(&server, "/healthz").0, 200, "the process itself is healthy");
    }
    assert_eq!(
        look(&server, "/readyz"),
        (200, "ready\n".to_owned()),
        "the server is ready as soon as there is room"
    );
    assert_eq!(mark(&mut client, "a", "after"), 0);
}

/// A full disk is noticed without waiting for a change.
#[test]
fn a_readiness_check_notices_a_full_disk_without_a_change() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let site = site();
    let server = site.serve();
    let _full = Fault::inject(&server, WRITES, "ENOSPC", &site.path("data/confold.db-wal"));
    let full = (503, "not ready: the disk is full\n".to_owned());
    // A recent durable change still counts for a moment.
    eventually("the server becomes not ready", || look(&server, "/readyz") == full);
}

/// A checkpoint copies the log into the database, so that the log's space can be reused.
#[test]
fn a_full_disk_triggers_a_checkpoint() {
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
        // Only one write fails for lack of space; later ones succeed.
        let log = site.path("data/confold.db-wal");
        let _full = Fault::inject(&server, WRITES, "ENOSPC:when=1", &log);
        assert_eq!(mark(&mut client, "a", "after"), 0, "the client does not notice");
    }
    let left = metric(&server, "confold_store_log_used_bytes");
    assert!(left < used, "{used} bytes of the log were in use, and then {left}");
    server.kill();
    assert_eq!(marked(&mut site.serve().client(), "a").as_deref(), Some("after"));
}

/// Runs a server as an ordinary user, because root can write read-only files.
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
fn a_read_only_database_is_served_but_not_ready() {
    let site = site();
    let server = site.serve();
    assert_eq!(mark(&mut server.client(), "a", "kept"), 0);
    server.terminate();
    assert!(server.ended_well());
    fs::set_permissions(site.path("data/confold.db"), fs::Permissions::from_mode(0o400)).unwrap();
    let server = serve_as_nobody(&site);
    let refusal = "can only be read, and every change is refused";
    eventually("the read-only database is logged", || site.log().contains(refusal));
    let mut client = server.client();
    assert_eq!(marked(&mut client, "a").as_deref(), Some("kept"));
    assert_eq!(mark(&mut client, "a", "refused"), 50004);
    assert_eq!(look(&server, "/readyz"), (503, "not ready: the database is read-only\n".to_owned()));
}

#[test]
fn a_moved_directory_stops_the_server_before_anything_is_acknowledged() {
    let site = site();
    let server = site.serve();
    let mut client = server.client();
    assert_eq!(mark(&mut client, "a", "before"), 0);
    fs::rename(site.path("data"), site.path("moved")).unwrap();
    assert_eq!(mark(&mut client, "a", "refused"), 50004);
    assert!(!server.ended_well(), "the server stops by itself with an error");
    let log = site.log();
    assert!(log.contains("is not where it was opened"), "{log}");
    fs::rename(site.path("moved"), site.path("data")).unwrap();
    let found = marked(&mut site.serve().client(), "a").unwrap();
    assert!(["before", "refused"].contains(&found.as_str()), "every acknowledged change is stored: {found}");
}

/// Before the server stops, it copies the log into the database, because it still has both files open.
#[test]
fn a_deleted_log_loses_no_acknowledged_change() {
    let site = site();
    let server = site.serve();
    let mut client = server.client();
    for count in 0..20 {
        assert_eq!(mark(&mut client, "a", &format!("{count}")), 0);
    }
    fs::remove_file(site.path("data/confold.db-wal")).unwrap();
    assert_eq!(mark(&mut client, "b", "refused"), 50004);
    assert!(!server.ended_well(), "the server stops by itself with an error");
    let server = site.serve();
    assert_eq!(marked(&mut server.client(), "a").as_deref(), Some("19"));
}

#[test]
fn a_truncated_log_is_noticed_at_the_next_change() {
    let site = site();
    let server = site.serve();
    let mut client = server.client();
    for count in 0..20 {
        assert_eq!(mark(&mut client, "a", &format!("{count}")), 0);
    }
    fs::File::options().write(true).open(site.path("data/confold.db-wal")).unwrap().set_len(0).unwrap();
    assert_eq!(mark(&mut client, "b", "refused"), 50004);
    assert!(!server.ended_well(), "the server stops by itself with an error");
    assert!(site.log().contains("has become shorter"), "{}", site.log());
}

#[test]
fn a_deleted_directory_is_noticed_by_a_readiness_check() {
    let site = site();
    let server = site.serve();
    fs::remove_dir_all(site.path("data")).unwrap();
    // A recent durable change counts for a moment, so a later check notices. The server may have ended by then.
    let is_unready = || {
        let Ok(mut client) = Client::try_connect(server.address) else { return true };
        let answer = client.raw(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        answer.is_ok_and(|answer| answer.status == 503)
    };
    eventually("the server becomes not ready", is_unready);
    assert!(!server.ended_well(), "the server stops by itself with an error");
}
