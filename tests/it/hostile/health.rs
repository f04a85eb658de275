//! What answers a health check may be anything: another web server, one without an end, or one that lies.

use std::{io::Write, process::Output};

use super::{Fake, assert_plain};
use crate::{
    harness::{Server, confold, said},
    serving::{Authority, Site},
    tls::LocalTls,
    wait::Finish,
};

fn check(url: &str) -> Output {
    confold(&["healthcheck", "--url", url]).finish()
}

/// Checks a server that answers like this.
fn check_fake(status: &'static str, body: &'static str) -> Output {
    let fake = Fake::start(move |_, request, connection| {
        assert!(request.starts_with("GET /readyz HTTP/1.1\r\n"), "{request}");
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.write_all((head + body).as_bytes()).unwrap();
    });
    check(&fake.url())
}

#[test]
fn only_ready_in_the_words_of_confold_is_ready() {
    let ended = Server::dev(&[]).address;
    let output = check(&format!("http://{ended}"));
    assert!(!output.status.success(), "the server has ended: {}", said(&output));
    let server = Server::dev(&[]);
    let output = check(&format!("http://{}", server.address));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).lines().next(), Some("ready"));

    for body in
        ["", "ok", "<html>ready</html>", "{}", "Ready\n", "ready!\n", " ready\n", "\nready\n", "ready\r\n"]
    {
        let output = check_fake("200 OK", body);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{body:?}: {text}");
        assert!(text.contains("answers with 200 but is not confold's /readyz"), "{body:?}: {text}");
    }
    for status in ["404 Not Found", "500 Internal Server Error", "204 No Content", "503 Service Unavailable"]
    {
        let text = said(&check_fake(status, if status.starts_with("204") { "" } else { "ready\n" }));
        let number = status.split(' ').next().unwrap();
        assert!(text.contains(&format!("answers with {number} but is not confold's /readyz")), "{text}");
    }
}

#[test]
fn what_a_server_says_of_its_health_is_printed() {
    let output = check_fake("200 OK", "ready\ndamaged: 3 owners, see the log\n");
    assert!(output.status.success());
    assert_eq!(said(&output), "ready\ndamaged: 3 owners, see the log\n");
    let output = check_fake("503 Service Unavailable", "not ready: the store does not answer\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said(&output), "not ready: the store does not answer\n");
    // However much it says, it is short and does nothing to a terminal.
    let output = check_fake("503 Service Unavailable", "not ready: \u{1b}[2J\u{202e}\rerror: all is lost\n");
    assert_plain(&said(&output));
    assert!(said(&output).contains("\\u{1b}[2J"), "{}", said(&output));
}

#[test]
fn an_answer_without_an_end_is_left() {
    let fake = Fake::start(|_, _, connection| {
        let mut more = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\nready\n");
        while more.is_ok() {
            more = connection.write_all(b"damaged: \x1b[2J and so on and so on and so on\n");
        }
    });
    let output = check(&fake.url());
    let text = said(&output);
    assert!(output.status.success() && text.starts_with("ready\ndamaged: "), "{text}");
    assert_plain(&text);
    assert_eq!(text.lines().count(), 20);
    let fake = Fake::start(|_, _, connection| {
        let mut more = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while more.is_ok() {
            more = connection.write_all(&[b'r'; 1 << 14]);
        }
    });
    let text = said(&check(&fake.url()));
    assert!(text.contains("answers with 200 but is not confold's /readyz") && text.len() < 2_048, "{text}");
}

#[test]
fn plain_http_on_a_port_of_tls_is_named() {
    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    let files = "certificate = \"cert.pem\"\nkey = \"cert-key.pem\"";
    site.configure(&format!("[tls]\nlisten = [\"127.0.0.1:0\"]\n{files}"), "");
    let server = site.serve();
    let output = check(&format!("http://{}", server.tls_address()));
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("speaks TLS on this port: give an address that begins with https://"), "{text}");
    // And with TLS it is ready.
    let tls = LocalTls::start_with(&[]);
    let url = format!("https://localhost:{}", tls.server.tls_address().port());
    let output = confold(&["healthcheck", "--url", &url, "--ca"]).arg(tls.ca()).finish();
    assert!(output.status.success(), "{}", said(&output));
}
