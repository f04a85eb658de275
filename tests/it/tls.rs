//! Tests TLS: the local authority of `dev`, HTTP/2, and certificates that change.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Output},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use rustix::process::Signal;

use crate::{
    harness::{Client, Ending, Server, eventually, said},
    serving::{Authority, Site},
    wait::Finish,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

/// A `dev` server with TLS, and the folder of its authority.
pub(crate) struct LocalTls {
    pub(crate) server: Server,
    pub(crate) home: tempfile::TempDir,
}

impl LocalTls {
    pub(crate) fn start() -> LocalTls {
        LocalTls::start_with(&[])
    }

    /// Like [`LocalTls::start`], but with additional arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> LocalTls {
        LocalTls::in_home(tempfile::tempdir().unwrap(), arguments)
    }

    pub(crate) fn in_home(home: tempfile::TempDir, arguments: &[&str]) -> LocalTls {
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

    /// Runs curl with the authority and these arguments.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Output {
        Command::new("curl").args(["-sS", "--cacert"]).arg(self.ca()).args(arguments).finish()
    }
}

#[test]
fn a_damaged_authority_is_reported() {
    let LocalTls { server, home } = LocalTls::start();
    drop(server);
    let dev = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
        command.args(["dev", "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"]);
        said(&command.env("XDG_DATA_HOME", home.path()).finish())
    };
    let ca = home.path().join("confold/ca/ca.pem");
    fs::write(&ca, Authority::new().pem).unwrap();
    assert!(dev().contains("is not the certificate of the key beside it; remove its folder"), "{}", dev());
    fs::remove_file(&ca).unwrap();
    assert!(dev().contains("it is missing, but its key exists; remove its folder"), "{}", dev());
}

/// Clients open a new connection for each request while the certificate is replaced again and again.
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
                    // Trust both authorities, because the certificate changes during the test.
                    let new =
                        call(&authority.pem).or_else(|_| call(&next.pem)).or_else(|_| call(&authority.pem));
                    assert_eq!(new.unwrap(), 50001);
                    assert_eq!(
                        same.try_call(GET, BODY).unwrap().code(),
                        50001,
                        "an existing connection should stay usable"
                    );
                    calls.fetch_add(2, Ordering::Relaxed);
                }
            }));
        }
        let ending = Ending(&done);
        for authority in [&next, &authority, &next] {
            authority.issue(&certificate, &key);
            // The new certificate is used within a second. A client that trusts only the new authority detects it.
            eventually("the new certificate is shown", || call(&authority.pem).is_ok());
        }
        eventually("calls were made meanwhile", || calls.load(Ordering::Relaxed) > 100);
        drop(ending);
        for worker in workers {
            worker.join().unwrap();
        }
    });
    eventually("the log names every certificate", || {
        site.log().matches("the certificate was read again").count() >= 3
    });
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
    // SIGHUP reads the certificate immediately.
    server.signal(Signal::HUP);
    eventually("the certificate is refused", || site.log().contains("the previous certificate stays in use"));
    assert!(site.log().contains("contains no certificate in PEM form"), "{}", site.log());
    let mut client = Client::try_connect_tls(server.tls_address(), &authority.pem, "localhost").unwrap();
    assert_eq!(client.call(GET, BODY).code(), 50001);
}
