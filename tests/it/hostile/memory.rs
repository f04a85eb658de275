//! Replies that clients do not read occupy little memory, which is returned later.

use std::fs;

use super::http2::Http2;
use crate::{
    bodies::{mark_contact, user},
    harness::{ADMIN, APP, Client, KEY, eventually, query},
    serving::{Authority, Site},
    tls::LocalTls,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

/// Waits until a metric satisfies `wanted`, for at most 30 seconds, and returns its last value.
pub(super) fn metric_at_last(client: &mut Client, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
    let mut found = 0;
    eventually(&format!("{name} is as it has to be"), || {
        found = client.metric(name);
        wanted(found)
    });
    found
}

/// Starts a server with an owner whose page has about 35 KB.
fn start() -> (LocalTls, Client, String) {
    let tls = LocalTls::start_with(&["--directory", "open"]);
    let mut client = tls.server.client();
    store_page(&mut client);
    let ca = fs::read_to_string(tls.ca()).unwrap();
    (tls, client, ca)
}

fn store_page(client: &mut Client) {
    let marks = (0..100).fold(mark_contact("user0"), |call, peer| {
        call.custom(user(&format!("peer{peer}")), &"x".repeat(256))
    });
    client.does(&marks);
}

#[test]
fn memory_of_unread_replies_is_limited_and_returned() {
    let (tls, mut client, ca) = start();
    let page = client.call(GET, BODY).body.len() as u64;
    let (address, target) = (tls.server.tls_address(), format!("/v4/{GET}?{}", query(APP, ADMIN, KEY)));
    let before = client.metric("process_resident_memory_bytes");
    let mut held = Vec::new();
    for _ in 0..20 {
        // All readers of /openapi.json share the same bytes, while each page is built separately.
        let mut deaf = Http2::connect(address, &ca, 0).unwrap();
        for stream in 0..32 {
            match stream % 2 {
                0 => deaf.request("GET", "/openapi.json", None).unwrap(),
                _ => deaf.request("POST", &target, Some(BODY)).unwrap(),
            };
        }
        held.push(deaf);
    }
    // A connection processes requests until 256 KiB of replies are waiting on it.
    let most = 20 * (256 * 1024 + page);
    let unsent = metric_at_last(&mut client, "confold_unsent_bytes", |unsent| unsent > most / 2);
    assert!((most / 2..=most).contains(&unsent), "{unsent} of {most}");
    let grown = client.metric("process_resident_memory_bytes").saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes for twenty connections");
    assert_eq!(client.call(GET, BODY).code(), 0, "other clients are served");
    drop(held);
    assert_eq!(metric_at_last(&mut client, "confold_unsent_bytes", |unsent| unsent == 0), 0);
    assert_eq!(metric_at_last(&mut client, "confold_connections", |open| open == 1), 1);
    let most = before + (16 << 20);
    let left = metric_at_last(&mut client, "process_resident_memory_bytes", |bytes| bytes <= most);
    assert!(left <= most, "{left} bytes are kept, of {before} before");
}

#[test]
fn all_calls_of_a_new_connection_are_served() {
    let (tls, _, ca) = start();
    let target = format!("/v4/{GET}?{}", query(APP, ADMIN, KEY));
    let mut client = Http2::connect(tls.server.tls_address(), &ca, 1 << 20).unwrap();
    for _ in 0..32 {
        client.request("POST", &target, Some(BODY)).unwrap();
    }
    let answers = client.answers(32).unwrap();
    assert_eq!((answers.bodies.len(), answers.refused, answers.streams), (32, 0, Some(32)));
    for body in answers.bodies.values() {
        let reply: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(reply["ErrorCode"], 0);
    }
    // Calls without a valid signature are answered, too, a few at a time.
    let mut stranger = Http2::connect(tls.server.tls_address(), &ca, 1 << 20).unwrap();
    for _ in 0..32 {
        stranger.request("POST", &format!("/v4/{GET}?sdkappid={APP}"), Some(BODY)).unwrap();
    }
    assert_eq!(stranger.answers(32).unwrap().bodies.len(), 32);
}

/// Clients that do not read replies, but send a frame from time to time, must not use up the memory that
/// all connections share.
#[test]
fn clients_that_only_pretend_to_read_do_not_lock_others_out() {
    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    let tls = "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"\n";
    let limits = "[limits]\nunsent = \"64KiB\"\nrate_limit = false\n[metrics]\nenabled = true";
    site.configure(&format!("workers = 8\n{tls}{limits}"), "directory = \"open\"");
    let server = site.serve();
    let mut client = server.client();
    store_page(&mut client);
    let target = format!("/v4/{GET}?{}", query(APP, ADMIN, KEY));
    let mut pretenders: Vec<Http2> = (0..30)
        .filter_map(|_| {
            let mut one = Http2::connect(server.tls_address(), &authority.pem, 0).ok()?;
            one.request("POST", &target, Some(BODY)).ok()?;
            Some(one)
        })
        .collect();
    // At most 256 KiB may be waiting, and these clients occupy 1 MiB. A connection that is to be closed returns
    // its memory only when its task runs.
    eventually("connections beyond the limit are closed, and their memory is returned", || {
        for one in &mut pretenders {
            // The server may have closed the connection.
            let _ = one.poke();
        }
        assert_eq!(client.call(GET, BODY).code(), 0, "no other client is refused");
        client.metric("confold_connections_evicted_total") > 15
            && client.metric("confold_unsent_bytes") <= 4 * 64 * 1024
    });
}
