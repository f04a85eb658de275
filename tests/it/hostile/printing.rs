//! Tests programs whose standard output or standard error cannot be written to.

use std::{
    fs::{self, OpenOptions},
    path::Path,
    process::{Command, Output, Stdio},
};

use super::assert_plain;
use crate::{
    harness::{ADMIN, APP, KEY, Server, confold, eventually},
    serving::Site,
    tools::{Tool, is_missing},
    wait::Finish,
};

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// Returns a pipe whose reader is closed.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that prints there.
fn to(command: &mut Command, stdout: Stdio, stderr: Stdio, folder: &Path) -> Output {
    command.current_dir(folder).stdout(stdout).stderr(stderr).spawn().unwrap().finish()
}

#[test]
fn a_full_disk_is_reported_but_a_closed_reader_is_not() {
    let (site, server) = (Site::new(), Server::dev(&[]));
    site.configure("", "");
    site.write("users", "user0\n");
    site.write("lines", "");
    let url = format!("http://{}", server.address);
    let app = format!("{APP}:{KEY}:{ADMIN}");
    let imported = confold(&["import", "lines", "--data", "store"]).current_dir(site.folder.path()).finish();
    assert!(imported.status.success(), "{}", stderr(&imported));
    for arguments in [
        vec!["--help"],
        vec!["--version"],
        vec!["help", "dev"],
        vec!["pull", "--help"],
        vec!["man"],
        vec!["completions", "zsh"],
        vec!["usersig"],
        vec!["check-config", "--config", "confold.toml"],
        vec!["export", "--url", &url, "--app", &app],
        vec!["export", "--url", &url, "--app", &app, "-o", "/proc/self/fd/1"],
        vec!["import", "lines", "--data", "store"],
        vec!["import", "lines", "--data", "store", "--dry-run"],
        vec!["pull", "--url", &url, "--app", &app, "--users", "users", "-o", "-"],
        vec!["healthcheck", "--url", &url],
    ] {
        let run = |stdout: Stdio| to(&mut confold(&arguments), stdout, Stdio::piped(), site.folder.path());
        let output = run(full());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("error: cannot write ") && said.contains("No space left"),
            "{arguments:?}: {said}"
        );
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        let output = run(closed());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        assert!(
            !stderr(&output).contains("error") && !stderr(&output).contains("panicked"),
            "{}",
            stderr(&output)
        );
    }
    // The result is in the exit status, even if nobody reads the text.
    let refused = |stdout: Stdio| {
        to(&mut confold(&["verify-usersig", "+++"]), stdout, Stdio::piped(), site.folder.path())
    };
    assert_eq!(refused(closed()).status.code(), Some(1));
    assert_eq!(stderr(&refused(closed())), "");
    assert!(stderr(&refused(full())).contains("cannot write to standard output"));
}

#[test]
fn reading_only_the_first_line_causes_no_error() {
    if is_missing(&[Tool::Bash]) {
        return;
    }
    for arguments in ["man", "completions bash", "dev --help"] {
        let script = format!("{} {arguments} | head -1", env!("CARGO_BIN_EXE_confold"));
        let output = Command::new("bash").args(["-o", "pipefail", "-c", &script]).finish();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments}: {}", stderr(&output));
    }
}

#[test]
fn an_unwritable_standard_error_does_not_change_the_status() {
    for (arguments, status) in [
        (vec!["pull"], 2),
        (vec!["no-such-task"], 2),
        (vec!["usersig", "--app", "7"], 1),
        (vec!["check-config", "--config", "/nowhere"], 1),
        (vec!["serve", "--config", "/nowhere"], 1),
        (vec!["import", "/nowhere", "--data", "/nowhere"], 1),
        (vec!["healthcheck", "--url", "nothing"], 1),
    ] {
        for stderr in [full(), closed()] {
            let mut command = confold(&arguments);
            let status_of = to(&mut command, Stdio::null(), stderr, Path::new(".")).status;
            assert_eq!(status_of.code(), Some(status), "{arguments:?}");
        }
    }
}

#[test]
fn a_greeting_that_cannot_be_printed_does_not_stop_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let mut command = Server::dev_command();
    command
        .args(["--log-level", "error", "--ready-file", ready.to_str().unwrap()])
        .env("TMPDIR", folder.path());
    for stdout in [full(), closed()] {
        let mut child = command.stdout(stdout).spawn().unwrap();
        eventually("the server is ready", || {
            assert_eq!(child.try_wait().unwrap(), None);
            ready.exists()
        });
        let url = fs::read_to_string(&ready).unwrap();
        let healthy = confold(&["healthcheck", "--url", url.trim()]).finish().status;
        assert!(healthy.success());
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(child.finish().status.success());
    }
}

#[test]
fn text_from_a_signature_is_escaped_when_printed() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let claims = serde_json::json!({
        "TLS.ver": "2.0", "TLS.identifier": "ann\n\u{1b}[2JThe UserSig is valid for ann\u{202e}", "TLS.sdkappid": APP,
        "TLS.expire": 1000, "TLS.time": 1, "TLS.sig": "AAAA",
    });
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, claims.to_string().as_bytes()).unwrap();
    let signature =
        STANDARD.encode(packed.finish().unwrap()).replace('+', "*").replace('/', "-").replace('=', "_");
    let output = confold(&["verify-usersig", "--app", &format!("{APP}:{KEY}:{ADMIN}"), &signature]).finish();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success(), "{said}");
    assert_plain(&said);
    assert!(!said.lines().any(|line| line.starts_with("The UserSig is good")), "{said}");
}
