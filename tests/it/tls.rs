//! TLS: the local authority of `dev`, HTTP/2, and certificates that change.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use confold::tls::OFFICIAL_NAMES;
use rustix::process::Signal;

use crate::{
    harness::{ADMIN, APP, Client, Ending, KEY, Server, query, said},
    serving::{Authority, Site},
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

/// `dev` with TLS, and where its authority is.
pub(crate) struct LocalTls {
    pub(crate) server: Server,
    home: tempfile::TempDir,
}

impl LocalTls {
    pub(crate) fn start() -> LocalTls {
        LocalTls::start_with(&[])
    }

    /// The same with further arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> LocalTls {
        LocalTls::in_home(tempfile::tempdir().unwrap(), arguments)
    }

    fn in_home(home: tempfile::TempDir, arguments: &[&str]) -> LocalTls {
        let mut command = Server::dev_command();
        command.args(["--tls-listen", "127.0.0.1:0", "--log-level", "error", "--rate-limit", "off"]);
        command.args(arguments);
        command.args(["--data"]).arg(home.path().join("data")).env("XDG_DATA_HOME", home.path());
        let server = Server::start_until(&mut command, |greeting| {
            greeting.contains("Try:") && greeting.contains("?sdkappid=")
        });
        LocalTls { server, home }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.home.path().join("confold/ca/ca.pem")
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.tls_address().port()
    }

    /// curl with the authority and these arguments.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Output {
        Command::new("curl").args(["-sS", "--cacert"]).arg(self.ca()).args(arguments).output().unwrap()
    }
}

#[test]
fn the_page_s_request_gives_the_page_s_reply_by_http_1_and_2() {
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
    let output = command.arg(tls.ca()).stdin(Stdio::null()).output().unwrap();
    let said = said(&output);
    assert!(said.contains("Verify return code: 0 (ok)") && said.contains("ALPN protocol: h2"), "{said}");
    assert!(said.contains("TLSv1.3"), "{said}");
}

#[test]
fn the_authority_is_made_once_and_cannot_sign_for_others() {
    let tls = LocalTls::start();
    let folder = tls.home.path().join("confold/ca");
    let key = folder.join("ca-key.pem");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600, "readable by its owner only");
    let first = fs::read_to_string(tls.ca()).unwrap();
    assert_eq!(
        fs::read_to_string(tls.home.path().join("data/ca.pem")).unwrap(),
        first,
        "also beside the data"
    );
    for words in ["NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "keytool"] {
        assert!(tls.server.greeting.contains(words), "{}", tls.server.greeting);
    }
    // With its key at hand, a certificate for another name is made; clients refuse it.
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(&folder).output().unwrap();
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
    assert_eq!(fs::read_to_string(again.ca()).unwrap(), first, "and used again");
    assert_eq!(said(&again.curl(&[&format!("https://localhost:{}/healthz", again.port())])), "ok\n");
}

#[test]
fn a_damaged_authority_is_told_of() {
    let LocalTls { server, home } = LocalTls::start();
    drop(server);
    let dev = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
        command.args(["dev", "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"]);
        said(&command.env("XDG_DATA_HOME", home.path()).output().unwrap())
    };
    let ca = home.path().join("confold/ca/ca.pem");
    fs::write(&ca, Authority::new().pem).unwrap();
    assert!(dev().contains("is not the certificate of the key beside it; remove its folder"), "{}", dev());
    fs::remove_file(&ca).unwrap();
    assert!(dev().contains("it is missing, but its key exists; remove its folder"), "{}", dev());
}

/// Clients that connect anew for each request, while the certificate is replaced again and again.
#[test]
fn a_certificate_is_replaced_under_load_without_a_failed_request() {
    let (site, authority, next) = (Site::new(), Authority::new(), Authority::new());
    let (certificate, key) = (site.path("cert.pem"), site.path("cert-key.pem"));
    authority.issue(&certificate, &key);
    site.configure("[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"\n[limits]\nrate_limit = false", "");
    let server = site.serve();
    let address = server.tls_address();
    let (done, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let call = |ca: &str| -> std::io::Result<u64> {
        let mut client = Client::try_connect_tls(address, ca, "localhost")?;
        Ok(client.try_call(GET, BODY)?.code())
    };
    let kept = |address: SocketAddr| Client::try_connect_tls(address, &authority.pem, "localhost").unwrap();
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for _ in 0..2 {
            let mut same = kept(address);
            let (done, calls, call) = (&done, &calls, &call);
            let (authority, next) = (&authority, &next);
            workers.push(scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    // By either authority: which is shown changes while we look.
                    let new =
                        call(&authority.pem).or_else(|_| call(&next.pem)).or_else(|_| call(&authority.pem));
                    assert_eq!(new.unwrap(), 50001);
                    assert_eq!(same.try_call(GET, BODY).unwrap().code(), 50001, "a connection lives on");
                    calls.fetch_add(2, Ordering::Relaxed);
                }
            }));
        }
        let ending = Ending(&done);
        for authority in [&next, &authority, &next] {
            authority.issue(&certificate, &key);
            // Shown within a second; a client by the new one alone tells when.
            while call(&authority.pem).is_err() {}
        }
        drop(ending);
        for worker in workers {
            worker.join().unwrap();
        }
    });
    assert!(calls.load(Ordering::Relaxed) > 100, "{calls:?}");
    assert!(site.log().matches("the certificate was read again").count() >= 3, "{}", site.log());
}

#[test]
fn a_certificate_that_cannot_be_used_leaves_the_old_one_in_place() {
    let (site, authority) = (Site::new(), Authority::new());
    let (certificate, key) = (site.path("cert.pem"), site.path("cert-key.pem"));
    authority.issue(&certificate, &key);
    site.configure(
        "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"",
        "",
    );
    let server = site.serve();
    fs::write(&certificate, "no certificate").unwrap();
    // SIGHUP looks at once.
    server.signal(Signal::HUP);
    while !site.log().contains("the certificate shown before is kept") {}
    assert!(site.log().contains("contains no certificate in PEM form"), "{}", site.log());
    let mut client = Client::try_connect_tls(server.tls_address(), &authority.pem, "localhost").unwrap();
    assert_eq!(client.call(GET, BODY).code(), 50001);
}
