//! One address cannot lock everybody out.

use std::io::Write;

use crate::{
    harness::{ADMIN, APP, Client, KEY, Server, eventually, patient, query},
    serving::{Site, serving},
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// A connection for which a trusted proxy names this source.
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
fn idle_connections_of_one_address_leave_places_for_others() {
    let (_site, server) = behind_a_proxy("connections = 30");
    let mut hostile: Vec<Client> = (0..40).map(|_| from(&server, "203.0.113.9")).collect();
    for one in &mut hostile {
        // Those beyond the share of one address cost it its own: 27 of 30.
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
fn health_checks_count_for_the_source_that_a_header_names() {
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
        assert!(one.raw(health.as_bytes()).is_err(), "the longest idle of its source has made room");
    }
    for one in &mut hostile[5..] {
        assert_eq!(one.raw(health.as_bytes()).unwrap().status, 200);
    }
}

/// Loopback is exempt, but unsigned connections are evicted.
#[test]
fn a_newcomer_takes_the_place_of_the_longest_idle_stranger() {
    let (_site, server, mut signed) = serving("[limits]\nconnections = 10\nrate_limit = false", "");
    assert_eq!(signed.call(GET, BODY).code(), 50001);
    let mut strangers: Vec<Client> = (0..20)
        .map(|_| {
            let mut one = server.client();
            assert_eq!(one.raw(HEALTH).unwrap().status, 200);
            one
        })
        .collect();
    assert!(strangers[0].is_closed(), "the longest idle has made room");
    assert_eq!(strangers[19].raw(HEALTH).unwrap().status, 200);
    assert_eq!(signed.call(GET, BODY).code(), 50001, "a good signature keeps its place");
}

#[test]
fn health_is_answered_when_every_place_is_taken() {
    let (_site, server, first) = serving("[limits]\nconnections = 2\nrate_limit = false", "");
    let mut signed = vec![first, server.client()];
    for one in &mut signed {
        assert_eq!(one.call(GET, BODY).code(), 50001);
    }
    // As many as may wait for a place do so; the next one is told, and a probe is answered.
    let target = format!("/v4/{GET}?{}", query(APP, ADMIN, KEY));
    let request = format!("POST {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    let mut waiting: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for one in &mut waiting {
        one.send(request.as_bytes()).unwrap();
    }
    // Those who ask once and stay take nobody's turn.
    let mut kept = Vec::new();
    for _ in 0..6 {
        let mut probe = server.client();
        let answer = probe.raw(HEALTH).unwrap();
        kept.push(probe);
        assert_eq!((answer.body.as_str(), answer.headers["connection"].as_str()), ("ok\n", "close"));
    }
    drop(signed.pop());
    let codes = waiting.iter_mut().map(|one| one.answer(false).unwrap().code()).collect::<Vec<_>>();
    assert!(codes.contains(&50001), "one has got the place: {codes:?}");
    assert!(codes.iter().all(|code| [50001, 60018].contains(code)), "{codes:?}");
}

#[test]
fn a_source_is_whom_a_trusted_proxy_names_and_nobody_else() {
    let limits = "connections_per_source = 1\nconnections = 30";
    let (site, server) = behind_a_proxy_with(limits, "failed_signatures = 2");
    let mut first = from(&server, "203.0.113.9");
    assert_eq!(first.call(GET, BODY).code(), 50001);
    // It has a good signature and stays; the second of the same source is closed without a word.
    let mut second = from(&server, "203.0.113.9");
    assert!(second.try_call(GET, BODY).is_err());
    assert_eq!(first.call(GET, BODY).code(), 50001);
    // A refused signature is counted for the source, and logged with it.
    let mut guesser = from(&server, "203.0.113.77").signed_for(APP, ADMIN, "another-key");
    assert_eq!(guesser.call(GET, BODY).code(), 70009);
    drop(guesser);
    // Whoever guesses from another source has a count of their own.
    let mut codes = Vec::new();
    for source in ["203.0.113.78", "203.0.113.78", "203.0.113.78", "203.0.113.79"] {
        // The place of the connection before may not be free yet, and then this one is closed without a word.
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

/// A header of the PROXY protocol that comes in pieces, and one that never ends.
#[test]
fn a_header_of_a_proxy_may_come_in_pieces() {
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
