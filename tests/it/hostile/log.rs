//! Standard error may be a pipe that nobody reads, a full disk, or closed; calls must not wait for it.

use std::{
    fs::{self, File},
    io::Read,
    process::{Command, Stdio},
};

use rustix::process::Signal;

use crate::{
    harness::{Server, eventually},
    serving::Site,
    wait::{self},
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

fn dev(arguments: &[&str]) -> Command {
    let mut command = Server::dev_command();
    command.args(["--log-level", "debug", "--rate-limit", "off"]).args(arguments);
    command
}

fn start(command: &mut Command) -> Server {
    Server::start_until(command, |greeting| greeting.contains("Try:") && greeting.contains("curl -d"))
}

#[test]
fn a_log_that_nobody_reads_does_not_block_calls_and_reports_dropped_lines() {
    for form in ["text", "json"] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let server = start(dev(&["--log", form]).stderr(writer));
        let mut client = server.client();
        // The pipe holds 64 KiB and the queue 8,192 lines, so most of these lines are dropped.
        for _ in 0..12_000 {
            assert_eq!(client.call(GET, BODY).code(), 0);
        }
        // Once standard error is read again, the log reports how many lines were dropped.
        let read = wait::start("the end of the log", move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        for _ in 0..100 {
            assert_eq!(client.call(GET, BODY).code(), 0);
        }
        server.terminate();
        assert!(server.ended_well());
        let text = read.done();
        assert!(
            text.contains("log lines were dropped, because standard error was not read in time"),
            "{form}"
        );
        let dropped: u64 = (text.lines().filter(|line| line.contains("were dropped")))
            .map(|line| {
                let count = line
                    .split(["lines=", "\"lines\":"].iter().find(|name| line.contains(**name)).unwrap())
                    .nth(1);
                count
                    .unwrap()
                    .chars()
                    .take_while(char::is_ascii_digit)
                    .collect::<String>()
                    .parse::<u64>()
                    .unwrap()
            })
            .sum();
        let calls = text.lines().filter(|line| line.contains("get_contact_group")).count() as u64;
        assert!(calls > 8_000 && dropped > 1_000, "{form}: {calls} lines, {dropped} dropped");
    }
}

#[test]
fn a_server_whose_log_is_never_read_can_be_stopped() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("export");
    let server = start(dev(&["--export-on-exit", export.to_str().unwrap()]).stderr(writer));
    let mut client = server.client();
    for _ in 0..2_000 {
        assert_eq!(client.call(GET, "{}").code(), 50002);
    }
    server.terminate();
    assert!(server.ended_well());
    assert!(fs::metadata(&export).unwrap().len() > 0, "the export on exit is written");
}

#[test]
fn a_log_that_cannot_be_written_does_not_affect_calls() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let export = folder.path().join("export");
    for stderr in [Stdio::from(full()), Stdio::from(std::io::pipe().unwrap().1)] {
        let server = start(dev(&["--export-on-exit", export.to_str().unwrap()]).stderr(stderr));
        let mut client = server.client();
        for _ in 0..200 {
            assert_eq!(client.call(GET, "{}").code(), 50002);
            assert_eq!(client.call(GET, BODY).code(), 0);
        }
        server.terminate();
        assert!(server.ended_well());
        assert!(fs::metadata(&export).unwrap().len() > 0);
        fs::remove_file(&export).unwrap();
    }
    let site = Site::new();
    site.configure("", "directory = \"open\"");
    let server = Site::serve_by(site.command("serve").stderr(full()));
    let mut client = server.client();
    assert_eq!(client.call(GET, BODY).code(), 0);
    site.configure("", "directory = \"strict\"");
    server.signal(Signal::HUP);
    // A reload, which logs lines, still takes effect, and the server keeps running.
    eventually("the configuration is reloaded", || client.call(GET, BODY).code() != 0);
    assert_eq!(server.client().call(GET, BODY).code(), 50001);
    server.terminate();
    assert!(server.ended_well());
}

/// A non-blocking pipe rejects writes when it is full: the lost lines are reported, and the server keeps running.
#[test]
fn a_log_that_rejects_lines_does_not_affect_calls_and_reports_lost_lines() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    let server = start(dev(&[]).stderr(writer));
    let mut client = server.client();
    for _ in 0..2_000 {
        assert_eq!(client.call(GET, BODY).code(), 0);
    }
    let read = wait::start("the end of the log", move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    for _ in 0..2_000 {
        assert_eq!(client.call(GET, BODY).code(), 0);
    }
    server.terminate();
    assert!(server.ended_well());
    let text = read.done();
    assert!(text.contains("log lines were lost, because standard error could not be written"), "{text}");
}
