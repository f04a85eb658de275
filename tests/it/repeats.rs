//! Calls that are repeated with an `Idempotency-Key`.

use std::thread;

use serde_json::json;

use crate::{
    bodies::{
        Call, account_delete, account_import, chat, create_contact_group, create_group, del_contact_group,
        destroy_group, get_contact_group, mark_contact, records, user,
    },
    harness::{Answer, Client, Server},
    undo::{ids, undo},
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
    let read = keyed(&mut client, &get_contact_group("user0"), "k");
    assert!(read.code() == 0 && !is_replayed(&read));
    assert_eq!(records(&mut client, "user0")[0]["StandardMark"], "111001", "nothing had an effect");
    assert_eq!(keyed(&mut client, &call, &long[1..]).code(), 0);
}

/// A repeated undo gets the answer of the first one, although other events have followed in the meantime.
#[test]
fn of_many_undos_with_one_key_one_has_an_effect() {
    let server = Server::dev(&["--directory", "open", "--rate-limit", "off"]);
    let mut client = server.client();
    for round in 0..5 {
        let owner = format!("ann{round}");
        client.does(&create_contact_group(&owner, "work").with(user("bob")).with(user("carl")));
        client.does(&create_contact_group(&owner, "work").with(user("dora")));
        client.does(&mark_contact(&owner).custom(user("bob"), "x"));
        let state =
            client.with_headers(&get_contact_group(&owner), "X-Confold-State: 1\r\n").json()["State"].clone();
        let events = ids(&mut client, &owner);
        let call = match round % 2 {
            // The first event cannot be undone completely, so that the answer names what stays.
            0 => undo(&owner, "Change", &events[2]),
            _ => undo(&owner, "Since", &events[2]),
        };
        let call = call.field("IfInState", state);
        let callers: Vec<_> = (0..32)
            .map(|_| {
                let (mut client, call) = (server.client(), call.clone());
                thread::spawn(move || keyed(&mut client, &call, "k"))
            })
            .collect();
        let answers: Vec<Answer> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        for answer in &answers {
            assert_eq!((answer.code(), &answer.body), (0, &answers[0].body));
        }
        assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
        let reply = answers[0].json();
        assert_eq!(reply["EventId"], ids(&mut client, &owner)[0].as_str());
        assert_eq!(reply["EventCount"], if round % 2 == 0 { 1 } else { 2 });
        assert_eq!(reply["KeptItem"].as_array().unwrap().len(), usize::from(round % 2 == 0));
        // Later changes do not matter, and another undo is another operation.
        client.does(&mark_contact(&owner).custom(user("bob"), "later"));
        let again = keyed(&mut client, &call, "k");
        assert_eq!((&again.body, is_replayed(&again)), (&answers[0].body, true));
        assert_eq!(keyed(&mut client, &undo(&owner, "Change", &events[0]), "k").code(), 50002);
        assert_eq!(ids(&mut client, &owner).len(), 5);
        // Deleting the account forgets the key with everything else.
        client.does(&account_delete(&owner));
        assert_eq!(keyed(&mut client, &call, "k").code(), 50002);
    }
}

#[test]
fn every_reason_for_which_a_field_stays_is_repeated() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let mut client = server.client();
    for id in ["ann", "bob", "carl"] {
        client.does(&account_import(id));
    }
    for id in ["club", "circle"] {
        client.does(&create_group(id));
    }
    client.does(&create_contact_group("ann", "one").with(user("bob")).with(chat("club")));
    client.does(&create_contact_group("ann", "two").with(user("carl")));
    client.does(&mark_contact("ann").set_custom(user("carl"), [0, 63], "x").set(chat("circle"), [1]));
    client.does(&account_import("ann"));
    let before = ids(&mut client, "ann")[0].clone();
    client.does(
        &mark_contact("ann").clear(user("carl"), [0, 63]).custom(user("carl"), "").clear(chat("circle"), [1]),
    );
    client.does(&del_contact_group("ann", &["one"]));
    client.does(&del_contact_group("ann", &["two"]));
    client.does(&create_contact_group("ann", "one").with(user("bob")));
    let deletion = ids(&mut client, "ann")[2].clone();
    client.does(&destroy_group("club"));
    client.does(&destroy_group("circle"));
    client.does(&account_delete("carl"));
    for (what, id) in [("Change", &deletion), ("Since", &before)] {
        let first = keyed(&mut client, &undo("ann", what, id), what);
        let kept = first.json()["KeptItem"].clone();
        assert!(first.code() == 0 && !kept.as_array().unwrap().is_empty(), "{}", first.body);
        let again = keyed(&mut client, &undo("ann", what, id), what);
        assert_eq!((&again.body, is_replayed(&again)), (&first.body, true));
    }
}

#[test]
fn a_repetition_after_a_crash_has_no_second_effect() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..6usize {
        let server = Server::on(directory.path());
        let before_round = events(&mut server.client(), "user0");
        let marked = mark_contact("user0").custom(user("teacher4"), &format!("round {round}"));
        // Every other call undoes the change of the previous round.
        let call = match round % 2 {
            0 => marked,
            _ => undo("user0", "Change", &ids(&mut server.client(), "user0")[0]),
        };
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
        assert_eq!(events(&mut client, "user0"), before_round + 1, "round {round}");
    }
}
