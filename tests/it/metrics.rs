//! Tests `/metrics`, the alert rules and the dashboard.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    bodies::get_contact_group,
    harness::{ADMIN, APP, Client, Server, eventually, import_accounts},
    serving::{Authority, Site, later},
};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

fn scrape(client: &mut Client) -> String {
    let answer = client.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(
        (answer.status, answer.headers["content-type"].as_str()),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    answer.body
}

/// Returns the value of a series.
fn value(text: &str, series: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
}

#[test]
fn calls_and_changes_are_counted() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let before = scrape(&mut client);
    import_accounts(&mut client, &["a", "b", "c"].map(str::to_owned));
    for _ in 0..5 {
        client.does(&get_contact_group("user0"));
    }
    client.call("recentcontact/get_contact_group", "{}");
    client.call("recentcontact/none", "{}");
    let after = scrape(&mut client);
    for (series, expected) in [
        (r#"confold_calls_total{command="get_contact_group",code="0"}"#, 5.0),
        (r#"confold_calls_total{command="get_contact_group",code="50002"}"#, 1.0),
        (r#"confold_calls_total{command="none",code="60009"}"#, 1.0),
        (r#"confold_calls_total{command="multiaccount_import",code="0"}"#, 1.0),
        (r#"confold_call_duration_seconds_count{command="get_contact_group"}"#, 6.0),
        (r#"confold_call_duration_seconds_bucket{command="get_contact_group",le="+Inf"}"#, 6.0),
        ("confold_connections", 1.0),
        ("confold_connections_accepted_total", 1.0),
        ("confold_signatures_remembered", 1.0),
    ] {
        assert!((value(&after, series) - expected).abs() < 1e-9, "{series} in {after}");
    }
    let grown = |series: &str| value(&after, series) - value(&before, series);
    assert!(grown("confold_store_changes_total") >= 3.0 && grown("confold_store_commits_total") >= 1.0);
    assert!(grown("confold_store_cache_hits_total") >= 4.0, "{after}");
    for series in
        ["confold_store_disk_bytes", "process_resident_memory_bytes", "process_open_fds", "process_threads"]
    {
        assert!(value(&after, series) > 1.0, "{series}");
    }
}

#[test]
fn apps_and_controls_are_counted_and_as_many_as_there_are() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.make(&get_contact_group("user0"));
    let mut forger = server.client().signed_for(APP, ADMIN, "wrong-key");
    forger.call("recentcontact/get_contact_group", "{}");
    // Neither an unknown app nor an invented path creates a series.
    let mut stranger = server.client().signed_for(7, ADMIN, "wrong-key");
    assert_eq!(stranger.call("recentcontact/get_contact_group", "{}").code(), 70020);
    for path in ["clock", "made-up", "made-up/2"] {
        client.raw(format!("GET /_dev/{path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    }
    let scraped = scrape(&mut client);
    let series = |app: u32, code: u32| format!("confold_app_calls_total{{app=\"{app}\",code=\"{code}\"}}");
    for (series, expected) in [
        (series(APP, 0), 1.0),
        (series(APP, 70_009), 1.0),
        (series(1_400_000_000, 0), 0.0),
        (r#"confold_controls_total{path="clock",status="200"}"#.to_owned(), 1.0),
        (r#"confold_controls_total{path="other",status="404"}"#.to_owned(), 2.0),
    ] {
        assert!((value(&scraped, &series) - expected).abs() < 1e-9, "{series} in {scraped}");
    }
    assert!(!scraped.contains("app=\"7\""), "{scraped}");
    let age = confold::clock::Clock::system().system_time().as_secs_f64()
        - value(&scraped, "process_start_time_seconds");
    assert!((-5.0..600.0).contains(&age), "the start time is {age} seconds ago");
}

#[test]
fn alert_rules_use_existing_metrics() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.make(&get_contact_group("user0"));
    // Include the metrics that only a server with a certificate has.
    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    let files = "certificate = \"cert.pem\"\nkey = \"cert-key.pem\"";
    site.write("old", "the-key-before");
    let previous =
        format!("key_file = \"key\"\nprevious_key_file = \"old\"\nprevious_key_until = {}", later(9));
    let tls = format!("[tls]\nlisten = [\"127.0.0.1:0\"]\n{files}\n[metrics]\nenabled = true");
    let webhook = "[[app.webhook]]\nname = \"crm\"\nurl = \"http://crm.invalid\"";
    site.configure(&tls, &format!("{previous}\n{webhook}"));
    let (serving, mut other) = (site.serve(), String::new());
    eventually("the thread that delivers to webhooks has begun", || {
        other = scrape(&mut serving.client());
        other.contains("confold_webhook_off{")
    });
    let scraped = scrape(&mut client) + &other;
    let known: BTreeSet<&str> = scraped
        .lines()
        .filter_map(|line| line.split([' ', '{']).next())
        .filter(|name| *name != "#")
        .collect();
    for file in ["alerts.yml", "grafana-dashboard.json"] {
        let text = std::fs::read_to_string(deploy(file)).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: BTreeSet<&str> =
            words.filter(|word| word.starts_with("confold_") || word.starts_with("process_")).collect();
        assert!(named.len() > 2, "{named:?}");
        for name in named {
            assert!(known.contains(name), "{file} uses {name}, which is not a metric");
        }
    }
    serde_json::from_str::<serde_json::Value>(
        &std::fs::read_to_string(deploy("grafana-dashboard.json")).unwrap(),
    )
    .unwrap();
}
