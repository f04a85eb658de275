//! A single source address cannot lock out all others.

use std::io::Write;

use crate::{
    harness::{ADMIN, APP, Client, KEY, Server, eventually, patient, query},
    serving::{Site, serving},
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// Opens a connection for which a trusted proxy reports this source address.
fn from(server: &Server, source: &str) -> Client {
    let mut client = server.client();
    client.send(format!("PROXY TCP4 {source} 127.0.0.1 4711 8080\r\n").as_bytes()).unwrap();
    client
}

fn behind_a_proxy(limits: &str) -> (Site, Server) {
    behind_a_proxy_with(limits, "")
}

fn behind_a_proxy_with(limits: &str, app: &str) -> (Site, Server) {
    let (site, server, first) =
        serving(&format!("trusted_proxies = [\"127.0.0.1\"]\n[limits]\nrate_limit = false\n{limits}"), app);
    drop(first);
    (site, server)
}

#[test]
fn idle_connections_of_one_address_leave_room_for_others() {
    let (_site, server) = behind_a_proxy("connections = 30");
    let mut hostile: Vec<Client> = (0..40).map(|_| from(&server, "203.0.113.9")).collect();
    for one in &mut hostile {
        // An address may have 27 of the 30 connections; further ones replace its own.
        let _ = one.send(HEALTH);
    }
    let answered = hostile.iter_mut().filter_map(|one| one.answer(false).ok()).count();
    assert!((27..=40).contains(&answered), "{answered}");
    for source in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        assert_eq!(from(&server, source).call(GET, BODY).code(), 50001, "{source}");
    }
    assert_eq!(from(&server, "198.51.100.4").raw(HEALTH).unwrap().status, 200);
    let open = hostile
        .iter_mut()
        .map(|one| one.send(HEALTH).is_ok() && one.answer(false).is_ok())
        .filter(|open| *open)
        .count();
    assert!(open <= 27, "{open} connections of one address are open");
}

#[test]
fn health_checks_count_for_the_source_in_the_header() {
    let (_site, server) = behind_a_proxy("connections_per_source = 3");
    let health = "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    let mut hostile: Vec<Client> = (0..8)
        .map(|_| {
            let mut one = server.client();
            assert_eq!(one.raw(health.as_bytes()).unwrap().status, 200);
            one
        })
        .collect();
    for one in &mut hostile[..5] {
        assert!(
            one.raw(health.as_bytes()).is_err(),
            "the connection of this source that was idle longest is closed"
        );
    }
    for one in &mut hostile[5..] {
        assert_eq!(one.raw(health.as_bytes()).unwrap().status, 200);
    }
}

/// Loopback addresses are exempt from the limit per source, but connections without a signature can be evicted.
#[test]
fn a_new_connection_replaces_the_unsigned_one_that_was_idle_longest() {
    let (_site, server, mut signed) = serving("[limits]\nconnections = 10\nrate_limit = false", "");
    assert_eq!(signed.call(GET, BODY).code(), 50001);
    let mut strangers: Vec<Client> = (0..20)
        .map(|_| {
            let mut one = server.client();
            assert_eq!(one.raw(HEALTH).unwrap().status, 200);
            one
        })
        .collect();
    assert!(strangers[0].is_closed(), "the connection that was idle longest is closed");
    assert_eq!(strangers[19].raw(HEALTH).unwrap().status, 200);
    assert_eq!(signed.call(GET, BODY).code(), 50001, "a connection with a valid signature stays open");
}

#[test]
fn health_checks_are_answered_when_all_connections_are_taken() {
    let (_site, server, first) = serving("[limits]\nconnections = 2\nrate_limit = false", "");
    let mut signed = vec![first, server.client()];
    for one in &mut signed {
        assert_eq!(one.call(GET, BODY).code(), 50001);
    }
    // As many of these clients wait for a connection as the limit of waiting clients allows.
    let target = format!("/v4/{GET}?{}", query(APP, ADMIN, KEY));
    let request = format!("POST {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    let mut waiting: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for one in &mut waiting {
        one.send(request.as_bytes()).unwrap();
    }
    // Health checks are answered, and probes that stay connected do not delay the waiting clients.
    let mut kept = Vec::new();
    for _ in 0..6 {
        let mut probe = server.client();
        let answer = probe.raw(HEALTH).unwrap();
        kept.push(probe);
        assert_eq!((answer.body.as_str(), answer.headers["connection"].as_str()), ("ok\n", "close"));
    }
    drop(signed.pop());
    let codes = waiting.iter_mut().map(|one| one.answer(false).unwrap().code()).collect::<Vec<_>>();
    assert!(codes.contains(&50001), "one client got the free connection: {codes:?}");
    assert!(codes.iter().all(|code| [50001, 60018].contains(code)), "{codes:?}");
}

#[test]
fn the_source_of_a_call_is_the_address_that_a_trusted_proxy_reports() {
    let limits = "connections_per_source = 1\nconnections = 30";
    let (site, server) = behind_a_proxy_with(limits, "failed_signatures = 2");
    let mut first = from(&server, "203.0.113.9");
    assert_eq!(first.call(GET, BODY).code(), 50001);
    // The first connection has a valid signature and stays open; a second one from the same source is closed.
    let mut second = from(&server, "203.0.113.9");
    assert!(second.try_call(GET, BODY).is_err());
    assert_eq!(first.call(GET, BODY).code(), 50001);
    // A failed signature is counted for the reported source, and is logged with that source.
    let mut guesser = from(&server, "203.0.113.77").signed_for(APP, ADMIN, "another-key");
    assert_eq!(guesser.call(GET, BODY).code(), 70009);
    drop(guesser);
    // Failed signatures are counted separately for each source.
    let mut codes = Vec::new();
    for source in ["203.0.113.78", "203.0.113.78", "203.0.113.78", "203.0.113.79"] {
        // The previous connection may still count towards the limit; the server then closes this one.
        eventually("the guess is answered", || {
            let mut guesser = from(&server, source).signed_for(APP, ADMIN, "another-key");
            guesser.try_call(GET, BODY).map(|answer| codes.push(answer.code())).is_ok()
        });
    }
    assert_eq!(codes, [70009, 70009, 70050, 70009]);
    server.terminate();
    assert!(server.ended_well());
    assert!(site.log().contains("source=203.0.113.77"), "{}", site.log());
}

/// A PROXY header that arrives in pieces is accepted; an invalid one and one that never ends are refused.
#[test]
fn a_proxy_header_may_arrive_in_pieces() {
    let (_site, server) = behind_a_proxy("head_timeout = \"2s\"");
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    stream.set_nodelay(true).unwrap();
    patient(&stream).unwrap();
    for piece in
        ["PR", "OXY TCP4 203.0.113.1 127.0.0.1 1", " 2\r", "\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"]
    {
        stream.write_all(piece.as_bytes()).unwrap();
    }
    let mut reply = [0; 15];
    std::io::Read::read_exact(&mut stream, &mut reply).unwrap();
    assert_eq!(&reply, b"HTTP/1.1 200 OK");
    for bad in ["PROXY TCP4 nonsense\r\n", "PROXY TCP4 "] {
        let mut client = server.client();
        client.send(bad.as_bytes()).unwrap();
        assert!(client.is_closed(), "{bad}");
    }
}
