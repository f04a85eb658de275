//! Tests signals at every stage of every task.

use std::{
    fs,
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
};

use rustix::process::{Pid, Signal, kill_process};

use super::Fake;
use crate::{
    harness::{ADMIN, APP, KEY, Server, confold, eventually},
    tools::{Tool, is_missing},
    wait::{self, Finish, message},
};

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a child, and returns its exit status and standard error.
fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.finish();
    assert_eq!(output.status.signal(), None, "the process exits instead of being killed by the signal");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Starts a fake server that sends only `first` as its reply. Returns it with a channel that reports each request.
fn silent(first: &'static [u8]) -> (Fake, mpsc::Receiver<()>) {
    let (asked, wait) = mpsc::channel();
    let fake = Fake::start(move |_, _, connection| {
        connection.write_all(first).unwrap();
        asked.send(()).unwrap();
        // Wait until the client disconnects.
        let _ = connection.read(&mut [0]);
    });
    (fake, wait)
}

fn caller() -> [String; 2] {
    ["--app".to_owned(), format!("{APP}:{KEY}:{ADMIN}")]
}

const BOTH: [(Signal, i32, &str); 2] = [(Signal::TERM, 143, "SIGTERM"), (Signal::INT, 130, "SIGINT")];

#[test]
fn an_interrupted_import_explains_how_to_continue() {
    let folder = tempfile::tempdir().unwrap();
    let line = "{\"Kind\":\"account\",\"SdkAppId\":1,\"UserID\":\"ann\"}\n";
    for (signal, status, name) in BOTH {
        let mut child = spawn(confold(&["import", "-", "--data"]).arg(folder.path().join("data")));
        // The data is larger than a pipe holds, so once it is written the task is running.
        child.stdin.as_mut().unwrap().write_all(line.repeat(10_000).as_bytes()).unwrap();
        send(child.id(), signal);
        let stdin = child.stdin.take();
        let said = format!("ended by {name}: nothing was changed; run the same command again\n");
        assert_eq!(ended(child), (Some(status), said));
        drop(stdin);
        assert!(!folder.path().join("data").exists());
    }
    // The signal comes while lines are applied: the check has been answered, but the import has not.
    let (asked, wait) = mpsc::channel();
    let fake = Fake::start(move |_, request, connection| {
        if request.contains("/interchange/check") {
            let body = r#"{"Lines":1,"Changed":0,"Faults":[],"MoreFaults":0}"#;
            write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            return;
        }
        asked.send(()).unwrap();
        let _ = connection.read(&mut [0]);
    });
    fs::write(folder.path().join("lines"), line).unwrap();
    let mut command = confold(&["import", "--url", &fake.url()]);
    let child = spawn(command.args(caller()).arg(folder.path().join("lines")));
    message(&wait, "the server was asked");
    send(child.id(), Signal::INT);
    let said = "ended by SIGINT: a part was imported; run the same command again to complete it\n";
    assert_eq!(ended(child), (Some(130), said.to_owned()));
}

#[test]
fn signals_end_a_pull_a_health_check_and_an_export_without_leftovers() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "ann\n").unwrap();
    let run = |fake: &Fake, arguments: &[&str]| {
        spawn(confold(arguments).args(["--url", &fake.url()]).current_dir(folder.path()))
    };
    for (signal, status, name) in BOTH {
        let (fake, asked) = silent(b"");
        let [flag, app] = caller();
        let child = run(&fake, &["pull", &flag, &app, "--users", "users", "-o", "pulled"]);
        message(&asked, "the server was asked");
        send(child.id(), signal);
        let said = format!(
            "ended by {name}: run the same command again; with an output file, it continues where it stopped\n"
        );
        assert_eq!(ended(child), (Some(status), said));
        let child = run(&fake, &["healthcheck"]);
        message(&asked, "the server was asked");
        send(child.id(), signal);
        assert_eq!(ended(child), (Some(status), format!("ended by {name}\n")));
    }
    // The export has started: its temporary file exists.
    let (asked, wait) = mpsc::channel();
    let fake = Fake::start(move |_, request, connection| {
        if request.contains("/interchange/check") {
            let body = r#"{"Lines":0,"Changed":0,"Faults":[],"MoreFaults":0}"#;
            write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            return;
        }
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n{}\n").unwrap();
        asked.send(()).unwrap();
        let _ = connection.read(&mut [0]);
    });
    fs::write(folder.path().join("out"), "before").unwrap();
    let [flag, app] = caller();
    let child = run(&fake, &["export", &flag, &app, "-o", "out"]);
    message(&wait, "the server was asked");
    send(child.id(), Signal::TERM);
    let said = "ended by SIGTERM: the export is not complete, and an existing output file was not changed; run the command again\n";
    assert_eq!(ended(child), (Some(143), said.to_owned()));
    assert_eq!(fs::read_to_string(folder.path().join("out")).unwrap(), "before");
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["out", "pulled", "users"]);
}

/// Creates a FIFO, and returns when the child that `start` starts has opened it.
fn held_by(folder: &Path, name: &str, start: impl FnOnce(&str) -> Child) -> (Child, fs::File) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let fifo = folder.join(name);
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let child = start(fifo.to_str().unwrap());
    // Opening the FIFO blocks until the child opens it for reading.
    let path = fifo.clone();
    let end =
        wait::start("the child opens the FIFO", move || fs::File::options().write(true).open(path).unwrap());
    let end = end.done();
    fs::remove_file(fifo).unwrap();
    (child, end)
}

#[test]
fn a_signal_ends_a_server_that_is_still_starting() {
    let folder = tempfile::tempdir().unwrap();
    for (signal, status, name) in BOTH {
        let temporary = folder.path().join(name);
        fs::create_dir(&temporary).unwrap();
        let (child, fifo) = held_by(folder.path(), "seed", |fifo| {
            let mut command = confold(&["dev", "--listen", "127.0.0.1:0", "--seed", fifo]);
            spawn(command.env("TMPDIR", &temporary))
        });
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 1);
        send(child.id(), signal);
        assert_eq!(ended(child), (Some(status), format!("ended by {name} before the server was ready\n")));
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "its temporary directory is deleted");
        drop(fifo);
        for (task, advice) in [("serve", " before the server was ready"), ("check-config", "")] {
            let (child, fifo) =
                held_by(folder.path(), "config", |fifo| spawn(&mut confold(&[task, "--config", fifo])));
            send(child.id(), signal);
            assert_eq!(ended(child), (Some(status), format!("ended by {name}{advice}\n")));
            drop(fifo);
        }
    }
}

#[test]
fn a_signal_ends_the_first_process_of_a_container() {
    let namespace = || {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child"]);
        command
    };
    if is_missing(&[Tool::Namespaces]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "ann\n").unwrap();
    // Returns the process id outside the namespace.
    let inner = |child: &Child| -> u32 {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
        children.trim().parse().unwrap()
    };
    for (signal, status, name) in BOTH {
        let (fake, asked) = silent(b"");
        let mut command = namespace();
        command.arg(env!("CARGO_BIN_EXE_confold")).args([
            "pull",
            "--users",
            "users",
            "-o",
            "out",
            "--url",
            &fake.url(),
        ]);
        let child = spawn(command.args(caller()).current_dir(folder.path()));
        message(&asked, "the server was asked");
        send(inner(&child), signal);
        let (code, said) = ended(child);
        assert_eq!(code, Some(status));
        assert!(said.starts_with(&format!("ended by {name}: run the same command again")), "{said}");

        let (child, fifo) = held_by(folder.path(), "config", |fifo| {
            let mut command = namespace();
            spawn(command.arg(env!("CARGO_BIN_EXE_confold")).args(["serve", "--config", fifo]))
        });
        send(inner(&child), signal);
        assert_eq!(ended(child), (Some(status), format!("ended by {name} before the server was ready\n")));
        drop(fifo);
    }
}

#[test]
fn a_hangup_ends_a_tool_unless_it_was_started_with_hangups_ignored() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "ann\n").unwrap();
    for (begin, last, status) in [("", "SIGHUP", 129), ("trap '' HUP; ", "SIGTERM", 143)] {
        let (fake, asked) = silent(b"");
        let [flag, app] = caller();
        let script = format!(
            "{begin}exec {} pull --users users -o out --url {} {flag} {app}",
            env!("CARGO_BIN_EXE_confold"),
            fake.url()
        );
        let child = spawn(Command::new("sh").args(["-c", &script]).current_dir(folder.path()));
        message(&asked, "the server was asked");
        send(child.id(), Signal::HUP);
        if last == "SIGTERM" {
            send(child.id(), Signal::TERM);
        }
        let (code, said) = ended(child);
        assert!(code == Some(status) && said.starts_with(&format!("ended by {last}")), "{code:?} {said}");
    }
}

#[test]
fn a_second_signal_ends_a_server_whose_stop_hangs() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let ready = folder.path().join("ready");
    // The export blocks, because nobody reads the FIFO.
    let mut command = Server::dev_command();
    command.args(["--export-on-exit", fifo.to_str().unwrap(), "--ready-file", ready.to_str().unwrap()]);
    let mut child = spawn(command.env("TMPDIR", folder.path()));
    eventually("the server is ready", || {
        assert_eq!(child.try_wait().unwrap(), None);
        ready.exists()
    });
    // Two signals within a second count as one.
    eventually("the server ends", || {
        let has_ended = child.try_wait().unwrap().is_some();
        if !has_ended {
            send(child.id(), Signal::TERM);
        }
        has_ended
    });
    let (code, said) = ended(child);
    assert_eq!(code, Some(143));
    assert!(said.ends_with("ended by SIGTERM while the server was stopping\n"), "{said}");
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["fifo"]);
}
