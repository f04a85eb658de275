//! History and undo, over a real socket.

use std::{collections::BTreeMap, sync::Arc, thread};

use confold::{
    clock::Clock,
    store::{self, Retention, StoreConfig},
};
use serde_json::{Value, json};

use crate::{
    bodies::{
        Call, Calls, account_delete, account_import, chat, create_contact_group, create_group,
        del_contact_group, destroy_group, everything, mark_contact, user,
    },
    harness::{Answer, InProcess, Server, page_app},
};

const OPEN: &[&str] = &["--directory", "open", "--rate-limit", "off"];

/// Reads one page of the history.
#[track_caller]
pub(crate) fn page(client: &mut impl Calls, owner: &str, most: usize, before: Option<&str>) -> Value {
    let body = json!({"From_Account": owner, "MaxEvents": most, "Before": before});
    client.succeeds(&Call::new("confold/history", body))
}

/// Returns the ids of the latest events of an owner, latest first.
#[track_caller]
pub(crate) fn ids(client: &mut impl Calls, owner: &str) -> Vec<String> {
    let events = page(client, owner, 100, None)["Event"].clone();
    events.as_array().unwrap().iter().map(|event| event["Id"].as_str().unwrap().to_owned()).collect()
}

/// Undoes one event (`Change`) or everything after one (`Since`).
pub(crate) fn undo(owner: &str, what: &str, id: &str) -> Call {
    Call::new("confold/undo", json!({"From_Account": owner})).field(what, id)
}

/// The name of a field of an owner, such as the bit of a conversation, and its value.
pub(crate) type Flat = BTreeMap<String, String>;

/// Reads everything of an owner, field by field, without times.
#[track_caller]
pub(crate) fn state(client: &mut impl Calls, owner: &str) -> Flat {
    let (records, groups) = everything(client, owner);
    let mut fields = Flat::new();
    for group in groups {
        fields.insert(format!("group {}", group["GroupId"]), group["GroupName"].to_string());
    }
    for record in records {
        let peer = record["To_Account"].as_str().or(record["ToGroupId"].as_str()).unwrap().to_owned();
        let bits = record["StandardMark"].as_str().unwrap();
        for (bit, _) in bits.chars().rev().enumerate().filter(|(_, set)| *set == '1') {
            fields.insert(format!("{peer} bit {bit}"), String::new());
        }
        for group in record["ContactGroupId"].as_array().into_iter().flatten() {
            fields.insert(format!("{peer} in {group}"), String::new());
        }
        if let Some(custom) = record["CustomMark"].as_str() {
            fields.insert(format!("{peer} custom"), custom.to_owned());
        }
    }
    fields
}

#[test]
fn the_history_is_read_page_by_page() {
    let server = Server::dev(OPEN);
    let mut client = server.client();
    for count in 0..25 {
        client.does(&mark_contact("ann").custom(user("bob"), &format!("{count}")));
        client.does(&mark_contact("other").custom(user("bob"), &format!("{count}")));
    }
    let all = ids(&mut client, "ann");
    assert_eq!(all.len(), 25);
    let (mut read, mut before): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let page = page(&mut client, "ann", 4, before.as_deref());
        let events = page["Event"].as_array().unwrap();
        read.extend(events.iter().map(|event| event["Id"].as_str().unwrap().to_owned()));
        assert_eq!(page["RemovedFlag"], 0);
        // A change between two pages does not move them.
        client.does(&mark_contact("ann").custom(user("carl"), &format!("{}", read.len())));
        if page["CompleteFlag"] == 1 {
            break;
        }
        assert_eq!(events.len(), 4);
        before = read.last().cloned();
    }
    assert_eq!(read, all);
    let without = client.ok("confold/history", r#"{"From_Account":"ann"}"#);
    assert_eq!(without["Event"].as_array().unwrap().len(), 20);
    // The event of another owner is refused.
    let other = ids(&mut client, "other")[0].clone();
    let body = json!({"From_Account": "ann", "Before": other}).to_string();
    assert_eq!(client.call("confold/history", &body).code(), 50002);
    for what in ["Change", "Since"] {
        assert_eq!(client.make(&undo("ann", what, &other)).code(), 50002);
    }
}

#[test]
fn a_page_of_large_events_ends_early() {
    let server = Server::dev(OPEN);
    let mut client = server.client();
    for count in 0..40 {
        let text = format!("{count:0>256}");
        let call =
            (0..100).fold(mark_contact("ann"), |call, peer| call.custom(user(&format!("peer{peer}")), &text));
        client.does(&call);
    }
    let (mut sizes, mut before): (Vec<usize>, Option<String>) = (Vec::new(), None);
    loop {
        let page = page(&mut client, "ann", 100, before.as_deref());
        let events = page["Event"].as_array().unwrap();
        sizes.push(events.len());
        assert_eq!(page["RemovedFlag"], 0);
        if page["CompleteFlag"] == 1 {
            break;
        }
        before = Some(events.last().unwrap()["Id"].as_str().unwrap().to_owned());
    }
    assert!(sizes.len() > 1 && sizes.iter().sum::<usize>() == 40, "{sizes:?}");
    // An undo reads as many pages as it needs.
    let oldest = before.unwrap();
    let reply = client.does(&undo("ann", "Since", &oldest));
    assert!(reply["EventCount"].as_u64().unwrap() >= 20, "{reply}");
}

#[test]
fn an_account_that_was_deleted_cannot_be_undone() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.does(&account_import("ann"));
    client.does(&create_contact_group("ann", "secret").with(user("user0")));
    client.does(&mark_contact("ann").custom(user("user0"), "hidden"));
    let before = ids(&mut client, "ann");
    client.does(&account_delete("ann"));
    assert_eq!(client.make(&undo("ann", "Change", &before[0])).code(), 50001, "the account does not exist");
    client.does(&account_import("ann"));
    let history = page(&mut client, "ann", 100, None);
    let kinds: Vec<&Value> =
        history["Event"].as_array().unwrap().iter().map(|event| &event["Kind"]).collect();
    assert_eq!(kinds, ["changed", "account_deleted", "erased", "erased", "erased"]);
    assert!(!history.to_string().contains("secret") && !history.to_string().contains("hidden"));
    let after = ids(&mut client, "ann");
    let said = |answer: &Answer| answer.json()["ErrorInfo"].as_str().unwrap().to_owned();
    for (what, id) in
        [("Change", &before[0]), ("Since", &before[0]), ("Change", &before[2]), ("Change", &after[1])]
    {
        let refused = client.make(&undo("ann", what, id));
        assert_eq!(refused.code(), 50002, "{what} {id}: {}", refused.body);
        assert!(said(&refused).starts_with("the account was deleted in the meantime"), "{}", refused.body);
    }
    assert_eq!(state(&mut client, "ann"), Flat::new());
    // What happened after the deletion can be undone.
    client.does(&mark_contact("ann").custom(user("user0"), "new"));
    client.does(&undo("ann", "Since", &after[1]));
    assert_eq!(state(&mut client, "ann"), Flat::new());
}

#[test]
fn nothing_about_a_chat_group_that_was_disbanded_comes_back() {
    let server = Server::dev(OPEN);
    let mut client = server.client();
    client.does(&create_group("club"));
    client.does(&create_contact_group("ann", "g").with(chat("club")).with(user("bob")));
    client.does(&del_contact_group("ann", &["g"]));
    let last = ids(&mut client, "ann")[0].clone();
    client.does(&destroy_group("club"));
    let reply = client.does(&undo("ann", "Change", &last));
    let kept = reply["KeptItem"].as_array().unwrap();
    assert_eq!(kept.len(), 1, "{reply}");
    assert_eq!(
        (&kept[0]["Field"], &kept[0]["ContactItem"]["ToGroupId"], &kept[0]["ResultCode"]),
        (&json!("ContactGroupId"), &json!("club"), &json!(51007)),
        "{reply}"
    );
    assert_eq!(kept[0]["GroupItem"], json!({"GroupName": "g", "GroupId": 1}));
    let expected =
        [("bob in 1", ""), ("group 1", "\"g\"")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(state(&mut client, "ann"), Flat::from(expected));
}

#[test]
fn events_that_were_removed_are_not_undone_and_the_history_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    clock.freeze(Some(clock.now()));
    let open = || {
        let retention = Retention { seconds: 60, bytes: u64::MAX };
        let config = StoreConfig { retention, clock: clock.clone(), ..StoreConfig::new(directory.path()) };
        store::open(&config).unwrap()
    };
    let first = open();
    let before = {
        let server = InProcess::start_by(clock.clone(), page_app(), Arc::clone(&first));
        let mut client = server.client();
        client.does(&account_import("ann"));
        for count in 0..5 {
            client.does(&mark_contact("ann").set(user("admin"), [count]));
        }
        ids(&mut client, "ann")
    };
    block_on(first.close());
    drop(first);
    clock.advance(61);
    let store = open();
    let server = InProcess::start_by(clock.clone(), page_app(), Arc::clone(&store));
    let mut client = server.client();
    // Old events are removed after a change. Then this waits until the writer is done.
    client.does(&mark_contact("ann").set(user("admin"), [9]));
    block_on(store.between_writes(Box::new(|| ()))).unwrap();
    client.does(&mark_contact("ann").set(user("admin"), [10]));
    let history = page(&mut client, "ann", 100, None);
    assert_eq!((&history["CompleteFlag"], &history["RemovedFlag"]), (&json!(1), &json!(1)), "{history}");
    let kept = history["Event"].as_array().unwrap().len();
    assert!((2..4).contains(&kept), "{history}");
    assert_eq!(page(&mut client, "ann", 1, None)["RemovedFlag"], 0, "there is another page");
    let removed = before.last().unwrap();
    let refused = client.make(&undo("ann", "Change", removed));
    let said = refused.json()["ErrorInfo"].as_str().unwrap().to_owned();
    assert_eq!(refused.code(), 50002);
    assert!(said.contains("it was removed because events are kept only for some time"), "{said}");
    let body = json!({"From_Account": "ann", "Before": removed}).to_string();
    assert_eq!(client.call("confold/history", &body).code(), 50002);
    let latest = ids(&mut client, "ann")[1].clone();
    client.does(&undo("ann", "Since", &latest));
    assert_eq!(state(&mut client, "ann").len(), 6);
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn an_undo_obeys_the_edition_of_the_app() {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open(&StoreConfig::new(directory.path())).unwrap();
    let custom_group_bit = {
        let server = InProcess::start(page_app(), Arc::clone(&store));
        let mut client = server.client();
        client.does(&account_import("ann"));
        client.does(&mark_contact("ann").set(user("admin"), [1]));
        client.does(&create_contact_group("ann", "g").with(user("admin")));
        client.does(&mark_contact("ann").custom(user("admin"), "x"));
        ids(&mut client, "ann")
    };
    let app = confold::auth::App { edition: confold::auth::Edition::Basic, ..page_app() };
    let server = InProcess::start(app, store);
    let mut client = server.client();
    let codes = custom_group_bit[..3].iter().map(|id| client.make(&undo("ann", "Change", id)).code());
    assert_eq!(codes.collect::<Vec<_>>(), [0, 51013, 51013]);
    assert_eq!(state(&mut client, "ann").len(), 3);
}

/// Writers change conversations of their own while others are created and undone.
#[test]
fn no_change_is_lost_while_others_are_undone() {
    const WRITERS: usize = 4;
    const CALLS: usize = 60;
    let server = Server::dev(OPEN);
    let mut client = server.client();
    let target = {
        client.does(&create_contact_group("ann", "undone").with(user("bob")).with(user("carl")));
        ids(&mut client, "ann")[0].clone()
    };
    let mut undone = 0;
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let mut client = server.client();
            scope.spawn(move || {
                for call in 0..CALLS {
                    client.does(
                        &mark_contact("ann").custom(user(&format!("peer{writer}")), &format!("{call}")),
                    );
                }
            });
        }
        // Each undo is undone again, so that the group goes and comes back.
        let mut next = target;
        while undone < 30 {
            let answer = client.make(&undo("ann", "Change", &next));
            match answer.code() {
                0 => next = answer.json()["EventId"].as_str().unwrap().to_owned(),
                code => {
                    assert_eq!(code, 60018, "{}", answer.body);
                    continue;
                }
            }
            undone += 1;
        }
    });
    let found = state(&mut client, "ann");
    for writer in 0..WRITERS {
        assert_eq!(found[&format!("peer{writer} custom")], (CALLS - 1).to_string());
    }
    assert_eq!(found["group 1"], "\"undone\"", "it was undone an even number of times");
    assert!(found.contains_key("bob in 1") && found.contains_key("carl in 1"));
}
