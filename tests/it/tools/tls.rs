//! Tests TLS and the local authority of `dev`, as curl and OpenSSL see them.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use confold::tls::OFFICIAL_NAMES;

use super::{Tool, is_missing};
use crate::{
    harness::{ADMIN, APP, KEY, query, said},
    tls::LocalTls,
    wait::Finish,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

#[test]
fn the_page_s_request_gives_the_page_s_reply_by_http_1_and_2() {
    if is_missing(&[Tool::Curl]) {
        return;
    }
    let tls = LocalTls::start();
    let url = format!("https://localhost:{}/v4/{GET}?{}", tls.port(), query(APP, ADMIN, KEY));
    let plain = tls.server.client().call(GET, BODY).body;
    for (version, shown) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let output = tls.curl(&[version, "-d", BODY, "-w", "\n%{http_version} %{http_code}", &url]);
        assert_eq!(said(&output), format!("{plain}\n{shown} 200"));
    }
}

#[test]
fn many_requests_share_one_http_2_connection() {
    if is_missing(&[Tool::Curl]) {
        return;
    }
    let tls = LocalTls::start();
    let url = format!("https://localhost:{}/v4/{GET}?{}", tls.port(), query(APP, ADMIN, KEY));
    let mut arguments =
        vec!["--http2", "--parallel", "-d", BODY, "-w", "%{num_connects}\n", "-o", "/dev/null"];
    arguments.extend(std::iter::repeat_n(["-o", "/dev/null"], 39).flatten());
    arguments.extend(std::iter::repeat_n(url.as_str(), 40));
    let output = tls.curl(&arguments);
    let connects: u32 =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| line.parse::<u32>().unwrap()).sum();
    assert!((1..40).contains(&connects), "{connects} connections for 40 requests");
}

#[test]
fn a_body_that_is_too_large_and_an_unknown_path_are_answered_by_http_2() {
    if is_missing(&[Tool::Curl]) {
        return;
    }
    let tls = LocalTls::start();
    let large = tls.home.path().join("large");
    fs::write(&large, vec![b' '; 2 << 20]).unwrap();
    let url = format!("https://localhost:{}/v4/{GET}?{}", tls.port(), query(APP, ADMIN, KEY));
    let output = tls.curl(&["--http2", "--data-binary", &format!("@{}", large.display()), &url]);
    assert!(said(&output).contains("\"ErrorCode\":60002"), "{}", said(&output));
    let output =
        tls.curl(&["--http2", "-w", " %{http_code}", &format!("https://localhost:{}/x", tls.port())]);
    assert!(said(&output).contains("60002") && said(&output).ends_with(" 404"), "{}", said(&output));
}

#[test]
fn the_certificate_is_for_this_machine_and_every_official_name() {
    if is_missing(&[Tool::Curl]) {
        return;
    }
    let tls = LocalTls::start();
    let port = tls.port();
    for name in ["localhost", "127.0.0.1"].iter().chain(OFFICIAL_NAMES) {
        let to = format!("{name}:443:127.0.0.1:{port}");
        let output = tls.curl(&["--connect-to", &to, &format!("https://{name}/healthz")]);
        assert_eq!(said(&output), "ok\n", "{name}");
    }
    let output = tls.curl(&[
        "--connect-to",
        &format!("example.org:443:127.0.0.1:{port}"),
        "https://example.org/healthz",
    ]);
    assert!(!output.status.success() && said(&output).contains("example.org"), "{}", said(&output));
}

#[test]
fn openssl_verifies_it_and_agrees_on_http_2() {
    if is_missing(&[Tool::Openssl]) {
        return;
    }
    let tls = LocalTls::start();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &tls.server.tls_address().to_string(), "-servername", "localhost"]);
    command.args([
        "-verify_return_error",
        "-verify_hostname",
        "localhost",
        "-alpn",
        "h2,http/1.1",
        "-CAfile",
    ]);
    let output = command.arg(tls.ca()).finish();
    let said = said(&output);
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("ALPN protocol: h2"), "{said}");
    assert!(said.contains("TLSv1.3"), "{said}");
}

#[test]
fn the_authority_is_created_once_and_cannot_sign_for_others() {
    if is_missing(&[Tool::Curl, Tool::Openssl]) {
        return;
    }
    let tls = LocalTls::start();
    let folder = tls.home.path().join("confold/ca");
    let key = folder.join("ca-key.pem");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600,
        "only the owner should be able to read the key"
    );
    let first = fs::read_to_string(tls.ca()).unwrap();
    assert_eq!(
        fs::read_to_string(tls.home.path().join("data/ca.pem")).unwrap(),
        first,
        "the authority should be copied to the data directory"
    );
    for words in ["NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "keytool"] {
        assert!(tls.server.greeting.contains(words), "{}", tls.server.greeting);
    }
    // The authority's key can be used to create a certificate for another name, but clients refuse it.
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(&folder).finish();
        (output.status.success(), said(&output))
    };
    let made = openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "e.key",
        "-out",
        "e.pem",
        "-subj",
        "/CN=example.org",
        "-addext",
        "subjectAltName=DNS:example.org",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca-key.pem",
    ]);
    assert!(made.0, "{}", made.1);
    let verified = openssl(&["verify", "-CAfile", "ca.pem", "e.pem"]);
    assert!(!verified.0 && verified.1.contains("permitted subtree violation"), "{}", verified.1);

    let LocalTls { server, home } = tls;
    drop(server);
    let again = LocalTls::in_home(home, &[]);
    assert_eq!(fs::read_to_string(again.ca()).unwrap(), first, "the authority should be reused");
    assert_eq!(said(&again.curl(&[&format!("https://localhost:{}/healthz", again.port())])), "ok\n");
}
