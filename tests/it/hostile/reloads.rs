//! Tests reloads: a refused configuration still takes rights away but grants none, and a certificate is checked as at
//! startup.

use std::{fs, os::unix::fs::PermissionsExt};

use rustix::process::Signal;

use crate::{
    harness::{APP, Client, KEY, Server, eventually, said},
    serving::{Authority, Site},
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
const OTHER: u32 = 1_400_000_001;
const TLS: &str = "listen = [\"127.0.0.1:0\"]\n[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"\n[metrics]\nenabled = true";

fn client(server: &Server, app: u32, admin: &str, key: &str) -> Client {
    server.client().signed_for(app, admin, key)
}

fn code(server: &Server, app: u32, admin: &str, key: &str) -> u64 {
    client(server, app, admin, key).call(GET, BODY).code()
}

/// Makes the server reload its configuration, and waits until the log contains `said` at least `times` times.
fn reload(site: &Site, server: &Server, said: &str, times: usize) {
    server.signal(Signal::HUP);
    eventually(said, || site.log().matches(said).count() >= times);
}

/// Configures the page's app with these administrators, followed by `rest`.
fn configure(site: &Site, server: &str, admins: &str, rest: &str) {
    site.configure(server, &format!("admins = [{admins}]\ndirectory = \"open\"\n{rest}"));
}

fn other(key: &str) -> String {
    format!("[[app]]\nid = {OTHER}\nkey_file = \"{key}\"\ndirectory = \"open\"\n")
}

const REFUSED: &str = "configuration rejected";

#[test]
fn a_refused_configuration_takes_rights_away_but_grants_none() {
    let site = Site::new();
    site.write("second", "second-key-that-is-long-enough-for-anybody");
    configure(&site, "", "\"ann\", \"bob\"", &other("key"));
    let server = site.serve();
    assert_eq!(code(&server, APP, "bob", KEY), 0);
    assert_eq!(code(&server, OTHER, "administrator", KEY), 0);

    // The new file removes Bob, adds Eve and replaces a key, and also has a misspelt setting.
    let broken = "[limits]\nbodi = \"1MiB\"";
    configure(&site, broken, "\"ann\", \"eve\"", &(other("second") + "denied = [\"mallory\"]"));
    reload(&site, &server, REFUSED, 1);
    eventually("bob is removed", || code(&server, APP, "bob", KEY) == 60010);
    assert_eq!(code(&server, APP, "ann", KEY), 0);
    assert_eq!(code(&server, APP, "eve", KEY), 60010, "a refused file adds no administrator");
    assert_eq!(code(&server, OTHER, "administrator", KEY), 70009, "the old key is not accepted any more");
    let log = site.log();
    for change in [
        format!("app {APP}: the administrator \\\"bob\\\" is removed"),
        format!("app {OTHER}: its key is replaced"),
        format!("app {OTHER}: \\\"mallory\\\" is denied"),
    ] {
        assert!(log.contains(&change) || log.contains(&change.replace('\\', "")), "{change} in {log}");
    }

    // One app is removed, and the other is disabled.
    configure(&site, broken, "\"ann\"", "disabled = true");
    reload(&site, &server, REFUSED, 2);
    eventually("the app is removed", || code(&server, OTHER, "administrator", KEY) == 70020);
    assert_eq!(code(&server, APP, "ann", KEY), 60016);

    // Once the mistake is corrected, the whole file takes effect.
    configure(&site, "", "\"ann\", \"bob\", \"eve\"", &other("key"));
    reload(&site, &server, "the apps were read again", 1);
    for admin in ["ann", "bob", "eve"] {
        assert_eq!(code(&server, APP, admin, KEY), 0);
    }
}

#[test]
fn ambiguous_parts_of_a_refused_configuration_change_nothing() {
    let site = Site::new();
    configure(&site, "", "\"ann\"", &other("key"));
    let server = site.serve();
    let good = fs::read_to_string(site.path("confold.toml")).unwrap();
    let broken = [
        String::new(),
        "this is not TOML".to_owned(),
        good.replace("admins = [\"ann\"]", "admins = [5]"),
        good.replace("admins", "admin"),
        good.replace("key_file", "key_fil"),
        good.replace("key_file = \"key\"", "key_file = \"nowhere\""),
        good.replace(&format!("id = {OTHER}"), &format!("id = \"{OTHER}\"")),
        good.replace(&format!("id = {OTHER}"), &format!("di = {OTHER}")),
        good.replace("[[app]]", "[[ap]]"),
        good.replace(&format!("[[app]]\nid = {OTHER}"), &format!("[[apps]]\nid = {OTHER}")),
        good.replace(&format!("[[app]]\nid = {OTHER}"), &format!("[other.app]\nid = {OTHER}")),
        good.replacen("[[app]]", "[app]", 1).split("[[app]]").next().unwrap().to_owned(),
        good.split("[[app]]").next().unwrap().to_owned(),
    ];
    for (at, text) in broken.iter().enumerate() {
        assert_ne!(*text, good);
        site.write("confold.toml", text);
        let refusals = site.log().matches(REFUSED).count();
        reload(&site, &server, REFUSED, refusals + 1);
        // After the second refusal, everything that belongs to the first one has been logged, too.
        reload(&site, &server, REFUSED, refusals + 2);
        assert_eq!(code(&server, APP, "ann", KEY), 0, "{at}: {text}");
        assert_eq!(code(&server, OTHER, "administrator", KEY), 0, "{at}: {text}");
    }
    assert!(!site.log().contains("applied from the rejected"), "{}", site.log());
}

#[test]
fn an_unreadable_configuration_changes_nothing_and_is_logged() {
    let site = Site::new();
    configure(&site, "", "\"ann\"", "");
    let server = site.serve();
    fs::remove_file(site.path("confold.toml")).unwrap();
    reload(&site, &server, "nothing in the configuration could be read", 1);
    assert_eq!(code(&server, APP, "ann", KEY), 0);
}

fn metrics(server: &Server) -> String {
    server.client().raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().body
}

fn shows(server: &Server, authority: &Authority) -> bool {
    let call = || -> std::io::Result<u64> {
        Ok(Client::try_connect_tls(server.tls_address(), &authority.pem, "localhost")?
            .try_call(GET, BODY)?
            .code())
    };
    call().is_ok()
}

#[test]
fn a_certificate_is_replaced_only_by_a_valid_one() {
    let (site, first, next) = (Site::new(), Authority::new(), Authority::new());
    let (certificate, key) = (site.path("cert.pem"), site.path("cert-key.pem"));
    first.issue(&certificate, &key);
    configure(&site, TLS, "\"admin\"", "");
    let server = site.serve();
    assert!(shows(&server, &first));
    let kept = "the previous certificate stays in use";

    next.issue_valid(&certificate, &key, 2020, 2021);
    reload(&site, &server, kept, 1);
    assert!(site.log().contains("cert.pem expired "), "{}", site.log());
    next.issue_valid(&certificate, &key, 2090, 2091);
    reload(&site, &server, kept, 2);
    assert!(site.log().contains("cert.pem will not be valid for another "), "{}", site.log());
    // Issue a good certificate whose key everybody can read.
    next.issue_with_mode(&certificate, &key, 0o644);
    reload(&site, &server, kept, 3);
    assert!(site.log().contains("(mode 0644)"), "{}", site.log());
    assert!(shows(&server, &first) && !shows(&server, &next));
    let scraped = metrics(&server);
    for series in [
        "confold_reload_refused{of=\"certificate\"} 1",
        "confold_reloads_total{of=\"certificate\",result=\"refused\"} 3",
        "confold_certificate_not_after_timestamp_seconds ",
    ] {
        assert!(scraped.contains(series), "{series} in {scraped}");
    }

    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    eventually("the valid certificate is used", || shows(&server, &next));
    assert!(metrics(&server).contains("confold_reload_refused{of=\"certificate\"} 0"));
}

#[test]
fn a_start_warns_of_a_certificate_that_clients_reject() {
    let (site, authority) = (Site::new(), Authority::new());
    let (certificate, key) = (site.path("cert.pem"), site.path("cert-key.pem"));
    configure(&site, TLS, "\"admin\"", "");
    for (from, until, said_of_it) in
        [(2020, 2021, "expired "), (2090, 2091, "will not be valid for another ")]
    {
        authority.issue_valid(&certificate, &key, from, until);
        let output = site.check();
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("warning: the certificate in ") && said.contains(said_of_it), "{said}");
    }
    let server = site.serve();
    assert!(site.log().contains("will not be valid for another "), "{}", site.log());
    // A good certificate is used immediately.
    authority.issue(&certificate, &key);
    reload(&site, &server, "the certificate was read again", 1);
    assert!(shows(&server, &authority));
}

#[test]
fn reloads_are_counted() {
    let site = Site::new();
    configure(&site, "[metrics]\nenabled = true", "\"ann\"", "");
    let server = site.serve();
    let state = |applied: u32, refused: u32, now: u32| {
        let scraped = metrics(&server);
        for series in [
            format!("confold_reloads_total{{of=\"configuration\",result=\"applied\"}} {applied}"),
            format!("confold_reloads_total{{of=\"configuration\",result=\"refused\"}} {refused}"),
            format!("confold_reload_refused{{of=\"configuration\"}} {now}"),
        ] {
            if !scraped.lines().any(|line| line == series) {
                return false;
            }
        }
        true
    };
    assert!(state(0, 0, 0));
    configure(&site, "[metrics]\nenabled = true", "5", "");
    server.signal(Signal::HUP);
    eventually("the refusal is counted", || state(0, 1, 1));
    configure(&site, "[metrics]\nenabled = true", "\"ann\"", "");
    server.signal(Signal::HUP);
    eventually("the new configuration takes effect", || state(1, 1, 0));
}
