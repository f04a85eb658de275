//! Tests slow and idle connections: their time is limited, and other clients are served.

use crate::{
    harness::{Client, Server},
    serving::{Authority, Site, serving},
    tools::{Tool, is_missing},
    wait::Finish,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

#[test]
fn others_are_served_while_many_are_slow() {
    // Open connections that send nothing, a part of a head, and a head without a body.
    let slow = |server: &Server, count: usize| -> Vec<Client> {
        let begin = |index| {
            let mut one = server.client();
            let target = one.target(GET);
            match index % 3 {
                0 => {}
                1 => one.send(b"POST /v4/recent").unwrap(),
                _ => {
                    let head = format!("POST {target} HTTP/1.1\r\nContent-Length: 50\r\n\r\n");
                    one.send(head.as_bytes()).unwrap();
                }
            }
            one
        };
        (0..count).map(begin).collect()
    };
    // None of these requests is ever completed, so an answer to another client does not depend on them.
    let patient = "[limits]\nhead_timeout = \"1h\"\ncall_timeout = \"1h\"\nrate_limit = false";
    let (_site, server, mut client) = serving(patient, "");
    let _slow = slow(&server, 300);
    for _ in 0..200 {
        assert_eq!(client.call(GET, BODY).code(), 50001);
    }
    let (_site, server, _client) = serving("[limits]\nhead_timeout = \"200ms\"", "");
    let mut slow = slow(&server, 3);
    // Connections with an incomplete head are closed, those without a body get an error, and idle ones stay open.
    assert!(slow[1].is_closed());
    assert_eq!(slow[2].answer(false).unwrap().code(), 60008);
    assert_eq!(slow[0].call(GET, BODY).code(), 50001);
}

#[test]
fn a_head_that_never_stops_growing_is_answered_and_closed() {
    let (_site, _server, mut client) = serving("", "");
    let endless = format!("POST /v4/x HTTP/1.1\r\nX: {}", "y".repeat(200 * 1024));
    // The server may close the connection while the test is sending.
    let _ = client.send(endless.as_bytes());
    if let Ok(answer) = client.answer(false) {
        assert_eq!((answer.status, answer.code()), (200, 60002));
    }
    assert!(client.is_closed());
}

#[test]
fn a_tls_handshake_that_stalls_is_ended() {
    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    site.configure(
        "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"\n[limits]\nhead_timeout = \"200ms\"",
        "",
    );
    let server = site.serve();
    let mut silent = Client::connect(server.tls_address());
    assert!(silent.is_closed(), "the server should close the connection silently");
    let mut plain = Client::connect(server.tls_address());
    let answer = plain.raw(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains("this port speaks TLS: the address must begin with https://"),
        "{}",
        answer.body
    );
    assert!(plain.is_closed());
    let mut good = Client::try_connect_tls(server.tls_address(), &authority.pem, "localhost").unwrap();
    assert_eq!(good.call(GET, BODY).code(), 50001);
}

/// A long export to a slow reader does not count as idle, and is completed when the server stops.
#[test]
fn an_export_may_take_longer_than_a_connection_may_be_idle() {
    if is_missing(&[Tool::Curl]) {
        return;
    }
    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    site.write("ca.pem", &authority.pem);
    site.configure(
        "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"\n[limits]\nidle_timeout = \"300ms\"\nrate_limit = false",
        "",
    );
    let server = site.serve();
    let mut client = server.client();
    let target = client.target("x").replace("/v4/x", "/interchange/import");
    let line = |user: usize| {
        let nick = "n".repeat(400);
        format!(
            "{{\"Kind\":\"account\",\"SdkAppId\":88888888,\"UserID\":\"user{user:05}\",\"Nick\":\"{nick}\"}}\n"
        )
    };
    let lines: String = (0..16_000).map(line).collect();
    assert_eq!(client.post(&target, &lines).unwrap().status, 200);
    let url =
        format!("https://localhost:{}{}", server.tls_address().port(), target.replace("import", "export"));
    let exports: Vec<_> = ["--http1.1", "--http2"]
        .into_iter()
        .map(|version| {
            let mut curl = std::process::Command::new("curl");
            curl.args(["-sS", version, "-X", "POST", "--limit-rate", "4M", "--cacert"])
                .arg(site.path("ca.pem"));
            curl.arg(&url).stdout(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let outputs: Vec<_> = exports.into_iter().map(|export| export.finish()).collect();
    for output in outputs {
        assert!(output.status.success());
        assert!(
            String::from_utf8(output.stdout).unwrap() == lines,
            "the export should be complete and equal to the import"
        );
    }
}

#[test]
fn more_listeners_than_connections_starve_nobody() {
    let listen = "listen = [\"127.0.0.1:0\", \"127.0.0.1:0\", \"127.0.0.1:0\"]\nworkers = 2\n[limits]\nconnections = 1";
    let (_site, server, mut client) = serving(listen, "");
    // If it were accepted late, it would take the place of a later connection.
    assert_eq!(client.call(GET, BODY).code(), 50001);
    drop(client);
    for address in server.greeting.lines().filter_map(|line| line.split("http://").nth(1)) {
        assert_eq!(Client::connect(address.parse().unwrap()).call(GET, BODY).code(), 50001, "{address}");
    }
}
