//! Tests hostile servers that the command-line tools call.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Fake, assert_plain};
use crate::{
    harness::{ADMIN, APP, KEY, confold, said},
    serving::Site,
    wait::Finish,
};

/// Text that would forge lines and affect a terminal.
const FORGED: &str = "no\nerror: all is lost\r\u{1b}[2J\u{1b}]0;title\u{7}\u{202e}\u{85}";

fn caller(command: &mut Command) -> &mut Command {
    command.args(["--app", &APP.to_string(), "--admin", ADMIN]).env("CONFOLD_KEY", KEY)
}

/// Pulls one user.
fn pull(fake: &Fake) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "ann\n").unwrap();
    let mut command =
        confold(&["pull", "--users", "users", "-o", "out", "--rate", "1000000", "--url", &fake.url()]);
    let output = caller(&mut command).current_dir(folder.path()).finish();
    assert_eq!(
        fs::read_to_string(folder.path().join("out")).unwrap_or_default(),
        "",
        "no partial output is kept"
    );
    output
}

#[track_caller]
fn assert_refused(output: &Output, why: &str) {
    let said = said(output);
    assert!(!output.status.success() && said.contains(why), "{said}");
    assert_plain(&said);
}

fn page(records: &str, groups: &str, next: usize) -> String {
    format!(
        r#"{{"ContactItem":[{records}],"GroupItem":[{groups}],"CompleteFlag":0,"NextStartIndex":{next},"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}}"#
    )
}

#[test]
fn a_pull_gives_up_on_endless_pages() {
    let fake = Fake::json(|number, _| page("", "", number + 1));
    assert_refused(&pull(&fake), "ann: 101 pages of the server contained nothing new");
    assert_eq!(fake.requests(), 101);

    // Every page has new records, more than any user can have.
    let fake = Fake::json(|number, _| {
        let record = |count| {
            format!(r#"{{"Type":1,"To_Account":"u{number}-{count}","StandardMark":"1","Timestamp":1}}"#)
        };
        let records: Vec<String> = (0..1_000).map(record).collect();
        // `pull` must give up long before this page.
        let next = if number < 60 { number + 1 } else { 0 };
        page(&records.join(","), "", next)
    });
    assert_refused(
        &pull(&fake),
        "a user may have at most 20000 conversations and 100 groups, but the server returned more",
    );
    assert_eq!(fake.requests(), 21);

    let groups: Vec<String> =
        (1..=101).map(|id| format!(r#"{{"GroupName":"g{id}","GroupId":{id}}}"#)).collect();
    let fake = Fake::json(move |_, _| page("", &groups.join(","), 1));
    assert_refused(&pull(&fake), "at most 20000 conversations and 100 groups");
    assert_eq!(fake.requests(), 1);

    let fake = Fake::json(|_, _| page("", "", 0));
    assert_refused(&pull(&fake), "the server's pages do not advance: NextStartIndex 0 after 0");
}

#[test]
fn endless_replies_are_cut_off() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let fake = Fake::start(move |_, _, connection| {
        let piece = [b'['; 1 << 14];
        let mut more = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
        while more.is_ok() && count.load(Ordering::Relaxed) < 1 << 30 {
            count.fetch_add(piece.len(), Ordering::Relaxed);
            more = connection.write_all(&piece);
        }
    });
    assert_refused(&pull(&fake), "ann: a reply of the server has more than 33554432 bytes");
    // The socket buffers come on top of the limit.
    assert!(sent.load(Ordering::Relaxed) < 64 << 20, "{sent:?}");

    // An endless head is cut off as well.
    let fake = Fake::start(|_, _, connection| {
        let mut more = connection.write_all(b"HTTP/1.1 200 OK\r\n");
        while more.is_ok() {
            more = connection.write_all(b"X-More: and more and more and more and more and more\r\n");
        }
    });
    assert_refused(&pull(&fake), "cannot be reached: ");

    // The report about an import is kept in memory as well.
    let fake = Fake::start(move |_, _, connection| {
        let piece = [b' '; 1 << 14];
        let mut more = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while more.is_ok() {
            more = connection.write_all(&piece);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    fs::write(&file, "").unwrap();
    let mut command = confold(&["import", "--url", &fake.url()]);
    assert_refused(&caller(&mut command).arg(&file).finish(), "was cut off");
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Fake::json(|_, _| page("", "", 1));
    for status in [301, 302, 303, 307, 308] {
        let target = elsewhere.url();
        let fake = Fake::start(move |_, _, connection| {
            let head = format!("HTTP/1.1 {status} Moved\r\nLocation: {target}/\r\nContent-Length: 0\r\n\r\n");
            let _ = connection.write_all(head.as_bytes());
        });
        let output = confold(&["healthcheck", "--url", &fake.url()]).finish();
        assert_refused(
            &output,
            &format!("answers with {status}, which is a redirection and is not followed"),
        );
        for task in ["export", "import"] {
            let mut command = confold(&[task, "--url", &fake.url()]);
            let output = caller(&mut command).args((task == "import").then_some("/dev/null")).finish();
            assert!(!output.status.success(), "{}", said(&output));
        }
    }
    assert_eq!(elsewhere.requests(), 0);
}

#[test]
fn texts_of_a_server_are_printed_on_one_line_without_control_characters() {
    let text = serde_json::Value::from(FORGED.repeat(200));
    let refusal =
        move |code: i64| format!(r#"{{"ErrorInfo":{text},"ErrorCode":{code},"ActionStatus":"FAIL"}}"#);
    let lines = |output: &Output| {
        let said = said(output);
        assert_plain(&said);
        assert!(!said.lines().any(|line| line.starts_with("error: all")), "{said}");
        assert!(said.lines().all(|line| line.len() <= 1_024), "{said}");
        said
    };
    for code in [50_001, 70_009] {
        let reply = refusal(code);
        let said = lines(&pull(&Fake::json(move |_, _| reply.clone())));
        assert!(said.contains(r"no\nerror: all is lost"), "{said}");
    }
    for bad in ["\u{1b}[2J", "{\"\u{1b}\":1}", r#"{"ErrorCode":0,"ContactItem":[{"Type":"\u001b[2J"}]}"#] {
        lines(&pull(&Fake::json(move |_, _| bad.to_owned())));
    }
    // One import is refused as a whole, and one has lines that are refused.
    let reason = serde_json::Value::from(FORGED);
    let report =
        format!(r#"{{"Lines":1,"Changed":0,"Faults":[{{"Line":1,"Reason":{reason}}}],"MoreFaults":3}}"#);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lines"), "{}\n").unwrap();
    for reply in [refusal(1), report] {
        let fake = Fake::json(move |_, _| reply.clone());
        for (task, file) in [("import", Some("lines")), ("export", None)] {
            let mut command = confold(&[task, "--url", &fake.url()]);
            let output = caller(&mut command).args(file).current_dir(folder.path()).finish();
            assert!(!output.status.success());
            lines(&output);
        }
    }
}

/// Asserts that `text` names the server but does not show a secret in its address.
#[track_caller]
fn assert_masked(text: &str) {
    assert!(!text.contains("s3cret") && !text.contains("k3y") && !text.contains("us3r"), "{text}");
}

#[test]
fn secrets_in_addresses_are_never_printed() {
    // A port on which no server listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "ann\n").unwrap();
    for url in [
        format!("http://us3r:s3cret@127.0.0.1:{port}/?key=k3y"),
        format!("ftp://us3r:s3cret@127.0.0.1:{port}"),
        format!("http://us3r:s3c/ret@127.0.0.1:{port}"),
        format!("us3r:s3cret@127.0.0.1:{port}"),
    ] {
        for arguments in
            [vec!["pull", "--users", "users", "-o", "out"], vec!["export"], vec!["import", "/dev/null"]]
        {
            let mut command = confold(&arguments);
            let output = caller(&mut command).args(["--url", &url]).current_dir(folder.path()).finish();
            assert!(!output.status.success());
            assert_masked(&said(&output));
        }
        let output = confold(&["healthcheck", "--url", &url]).finish();
        assert_masked(&said(&output));
        let site = Site::new();
        site.configure(&format!("traces.endpoint = {url:?}"), "");
        assert_masked(&said(&site.check()));
        let output = site.command("check-config").args(["--traces-endpoint", &url]).finish();
        assert_masked(&said(&output));
        let output = site.command("check-config").env("CONFOLD_TRACES_ENDPOINT", &url).finish();
        assert_masked(&said(&output));
    }
    let good = format!("http://us3r:s3cret@127.0.0.1:{port}/?key=k3y");
    let output = confold(&["healthcheck", "--url", &good]).finish();
    assert!(
        said(&output).contains(&format!("the server at http://…@127.0.0.1:{port}?… cannot be reached")),
        "{}",
        said(&output)
    );
    // A server that cannot reach its trace collector says so in its log.
    let site = Site::new();
    site.configure(&format!("traces.endpoint = {good:?}"), "");
    let server = site.serve();
    assert_eq!(server.client().call("recentcontact/get_contact_group", "{}").status, 200);
    server.terminate();
    assert!(server.ended_well());
    assert!(
        site.log().contains(&format!("spans could not be sent to http://…@127.0.0.1:{port}?…")),
        "{}",
        site.log()
    );
    assert_masked(&site.log());
}

#[test]
fn loopback_addresses_use_no_proxy_and_errors_name_the_proxy() {
    let proxy = Fake::start(|_, _, connection| {
        let _ = connection.write_all(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
    });
    let fake = Fake::json(|_, _| r#"{"ErrorCode":70009,"ErrorInfo":"no","ActionStatus":"FAIL"}"#.to_owned());
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "ann\n").unwrap();
    let run = |variable: &str, url: &str, folder: &Path| {
        let through = format!("http://us3r:s3cret@{}", proxy.address);
        let mut said_of = Vec::new();
        for arguments in [
            vec!["pull", "--users", "users", "-o", "out"],
            vec!["export"],
            vec!["import", "/dev/null"],
            vec!["healthcheck"],
        ] {
            let mut command = confold(&arguments);
            if arguments[0] != "healthcheck" {
                caller(&mut command);
            }
            let output = command.args(["--url", url]).env(variable, &through).current_dir(folder).finish();
            said_of.push(said(&output));
        }
        said_of
    };
    let port = fake.address.port();
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        for host in ["127.0.0.1", "localhost", "127.1", "0.0.0.0"] {
            let said = run(variable, &format!("http://{host}:{port}"), folder.path());
            assert_eq!(proxy.requests(), 0, "{variable} {host}");
            assert!(said[0].contains("the server refuses every call: no (70009)"), "{host}: {said:?}");
            assert!(said[3].contains("answers with 200, but not as confold's /readyz does"), "{said:?}");
        }
    }
    for said in run("HTTP_PROXY", "http://confold.invalid", folder.path()) {
        assert!(
            said.contains(&format!("through the proxy http://{} that the environment names", proxy.address)),
            "{said}"
        );
        assert_masked(&said);
    }
    assert!(proxy.requests() > 0);
    // The same holds for spans.
    let site = Site::new();
    site.configure(&format!("traces.endpoint = \"http://localhost:{port}\""), "");
    let (log, before) = (fs::File::create(site.path("log")).unwrap(), (proxy.requests(), fake.requests()));
    let mut command = site.command("serve");
    command.env("HTTP_PROXY", format!("http://{}", proxy.address)).stderr(log);
    let server = Site::serve_by(&mut command);
    assert_eq!(server.client().call("recentcontact/get_contact_group", "{}").status, 200);
    server.terminate();
    assert!(server.ended_well());
    assert_eq!((proxy.requests(), fake.requests()), (before.0, before.1 + 1), "{}", site.log());
}
