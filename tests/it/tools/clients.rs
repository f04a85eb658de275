//! Tests published client libraries, unchanged, against the real server: the programs in `tests/clients`.

use std::{path::PathBuf, process::Command};

use super::{LONG, Tool, is_missing, python, root};
use crate::{harness::SAMPLE_KEY, tls::LocalTls, wait::Finish};

/// Starts a server that knows all commands that the programs call.
fn server() -> LocalTls {
    LocalTls::start_with(&["--messages", "accept", "--extensions", "recent"])
}

fn programs() -> PathBuf {
    root().join("tests/clients")
}

/// Runs a program, which has to succeed, against a server with or without TLS, and returns its output.
fn run(command: &mut Command, server: &LocalTls, tls: bool) -> String {
    let url = match tls {
        true => format!("https://localhost:{}", server.port()),
        false => format!("http://{}", server.server.address),
    };
    command.env("CONFOLD_URL", url).env("CONFOLD_APP", "1400000000").env("CONFOLD_KEY", SAMPLE_KEY);
    command.env("CONFOLD_ADMIN", "administrator");
    if tls {
        for name in ["CONFOLD_CA", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            command.env(name, server.ca());
        }
    }
    let output = command.finish_within(LONG);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.trim().to_owned()
}

#[test]
fn the_rust_library_works_over_tls() {
    if is_missing(&[Tool::OpensslHeaders]) {
        return;
    }
    let server = server();
    let mut cargo = Command::new(env!("CARGO"));
    // It is built separately, with its own lock file.
    cargo.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(programs().join("rust/Cargo.toml"));
    cargo.arg("--target-dir").arg(root().join("target/clients"));
    assert_eq!(run(&mut cargo, &server, true), "ok 19 steps");
}

#[test]
fn the_python_libraries_work_over_http_and_tls() {
    if is_missing(&[Tool::PythonPackages]) {
        return;
    }
    let server = server();
    for tls in [false, true] {
        assert_eq!(
            run(Command::new(python("bin/python")).arg(programs().join("python/main.py")), &server, tls),
            "ok 20 steps"
        );
    }
}

#[test]
fn the_node_libraries_work_over_http_and_tls() {
    if is_missing(&[Tool::Node, Tool::NodePackages]) {
        return;
    }
    let server = server();
    for tls in [false, true] {
        assert_eq!(
            run(Command::new("node").arg(programs().join("node/main.mjs")), &server, tls),
            "ok 18 steps"
        );
    }
}
