//! Webhooks in the data directory of a stopped server, and receivers with a private certificate.

use std::path::Path;

use rustix::process::Signal;

use super::{
    change,
    receiver::{Receiver, answer, ok},
    text,
};
use crate::{
    harness::{APP, Client, Server, confold, eventually, said},
    serving::{Authority, Site, serving},
    wait::Finish,
};

/// Runs `confold webhooks` on a data directory, and returns whether it succeeded and what it printed.
fn tool(data: &Path, arguments: &[&str]) -> (bool, String) {
    let output = confold(&["webhooks"]).args(arguments).arg("--data").arg(data).finish();
    (output.status.success(), said(&output))
}

fn served(receiver: &Receiver) -> (Site, Server, Client) {
    let webhook =
        format!("[[app.webhook]]\nname = \"crm\"\nurl = {:?}\nallow_private = true\n", receiver.url());
    serving("", &format!("directory = \"open\"\n{webhook}"))
}

#[test]
fn webhooks_of_a_stopped_server_are_listed_and_switched_on() {
    let receiver = Receiver::that(|_| Some(answer("410 Gone", "", "")));
    let (site, server, mut client) = served(&receiver);
    let data = site.path("data");
    client.does(&change("ann", "a"));
    eventually("it is off", || site.log().contains("answered 410 and gets nothing more"));
    let (is_well, shown) = tool(&data, &["list"]);
    assert!(
        !is_well && shown.contains("is in use by a running server; use that server with --url"),
        "{shown}"
    );
    server.terminate();
    assert!(server.ended_well());
    let (is_well, shown) = tool(&data, &["list"]);
    let expected =
        format!("App       Name  State  WaitingLanes  GivenUp\n{APP}  crm   off    0             0\n");
    assert!(is_well && shown == expected, "{shown}");
    assert_eq!(tool(&data, &["list", "--app", "1"]).1, "App  Name  State  WaitingLanes  GivenUp\n");
    let (is_well, shown) = tool(&data, &["test", "crm"]);
    assert!(
        !is_well && shown.contains("test sends a message through a running server; use --url"),
        "{shown}"
    );
    let (is_well, shown) = tool(&data, &["enable", "other"]);
    assert!(!is_well && shown.contains("the store has no webhook with the name \"other\""), "{shown}");
    let (is_well, shown) = tool(&data, &["enable", "crm"]);
    assert!(
        is_well && shown == "everything that is waiting will be sent when the server starts\n",
        "{shown}"
    );
    receiver.behave(|_| Some(ok()));
    let _server = site.serve();
    let texts = receiver.wait_for(2).iter().map(text).collect::<Vec<_>>();
    assert_eq!(texts, ["a", "a"]);
    let nothing = tempfile::tempdir().unwrap();
    let (is_well, shown) = tool(nothing.path(), &["list"]);
    assert!(!is_well && shown.contains("there is no store in"), "{shown}");
}

#[test]
fn given_up_events_of_a_stopped_server_are_sent_again_with_its_configuration() {
    let receiver = Receiver::that(|got| {
        Some(if text(got).starts_with("bad") { answer("500 Oops", "", "") } else { ok() })
    });
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server =
        Server::dev(&["--directory", "open", "--webhook", &receiver.url(), "--data", data.to_str().unwrap()]);
    let mut client = server.client();
    for owner in ["ann", "bob", "carl"] {
        client.does(&change(owner, &format!("bad {owner}")));
    }
    let others = std::cell::Cell::new(0);
    eventually("three events are given up", || {
        super::advance(&mut client, 20_000);
        // Without any success, the destination would be paused.
        others.set(others.get() + 1);
        super::does_later(&mut client, &change("dora", &others.get().to_string()));
        client.metric("confold_webhook_given_up{app=\"88888888\",webhook=\"dev\"}") == 3
    });
    server.terminate();
    assert!(server.ended_well());
    let app = ["--app", "88888888"];
    let (is_well, shown) = tool(&data, &["replay", "dev", app[0], app[1]]);
    assert!(
        !is_well && shown.contains("are in the configuration of the server; add --config FILE"),
        "{shown}"
    );
    let site = Site::new();
    let configure = |name: &str| {
        let url = receiver.url();
        site.configure(
            "",
            &format!("[[app.webhook]]\nname = {name:?}\nurl = {url:?}\nallow_private = true\n"),
        );
        site.path("confold.toml").to_str().unwrap().to_owned()
    };
    let config = configure("other");
    let (is_well, shown) = tool(&data, &["replay", "dev", app[0], app[1], "--config", &config]);
    assert!(!is_well && shown.contains("the configuration has no webhook with the name \"dev\""), "{shown}");
    let config = configure("dev");
    let replay = ["replay", "dev", app[0], app[1], "--config", &config];
    receiver.behave(|got| Some(if text(got) == "bad ann" { answer("500 Oops", "", "") } else { ok() }));
    let (is_well, shown) = tool(&data, &replay);
    // One that is refused forever does not keep the others from being sent.
    let expected = "delivered: 2, left: 1; refused again: 1, the last one with HTTP 500\n";
    assert!(!is_well && shown == expected, "{shown}");
    receiver.behave(|_| Some(ok()));
    let (is_well, shown) = tool(&data, &replay);
    assert!(is_well && shown == "delivered: 1, left: 0\n", "{shown}");
}

#[test]
fn a_receiver_may_have_a_certificate_of_a_private_authority() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let site = Site::new();
    site.write("ca.pem", &wrong.pem);
    right.issue(&site.path("certificate"), &site.path("certificate_key"));
    let receiver = Receiver::with_tls(&site.path("certificate"), &site.path("certificate_key"));
    let url = format!("https://localhost:{}/hook", receiver.address.port());
    let webhook = |more: &str| {
        format!(
            "directory = \"open\"\n[[app.webhook]]\nname = \"crm\"\nurl = {url:?}\nallow_private = true\n{more}"
        )
    };
    site.configure("", &webhook(""));
    let server = site.serve();
    let test = || {
        let output = confold(&["webhooks", "test", "crm"])
            .args(crate::harness::at_server(&server))
            .args(["--key-file", site.path("key").to_str().unwrap()])
            .finish();
        said(&output)
    };
    let unknown = "not delivered: the certificate was issued by an unknown authority; name the authority's certificate \
                   with ca_file\n";
    assert_eq!(test(), unknown);
    site.configure("", &webhook("ca_file = \"ca.pem\""));
    server.signal(Signal::HUP);
    let reloads = |count| {
        eventually("it was read again", || site.log().matches("the apps were read again").count() == count);
    };
    reloads(1);
    assert!(test().contains("the file given with ca_file belongs to another authority with the same name"));
    // The file is read again even if the configuration is the same.
    site.write("ca.pem", &format!("{}{}", wrong.pem, right.pem));
    server.signal(Signal::HUP);
    reloads(2);
    let said = test();
    assert!(said.starts_with("delivered in "), "{said}");
    assert_eq!(receiver.got().len(), 1);
}

#[test]
fn a_webhook_finds_its_event_behind_many_of_other_apps_without_a_further_change() {
    let receiver = Receiver::start();
    let (site, server, _client) = served(&receiver);
    server.terminate();
    assert!(server.ended_well());
    // More events than are looked at for one part of the feed.
    let account =
        |app: u32, user: &str| format!("{{\"Kind\":\"account\",\"SdkAppId\":{app},\"UserID\":{user:?}}}\n");
    let lines: String = (0..20_500).map(|count| account(1, &format!("user{count}"))).collect();
    let file = site.write("lines.ndjson", &(lines + &account(APP, "ann")));
    let import = confold(&["import"]).arg(file).arg("--data").arg(site.path("data")).finish();
    assert!(import.status.success(), "{}", said(&import));
    let _server = site.serve();
    assert_eq!(receiver.wait_for(1)[0].event()["Owner"], "ann");
}
