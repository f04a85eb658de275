//! Tests keys that are published or easy to guess, and controls that other machines can reach.

use std::{fs, net::SocketAddr, process::Command};

use rustix::process::Signal;

use crate::{
    harness::{ADMIN, APP, Client, KEY, SAMPLE_KEY, Server, confold, eventually, said},
    serving::Site,
    wait::Finish,
};

const PAGE_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const GET: &str = "recentcontact/get_contact_group";

/// Returns the three settings that give an app its key, and creates the file; the caller sets the `GIVEN` variable.
fn ways(site: &Site, key: &str) -> [String; 3] {
    site.write("given", &format!("{key}\n"));
    ["key_env = \"GIVEN\"".to_owned(), "key_file = \"given\"".to_owned(), format!("key = {key:?}")]
}

#[test]
fn published_keys_are_refused_in_every_setting() {
    let site = Site::new();
    for key in [PAGE_KEY, SAMPLE_KEY, &PAGE_KEY.to_uppercase(), &SAMPLE_KEY.to_uppercase()] {
        for way in ways(&site, key) {
            for app in [APP, 1_400_000_000, 7] {
                site.configure("", &format!("id = {app}\n{way}"));
                for task in ["check-config", "serve"] {
                    let output = site.command(task).env("GIVEN", key).finish();
                    let said = said(&output);
                    assert!(!output.status.success(), "{task} {way}: {said}");
                    assert!(
                        said.contains(&format!(
                            "the key of app {app} is a published one that confold dev uses"
                        )) && said.contains("openssl rand -hex 32"),
                        "{said}"
                    );
                    assert!(!said.contains(key), "{said}");
                }
            }
        }
    }
}

#[test]
fn short_keys_cause_a_warning_in_every_setting() {
    let site = Site::new();
    let warning = format!("the key of app {APP} has fewer than 32 characters and can be guessed");
    for (key, warned) in
        [("k", true), ("0123456789abcdef0123456789abcde", true), ("0123456789abcdef0123456789abcdef", false)]
    {
        for way in ways(&site, key) {
            site.configure("", &way);
            let output = site.command("check-config").env("GIVEN", key).finish();
            assert!(output.status.success(), "{}", said(&output));
            assert_eq!(said(&output).contains(&warning), warned, "{way}: {}", said(&output));
            let log = fs::File::create(site.path("log")).unwrap();
            let server = Site::serve_by(site.command("serve").env("GIVEN", key).stderr(log));
            server.terminate();
            assert!(server.ended_well());
            assert_eq!(site.log().contains(&warning), warned, "{way}: {}", site.log());
        }
    }
}

#[test]
fn a_reload_refuses_a_published_key() {
    let site = Site::new();
    site.configure("", "");
    let server = site.serve();
    site.write("key", PAGE_KEY);
    server.signal(Signal::HUP);
    eventually("the refusal of the key", || site.log().contains("is a published one that confold dev uses"));
    let published = server.client().signed_for(APP, ADMIN, PAGE_KEY).call(GET, "{}").code();
    assert_eq!(published, 70009);
}

/// Starts `dev` and reads the token from its greeting, if there is one.
fn dev(arguments: &[&str]) -> (Server, Option<String>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
    command.args(["dev", "--log-level", "error", "--app", &format!("{APP}:{KEY}:{ADMIN}")]).args(arguments);
    command.env("TMPDIR", folder.path()).env("XDG_DATA_HOME", folder.path());
    let server = Server::start_until(&mut command, |greeting| greeting.contains("?sdkappid="));
    let token = server.greeting.lines().find_map(|line| line.trim().strip_prefix("Authorization: Bearer "));
    let token = token.map(str::to_owned);
    (server, token, folder)
}

/// Requests the journal, and returns the status.
fn journal(server: &Server, token: Option<&str>) -> u16 {
    let header = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let address = SocketAddr::from(([127, 0, 0, 1], server.address.port()));
    let request = format!("GET /_dev/journal HTTP/1.1\r\nHost: x\r\n{header}\r\n");
    Client::connect(address).raw(request.as_bytes()).unwrap().status
}

#[test]
fn controls_that_other_machines_can_reach_need_the_printed_token() {
    let mut tokens = Vec::new();
    for arguments in [
        &["--listen", "0.0.0.0:0"][..],
        &["--listen", "127.0.0.1:0", "--tls-listen", "0.0.0.0:0"],
        &["--listen", "0.0.0.0:0", "--tls-listen", "127.0.0.1:0"],
    ] {
        let (server, token, _folder) = dev(arguments);
        let token = token.unwrap();
        assert!(token.len() >= 32, "{token}");
        assert_eq!(journal(&server, None), 403, "{arguments:?}");
        assert_eq!(journal(&server, Some("x")), 403);
        assert_eq!(journal(&server, Some(&token)), 200);
        tokens.push(token);
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 3, "each server makes its own token");
    for arguments in [
        &["--listen", "127.0.0.1:0"][..],
        &["--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"],
        &["--listen", "127.0.0.1:0", "--tls-listen", "[::1]:0"],
    ] {
        let (server, token, _folder) = dev(arguments);
        assert_eq!((token, journal(&server, None)), (None, 200), "{arguments:?}");
    }
}

#[test]
fn a_token_can_be_chosen() {
    let site = Site::new();
    let token = site.write("token", "a-token-of-some-length\n");
    let token = token.to_str().unwrap();
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let (server, printed, _folder) = dev(&["--listen", listen, "--dev-token-file", token]);
        assert_eq!(printed.as_deref(), Some("…"), "a token that was given is not printed");
        assert_eq!(journal(&server, None), 403);
        assert_eq!(journal(&server, Some("a-token-of-some-length")), 200);
    }
    site.write("short", "short");
    let open = site.write("open", "a-token-of-some-length");
    fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (file, why) in [
        ("short", "the token has fewer than 16 characters"),
        ("open", "every user of this machine"),
        ("none", "cannot read"),
    ] {
        let file = site.path(file);
        let output = confold(&["dev", "--listen", "127.0.0.1:0", "--dev-token-file"]).arg(file).finish();
        assert!(
            !output.status.success() && said(&output).contains("--controls-token-file: "),
            "{}",
            said(&output)
        );
        assert!(said(&output).contains(why), "{}", said(&output));
    }
}
