//! Checks with OpenSSL which certificates the key of `dev`'s local authority can sign.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use confold::tls::{AUTHORITY_NAME, OFFICIAL_NAMES};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, GeneralSubtree, IsCa, KeyPair,
    NameConstraints,
};

use crate::{
    harness::{Server, said},
    tls::LocalTls,
    tools::{Tool, is_missing},
    wait::Finish,
};

/// Signs a certificate with the authority in `folder`. Returns whether OpenSSL accepts it for `purpose`, and
/// OpenSSL's output.
fn verified(folder: &Path, names: &str, usage: &str, purpose: &str) -> (bool, String) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).finish();
        (output.status.success(), said(&output))
    };
    let mut arguments =
        vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    arguments.extend(["-keyout", "leaf.key", "-out", "leaf.pem", "-subj", "/CN=leaf", "-CA", "ca.pem"]);
    arguments.extend([
        "-CAkey",
        "ca-key.pem",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-addext",
        names,
    ]);
    if !usage.is_empty() {
        arguments.extend(["-addext", usage]);
    }
    let made = openssl(&arguments);
    assert!(made.0, "{}", made.1);
    openssl(&["verify", "-purpose", purpose, "-CAfile", "ca.pem", "leaf.pem"])
}

#[test]
fn the_authority_signs_only_for_servers_on_this_machine_and_the_official_names() {
    if is_missing(&[Tool::Openssl]) {
        return;
    }
    let tls = LocalTls::start();
    let ca = tls.ca();
    let folder = ca.parent().unwrap();
    let server = "extendedKeyUsage=serverAuth";
    let official =
        format!("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1,DNS:{}", OFFICIAL_NAMES.join(",DNS:"));
    for (names, usage) in [("subjectAltName=DNS:localhost", ""), (official.as_str(), server)] {
        let (good, said) = verified(folder, names, usage, "sslserver");
        assert!(good, "{names}: {said}");
    }
    for names in [
        "email:ann@example.org",
        "email:ann@confold.invalid",
        "email:ann@localhost",
        "URI:https://example.org/",
        "URI:https://confold.invalid/",
        "URI:https://localhost/",
        "URI:spiffe://confold.invalid/a",
        "DNS:example.org",
        "DNS:confold.invalid",
        "DNS:qq.com",
        "DNS:*.qq.com",
        "IP:127.0.0.2",
        "IP:10.0.0.1",
        "IP:::2",
        "IP:::ffff:127.0.0.1",
        // These contain an allowed name as well.
        "DNS:localhost,email:ann@example.org",
        "DNS:localhost,URI:https://example.org/",
        "DNS:localhost,DNS:example.org",
    ] {
        let (good, said) = verified(folder, &format!("subjectAltName={names}"), server, "sslserver");
        let violation = ["permitted subtree violation", "excluded subtree violation"];
        assert!(!good && violation.iter().any(|why| said.contains(why)), "{names}: {said}");
    }
    for usage in [
        "",
        "extendedKeyUsage=clientAuth",
        "extendedKeyUsage=emailProtection",
        "extendedKeyUsage=codeSigning",
    ] {
        for purpose in ["sslclient", "smimesign", "smimeencrypt"] {
            let (good, said) = verified(folder, "subjectAltName=DNS:localhost", usage, purpose);
            assert!(!good, "{usage} {purpose}: {said}");
        }
    }
}

/// Creates an authority like those of the first version, and returns its certificate.
fn old_authority(folder: &Path) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let permitted = vec![GeneralSubtree::DnsName("localhost".to_owned())];
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: vec![] });
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("ca.pem"), &pem).unwrap();
    fs::write(folder.join("ca-key.pem"), key.serialize_pem()).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(folder.join("ca-key.pem"), private).unwrap();
    pem
}

#[test]
fn an_authority_of_an_older_version_is_replaced_once_with_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("confold/ca");
    let old = old_authority(&folder);
    // Several servers that start at once agree on the new authority.
    let start = |number: usize| {
        let log = fs::File::create(home.path().join(format!("log{number}"))).unwrap();
        let mut command = Server::dev_command();
        command.args(["--tls-listen", "127.0.0.1:0"]).env("XDG_DATA_HOME", home.path());
        command.env("TMPDIR", home.path()).stderr(log).stdin(Stdio::null());
        Server::start_until(&mut command, |greeting| greeting.contains("?sdkappid="))
    };
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..3).map(|number| scope.spawn(move || start(number))).collect();
        starting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let new = fs::read_to_string(folder.join("ca.pem")).unwrap();
    assert_ne!(new, old);
    for server in &servers {
        let mut client =
            crate::harness::Client::try_connect_tls(server.tls_address(), &new, "localhost").unwrap();
        assert_eq!(client.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 200);
    }
    for server in servers {
        server.terminate();
        assert!(server.ended_well());
    }
    let logs: String =
        (0..3).map(|n| fs::read_to_string(home.path().join(format!("log{n}"))).unwrap()).collect();
    assert_eq!(
        logs.matches("made by an older version of confold could sign for too many names").count(),
        1,
        "{logs}"
    );
    assert!(logs.contains(folder.join("ca.pem").to_str().unwrap()), "{logs}");
    let mut names: Vec<_> =
        fs::read_dir(home.path().join("confold")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["ca"], "the old key is deleted");
    let server = start(3);
    server.terminate();
    assert!(server.ended_well());
    assert_eq!(fs::read_to_string(folder.join("ca.pem")).unwrap(), new);
    assert!(!fs::read_to_string(home.path().join("log3")).unwrap().contains("older version"));
}
