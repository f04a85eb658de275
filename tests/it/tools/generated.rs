//! Tests `openapi.json` as read by other programs: one that tests servers with it, and two that generate clients from
//! it.

use std::{fs, process::Command};

use super::{LONG, Tool, is_missing, python, root};
use crate::{
    harness::{ADMIN, APP, KEY, Server, query, sign},
    wait::Finish,
};

/// schemathesis sends requests that the document allows, and others, and checks that replies match it.
#[test]
fn schemathesis_finds_nothing() {
    if is_missing(&[Tool::PythonPackages]) {
        return;
    }
    let server = Server::dev(&["--rate-limit", "off", "--app", "5:key-of-five:five"]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(python("bin/schemathesis"));
    command.arg("run").arg(format!("http://{}/openapi.json", server.address)).current_dir(folder.path());
    let config = format!(
        "[parameters]\nsdkappid = {APP}\nidentifier = {ADMIN:?}\nusersig = {:?}\n",
        query(APP, ADMIN, KEY).split("usersig=").nth(1).unwrap().split('&').next().unwrap()
    );
    fs::write(folder.path().join("schemathesis.toml"), config).unwrap();
    command.args([
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]);
    // Changing the clock or adding fault rules would make everything else fail. The feed waits for events.
    command.args([
        "--exclude-path-regex",
        "/_dev/(clock|faults)|/feed",
        "--max-examples",
        "20",
        "--seed",
        "7",
        "--no-color",
    ]);
    let output = command.finish_within(LONG);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("passed"), "{said}");
}

/// Clients generated from the document in two languages make one call each.
#[test]
fn generated_clients_work() {
    if is_missing(&[Tool::PythonPackages, Tool::Node, Tool::NodePackages]) {
        return;
    }
    let server = Server::dev(&[]);
    let folder = tempfile::tempdir().unwrap();
    let document = root().join("docs/openapi.json");
    let run = |command: &mut Command| {
        command.env("CONFOLD_URL", format!("http://{}", server.address)).env("CONFOLD_APP", APP.to_string());
        command
            .env("CONFOLD_ADMIN", ADMIN)
            .env("CONFOLD_USERSIG", sign(APP, ADMIN, KEY))
            .current_dir(folder.path());
        let output = command.finish_within(LONG);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    let mut generator = Command::new(python("bin/openapi-python-client"));
    run(generator
        .args(["generate", "--meta", "none", "--output-path"])
        .arg("python/confold_client")
        .arg("--path")
        .arg(&document));
    let said =
        run(Command::new(python("bin/python")).arg(root().join("tests/generated/call.py")).arg("python"));
    assert_eq!(said, "['teacher4', None] 1\n");
    let mut generator = Command::new(root().join("tests/generated/node_modules/.bin/swagger-typescript-api"));
    run(generator
        .args(["generate", "--js", "-n", "api.ts", "-o"])
        .arg(folder.path().join("node"))
        .arg("-p")
        .arg(&document));
    // Its folder has no package.json that declares it a module.
    fs::rename(folder.path().join("node/api.js"), folder.path().join("node/api.mjs")).unwrap();
    let said = run(Command::new("node")
        .arg(root().join("tests/generated/call.mjs"))
        .arg(folder.path().join("node/api.mjs")));
    assert_eq!(said, "[ 'teacher4', null ] 1\n");
}
