//! Tests the recent list: `get_list`, `delete`, and pins. The names of tests contain the numbers of the lines of the list of
//! what has to be shown about it.

use std::sync::{Arc, LazyLock};

use confold::{
    auth::{App, Extensions},
    clock::Clock,
    domain::{
        AppId, ChatGroupId, ChatGroupTimes, DirectoryMode, Owner, RecentRules, SessionTimes, Touch, UserId,
    },
    store::{self, Store, StoreConfig},
};
use serde_json::{Value, json};

use crate::{
    bodies::{
        account_delete, account_import, chat, create_contact_group, create_group, destroy_group,
        mark_contact, records, user,
    },
    harness::{APP, Client, InProcess, SAMPLE_KEY, Server, in_directory, page_app},
};

/// The time at which the clock of each test begins. Signatures are valid for a day.
static BEGIN: LazyLock<u64> = LazyLock::new(|| Clock::system().now());
const GET: &str = "recentcontact/get_list";
const DELETE: &str = "recentcontact/delete";
const TOP: &str = "recentcontact/top";
const MEMBER: &str = "group_open_http_svc/add_group_member";

/// A server with a clock that does not move by itself.
struct Lists {
    clock: Clock,
    store: Arc<dyn Store>,
    client: Client,
    _server: InProcess,
    _directory: tempfile::TempDir,
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Returns an app with the extension and an open directory.
fn app() -> App {
    App { directory: DirectoryMode::Open, extensions: Extensions { recent: true }, ..page_app() }
}

fn with_rules(rules: RecentRules) -> App {
    App { recent: rules, ..app() }
}

fn owner(name: &str) -> Owner {
    Owner { app: AppId::new(APP).unwrap(), user: UserId::parse(name).unwrap() }
}

impl Lists {
    fn of(app: App) -> Lists {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        clock.freeze(Some(*BEGIN));
        let config = StoreConfig { clock: clock.clone(), ..StoreConfig::new(directory.path()) };
        let store = store::open(&config).unwrap();
        let server = InProcess::start_by(clock.clone(), app, Arc::clone(&store));
        let client = server.client();
        Lists { clock, store, client, _server: server, _directory: directory }
    }

    fn start() -> Lists {
        Lists::of(app())
    }

    /// A message between two users at this time, seen from the first one.
    fn message(&self, of: &str, with: &str, last: u64) {
        let times = SessionTimes::new(last, self.clock.now());
        let peer = UserId::parse(with).unwrap();
        block_on(self.store.touch(vec![Touch::Peer { owner: owner(of), peer, times, needs_account: false }]))
            .unwrap();
    }

    /// A message in a chat group at this time, in this incarnation.
    fn group_message_in(&self, group: &str, incarnation: u32, last: u64) {
        let times = ChatGroupTimes { incarnation, times: SessionTimes::new(last, self.clock.now()) };
        let (app, id) = (AppId::new(APP).unwrap(), ChatGroupId::parse(group).unwrap());
        block_on(self.store.touch(vec![Touch::ChatGroup { app, id, times }])).unwrap();
    }

    fn group_message(&self, group: &str, last: u64) {
        self.group_message_in(group, 0, last);
    }

    fn group_with(&mut self, group: &str, members: &[&str]) {
        self.client.does(&create_group(group));
        self.join(group, members);
    }

    fn join(&mut self, group: &str, members: &[&str]) {
        let members: Vec<Value> = members.iter().map(|name| json!({"Member_Account": name})).collect();
        let body = json!({"GroupId": group, "MemberList": members});
        self.client.ok(MEMBER, &body.to_string());
    }

    fn asked(&mut self, of: &str, cursor: &Value, flags: u64) -> Value {
        let mut body = json!({"From_Account": of, "AssistFlags": flags});
        for name in ["TimeStamp", "StartIndex", "TopTimeStamp", "TopStartIndex"] {
            body[name] = cursor.get(name).cloned().unwrap_or(json!(0));
        }
        self.client.ok(GET, &body.to_string())
    }

    fn list(&mut self, of: &str) -> Value {
        self.asked(of, &json!({}), 63)
    }

    /// Returns the peers of an owner's list, in order.
    fn peers(&mut self, of: &str) -> Vec<String> {
        names(&self.list(of))
    }

    fn delete(&mut self, of: &str, with: &str) -> Value {
        let body = json!({"From_Account": of, "Type": 1, "To_Account": with, "ClearRamble": 1});
        self.client.ok(DELETE, &body.to_string())
    }

    fn top(&mut self, of: &str, operation: u64, items: &[Value]) -> Value {
        let body = json!({"From_Account": of, "OperationType": operation, "RecentContactItem": items});
        let answer = self.client.call(TOP, &body.to_string());
        answer.json()
    }

    fn pin(&mut self, of: &str, items: &[Value]) {
        assert_eq!(self.top(of, 1, items)["ErrorCode"], 0);
    }
}

/// Returns an item of `top` about a chat group.
fn room(id: &str) -> Value {
    json!({"Type": 2, "GroupId": id})
}

/// Returns the peers of a reply, in order. A star marks a pinned one.
fn names(reply: &Value) -> Vec<String> {
    let name = |item: &Value| {
        let peer = item["To_Account"].as_str().or(item["GroupId"].as_str()).unwrap();
        let star = if item["TopFlag"] == 1 { "*" } else { "" };
        format!("{peer}{star}")
    };
    reply["SessionItem"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn line_1_an_empty_user_has_an_empty_list() {
    let mut lists = Lists::start();
    let body = r#"{"From_Account":"ann","TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"AssistFlags":63}"#;
    let expected = r#"{"SessionItem":[],"CompleteFlag":1,"TimeStamp":NOW,"StartIndex":0,"TopTimeStamp":NOW,"TopStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#;
    assert_eq!(lists.client.call(GET, body).body, expected.replace("NOW", &BEGIN.to_string()));
}

#[test]
fn lines_2_3_and_5_fields_are_in_order_and_flags_bring_marks() {
    let mut lists = Lists::start();
    lists.group_with("club", &["ann"]);
    lists.client.does(&mark_contact("ann").set(user("bob"), [1]));
    lists.client.does(&create_contact_group("ann", "work").with(user("bob")).with(chat("club")));
    lists.client.does(&mark_contact("ann").custom(chat("club"), "vip"));
    lists.client.does(&mark_contact("ann").custom(user("dan"), "x"));
    for (peer, last) in [("bob", 5), ("carl", 6), ("dan", 9)] {
        lists.message("ann", peer, last);
    }
    lists.group_message("club", 7);
    let marked = r#"{"SessionItem":[{"Type":1,"To_Account":"bob","MsgTime":5,"TopFlag":0,"StandardMark":"10","ContactGroupId":[1]},{"Type":1,"To_Account":"carl","MsgTime":6,"TopFlag":0},{"Type":2,"GroupId":"club","MsgTime":7,"TopFlag":0,"CustomMark":"vip","ContactGroupId":[1]},{"Type":1,"To_Account":"dan","MsgTime":9,"TopFlag":0,"CustomMark":"x"}],"CompleteFlag":1,"TimeStamp":"#;
    let plain = r#"{"SessionItem":[{"Type":1,"To_Account":"bob","MsgTime":5,"TopFlag":0},{"Type":1,"To_Account":"carl","MsgTime":6,"TopFlag":0},{"Type":2,"GroupId":"club","MsgTime":7,"TopFlag":0},{"Type":1,"To_Account":"dan","MsgTime":9,"TopFlag":0}],"CompleteFlag":1,"#;
    for (flags, expected) in
        [(63, marked), (31, marked), (32, marked), (7, plain), (15, plain), (0, plain), (1 << 20 | 7, plain)]
    {
        let body = format!(
            r#"{{"From_Account":"ann","TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"AssistFlags":{flags}}}"#
        );
        let found = lists.client.call(GET, &body).body;
        assert!(found.starts_with(expected), "{flags}: {found}");
    }
}

#[test]
fn lines_4_and_6_pinned_ones_come_first_unless_the_client_does_not_know_them() {
    let mut lists = Lists::start();
    for (peer, last) in [("a", 30), ("b", 10), ("c", 20), ("d", 5)] {
        lists.message("ann", peer, last);
    }
    lists.pin("ann", &[user("a"), user("c"), user("empty")]);
    assert_eq!(lists.peers("ann"), ["c*", "a*", "empty*", "d", "b"]);
    let empty = &lists.list("ann")["SessionItem"][2];
    assert_eq!((&empty["MsgTime"], empty.as_object().unwrap().len()), (&json!(*BEGIN), 4));
    // Bit 0: pinned ones are known; bit 1: so are those without a message.
    for (flags, expected) in [
        (0, vec!["d", "b", "c", "a"]),
        (1, vec!["c*", "a*", "d", "b"]),
        (2, vec!["d", "b", "c", "a", "empty"]),
        (3, vec!["c*", "a*", "empty*", "d", "b"]),
    ] {
        let reply = lists.asked("ann", &json!({}), flags);
        assert_eq!(names(&reply), expected, "{flags}");
    }
    assert_eq!(lists.top("ann", 2, &[user("a"), user("empty"), user("never")])["ErrorCode"], 0);
    assert_eq!(lists.peers("ann"), ["c*", "d", "b", "a"]);
}

/// Follows the cursor to the end. Returns the pages.
fn pages(lists: &mut Lists, of: &str, mut between: impl FnMut(&mut Lists, usize)) -> Vec<Value> {
    let (mut pages, mut cursor) = (Vec::new(), json!({}));
    loop {
        let page = lists.asked(of, &cursor, 63);
        let before = cursor.get("TimeStamp").and_then(Value::as_u64).unwrap_or(0);
        let is_complete = page["CompleteFlag"] == 1;
        assert!(is_complete || page["CompleteFlag"] == 0);
        assert!(is_complete || page["TimeStamp"].as_u64().unwrap() > before, "the cursor has to advance");
        cursor = page.clone();
        pages.push(page);
        if is_complete {
            return pages;
        }
        between(lists, pages.len());
    }
}

#[test]
fn line_7_pages_have_every_session_once() {
    let mut lists = Lists::of(with_rules(RecentRules { page_size: 2, ..RecentRules::default() }));
    for (count, peer) in ["a", "b", "c", "d", "e"].iter().enumerate() {
        lists.message("ann", peer, 100 - count as u64);
        // Three sessions move in one second, and a page never ends within a second.
        if count != 1 && count != 2 {
            lists.clock.advance(1);
        }
    }
    lists.pin("ann", &[user("pinned")]);
    lists.clock.advance(1);
    let found = pages(&mut lists, "ann", |_, _| {});
    let found: Vec<Vec<String>> = found.iter().map(names).collect();
    assert_eq!(found, [vec!["pinned*", "d", "c", "b", "a"], vec!["e"]]);
}

#[test]
fn line_8_what_moves_while_a_client_pages_comes_again_and_nothing_is_missed() {
    let mut lists = Lists::of(with_rules(RecentRules { page_size: 1, ..RecentRules::default() }));
    for peer in ["a", "b", "c"] {
        lists.message("ann", peer, 10);
        lists.clock.advance(1);
    }
    let found = pages(&mut lists, "ann", |lists, page| match page {
        1 => lists.message("ann", "a", 20),
        // An old message is new for the list.
        2 => lists.message("ann", "late", 1),
        _ => {}
    });
    let found: Vec<String> = found.iter().flat_map(names).collect();
    assert_eq!(&found[..3], ["a", "b", "c"]);
    assert!(found.contains(&"late".to_owned()) && found[3..].contains(&"a".to_owned()), "{found:?}");
}

#[test]
fn lines_9_and_16a_a_later_pull_lists_only_what_has_moved_since() {
    let mut lists = Lists::start();
    lists.group_with("old", &["boss"]);
    lists.group_message("old", 3);
    for peer in ["a", "b", "c"] {
        lists.message("ann", peer, 10);
    }
    lists.pin("ann", &[user("p"), user("q")]);
    lists.clock.advance(10);
    let first = lists.list("ann");
    assert_eq!(names(&first), ["p*", "q*", "a", "b", "c"]);
    assert_eq!((&first["TimeStamp"], &first["TopTimeStamp"]), (&json!(*BEGIN + 10), &json!(*BEGIN + 10)));
    let nothing = lists.asked("ann", &first, 63);
    assert_eq!(names(&nothing), [""; 0]);
    lists.clock.advance(10);
    // A message from long ago, a chat group that the owner joins, a pin, and the end of one.
    lists.message("ann", "late", 2);
    lists.join("old", &["ann"]);
    lists.message("ann", "b", 11);
    lists.message("ann", "q", 12);
    assert_eq!(lists.top("ann", 2, &[user("p")])["ErrorCode"], 0);
    lists.pin("ann", &[user("c")]);
    // What moves in the second of a reply comes again, because more may move in it.
    assert_eq!(names(&lists.asked("ann", &first, 63)), ["c*", "q*", "late", "old", "b"]);
    lists.clock.advance(1);
    let second = lists.asked("ann", &first, 63);
    assert_eq!(names(&second), ["c*", "q*", "late", "old", "b"]);
    assert_eq!(names(&lists.asked("ann", &second, 63)), [""; 0]);
    // The clock was set back: the cursor does not go back with it.
    let ahead = json!({"TimeStamp": *BEGIN + 1_000_000});
    assert_eq!(lists.asked("ann", &ahead, 63)["TimeStamp"], json!(*BEGIN + 1_000_000));
}

#[test]
fn line_10_only_the_newest_are_listed_and_older_ones_return() {
    let listed = |lists: &mut Lists, of: &str| lists.peers(of).len();
    for most in [100, 500] {
        let mut lists = Lists::of(with_rules(RecentRules { listed: most, ..RecentRules::default() }));
        for count in 0..=most {
            lists.message("ann", &format!("peer{count}"), 100 + count as u64);
        }
        let found = lists.peers("ann");
        assert_eq!(found.len(), most);
        assert_eq!((found[0].as_str(), found.last().unwrap().clone()), ("peer1", format!("peer{most}")));
        lists.delete("ann", "peer7");
        let found = lists.peers("ann");
        assert_eq!((found.len(), found[0].as_str()), (most, "peer0"));
        // Pinned ones are listed besides.
        lists.pin("ann", &[user("peer0"), user("peer1")]);
        lists.message("ann", "peer7", *BEGIN + 1);
        assert_eq!(listed(&mut lists, "ann"), most + 1);
    }
}

#[test]
fn lines_11_and_12_deleting_hides_a_session_until_a_later_message_and_keeps_groups_and_marks() {
    let mut lists = Lists::start();
    lists.client.does(&create_contact_group("ann", "work").with(user("bob")));
    assert_eq!(records(&mut lists.client, "ann").len(), 1);
    assert_eq!(lists.peers("ann"), [""; 0], "a record makes no session");
    lists.message("ann", "bob", *BEGIN - 5);
    lists.pin("ann", &[user("bob")]);
    let before = records(&mut lists.client, "ann");
    assert_eq!(
        lists.client.call(DELETE, r#"{"From_Account":"ann","Type":1,"To_Account":"bob"}"#).body,
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#
    );
    assert_eq!(lists.peers("ann"), [""; 0], "deleting ends the pin");
    assert_eq!(records(&mut lists.client, "ann"), before);
    lists.message("ann", "bob", *BEGIN - 5);
    lists.message("ann", "bob", *BEGIN);
    assert_eq!(lists.peers("ann"), [""; 0], "an older message changes nothing");
    lists.message("ann", "bob", *BEGIN + 1);
    assert_eq!(lists.peers("ann"), ["bob"]);
    // A message of a clock that is ahead does not keep a session alive.
    lists.message("ann", "bob", *BEGIN + 500);
    lists.delete("ann", "bob");
    assert_eq!(lists.peers("ann"), [""; 0]);
    lists.message("ann", "bob", *BEGIN + 500);
    assert_eq!(lists.peers("ann"), [""; 0]);
    // The same in a chat group, whose session only this owner deletes.
    lists.group_with("club", &["ann", "eve"]);
    lists.group_message("club", *BEGIN - 1);
    let body = r#"{"From_Account":"ann","Type":2,"ToGroupid":"club"}"#;
    lists.client.ok(DELETE, body);
    assert_eq!((lists.peers("ann"), lists.peers("eve")), (vec![], vec!["club".to_owned()]));
    lists.group_message("club", *BEGIN + 1);
    assert_eq!(lists.peers("ann"), ["club"]);
}

#[test]
fn line_13_every_spelling_of_delete_is_accepted() {
    let mut lists = Lists::start();
    lists.group_with("club", &["ann"]);
    let group = r#""GroupId":"other""#;
    for body in [
        r#"{"From_Account":"ann","Type":2,"ToGroupid":"club","ClearRamble":1}"#,
        r#"{"From_Account":"ann","Type":2,"ToGroupId":"club","ClearRamble":0}"#,
        r#"{"From_Account":"ann","type":2,"ToGroupId":"club"}"#,
        r#"{"From_Account":"ann","Type":"2","To_Account":"bob","ToGroupid":"club"}"#,
        r#"{"From_Account":"ann","Type":2,"To_Account":null,"ToGroupid":"club","ClearRamble":null}"#,
    ] {
        lists.clock.advance(10);
        let now = lists.clock.now();
        lists.group_message("club", now);
        lists.message("ann", "bob", now - 1);
        assert_eq!(lists.peers("ann"), ["bob", "club"]);
        lists.client.ok(DELETE, body);
        assert_eq!(lists.peers("ann"), ["bob"], "{body}");
    }
    for body in [
        r#"{"From_Account":"ann","Type":1,"To_Account":"bob","ToGroupid":null,"ClearRamble":1}"#,
        r#"{"From_Account":"ann","type":1,"To_Account":"bob","ToGroupid":"club"}"#,
    ] {
        lists.clock.advance(10);
        lists.message("ann", "bob", lists.clock.now());
        lists.client.ok(DELETE, body);
        assert_eq!(lists.peers("ann"), [""; 0], "{body}");
    }
    // What is not there is deleted already.
    for body in [
        r#"{"From_Account":"ann","Type":1,"To_Account":"nobody"}"#.to_owned(),
        r#"{"From_Account":"ann","Type":2,"ToGroupid":"nowhere"}"#.to_owned(),
    ] {
        lists.client.ok(DELETE, &body);
    }
    for (body, code, said) in [
        (r#"{"From_Account":"ann","To_Account":"bob"}"#.to_owned(), 50002, "Type is missing"),
        (r#"{"From_Account":"ann","Type":3,"To_Account":"bob"}"#.to_owned(), 50002, "Type must be 1"),
        (r#"{"From_Account":"ann","Type":1}"#.to_owned(), 50002, "To_Account is missing"),
        (format!(r#"{{"From_Account":"ann","Type":2,{group}}}"#), 50002, "ToGroupid is missing"),
        (
            r#"{"From_Account":"ann","Type":1,"To_Account":"bob","ClearRamble":2}"#.to_owned(),
            50002,
            "ClearRamble",
        ),
        (r#"{"From_Account":"ann","Type":1,"To_Account":7}"#.to_owned(), 60015, "To_Account"),
    ] {
        let refused = lists.client.call(DELETE, &body).json();
        assert_eq!(refused["ErrorCode"], code, "{body}");
        assert!(refused["ErrorInfo"].as_str().unwrap().contains(said), "{body}: {refused}");
    }
}

#[test]
fn line_14_the_51st_pin_gives_51012_and_changes_nothing() {
    let mut lists = Lists::of(App { directory: DirectoryMode::Strict, ..app() });
    let peers: Vec<String> = (0..52).map(|count| format!("peer{count}")).collect();
    for name in peers.iter().map(String::as_str).chain(["ann"]) {
        lists.client.does(&account_import(name));
    }
    let items: Vec<Value> = peers.iter().map(|peer| user(peer)).collect();
    let refused = lists.top("ann", 1, &items[..51]);
    assert_eq!(refused["ErrorCode"], 51012);
    assert!(refused["ErrorInfo"].as_str().unwrap().contains("50 pinned"), "{refused}");
    assert_eq!(lists.peers("ann"), [""; 0]);
    lists.pin("ann", &items[..50]);
    let version = version(&mut lists);
    assert_eq!(lists.top("ann", 1, &items[49..51])["ErrorCode"], 51012);
    lists.pin("ann", &items[..50]);
    assert_eq!((lists.peers("ann").len(), self::version(&mut lists)), (50, version), "nothing has changed");
    // A conversation that is pinned already takes no room, and neither does one with a user who is gone.
    lists.client.does(&account_delete("peer3"));
    assert_eq!(lists.peers("ann").len(), 49);
    lists.pin("ann", &items[50..51]);
    assert_eq!(lists.top("ann", 1, &items[51..52])["ErrorCode"], 51012);
    assert_eq!(lists.top("ann", 2, &items[..1])["ErrorCode"], 0);
    lists.pin("ann", &items[51..52]);
    // Only what may exist can be pinned; everything can be unpinned.
    assert_eq!(lists.top("ann", 1, &[user("stranger")])["ErrorCode"], 50001);
    assert_eq!(lists.top("ann", 1, &[room("nowhere")])["ErrorCode"], 51007);
    assert_eq!(lists.top("ann", 2, &[user("stranger"), room("nowhere")])["ErrorCode"], 0);
    assert_eq!(lists.top("nobody", 1, &items[..1])["ErrorCode"], 50001);
    for wrong in [0, 101] {
        assert_eq!(lists.top("ann", 1, &vec![user("peer1"); wrong])["ErrorCode"], 51006, "{wrong} items");
    }
    assert_eq!(lists.top("ann", 3, &items[..1])["ErrorCode"], 50002);
}

/// Returns the state of ann's data.
fn version(lists: &mut Lists) -> Value {
    lists.client.ok("confold/changes", r#"{"From_Account":"ann"}"#)["NewState"].clone()
}

#[test]
fn line_15_destroying_a_chat_group_ends_its_sessions_and_a_new_life_begins_clean() {
    let mut lists = Lists::start();
    let members: Vec<String> = (0..200).map(|count| format!("member{count}")).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    lists.group_with("club", &members);
    lists.group_message("club", 7);
    lists.pin("member1", &[room("club")]);
    assert_eq!(lists.peers("member0"), ["club"]);
    assert_eq!(lists.peers("member1"), ["club*"]);
    lists.client.does(&destroy_group("club"));
    for member in ["member0", "member1", "member199"] {
        assert_eq!(lists.peers(member), [""; 0]);
    }
    lists.group_with("club", &members[..2]);
    assert_eq!(
        (lists.peers("member0"), lists.peers("member1")),
        (vec![], vec![]),
        "the new life has no messages"
    );
    lists.group_message("club", 9);
    assert_eq!(lists.peers("member0"), [""; 0], "a message of the earlier life");
    lists.group_message_in("club", 1, 9);
    assert_eq!(
        (lists.peers("member0"), lists.peers("member1")),
        (vec!["club".to_owned()], vec!["club".to_owned()])
    );
}

#[test]
fn a_member_who_leaves_has_no_session_and_neither_has_anybody_in_an_avchatroom() {
    let mut lists = Lists::start();
    lists.group_with("club", &["ann", "bob"]);
    lists.group_message("club", 7);
    lists.pin("bob", &[room("club")]);
    let body = r#"{"GroupId":"club","MemberToDel_Account":["ann","bob"]}"#;
    lists.client.ok("group_open_http_svc/delete_group_member", body);
    assert_eq!((lists.peers("ann"), lists.peers("bob")), (vec![], vec![]));
    let refused = lists.top("bob", 1, &[room("club")]);
    assert_eq!(refused["ErrorCode"], 51007, "the list would not show it");
    // This is so whatever the setting membership is.
    let said = refused["ErrorInfo"].as_str().unwrap();
    assert!(said.ends_with("; add the owner with v4/group_open_http_svc/add_group_member"), "{said}");
    let body = r#"{"Type":"AVChatRoom","Name":"n","GroupId":"live","Owner_Account":"ann"}"#;
    lists.client.ok("group_open_http_svc/create_group", body);
    lists.group_message("live", 7);
    assert_eq!(lists.peers("ann"), [""; 0]);
}

#[test]
fn a_peer_whose_account_was_deleted_is_left_out() {
    let mut lists = Lists::of(with_rules(RecentRules { listed: 2, ..RecentRules::default() }));
    let mut strict = Lists::of(App {
        directory: DirectoryMode::Strict,
        recent: RecentRules { listed: 2, ..RecentRules::default() },
        ..app()
    });
    for lists in [&mut lists, &mut strict] {
        for name in ["ann", "a", "b", "c"] {
            lists.client.does(&account_import(name));
        }
        for (peer, last) in [("a", 1), ("b", 2), ("c", 3)] {
            lists.message("ann", peer, last);
        }
        lists.client.does(&account_delete("c"));
    }
    assert_eq!(strict.peers("ann"), ["a", "b"], "nobody takes the place of those who are listed");
    assert_eq!(lists.peers("ann"), ["b", "c"], "in an open directory everybody exists");
    strict.client.does(&account_delete("ann"));
    strict.client.does(&account_import("ann"));
    assert_eq!(strict.peers("ann"), [""; 0], "the sessions of a deleted account are gone");
    strict.message("ann", "a", 1);
    assert_eq!(strict.peers("ann"), ["a"]);
}

#[test]
fn sessions_without_a_message_for_long_are_not_listed() {
    let mut lists = Lists::of(with_rules(RecentRules { retention: 7 * 86_400, ..RecentRules::default() }));
    lists.message("ann", "old", *BEGIN - 7 * 86_400 - 1);
    lists.message("ann", "new", *BEGIN - 7 * 86_400);
    lists.message("ann", "pinned", *BEGIN - 8 * 86_400);
    lists.pin("ann", &[user("pinned")]);
    assert_eq!(lists.peers("ann"), ["pinned*", "new"]);
    assert_eq!(lists.list("ann")["SessionItem"][0]["MsgTime"], json!(*BEGIN), "its message is over");
    assert_eq!(names(&lists.asked("ann", &json!({}), 1)), ["new"]);
}

#[test]
fn the_request_of_get_list_is_checked() {
    let mut lists = Lists::of(App { directory: DirectoryMode::Strict, ..app() });
    lists.client.does(&account_import("ann"));
    let whole = json!({"From_Account": "ann", "TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0, "TopStartIndex": 0, "AssistFlags": 0});
    let mut code = |body: &Value| {
        let answer = lists.client.call(GET, &body.to_string()).json();
        (answer["ErrorCode"].as_u64().unwrap(), answer["ErrorInfo"].as_str().unwrap().to_owned())
    };
    assert_eq!(code(&whole).0, 0);
    for name in ["TimeStamp", "StartIndex", "TopTimeStamp", "TopStartIndex", "AssistFlags"] {
        let with = |value: Value| {
            let mut body = whole.clone();
            body[name] = value;
            body
        };
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(name);
        let (found, said) = code(&without);
        assert!(found == 50002 && said.starts_with(&format!("{name} is missing")), "{said}");
        assert_eq!(code(&with(json!(-1))).0, 50002, "{name}");
        assert_eq!(code(&with(json!("0"))).0, 0, "{name}");
        assert_eq!(code(&with(json!(7.0))).0, 0, "{name}");
        let most = match name {
            "TimeStamp" | "TopTimeStamp" => i64::MAX as u64,
            "AssistFlags" => u64::from(u32::MAX),
            _ => i32::MAX as u64,
        };
        assert_eq!(code(&with(json!(most))).0, 0, "{name}");
        assert_eq!(code(&with(json!(most + 1))).0, 50002, "{name}");
    }
    let mut unknown = whole.clone();
    unknown["From_Account"] = json!("nobody");
    assert_eq!(code(&unknown).0, 50001);
    unknown["From_Account"] = json!(7);
    assert_eq!(code(&unknown).0, 60015);
}

#[test]
fn pins_and_batches_need_the_extension() {
    let mut lists = Lists::of(App { extensions: Extensions::default(), ..app() });
    lists.message("ann", "bob", 5);
    for (command, body) in [
        (
            TOP,
            r#"{"From_Account":"ann","OperationType":1,"RecentContactItem":[{"Type":1,"To_Account":"bob"}]}"#,
        ),
        (
            "recentcontact/batch_delete",
            r#"{"From_Account":"ann","ContactItem":[{"Type":1,"To_Account":"bob"}]}"#,
        ),
    ] {
        let refused = lists.client.call(command, body).json();
        assert_eq!(refused["ErrorCode"], 60009);
        let said = refused["ErrorInfo"].as_str().unwrap();
        assert!(said.contains(r#"extensions = ["recent"]"#) && said.contains(command), "{said}");
    }
    assert_eq!(lists.peers("ann"), ["bob"]);
}

#[test]
fn a_batch_of_deletions_has_a_result_for_each() {
    let mut lists = Lists::start();
    lists.group_with("club", &["ann"]);
    lists.group_message("club", 7);
    for peer in ["a", "b", "c"] {
        lists.message("ann", peer, 5);
    }
    let body = r#"{"From_Account":"ann","ContactItem":[{"Type":1,"To_Account":"a"},{"Type":2,"ToGroupid":"club"},{"Type":1,"To_Account":"never"},{"Type":1,"To_Account":"c"}],"ClearRamble":0}"#;
    let reply = lists.client.call("recentcontact/batch_delete", body).body;
    assert_eq!(
        reply,
        r#"{"ResultItem":[{"Type":1,"To_Account":"a","ResultCode":0,"ResultInfo":""},{"Type":2,"ToGroupid":"club","ResultCode":0,"ResultInfo":""},{"Type":1,"To_Account":"never","ResultCode":0,"ResultInfo":""},{"Type":1,"To_Account":"c","ResultCode":0,"ResultInfo":""}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#
    );
    assert_eq!(lists.peers("ann"), ["b"]);
    assert_eq!(
        lists.client.call("recentcontact/batch_delete", r#"{"From_Account":"ann","ContactItem":[]}"#).code(),
        51006
    );
}

#[test]
fn changes_feed_and_history_know_pins_and_deletions_but_never_touches() {
    let mut lists = Lists::start();
    lists.message("ann", "bob", 5);
    let start = version(&mut lists);
    lists.message("ann", "bob", 6);
    assert_eq!(version(&mut lists), start, "a touch takes no number");
    lists.pin("ann", &[user("bob"), room("club")]);
    lists.delete("ann", "bob");
    lists.top("ann", 2, &[room("club")]);
    let body = json!({"From_Account": "ann", "Since": start});
    let news = lists.client.ok("confold/changes", &body.to_string());
    assert_eq!(
        news["SessionItem"],
        json!([{"Type": 1, "To_Account": "bob", "TopFlag": 0, "DeleteTime": *BEGIN}, {"Type": 2, "GroupId": "club", "TopFlag": 0}])
    );
    let later = lists
        .client
        .ok("confold/changes", &json!({"From_Account": "ann", "Since": news["NewState"]}).to_string());
    assert!(later.get("SessionItem").is_none(), "{later}");
    let history = lists.client.ok("confold/history", r#"{"From_Account":"ann"}"#);
    let changes: Vec<&Value> = history["Event"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|event| event["Changes"].as_array().unwrap())
        .collect();
    let changes: Vec<(&str, u64, &Value)> = changes
        .iter()
        .map(|change| {
            let list = change.get("RecentContactTopItem").or(change.get("RecentContactDeleteItem")).unwrap();
            (
                change["Change"].as_str().unwrap(),
                change["PushType"].as_u64().unwrap(),
                &list["RecentContactList"][0],
            )
        })
        .collect();
    assert_eq!(
        changes,
        [
            ("session_unpinned", 3, &json!({"Type": 2, "GroupId": "club"})),
            ("session_deleted", 1, &json!({"Type": 1, "Peer_Account": "bob"})),
            ("session_pinned", 2, &json!({"Type": 1, "To_Account": "bob"})),
            ("session_pinned", 2, &json!({"Type": 2, "GroupId": "club"})),
        ]
    );
    // Conversation groups and marks have pages of their own, on which nothing of this shows.
    assert_eq!(records(&mut lists.client, "ann"), Vec::<Value>::new());
}

/// The page about the recent list: its example data is loaded, its calls are made, and the replies have to be those shown.
#[test]
fn the_page_about_the_recent_list_does_what_it_says() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recent.md")).unwrap();
    let (_, rest) = page.split_once("<<'END'\n").unwrap();
    let (seed, _) = rest.split_once("END\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recent.ndjson");
    std::fs::write(&file, seed).unwrap();
    let server = Server::dev(&["--seed", file.to_str().unwrap(), "--extensions", "recent"]);
    let mut client = server.client().signed_for(1_400_000_000, "administrator", SAMPLE_KEY);
    let mut lines = page.lines().skip_while(|line| !line.starts_with("POST "));
    let mut calls = 0;
    while let Some(command) = lines.next().and_then(|line| line.strip_prefix("POST /v4/")) {
        let (body, expected) = (lines.next().unwrap(), lines.next().unwrap().strip_prefix("→ ").unwrap());
        let reply = client.call(command, body).body;
        let now = serde_json::from_str::<Value>(&reply).unwrap()["TimeStamp"].as_u64();
        let reply = now.map_or(reply.clone(), |now| reply.replace(&now.to_string(), "NOW"));
        assert_eq!(reply, expected, "{command} {body}");
        calls += 1;
    }
    assert_eq!(calls, 4);
}

#[test]
fn sessions_are_exported_and_imported_again() {
    let first = tempfile::tempdir().unwrap();
    let data = first.path().to_str().unwrap();
    let arguments = ["--directory", "open", "--extensions", "recent", "--empty", "--data"];
    let server = Server::dev(&[&arguments[..], &[data]].concat());
    let mut client = server.client();
    client.does(&create_group("club"));
    client.ok(MEMBER, r#"{"GroupId":"club","MemberList":[{"Member_Account":"ann"}]}"#);
    let line = |items: &str| {
        format!(r#"{{"Kind":"sessions","SdkAppId":{APP},"From_Account":"ann","SessionItem":[{items}]}}"#)
    };
    let mut import = |line: &str| {
        let target = client.target(GET).replace(&format!("/v4/{GET}"), "/interchange/import");
        let answer = client.post(&target, line).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["Changed"].as_u64().unwrap()
    };
    let items = r#"{"Type":1,"To_Account":"a","MsgTime":50},{"Type":1,"To_Account":"b","MsgTime":60,"TopFlag":1},{"Type":1,"To_Account":"c","MsgTime":70,"DeleteTime":80},{"Type":2,"GroupId":"club","MsgTime":40,"PinTime":45,"DeleteTime":9},{"Type":1,"To_Account":"d","PinTime":30}"#;
    assert_eq!(import(&line(items)), 1);
    assert_eq!(import(&line(items)), 0, "a line applied twice changes nothing");
    assert_eq!(import(&line(r#"{"Type":1,"To_Account":"a","MsgTime":49}"#)), 0, "times never decrease");
    let body = r#"{"From_Account":"ann","TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"AssistFlags":63}"#;
    assert_eq!(names(&client.ok(GET, body)), ["d*", "club*", "b*", "a"]);
    // A snapshot is an export as well.
    let dev = |client: &mut Client, what: &str| {
        let answer = client.post(&format!("/_dev/{what}"), r#"{"Name":"before"}"#).unwrap();
        assert!(answer.status < 300, "{} {}", answer.status, answer.body);
    };
    dev(&mut client, "snapshot");
    client.ok(DELETE, r#"{"From_Account":"ann","Type":1,"To_Account":"a"}"#);
    client.ok(
        TOP,
        r#"{"From_Account":"ann","OperationType":2,"RecentContactItem":[{"Type":1,"To_Account":"b"}]}"#,
    );
    assert_eq!(names(&client.ok(GET, body)), ["d*", "club*", "b"]);
    dev(&mut client, "restore");
    assert_eq!(names(&client.ok(GET, body)), ["d*", "club*", "b*", "a"]);
    server.terminate();
    assert!(server.ended_well());
    let exported = crate::harness::exported(&in_directory(first.path()));
    for expected in [
        r#""LastMsgTime":40"#,
        r#"{"Type":1,"To_Account":"c","DeleteTime":80}"#,
        r#"{"Type":2,"GroupId":"club","Incarnation":0,"PinTime":45,"DeleteTime":9}"#,
    ] {
        assert!(exported.contains(expected), "{expected}: {exported}");
    }
    let second = tempfile::tempdir().unwrap();
    let file = second.path().join("all.ndjson");
    std::fs::write(&file, &exported).unwrap();
    let store = second.path().join("store");
    let data = store.to_str().unwrap();
    crate::harness::succeeds(&mut crate::harness::confold(&[
        "import",
        file.to_str().unwrap(),
        "--data",
        data,
    ]));
    assert_eq!(crate::harness::exported(&in_directory(&store)), exported, "the same bytes again");
}
