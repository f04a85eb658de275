//! The webhooks of Tencent Chat, which an app receives at `/callback/<app>/<secret>`. The names of tests contain the numbers of
//! the lines of the list of what has to be shown about the recent list.

mod crash;
mod order;
mod shown;
mod tee;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use confold::{
    auth::{App, Callback, SigningToken, Token},
    clock::Clock,
    domain::{AppId, ChatGroupId, ChatGroupState, DirectoryMode, WantedMembers},
    store::{self, Store, StoreConfig},
    vendor_sign::vendor_sign,
};
use serde_json::{Value, json};

use crate::{
    bodies::{account_import, create_group},
    harness::{ADMIN, APP, Answer, Client, InProcess, eventually, page_app},
};

pub(crate) const SECRET: &str = "s3cret-s3cret-s3cret";
const OK: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
const C2C: &str = "C2C.CallbackAfterSendMsg";
const GROUP: &str = "Group.CallbackAfterSendMsg";
const CREATED: &str = "Group.CallbackAfterCreateGroup";
const JOINED: &str = "Group.CallbackAfterNewMemberJoin";
const LEFT: &str = "Group.CallbackAfterMemberExit";
const DESTROYED: &str = "Group.CallbackAfterGroupDestroyed";

/// The time at which the clock of each test stands.
static BEGIN: LazyLock<u64> = LazyLock::new(|| Clock::system().now());

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Returns how an app receives webhooks unless a test wants something else.
pub(crate) fn callback() -> Callback {
    Callback {
        secret: Token::new(SECRET),
        token: None,
        membership: true,
        forward: None,
        body_bytes: 1 << 20,
        calls_per_second: None,
    }
}

fn app_with(callback: Callback) -> App {
    App { callback: Some(Arc::new(callback)), directory: DirectoryMode::Open, ..page_app() }
}

/// A server that receives webhooks, with a clock that stands.
struct Hooks {
    clock: Clock,
    store: Arc<dyn Store>,
    client: Client,
    server: InProcess,
    _directory: Option<tempfile::TempDir>,
}

impl Hooks {
    fn start() -> Hooks {
        Hooks::of(app_with(callback()))
    }

    fn of(app: App) -> Hooks {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        clock.freeze(Some(*BEGIN));
        let config = StoreConfig { clock: clock.clone(), ..StoreConfig::new(directory.path()) };
        let store = store::open(&config).unwrap();
        Hooks { _directory: Some(directory), ..Hooks::with(clock, app, store) }
    }

    fn with(clock: Clock, app: App, store: Arc<dyn Store>) -> Hooks {
        clock.freeze(Some(*BEGIN));
        let server = InProcess::start_by(clock.clone(), app, Arc::clone(&store));
        let client = server.client();
        Hooks { clock, store, client, server, _directory: None }
    }

    /// Sends a webhook, and returns the answer.
    fn sends(&mut self, kind: &str, body: &Value) -> Answer {
        self.client.post(&target(kind, ""), &body.to_string()).unwrap()
    }

    /// Sends a webhook that has to be accepted.
    #[track_caller]
    fn send(&mut self, kind: &str, body: &Value) {
        let answer = self.sends(kind, body);
        assert_eq!((answer.status, answer.body.as_str()), (200, OK), "{kind} {body}");
    }

    fn list(&mut self, of: &str) -> Value {
        let body = json!({"From_Account": of, "TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0, "TopStartIndex": 0, "AssistFlags": 63});
        self.client.ok("recentcontact/get_list", &body.to_string())["SessionItem"].clone()
    }

    /// Returns the peers of an owner's list with the times of their newest messages.
    fn peers(&mut self, of: &str) -> Vec<(String, u64)> {
        let list = self.list(of);
        (list.as_array().unwrap().iter())
            .map(|item| {
                let peer = item.get("To_Account").unwrap_or(&item["GroupId"]);
                (peer.as_str().unwrap().to_owned(), item["MsgTime"].as_u64().unwrap())
            })
            .collect()
    }

    fn chat_group(&self, id: &str) -> Option<ChatGroupState> {
        let ids = vec![ChatGroupId::parse(id).unwrap()];
        let app = AppId::new(APP).unwrap();
        block_on(self.store.chat_groups(app, ids, WantedMembers::All)).unwrap().remove(0)
    }

    /// Returns how many transactions the store has made.
    fn commits(&self) -> u64 {
        self.store.statistics().commits
    }
}

/// Returns the path and query of a webhook, with more parameters.
fn target(kind: &str, more: &str) -> String {
    format!(
        "/callback/{APP}/{SECRET}?SdkAppid={APP}&CallbackCommand={kind}&contenttype=json&ClientIP=10.0.0.1&OptPlatform=RESTAPI{more}"
    )
}

/// Returns the body of a webhook about a message between two users.
fn message(from: &str, to: &str, at: u64) -> Value {
    json!({
        "CallbackCommand": C2C, "From_Account": from, "To_Account": to, "MsgSeq": 48_374, "MsgRandom": 2_837_546,
        "MsgTime": at, "MsgKey": format!("48374_2837546_{at}"), "OnlineOnlyFlag": 0, "SendMsgResult": 0,
        "ErrorInfo": "send msg succeed", "UnreadMsgNum": 7,
        "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "red packet"}}], "CloudCustomData": "x",
    })
}

/// Returns the body of a webhook about a chat group at a time in milliseconds, with these fields.
fn about(kind: &str, group: &str, at: u64, fields: &Value) -> Value {
    let mut body =
        json!({"CallbackCommand": kind, "GroupId": group, "Type": "Public", "EventTime": at.to_string()});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn group_message(group: &str, from: &str, at: u64) -> Value {
    about(
        GROUP,
        group,
        at,
        &json!({"From_Account": from, "MsgTime": at / 1_000, "MsgSeq": 1, "OnlineOnlyFlag": 0}),
    )
}

fn accounts(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"Member_Account": name})).collect()
}

fn created(group: &str, owner: &str, members: &[&str], at: u64) -> Value {
    about(CREATED, group, at, &json!({"Owner_Account": owner, "Name": "n", "MemberList": accounts(members)}))
}

fn joined(group: &str, members: &[&str], at: u64) -> Value {
    about(JOINED, group, at, &json!({"JoinType": "Apply", "NewMemberList": accounts(members)}))
}

fn left(group: &str, members: &[&str], at: u64) -> Value {
    about(LEFT, group, at, &json!({"ExitType": "Quit", "ExitMemberList": accounts(members)}))
}

fn destroyed(group: &str, at: u64) -> Value {
    about(DESTROYED, group, at, &json!({"Owner_Account": "a"}))
}

#[test]
fn line_16_a_webhook_is_admitted_by_its_app_its_signature_and_its_time() {
    const TIME: u64 = 1_669_872_112;
    const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";
    let mut hooks =
        Hooks::of(app_with(Callback { token: Some(SigningToken::new("xxxxyyyy")), ..callback() }));
    hooks.clock.freeze(Some(TIME + 60));
    let signed = |sign: &str, time: &str| target(C2C, &format!("&Sign={sign}&RequestTime={time}"));
    let good = signed(SIGN, &TIME.to_string());
    let stale = TIME - 1;
    let of_other_app = good.replace(&format!("SdkAppid={APP}"), "SdkAppid=1400000000");
    for (target, said) in [
        (target(C2C, ""), "has no Sign and RequestTime"),
        (signed(SIGN, "1669872113"), "was not made with the callback token"),
        (signed(&SIGN.replace('1', "2"), &TIME.to_string()), "was not made with the callback token"),
        (
            signed(&vendor_sign("xxxxyyyy", stale), &stale.to_string()),
            "is 61 seconds from this server's time",
        ),
        (of_other_app, "SdkAppid must be 88888888, as in the path, found \"1400000000\""),
    ] {
        let answer = hooks.client.post(&target, &message("a", "b", TIME).to_string()).unwrap();
        let reply = answer.json();
        assert_eq!(
            (answer.status, &reply["ActionStatus"], &reply["ErrorCode"]),
            (200, &json!("FAIL"), &json!(1))
        );
        let found = reply["ErrorInfo"].as_str().unwrap();
        assert!(found.contains(said) && !found.contains("xxxxyyyy"), "{found}");
    }
    assert_eq!(hooks.commits(), 0, "a refused webhook must not be applied");
    let answer = hooks.client.post(&good, &message("a", "b", TIME).to_string()).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, OK));
    hooks.clock.freeze(Some(*BEGIN));
    assert_eq!(hooks.peers("a"), [("b".to_owned(), TIME)]);
}

#[test]
fn the_secret_may_stand_in_the_path_or_in_the_query() {
    let mut hooks = Hooks::start();
    let body = |at: u64| message("a", "b", at).to_string();
    for (index, path) in [
        format!("/callback/{APP}/{SECRET}"),
        format!("/callback/{APP}?token={SECRET}"),
        format!("/callback/{APP}/?a=b&token={SECRET}&CallbackCommand={C2C}"),
        format!("/callback/{APP}?SdkAppid={APP}&Token={SECRET}"),
    ]
    .iter()
    .enumerate()
    {
        let at = *BEGIN - 100 + index as u64;
        let answer = hooks.client.post(path, &body(at)).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, OK), "{path}");
        assert_eq!(hooks.peers("a"), [("b".to_owned(), at)], "{path}");
    }
    let commits = hooks.commits();
    for path in [
        format!("/callback/{APP}/{}", &SECRET[1..]),
        format!("/callback/{APP}/{SECRET}x"),
        format!("/callback/{APP}/{SECRET}/"),
        format!("/callback/{APP}/x?token={SECRET}"),
        format!("/callback/{APP}?token="),
        format!("/callback/{APP}"),
        format!("/callback/1400000000/{SECRET}"),
        format!("/callback//{SECRET}"),
        format!("/callback/0{APP}0000/{SECRET}"),
    ] {
        let answer = hooks.client.post(&path, &body(*BEGIN)).unwrap();
        assert_eq!((answer.status, answer.code()), (404, 60009), "{path}");
        assert!(answer.body.contains("there is no such webhook"), "{}", answer.body);
    }
    assert_eq!(hooks.commits(), commits);
    let got = hooks
        .client
        .raw(format!("GET /callback/{APP}/{SECRET} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .unwrap();
    assert_eq!((got.status, got.headers["allow"].as_str()), (405, "POST"));
    for app in [page_app(), App { disabled: true, ..app_with(callback()) }] {
        let mut none = Hooks::of(app);
        assert_eq!(none.client.post(&target(C2C, ""), "{}").unwrap().status, 404);
    }
}

#[test]
fn line_17_only_messages_that_were_delivered_and_are_kept_count() {
    let mut hooks = Hooks::start();
    let at = *BEGIN;
    for (name, value) in
        [("SendMsgResult", json!(80_001)), ("OnlineOnlyFlag", json!(1)), ("OnlineOnlyFlag", json!("1"))]
    {
        let mut body = message("a", "b", at);
        body[name] = value;
        hooks.send(C2C, &body);
    }
    hooks.send(CREATED, &created("g", "a", &["b"], (at - 10) * 1_000));
    let commits = hooks.commits();
    for (name, value) in
        [("OnlineOnlyFlag", json!(1)), ("TopicId", json!("t")), ("Type", json!("AVChatRoom"))]
    {
        let mut body = group_message("g", "a", at * 1_000);
        body[name] = value;
        hooks.send(GROUP, &body);
    }
    assert_eq!((hooks.peers("a"), hooks.peers("b"), hooks.commits()), (vec![], vec![], commits));
    hooks.send(C2C, &message("a", "b", at - 1));
    hooks.send(GROUP, &group_message("g", "a", at * 1_000));
    assert_eq!(hooks.peers("a"), [("b".to_owned(), at - 1), ("g".to_owned(), at)]);
    assert_eq!(hooks.peers("b"), [("a".to_owned(), at - 1), ("g".to_owned(), at)]);
}

#[test]
fn line_18_a_message_to_6000_members_is_one_write_and_so_are_1000_of_one_second() {
    let mut hooks = Hooks::start();
    let at = *BEGIN * 1_000;
    let members: Vec<String> = (0..6_000).map(|index| format!("m{index}")).collect();
    for part in members.chunks(500) {
        let part: Vec<&str> = part.iter().map(String::as_str).collect();
        hooks.send(JOINED, &joined("g", &part, at - 9_000));
    }
    assert_eq!(hooks.chat_group("g").unwrap().group.listed, 6_000);
    let used = |hooks: &Hooks| hooks.store.statistics().log_in_use;
    let (commits, bytes) = (hooks.commits(), used(&hooks));
    hooks.send(GROUP, &group_message("g", "m1", at - 2_000));
    assert_eq!(hooks.commits(), commits + 1);
    // One row is one page of the log, and the page above it at most.
    assert!(used(&hooks) - bytes <= 3 * 4_200, "{} bytes", used(&hooks) - bytes);
    for index in 0..1_000 {
        hooks.send(GROUP, &group_message("g", "m1", at - 1_000 + index));
    }
    assert_eq!(hooks.commits(), commits + 2, "1,000 messages of one second are one write");
    for member in ["m0", "m5999"] {
        assert_eq!(hooks.peers(member), [("g".to_owned(), *BEGIN - 1)]);
    }
}

#[test]
fn line_19_before_events_are_allowed_at_once_without_a_write() {
    let mut hooks = Hooks::start();
    for kind in [
        "C2C.CallbackBeforeSendMsg",
        "Group.CallbackBeforeSendMsg",
        "Group.CallbackBeforeCreateGroup",
        "Group.CallbackBeforeInviteJoinGroup",
        "Sns.CallbackPrevFriendAdd",
        "Something.CallbackBeforeNew",
    ] {
        let mut body = created("g", "a", &["b"], *BEGIN * 1_000);
        for (name, value) in message("a", "b", *BEGIN).as_object().unwrap() {
            body[name] = value.clone();
        }
        body["CallbackCommand"] = json!(kind);
        // A busy machine may delay one answer, but not all of them.
        eventually("an answer arrives at once", || {
            let began = hooks.clock.elapsed();
            hooks.send(kind, &body);
            hooks.clock.elapsed().saturating_sub(began) < Duration::from_millis(50)
        });
    }
    // The kind of the query counts if the body cannot be read, so that no message is held up.
    let kind = "C2C.CallbackBeforeSendMsg";
    assert_eq!(hooks.client.post(&target(kind, ""), "{").unwrap().body, OK);
    assert_eq!((hooks.commits(), hooks.peers("a")), (0, vec![]));
}

#[test]
fn a_strict_directory_moves_known_owners_only_and_refuses_no_webhook() {
    let mut hooks = Hooks::of(App { directory: DirectoryMode::Strict, ..app_with(callback()) });
    for name in ["ann", "bob"] {
        hooks.client.does(&account_import(name));
    }
    let at = *BEGIN;
    hooks.send(C2C, &message("ann", "stranger", at - 3));
    hooks.send(C2C, &message("ann", "bob", at - 2));
    let commits = hooks.commits();
    hooks.send(C2C, &message("stranger", "other", at));
    hooks.send(C2C, &message(&"x".repeat(300), "bob", at));
    assert_eq!(hooks.commits(), commits, "no owner is known");
    assert_eq!(hooks.peers("ann"), [("bob".to_owned(), at - 2)]);
    // What is known about a peer shows when the peer is imported.
    hooks.client.does(&account_import("stranger"));
    assert_eq!(hooks.peers("ann"), [("stranger".to_owned(), at - 3), ("bob".to_owned(), at - 2)]);
    assert_eq!(hooks.peers("stranger"), []);
    hooks.send(JOINED, &joined("g", &["ann", "nobody"], at * 1_000 - 5_000));
    assert_eq!(hooks.chat_group("g").unwrap().group.listed, 1);
}

#[test]
fn an_administrators_own_side_moves_only_if_the_app_wants_it() {
    for touch_admins in [false, true] {
        let mut hooks = Hooks::of(App { touch_admins, ..app_with(callback()) });
        hooks.send(C2C, &message(ADMIN, "ann", *BEGIN));
        assert_eq!(hooks.peers("ann"), [(ADMIN.to_owned(), *BEGIN)]);
        assert_eq!(hooks.peers(ADMIN).len(), usize::from(touch_admins));
    }
}

#[test]
fn webhooks_keep_the_members_of_chat_groups_if_the_app_wants_it() {
    let at = *BEGIN * 1_000;
    let mut hooks = Hooks::start();
    hooks.send(CREATED, &created("g", "ann", &["bob", "cid"], at - 9_000));
    hooks.send(JOINED, &joined("g", &["dan"], at - 8_000));
    hooks.send(LEFT, &left("g", &["cid"], at - 7_000));
    hooks.send(GROUP, &group_message("g", "ann", at - 6_000));
    for (name, count) in [("ann", 1), ("bob", 1), ("cid", 0), ("dan", 1)] {
        assert_eq!(hooks.peers(name).len(), count, "{name}");
    }
    hooks.send(DESTROYED, &destroyed("g", at - 5_000));
    assert!(hooks.peers("bob").is_empty() && hooks.chat_group("g").unwrap().group.profile.is_none());
    let incarnation = hooks.chat_group("g").unwrap().group.incarnation;
    // The same id again starts clean.
    hooks.send(CREATED, &created("g", "bob", &[], at - 4_000));
    assert_eq!((hooks.peers("bob"), hooks.chat_group("g").unwrap().group.incarnation), (vec![], incarnation));
    hooks.send(GROUP, &group_message("g", "ann", at - 5_500));
    assert_eq!(hooks.peers("bob"), [], "a message of the life before has no effect");
    // Of the second in which a chat group is created, messages count.
    hooks.send(GROUP, &group_message("g", "ann", at - 3_900));
    assert_eq!(hooks.peers("bob"), [("g".to_owned(), *BEGIN - 4)]);
    // A chat group that a call creates in the second of the destruction starts clean as well.
    hooks.send(GROUP, &group_message("g", "ann", at - 1_000));
    hooks.send(DESTROYED, &destroyed("g", at - 500));
    hooks.client.does(&create_group("g").field("Owner_Account", "bob"));
    assert_eq!(hooks.peers("bob"), []);

    let mut hooks = Hooks::of(app_with(Callback { membership: false, ..callback() }));
    hooks.client.does(&create_group("g").field("Owner_Account", "ann"));
    let commits = hooks.commits();
    for (kind, body) in [
        (CREATED, created("h", "ann", &["bob"], at)),
        (JOINED, joined("g", &["bob"], at)),
        (LEFT, left("g", &["ann"], at)),
        (DESTROYED, destroyed("g", at + 9_000)),
    ] {
        hooks.send(kind, &body);
    }
    assert_eq!(hooks.commits(), commits);
    hooks.send(GROUP, &group_message("g", "ann", at));
    assert_eq!(hooks.peers("ann"), [("g".to_owned(), *BEGIN)]);
}

#[test]
fn line_16a_a_late_webhook_is_listed_by_the_next_incremental_pull() {
    let mut hooks = Hooks::start();
    hooks.send(GROUP, &group_message("old", "x", (*BEGIN - 5_000) * 1_000));
    hooks.send(C2C, &message("ann", "bob", *BEGIN));
    let pull = |hooks: &mut Hooks, from: &Value| {
        let mut body = json!({"From_Account": "ann", "AssistFlags": 63});
        for name in ["TimeStamp", "StartIndex", "TopTimeStamp", "TopStartIndex"] {
            body[name] = from.get(name).cloned().unwrap_or(json!(0));
        }
        hooks.client.ok("recentcontact/get_list", &body.to_string())
    };
    hooks.clock.freeze(Some(*BEGIN + 1));
    let first = pull(&mut hooks, &json!({}));
    assert_eq!((&first["CompleteFlag"], first["SessionItem"].as_array().unwrap().len()), (&json!(1), 1));
    hooks.clock.freeze(Some(*BEGIN + 10));
    let nothing = pull(&mut hooks, &first);
    assert_eq!(nothing["SessionItem"], json!([]));
    hooks.send(C2C, &message("late", "ann", *BEGIN - 1_000));
    hooks.send(JOINED, &joined("old", &["ann"], (*BEGIN + 10) * 1_000));
    let second = pull(&mut hooks, &nothing);
    let items: Vec<_> =
        second["SessionItem"].as_array().unwrap().iter().map(|item| &item["MsgTime"]).collect();
    assert_eq!(items, [&json!(*BEGIN - 5_000), &json!(*BEGIN - 1_000)], "{second}");
}

#[test]
fn unknown_kinds_and_fields_are_accepted_and_bad_bodies_are_refused() {
    let mut hooks = Hooks::start();
    for (kind, body) in [
        ("State.StateChange", json!({"Info": {"Action": "Login", "To_Account": "a"}})),
        ("Profile.CallbackPortraitSet", json!({})),
        ("Sns.CallbackFriendAdd", json!({"PairList": []})),
        ("Made.Up", json!({"x": [[[]]]})),
        ("", json!({})),
        (
            "C2C.CallbackAfterMsgReport",
            json!({"Report_Account": "a", "Peer_Account": "b", "UnreadMsgNum": 2}),
        ),
        ("Group.CallbackAfterRecallMsg", json!({"GroupId": "g"})),
        (C2C, json!({"From_Account": ["a"], "To_Account": {}})),
        (JOINED, json!({"GroupId": "g", "NewMemberList": "a"})),
    ] {
        hooks.send(kind, &body);
    }
    assert_eq!(hooks.commits(), 0);
    for bad in ["", "[]", "7", "{\"a\":", "\u{fffd}"] {
        let answer = hooks.client.post(&target(C2C, ""), bad).unwrap();
        assert_eq!((answer.status, answer.code()), (200, 1), "{bad} {}", answer.body);
    }
    // A byte order mark, and the kind in the body alone.
    let body = format!("\u{feff}{}", message("a", "b", *BEGIN));
    assert_eq!(hooks.client.post(&format!("/callback/{APP}/{SECRET}"), &body).unwrap().body, OK);
    assert_eq!(hooks.peers("a").len(), 1);
}

#[test]
fn bodies_and_webhooks_have_limits_of_their_own() {
    let mut hooks =
        Hooks::of(app_with(Callback { body_bytes: 400, calls_per_second: Some(5), ..callback() }));
    let long = json!({"CallbackCommand": "x", "y": "z".repeat(400)});
    let answer = hooks.sends("x", &long);
    assert_eq!((answer.status, answer.code()), (413, 60002));
    assert!(answer.body.contains("larger than 400 bytes"), "{}", answer.body);
    // The limit counts by the monotonic clock, which does not stand.
    let mut limited = None;
    for _ in 0..10_000 {
        let mut client = hooks.server.client();
        let answer = client.post(&target("x", ""), "{}").unwrap();
        if answer.status != 200 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("no webhook was refused");
    assert_eq!((limited.status, limited.code()), (503, 60011));
    // Calls are not limited by webhooks.
    hooks.client.ok("im_open_login_svc/account_import", r#"{"UserID":"a"}"#);
}
