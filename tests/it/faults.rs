//! Tests full, failing and unreadable disks: what clients see, and that no acknowledged write is lost.

use std::path::Path;

use crate::{
    bodies::{account_check, get_contact_group, mark_contact, user},
    harness::{Client, Fault, Server},
    tools::{Tool, is_missing},
};

const GET: &str = "recentcontact/get_contact_group";

fn mark(client: &mut Client, value: usize) -> u64 {
    let mark = mark_contact("user0").custom(user("user0"), &value.to_string());
    client.make(&mark).code()
}

fn marked(client: &mut Client) -> String {
    let reply = client.does(&get_contact_group("user0"));
    let items = reply["ContactItem"].as_array().unwrap();
    let item = items.iter().find(|item| item["To_Account"] == "user0").unwrap();
    item["CustomMark"].as_str().unwrap().to_owned()
}

fn log(data: &Path) -> std::path::PathBuf {
    data.join("confold.db-wal")
}

#[test]
fn a_full_disk_gives_50004_and_is_survived() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path());
    let mut client = server.client();
    assert_eq!(mark(&mut client, 1), 0);
    {
        let _full = Fault::inject(&server, "write,pwrite64,writev,pwritev", "ENOSPC", &log(data.path()));
        for value in 2..5 {
            assert_eq!(mark(&mut client, value), 50004);
        }
        assert_eq!(marked(&mut client), "1", "a refused change should not be visible");
    }
    assert_eq!(mark(&mut client, 5), 0, "writes should succeed when there is room again");
    assert_eq!(marked(&mut client), "5");
    server.kill();
    assert_eq!(marked(&mut Server::on(data.path()).client()), "5");
}

#[test]
fn a_failed_synchronisation_gives_50004_and_stops_the_server() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path());
    let mut client = server.client();
    assert_eq!(mark(&mut client, 1), 0);
    let fault = Fault::inject(&server, "fsync,fdatasync", "EIO", &log(data.path()));
    assert_eq!(mark(&mut client, 2), 50004);
    drop(fault);
    assert!(!server.ended_well(), "the server should stop by itself, with an error");
    let server = Server::on(data.path());
    let found = marked(&mut server.client());
    assert!(found == "1" || found == "2", "should be the acknowledged value or the one in progress: {found}");
}

#[test]
fn a_read_error_gives_50004_and_passes() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    {
        let server = Server::on(data.path());
        assert_eq!(mark(&mut server.client(), 1), 0);
        server.terminate();
        assert!(server.ended_well());
    }
    let server = Server::on(data.path());
    let mut client = server.client();
    let body = r#"{"From_Account":"user0","StartIndex":0}"#;
    {
        let _broken = Fault::inject(&server, "read,pread64", "EIO", &data.path().join("confold.db"));
        let failed = client.call(GET, body);
        assert_eq!(failed.code(), 50004, "{}", failed.body);
        assert!(
            !failed.body.contains("disk"),
            "the store's error text should only be in the log: {}",
            failed.body
        );
        // Each service has its own code for a failure of the store.
        let checked = client.make(&account_check("user0"));
        assert_eq!(checked.code(), 70500, "{}", checked.body);
        let info = client.call("group_open_http_svc/get_group_info", r#"{"GroupIdList":["g"]}"#);
        assert_eq!(info.code(), 10002, "{}", info.body);
        let profile = client
            .call("profile/portrait_get", r#"{"To_Account":["user1"],"TagList":["Tag_Profile_IM_Nick"]}"#);
        assert_eq!(profile.code(), 40006, "{}", profile.body);
        let online = client.call("openim/query_online_status", r#"{"To_Account":["user1"]}"#);
        assert_eq!(online.code(), 91000, "{}", online.body);
    }
    assert_eq!(marked(&mut client), "1");
}

/// The system reports a failed synchronization once, and the next one succeeds although data was lost. So confold must
/// not try again.
#[test]
fn after_a_failed_synchronisation_nothing_is_tried_again() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path());
    let mut client = server.client();
    assert_eq!(mark(&mut client, 1), 0);
    let database = std::fs::read(data.path().join("confold.db")).unwrap();
    let fault = Fault::inject(&server, "fsync,fdatasync", "EIO:when=1", &log(data.path()));
    assert_eq!(mark(&mut client, 2), 50004);
    assert!(!server.ended_well());
    drop(fault);
    assert_eq!(
        std::fs::read(data.path().join("confold.db")).unwrap(),
        database,
        "nothing should have been copied into the database"
    );
    assert!(log(data.path()).exists(), "the log should be kept for the next startup");
    let found = marked(&mut Server::on(data.path()).client());
    assert!(found == "1" || found == "2", "{found}");
}

#[test]
fn a_checkpoint_that_the_disk_fails_stops_the_server() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::on(data.path());
    let mut client = server.client();
    let fault = Fault::inject(&server, "fsync,fdatasync", "EIO", &data.path().join("confold.db"));
    // Write until the log is long enough for a checkpoint.
    let mut acknowledged = 0;
    for value in 1..20_000 {
        let mark = mark_contact("user0").custom(user("user0"), &value.to_string());
        match client.try_call(mark.command, &mark.body()) {
            Ok(answer) if answer.code() == 0 => acknowledged = value,
            _ => break,
        }
    }
    assert!(acknowledged < 19_999, "no checkpoint was attempted");
    assert!(!server.ended_well());
    drop(fault);
    let found: usize = marked(&mut Server::on(data.path()).client()).parse().unwrap();
    assert!(found >= acknowledged, "acknowledged {acknowledged}, found {found}");
}
