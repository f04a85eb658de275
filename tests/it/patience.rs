//! Slow and idle connections: they are bounded, and others are served.

use std::time::Duration;

use confold::clock::Clock;

use crate::{
    harness::Client,
    serving::{Authority, Site, serving},
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

#[test]
fn others_are_served_while_many_are_slow() {
    let (_site, server, mut client) = serving("[limits]\nhead_timeout = \"2s\"\nrate_limit = false", "");
    let mut slow: Vec<Client> = (0..300).map(|_| server.client()).collect();
    for (index, one) in slow.iter_mut().enumerate() {
        // No byte, some of a head, all of it but no body.
        let target = one.target(GET);
        match index % 3 {
            0 => {}
            1 => one.send(b"POST /v4/recent").unwrap(),
            _ => {
                one.send(format!("POST {target} HTTP/1.1\r\nContent-Length: 50\r\n\r\n").as_bytes()).unwrap();
            }
        }
    }
    let since = Clock::system();
    for _ in 0..200 {
        assert_eq!(client.call(GET, BODY).code(), 50001);
    }
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    // Those without a head are sent away, those without a body are told so, the idle are let be.
    assert!(slow[1].is_closed());
    assert_eq!(slow[2].answer(false).unwrap().code(), 60008);
    assert_eq!(slow[0].call(GET, BODY).code(), 50001);
}

#[test]
fn a_head_that_never_stops_growing_is_answered_and_closed() {
    let (_site, _server, mut client) = serving("", "");
    let endless = format!("POST /v4/x HTTP/1.1\r\nX: {}", "y".repeat(200 * 1024));
    // The server may close while we send.
    let _ = client.send(endless.as_bytes());
    if let Ok(answer) = client.answer(false) {
        assert_eq!((answer.status, answer.code()), (200, 60002));
    }
    assert!(client.is_closed());
}

#[test]
fn a_tls_handshake_that_does_not_go_on_is_ended() {
    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    site.configure(
        "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"\n[limits]\nhead_timeout = \"200ms\"",
        "",
    );
    let server = site.serve();
    let mut silent = Client::connect(server.tls_address());
    assert!(silent.is_closed(), "nothing was said");
    let mut plain = Client::connect(server.tls_address());
    let answer = plain.raw(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(
        answer.body.contains("this port speaks TLS: the address begins with https://"),
        "{}",
        answer.body
    );
    assert!(plain.is_closed());
    let mut good = Client::try_connect_tls(server.tls_address(), &authority.pem, "localhost").unwrap();
    assert_eq!(good.call(GET, BODY).code(), 50001);
}
