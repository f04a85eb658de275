//! A web page cannot make its reader's browser read or change data on the server.

use crate::{
    harness::{Answer, Server},
    serving::serving,
};

/// Sends a request with these headers, signed if the path requires it, and returns the reply.
fn ask(server: &Server, method: &str, path: &str, headers: &str) -> Answer {
    let mut client = server.client();
    let target = match path.starts_with("/interchange") {
        true => client.target("x").replace("/v4/x", path),
        false => path.to_owned(),
    };
    client
        .raw(format!("{method} {target} HTTP/1.1\r\n{headers}Content-Length: 0\r\n\r\n").as_bytes())
        .unwrap()
}

const PATHS: &[(&str, &str)] = &[
    ("GET", "/metrics"),
    ("POST", "/interchange/check"),
    ("POST", "/interchange/import"),
    ("POST", "/interchange/export"),
    ("GET", "/_dev/journal"),
    ("POST", "/_dev/reset"),
];

#[test]
fn requests_of_web_pages_are_refused_and_the_error_names_the_rule() {
    let server = Server::dev(&[]);
    for (method, path) in PATHS {
        for (headers, rule) in [
            ("Host: 127.0.0.1\r\nOrigin: http://evil.example\r\n", "origin rule"),
            ("Host: 127.0.0.1\r\nOrigin: null\r\n", "origin rule"),
            ("Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\n", "origin rule"),
            ("Host: evil.example\r\n", "host rule"),
            ("Host: 127.0.0.1.evil.example:80\r\n", "host rule"),
            ("Host: localhost\r\nHost: evil.example\r\n", "host rule"),
            ("Host: \u{e9}vil\r\n", "host rule"),
        ] {
            let answer = ask(&server, method, path, headers);
            assert_eq!(answer.status, 403, "{method} {path} with {headers:?}: {}", answer.body);
            assert!(answer.body.contains(rule), "{path} {headers:?}: {}", answer.body);
            let cure = if rule == "host rule" { "--allowed-hosts NAME" } else { "call it from a program" };
            assert!(answer.body.contains(cure), "{}", answer.body);
        }
        let answer = ask(&server, method, path, "Host: 127.0.0.1:8080\r\n");
        assert_eq!(answer.status, 200, "{method} {path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
    for path in ["/healthz", "/readyz", "/openapi.json", "/nothing"] {
        let answer = ask(&server, "GET", path, "Host: x\r\nOrigin: http://evil.example\r\n");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
    for (method, path) in [("POST", "/v4/recentcontact/mark_contact"), ("GET", "/"), ("OPTIONS", "/v4/x/y")] {
        let answer = ask(&server, method, path, "Host: x\r\nOrigin: http://debug.example\r\n");
        assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
    }
}

#[test]
fn allowed_host_names_are_accepted() {
    let server = Server::dev(&["--allowed-hosts", "chat.test", "--allow-host", "Other.Test"]);
    for (method, path) in PATHS {
        for host in ["chat.test:8080", "CHAT.TEST", "other.test"] {
            // An export whose client has disconnected may still count towards the limit.
            let status = ask(&server, method, path, &format!("Host: {host}\r\n")).status;
            assert!([200, 503].contains(&status), "{path} {host}: {status}");
        }
        assert_eq!(ask(&server, method, path, "Host: evil.test\r\n").status, 403, "{path}");
    }
}

/// If the keys are secret, a page cannot sign calls, so any host name is accepted and tools can use the public one.
#[test]
fn a_server_with_secret_keys_may_be_called_by_its_public_name() {
    let (_site, server, _) = serving("metrics.enabled = true", "");
    let export = |headers: &str| ask(&server, "POST", "/interchange/export", headers).status;
    assert_eq!(export("Host: chat.example.com\r\n"), 200);
    assert_eq!(export("Host: chat.example.com\r\nOrigin: http://evil.example\r\n"), 403);
    assert_eq!(ask(&server, "GET", "/metrics", "Host: chat.example.com\r\n").status, 403);
}
