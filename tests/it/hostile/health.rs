//! Tests health checks of things other than a confold server: another web server, an endless reply, or a misleading
//! one.

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

/// Runs a health check against a server that gives this reply.
fn check_fake(status: &'static str, body: &'static str) -> Output {
    let fake = Fake::start(move |_, request, connection| {
        assert!(request.starts_with("GET /readyz HTTP/1.1\r\n"), "{request}");
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.write_all((head + body).as_bytes()).unwrap();
    });
    check(&fake.url())
}

#[test]
fn only_the_exact_reply_of_confold_counts_as_ready() {
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
        assert!(text.contains("answers with 200, but not as confold's /readyz does"), "{body:?}: {text}");
    }
    for status in ["404 Not Found", "500 Internal Server Error", "204 No Content", "503 Service Unavailable"]
    {
        let text = said(&check_fake(status, if status.starts_with("204") { "" } else { "ready\n" }));
        let number = status.split(' ').next().unwrap();
        assert!(
            text.contains(&format!("answers with {number}, but not as confold's /readyz does")),
            "{text}"
        );
    }
}

#[test]
fn the_reply_of_a_health_check_is_printed() {
    let output = check_fake("200 OK", "ready\ndamaged: 3 owners, see the log\n");
    assert!(output.status.success());
    assert_eq!(said(&output), "ready\ndamaged: 3 owners, see the log\n");
    let output = check_fake("503 Service Unavailable", "not ready: the store does not answer\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said(&output), "not ready: the store does not answer\n");
    // Control characters in the reply are escaped.
    let output = check_fake("503 Service Unavailable", "not ready: \u{1b}[2J\u{202e}\rerror: all is lost\n");
    assert_plain(&said(&output));
    assert!(said(&output).contains("\\u{1b}[2J"), "{}", said(&output));
}

#[test]
fn an_endless_reply_is_cut_off() {
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
    assert!(
        text.contains("answers with 200, but not as confold's /readyz does") && text.len() < 2_048,
        "{text}"
    );
}

#[test]
fn plain_http_on_a_tls_port_is_explained() {
    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    let files = "certificate = \"cert.pem\"\nkey = \"cert-key.pem\"";
    site.configure(&format!("[tls]\nlisten = [\"127.0.0.1:0\"]\n{files}"), "");
    let server = site.serve();
    let output = check(&format!("http://{}", server.tls_address()));
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("speaks TLS on this port; give an address that begins with https://"), "{text}");
    // Over TLS, a server is ready.
    let tls = LocalTls::start_with(&[]);
    let url = format!("https://localhost:{}", tls.server.tls_address().port());
    let output = confold(&["healthcheck", "--url", &url, "--ca"]).arg(tls.ca()).finish();
    assert!(output.status.success(), "{}", said(&output));
}
