//! Receivers that refuse, are overloaded, are gone or must not be reached.

use std::{fs, path::Path};

use super::{
    SECRET, advance, change, dev,
    receiver::{Got, Receiver, answer, ok},
    text,
};
use crate::{
    harness::{Client, Server, eventually},
    serving::{Site, serving},
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
    let receiver = Receiver::that(refusing("429 Too Many", "Retry-After: 600\r\n", ""));
    let server = dev(&receiver);
    let mut client = server.client();
    client.does(&change("ann", BAD));
    receiver.wait_for(1);
    receiver.behave(|_| Some(ok()));
    // The rest begins when the answer has been read. Until then, one more message may be on its way.
    eventually("the rest begins", || {
        let before = texts(&receiver).len();
        client.does(&change("bob", &before.to_string()));
        advance(&mut client, 1);
        texts(&receiver).len() == before
    });
    let before = texts(&receiver).len();
    advance(&mut client, 601);
    receiver.wait_for(before + 1);
    eventually("everything comes", || texts(&receiver).iter().filter(|text| *text == BAD).count() == 2);
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
