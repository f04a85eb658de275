//! What is delivered, how it is signed, and in which order.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use confold::clock::Clock;
use sha2::{Digest, Sha256};

use super::{
    PREVIOUS, SECRET, change, dev,
    receiver::{Receiver, answer, ok},
    signature, text,
};
use crate::{
    bodies::{account_delete, account_import, create_group, destroy_group},
    harness::{ADMIN, APP, eventually},
    serving::serving,
};

/// Starts `serve` with a webhook with these settings.
fn served(
    receiver: &Receiver,
    settings: &str,
) -> (crate::serving::Site, crate::harness::Server, crate::harness::Client) {
    let url = receiver.url();
    let webhook = format!("[[app.webhook]]\nname = \"crm\"\nurl = {url:?}\nallow_private = true\n{settings}");
    serving("", &format!("directory = \"open\"\n{webhook}"))
}

#[test]
fn a_message_has_the_signatures_of_standard_webhooks_and_of_tencent() {
    let receiver = Receiver::start();
    let settings = format!("secret = {SECRET:?}\nprevious_secret = {PREVIOUS:?}\ntoken = \"xxxxyyyy\"");
    let (site, server, mut client) = served(&receiver, &settings);
    client.does(&change("ann", "a"));
    let got = receiver.wait_for(1).remove(0);
    assert_eq!(got.header("content-type"), "application/json");
    let signatures = got.header("webhook-signature");
    assert_eq!(signatures, format!("{} {}", signature(SECRET, &got), signature(PREVIOUS, &got)));
    let event = got.event();
    assert_eq!(got.header("webhook-id"), event["Id"].as_str().unwrap());
    let time: u64 = got.header("webhook-timestamp").parse().unwrap();
    assert!(time.abs_diff(Clock::system().now()) < 600);
    assert_eq!(got.parameter("RequestTime"), Some(time.to_string().as_str()));
    let sign = Sha256::digest(format!("xxxxyyyy{time}"));
    let sign = sign.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!(got.parameter("Sign"), Some(sign.as_str()));
    assert!(got.target.starts_with("/hook?"), "{}", got.target);
    for (name, value) in [
        ("SdkAppid", APP.to_string().as_str()),
        ("CallbackCommand", "Confold.ChangeNotify"),
        ("contenttype", "json"),
        ("ClientIP", "0.0.0.0"),
        ("OptPlatform", "RESTAPI"),
    ] {
        assert_eq!(got.parameter(name), Some(value), "{name}");
    }
    let body = got.json();
    assert_eq!(body["CallbackCommand"], "Confold.ChangeNotify");
    assert_eq!((&body["From_Account"], &body["Operator_Account"]), (&"ann".into(), &ADMIN.into()));
    assert_eq!(body["EventTime"], event["Time"]);
    assert_eq!((&event["Kind"], &event["Version"]), (&"changed".into(), &1.into()));
    assert_eq!(text(&got), "a");
    server.terminate();
    assert!(server.ended_well());
    let log = site.log();
    for secret in [SECRET, PREVIOUS, "xxxxyyyy", &sign, "/hook"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[test]
fn a_webhook_gets_the_wanted_kinds_of_its_app_and_nothing_from_before_it_existed() {
    let receiver = Receiver::start();
    let (site, server, mut client) =
        served(&receiver, "kinds = [\"account_deleted\", \"chat_group_disbanded\"]");
    client.does(&account_import("ann"));
    client.does(&change("ann", "a"));
    client.does(&create_group("g"));
    client.does(&destroy_group("g"));
    client.does(&account_delete("ann"));
    let mut kinds: Vec<_> =
        receiver.wait_for(2).iter().map(|got| got.event()["Kind"].as_str().unwrap().to_owned()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["account_deleted", "chat_group_disbanded"]);
    // A webhook with another name is a new one. It is there after a reload, and begins with the next event.
    let toml = std::fs::read_to_string(site.path("confold.toml")).unwrap();
    site.write("confold.toml", &toml.replace("\"crm\"", "\"other\"").replace("kinds =", "# kinds ="));
    server.signal(rustix::process::Signal::HUP);
    eventually("the webhooks were read again", || site.log().contains("the apps were read again"));
    client.does(&change("bob", "first"));
    let got = receiver.wait_for(3);
    let last = got.last().unwrap();
    assert!(got.len() == 3 && text(last) == "first", "{got:?}");
}

#[test]
fn events_of_an_owner_arrive_in_order_also_if_the_receiver_fails_now_and_then() {
    const CHANGES: usize = 60;
    let receiver = Receiver::start();
    let count = Arc::new(AtomicUsize::new(0));
    receiver.behave(move |_| match count.fetch_add(1, Ordering::Relaxed) % 7 {
        3 => Some(answer("500 Oops", "", "")),
        5 => None,
        _ => Some(ok()),
    });
    let server = dev(&receiver);
    let mut client = server.client();
    for count in 0..CHANGES {
        client.does(&change(&format!("owner{}", count % 5), &count.to_string()));
    }
    // Failed ones come again when their time has come. The clock goes on for them.
    let delivered = |got: &[super::receiver::Got]| {
        let mut texts: Vec<String> = got.iter().map(text).collect();
        texts.sort_unstable();
        texts.dedup();
        texts.len()
    };
    eventually("everything is delivered", || {
        super::advance(&mut client, 30);
        delivered(&receiver.got()) == CHANGES
    });
    let got = receiver.got();
    for owner in 0..5 {
        let owner = format!("owner{owner}");
        let versions: Vec<u64> = got
            .iter()
            .map(|got| got.place())
            .filter(|(of, _)| *of == owner)
            .map(|(_, version)| version)
            .collect();
        assert!(versions.is_sorted(), "{owner}: {versions:?}");
        assert_eq!(versions.last(), Some(&12), "{owner}");
    }
}

#[test]
fn receivers_get_to_know_that_an_app_comes_close_to_a_limit() {
    let receiver = Receiver::start();
    let url = receiver.url();
    let webhook = format!("[[app.webhook]]\nname = \"crm\"\nurl = {url:?}\nallow_private = true");
    let (_site, _server, mut client) = serving("", &format!("rate = {{ get_contact_group = 1 }}\n{webhook}"));
    // With a limit of one call a second, every call reaches 80 %.
    assert_eq!(client.call("recentcontact/get_contact_group", r#"{"From_Account":"user0"}"#).code(), 50002);
    let got = receiver.wait_for(1).remove(0);
    let expected = serde_json::json!({
        "CallbackCommand": "Alert.RequestOverLimit",
        "ServiceName": "recentcontact",
        "Command": "get_contact_group",
        "Request": 1,
        "Limit": 1,
    });
    assert_eq!(got.json(), expected);
    assert_eq!(got.parameter("CallbackCommand"), Some("Alert.RequestOverLimit"));
    assert!(got.header("webhook-id").starts_with("alert_"));
}

#[test]
fn receivers_get_to_know_that_an_app_comes_close_to_the_limit_of_all_its_calls() {
    let receiver = Receiver::start();
    let url = receiver.url();
    let webhook = format!("[[app.webhook]]\nname = \"crm\"\nurl = {url:?}\nallow_private = true");
    let (_site, _server, mut client) = serving("", &format!("calls_per_second = 1\n{webhook}"));
    assert_eq!(client.call("recentcontact/get_contact_group", r#"{"From_Account":"user0"}"#).code(), 50002);
    let expected = serde_json::json!({
        "CallbackCommand": "Alert.RequestOverLimit",
        "ServiceName": "*",
        "Command": "*",
        "Request": 1,
        "Limit": 1,
    });
    assert_eq!(receiver.wait_for(1).remove(0).json(), expected);
}

/// Starts a server with these webhooks and an open directory.
fn with_webhooks(
    webhooks: &[(&str, &str)],
) -> (crate::serving::Site, crate::harness::Server, crate::harness::Client) {
    let webhook = |(name, url): &(&str, &str)| {
        format!("[[app.webhook]]\nname = {name:?}\nurl = {url:?}\nallow_private = true\n")
    };
    let settings: String = webhooks.iter().map(webhook).collect();
    serving("", &format!("directory = \"open\"\n{settings}"))
}

/// Waits for longer than any message takes.
fn never_answer() -> Option<String> {
    std::thread::park_timeout(std::time::Duration::from_secs(3_600));
    None
}

#[test]
fn a_slow_receiver_holds_up_neither_other_receivers_nor_its_other_lanes() {
    let (slow, quick) = (Receiver::start(), Receiver::start());
    // Messages about these owners are never answered. There are more of them than messages that are sent at a time.
    let is_stuck = |owner: &str| owner.starts_with("stuck");
    slow.behave(move |got| if is_stuck(&got.place().0) { never_answer() } else { Some(ok()) });
    let (_site, _server, mut client) = with_webhooks(&[("slow", &slow.url()), ("quick", &quick.url())]);
    for count in 0..12 {
        client.does(&change(&format!("stuck{count}"), "0"));
    }
    slow.wait_for(8);
    for count in 0..80 {
        client.does(&change(&format!("owner{count}"), "x"));
    }
    quick.wait_for(92);
    // Owners in the lanes of the stuck ones wait, and all others do not. The lanes of 12 owners have about a sixth of the
    // others.
    eventually("others are delivered", || {
        slow.got().iter().filter(|got| !is_stuck(&got.place().0)).count() >= 50
    });
}

#[test]
fn dead_receivers_hold_up_no_other_receiver() {
    let (dead, quick) = (Receiver::that(|_| never_answer()), Receiver::start());
    // This one does not even accept connections.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_url = format!("http://{}/", mute.local_addr().unwrap());
    let webhooks = [("dead", dead.url()), ("mute", mute_url), ("quick", quick.url())];
    let (_site, _server, mut client) =
        with_webhooks(&webhooks.each_ref().map(|(name, url)| (*name, url.as_str())));
    for count in 0..100 {
        client.does(&change(&format!("owner{count}"), "x"));
    }
    quick.wait_for(100);
}
