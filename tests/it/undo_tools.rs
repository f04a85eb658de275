//! `confold history` and `confold undo`.

use std::process::Output;

use serde_json::{Value, json};

use crate::{
    bodies::{create_contact_group, del_contact_group, mark_contact, user},
    harness::{Client, Server, at_server, confold, keyed, printed, said},
    hostile::Fake,
    undo::ids,
    wait::Finish,
};

/// Runs a tool for the user ann.
fn run(server: &Server, task: &str, arguments: &[&str]) -> Output {
    keyed(&[task, "--user", "ann"]).args(at_server(server)).args(arguments).finish()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn started() -> (Server, Client) {
    let server = Server::dev(&["--directory", "open", "--rate-limit", "off"]);
    let client = server.client();
    (server, client)
}

#[test]
fn the_history_is_a_table_for_people() {
    let (server, mut client) = started();
    client.does(&mark_contact("ann").set_custom(user("bob"), [0, 7], "order 17"));
    client.does(&create_contact_group("ann", "work").with(user("bob")));
    client.does(&del_contact_group("ann", &["work"]));
    let output = run(&server, "history", &[]);
    assert_eq!((output.status.code(), errors(&output)), (Some(0), String::new()));
    let mut shown = printed(&output);
    for (id, name) in ids(&mut client, "ann").iter().zip(["third", "second", "first"]) {
        let place = shown.find(id.as_str()).unwrap_or_else(|| panic!("{id} in {shown}"));
        let line = shown[..place].rfind('\n').unwrap() + 1;
        // The time differs between runs.
        shown.replace_range(line..place + id.len(), name);
    }
    let mut lines = shown.lines();
    let heading: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(heading, ["time", "event", "by", "change"]);
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            r#"third  admin  deleted group "work" (1); "bob": not in group 1"#,
            r#"second  admin  created group "work" (1); "bob": in group 1"#,
            r#"first  admin  "bob": set 0 7, custom mark "order 17""#,
        ]
    );
}

#[test]
fn the_history_in_json_has_one_event_per_line_as_the_command_sends_it() {
    let (server, mut client) = started();
    for count in 0..130 {
        client.does(&mark_contact("ann").custom(user("bob"), &format!("{count}\u{202e}")));
    }
    let lines = |output: &Output| -> Vec<Value> {
        assert_eq!(output.status.code(), Some(0), "{}", said(output));
        assert!(!printed(output).contains('\u{202e}'), "what can deceive on a terminal is escaped");
        printed(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = run(&server, "history", &["--json", "--limit", "1000"]);
    assert_eq!(errors(&all), "");
    let all = lines(&all);
    assert_eq!(all.len(), 130, "more than a page of the server");
    let body = json!({"From_Account": "ann", "MaxEvents": 100}).to_string();
    assert_eq!(json!(all[..100]), client.ok("confold/history", &body)["Event"]);
    // Pages of the tool: what says how to go on does not stand among the lines.
    let first = run(&server, "history", &["--json", "--limit", "120"]);
    let last = all[119]["Id"].as_str().unwrap();
    assert_eq!(errors(&first), format!("There are older events: add --before {last}\n"));
    let second = run(&server, "history", &["--json", "--before", last]);
    assert_eq!(errors(&second), "");
    assert_eq!([lines(&first), lines(&second)].concat(), all);
    assert_eq!(lines(&run(&server, "history", &["--json"])).len(), 20);
}

#[test]
fn an_undo_says_what_it_did_and_what_it_kept() {
    let (server, mut client) = started();
    client.does(&create_contact_group("ann", "work").with(user("bob")).with(user("carl")));
    client.does(&create_contact_group("ann", "work").with(user("dora")));
    client.does(&mark_contact("ann").custom(user("bob"), "x"));
    let events = ids(&mut client, "ann");
    let everything = || run(&server, "history", &["--json"]);
    let before = printed(&everything());
    let tried = run(&server, "undo", &["--change", &events[0], "--dry-run"]);
    assert_eq!(tried.status.code(), Some(0));
    assert!(errors(&tried).starts_with("To undo exactly this, add --if-in-state "), "{}", errors(&tried));
    assert_eq!(printed(&tried), "would undo 1 event; nothing was changed\n");
    assert_eq!(printed(&everything()), before);
    let done = run(&server, "undo", &["--change", &events[0]]);
    let own = ids(&mut client, "ann")[0].clone();
    assert_eq!((done.status.code(), errors(&done)), (Some(0), String::new()));
    assert_eq!(printed(&done), format!("undid 1 event; the undo itself is the event {own}\n"));
    // The group is used by a later call.
    let partly = run(&server, "undo", &["--change", &events[2]]);
    assert_eq!((partly.status.code(), errors(&partly)), (Some(3), String::new()));
    let shown = printed(&partly);
    assert!(shown.starts_with("undid 1 event; "), "{shown}");
    let kept = "\nkept group \"work\" (1): later calls renamed it or added conversations to it\n";
    assert!(shown.ends_with(kept), "{shown}");
    // Everything after the first event: three undos and calls, in JSON.
    let since = run(&server, "undo", &["--since", &events[2], "--json"]);
    assert_eq!(since.status.code(), Some(0), "{}", said(&since));
    let reply: Value = serde_json::from_str(&printed(&since)).unwrap();
    assert_eq!((&reply["EventCount"], &reply["KeptItem"]), (&json!(4), &json!([])));
    let nothing = run(&server, "undo", &["--since", reply["EventId"].as_str().unwrap()]);
    assert_eq!(printed(&nothing), "looked at 0 events; nothing had to be changed\n");
}

#[test]
fn an_undo_with_a_state_is_refused_after_other_changes() {
    let (server, mut client) = started();
    client.does(&mark_contact("ann").set(user("bob"), [1]));
    client.does(&mark_contact("ann").set(user("carl"), [1]));
    let first = ids(&mut client, "ann")[1].clone();
    let state = || {
        let tried = run(&server, "undo", &["--since", &first, "--dry-run"]);
        let said = errors(&tried);
        said.trim_end().rsplit_once(' ').unwrap().1.to_owned()
    };
    let before = state();
    client.does(&mark_contact("ann").set(user("dora"), [1]));
    let refused = run(&server, "undo", &["--since", &first, "--if-in-state", &before]);
    assert_eq!((refused.status.code(), printed(&refused)), (Some(1), String::new()));
    assert!(errors(&refused).contains("IfInState"), "{}", errors(&refused));
    assert_eq!(ids(&mut client, "ann").len(), 3);
    let done = run(&server, "undo", &["--since", &first, "--if-in-state", &state()]);
    assert_eq!((done.status.code(), errors(&done)), (Some(0), String::new()));
    assert!(printed(&done).starts_with("undid 2 events; "), "{}", printed(&done));
}

#[test]
fn the_exit_status_says_why_there_is_no_history_or_undo() {
    let (server, mut client) = started();
    client.does(&mark_contact("ann").custom(user("bob"), "x"));
    for (status, task, arguments, words) in [
        (1, "history", &["--before", "x"][..], "refused: Before is refused: the owner has no event \"x\""),
        (1, "undo", &["--change", "x"], "refused: Change is refused: the owner has no event \"x\""),
        (
            1,
            "undo",
            &["--since", "x", "--dry-run"],
            "refused: Since is refused: the owner has no event \"x\"",
        ),
        (2, "undo", &[], "the following required arguments were not provided"),
        (2, "undo", &["--since", "x", "--change", "y"], "cannot be used with"),
        (
            2,
            "undo",
            &["--since", "x", "--if-in-state", ""],
            "must be a state that confold undo --dry-run has printed",
        ),
        (2, "history", &["--limit", "0"], "must be a number of at least 1"),
        (2, "history", &["--key-file", "/nowhere/key"], "/nowhere/key"),
    ] {
        let output = run(&server, task, arguments);
        assert_eq!(output.status.code(), Some(status), "{task} {arguments:?}: {}", said(&output));
        assert!(errors(&output).contains(words), "{task} {arguments:?}: {}", errors(&output));
        assert_eq!(printed(&output), "", "{task} {arguments:?}");
    }
    for task in ["history", "undo"] {
        let none = confold(&[task, "--user", "ann", "--change", "x"][..if task == "undo" { 5 } else { 3 }])
            .args(["--url", "http://127.0.0.1:1"])
            .finish();
        assert_eq!(none.status.code(), Some(4), "{}", said(&none));
        assert!(errors(&none).contains("cannot be reached"), "{}", said(&none));
        let long = "x".repeat(33);
        let refused = confold(&[task, "--user", &long]).finish();
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(
            errors(&refused).contains("a UserID must have 1 to 32 bytes, found 33"),
            "{}",
            said(&refused)
        );
    }
}

#[test]
fn a_strange_server_can_neither_deceive_the_tools_nor_keep_them_busy() {
    let event = json!({"Id": "\u{1b}[2Jx", "Time": 1, "Kind": "changed", "Operator": "\u{202e}",
        "Changes": [{"Change": "\r\nforged"}, {"Change": "group_created", "GroupItem": {"GroupName": "\u{7}"}}]});
    let answer = |reply: Value| Fake::json(move |_, _| reply.to_string());
    let ask = |fake: &Fake, arguments: &[&str]| {
        let output = confold(arguments).args(["--url", &fake.url()]).finish();
        let text = said(&output);
        let is_safe = !text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']) && !text.contains("\nforged");
        assert!(is_safe, "{text:?}");
        (output.status.code().unwrap(), text)
    };
    let history = ["history", "--user", "ann", "--limit", "5"];
    let undo = ["undo", "--user", "ann", "--change", "x"];
    // A page that claims that there is another one, again and again.
    let endless = answer(json!({"ErrorCode": 0, "Event": [event], "CompleteFlag": 0, "RemovedFlag": 0}));
    let (status, text) = ask(&endless, &history);
    assert_eq!((status, text.matches("group_created").count()), (0, 0));
    assert_eq!(text.matches("created group").count(), 5, "{text}");
    let empty = answer(json!({"ErrorCode": 0, "Event": [], "CompleteFlag": 0}));
    let other = answer(json!({"ErrorCode": 0}));
    for fake in [&empty, &other] {
        let (status, text) = ask(fake, &history);
        assert_eq!(status, 4, "{text}");
        assert!(text.contains("something else than a history"), "{text}");
    }
    let kept =
        json!([{"Field": "Group", "GroupItem": {"GroupName": "\u{1b}[2J"}, "ResultInfo": "\r\nforged"}]);
    let undone = answer(json!({"ErrorCode": 0, "EventId": "\u{1b}", "EventCount": 1, "KeptItem": kept}));
    assert_eq!(ask(&undone, &undo).0, 3);
    let tried = [&undo[..], &["--dry-run"]].concat();
    let (status, text) = ask(&undone, &tried);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("error: this server does not know dry runs; it has made the call"), "{text}");
    let refused = answer(json!({"ErrorCode": 7, "ErrorInfo": "\u{1b}[2J"}));
    assert_eq!((ask(&refused, &history).0, ask(&refused, &undo).0), (1, 1));
    let absent = answer(json!({"hello": 1}));
    assert_eq!((ask(&absent, &history).0, ask(&absent, &undo).0), (4, 4));
}
