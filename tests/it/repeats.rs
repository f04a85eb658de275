//! Calls that are repeated with an `Idempotency-Key`.

use std::thread;

use serde_json::json;

use crate::{
    bodies::{
        Call, account_delete, create_contact_group, destroy_group, get_contact_group, mark_contact, records,
        user,
    },
    harness::{Answer, Client, Server},
};

const REPLAYED: &str = "idempotent-replayed";

fn keyed(client: &mut Client, call: &Call, key: &str) -> Answer {
    client.with_headers(call, &format!("Idempotency-Key: {key}\r\n"))
}

fn is_replayed(answer: &Answer) -> bool {
    match answer.headers.get(REPLAYED) {
        None => false,
        Some(value) => {
            assert_eq!(value, "true");
            true
        }
    }
}

/// Returns how many calls have changed an owner, without the import of the account.
fn events(client: &mut Client, owner: &str) -> usize {
    let body = json!({"From_Account": owner, "MaxEvents": 100});
    client.ok("confold/history", &body.to_string())["Event"].as_array().unwrap().len()
}

#[test]
fn of_many_calls_with_one_key_one_has_an_effect() {
    let server = Server::dev(&["--directory", "open", "--rate-limit", "off"]);
    let mut client = server.client();
    for round in 1..=5 {
        let call = mark_contact("ann")
            .custom(user("bob"), &format!("round {round}"))
            .custom(user("ghost of bob"), "x");
        let key = format!("key-{round}");
        let callers: Vec<_> = (0..32)
            .map(|_| {
                let (mut client, call, key) = (server.client(), call.clone(), key.clone());
                thread::spawn(move || keyed(&mut client, &call, &key))
            })
            .collect();
        let answers: Vec<Answer> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        assert!(answers.iter().all(|answer| answer.code() == 0 && answer.body == answers[0].body));
        assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
        assert_eq!(events(&mut client, "ann"), round);
    }
}

#[test]
fn a_key_stands_for_one_call_of_one_caller_and_owner() {
    let server = Server::dev(&["--directory", "open"]);
    let mut client = server.client();
    let call = create_contact_group("ann", "work").with(user("bob"));
    let first = keyed(&mut client, &call, "k");
    assert!(first.code() == 0 && !is_replayed(&first));
    client.does(&crate::bodies::del_contact_group("ann", &["work"]));
    // With and without quotation marks it is the same key.
    for key in ["k", "\"k\"", " k "] {
        let again = keyed(&mut client, &call, key);
        assert_eq!((again.body.as_str(), is_replayed(&again)), (first.body.as_str(), true), "{key}");
    }
    assert_eq!(events(&mut client, "ann"), 2, "the group stays deleted");
    let other = create_contact_group("ann", "home").with(user("bob"));
    let refused = keyed(&mut client, &other, "k");
    assert_eq!(refused.code(), 50002);
    assert!(refused.body.contains("Idempotency-Key"), "{}", refused.body);
    // The same key of another owner is another operation. So is a call with another command.
    assert!(!is_replayed(&keyed(&mut client, &create_contact_group("dora", "work").with(user("bob")), "k")));
    assert_eq!(keyed(&mut client, &mark_contact("ann").set(user("bob"), [1]), "k").code(), 50002);
    // The answer to a repetition is that of the first time, even where a condition does not hold any more.
    let state =
        client.with_headers(&get_contact_group("ann"), "X-Confold-State: 1\r\n").json()["State"].clone();
    let conditional = mark_contact("ann").set(user("bob"), [1]).field("IfInState", state);
    let first = keyed(&mut client, &conditional, "conditional");
    assert_eq!(first.code(), 0);
    let again = keyed(&mut client, &conditional, "conditional");
    assert_eq!((again.body.as_str(), is_replayed(&again)), (first.body.as_str(), true));
    assert_eq!(client.make(&conditional).code(), 50002);
    // Without the header nothing is different.
    assert!(!is_replayed(&client.make(&create_contact_group("ann", "work").with(user("bob")))));
}

#[test]
fn a_key_that_cannot_be_kept_is_refused() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let call = mark_contact("user0").set(user("teacher4"), [9]);
    let long = "k".repeat(256);
    for key in ["", "\"\"", "\"a", "a b", "ключ", &long, "a\r\nIdempotency-Key: b"] {
        let refused = keyed(&mut client, &call, key);
        assert!(
            refused.code() == 50002 && refused.body.contains("Idempotency-Key"),
            "{key}: {}",
            refused.body
        );
    }
    // A command that would have an effect each time must not ignore a key. One that only reads may be repeated anyway.
    for call in [account_delete("user1"), destroy_group("@TGS#1N3RSUYG2")] {
        let refused = keyed(&mut client, &call, "k");
        assert!(refused.code() != 0 && refused.body.contains("Idempotency-Key"), "{}", refused.body);
    }
    let undo = Call::new("confold/undo", json!({"From_Account": "user0", "Change": "x"}));
    assert!(keyed(&mut client, &undo, "k").body.contains("Idempotency-Key"));
    let read = keyed(&mut client, &get_contact_group("user0"), "k");
    assert!(read.code() == 0 && !is_replayed(&read));
    assert_eq!(records(&mut client, "user0")[0]["StandardMark"], "111001", "nothing had an effect");
    assert_eq!(keyed(&mut client, &call, &long[1..]).code(), 0);
}

#[test]
fn a_repetition_after_a_crash_has_no_second_effect() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..6usize {
        let server = Server::on(directory.path());
        let call = mark_contact("user0").custom(user("teacher4"), &format!("round {round}"));
        let key = format!("key-{round}");
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let (mut client, call, key) = (server.client(), call.clone(), key.clone());
                thread::spawn(move || {
                    let request = call.request(&client);
                    let request =
                        request.replacen("Host: x\r\n", &format!("Host: x\r\nIdempotency-Key: {key}\r\n"), 1);
                    client.raw(request.as_bytes()).ok().map(|answer| answer.body)
                })
            })
            .collect();
        server.kill();
        let before: Vec<String> = callers.into_iter().filter_map(|caller| caller.join().unwrap()).collect();
        let server = Server::on(directory.path());
        let mut client = server.client();
        let after = keyed(&mut client, &call, &key);
        assert_eq!(after.code(), 0);
        assert!(before.iter().all(|body| *body == after.body));
        assert!(is_replayed(&after) || before.is_empty(), "an acknowledged call is known");
        let history = client.ok("confold/history", r#"{"From_Account":"user0","MaxEvents":100}"#);
        let marked = format!("round {round}");
        let effects = history["Event"].as_array().unwrap().iter();
        let effects =
            effects.filter(|event| event["Changes"][0]["ContactItem"]["CustomMark"] == marked.as_str());
        assert_eq!(effects.count(), 1, "round {round}");
    }
}
