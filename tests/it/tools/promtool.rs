//! Checks `/metrics` and the alert rules with Prometheus' own tool.

use std::process::Command;

use super::{Tool, is_missing, root};
use crate::{
    bodies::get_contact_group,
    harness::{ADMIN, APP, Server, fed, import_accounts, said},
};

fn check(arguments: &[&str], input: &str) {
    let output = fed(Command::new("promtool").arg("check").args(arguments), input);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn promtool_finds_nothing_in_metrics_and_alert_rules() {
    if is_missing(&[Tool::Promtool]) {
        return;
    }
    let server = Server::dev(&[]);
    let mut client = server.client();
    import_accounts(&mut client, &["a", "b", "c"].map(str::to_owned));
    client.make(&get_contact_group("user0"));
    client.call("recentcontact/none", "{}");
    server.client().signed_for(APP, ADMIN, "wrong-key").call("recentcontact/get_contact_group", "{}");
    client.raw(b"GET /_dev/clock HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    check(&["metrics"], &client.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().body);
    check(&["rules", root().join("deploy/alerts.yml").to_str().unwrap()], "");
}
