//! Tests `confold call`, and the messages of every tool when a server does not give a usable answer.

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
    sync::{Mutex, mpsc},
};

use crate::{
    harness::{ADMIN, APP, KEY, SAMPLE_KEY, Server, confold, fed, import_accounts, said},
    hostile::Fake,
    serving::{Authority, Site},
    tools::{Tool, is_missing},
    wait::{Finish, Lines, message},
};

const GET: &str = "get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

/// Makes a call as the app of the documentation page.
fn call(server: &Server, arguments: &[&str]) -> Output {
    let (url, app) = (format!("http://{}", server.address), format!("{APP}:{KEY}:{ADMIN}"));
    confold(&["call", "--url", &url, "--app", &app]).args(arguments).finish()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_call_is_signed_and_its_reply_printed_unchanged() {
    let server = Server::dev(&[]);
    let expected = server.client().call("recentcontact/get_contact_group", BODY).body + "\n";
    for name in [GET, "recentcontact/get_contact_group", "v4/recentcontact/get_contact_group"] {
        let output = call(&server, &[name, BODY]);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{name}");
        assert_eq!(stdout(&output), expected, "{name}");
    }
    // Without --app, the first built-in app of every emulator is used.
    let url = format!("http://{}", server.address);
    let output = confold(&["call", "--url", &url, GET, BODY]).finish();
    assert!(output.status.success() && stdout(&output).contains("\"ErrorCode\":0"), "{}", said(&output));
    // Another key comes from a file or an environment variable.
    let folder = tempfile::tempdir().unwrap();
    let (key, body) = (folder.path().join("key"), folder.path().join("body.json"));
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&body, BODY).unwrap();
    let app = APP.to_string();
    let by_file =
        ["call", "--url", &url, "--app", &app, "--admin", ADMIN, "--key-file", key.to_str().unwrap(), GET];
    let output = confold(&by_file).arg(format!("@{}", body.display())).finish();
    assert_eq!(stdout(&output), expected, "{}", said(&output));
    let mut by_variable = confold(&["call", "--url", &url, "--app", &app, "--admin", ADMIN, GET, "-"]);
    let output = fed(by_variable.env("CONFOLD_KEY", KEY), BODY);
    assert_eq!(stdout(&output), expected, "{}", said(&output));
    // A missing body counts as an empty object.
    let output = call(&server, &["get_appid_group_list"]);
    assert!(stdout(&output).contains("\"TotalCount\""), "{}", said(&output));
}

#[test]
fn the_exit_status_reflects_the_result_of_a_call() {
    let server = Server::dev(&[]);
    import_accounts(&mut server.client(), &["user1".to_owned()]);
    let url = format!("http://{}", server.address);
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let mark = r#"{"From_Account":"user1","MarkItem":[{"OptType":2,"ContactItem":{"Type":1,"To_Account":"ghost"},"CustomMark":"x"}]}"#;
    for (status, arguments, words) in [
        (1, vec![GET, r#"{"From_Account":"ghost","StartIndex":0}"#], "refused: "),
        (1, vec![GET, "{"], "refused: the body must be one JSON object"),
        (1, vec![GET, BODY, "--identifier", "user0"], "is not an administrator of app 88888888"),
        (3, vec!["mark_contact", mark], "refused: ResultItem[0]: "),
        (3, vec!["multiaccount_import", r#"{"Accounts":["a b"]}"#], "refused: FailAccounts: \"a b\""),
        (
            2,
            vec!["get_contact_groups", BODY],
            "there is no command \"get_contact_groups\"; did you mean get_contact_group?",
        ),
        (2, vec!["a/b/c", BODY], "the command must be SERVICE/COMMAND"),
        (2, vec![GET, "@/nowhere/body"], "cannot read /nowhere/body: No such file"),
        (2, vec![GET, BODY, "--nothing"], "unexpected argument '--nothing'"),
        (2, vec![GET, BODY, "--key-file", "/nowhere", "--url", &url], "cannot be used multiple times"),
        (
            1,
            vec!["recentcontacts/get_contact_group", BODY],
            "hint: did you mean recentcontact/get_contact_group?",
        ),
        (1, vec!["recentcontact/get_contact_groups", BODY], "did you mean get_contact_group?"),
    ] {
        let output = call(&server, &arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", said(&output));
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains(KEY) && !stderr(&output).contains("eJ"), "{}", stderr(&output));
        // The reply is printed even if it is an error.
        assert_eq!(stdout(&output).starts_with('{'), status != 2, "{arguments:?}: {}", said(&output));
    }
    let output = confold(&["call", "--url", &nobody, GET, BODY]).finish();
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        stderr(&output),
        format!(
            "error: the server at {nobody} cannot be reached: no program listens there; start the server, or correct the address (--url)\n"
        )
    );
    let output = confold(&["call", "--url", &url, "--key-file", "/nowhere", GET]).finish();
    assert!(
        output.status.code() == Some(2) && stderr(&output).contains("without --app"),
        "{}",
        said(&output)
    );
    let output = confold(&["call", "--url", &url, "--app", "7", GET]).finish();
    assert!(output.status.code() == Some(2) && stderr(&output).contains("the key of app 7 is missing"));
}

#[test]
fn the_hint_header_is_printed_after_the_reply() {
    let fake = Fake::start(|_, _, connection| {
        let body = r#"{"ActionStatus":"FAIL","ErrorCode":10021,"ErrorInfo":"group id has be used!"}"#;
        let head = format!(
            "HTTP/1.1 200 OK\r\nX-Confold-Hint: choose \u{1b}another\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let _ = connection.write_all((head.replace('\u{1b}', "") + body).as_bytes());
    });
    let output = confold(&["call", "--url", &fake.url(), "create_group"]).finish();
    assert_eq!(stderr(&output), "refused: group id has be used! (10021)\nhint: choose another\n");
}

#[test]
fn a_dry_run_is_confirmed_by_the_server_or_reported_as_made() {
    let server = Server::dev(&[]);
    let url = format!("http://{}", server.address);
    let body = r#"{"From_Account":"user0","GroupName":["test10"]}"#;
    let tried = || confold(&["call", "--url", &url, "del_contact_group", body, "--dry-run"]).finish();
    let first = tried();
    assert!(first.status.success() && stderr(&first).is_empty(), "{}", said(&first));
    assert!(said(&first).contains(r#""GroupName":"test10""#), "{}", said(&first));
    assert_eq!(said(&tried()), said(&first), "the group is still there");
    let done = confold(&["call", "--url", &url, "del_contact_group", body]).finish();
    assert_eq!(said(&done), said(&first), "the reply is that of the call");
    let refused = tried();
    assert_eq!(refused.status.code(), Some(1), "the group is gone now");
    assert!(!stderr(&refused).contains("dry run"), "{}", said(&refused));
    // A server that does not know the header does not repeat it.
    let fake = Fake::start(|_, _, connection| {
        let body = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = connection.write_all((head + body).as_bytes());
    });
    let made = confold(&["call", "--url", &fake.url(), "del_contact_group", body, "--dry-run"]).finish();
    assert_eq!(made.status.code(), Some(1));
    assert_eq!(stderr(&made), "error: this server does not know dry runs; it has made the call\n");
}

/// Runs a command on a pseudo-terminal and returns what it prints there.
fn on_terminal(line: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new("script");
    command.args(["-qec", line, "/dev/null"]).stdin(std::process::Stdio::null());
    for variable in ["NO_COLOR", "CLICOLOR_FORCE", "LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm").envs(variables.iter().copied());
    said(&command.finish()).replace("\r\n", "\n")
}

#[test]
fn on_a_terminal_a_reply_has_lines_and_colours() {
    if is_missing(&[Tool::Script]) {
        return;
    }
    let server = Server::dev(&[]);
    let line = |more: &str| {
        format!(
            "{} call --url http://{} get_contact_group '{BODY}' {more}",
            env!("CARGO_BIN_EXE_confold"),
            server.address
        )
    };
    let coloured = on_terminal(&line(""), &[]);
    assert!(coloured.contains("\u{1b}[34m\"ContactItem\"\u{1b}[0m: [\n    {\n"), "{coloured:?}");
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let plain = on_terminal(&line(""), &variables);
        assert!(plain.contains("{\n  \"ContactItem\": [\n    {\n") && !plain.contains('\u{1b}'), "{plain:?}");
        assert!(plain.contains("  \"CompleteFlag\": 1,\n  \"NextStartIndex\": 0,\n"), "{plain:?}");
    }
    let raw = on_terminal(&line("--raw"), &[]);
    assert!(raw.starts_with("{\"ContactItem\":[{\"Type\":1,") && raw.lines().count() == 1, "{raw:?}");
    // The messages of the command-line parser are coloured as well.
    let help = format!("{} call --nothing", env!("CARGO_BIN_EXE_confold"));
    assert!(on_terminal(&help, &[]).contains('\u{1b}'));
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        assert!(!on_terminal(&help, &variables).contains('\u{1b}'));
    }
}

/// Starts a server that always answers with this status and an HTML page, as a proxy does.
fn proxy(status: &'static str) -> Fake {
    Fake::start(move |_, _, connection| {
        let page = "<html><body><h1>Bad Gateway</h1>nginx</body></html>";
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        );
        let _ = connection.write_all(head.as_bytes());
    })
}

/// Runs every tool that calls a server, checks that each one fails, and returns its name and error output.
fn tools(url: &str, more: &[&str]) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("users", "user0\n"), ("lines", "")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let app = format!("1400000000:{SAMPLE_KEY}");
    let tools = [
        vec!["call", GET, BODY],
        vec!["import", "lines", "--app", &app],
        vec!["export", "--app", &app],
        vec!["pull", "--users", "users", "--output", "out", "--app", &app],
    ];
    let run = |tool: &Vec<&str>| {
        let mut command = confold(tool);
        let output = command.args(["--url", url]).args(more).current_dir(folder.path()).finish();
        assert!(!output.status.success(), "{tool:?}");
        (tool[0].to_owned(), stderr(&output))
    };
    tools.iter().map(run).collect()
}

#[test]
fn a_server_that_is_not_confold_is_described_in_words() {
    for (status, words) in [
        (
            "502 Bad Gateway",
            "answers with 502 (Bad Gateway), which comes from a proxy or load balancer that cannot reach the server",
        ),
        ("404 Not Found", "answers with 404 (Not Found) because there is nothing at this path"),
        (
            "301 Moved Permanently",
            "answers with 301 (Moved Permanently), which is a redirection and is not followed",
        ),
        (
            "200 OK",
            "answers with 200 (OK) but not with a reply of this API; check that the address belongs to a confold server",
        ),
    ] {
        let fake = proxy(status);
        for (tool, said) in tools(&fake.url(), &[]) {
            // `pull` parses a successful reply itself.
            if tool == "pull" && status.starts_with("200") {
                continue;
            }
            assert!(said.contains(words), "{tool} {status}: {said}");
            for library in ["http status", "expected value", "line 1 column", "os error"] {
                assert!(!said.contains(library), "{tool} {status}: {said}");
            }
        }
    }
}

#[test]
fn tls_errors_are_described_in_words() {
    let (site, authority, other) = (Site::new(), Authority::new(), Authority::new());
    let (certificate, key) = (site.path("cert.pem"), site.path("cert-key.pem"));
    authority.issue(&certificate, &key);
    // Use an address that the certificate does not contain.
    let tls = "[tls]\nlisten = [\"127.0.0.2:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"";
    site.configure(tls, "");
    let server = site.serve();
    let address = server.tls_address();
    let own = site.write("ca.pem", &authority.pem);
    let wrong = site.write("other.pem", &other.pem);
    let own = own.to_str().unwrap();
    for (url, more, words) in [
        (
            format!("https://{address}"),
            vec![],
            "was issued by an unknown authority; name the authority's certificate with --ca FILE",
        ),
        (
            format!("https://{address}"),
            vec!["--ca", own],
            "is not valid for the host name in the address; it is for",
        ),
        (format!("https://{address}"), vec!["--ca", wrong.to_str().unwrap()], "certificate"),
        (
            format!("https://{}", server.address),
            vec!["--ca", own],
            "the server does not speak TLS on that port; perhaps the address has to begin with http://",
        ),
    ] {
        for (tool, said) in tools(&url, &more) {
            assert!(said.contains(words), "{tool}: {said}");
            for library in [
                "invalid peer certificate",
                "UnknownIssuer",
                "NotValidFor",
                "InvalidContentType",
                "BadSignature",
            ] {
                assert!(!said.contains(library), "{tool}: {said}");
            }
        }
    }
    // Use the key of another certificate.
    authority.issue(&site.path("second.pem"), &key);
    let said = said(&site.check());
    assert!(said.contains("cannot be used together: the certificate belongs to a different key"), "{said}");
    assert!(!said.contains("KeyMismatch"), "{said}");
}

#[test]
fn a_long_task_prints_a_plain_progress_line_to_a_pipe_and_a_short_one_none() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lines"), "{}\n".repeat(100)).unwrap();
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let fake = Fake::start(move |number, _, connection| {
        // The first request checks access; the second one carries the lines.
        if number == 1 {
            message(&held.lock().unwrap(), "the lines may be answered");
        }
        let lines = if number == 0 { 0 } else { 100 };
        let body = format!(r#"{{"Lines":{lines},"Changed":0,"Faults":[],"MoreFaults":0,"Effect":{{}}}}"#);
        let _ = write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    });
    let (url, app) = (fake.url(), format!("1400000000:{SAMPLE_KEY}"));
    let mut command = confold(&["import", "lines", "--dry-run", "--url", &url, "--app", &app]);
    command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let errors = Lines::of(child.stderr.take().unwrap());
    let line = errors.until("a line of progress", |said| said.ends_with('\n')).unwrap();
    release.send(()).unwrap();
    assert_eq!(line, "checking: 300 B of 300 B (100 %)\n");
    let rest = errors.rest("the end of the import");
    assert!(child.finish().status.success(), "{rest}");
    assert!(!rest.contains('\u{1b}') && !rest.contains('\r'), "{rest:?}");
}

#[test]
fn progress_bars_use_characters_of_the_locale() {
    if is_missing(&[Tool::Script]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let account = |user: usize| format!("{{\"Kind\":\"account\",\"SdkAppId\":1,\"UserID\":\"u{user}\"}}\n");
    let lines = (0..20_000).fold(String::new(), |lines, user| lines + &account(user));
    fs::write(folder.path().join("lines"), lines).unwrap();
    let line = |data: &str| {
        let folder = folder.path().display();
        format!("{} import {folder}/lines --data {folder}/{data}", env!("CARGO_BIN_EXE_confold"))
    };
    let utf8 = on_terminal(&line("a"), &[("LC_ALL", "C.UTF-8")]);
    assert!(utf8.contains('█') && utf8.contains("imported 20000 lines"), "{utf8:?}");
    for (data, variables) in [("b", &[("LC_ALL", "C"), ("LANG", "C.UTF-8")][..]), ("c", &[])] {
        let ascii = on_terminal(&line(data), variables);
        assert!(ascii.is_ascii() && ascii.contains('#'), "{ascii:?}");
    }
    let dumb = on_terminal(&line("d"), &[("TERM", "dumb"), ("LC_ALL", "C.UTF-8")]);
    assert!(!dumb.contains('\u{1b}') && !dumb.contains('█'), "{dumb:?}");
}
