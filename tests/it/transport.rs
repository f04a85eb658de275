//! Tests the rules for every call: HTTP, the order of checks, and stopping.

use std::collections::BTreeSet;

use confold::api::Command;

use crate::{
    bodies::{
        account_delete, account_import, chat, create_contact_group, create_group, destroy_group,
        mark_contact, multiaccount_import, records, search_contact_group, user,
    },
    harness::{ADMIN, APP, Client, KEY, SAMPLE_KEY, Server, eventually, import_accounts, query, sign},
    windows::assert_calls_a_second,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

/// Sends a POST to this path and query, and returns the code and text.
fn refused(client: &mut Client, target: &str, body: &str) -> (u64, String) {
    let answer = client.post(target, body).unwrap();
    assert_eq!(answer.status, 200, "{target}");
    let json = answer.json();
    assert_eq!(json["ActionStatus"], "FAIL", "{target}: {json}");
    (answer.code(), json["ErrorInfo"].as_str().unwrap().to_owned())
}

#[test]
fn other_methods_are_answered_as_the_service_does() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let got = client.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(
        (got.status, got.body.as_str()),
        (200, r#"{"ActionStatus":"FAIL","ErrorCode":60002,"ErrorInfo":"HTTP parse Error"}"#)
    );
    let head = client.raw(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let target = client.target(GET);
        let answer = client.raw(format!("{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        assert_eq!((answer.status, answer.code()), (200, 60002), "{method}");
    }
    let preflight =
        client.raw(b"OPTIONS /v4/recentcontact/mark_contact HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!((preflight.status, preflight.body.as_str()), (200, ""));
    for answer in [&got, &preflight, &client.call(GET, BODY)] {
        assert_eq!(answer.headers["content-length"], answer.body.len().to_string());
    }
    for answer in [got, head, preflight] {
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        assert_eq!(answer.headers["access-control-allow-headers"], "X-Requested-With, Content-Type");
        assert_eq!(answer.headers["access-control-allow-methods"], "POST");
        assert_eq!(answer.headers["content-type"], "application/json; charset=utf-8");
        assert!(answer.headers.contains_key("date"));
    }
}

#[test]
fn a_browser_gets_a_page_and_a_probe_a_status() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let page = client.raw(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html,*/*\r\n\r\n").unwrap();
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    let site = crate::serving::Site::new();
    site.configure("", "");
    let company = site.serve();
    let plain = company.client().raw(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html,*/*\r\n\r\n").unwrap();
    for pointer in ["confold", "/openapi.json", "docs/tour.md"] {
        assert!(page.body.contains(pointer) && plain.body.contains(pointer), "{pointer}");
    }
    // Only an emulator mentions the controls.
    assert!(page.body.contains("/_dev/") && !plain.body.contains("/_dev/"), "{}", plain.body);
    for (server, has_controls) in [(&server, true), (&company, false)] {
        let answer = server.client().raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let hint = &answer.headers["x-confold-hint"];
        assert!(hint.contains("/openapi.json") && hint.contains("docs/tour.md"), "{hint}");
        assert_eq!(hint.contains("/_dev/"), has_controls, "{hint}");
    }
    for (path, said) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = client.raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, said));
    }
}

#[test]
fn paths_are_matched_byte_by_byte() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let query = query(APP, ADMIN, KEY);
    for path in [
        "/",
        "/v4/",
        "/v4/recentcontact",
        "/v4/recentcontact/",
        "/v4/recentcontact/get_contact_group/",
        "/v4/recentcontact/Get_contact_group",
        "/v4/RecentContact/get_contact_group",
        "/v4/openim/sendmsg",
        "/v4/recentcontact/page_get",
        "/v4/recentcontact//get_contact_group",
        "/v4/im_open_login_svc/create_group",
    ] {
        assert_eq!(refused(&mut client, &format!("{path}?{query}"), BODY).0, 60009, "{path}");
    }
    assert_eq!(refused(&mut client, &format!("/v4/group_open_http_svc/nothing?{query}"), BODY).0, 10003);
}

/// A request to an unknown path gets status 404, so that a health check with a wrong path fails. The body is the same
/// error that an API call would get.
#[test]
fn unknown_paths_outside_the_service_are_not_found() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    for path in
        ["/health", "/v4", "/v3/recentcontact/get_contact_group", "/v44/x", "/interchange/x", "/metrics/"]
    {
        for (method, code) in
            [("GET", Some(60002)), ("POST", Some(60009)), ("PUT", Some(60002)), ("HEAD", None)]
        {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
            let answer = client.raw(request.as_bytes()).unwrap();
            assert_eq!(answer.status, 404, "{method} {path}");
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{method} {path}");
            match code {
                Some(code) => assert_eq!(answer.code(), code, "{method} {path}: {}", answer.body),
                None => assert_eq!(answer.body, ""),
            }
        }
    }
    for (method, path, allow) in
        [("POST", "/healthz", "GET"), ("PUT", "/metrics", "GET"), ("GET", "/interchange/import", "POST")]
    {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let answer = client.raw(request.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, allow), "{method} {path}");
    }
    assert_eq!(client.raw(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 200);
}

#[test]
fn checks_come_in_order_and_a_stranger_learns_nothing() {
    let server = Server::dev(&["--app", "7:key:boss"]);
    let mut client = server.client();
    let path = "/v4/recentcontact/get_contact_group";
    let good = sign(APP, ADMIN, KEY);
    let broken = "not json at all";
    for (query, code) in [
        ("sdkappid=%zz".to_owned(), 60002),
        (format!("contenttype=xml&sdkappid={APP}"), 60002),
        (format!("random=x&sdkappid={APP}"), 60004),
        (format!("identifier={ADMIN}&usersig={good}"), 60012),
        (format!("SdkAppId={APP}&identifier={ADMIN}&usersig={good}"), 60012),
        (format!("sdkappid=&identifier={ADMIN}&usersig={good}"), 60012),
        (format!("sdkappid=x&identifier={ADMIN}&usersig={good}"), 60006),
        (format!("sdkappid=4294967296&identifier={ADMIN}&usersig={good}"), 60006),
        (format!("sdkappid=99&identifier={ADMIN}&usersig={good}"), 70020),
        (format!("sdkappid={APP}&usersig={good}"), 60004),
        (format!("sdkappid={APP}&identifier={ADMIN}"), 60004),
        (format!("sdkappid={APP}&identifier={ADMIN}&usersig="), 70002),
        (format!("sdkappid={APP}&identifier={ADMIN}&usersig=xxx"), 70003),
        (format!("sdkappid=7&identifier={ADMIN}&usersig={good}"), 70014),
        (format!("sdkappid={APP}&identifier=other&usersig={good}"), 70013),
        (format!("sdkappid={APP}&identifier={ADMIN}&usersig={}", sign(APP, ADMIN, "another-key")), 70009),
        (format!("sdkappid={APP}&identifier=user0&usersig={}", sign(APP, "user0", KEY)), 60010),
        (format!("sdkappid={APP}&identifier={ADMIN}&usersig={good}"), 60003),
    ] {
        assert_eq!(refused(&mut client, &format!("{path}?{query}"), broken).0, code, "{query}");
    }
    assert_eq!(client.call(GET, BODY).code(), 0, "the connection should stay usable");
}

#[test]
fn refusals_contain_the_phrases_that_clients_look_for() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let path = "/v4/recentcontact/get_contact_group";
    let good = sign(APP, ADMIN, KEY);
    let said = |client: &mut Client, query: String| refused(client, &format!("{path}?{query}"), BODY).1;
    let other_user = said(&mut client, format!("sdkappid={APP}&identifier=other&usersig={good}"));
    assert!(other_user.contains("does not match the Usersig"), "{other_user}");
    let other_app = said(&mut client, format!("sdkappid=1400000000&identifier={ADMIN}&usersig={good}"));
    let phrase = "The requested SDKAppID(1400000000) does not match the Usersig(88888888). You can run a self-checking";
    assert!(other_app.starts_with(phrase), "{other_app}");
    let illegal = said(&mut client, format!("sdkappid={APP}&identifier={ADMIN}&usersig=xxx"));
    assert!(illegal.starts_with("The UserSig in use is illegal"), "{illegal}");
    assert!(!other_user.contains(&good) && !illegal.contains("xxx"), "a signature should never be shown");
}

#[test]
fn parameters_come_in_any_order_encoded_or_not_and_without_content_type() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let signature = sign(APP, ADMIN, KEY);
    let encoded = signature.replace('*', "%2A").replace('-', "%2D").replace('_', "%5F");
    for query in [
        format!("usersig={signature}&contenttype=json&random=1&identifier={ADMIN}&sdkappid={APP}"),
        format!("sdkappid={APP}&identifier={ADMIN}&usersig={encoded}&x=y"),
        format!("sdkappid={APP}&identifier=%61dmin&usersig={signature}&random=0079924292"),
    ] {
        let answer = client.post(&format!("/v4/{GET}?{query}"), BODY).unwrap();
        assert_eq!(answer.code(), 0, "{query}");
    }
    let target = client.target(GET);
    for headers in [
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: nonsense\r\n",
        "Expect: nothing\r\n",
    ] {
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        assert_eq!(client.raw(request.as_bytes()).unwrap().code(), 0, "{headers}");
    }
}

#[test]
fn bodies_may_be_chunked_and_must_be_one_json_object() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let target = client.target(GET);
    let (first, second) = BODY.split_at(10);
    let chunked = format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    assert_eq!(client.raw(chunked.as_bytes()).unwrap().code(), 0);
    for bad in ["", " ", "null", "[0]", "\"x\"", "{", "{} {}", "{}x", "{/*c*/}", "{\"a\":1,}", "{'a':1}"] {
        assert_eq!(client.post(&target, bad).unwrap().code(), 60003, "{bad:?}");
    }
    let mut invalid = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n").into_bytes();
    invalid.extend_from_slice(b"{\"a\":\"\xff\"}"[..8].as_ref());
    assert_eq!(client.raw(&invalid).unwrap().code(), 60003, "invalid UTF-8");
    assert_eq!(client.post(&target, "{}").unwrap().code(), 50002);
}

#[test]
fn account_fields_are_strings_wherever_they_stand() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    for (body, path) in [
        (r#"{"From_Account":5}"#, "From_Account"),
        (r#"{"From_Account":true}"#, "From_Account"),
        (r#"{"From_Account":"user0","x":[{"To_Account":{}}]}"#, "x[0].To_Account"),
        (r#"{"User_Account":["a",1]}"#, "User_Account[1]"),
    ] {
        let target = client.target(GET);
        let (code, said) = refused(&mut client, &target, body);
        assert_eq!(code, 60015, "{body}");
        assert!(said.starts_with(&format!("body account invalid: {path} ")), "{said}");
    }
    assert_eq!(client.call(GET, r#"{"From_Account":null}"#).code(), 50002, "null should count as missing");
}

#[test]
fn a_body_too_large_or_badly_framed_ends_the_connection() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let target = client.target(GET);
    let large = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
    let answer = client.raw(large.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.code(), answer.headers["connection"].as_str()), (200, 60002, "close"));
    assert!(client.is_closed());

    let mut client = server.client();
    let broken = format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
    let answer = client.raw(broken.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.code()), (200, 60002));
    assert!(client.is_closed());

    let mut client = server.client();
    let spaces = " ".repeat((1 << 20) - BODY.len());
    assert_eq!(client.call(GET, &format!("{spaces}{BODY}")).code(), 0, "1 MiB should be allowed");
}

#[test]
fn connections_are_kept_also_for_http_1_0_and_pipelines() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let target = client.target(GET);
    for _ in 0..2 {
        let old = format!(
            "POST {target} HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        let answer = client.raw(old.as_bytes()).unwrap();
        assert_eq!((answer.code(), answer.headers["connection"].as_str()), (0, "keep-alive"));
    }
    let one = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    client.send(one.repeat(3).as_bytes()).unwrap();
    for _ in 0..3 {
        assert_eq!(client.answer(false).unwrap().code(), 0);
    }
}

#[test]
fn the_201st_call_of_a_second_is_refused_without_effect() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let peers: Vec<String> = (0..500).map(|count| format!("p{count}")).collect();
    import_accounts(&mut client, &peers);
    let search = search_contact_group("user0").with(user("user0"));
    assert_calls_a_second(&mut client, search.command, &search.body(), 200, 60007);
    assert_eq!(client.call(GET, BODY).code(), 0, "another command should be counted separately");
    let mut other = server.client().signed_for(1_400_000_000, "administrator", SAMPLE_KEY);
    assert_eq!(other.make(&search).code(), 0, "another app");

    // Any of these calls may be refused. Refused ones have no effect, and all others do.
    let mut codes: Vec<u64> = Vec::new();
    eventually("a call is refused", || {
        let peers = &peers[codes.len()..codes.len() + 250];
        let marks = peers.iter().map(|peer| mark_contact("user0").set(user(peer), [1]).request(&client));
        let requests: String = marks.collect();
        client.send(requests.as_bytes()).unwrap();
        codes.extend(peers.iter().map(|_| client.answer(false).unwrap().code()));
        codes.contains(&60007) || codes.len() == 500
    });
    let marked: BTreeSet<String> = (records(&mut client, "user0").iter())
        .filter_map(|record| record["To_Account"].as_str().map(str::to_owned))
        .collect();
    for (peer, code) in peers.iter().zip(codes) {
        assert!([0, 60007].contains(&code), "{code}");
        assert_eq!(marked.contains(peer), code == 0, "{peer} was answered {code}");
    }
}

#[test]
fn input_that_is_not_http_is_answered_as_well() {
    let server = Server::dev(&[]);
    let target = server.client().target(GET);
    let long = "x".repeat(80_000);
    let headers = "X-Y: z\r\n".repeat(150);
    for request in [
        "nonsense\r\n\r\n".to_owned(),
        format!("POST {target}&x=< HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST {target} x HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n"),
        format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        format!("POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"),
        format!("POST {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"),
        format!("POST /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        let mut client = server.client();
        let shown = &request[..request.len().min(60)];
        let answer = client.raw(request.as_bytes()).unwrap_or_else(|error| panic!("{error} for {shown}"));
        assert_eq!((answer.status, answer.code()), (200, 60002), "{shown}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        assert_eq!(answer.headers["content-length"], answer.body.len().to_string());
        assert!(client.is_closed());
    }
}

#[test]
fn strangers_are_refused_without_waiting_and_a_slow_body_gets_60008() {
    let announce =
        |target: &str| format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{{");
    // The time for a body is an hour, so any answer proves that the server did not wait for it.
    let (_site, _server, mut stranger) = crate::serving::serving("[limits]\ncall_timeout = \"1h\"", "");
    let forged = format!("/v4/{GET}?{}", query(APP, ADMIN, "another-key"));
    let answer = stranger.raw(announce(&forged).as_bytes()).unwrap();
    assert_eq!((answer.code(), answer.headers["connection"].as_str()), (70009, "close"));

    let server = Server::dev(&[]);
    let clock = confold::clock::Clock::system();
    let mut slow = server.client();
    let target = slow.target(GET);
    let before = clock.elapsed();
    let answer = slow.raw(announce(&target).as_bytes()).unwrap();
    assert_eq!((answer.status, answer.code(), answer.headers["connection"].as_str()), (200, 60008, "close"));
    let waited = clock.elapsed().saturating_sub(before).as_millis();
    assert!(waited >= 2_900, "{waited} ms");
}

#[test]
fn a_signature_in_the_wrong_place_is_not_shown() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let server = Server::logging_to(log.reopen().unwrap());
    let mut client = server.client();
    let signature = sign(APP, ADMIN, KEY);
    for target in [
        format!("/v4/{GET}?sdkappid={APP}&random=99999999usersig={signature}"),
        format!("/v4/{GET}?contenttype=json;usersig={signature}"),
        format!("/v4/{GET}&usersig={signature}"),
        format!("/v4/nowhere/usersig={signature}"),
        format!("/v4/{GET}?sdkappid={APP}&identifier={ADMIN}&usersig={signature}x"),
    ] {
        let said = refused(&mut client, &target, BODY).1;
        assert!(!said.contains(&signature[..12]), "{said}");
    }
    assert_eq!(client.call(GET, BODY).code(), 0);
    // The log is written by a separate thread in the order of the calls, so the valid call comes last.
    let read = || std::fs::read_to_string(log.path()).unwrap();
    let count = |said: &str| read().lines().filter(|line| line.contains(said)).count();
    eventually("five failed calls and a good one are in the log", || {
        (count("failed call"), count(r#""code":0"#)) == (5, 1)
    });
    drop(server);
    let lines = read();
    assert!(!lines.contains(&signature[..12]) && !lines.contains(KEY), "{lines}");
    // The log has one JSON object per line with the details of the call.
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["command"], &last["app"], &last["code"]),
        (&"get_contact_group".into(), &APP.into(), &0.into())
    );
    assert!(last["request"].is_string() && last["ms"].is_number(), "{last}");
}

#[test]
fn a_head_request_to_a_probe_asks_the_probe() {
    let server = Server::dev(&[]);
    let answer = server.client().raw(b"HEAD /readyz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "text/plain; charset=utf-8"));
}

/// Compares with a reply recorded from the real service in April 2025. The only differences are those of its
/// documentation: `NextStartIndex` is present, `CompleteTime` and `ErrorDisplay` are not (decision 1).
#[test]
fn a_recorded_reply_of_the_real_service_is_returned() {
    let recorded = include_str!("../fixtures/recorded_production.json");
    let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
    let theirs = recorded["cases"][0]["reply_text"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("seed.ndjson");
    let line =
        theirs.replacen('{', r#"{"Kind":"organizer","SdkAppId":88888888,"From_Account":"USER_5158","#, 1);
    std::fs::write(&seed, line).unwrap();
    let server = Server::dev(&["--seed", seed.to_str().unwrap()]);
    let ours = server.client().call(GET, r#"{"From_Account":"USER_5158","StartIndex":0}"#).body;
    let (items, rest) = theirs.split_once(r#","CompleteFlag":1,"CompleteTime":1745810706"#).unwrap();
    let (groups, _) = rest.split_once(r#","ActionStatus""#).unwrap();
    let end = r#","CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;
    assert_eq!(ours, format!("{items}{groups}{end}"));
}

#[test]
fn stopping_lets_requests_in_flight_finish() {
    let server = Server::dev(&[]);
    let mut busy = server.client();
    let mut idle = server.client();
    assert_eq!(idle.call(GET, BODY).code(), 0);
    let mut begun = server.client();
    begun.send(b"POST /v4/").unwrap();
    let mark = mark_contact("user0").set(user("user0"), [1]);
    let (target, body) = (busy.target(mark.command), mark.body());
    let (first, second) = body.split_at(20);
    let expect = "Expect: 100-continue\r\n";
    let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\n{expect}Content-Length: {}\r\n\r\n", body.len());
    busy.send(head.as_bytes()).unwrap();
    // The server asks for the body, so the request is in progress.
    assert_eq!(busy.answer(true).unwrap().status, 100);
    busy.send(first.as_bytes()).unwrap();
    server.terminate();
    eventually("the server stops listening", || Client::try_connect(server.address).is_err());
    assert!(idle.is_closed(), "a connection without a request should be closed");
    assert!(begun.is_closed(), "a connection with an incomplete head should be closed, too");
    busy.send(second.as_bytes()).unwrap();
    assert_eq!(busy.answer(false).unwrap().code(), 0);
    assert!(busy.is_closed());
    assert!(server.ended_well());
}

#[test]
fn apps_have_their_own_users_and_administrators() {
    let server = Server::dev(&["--app", "7:key:boss"]);
    let mut client = server.client();
    let target = |command: &str| format!("/v4/{command}?{}", query(7, "boss", "key"));
    assert_eq!(client.post(&target(GET), BODY).unwrap().code(), 50001);
    let import = account_import("user0");
    assert_eq!(client.post(&target(import.command), &import.body()).unwrap().code(), 0);
    let empty = client.post(&target(GET), BODY).unwrap();
    assert_eq!(empty.json()["ContactItem"], serde_json::json!([]));
}

#[test]
fn an_open_directory_takes_every_id_but_not_a_destroyed_group() {
    let server = Server::dev(&["--directory", "open"]);
    let mut client = server.client();
    let mark = mark_contact("anyone").set(chat("anywhere"), [1]).set(user("someone"), [1]);
    let kept = |client: &mut Client| records(client, "anyone").len();
    assert_eq!(client.marks(&mark), [0, 0]);
    client.does(&destroy_group("anywhere"));
    assert_eq!(kept(&mut client), 1);
    assert_eq!(client.marks(&mark), [51007, 0]);
    client.does(&create_group("anywhere"));
    assert_eq!(client.marks(&mark), [0, 0]);
    assert_eq!(kept(&mut client), 2);
    client.does(&account_delete("anyone"));
    assert_eq!(kept(&mut client), 0, "a deleted account should have no records");
}

#[test]
fn batches_have_their_bounds() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let users: Vec<String> = (0..301).map(|count| format!("u{count}")).collect();
    import_accounts(&mut client, &users);
    let mark = |count: usize| {
        users[..count].iter().fold(mark_contact("u0"), |call, peer| call.custom(user(peer), "x"))
    };
    assert_eq!([0, 1, 100, 101].map(|count| client.make(&mark(count)).code()), [51006, 0, 0, 51006]);
    let search = |count: usize| search_contact_group("u0").with_users(&users[..count]);
    let found = client.does(&search(300));
    assert_eq!(found["ContactResultItem"].as_array().unwrap().len(), 100);
    assert_eq!([1, 301].map(|count| client.make(&search(count)).code()), [0, 50002]);
    let create = |count: usize| create_contact_group("u0", "g").with_users(&users[..count]);
    assert_eq!([101, 100].map(|count| client.make(&create(count)).code()), [51006, 0]);
    assert_eq!(client.make(&multiaccount_import(&users[..101])).code(), 70402);
}

#[test]
fn every_command_says_which_field_it_misses() {
    let server = Server::dev(&["--messages", "accept", "--extensions", "recent"]);
    let mut client = server.client();
    // Only the list of all groups has no required field.
    for command in Command::ALL.iter().filter(|command| **command != Command::GetAppidGroupList) {
        let target = client.target(command.path().trim_start_matches("/v4/"));
        let (code, said) = refused(&mut client, &target, "{}");
        assert!(
            [50002, 70402, 10004, 40001, 40002, 90003, 90008, 90028].contains(&code),
            "{}: {code} {said}",
            command.name()
        );
        // The message explains the field as well.
        let explained = [" is missing (a string: ", " is missing (an array: ", " is missing; it must be "];
        assert!(explained.iter().any(|how| said.contains(*how)), "{}: {said}", command.name());
    }
}
