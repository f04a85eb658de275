//! Tests SIGHUP: apps and keys change while calls are being made.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::process::Signal;

use crate::{
    bodies::account_check,
    harness::{APP, Client, Ending, KEY, Server, eventually},
    serving::Site,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
const OTHER: u32 = 1_400_000_001;

/// Configures the administrators of the page's app, and another app.
fn configure(site: &Site, admins: &str, other: &str) {
    let text = format!("admins = [{admins}]\ndirectory = \"open\"\n\n[[app]]\nid = {OTHER}\n{other}\n");
    site.configure("[limits]\nrate_limit = false", &text);
}

fn client(server: &Server, app: u32, admin: &str, key: &str) -> Client {
    server.client().signed_for(app, admin, key)
}

/// Waits until the call has this code.
#[track_caller]
pub(crate) fn until(client: &mut Client, code: u64) {
    eventually(&format!("the call gets {code}"), || client.call(GET, BODY).code() == code);
}

#[test]
fn apps_change_under_load_without_a_failed_call() {
    let site = Site::new();
    site.write("second", "second-key");
    configure(&site, "\"ann\", \"bob\"", "key_file = \"key\"\ndirectory = \"open\"");
    let server = site.serve();
    let (done, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for _ in 0..4 {
            workers.push(scope.spawn(|| {
                let mut ann = client(&server, APP, "ann", KEY);
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(
                        ann.call(GET, BODY).code(),
                        0,
                        "an administrator who stays should never be refused"
                    );
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        let ending = Ending(&done);
        // Both signatures are cached by now.
        let (mut bob, mut other) =
            (client(&server, APP, "bob", KEY), client(&server, OTHER, "administrator", KEY));
        assert_eq!((bob.call(GET, BODY).code(), other.call(GET, BODY).code()), (0, 0));
        for _ in 0..5 {
            configure(&site, "\"ann\"", "key_file = \"second\"\ndirectory = \"open\"");
            server.signal(Signal::HUP);
            until(&mut bob, 60010);
            until(&mut other, 70009);
            let mut renewed = client(&server, OTHER, "administrator", "second-key");
            assert_eq!(renewed.call(GET, BODY).code(), 0);
            configure(&site, "\"ann\", \"bob\"", "key_file = \"key\"\ndirectory = \"open\"");
            server.signal(Signal::HUP);
            until(&mut bob, 0);
            until(&mut other, 0);
        }
        eventually("calls were made meanwhile", || calls.load(Ordering::Relaxed) > 100);
        drop(ending);
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn an_app_comes_and_goes() {
    let site = Site::new();
    site.configure("", "");
    let server = site.serve();
    let mut new = client(&server, OTHER, "administrator", "k");
    assert_eq!(new.call(GET, BODY).code(), 70020);
    site.configure("", &format!("[[app]]\nid = {OTHER}\nkey = \"k\""));
    server.signal(Signal::HUP);
    until(&mut new, 50001);
    site.configure("", "");
    server.signal(Signal::HUP);
    until(&mut new, 70020);
}

#[test]
fn a_bad_configuration_changes_nothing_and_is_reported() {
    let site = Site::new();
    site.configure("", "");
    let server = site.serve();
    site.configure("", "directory = \"opn\"");
    server.signal(Signal::HUP);
    eventually("the configuration is rejected", || site.log().contains("configuration rejected"));
    assert!(
        site.log().contains("app.directory must be \"strict\" or \"open\", found \"opn\""),
        "{}",
        site.log()
    );
    assert_eq!(server.client().call(GET, BODY).code(), 50001, "the old configuration should stay in effect");
    // After the correction, the configuration is applied.
    site.configure("", "directory = \"open\"");
    server.signal(Signal::HUP);
    until(&mut server.client(), 0);
}

#[test]
fn settings_that_need_a_restart_are_named() {
    let site = Site::new();
    site.configure("[limits]\nbody = \"1MiB\"", "");
    let server = site.serve();
    site.configure("[limits]\nbody = \"2MiB\"", "");
    server.signal(Signal::HUP);
    let restart = "until the server is started again";
    eventually("the log names what needs a new start", || site.log().contains(restart));
    assert!(site.log().contains("limits.body was changed to 2097152: it stays 1048576"), "{}", site.log());
    // After it is changed back, there is no warning.
    site.configure("[limits]\nbody = \"1MiB\"", "");
    server.signal(Signal::HUP);
    eventually("both reloads are in the log", || site.log().matches("the apps were read again").count() == 2);
    assert_eq!(site.log().matches(restart).count(), 1);
    assert_eq!(server.client().call(GET, BODY).code(), 50001);
}

#[test]
fn an_import_breaks_off_when_its_administrator_is_removed() {
    let site = Site::new();
    site.configure("", "admins = [\"ann\", \"bob\"]");
    let server = site.serve();
    let (mut bob, mut importing) = (client(&server, APP, "bob", KEY), client(&server, APP, "bob", KEY));
    let target = importing.target("x").replace("/v4/x", "/interchange/import");
    let chunk = |user: &str| {
        let line = format!("{{\"Kind\":\"account\",\"SdkAppId\":{APP},\"UserID\":\"{user}\"}}\n");
        format!("{:x}\r\n{line}\r\n", line.len())
    };
    let head = format!("POST {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    importing.send((head + &chunk("before")).as_bytes()).unwrap();
    eventually("the first line is imported", || {
        bob.make(&account_check("before")).body.contains("\"Imported\"")
    });
    site.configure("", "admins = [\"ann\"]");
    server.signal(Signal::HUP);
    until(&mut bob, 60010);
    importing.send(chunk("after").as_bytes()).unwrap();
    importing.send(b"0\r\n\r\n").unwrap();
    let answer = importing.answer(false).unwrap();
    assert_eq!((answer.status, answer.code()), (403, 60010), "{}", answer.body);
    let mut ann = client(&server, APP, "ann", KEY);
    let found = ann.make(&account_check("after")).body;
    assert!(found.contains("\"NotImported\""), "{found}");
}

#[test]
fn a_certificate_being_replaced_does_not_delay_the_removal_of_an_administrator() {
    let (site, authority) = (Site::new(), crate::serving::Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    let tls = "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"";
    site.configure(&format!("listen = [\"127.0.0.1:0\"]\n{tls}"), "");
    let server = site.serve();
    let mut admin = server.client();
    assert_eq!(admin.call(GET, BODY).code(), 50001);
    // The key has been replaced, the certificate has not.
    authority.issue(&site.path("other.pem"), &site.path("cert-key.pem"));
    site.configure(&format!("listen = [\"127.0.0.1:0\"]\n{tls}"), "admins = [\"other\"]");
    server.signal(Signal::HUP);
    until(&mut admin, 60010);
}

/// Returns the lines of a JSON log that have this message.
fn lines(site: &Site, message: &str) -> Vec<serde_json::Value> {
    let log = site.log();
    let whole = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    whole.filter(|line| line["message"] == message).collect()
}

#[test]
fn the_log_says_what_runs_and_what_a_reload_has_changed() {
    let site = Site::new();
    site.write("second", "second-key");
    let json = "[log]\nformat = \"json\"";
    site.configure(json, &format!("[[app]]\nid = {OTHER}\nkey_file = \"second\""));
    let server = site.serve();
    let started = "confold is serving";
    eventually("the log says what runs", || !lines(&site, started).is_empty());
    let line = lines(&site, started).remove(0);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(line["store"], site.path("data").to_str().unwrap());
    assert_eq!(line["listen"], serde_json::json!([server.address.to_string()]));
    assert_eq!(line["tls_listen"], serde_json::json!([]));
    assert_eq!(line["apps"], serde_json::json!([APP, OTHER]));
    // Change a setting and a key in the same file, add an app and remove another.
    let third = OTHER + 1;
    site.write("key", "another-key");
    site.configure(json, &format!("directory = \"open\"\n[[app]]\nid = {third}\nkey_file = \"second\""));
    server.signal(Signal::HUP);
    let read = "the apps were read again";
    eventually("the log says what has changed", || !lines(&site, read).is_empty());
    let line = lines(&site, read).remove(0);
    assert_eq!(line["apps"], serde_json::json!([APP, third]));
    assert_eq!(
        (&line["added"], &line["removed"]),
        (&serde_json::json!([third]), &serde_json::json!([OTHER]))
    );
    assert_eq!(line["changed"], serde_json::json!([format!("{APP}: directory, key_file")]));
    assert!(!site.log().contains("another-key"));
    server.signal(Signal::HUP);
    eventually("it was read again", || lines(&site, read).len() == 2);
    assert_eq!(lines(&site, read)[1]["changed"], serde_json::json!([]));
}

#[test]
fn dev_logs_what_runs_as_serve_does() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let server = Server::logging_text(&[], &log);
    let expected = format!(
        "confold is serving version=\"{}\" store={}",
        env!("CARGO_PKG_VERSION"),
        server.folder.as_ref().unwrap().path().display()
    );
    eventually("the log says what runs", || {
        let text = std::fs::read_to_string(&log).unwrap();
        let listed = format!("listen=[\"{}\"] tls_listen=[] apps=[1400000000, {APP}]", server.address);
        text.lines().any(|line| line.contains(&expected) && line.contains(&listed))
    });
}
