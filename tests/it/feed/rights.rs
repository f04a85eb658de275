//! Who may read the feed.

use rustix::process::Signal;
use serde_json::json;

use super::reader::{Reader, get, group, target};
use crate::{
    harness::{ADMIN, APP, Answer, InProcess, KEY, Server, eventually, page_app, query},
    serving::Site,
};

const TOKEN: &str = "a-token-of-the-feed-that-is-long-enough";
const OTHER: &str = "another-token-of-the-feed-that-is-long-enough";

fn asks(server: &Server, target: &str, headers: &str) -> Answer {
    get(server.address, target, headers).unwrap()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn a_signature_or_the_token_of_the_app_is_required() {
    let site = Site::new();
    site.configure("", &format!("directory = \"open\"\nfeed_token = {TOKEN:?}\n\n[[app]]\nid = 7\nkey_file = \"key\"\nfeed_token = {OTHER:?}"));
    let server = site.serve();
    let of_app = format!("/feed?app={APP}&wait=0");
    for (target, headers) in [
        (target("wait=0"), String::new()),
        (target(&format!("wait=0&app={APP}")), String::new()),
        (of_app.clone(), bearer(TOKEN)),
        ("/feed?wait=0&app=7".to_owned(), bearer(OTHER)),
        (of_app.clone(), format!("authorization: bearer {TOKEN}\r\n")),
    ] {
        let answer = asks(&server, &target, &headers);
        assert_eq!((answer.status, &answer.json()["Events"]), (200, &json!([])), "{target} {headers}");
    }
    for (target, headers, status, said) in [
        (of_app.clone(), String::new(), 403, "the feed requires a signed query"),
        (of_app.clone(), bearer(OTHER), 403, "where TOKEN is the feed_token of app 88888888"),
        (of_app.clone(), bearer(""), 403, "the header Authorization must be Bearer TOKEN"),
        (of_app.clone(), "Authorization: Basic eDp5\r\n".to_owned(), 403, "must be Bearer TOKEN"),
        ("/feed?app=9".to_owned(), bearer(TOKEN), 403, "where TOKEN is the feed_token of app 9"),
        ("/feed".to_owned(), bearer(TOKEN), 400, "the query parameter app is missing"),
        ("/feed?app=x".to_owned(), bearer(TOKEN), 400, "the query parameter app must be"),
        (target("app=7"), String::new(), 400, "the query parameter app is 7"),
        (target("after=x"), String::new(), 400, "must be a cursor that the feed of this app has returned"),
        (target("wait=99"), String::new(), 400, "the query parameter wait must be"),
        (format!("/feed?{}", query(APP, ADMIN, "wrong-key")), String::new(), 403, "UserSig"),
        (format!("/feed?{}", query(APP, "mallory", KEY)), String::new(), 403, "administrator"),
    ] {
        let answer = asks(&server, &target, &headers);
        assert_eq!(answer.status, status, "{target} {headers}: {}", answer.body);
        let info = answer.json()["ErrorInfo"].as_str().unwrap().to_owned();
        assert!(info.contains(said), "{said:?} in {info:?}");
        assert!(!info.contains(TOKEN) && !info.contains(OTHER), "{info}");
    }
    // A cursor of another app is refused.
    let cursor = asks(&server, "/feed?app=7&wait=0", &bearer(OTHER)).json()["Cursor"].clone();
    let answer = asks(&server, &target(&format!("after={}", cursor.as_str().unwrap())), "");
    assert_eq!(answer.status, 400, "{}", answer.body);
    let wrong = server.client().post(&target(""), "").unwrap();
    assert_eq!((wrong.status, wrong.headers["allow"].as_str()), (405, "GET"));
    let log = site.log();
    assert!(!log.contains(TOKEN) && !log.contains(OTHER), "{log}");
}

#[test]
fn no_web_page_may_read_it() {
    let server = Server::dev(&["--directory", "open"]);
    for header in ["Origin: http://localhost\r\n", "Sec-Fetch-Site: cross-site\r\n", "Host: evil.example\r\n"]
    {
        let answer = asks(&server, &target("wait=0"), header);
        assert_eq!(answer.status, 403, "{header}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
}

#[test]
fn a_closed_service_and_an_address_that_is_not_allowed_count_for_tokens_too() {
    let app = || confold::auth::App { feed_token: Some(confold::auth::Token::new(TOKEN)), ..page_app() };
    let status = |app: confold::auth::App| {
        let server = InProcess::start(app, confold::store::in_memory());
        let target = format!("/feed?app={APP}&wait=0");
        get(server.address, &target, &bearer(TOKEN)).unwrap().status
    };
    assert_eq!(status(app()), 200);
    assert_eq!(status(confold::auth::App { closed_services: vec!["feed".to_owned()], ..app() }), 403);
    assert_eq!(status(confold::auth::App { disabled: true, ..app() }), 403);
    let elsewhere = confold::auth::Network::parse("10.0.0.0/8").map(|network| vec![network]);
    assert_eq!(status(confold::auth::App { allowed_sources: elsewhere, ..app() }), 403);
}

#[test]
fn a_reload_ends_the_streams_of_those_who_lost_their_right() {
    let site = Site::new();
    let configure = |token: &str, admins: &str| {
        let app = format!("directory = \"open\"\nfeed_token = {token:?}\nadmins = [{admins}]");
        site.configure("", &app);
    };
    configure(TOKEN, "\"admin\", \"ann\"");
    let server = site.serve();
    let stream = |target: &str, headers: &str| {
        let headers = format!("Accept: text/event-stream\r\n{headers}");
        let reader = Reader::open(server.address, target, &headers).unwrap();
        assert_eq!(reader.status, 200);
        reader
    };
    let of_app = format!("/feed?app={APP}&after=latest");
    let mut by_token = stream(&of_app, &bearer(TOKEN));
    let mut by_ann = stream(&format!("/feed?{}&after=latest", query(APP, "ann", KEY)), "");
    let mut by_admin = stream(&target("after=latest"), "");
    let mut client = server.client();
    group(&mut client, "user0", "first", "bob");
    for reader in [&mut by_token, &mut by_ann, &mut by_admin] {
        assert_eq!(reader.event().json()["Owner"], "user0");
    }
    configure(OTHER, "\"admin\"");
    server.signal(Signal::HUP);
    eventually("the new token is accepted", || {
        asks(&server, &format!("{of_app}&wait=0"), &bearer(OTHER)).status == 200
    });
    assert_eq!(asks(&server, &of_app, &bearer(TOKEN)).status, 403);
    group(&mut client, "user0", "second", "bob");
    assert_eq!(by_admin.event().json()["Changes"][0]["GroupItem"]["GroupName"], "second");
    for reader in [&mut by_token, &mut by_ann] {
        assert!(reader.next().unwrap().is_none(), "the stream should end before the next event");
    }
    assert!(site.log().contains("feed_token"), "the log should name the changed setting: {}", site.log());
}
