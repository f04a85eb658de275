//! Receivers that refuse, are overloaded, are gone or must not be reached.

use std::{fs, path::Path};

use super::{
    SECRET, advance, change, dev,
    receiver::{Got, Receiver, answer, ok},
    text,
};
use crate::{
    bodies::{account_delete, account_import},
    harness::{Client, Server, at_server, eventually, keyed, said},
    serving::{Site, serving},
    wait::Finish,
};

/// What a receiver refuses.
const BAD: &str = "bad";

fn refusing(
    status: &'static str,
    headers: &'static str,
    body: &'static str,
) -> impl Fn(&Got) -> Option<String> {
    move |got| Some(if text(got) == BAD { answer(status, headers, body) } else { ok() })
}

/// Starts `dev` on a directory that is kept, with its log in a file.
fn kept(receiver: &Receiver, folder: &Path) -> Server {
    let data = folder.join("data");
    let arguments = ["--directory", "open", "--webhook", &receiver.url(), "--data", data.to_str().unwrap()];
    Server::logging_text(&arguments, &folder.join("log"))
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap()
}

fn texts(receiver: &Receiver) -> Vec<String> {
    receiver.got().iter().map(text).collect()
}

#[test]
fn a_refused_event_is_sent_ten_times_and_then_its_lane_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::that(refusing("200 OK", "", r#"{"ActionStatus":"FAIL","ErrorCode":1}"#));
    let server = kept(&receiver, folder.path());
    let mut client = server.client();
    client.does(&change("ann", BAD));
    client.does(&change("ann", "after"));
    let waits = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    for (attempt, wait) in (1..).zip(waits) {
        eventually("it is sent again", || {
            // The answer may be read only after the clock was moved.
            advance(&mut client, 1);
            texts(&receiver).iter().filter(|text| *text == BAD).count() == attempt
        });
        // Others are delivered in between.
        super::does_later(&mut client, &change("bob", &format!("{attempt}")));
        eventually("others are delivered", || texts(&receiver).contains(&attempt.to_string()));
        assert!(!texts(&receiver).contains(&"after".to_owned()), "the order of ann is kept");
        // A part of up to a fifth is added to each wait.
        advance(&mut client, wait * 6 / 5 + 1);
    }
    eventually("its lane goes on", || {
        advance(&mut client, 1);
        texts(&receiver).contains(&"after".to_owned())
    });
    assert_eq!(texts(&receiver).iter().filter(|text| *text == BAD).count(), 10);
    eventually("this is logged", || {
        log(folder.path()).contains("a webhook refused an event until it was given up")
    });
    assert!(log(folder.path()).contains("HTTP 200 with ErrorCode 1"));
}

#[test]
fn attempts_and_lanes_are_kept_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::that(refusing("500 Oops", "", ""));
    let server = kept(&receiver, folder.path());
    let mut client = server.client();
    client.does(&change("bob", "done"));
    client.does(&change("ann", BAD));
    receiver.wait_for(2);
    eventually("the failure is noted", || log(folder.path()).contains("a message to a webhook failed"));
    server.terminate();
    assert!(server.ended_well());
    receiver.behave(|_| Some(ok()));
    let server = kept(&receiver, folder.path());
    let mut client = server.client();
    client.does(&change("carl", "new"));
    eventually("new events are delivered", || texts(&receiver).contains(&"new".to_owned()));
    assert_eq!(texts(&receiver).iter().filter(|text| *text == BAD).count(), 1, "it waits for its time");
    advance(&mut client, 7);
    eventually("it is sent again", || texts(&receiver).iter().filter(|text| *text == BAD).count() == 2);
    assert_eq!(texts(&receiver).iter().filter(|text| *text == "done").count(), 1, "it was delivered before");
}

#[test]
fn after_410_nothing_is_sent_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::that(refusing("410 Gone", "", ""));
    let server = kept(&receiver, folder.path());
    let mut client = server.client();
    client.does(&change("ann", BAD));
    eventually("it is logged", || log(folder.path()).contains("answered 410 and gets nothing more"));
    client.does(&change("bob", "later"));
    advance(&mut client, 100_000);
    server.terminate();
    assert!(server.ended_well());
    receiver.behave(|_| Some(ok()));
    let server = kept(&receiver, folder.path());
    let mut client = server.client();
    client.does(&change("carl", "even later"));
    advance(&mut client, 100_000);
    // A stop waits for everything that is being sent.
    server.terminate();
    assert!(server.ended_well());
    assert_eq!(texts(&receiver), [BAD]);
}

#[test]
fn a_receiver_can_ask_for_a_rest() {
    let receiver = Receiver::that(|_| Some(answer("429 Too Many", "Retry-After: 600\r\n", "")));
    let server = dev(&receiver);
    let mut client = server.client();
    client.does(&change("ann", BAD));
    receiver.wait_for(1);
    // The rest begins when two messages of different lanes were answered in this way. Until then, further ones may be on
    // their way.
    let others = std::cell::Cell::new(0);
    eventually("the rest begins", || {
        let before = texts(&receiver).len();
        others.set(others.get() + 1);
        client.does(&change(&format!("bob{}", others.get()), "x"));
        advance(&mut client, 1);
        before > 1 && texts(&receiver).len() == before
    });
    receiver.behave(|_| Some(ok()));
    advance(&mut client, 601);
    eventually("everything comes", || {
        texts_of(&receiver, "x") >= others.get() && texts_of(&receiver, BAD) == 2
    });
}

#[test]
fn an_event_that_alone_is_answered_with_429_holds_up_no_other_lane() {
    let receiver = Receiver::that(refusing("429 Too Many", "Retry-After: 86400\r\n", ""));
    let server = dev(&receiver);
    let mut client = server.client();
    client.does(&change("ann", BAD));
    receiver.wait_for(1);
    // Two of these owners may be in the lane of ann.
    for count in 0..40 {
        client.does(&change(&format!("owner{count}"), &format!("{count}")));
    }
    receiver.wait_for(36);
    assert_eq!(texts_of(&receiver, BAD), 1);
}

#[test]
fn redirections_are_not_followed() {
    let elsewhere = Receiver::start();
    let location = format!("Location: {}\r\n", elsewhere.url());
    let receiver = Receiver::that(move |_| Some(answer("307 Temporary Redirect", &location, "")));
    let server = dev(&receiver);
    let mut client = server.client();
    client.does(&change("ann", "a"));
    receiver.wait_for(1);
    advance(&mut client, 7);
    receiver.wait_for(2);
    assert!(elsewhere.got().is_empty());
}

/// Starts `serve` with a webhook at this address, and waits until a message to it has failed.
fn failing(url: &str) -> (Site, Server, Client) {
    let webhook = format!("[[app.webhook]]\nname = \"crm\"\nurl = {url:?}\nsecret = {SECRET:?}");
    let (site, server, mut client) = serving("", &format!("directory = \"open\"\n{webhook}"));
    client.does(&change("ann", "a"));
    eventually("it fails", || site.log().contains("a message to a webhook failed"));
    (site, server, client)
}

#[test]
fn private_addresses_are_refused_also_behind_a_name() {
    let receiver = Receiver::start();
    let port = receiver.address.port();
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let (site, server, _client) = failing(&format!("http://{host}:{port}/hook?token=s3cret"));
        let log = site.log();
        assert!(log.contains("is private, which is not allowed"), "{host}: {log}");
        assert!(!log.contains("s3cret") && !log.contains("/hook") && !log.contains(SECRET), "{log}");
        server.terminate();
        assert!(server.ended_well());
    }
    assert!(receiver.got().is_empty());
}

/// Runs `confold webhooks`, and returns whether it succeeded and what it printed.
fn tool(server: &Server, arguments: &[&str]) -> (bool, String) {
    let mut command = keyed(&["webhooks"]);
    let output = command.args(arguments).args(at_server(server)).finish();
    (output.status.success(), said(&output))
}

#[test]
fn the_tool_lists_tests_and_switches_on() {
    let receiver = Receiver::that(refusing("410 Gone", "", ""));
    let server = dev(&receiver);
    let mut client = server.client();
    let state = |server: &Server| {
        let (_, listed) = tool(server, &["list", "--json"]);
        serde_json::from_str::<serde_json::Value>(&listed).unwrap()["Webhooks"][0].clone()
    };
    assert_eq!(state(&server)["State"], "delivering");
    let (is_well, shown) = tool(&server, &["test", "dev"]);
    assert!(is_well && shown.starts_with("delivered in "), "{shown}");
    let got = receiver.wait_for(1).remove(0);
    assert_eq!(got.json()["CallbackCommand"], "Confold.Test");
    assert_eq!(got.parameter("CallbackCommand"), Some("Confold.Test"));
    client.does(&change("ann", BAD));
    eventually("it is off", || state(&server)["State"] == "off");
    assert_eq!(client.metric("confold_webhook_off{app=\"88888888\",webhook=\"dev\"}"), 1);
    let (is_well, shown) = tool(&server, &["list"]);
    let origin = format!("http://{}", receiver.address);
    assert!(is_well && shown.contains(&origin) && !shown.contains("/hook"), "{shown}");
    receiver.behave(|_| Some(answer("404 Not Found", "", "")));
    let (is_well, shown) = tool(&server, &["test", "dev"]);
    assert!(!is_well && shown == "not delivered: HTTP 404\n", "{shown}");
    receiver.behave(|_| Some(ok()));
    assert!(tool(&server, &["enable", "dev"]).0);
    eventually("it is delivered now", || {
        state(&server)["State"] == "delivering" && texts_of(&receiver, BAD) == 2
    });
    let (is_well, shown) = tool(&server, &["enable", "other"]);
    assert!(!is_well && shown.contains("has no webhook with the name \"other\""), "{shown}");
    let (is_well, shown) = tool(&server, &["test"]);
    assert!(!is_well && shown.contains("the name of the webhook is missing"), "{shown}");
    // Nobody else may ask.
    let stranger = keyed(&["webhooks", "list", "--admin", "mallory"]).args(&at_server(&server)[..4]).finish();
    assert!(!stranger.status.success() && said(&stranger).contains("60010"), "{}", said(&stranger));
}

fn texts_of(receiver: &Receiver, wanted: &str) -> usize {
    let is_it = |got: &&Got| got.json()["CallbackCommand"] == "Confold.ChangeNotify" && text(got) == wanted;
    receiver.got().iter().filter(is_it).count()
}

#[test]
fn events_that_were_given_up_can_be_sent_again_unless_their_account_was_deleted() {
    let receiver = Receiver::that(|got| {
        let is_bad = got.event()["Kind"] == "changed" && text(got).starts_with(BAD);
        Some(if is_bad { answer("500 Oops", "", "") } else { ok() })
    });
    let folder = tempfile::tempdir().unwrap();
    let server = kept(&receiver, folder.path());
    let mut client = server.client();
    client.does(&change("ann", "bad 1"));
    client.does(&change("bob", "bad 2"));
    client.does(&account_import("carl"));
    client.does(&change("carl", "bad 3"));
    let given_up =
        |client: &mut Client| client.metric("confold_webhook_given_up{app=\"88888888\",webhook=\"dev\"}");
    let others = std::cell::Cell::new(0);
    eventually("three events are given up", || {
        advance(&mut client, 20_000);
        // Without any success, the destination would be paused.
        others.set(others.get() + 1);
        super::does_later(&mut client, &change("dora", &others.get().to_string()));
        given_up(&mut client) == 3
    });
    super::does_later(&mut client, &account_delete("carl"));
    server.terminate();
    assert!(server.ended_well());
    let server = kept(&receiver, folder.path());
    let mut client = server.client();
    eventually("the list is kept", || given_up(&mut client) == 3);
    let (is_well, shown) = tool(&server, &["replay", "dev"]);
    assert!(!is_well && shown.contains("refused again: 2, the last one with HTTP 500"), "{shown}");
    receiver.behave(|_| Some(ok()));
    let before = receiver.got().len();
    let (is_well, shown) = tool(&server, &["replay", "dev"]);
    assert!(is_well && shown == "delivered: 2, left: 0\n", "{shown}");
    let again: Vec<String> =
        receiver.got()[before..].iter().map(text).filter(|text| text.starts_with(BAD)).collect();
    assert_eq!(again.len(), 2, "the content of carl's event is erased: {again:?}");
    assert!(!again.contains(&"bad 3".to_owned()));
    assert_eq!(given_up(&mut client), 0);
}
