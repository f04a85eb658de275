//! Following the changes of one owner over the wire: `confold/changes`, the state in replies, and conditions.

use std::{collections::BTreeMap, thread};

use serde_json::{Value, json};

use crate::{
    bodies::{
        Call, Calls, account_delete, account_import, chat, create_contact_group, create_group,
        del_contact_group, destroy_group, everything, get_contact_group, mark_contact, records,
        regroup_contacts, rename_contact_group, user,
    },
    harness::{APP, Client, Server},
};

const CHANGES: &str = "confold/changes";
const ASK: &str = "X-Confold-State: 1\r\n";

/// A client that only follows changes.
#[derive(Default)]
pub(crate) struct Copy {
    pub(crate) state: String,
    pub(crate) groups: BTreeMap<u64, Value>,
    pub(crate) records: BTreeMap<String, Value>,
    pub(crate) resets: usize,
}

pub(crate) fn key(contact: &Value) -> String {
    format!("{} {}{}", contact["Type"], contact["To_Account"], contact["ToGroupId"])
}

impl Copy {
    /// Reads one part, and returns whether there is more.
    #[track_caller]
    pub(crate) fn read(&mut self, client: &mut impl Calls, owner: &str, most: usize) -> bool {
        let body = json!({"From_Account": owner, "Since": self.state, "MaxChanges": most});
        let reply = client.succeeds(&Call::new(CHANGES, body));
        assert_eq!(reply["OldState"], self.state);
        if reply["Reset"] == 1 {
            self.resets += 1;
            self.groups.clear();
            self.records.clear();
        }
        let list =
            |name: &str| reply[name].as_array().unwrap_or_else(|| panic!("{name} should be there: {reply}"));
        let lists = ["GroupItem", "ContactItem", "GoneGroupId", "GoneContactItem"];
        let count: usize = lists.iter().map(|name| list(name).len()).sum();
        let has_more = reply["HasMoreChanges"] == 1;
        assert!(count <= most && (count == most || !has_more), "{count} of {most}");
        for group in list("GroupItem") {
            self.groups.insert(group["GroupId"].as_u64().unwrap(), group.clone());
        }
        for record in list("ContactItem") {
            self.records.insert(key(record), record.clone());
        }
        for id in list("GoneGroupId") {
            self.groups.remove(&id.as_u64().unwrap());
        }
        for contact in list("GoneContactItem") {
            self.records.remove(&key(contact));
        }
        reply["NewState"].as_str().unwrap().clone_into(&mut self.state);
        has_more
    }

    /// Reads everything that is left, and compares the result with a full read.
    #[track_caller]
    pub(crate) fn catch_up(&mut self, client: &mut impl Calls, owner: &str, most: usize) {
        // No owner of these tests has so many changes, so a client that needs more parts starts over again and again.
        let is_left = (0..1_000).all(|_| self.read(client, owner, most));
        assert!(!is_left, "following the changes does not end");
        self.check(client, owner);
    }

    /// Checks that this is exactly what a full read gives.
    #[track_caller]
    pub(crate) fn check(&self, client: &mut impl Calls, owner: &str) {
        let (records, groups) = everything(client, owner);
        assert_eq!(json!(self.groups.values().collect::<Vec<_>>()), json!(groups));
        let all: BTreeMap<String, Value> = records.into_iter().map(|record| (key(&record), record)).collect();
        assert_eq!(self.records, all);
    }
}

/// Returns the state of an owner.
#[track_caller]
fn state(client: &mut Client, owner: &str) -> String {
    let reply = client.with_headers(&get_contact_group(owner), ASK).json();
    reply["State"].as_str().unwrap_or_else(|| panic!("the reply should contain a state: {reply}")).to_owned()
}

/// Returns numbers that look random, and are the same each time.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

/// Makes one of many possible calls, most of which change something.
fn change(client: &mut Client, owner: &str, pick: &mut impl FnMut(u64) -> u64) {
    let peer = match pick(10) {
        0..3 => chat(&format!("g{}", pick(3))),
        _ => user(&format!("u{}", pick(8))),
    };
    let name = format!("group {}", pick(4));
    let call = match pick(12) {
        0..4 => {
            mark_contact(owner).set_custom(peer, [u8::try_from(pick(64)).unwrap()], &format!("{}", pick(9)))
        }
        4 => mark_contact(owner).custom(peer, ""),
        5 | 6 => create_contact_group(owner, &name).with(peer),
        7 => regroup_contacts(owner, &name).remove(peer),
        8 => del_contact_group(owner, &[&name]),
        9 => rename_contact_group(owner, &name, &format!("group {}", pick(4))),
        10 => destroy_group(&format!("g{}", pick(3))),
        _ => create_group(&format!("g{}", pick(3))),
    };
    client.make(&call);
}

#[test]
fn a_client_that_follows_changes_holds_what_a_full_read_gives() {
    let server = Server::dev(&["--directory", "open", "--rate-limit", "off", "--page-size", "7"]);
    let mut client = server.client();
    for seed in 0..12 {
        let owner = format!("owner{seed}");
        let mut pick = numbers(seed);
        let mut copy = Copy::default();
        for _ in 0..60 {
            change(&mut client, &owner, &mut pick);
            if pick(3) == 0 {
                copy.read(&mut client, &owner, usize::try_from(1 + pick(4)).unwrap());
            }
            if pick(25) == 0 {
                client.make(&account_delete(&owner));
            }
        }
        copy.catch_up(&mut client, &owner, 1);
        // Nothing is left, and nothing is reported twice.
        let (state, resets) = (copy.state.clone(), copy.resets);
        assert!(!copy.read(&mut client, &owner, 1));
        assert_eq!((&copy.state, copy.resets), (&state, resets));
    }
}

#[test]
fn a_disbanded_chat_group_is_gone_although_the_owner_was_not_written() {
    let server = Server::dev(&["--directory", "open"]);
    let mut client = server.client();
    client.does(&create_group("g"));
    client.does(&mark_contact("ann").set(chat("g"), [1]));
    client.does(&mark_contact("ann").set(user("bob"), [1]));
    let mut copy = Copy::default();
    copy.catch_up(&mut client, "ann", 100);
    client.does(&destroy_group("g"));
    let body = json!({"From_Account": "ann", "Since": copy.state});
    let reply = client.ok(CHANGES, &body.to_string());
    assert_eq!(reply["GoneContactItem"], json!([{"Type": 2, "ToGroupId": "g"}]));
    assert!(reply.get("Reset").is_none());
    copy.catch_up(&mut client, "ann", 1);
    assert_eq!(copy.resets, 1, "only the beginning was a reset");
}

#[test]
fn a_client_that_paged_goes_on_from_the_state_of_its_first_page() {
    let server = Server::dev(&["--directory", "open", "--page-size", "3"]);
    let mut client = server.client();
    for index in 0..10 {
        client.does(&mark_contact("ann").set(user(&format!("u{index}")), [1]));
    }
    let first = client.with_headers(&get_contact_group("ann"), ASK);
    let mut copy = Copy { state: first.json()["State"].as_str().unwrap().to_owned(), ..Copy::default() };
    // What changes between the pages is on a later page or among the changes.
    client.does(&mark_contact("ann").clear(user("u0"), [1]));
    client.does(&mark_contact("ann").set(user("u5"), [2]));
    let mut page = first.json();
    loop {
        for record in page["ContactItem"].as_array().unwrap() {
            copy.records.insert(key(record), record.clone());
        }
        if page["CompleteFlag"] == 1 {
            break;
        }
        let start = page["NextStartIndex"].as_u64().unwrap();
        page = client.does(&crate::bodies::get_contact_group_from("ann", start));
    }
    copy.catch_up(&mut client, "ann", 1);
    assert_eq!(copy.resets, 0);
}

#[test]
fn a_reply_contains_the_state_only_if_it_was_asked_for() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let calls = [
        mark_contact("user0").set(user("teacher4"), [9]),
        create_contact_group("user0", "new").with(user("teacher4")),
        rename_contact_group("user0", "new", "newer"),
        del_contact_group("user0", &["newer"]),
        get_contact_group("user0"),
        Call::new("confold/search", json!({"From_Account": "user0", "StartIndex": 0})),
    ];
    for call in calls {
        let asked = client.with_headers(&call, ASK);
        let found = asked.json()["State"].as_str().unwrap().to_owned();
        assert_eq!(found, state(&mut client, "user0"), "{}", call.command);
        // Apart from the state, the reply is the same as without it.
        let without = asked.body.replacen(&format!(r#"{{"State":"{found}","#), "{", 1);
        assert!(!without.contains("State\":"), "{without}");
        assert!(!client.make(&get_contact_group("user0")).body.contains("State\":"));
    }
    // A refused call has no effect, and its reply contains the state as well.
    let call = rename_contact_group("user0", "missing", "newer");
    let refused = client.with_headers(&call, ASK);
    assert_ne!(refused.code(), 0);
    assert_eq!(refused.json()["State"], state(&mut client, "user0"));
    assert!(!client.make(&call).body.contains("State\":"));
    // Commands that are about no owner have no state.
    let reply = client.with_headers(&account_import("zoe"), ASK);
    assert_eq!((reply.code(), reply.json().get("State")), (0, None));
    let refused = client.with_headers(&get_contact_group("user0"), "X-Confold-State: yes\r\n");
    assert_eq!(refused.code(), 50002);
    assert!(refused.body.contains("X-Confold-State"), "{}", refused.body);
}

#[test]
fn a_condition_holds_only_in_the_state_it_names() {
    let server = Server::dev(&["--directory", "open"]);
    let mut client = server.client();
    for id in ["mine", "foreign"] {
        client.does(&create_group(id));
    }
    client.does(&mark_contact("ann").set(user("bob"), [1]).set(chat("mine"), [1]));
    let calls = [
        mark_contact("ann").set(user("bob"), [2]),
        create_contact_group("ann", "new").with(user("bob")),
        rename_contact_group("ann", "new", "newer"),
        del_contact_group("ann", &["newer"]),
    ];
    for (index, call) in calls.into_iter().enumerate() {
        let in_body = index % 2 == 0;
        let before = state(&mut client, "ann");
        let conditional = |state: &str| match in_body {
            true => (call.clone().field("IfInState", state), String::new()),
            false => (call.clone(), format!("If-Match: \"{state}\"\r\n")),
        };
        // Another owner's change and another chat group's end do not matter.
        client.does(&mark_contact("dora").set(user("bob"), [u8::try_from(index).unwrap()]));
        client.make(&destroy_group("foreign"));
        client.make(&create_group("foreign"));
        let (old, now) = (state(&mut client, "dora"), state(&mut client, "ann"));
        for wrong in [&old, "nonsense", "AAAA"] {
            let (call, headers) = conditional(wrong);
            let refused = client.with_headers(&call, &headers);
            assert_eq!(refused.code(), 50002, "{}", refused.body);
            assert_eq!(refused.json()["State"], now, "{wrong}");
        }
        let (done, headers) = conditional(&before);
        // A dry run has the same condition, and leaves the state as it is.
        let tried = client.with_headers(&done, &format!("{headers}X-Confold-Dry-Run: 1\r\n"));
        assert_eq!(tried.code(), 0, "{}", tried.body);
        assert_eq!(client.with_headers(&done, &headers).code(), 0);
        let again = client.with_headers(&done, &headers);
        assert_eq!(again.code(), 50002, "the state has changed");
        assert_eq!(again.json()["State"], state(&mut client, "ann"));
    }
    // A chat group of which the owner has a record ends.
    let before = state(&mut client, "ann");
    client.does(&destroy_group("mine"));
    let call = mark_contact("ann").set(user("bob"), [7]).field("IfInState", before);
    assert_eq!(client.make(&call).code(), 50002);
}

#[test]
fn conditions_that_contradict_or_cannot_be_kept_are_refused() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let now = state(&mut client, "user0");
    let call = mark_contact("user0").set(user("teacher4"), [9]);
    let both = client.with_headers(&call.clone().field("IfInState", now.as_str()), "If-Match: other\r\n");
    assert!(both.code() == 50002 && both.body.contains("IfInState"), "{}", both.body);
    for header in [
        "If-Match: \"a\", \"b\"\r\n",
        "If-Match: W/\"a\"\r\n",
        "If-Match: \"*\"\r\n",
        "If-Match: \r\n",
        "If-Match: a\r\nIf-Match: a\r\n",
    ] {
        let refused = client.with_headers(&call, header);
        assert!(refused.code() == 50002 && refused.body.contains("If-Match"), "{header}: {}", refused.body);
    }
    // A command that cannot have a condition must not ignore one.
    for call in [account_delete("user1"), get_contact_group("user0"), destroy_group("@TGS#1N3RSUYG2")] {
        let refused = client.with_headers(&call, &format!("If-Match: {now}\r\n"));
        assert_ne!(refused.code(), 0);
        assert!(refused.body.contains("If-Match is refused: this header works for "), "{}", refused.body);
        assert!(refused.body.contains("; this call had no effect"), "{}", refused.body);
    }
    assert_eq!(state(&mut client, "user0"), now, "none of these calls had an effect");
    assert_eq!(client.with_headers(&call, "If-Match: *\r\n").code(), 0, "any state");
}

#[test]
fn a_state_from_before_a_reset_is_over_even_if_the_version_is_the_same() {
    let server = Server::dev(&["--directory", "open"]);
    let mut client = server.client();
    let scopes = [json!({"SdkAppId": APP, "From_Account": "ann"}), json!({"SdkAppId": APP}), json!({})];
    for scope in scopes {
        client.does(&mark_contact("ann").set(user("bob"), [1]));
        let mut copy = Copy::default();
        copy.catch_up(&mut client, "ann", 100);
        let body = scope.to_string();
        let reset =
            format!("POST /_dev/reset HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(client.raw(reset.as_bytes()).unwrap().status, 200);
        client.does(&mark_contact("ann").set(user("carl"), [1]));
        let call = mark_contact("ann").set(user("dora"), [1]).field("IfInState", copy.state.as_str());
        assert_eq!(client.make(&call).code(), 50002, "{scope}");
        let body = json!({"From_Account": "ann", "Since": copy.state});
        assert_eq!(client.ok(CHANGES, &body.to_string())["Reset"], 1, "{scope}");
        copy.catch_up(&mut client, "ann", 1);
    }
}

#[test]
fn a_state_from_before_a_renumbering_is_over_even_if_the_version_is_the_same() {
    let server = Server::dev(&["--directory", "open", "--rate-limit", "off"]);
    let mut client = server.client();
    let raise = |client: &mut Client| {
        let line = json!({"Kind": "organizer", "SdkAppId": APP, "From_Account": "ann",
            "Version": (1u64 << 31) - 9, "GroupItem": [], "ContactItem": []})
        .to_string();
        let seed =
            format!("POST /_dev/seed HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{line}", line.len());
        assert_eq!(client.raw(seed.as_bytes()).unwrap().status, 200);
    };
    raise(&mut client);
    let mut copy = Copy::default();
    copy.catch_up(&mut client, "ann", 100);
    // The numbers run out and are lowered, and then raised again to where they were.
    for count in 0..20 {
        client.does(&mark_contact("ann").custom(user("bob"), &format!("{count}")));
    }
    raise(&mut client);
    let call = mark_contact("ann").set(user("dora"), [1]).field("IfInState", copy.state.as_str());
    assert_eq!(client.make(&call).code(), 50002);
    let body = json!({"From_Account": "ann", "Since": copy.state});
    assert_eq!(client.ok(CHANGES, &body.to_string())["Reset"], 1);
    copy.catch_up(&mut client, "ann", 1);
}

#[test]
fn of_several_writers_with_the_same_state_one_succeeds() {
    let server = Server::dev(&["--directory", "open", "--rate-limit", "off"]);
    let mut client = server.client();
    for round in 0..10u8 {
        let before = state(&mut client, "ann");
        let writers: Vec<_> = (0..8u8)
            .map(|writer| {
                let call = mark_contact("ann")
                    .custom(user("bob"), &format!("{round} {writer}"))
                    .field("IfInState", before.as_str());
                let mut client = server.client();
                thread::spawn(move || client.make(&call).code())
            })
            .collect();
        let codes: Vec<u64> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| [0, 50002].contains(code)), "{codes:?}");
    }
}

#[test]
fn an_undo_can_have_a_condition() {
    let server = Server::dev(&["--directory", "open"]);
    let mut client = server.client();
    client.does(&mark_contact("ann").set(user("bob"), [1]));
    let before = state(&mut client, "ann");
    client.does(&mark_contact("ann").set(user("bob"), [2]));
    let history = client.ok("confold/history", r#"{"From_Account":"ann"}"#);
    let id = history["Event"][0]["Id"].clone();
    let undo = |state: &str| {
        Call::new("confold/undo", json!({"From_Account": "ann", "Change": id, "IfInState": state}))
    };
    let refused = client.make(&undo(&before));
    assert_eq!((refused.code(), &refused.json()["State"]), (50002, &json!(state(&mut client, "ann"))));
    let now = state(&mut client, "ann");
    assert_eq!(client.make(&undo(&now)).code(), 0);
    assert_eq!(records(&mut client, "ann")[0]["StandardMark"], "10");
}
