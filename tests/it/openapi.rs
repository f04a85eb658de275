//! `/openapi.json` against the code, the golden file, and the running server.

use std::{fs, path::Path, process::Command as Process};

use confold::{
    api::Command,
    openapi,
    wire::{Field, Shape},
};
use serde_json::{Value, json};

use crate::harness::{ADMIN, APP, KEY, Server, query, sign};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_document_is_current() {
    let file = root().join("docs/openapi.json");
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&file, openapi::text()).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == openapi::text(), "docs/openapi.json is not what the code says; GOLDEN=write writes it");
    let served = Server::dev(&[]).client().raw(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(served.body == found && served.headers["content-type"].starts_with("application/json"));
    let document: Value = serde_json::from_str(&found).unwrap();
    for command in Command::ALL {
        assert_eq!(document["paths"][command.path()]["post"]["operationId"], command.name());
    }
}

/// Each example, on the data of the documentation page, also in strict mode.
#[test]
fn examples_work_and_replies_are_as_described() {
    let server = Server::dev(&["--strict"]);
    let mut client = server.client();
    for command in Command::ALL {
        client.raw(b"POST /_dev/reset HTTP/1.1\r\nContent-Length: 0\r\n\r\n").unwrap();
        let page = fs::read_to_string(root().join("src/cli/page.ndjson")).unwrap();
        let head = format!("POST /_dev/seed HTTP/1.1\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        assert_eq!(client.raw(head.as_bytes()).unwrap().status, 200);
        let described = command.description();
        let reply = client.ok(command.path().trim_start_matches("/v4/"), described.example);
        fits(&reply, described.reply, command.name());
    }
}

fn fits(value: &Value, fields: &[Field], place: &str) {
    for field in fields {
        let place = format!("{place}.{}", field.name);
        match value.get(field.name) {
            None => assert!(!field.required, "{place} is missing"),
            Some(value) => fits_shape(value, &field.shape, &place),
        }
    }
}

fn fits_shape(value: &Value, shape: &Shape, place: &str) {
    match shape {
        Shape::Any => {}
        Shape::Text | Shape::Word(_) => assert!(value.is_string(), "{place} is no text"),
        Shape::Number | Shape::Choice(_) => assert!(value.is_u64(), "{place} is no number"),
        Shape::List(of) => value.as_array().unwrap().iter().for_each(|item| fits_shape(item, of, place)),
        Shape::Object(fields) => fits(value, fields, place),
    }
}

/// Every golden call that succeeds does so in strict mode too.
#[test]
fn the_strict_mode_refuses_nothing_that_is_right() {
    let server = Server::dev(&["--strict"]);
    let mut client = server.client();
    let answer = client.call("recentcontact/mark_contact", &json!({"From_Account": "user0", "MarkItem": [{"OptType": 1, "ContactItem": {"Type": 1, "To_Acount": "x"}}]}).to_string());
    assert_eq!(
        (answer.code(), answer.json()["ErrorInfo"].as_str()),
        (
            50002,
            Some(
                "MarkItem[0].ContactItem.To_Acount is refused: there is no such field here (strict mode); did you mean To_Account?"
            )
        )
    );
    let answer = client.call("im_open_login_svc/account_import", r#"{"UserID":"a","Gender":1}"#);
    assert_eq!(answer.code(), 70402);
    let answer = client.call("group_open_http_svc/destroy_group", r#"{"GroupId":"a","X":1}"#);
    assert_eq!(answer.code(), 10004);
}

/// schemathesis sends what the document allows, and more, and looks whether replies are as it says.
#[test]
fn schemathesis_finds_nothing() {
    let server = Server::dev(&["--rate-limit", "off", "--app", "5:key-of-five:five"]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Process::new(root().join("target/test-python/bin/schemathesis"));
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
    // The clock and fault rules would make everything else fail.
    command.args([
        "--exclude-path-regex",
        "/_dev/(clock|faults)",
        "--max-examples",
        "20",
        "--seed",
        "7",
        "--no-color",
    ]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("passed"), "{said}");
}

/// Clients made from the document, in two languages, do one call each.
#[test]
fn clients_are_made_from_the_document_and_work() {
    let server = Server::dev(&[]);
    let folder = tempfile::tempdir().unwrap();
    let document = root().join("docs/openapi.json");
    let run = |command: &mut Process| {
        command.env("CONFOLD_URL", format!("http://{}", server.address)).env("CONFOLD_APP", APP.to_string());
        command
            .env("CONFOLD_ADMIN", ADMIN)
            .env("CONFOLD_USERSIG", sign(APP, ADMIN, KEY))
            .current_dir(folder.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    let python = root().join("target/test-python/bin");
    let mut generator = Process::new(python.join("openapi-python-client"));
    run(generator
        .args(["generate", "--meta", "none", "--output-path"])
        .arg("python/confold_client")
        .arg("--path")
        .arg(&document));
    let said =
        run(Process::new(python.join("python")).arg(root().join("tests/generated/call.py")).arg("python"));
    assert_eq!(said, "['teacher4', None] 1\n");
    let mut generator = Process::new(root().join("tests/generated/node_modules/.bin/swagger-typescript-api"));
    run(generator
        .args(["generate", "--js", "-n", "api.ts", "-o"])
        .arg(folder.path().join("node"))
        .arg("-p")
        .arg(&document));
    // Where it stands no package.json says that it is a module.
    fs::rename(folder.path().join("node/api.js"), folder.path().join("node/api.mjs")).unwrap();
    let said = run(Process::new("node")
        .arg(root().join("tests/generated/call.mjs"))
        .arg(folder.path().join("node/api.mjs")));
    assert_eq!(said, "[ 'teacher4', null ] 1\n");
}
