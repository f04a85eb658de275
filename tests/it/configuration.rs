//! Tests of every configuration key. Each key has a test with its name.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use confold::{clock::Clock, config};
use rustix::process::Signal;

use crate::{
    bodies::{account_import, create_contact_group, mark_contact, user},
    harness::{
        ADMIN, APP, Client, Fault, KEY, Server, accepted, eventually, import_accounts, said, succeeds,
    },
    serving::{Authority, Site, later, serving},
    tools::{Tool, is_missing},
    wait::{DEADLINE, Finish},
    webhooks::{
        self, PREVIOUS, SECRET, change,
        receiver::{Got, Receiver},
    },
    windows::{assert_calls_a_second, burst},
};

const GET: &str = "recentcontact/get_contact_group";
const MARK: &str = "recentcontact/mark_contact";
const IMPORT: &str = "im_open_login_svc/account_import";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
const USER: &str = r#"{"UserID":"user0"}"#;

/// Returns the code of a call on a server where the page's app has these settings.
fn code_with(app: &str) -> u64 {
    let (_site, _server, mut client) = serving("", app);
    client.call(GET, BODY).code()
}

fn create(client: &mut Client, owner: &str, group: &str, peer: &str) -> u64 {
    client.make(&create_contact_group(owner, group).with(user(peer))).code()
}

/// Returns how many threads of the server have this name.
fn threads(server: &Server, name: &str) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let called =
        |task: std::io::Result<fs::DirEntry>| fs::read_to_string(task.unwrap().path().join("comm")).unwrap();
    tasks.map(called).filter(|called| called.trim() == name).count()
}

/// Waits until the server has `expected` threads of this name, because each thread sets its name itself, and returns
/// the number.
fn threads_at_last(server: &Server, client: &mut Client, name: &str, expected: usize) -> usize {
    (0..1_000)
        .map(|_| (client.call(GET, BODY), threads(server, name)).1)
        .find(|found| *found == expected)
        .unwrap_or(0)
}

#[test]
fn every_key_has_a_test_of_its_name() {
    let tests = crate::ledger::tests();
    let server = config::server_keys().iter().map(|key| key.name.to_owned());
    let app = config::app_keys().iter().map(|key| format!("app.{}", key.name));
    let webhook = config::webhook_keys().iter().map(|key| format!("app.webhook.{}", key.name));
    let callback = config::callback_keys().iter().map(|key| format!("app.callback.{}", key.name));
    for key in server.chain(app).chain(callback).chain(webhook) {
        let name = format!("configuration::{}", key.replace('.', "_"));
        assert!(tests.contains(&name), "no test shows what {key} does");
    }
}

#[test]
fn the_documents_are_made_from_the_keys() {
    for (file, text) in
        [("docs/configuration.md", config::reference()), ("docs/confold.example.toml", config::example())]
    {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "{file} is not what the code says; GOLDEN=write writes it");
    }
}

#[test]
fn the_example_is_accepted_as_it_is() {
    let site = Site::new();
    site.write("confold.toml", &config::example());
    let output = site.command("check-config").env("CONFOLD_APP_KEY", "secret").finish();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let site = Site::new();
    site.configure("[limits]\nbody = \"1KiB\"\n[log]\nlevel = \"warn\"\nformat = \"json\"", "");
    let mut command = site.command("check-config");
    command
        .env("CONFOLD_LIMITS_BODY", "2KiB")
        .env("CONFOLD_LOG_LEVEL", "debug")
        .args(["--limits-body", "3KiB"]);
    let said = String::from_utf8(command.finish().stdout).unwrap();
    for line in [
        "body = 3072  # flag",
        "level = \"debug\"  # environment",
        "format = \"json\"  # file",
        "workers = 0  # default",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let site = Site::new();
    site.configure("", &format!("key = {KEY:?}\ndenied = [\"mallory\"]"));
    let output = site.command("check-config").finish();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("key = \"…\"  # file") && !said.contains(KEY), "{said}");
    assert!(said.contains("denied = [\"mallory\"]  # file"), "{said}");
}

#[test]
fn listen() {
    let site = Site::new();
    site.configure("listen = [\"127.0.0.1:0\", \"[::1]:0\"]", "");
    let server = Site::serve_by(&mut site.command("serve"));
    assert_eq!(server.client().call(GET, BODY).code(), 50001);
    drop(server);
    let check = String::from_utf8(site.check().stdout).unwrap();
    assert!(check.contains("listen = [\"127.0.0.1:0\", \"[::1]:0\"]  # file"), "{check}");
}

#[test]
fn workers() {
    let (_site, server, mut client) = serving("workers = 3", "");
    assert_eq!(threads_at_last(&server, &mut client, "worker", 3), 3);
}

/// Starts a server that only accepts TLS, with a certificate of this authority.
fn serving_tls(authority: &Authority) -> (Site, Server) {
    let site = Site::new();
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    site.configure(
        "listen = []\n[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"",
        "",
    );
    let server = site.serve();
    (site, server)
}

#[test]
fn allow_readable_key_files() {
    let check = |mode: u32, setting: &str| {
        let site = Site::new();
        site.configure(setting, "");
        fs::set_permissions(site.path("key"), fs::Permissions::from_mode(mode)).unwrap();
        site.check()
    };
    let allowed = "allow_readable_key_files = true";
    let refused = said(&check(0o444, ""));
    assert!(refused.contains("allow_readable_key_files = true accepts it as it is"), "{refused}");
    assert!(check(0o444, allowed).status.success());
    let refused = said(&check(0o446, allowed));
    assert!(refused.contains("run: chmod o-rwx") && !refused.contains("allow_readable"), "{refused}");
    // Keys of certificates and the configuration itself may contain secrets, too.
    let (authority, site) = (Authority::new(), Site::new());
    authority.issue_with_mode(&site.path("cert.pem"), &site.path("cert-key.pem"), 0o444);
    let tls = "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"";
    site.configure(&format!("{allowed}\n{tls}"), &format!("key = {KEY:?}"));
    fs::set_permissions(site.path("confold.toml"), fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(site.serve().client().call(GET, BODY).code(), 50001);
}

#[test]
fn tls_listen() {
    let authority = Authority::new();
    let (_site, server) = serving_tls(&authority);
    let mut client = Client::try_connect_tls(server.tls_address(), &authority.pem, "localhost").unwrap();
    assert_eq!(client.call(GET, BODY).code(), 50001);
    assert!(!server.greeting.contains("http://"), "{}", server.greeting);
}

#[test]
fn tls_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (_site, server) = serving_tls(&authority);
    assert!(Client::try_connect_tls(server.tls_address(), &authority.pem, "localhost").is_ok());
    assert!(
        Client::try_connect_tls(server.tls_address(), &other.pem, "localhost").is_err(),
        "another authority"
    );
    assert!(
        Client::try_connect_tls(server.tls_address(), &authority.pem, "example.org").is_err(),
        "another name"
    );
}

#[test]
fn tls_key() {
    let (authority, site) = (Authority::new(), Site::new());
    authority.issue(&site.path("cert.pem"), &site.path("other-key.pem"));
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    let tls = |key: &str| {
        site.configure(
            &format!("[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = {key:?}"),
            "",
        );
        site.check()
    };
    assert!(tls("cert-key.pem").status.success());
    let said = String::from_utf8(tls("other-key.pem").stderr).unwrap();
    assert!(said.contains("cannot be used together"), "{said}");
}

#[test]
fn store_directory() {
    let (site, server, mut client) = serving("[store]\ndirectory = \"elsewhere/deep\"", "");
    assert_eq!(client.call(IMPORT, USER).code(), 0);
    assert!(
        site.path("elsewhere/deep/confold.db").exists(),
        "the path should be relative to the configuration file"
    );
    drop(server);
    let again = site.serve();
    assert_eq!(again.client().call(GET, BODY).code(), 0, "the account should be stored");
}

#[test]
fn store_cache() {
    if is_missing(&[Tool::Strace]) {
        return;
    }
    let read_from_a_broken_disk = |cache: &str| {
        let (site, server, mut client) = serving(
            &format!("[store]\ndirectory = \"data\"\ncache = {cache:?}\n[log]\nlevel = \"error\""),
            "",
        );
        assert_eq!(client.call(IMPORT, USER).code(), 0);
        let _fault = Fault::inject(&server, "pread64", "EIO", &site.path("data/confold.db-wal"));
        client.call(GET, BODY).code()
    };
    assert_eq!(read_from_a_broken_disk("1MiB"), 0, "from memory");
    assert_eq!(read_from_a_broken_disk("0B"), 50004, "from the disk");
}

#[test]
fn store_readers() {
    let (_site, server, mut client) = serving("[store]\ndirectory = \"data\"\nreaders = 5", "");
    assert_eq!(threads_at_last(&server, &mut client, "reader", 5), 5);
}

#[test]
fn store_create() {
    let site = Site::new();
    site.configure("[store]\ndirectory = \"data\"\ncreate = false", "");
    let output = site.command("serve").finish();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("store.create is false"), "{said}");
    assert!(!site.path("data").exists(), "nothing should be created");
    site.configure("[store]\ndirectory = \"data\"", "");
    drop(site.serve());
    site.configure("[store]\ndirectory = \"data\"\ncreate = false", "");
    assert_eq!(site.serve().client().call(IMPORT, USER).code(), 0);
}

/// Returns the status of a request for the feed with this token.
fn feed_status(server: &Server, token: &str) -> u16 {
    let (target, header) = (format!("/feed?app={APP}&wait=0"), format!("Authorization: Bearer {token}\r\n"));
    crate::feed::get(server.address, &target, &header).unwrap().status
}

#[test]
fn store_buckets() {
    let site = Site::new();
    for (buckets, stored) in [(128, 128), (7, 128)] {
        site.configure(
            &format!("[store]\ndirectory = \"data\"\nbuckets = {buckets}"),
            "directory = \"open\"",
        );
        let server = site.serve();
        assert_eq!(create(&mut server.client(), "user0", "work", "peer"), 0);
        server.terminate();
        assert!(server.ended_well());
        let database = rusqlite::Connection::open(site.path("data/confold.db")).unwrap();
        let found: u8 = database.query_row("SELECT buckets FROM store", [], |row| row.get(0)).unwrap();
        assert_eq!(found, stored, "an existing store should keep its number");
    }
    site.configure("[store]\ndirectory = \"data\"\nbuckets = 129", "");
    assert!(said(&site.command("check-config").finish()).contains("must be a number from 1 to 128"));
}

/// Serves a store with these settings again and again until the events of an earlier server are not answered any more,
/// because old events are removed at the first change after a start.
fn until_removed(site: &Site, settings: &str) {
    site.configure(&format!("[store]\ndirectory = \"data\"\n{settings}"), "directory = \"open\"");
    let mut index = 0;
    eventually("old events are removed", || {
        let server = site.serve();
        index += 1;
        create(&mut server.client(), "other", "work", &format!("peer{index}"));
        let reply = crate::feed::poll(server.address, "wait=0");
        let events = reply["Events"].as_array().unwrap();
        events.iter().filter(|event| event["Owner"] == "user0").all(|event| event["Kind"] == "erased")
    });
}

/// Returns a site with a store that has a few events of one owner.
fn with_events() -> Site {
    let site = Site::new();
    site.configure("[store]\ndirectory = \"data\"", "directory = \"open\"");
    let server = site.serve();
    for index in 0..20 {
        assert_eq!(create(&mut server.client(), "user0", "work", &format!("peer{index}")), 0);
    }
    let reply = crate::feed::poll(server.address, "wait=0");
    assert_eq!(reply["Events"].as_array().unwrap().len(), 20);
    site
}

#[test]
fn store_events_for() {
    until_removed(&with_events(), "events_for = \"1s\"");
}

#[test]
fn store_events_bytes() {
    until_removed(&with_events(), "events_bytes = \"100B\"");
}

#[test]
fn app_feed_token() {
    let token = "0123456789abcdef0123456789abcdef";
    let (_site, server, _) = serving("", &format!("feed_token = {token:?}"));
    assert_eq!((feed_status(&server, token), feed_status(&server, &token[1..])), (200, 403));
    let site = Site::new();
    let refused = |app: &str| {
        site.configure("", app);
        let output = site.command("check-config").finish();
        assert!(!output.status.success(), "{app}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&format!("feed_token = {:?}", &token[1..]));
    assert!(said.contains("fewer than 32 characters") && !said.contains(&token[1..]), "{said}");
    let both = format!("feed_token = {token:?}\nfeed_token_file = \"token\"");
    assert!(refused(&both).contains("both feed_token and feed_token_file"));
    site.configure("", &format!("feed_token = {token:?}"));
    let shown = String::from_utf8(site.command("check-config").finish().stdout).unwrap();
    assert!(shown.contains("feed_token = \"…\"  # file") && !shown.contains(token), "{shown}");
}

#[test]
fn app_feed_token_file() {
    let site = Site::new();
    site.write("token", "0123456789abcdef0123456789abcdef\n");
    site.configure("", "feed_token_file = \"token\"");
    let server = site.serve();
    assert_eq!(
        feed_status(&server, "0123456789abcdef0123456789abcdef"),
        200,
        "without the line feed at its end"
    );
    assert_eq!(feed_status(&server, ""), 403);
}

#[test]
fn store_read_queue() {
    let (_site, server, mut client) = serving(
        "[store]\ndirectory = \"data\"\ncache = \"0B\"\nreaders = 1\nread_queue = 1\n[limits]\nrate_limit = false\n\
         [log]\nlevel = \"error\"",
        "",
    );
    assert_eq!(client.call(IMPORT, USER).code(), 0);
    // Send calls until two arrive while another one waits.
    let refused = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = server.client();
                for _ in 0..2_000 {
                    if refused.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    let answer = client.call(GET, BODY);
                    assert!([0, 60018].contains(&answer.code()), "{}", answer.body);
                    if answer.code() != 0 {
                        assert!(answer.body.contains("try again in a second"), "{}", answer.body);
                        refused.store(true, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(refused.into_inner(), "no read was refused");
}

#[test]
fn store_queue() {
    let (_site, server, _client) = serving(
        "[store]\ndirectory = \"data\"\nqueue = 1\n[limits]\nrate_limit = false\n[log]\nlevel = \"error\"",
        "",
    );
    // Send calls until two arrive while another one waits.
    let refused = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..16 {
            let (server, refused) = (&server, &refused);
            scope.spawn(move || {
                let mut client = server.client();
                for round in 0..500 {
                    if refused.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    let code = client.make(&account_import(&format!("user{writer}-{round}"))).code();
                    assert!([0, 60018].contains(&code), "{code}");
                    if code != 0 {
                        refused.store(true, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(
        refused.load(std::sync::atomic::Ordering::Relaxed),
        "no write was refused, although 16 writers share one place"
    );
}

#[test]
fn limits_connections() {
    let (_site, server, mut first) = serving("[limits]\nconnections = 2", "");
    let mut second = server.client();
    assert_eq!((first.call(GET, BODY).code(), second.call(GET, BODY).code()), (50001, 50001));
    let mut third = server.client();
    let target = third.target(GET);
    let request = format!("POST {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    third.send(request.as_bytes()).unwrap();
    third.wait_at_most(Duration::from_millis(300));
    assert!(third.answer(false).is_err(), "the third connection should wait while two are open");
    third.wait_at_most(DEADLINE);
    drop(first);
    assert_eq!(
        third.answer(false).unwrap().code(),
        50001,
        "the third connection should be served after one has ended"
    );
    assert_eq!(second.call(GET, BODY).code(), 50001);
}

#[test]
fn limits_connections_per_source() {
    let limits = "trusted_proxies = [\"127.0.0.1\"]\n[limits]\nconnections = 30\nconnections_per_source = 2";
    let (_site, server, _) = serving(limits, "");
    let from = |source: &str| {
        let mut client = server.client();
        let target = client.target(GET);
        let request = format!(
            "POST {target} HTTP/1.1\r\nX-Forwarded-For: {source}\r\nContent-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        (client.raw(request.as_bytes()).unwrap(), client)
    };
    let kept: Vec<_> = (0..2).map(|_| from("192.0.2.1")).collect();
    assert!(kept.iter().all(|(answer, _)| answer.code() == 50001));
    let (refused, _) = from("192.0.2.1");
    assert_eq!((refused.code(), refused.headers["connection"].as_str()), (60018, "close"));
    assert!(refused.body.contains("192.0.2.1 has 2 open connections"), "{}", refused.body);
    assert_eq!(from("192.0.2.2").0.code(), 50001, "another source");
}

#[test]
fn limits_bodies() {
    let (site, server, mut client) = serving(
        "metrics.enabled = true\n[limits]\nbody = \"20KiB\"\nbodies = \"20KiB\"\ncall_timeout = \"1h\"",
        "directory = \"open\"",
    );
    let whole = BODY.to_owned() + &" ".repeat(20 * 1024 - BODY.len());
    let mut holder = server.client();
    let target = holder.target(GET);
    holder
        .send(format!("POST {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}", whole.len()).as_bytes())
        .unwrap();
    // The holder has sent only a little so far, so there is room for another body until the rest arrives.
    assert_eq!(client.call(GET, &whole).code(), 0);
    holder.send(&whole.as_bytes()[BODY.len()..whole.len() - 1]).unwrap();
    // A call that needs room in the meantime could get it first, and the first client would be refused.
    eventually("the holder has nearly all the room", || client.metric("confold_body_bytes") > 19 << 10);
    assert_eq!(server.client().call(GET, &whole).code(), 60018);
    assert_eq!(client.call(GET, BODY).code(), 0, "a small body should need no room");
    holder.send(b" ").unwrap();
    assert_eq!(holder.answer(false).unwrap().code(), 0);
    drop(server);
    site.configure("[limits]\nbody = \"20KiB\"\nbodies = \"19KiB\"", "");
    let said = said(&site.check());
    assert!(said.contains("limits.bodies is 19456 bytes, which is less than limits.body allows"), "{said}");
}

#[test]
fn limits_unsent() {
    let (_site, server, mut client) = serving(
        "metrics.enabled = true\n[limits]\nunsent = \"64KiB\"\nrate_limit = false",
        "directory = \"open\"",
    );
    let names: Vec<String> = (0..100).map(|index| format!("peer{index}")).collect();
    let custom = "x".repeat(256);
    client.does(&names.iter().fold(mark_contact("user0"), |call, name| call.custom(user(name), &custom)));
    // Each page has about 40 KB. What the socket buffers do not take waits in the server.
    let target = client.target(GET);
    let request = format!("POST {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    for _ in 0..4 {
        let (mut one, requests) = (Client::deaf(server.address), request.repeat(40_000));
        // Writing blocks when the server stops reading, and ends when the server closes the connection or exits.
        std::thread::spawn(move || one.send(requests.as_bytes()));
    }
    let counts = || {
        let metrics = server.client().raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().body;
        ["confold_connections_evicted_total ", "confold_unsent_bytes "].map(|name| {
            let value = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            value.parse::<u64>().unwrap()
        })
    };
    // Three of four answers have to be dropped to get below the limit.
    let is_within = |[evicted, unsent]: [u64; 2]| evicted >= 3 && unsent <= 64 * 1024;
    eventually("the answers that wait are within the limit", || is_within(counts()));
    assert_eq!(client.call(GET, BODY).code(), 0, "other clients should be served");
}

#[test]
fn trusted_proxies() {
    let (_site, server, _) =
        serving("trusted_proxies = [\"127.0.0.1\"]", "allowed_sources = [\"192.0.2.0/24\"]");
    let call = |before: &str, header: &str| {
        let mut client = server.client();
        let target = client.target(GET);
        let request =
            format!("{before}POST {target} HTTP/1.1\r\n{header}Content-Length: {}\r\n\r\n{BODY}", BODY.len());
        client.raw(request.as_bytes()).unwrap().code()
    };
    assert_eq!(call("", ""), 60021, "the proxy itself");
    assert_eq!(call("", "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n"), 50001);
    assert_eq!(call("", "X-Forwarded-For: 192.0.2.7, 198.51.100.1\r\n"), 60021, "the client made it up");
    let header = "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n";
    assert_eq!(call(header, ""), 50001);
    assert_eq!(call("PROXY TCP4 198.51.100.1 127.0.0.1 1 2\r\n", "X-Forwarded-For: 192.0.2.7\r\n"), 60021);
    let (_site, server, _) =
        serving("trusted_proxies = [\"192.0.2.1\"]", "allowed_sources = [\"192.0.2.0/24\"]");
    let mut client = server.client();
    let target = client.target(GET);
    let request =
        format!("POST {target} HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7\r\nContent-Length: 2\r\n\r\n{{}}");
    assert_eq!(client.raw(request.as_bytes()).unwrap().code(), 60021, "other clients should not be trusted");
}

#[test]
fn allowed_hosts() {
    let settings = "allowed_hosts = [\"metrics.example.com\"]\nmetrics.enabled = true";
    let (_site, server, _) = serving(settings, "");
    let status = |host: &str| {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n");
        server.client().raw(request.as_bytes()).unwrap().status
    };
    assert_eq!([status("metrics.example.com:9"), status("127.0.0.1"), status("prometheus")], [200; 3]);
    assert_eq!(status("evil.example"), 403);
}

#[test]
fn limits_body() {
    let (_site, _server, mut client) = serving("[limits]\nbody = \"1KiB\"", "");
    let answer = client.call(GET, &format!("{BODY}{}", " ".repeat(1_024)));
    assert_eq!(answer.code(), 60002);
    assert!(answer.body.contains("larger than 1024 bytes"), "{}", answer.body);
}

#[test]
fn limits_head_timeout() {
    let (_site, server, _client) = serving("[limits]\nhead_timeout = \"200ms\"\nidle_timeout = \"1h\"", "");
    let (mut slow, mut idle) = (server.client(), server.client());
    // This is shorter than the default of ten seconds.
    slow.wait_at_most(Duration::from_secs(9));
    assert_eq!(idle.call(GET, BODY).code(), 50001);
    slow.send(b"POST /v4/").unwrap();
    assert!(slow.is_closed(), "a connection with an incomplete head should be closed");
    assert_eq!(idle.call(GET, BODY).code(), 50001, "a connection without a request should stay open");
}

#[test]
fn limits_idle_timeout() {
    let (_site, _server, mut client) = serving("[limits]\nidle_timeout = \"200ms\"", "");
    assert_eq!(client.call(GET, BODY).code(), 50001);
    // This is shorter than the default of one minute.
    client.wait_at_most(Duration::from_secs(55));
    assert!(client.is_closed());
}

#[test]
fn limits_call_timeout() {
    let (_site, _server, mut client) = serving("[limits]\ncall_timeout = \"200ms\"", "");
    let target = client.target(GET);
    client.send(format!("POST {target} HTTP/1.1\r\nContent-Length: 40\r\n\r\n{{").as_bytes()).unwrap();
    assert_eq!(client.answer(false).unwrap().code(), 60008);
}

#[test]
fn limits_drain_timeout() {
    let (_site, server, mut client) =
        serving("[limits]\ncall_timeout = \"1h\"\ndrain_timeout = \"200ms\"", "");
    let target = client.target(GET);
    client
        .send(
            format!("POST {target} HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n")
                .as_bytes(),
        )
        .unwrap();
    // The server asks for the body, so the request is in progress.
    assert_eq!(client.answer(true).unwrap().status, 100);
    server.terminate();
    // The wait for the end has a deadline, which is far shorter than the hour that the call may take.
    assert!(server.ended_well());
}

#[test]
fn limits_rate_limit() {
    let (_site, _server, mut client) = serving("[limits]\nrate_limit = false", "");
    assert_eq!(passed(&mut client, GET, 450), 450);
    let (_site, _server, mut client) = serving("[limits]\nrate_limit = true", "");
    assert_calls_a_second(&mut client, GET, BODY, 200, 60007);
}

/// Sends this many calls at once, and returns how many were not refused for their rate.
fn passed(client: &mut Client, command: &str, calls: usize) -> usize {
    let requests = burst(client, command, BODY, calls);
    client.send(requests.as_bytes()).unwrap();
    (0..calls).filter(|_| client.answer(false).unwrap().code() != 60007).count()
}

#[test]
fn limits_rate() {
    let (_site, _server, mut client) = serving("[limits]\nrate = 5", "");
    assert_calls_a_second(&mut client, GET, BODY, 5, 60007);
    let (_site, _server, mut client) =
        serving("[limits]\nrate = { get_contact_group = 4, others = 1000 }", "");
    assert_calls_a_second(&mut client, GET, BODY, 4, 60007);
    assert_eq!(passed(&mut client, MARK, 300), 300);
    // As an environment variable. Commands that are not named keep the original service's limits.
    let site = Site::new();
    site.configure("", "");
    let server = Site::serve_by(site.command("serve").env("CONFOLD_LIMITS_RATE", "get_contact_group=3"));
    let mut client = server.client();
    assert_calls_a_second(&mut client, GET, BODY, 3, 60007);
    assert_eq!(passed(&mut client, MARK, 100), 100);
    drop(server);
    // The setting concerns apps, so a reload applies it.
    site.configure("[limits]\nrate = 1000", "");
    let server = site.serve();
    site.configure("[limits]\nrate = 2", "");
    server.signal(rustix::process::Signal::HUP);
    let mut client = server.client();
    eventually("the new rate is counted", || passed(&mut client, GET, 20) < 20);
    assert_calls_a_second(&mut client, GET, BODY, 2, 60007);
    assert!(!site.log().contains("until the server is started again"), "{}", site.log());
}

/// Returns an import of this many recent conversations of user0, the first of which is the oldest.
fn conversations(count: usize, oldest: u64) -> String {
    let item = |number: usize| {
        let time = oldest + number as u64;
        format!(r#"{{"Type":1,"To_Account":"peer{number}","MsgTime":{time}}}"#)
    };
    let items: Vec<String> = (0..count).map(item).collect();
    format!(
        r#"{{"Kind":"sessions","SdkAppId":{APP},"From_Account":"user0","SessionItem":[{}]}}"#,
        items.join(",")
    )
}

/// Imports a line through a server.
fn import_line(client: &mut Client, line: &str) {
    let target = client.target(GET).replace(&format!("/v4/{GET}"), "/interchange/import");
    let answer = client.post(&target, line).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Returns how many recent conversations of user0 a server lists, and whether its reply is complete.
fn listed(client: &mut Client) -> (usize, bool) {
    let body = r#"{"From_Account":"user0","TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"AssistFlags":63}"#;
    let reply = client.ok("recentcontact/get_list", body);
    (reply["SessionItem"].as_array().unwrap().len(), reply["CompleteFlag"] == 1)
}

#[test]
fn recent_listed() {
    for (setting, expected) in [("", 100), ("[recent]\nlisted = 3", 3), ("[recent]\nlisted = 500", 120)] {
        let (_site, _server, mut client) = serving(setting, "directory = \"open\"");
        import_line(&mut client, &conversations(120, 1_700_000_000));
        assert_eq!(listed(&mut client), (expected, true), "{setting}");
    }
}

#[test]
fn recent_page_size() {
    for (setting, expected) in [("", (28, true)), ("[recent]\npage_size = 8", (8, false))] {
        let (_site, _server, mut client) = serving(setting, "directory = \"open\"");
        import_line(&mut client, &conversations(8, 1_700_000_000));
        // Conversations that have moved in the same second are on the same page, so move the others again until that is
        // in a later second.
        let mut attempts = 0;
        eventually("the others have moved in a later second", || {
            attempts += 1;
            let others = conversations(20, 1_700_000_100 + 100 * attempts);
            import_line(&mut client, &others.replace("peer", "other"));
            listed(&mut client) == expected
        });
    }
}

#[test]
fn recent_retention_days() {
    let day = 86_400;
    for (setting, expected) in [("", 2), ("[recent]\nretention_days = 7", 1)] {
        let (_site, _server, mut client) = serving(setting, "directory = \"open\"");
        let now = confold::clock::Clock::system().now();
        import_line(&mut client, &conversations(1, now - 8 * day));
        import_line(&mut client, &conversations(1, now - 6 * day).replace("peer0", "other"));
        assert_eq!(listed(&mut client), (expected, true), "{setting}");
    }
}

#[test]
fn app_extensions() {
    let body =
        r#"{"From_Account":"user0","OperationType":1,"RecentContactItem":[{"Type":1,"To_Account":"bob"}]}"#;
    for (setting, code) in [("", 60009), ("extensions = [\"recent\"]", 0)] {
        let (_site, _server, mut client) = serving("", &format!("directory = \"open\"\n{setting}"));
        assert_eq!(client.call("recentcontact/top", body).code(), code, "{setting}");
    }
    let site = Site::new();
    site.configure("", "extensions = [\"recents\"]");
    let refused = said(&site.command("serve").finish());
    assert!(refused.contains("extensions") && refused.contains("recent"), "{refused}");
}

#[test]
fn limits_strict() {
    let said = |setting: &str| {
        let (_site, _server, mut client) = serving(setting, "directory = \"open\"");
        let answer = client.call(GET, r#"{"From_Account":"user0","StartIndex":0,"StartIndx":1}"#);
        (answer.code(), answer.json()["ErrorInfo"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(said("").0, 0, "should be ignored");
    let (code, info) = said("[limits]\nstrict = true");
    assert_eq!(code, 50002);
    assert_eq!(
        info,
        "StartIndx is refused: there is no such field here (strict mode); did you mean StartIndex?"
    );
    // Query parameters without an effect have to be well-formed, too.
    let random = |setting: &str, random: &str| {
        let (_site, _server, mut client) = serving(setting, "directory = \"open\"");
        let target = client.target(GET).replace("random=99999999", random);
        let answer = client.post(&target, r#"{"From_Account":"user0","StartIndex":0}"#).unwrap();
        (answer.code(), answer.json()["ErrorInfo"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(random("", "random=x").0, 0);
    assert_eq!(random("[limits]\nstrict = true", "random=4294967295").0, 0);
    let (code, info) = random("[limits]\nstrict = true", "random=4294967296");
    assert_eq!(code, 60002);
    assert_eq!(
        info,
        "HTTP parse Error: the query parameter random must be a number from 0 to 4294967295 (strict mode), found \
         \"4294967296\""
    );
}

#[test]
fn traces_endpoint() {
    let collector = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = collector.local_addr().unwrap();
    let (_site, _server, mut client) = serving(&format!("[traces]\nendpoint = \"http://{endpoint}\""), "");
    assert_eq!(client.call(GET, BODY).code(), 50001);
    let mut connection = accepted(&collector);
    let mut start = [0; 15];
    std::io::Read::read_exact(&mut connection, &mut start).unwrap();
    assert_eq!(&start, b"POST /v1/traces");
}

#[test]
fn metrics_enabled() {
    let scrape = |setting: &str| {
        let (_site, _server, mut client) = serving(setting, "");
        assert_eq!(client.call(GET, BODY).code(), 50001);
        client.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap()
    };
    assert_eq!(scrape("").status, 404);
    let on = scrape("[metrics]\nenabled = true");
    assert!(
        on.body.contains("confold_calls_total{command=\"get_contact_group\",code=\"50001\"} 1"),
        "{}",
        on.body
    );
}

#[test]
fn controls_token_file() {
    let site = Site::new();
    site.write("token", "open-sesame-open-sesame");
    site.configure("[controls]\ntoken_file = \"token\"", "");
    let server = site.serve();
    let status = |header: &str| {
        let request = format!("GET /_dev/clock HTTP/1.1\r\nHost: x\r\n{header}\r\n");
        server.client().raw(request.as_bytes()).unwrap().status
    };
    assert_eq!(status("Authorization: Bearer open-sesame-open-sesame\r\n"), 200);
    assert_eq!((status("Authorization: Bearer open-sesame-open-sesam\r\n"), status("")), (403, 403));
}

#[test]
fn log_format() {
    let (site, server, mut client) = serving("[log]\nformat = \"json\"", "");
    assert_eq!(client.call(GET, BODY).code(), 50001);
    server.terminate();
    assert!(server.ended_well());
    let lines = site.log();
    assert!(lines.lines().count() >= 2, "{lines}");
    for line in lines.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn log_level() {
    let log_of = |level: &str| {
        let (site, server, mut client) = serving(&format!("[log]\nlevel = {level:?}"), "");
        assert_eq!(client.call(IMPORT, USER).code(), 0);
        assert_eq!(client.call("recentcontact/none", BODY).code(), 60009);
        server.terminate();
        assert!(server.ended_well());
        site.log()
    };
    assert_eq!(log_of("error"), "");
    assert!(log_of("info").contains("60009") && !log_of("info").contains("account_import"));
    assert!(log_of("debug").contains("account_import"));
}

#[test]
fn app_id() {
    let (_site, _server, client) = serving("", "id = 1400000001");
    let mut client = client.signed_for(1_400_000_001, ADMIN, KEY);
    assert_eq!(client.call(GET, BODY).code(), 50001);
    let mut client = client.signed_for(APP, ADMIN, KEY);
    assert_eq!(client.call(GET, BODY).code(), 70020);
}

#[test]
fn app_key() {
    assert_eq!(code_with(&format!("key = {KEY:?}")), 50001);
    assert_eq!(code_with("key = \"another\""), 70009);
}

#[test]
fn app_key_file() {
    let site = Site::new();
    site.write("another", "another\n");
    site.configure("", "key_file = \"another\"");
    let server = site.serve();
    let mut client = server.client().signed_for(APP, ADMIN, "another");
    assert_eq!(client.call(GET, BODY).code(), 50001, "without the line feed at its end");
}

#[test]
fn app_key_env() {
    let site = Site::new();
    site.configure("", "key_env = \"THE_KEY\"");
    let server = Site::serve_by(site.command("serve").env("THE_KEY", "from-outside"));
    assert_eq!(server.client().signed_for(APP, ADMIN, "from-outside").call(GET, BODY).code(), 50001);
}

/// Returns the codes of two callers, one with the key `old` and one with the page's key.
fn codes_with_previous(setting: &str) -> [u64; 2] {
    let site = Site::new();
    site.write("old", "old-key-of-the-app");
    site.configure("", &format!("key_file = \"key\"\n{setting}"));
    let server = Site::serve_by(site.command("serve").env("THE_OLD_KEY", "old-key-of-the-app"));
    ["old-key-of-the-app", KEY].map(|key| server.client().signed_for(APP, ADMIN, key).call(GET, BODY).code())
}

#[test]
fn app_previous_key() {
    let until = format!("previous_key_until = {}", later(30));
    assert_eq!(codes_with_previous(""), [70009, 50001]);
    assert_eq!(
        codes_with_previous(&format!("previous_key = \"old-key-of-the-app\"\n{until}")),
        [50001, 50001]
    );
}

#[test]
fn app_previous_key_file() {
    let until = format!("previous_key_until = {}", later(30));
    assert_eq!(codes_with_previous(&format!("previous_key_file = \"old\"\n{until}")), [50001, 50001]);
}

#[test]
fn app_previous_key_env() {
    let until = format!("previous_key_until = {}", later(30));
    assert_eq!(codes_with_previous(&format!("previous_key_env = \"THE_OLD_KEY\"\n{until}")), [50001, 50001]);
}

#[test]
fn app_previous_key_until() {
    let over = "previous_key_file = \"old\"\nprevious_key_until = 2020-01-01T00:00:00Z";
    assert_eq!(codes_with_previous(over), [70009, 50001]);
}

#[test]
fn app_admins() {
    let (_site, _server, client) = serving("", "admins = [\"ann\", \"bob\"]");
    let mut client = client.signed_for(APP, "bob", KEY);
    assert_eq!(client.call(GET, BODY).code(), 50001);
    let mut client = client.signed_for(APP, ADMIN, KEY);
    assert_eq!(client.call(GET, BODY).code(), 60010);
}

#[test]
fn app_directory() {
    assert_eq!(code_with("directory = \"strict\""), 50001);
    assert_eq!(code_with("directory = \"open\""), 0);
}

#[test]
fn app_edition() {
    let create_with = |edition: &str| {
        let (_site, _server, mut client) =
            serving("", &format!("directory = \"open\"\nedition = {edition:?}"));
        create(&mut client, "user0", "work", "peer")
    };
    assert_eq!((create_with("ultimate"), create_with("basic")), (0, 51013));
}

/// A message of the administrator to `user0`.
const MESSAGE: &str =
    r#"{"To_Account":"user0","MsgRandom":1,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"x"}}]}"#;

#[test]
fn app_messages() {
    let send_with = |app: &str| {
        let (_site, _server, mut client) = serving("", app);
        client.ok(IMPORT, USER);
        client.call("openim/sendmsg", MESSAGE)
    };
    for refusing in ["", "messages = \"refuse\""] {
        let refused = send_with(refusing);
        assert_eq!(refused.code(), 60009);
        assert!(refused.body.contains("setting messages"), "{}", refused.body);
    }
    assert_eq!(send_with("messages = \"accept\"").code(), 0);
}

#[test]
fn app_messages_touch_admins() {
    let has_session = |app: &str| {
        let (_site, _server, mut client) =
            serving("", &format!("admins = [{ADMIN:?}]\nmessages = \"accept\"\n{app}"));
        client.ok(IMPORT, USER);
        client.ok("openim/sendmsg", MESSAGE);
        let mut count = |user: &str| {
            let list = client.ok(
                "recentcontact/get_list",
                &format!(
                    r#"{{"From_Account":{user:?},"TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"AssistFlags":0}}"#
                ),
            );
            list["SessionItem"].as_array().unwrap().len()
        };
        assert_eq!(count("user0"), 1);
        count(ADMIN) == 1
    };
    assert!(!has_session("") && has_session("messages_touch_admins = true"));
}

#[test]
fn app_profile() {
    let groups = |profile: &str| {
        let (_site, _server, mut client) =
            serving("", &format!("directory = \"open\"\nprofile = {profile:?}"));
        (0..21).map(|group| create(&mut client, "user0", &format!("group{group}"), "peer")).last()
    };
    assert_eq!((groups("tencent"), groups("open")), (Some(51010), Some(0)));
}

#[test]
fn app_membership() {
    // The owner is not a member of a chat group that another user owns.
    let result = |settings: &str| {
        let (_site, _server, mut client) = serving("", settings);
        import_accounts(&mut client, &["boss", "user0"].map(str::to_owned));
        let group = r#"{"Type":"Public","Name":"n","GroupId":"g","Owner_Account":"boss"}"#;
        assert_eq!(client.call("group_open_http_svc/create_group", group).json()["ErrorCode"], 0);
        let mark = r#"{"From_Account":"user0","MarkItem":[{"OptType":1,"ContactItem":{"Type":2,"ToGroupId":"g"},"SetMark":[1]}]}"#;
        let marked = client.call("recentcontact/mark_contact", mark).json();
        marked["ResultItem"][0]["ResultCode"].as_u64().unwrap()
    };
    for (settings, expected) in [
        ("", 0),
        ("membership = \"require\"", 51007),
        ("profile = \"tencent\"\nmembership = \"require\"", 51007),
        ("profile = \"tencent-2026\"", 51007),
        ("profile = \"tencent-2026\"\nmembership = \"ignore\"", 0),
        ("membership = \"ignore\"\nprofile = \"tencent-2026\"", 0),
        ("profile = \"open\"", 0),
    ] {
        assert_eq!(result(settings), expected, "{settings}");
    }
}

#[test]
fn app_page_size() {
    let (_site, _server, mut client) = serving("", "page_size = 2");
    import_accounts(&mut client, &["a", "b", "c", "user0"].map(str::to_owned));
    let items = ["a", "b", "c"].map(|peer| {
        format!(r#"{{"OptType":1,"ContactItem":{{"Type":1,"To_Account":"{peer}"}},"SetMark":[1]}}"#)
    });
    client.ok(MARK, &format!(r#"{{"From_Account":"user0","MarkItem":[{}]}}"#, items.join(",")));
    let page = client.ok(GET, BODY);
    assert_eq!((page["ContactItem"].as_array().unwrap().len(), page["CompleteFlag"].as_u64()), (2, Some(0)));
}

#[test]
fn app_disabled() {
    assert_eq!(code_with("disabled = true"), 60016);
}

#[test]
fn app_closed_services() {
    assert_eq!(code_with("closed_services = [\"recentcontact\"]"), 60017);
    assert_eq!(code_with("closed_services = [\"im_open_login_svc\"]"), 50001);
}

#[test]
fn app_plan_until() {
    assert_eq!(code_with("plan_until = 2020-01-01T00:00:00Z"), 60020);
    assert_eq!(code_with("plan_until = \"2120-01-01T00:00:00+08:00\""), 50001);
}

#[test]
fn app_allowed_sources() {
    assert_eq!(code_with("allowed_sources = [\"10.0.0.0/8\"]"), 60021);
    assert_eq!(code_with("allowed_sources = [\"10.0.0.0/8\", \"127.0.0.1\"]"), 50001);
}

#[test]
fn app_denied() {
    assert_eq!(code_with(&format!("denied = [{ADMIN:?}]")), 70051);
}

#[test]
fn app_rate() {
    let (_site, _server, mut client) = serving(
        "[limits]\nrate = { get_contact_group = 4, mark_contact = 5 }",
        "rate = { mark_contact = 1000 }",
    );
    assert_calls_a_second(&mut client, GET, BODY, 4, 60007);
    assert_eq!(passed(&mut client, MARK, 300), 300);
    let (_site, _server, mut client) = serving("[limits]\nrate = { get_contact_group = 4 }", "rate = 1000");
    assert_eq!(passed(&mut client, GET, 300), 300, "the app's own limit should replace all others");
}

#[test]
fn app_calls_per_second() {
    let (_site, _server, mut client) = serving("", "calls_per_second = 2");
    assert_calls_a_second(&mut client, GET, BODY, 2, 60011);
}

#[test]
fn app_failed_signatures() {
    let (_site, _server, client) = serving("", "failed_signatures = 3");
    let mut client = client.signed_for(APP, ADMIN, "wrong");
    // They are counted per minute of the wall clock, and a new minute may begin in between.
    eventually("more than three are refused", || client.call(GET, BODY).code() == 70050);
    let (_site, _server, client) = serving("", "failed_signatures = 0");
    let mut client = client.signed_for(APP, ADMIN, "wrong");
    assert!(
        (0..130).all(|_| client.call(GET, BODY).code() == 70009),
        "failed signatures should not be limited"
    );
}

#[test]
fn dev_does_not_add_its_data_to_a_store_of_serve() {
    let (site, server, _client) = serving("", "");
    server.terminate();
    assert!(server.ended_well());
    let dev = Server::on(&site.path("data"));
    let mut client = dev.client();
    assert_eq!(client.call(GET, BODY).code(), 50001, "dev should not add its data to another server's store");
}

/// Returns the settings of a webhook at this receiver.
fn webhook_at(receiver: &Receiver, settings: &str) -> String {
    let private = if settings.contains("allow_private") { "" } else { "allow_private = true\n" };
    let name = if settings.contains("name") { "" } else { "name = \"crm\"\n" };
    let url = receiver.url();
    format!("directory = \"open\"\n[[app.webhook]]\n{name}url = {url:?}\n{private}{settings}\n")
}

/// Returns the first message to a webhook with these settings.
fn first_message(settings: &str) -> Got {
    let receiver = Receiver::start();
    let (_site, _server, mut client) = serving("", &webhook_at(&receiver, settings));
    client.does(&change("ann", "a"));
    receiver.wait_for(1).remove(0)
}

/// Returns what `check-config` says about a webhook with these settings.
fn checked_webhook(settings: &str) -> String {
    let site = Site::new();
    site.configure("", settings);
    said(&site.check())
}

/// Returns the first message to a webhook whose setting names a file with this content.
fn message_with_file(setting: &str, content: &str) -> Got {
    let (receiver, site) = (Receiver::start(), Site::new());
    site.write("secret", content);
    site.configure("", &webhook_at(&receiver, &format!("{setting} = \"secret\"")));
    let server = site.serve();
    server.client().does(&change("ann", "a"));
    receiver.wait_for(1).remove(0)
}

/// The secret of the webhooks that an app receives.
const CALLBACK: &str = "s3cret-s3cret-s3cret";

/// Returns a site with an app that receives webhooks, and its server.
fn with_callback(settings: &str) -> (Site, Server, Client) {
    let secret = if settings.contains("secret") { String::new() } else { format!("secret = {CALLBACK:?}\n") };
    serving("", &format!("directory = \"open\"\n[app.callback]\n{secret}{settings}"))
}

/// Sends a webhook and returns the status and the code of the answer.
fn sends(client: &mut Client, secret: &str, query: &str, body: &str) -> (u16, u64) {
    let answer = client.post(&format!("/callback/{APP}/{secret}?{query}"), body).unwrap();
    (answer.status, answer.code())
}

/// Returns why settings of webhooks that an app receives are refused.
fn refused_callback(settings: &str) -> String {
    let site = Site::new();
    site.configure("", &format!("[app.callback]\n{settings}"));
    let output = site.check();
    assert!(!output.status.success(), "{settings}");
    said(&output)
}

#[test]
fn app_callback_secret() {
    let (site, _server, mut client) = with_callback("");
    assert_eq!(sends(&mut client, CALLBACK, "", "{}"), (200, 0));
    assert_eq!(sends(&mut client, "another-secret-that-is-long", "", "{}"), (404, 60009));
    let shown = succeeds(&mut site.command("check-config"));
    assert!(shown.contains("[app.callback]\nsecret = \"…\"  # file") && !shown.contains(CALLBACK), "{shown}");
    for bad in ["fifteen-letters", "question?mark-is-refused", "a space is refused too", &"a".repeat(257)] {
        let said = refused_callback(&format!("secret = {bad:?}"));
        assert!(
            said.contains("app.callback.secret must have 16 to 256 characters") && !said.contains(bad),
            "{said}"
        );
    }
    assert!(refused_callback("membership = true").contains("has no secret; set secret_file"));
    assert!(refused_callback("sekret_file = \"x\"").contains("did you mean secret_file?"));
    let site = Site::new();
    site.configure("", "callback = true");
    assert!(said(&site.check()).contains("callback is a table; write it as [app.callback]"));
}

#[test]
fn app_callback_secret_file() {
    let site = Site::new();
    site.write("hook", &format!("{CALLBACK}\n"));
    site.configure("", "[app.callback]\nsecret_file = \"hook\"");
    let server = site.serve();
    assert_eq!(sends(&mut server.client(), CALLBACK, "", "{}"), (200, 0));
    // A new secret in the same file is used after a reload, and the log names what changed.
    site.write("hook", "another-secret-that-is-long");
    server.signal(Signal::HUP);
    eventually("the new secret is used", || {
        sends(&mut server.client(), "another-secret-that-is-long", "", "{}") == (200, 0)
    });
    assert_eq!(sends(&mut server.client(), CALLBACK, "", "{}"), (404, 60009));
    eventually("the change is logged", || site.log().contains("callback"));
    let both = refused_callback(&format!("secret = {CALLBACK:?}\nsecret_file = \"hook\""));
    assert!(both.contains("has both secret and secret_file"), "{both}");
}

#[test]
fn app_callback_token() {
    let (_site, _server, mut client) = with_callback("token = \"xxxxyyyy\"");
    let now = Clock::system().now();
    let signed = |time: u64| {
        format!("Sign={}&RequestTime={time}", confold::vendor_sign::vendor_sign("xxxxyyyy", time))
    };
    assert_eq!(sends(&mut client, CALLBACK, &signed(now), "{}"), (200, 0));
    assert_eq!(sends(&mut client, CALLBACK, &signed(now - 1_000), "{}"), (200, 1));
    assert_eq!(sends(&mut client, CALLBACK, "", "{}"), (200, 1));
    let said = refused_callback(&format!("secret = {CALLBACK:?}\ntoken = \"\""));
    assert!(said.contains("app.callback.token"), "{said}");
}

#[test]
fn app_callback_token_file() {
    let site = Site::new();
    site.write("token", "xxxxyyyy");
    site.configure("", &format!("[app.callback]\nsecret = {CALLBACK:?}\ntoken_file = \"token\""));
    let server = site.serve();
    assert_eq!(sends(&mut server.client(), CALLBACK, "", "{}"), (200, 1));
}

#[test]
fn app_callback_membership() {
    let created = r#"{"CallbackCommand":"Group.CallbackAfterCreateGroup","GroupId":"g","Type":"Public","MemberList":[{"Member_Account":"a"}]}"#;
    for (settings, code) in [("", 10_010), ("membership = false", 10_010), ("membership = true", 0)] {
        let (_site, _server, mut client) = with_callback(settings);
        assert_eq!(sends(&mut client, CALLBACK, "", created), (200, 0));
        let roles =
            client.call("group_open_http_svc/get_role_in_group", r#"{"GroupId":"g","User_Account":["a"]}"#);
        assert_eq!(roles.code(), code, "{settings} {}", roles.body);
    }
}

#[test]
fn app_callback_forward() {
    let backend = Receiver::start();
    let (site, _server, mut client) = with_callback(&format!("forward = \"{}?own=s3cret\"", backend.url()));
    assert_eq!(sends(&mut client, CALLBACK, "a=b", "{}"), (200, 0));
    assert_eq!(backend.wait_for(1)[0].target, "/hook?own=s3cret&a=b");
    let shown = succeeds(&mut site.command("check-config"));
    assert!(
        shown.contains(&format!("forward = \"http://{}", backend.address)) && !shown.contains("s3cret"),
        "{shown}"
    );
    let said = refused_callback(&format!("secret = {CALLBACK:?}\nforward = \"ftp://x\""));
    assert!(said.contains("app.callback.forward must be an address"), "{said}");
}

#[test]
fn app_callback_body() {
    let (_site, _server, mut client) = with_callback("body = \"100B\"");
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(100));
    assert_eq!(sends(&mut client, CALLBACK, "", &long[..92]).0, 200);
    assert_eq!(sends(&mut client, CALLBACK, "", &long), (413, 60002));
}

#[test]
fn app_callback_calls_per_second() {
    let (_site, _server, mut client) = with_callback("calls_per_second = 1");
    eventually("a webhook is refused", || sends(&mut client, CALLBACK, "", "{}") == (503, 60011));
    let (_site, _server, mut client) = with_callback("calls_per_second = 0");
    assert!((0..200).all(|_| sends(&mut client, CALLBACK, "", "{}") == (200, 0)));
}

#[test]
fn app_webhook_name() {
    let (receiver, site) = (Receiver::start(), Site::new());
    let one = webhook_at(&receiver, "name = \"crm\"");
    site.configure("", &one);
    assert!(site.check().status.success());
    let two = format!("{one}[[app.webhook]]\nname = \"crm\"\nurl = \"http://h/\"");
    assert!(checked_webhook(&two).contains("has two webhooks with the name crm"));
    let bad = checked_webhook("[[app.webhook]]\nname = \"a b\"\nurl = \"http://h/\"");
    assert!(bad.contains("app.webhook.name must have 1 to 32 letters, digits, - and _"), "{bad}");
    let none = checked_webhook("[[app.webhook]]\nurl = \"http://h/\"");
    assert!(none.contains("has no name"), "{none}");
    let single = checked_webhook("webhook = 3");
    assert!(single.contains("write each webhook as a table under [[app.webhook]]"), "{single}");
    let unknown = checked_webhook("[[app.webhook]]\nname = \"a\"\nurl = \"http://h/\"\nsecrt = \"x\"");
    assert!(
        unknown.contains("unknown configuration key app.webhook.secrt; did you mean secret?"),
        "{unknown}"
    );
}

#[test]
fn app_webhook_url() {
    assert!(first_message("").target.starts_with("/hook?SdkAppid="));
    let shown = checked_webhook("[[app.webhook]]\nname = \"a\"\nurl = \"https://h.example/s3cret?k=s3cret\"");
    assert!(shown.contains("url = \"https://h.example/…\"  # file") && !shown.contains("s3cret"), "{shown}");
    assert!(
        shown.contains("warning: the webhook a of app 88888888 has neither a secret nor a token"),
        "{shown}"
    );
    let bad = checked_webhook("[[app.webhook]]\nname = \"a\"\nurl = \"ftp://h\"");
    assert!(bad.contains("app.webhook.url must be an address such as"), "{bad}");
}

#[test]
fn app_webhook_kinds() {
    let receiver = Receiver::start();
    let settings = webhook_at(&receiver, "kinds = [\"account_deleted\"]");
    let (_site, _server, mut client) = serving("", &settings);
    client.does(&change("ann", "a"));
    client.does(&crate::bodies::account_delete("ann"));
    assert_eq!(receiver.wait_for(1)[0].event()["Kind"], "account_deleted");
    let bad = checked_webhook("[[app.webhook]]\nname = \"a\"\nurl = \"http://h\"\nkinds = [\"all\"]");
    assert!(bad.contains("app.webhook.kinds must contain kinds: \"changed\""), "{bad}");
}

#[test]
fn app_webhook_secret() {
    let got = first_message(&format!("secret = {SECRET:?}"));
    assert_eq!(got.header("webhook-signature"), webhooks::signature(SECRET, &got));
    let bad = checked_webhook("[[app.webhook]]\nname = \"a\"\nurl = \"http://h\"\nsecret = \"s3cret\"");
    assert!(
        bad.contains("app.webhook.secret must be whsec_ followed by") && !bad.contains("s3cret"),
        "{bad}"
    );
    let both = format!("secret = {SECRET:?}\nsecret_file = \"key\"");
    let both = checked_webhook(&format!("[[app.webhook]]\nname = \"a\"\nurl = \"http://h\"\n{both}"));
    assert!(both.contains("has both secret and secret_file; keep one"), "{both}");
}

#[test]
fn app_webhook_secret_file() {
    let got = message_with_file("secret_file", SECRET);
    assert_eq!(got.header("webhook-signature"), webhooks::signature(SECRET, &got));
    let wrong = checked_webhook("[[app.webhook]]\nname = \"a\"\nurl = \"http://h\"\nsecret_file = \"key\"");
    assert!(wrong.contains("secret_file: the content of") && !wrong.contains(KEY), "{wrong}");
}

#[test]
fn app_webhook_previous_secret() {
    let got = first_message(&format!("secret = {SECRET:?}\nprevious_secret = {PREVIOUS:?}"));
    let both = format!("{} {}", webhooks::signature(SECRET, &got), webhooks::signature(PREVIOUS, &got));
    assert_eq!(got.header("webhook-signature"), both);
}

#[test]
fn app_webhook_previous_secret_file() {
    let got = message_with_file("previous_secret_file", PREVIOUS);
    assert_eq!(got.header("webhook-signature"), webhooks::signature(PREVIOUS, &got));
}

#[test]
fn app_webhook_token() {
    let got = first_message("token = \"t0ken\"");
    assert!(got.parameter("Sign").unwrap().len() == 64 && got.parameter("RequestTime").is_some());
    assert!(first_message("").parameter("Sign").is_none());
}

#[test]
fn app_webhook_token_file() {
    assert!(message_with_file("token_file", "t0ken").parameter("Sign").is_some());
}

#[test]
fn app_webhook_ca_file() {
    let with = |file: &str, url: &str, content: &str| {
        let site = Site::new();
        site.write("ca.pem", content);
        let settings = format!("[[app.webhook]]\nname = \"a\"\nurl = {url:?}\nca_file = {file:?}");
        site.configure("", &settings);
        let output = site.check();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let pem = Authority::new().pem;
    let (is_well, said) = with("ca.pem", "https://h.example/", &pem);
    assert!(is_well, "{said}");
    for (file, url, content, expected) in [
        ("none.pem", "https://h.example/", "", "a webhook of app 88888888: ca_file: cannot read"),
        ("ca.pem", "https://h.example/", "hello", "contains no certificate in PEM form"),
        (
            "ca.pem",
            "http://h.example/",
            pem.as_str(),
            "ca_file: is set, but the url does not begin with https://",
        ),
        (
            "ca.pem",
            "https://h.example/",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "ca.pem is damaged or incomplete; copy it again",
        ),
    ] {
        let (is_well, said) = with(file, url, content);
        assert!(!is_well && said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn app_webhook_allow_private() {
    assert_eq!(webhooks::text(&first_message("allow_private = true")), "a");
    let receiver = Receiver::start();
    let (site, _server, mut client) = serving("", &webhook_at(&receiver, "allow_private = false"));
    client.does(&change("ann", "a"));
    eventually("it fails", || site.log().contains("is private, which is not allowed"));
    assert!(receiver.got().is_empty());
}
