//! The secret of a webhook is shown nowhere, and every webhook is counted.

use serde_json::json;

use super::{C2C, SECRET, message, target};
use crate::{
    harness::{APP, Client, Server, eventually},
    serving::Site,
    webhooks::receiver::{Got, Receiver},
};

fn send_everything(client: &mut Client) {
    let body = message("a", "b", 1_700_000_000).to_string();
    assert_eq!(client.post(&target(C2C, ""), &body).unwrap().status, 200);
    let before = json!({"CallbackCommand": "C2C.CallbackBeforeSendMsg"}).to_string();
    assert_eq!(client.post(&target("C2C.CallbackBeforeSendMsg", ""), &before).unwrap().status, 200);
    assert_eq!(client.post(&target("State.StateChange", ""), "{}").unwrap().status, 200);
    assert_eq!(client.post(&target(C2C, ""), "{").unwrap().code(), 1);
    let of_another = target(C2C, "").replace(&format!("SdkAppid={APP}"), "SdkAppid=1");
    assert_eq!(client.post(&of_another, &body).unwrap().code(), 1);
    // Mistakes of somebody who knows the secret.
    for path in [
        format!("/callback/{APP}/{SECRET}/"),
        format!("/callback/{SECRET}"),
        format!("/callback/1400000000/{SECRET}"),
        format!("//callback/{APP}/{SECRET}"),
        format!("/Callback/{APP}/{SECRET}"),
        format!("/v4/callback/{APP}/{SECRET}"),
        format!("/callback%2F{APP}%2F{SECRET}"),
        format!("/callback/{APP}?secret={SECRET}"),
    ] {
        let answer = client.post(&path, &body).unwrap();
        assert!(answer.status == 404 || path.starts_with("/v4/"), "{path} {}", answer.status);
        assert!(!answer.body.contains(SECRET), "{path}: {}", answer.body);
        assert!(answer.headers.values().all(|value| !value.contains(SECRET)), "{path}: {:?}", answer.headers);
        let got = client.raw(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        assert!(!got.body.contains(SECRET), "{path}: {}", got.body);
    }
}

/// Serves an app that receives webhooks, with everything that shows requests.
fn serve(site: &Site, collector: &Receiver) -> Server {
    let server = format!(
        "metrics.enabled = true\nlog.level = \"debug\"\ntraces.endpoint = \"{}\"\ncontrols.token_file = \"controls\"",
        format_args!("http://{}", collector.address)
    );
    site.write("controls", "0123456789abcdef0123456789abcdef");
    site.configure(&server, &format!("directory = \"open\"\n[app.callback]\nsecret = {SECRET:?}"));
    site.serve()
}

/// Returns everything that a collector has received.
fn spans(collector: &Receiver) -> String {
    collector.got().iter().map(|got: &Got| got.body.as_str()).collect()
}

#[test]
fn the_secret_is_in_no_log_journal_span_or_metric() {
    let (site, collector) = (Site::new(), Receiver::start());
    let server = serve(&site, &collector);
    let mut client = server.client();
    send_everything(&mut client);
    let journal = client
        .raw(b"GET /_dev/journal HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef0123456789abcdef\r\n\r\n")
        .unwrap();
    assert_eq!(journal.status, 200, "{}", journal.body);
    let metrics = client.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().body;
    let shown = format!("/callback/{APP}/…");
    assert!(journal.body.contains(&shown) && !journal.body.contains(SECRET), "{}", journal.body);
    assert!(!metrics.contains(SECRET));
    eventually("the spans arrive", || spans(&collector).contains(&shown));
    assert!(!spans(&collector).contains(SECRET));
    eventually("the log is written", || {
        site.log().contains(&format!("path=/callback/{APP}/…")) || site.log().contains(&shown)
    });
    assert!(!site.log().contains(SECRET), "{}", site.log());
    for line in [
        r#"confold_callbacks_total{event="C2C.CallbackAfterSendMsg",result="applied"} 1"#,
        r#"confold_callbacks_total{event="C2C.CallbackAfterSendMsg",result="refused"} 2"#,
        r#"confold_callbacks_total{event="C2C.CallbackBeforeSendMsg",result="allowed"} 1"#,
        r#"confold_callbacks_total{event="State.StateChange",result="unknown"} 1"#,
        r#"confold_callbacks_total{event="other",result="not_found"} 4"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
}
