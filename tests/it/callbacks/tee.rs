//! Webhooks that are sent on to a backend, whose answer becomes the answer.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use confold::auth::Callback;
use serde_json::json;

use super::{C2C, Hooks, OK, SECRET, app_with, callback, message, target};
use crate::{
    harness::{APP, eventually},
    webhooks::receiver::{Receiver, answer},
};

fn forwarding_to(url: &str) -> Hooks {
    Hooks::of(app_with(Callback { forward: Some(url.parse().unwrap()), ..callback() }))
}

#[test]
fn line_20_the_answer_of_the_backend_is_the_answer_byte_for_byte() {
    let refusal = "{ \"ActionStatus\" : \"OK\",\"ErrorCode\":120001, \"ErrorInfo\":\"\u{fc}\"}\n";
    let backend =
        Receiver::that(move |_| Some(answer("200 OK", "Content-Type: text/json; charset=x\r\n", refusal)));
    let mut hooks = forwarding_to(&format!("{}?own=1", backend.url()));
    let body = format!(
        "{{ \"CallbackCommand\":\"{C2C}\", \"From_Account\":\"a\",\"To_Account\":\"b\", \"x\": 1.50 }}"
    );
    let more = "&Sign=abc&RequestTime=1&y=%20z";
    let target = format!("{}&token={SECRET}", target(C2C, more));
    let got = hooks.client.post(&target, &body).unwrap();
    assert_eq!((got.status, got.body.as_str()), (200, refusal));
    assert_eq!(got.headers["content-type"], "text/json; charset=x");
    let sent = &backend.wait_for(1)[0];
    let query = format!(
        "SdkAppid={APP}&CallbackCommand={C2C}&contenttype=json&ClientIP=10.0.0.1&OptPlatform=RESTAPI{more}"
    );
    assert_eq!(
        (sent.target.as_str(), sent.body.as_str()),
        (format!("/hook?own=1&{query}").as_str(), body.as_str())
    );
    assert_eq!(hooks.peers("a").len(), 1, "the webhook is applied as well");
    // So are before events, which the backend may refuse, and bodies that cannot be read here.
    for body in [r#"{"CallbackCommand":"C2C.CallbackBeforeSendMsg"}"#, "{"] {
        assert_eq!(hooks.client.post(&target, body).unwrap().body, refusal);
    }
    let commits = hooks.commits();
    assert_eq!(backend.wait_for(3).len(), 3);
    // What is not for this app does not reach the backend.
    let wrong = target.replace(&format!("SdkAppid={APP}"), "SdkAppid=1");
    assert_eq!(hooks.client.post(&wrong, &body).unwrap().code(), 1);
    assert_eq!(hooks.client.post(&format!("/callback/{APP}/wrong"), &body).unwrap().status, 404);
    assert_eq!((backend.got().len(), hooks.commits()), (3, commits));
}

#[test]
fn line_20_a_backend_that_is_dead_or_slow_gives_ok_within_two_seconds() {
    // A port that nothing listens on, and one where nobody answers.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}/", free.local_addr().unwrap());
    drop(free);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let answers = AtomicUsize::new(0);
    let backend = Receiver::that(move |_| match answers.fetch_add(1, Ordering::Relaxed) {
        0 => Some(answer("500 Internal Server Error", "", "{}")),
        1 => Some(answer("302 Found", "Location: http://127.0.0.1:1/\r\n", "")),
        2 => Some("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}".to_owned()),
        _ => None,
    });
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    for (url, times) in [(dead, 1), (silent_url, 1), (backend.url(), 4)] {
        let mut hooks = forwarding_to(&url);
        let mut at = *super::BEGIN - 1_000;
        for _ in 0..times {
            // A busy machine may delay one answer, but not all of them.
            eventually("the answer arrives within two seconds", || {
                at += 1;
                let began = hooks.clock.elapsed();
                let got = hooks.sends(C2C, &message("a", "b", at));
                assert_eq!((got.status, got.body.as_str()), (200, OK), "{url}");
                hooks.clock.elapsed().saturating_sub(began) < Duration::from_secs(2)
            });
            assert_eq!(hooks.peers("a"), [("b".to_owned(), at)]);
        }
        let before = json!({"CallbackCommand": "Group.CallbackBeforeSendMsg"});
        hooks.send("Group.CallbackBeforeSendMsg", &before);
    }
}
