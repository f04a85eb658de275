//! Tests the flags of `dev` and `serve`: common names, forms of addresses, and the hints for flags of other programs.

use crate::{
    harness::{Server, confold, said},
    serving::Site,
    wait::Finish,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

#[test]
fn a_flag_of_another_program_gets_a_hint() {
    let key = "0123456789abcdef0123456789abcdef";
    for (arguments, cure) in [
        (vec!["dev", "--port", "9000"], "use --listen 127.0.0.1:9000"),
        (vec!["dev", "--port=9000"], "use --listen 127.0.0.1:9000"),
        (vec!["dev", "-p", "9000"], "use --listen 127.0.0.1:9000"),
        (vec!["serve", "--config", "x", "--port", "9000"], "use --listen 127.0.0.1:9000"),
        (vec!["healthcheck", "--port", "9000"], "use --url http://127.0.0.1:9000"),
        (vec!["dev", "--host", "0.0.0.0"], "use --listen 0.0.0.0:8080"),
        (vec!["dev", "--bind", "10.0.0.5"], "use --listen 10.0.0.5:8080"),
        (vec!["serve", "--config-file", "a.toml"], "use --config a.toml"),
        (vec!["dev", "--config", "a.toml"], "only confold serve reads a file: confold serve --config a.toml"),
        (vec!["dev", "--key", key], "use --app ID:KEY[:ADMIN]"),
        (vec!["usersig", "--key", key], "use --key-file FILE, --app ID:KEY, or the variable CONFOLD_KEY"),
        (vec!["serve", "--key", key], "a table [[app]] in the configuration file, with key_file"),
        (vec!["dev", "--data-dir", "d"], "use --data d"),
        (vec!["import", "f", "--database", "d"], "use --data d"),
        (vec!["dev", "--verbose"], "use --log-level debug"),
        (vec!["dev", "--Log_Level", "debug"], "use --log-level"),
        (
            vec!["call", "get_contact_group", "--body", "{}"],
            "the second argument for the body: '{…}', @FILE or -",
        ),
        (vec!["usersig", "--sdkappid", "1400000000"], "use --app 1400000000"),
    ] {
        let output = confold(&arguments).finish();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said(&output).contains(cure), "{arguments:?}: {}", said(&output));
        assert!(!said(&output).contains(key), "{}", said(&output));
        assert!(said(&output).contains(&format!("\nUsage: confold {} [", arguments[0])), "{}", said(&output));
    }
    // A flag without a similar one gets the usual error.
    let output = confold(&["dev", "--frobnicate"]).finish();
    assert!(said(&output).contains("unexpected argument") && !said(&output).contains("tip: use"));
}

#[test]
fn addresses_are_understood_as_people_write_them() {
    for (text, shown) in [
        ("localhost:0", "http://127.0.0.1:"),
        ("0", "http://127.0.0.1:"),
        (":0", "http://0.0.0.0:"),
        ("*:0", "http://0.0.0.0:"),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = confold(&["dev", "--log-level", "error", "--listen", text]);
        let server = Server::start_until(command.env("TMPDIR", temporary.path()), |greeting| {
            greeting.contains("curl -d")
        });
        assert!(
            server.greeting.starts_with(&format!("confold is listening on {shown}")),
            "{}",
            server.greeting
        );
        // An emulator that other machines can reach requires a token.
        let is_open = shown.contains("0.0.0.0");
        assert_eq!(server.greeting.contains("Other machines can reach this server"), is_open, "{text}");
        let site = Site::new();
        site.configure(&format!("listen = [{text:?}]"), "");
        let server = site.serve();
        assert!(
            server.greeting.starts_with(&format!("confold is listening on {shown}")),
            "{}",
            server.greeting
        );
        site.configure("", "");
        let by_variable = said(&site.command("check-config").env("CONFOLD_LISTEN", text).finish());
        let by_flag = said(&site.command("check-config").args(["--listen", text]).finish());
        for checked in [by_variable, by_flag] {
            let understood = shown.trim_start_matches("http://");
            assert!(checked.contains(&format!("listen = [\"{understood}0\"]")), "{checked}");
        }
    }
    for (text, cure) in [
        ("http://127.0.0.1:8080", "write it without http://"),
        ("127.0.0.1", "the port is missing; write, for example, 127.0.0.1:8080"),
        ("chat.example:80", "names other than localhost are not looked up"),
    ] {
        let output = confold(&["dev", "--listen", text]).finish();
        assert!(said(&output).contains(cure), "{text}: {}", said(&output));
        let site = Site::new();
        site.configure(&format!("listen = [{text:?}]"), "");
        assert!(said(&site.check()).contains(cure), "{text}: {}", said(&site.check()));
    }
}

#[test]
fn dev_and_serve_understand_the_same_names() {
    let site = Site::new();
    site.configure("[store]", "");
    let checked = |arguments: &[&str]| said(&site.command("check-config").args(arguments).finish());
    let by_new = checked(&[
        "--store-directory",
        "d",
        "--limits-rate-limit",
        "false",
        "--limits-strict",
        "--log-format",
        "json",
        "--metrics-enabled",
        "true",
        "--traces-endpoint",
        "http://localhost:4318",
        "--allowed-hosts",
        "a.test,b.test",
    ]);
    let by_old = checked(&[
        "--data",
        "d",
        "--rate-limit",
        "off",
        "--strict",
        "--log",
        "json",
        "--metrics",
        "on",
        "--traces",
        "http://localhost:4318",
        "--allow-host",
        "a.test",
        "--allow-host",
        "b.test",
    ]);
    assert!(by_new.contains("allowed_hosts = [\"a.test\", \"b.test\"]"), "{by_new}");
    assert_eq!(by_old.replace("--data", ""), by_new.replace("--data", ""));
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path().join("data");
    let server = Server::dev(&[
        "--store-directory",
        data.to_str().unwrap(),
        "--limits-rate-limit",
        "off",
        "--limits-strict",
        "--log-format",
        "json",
        "--metrics-enabled",
        "false",
        "--allowed-hosts",
        "a.test,b.test",
    ]);
    assert!(data.join("confold.db").exists());
    let mut client = server.client();
    assert_eq!(client.call(GET, r#"{"From_Account":"user0","StartIndex":0,"Other":1}"#).code(), 50002);
    let host = |name: &str| format!("GET /_dev/journal HTTP/1.1\r\nHost: {name}\r\n\r\n");
    assert_eq!(client.raw(host("b.test").as_bytes()).unwrap().status, 200);
    assert_eq!(client.raw(host("c.test").as_bytes()).unwrap().status, 403);
    assert_eq!(client.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 404);
}

#[test]
fn an_emulator_may_start_empty_and_have_small_pages() {
    let server = Server::dev(&["--page-size", "1"]);
    let reply = server.client().ok(GET, BODY);
    assert_eq!((reply["ContactItem"].as_array().unwrap().len(), &reply["CompleteFlag"]), (1, &0.into()));
    let server = Server::dev(&["--empty"]);
    assert_eq!(server.client().call(GET, BODY).code(), 50001, "no user should have been imported");
    for size in ["0", "10001", "x"] {
        let output = confold(&["dev", "--page-size", size]).finish();
        assert!(said(&output).contains("must be a number from 1 to 10000"), "{}", said(&output));
    }
}
