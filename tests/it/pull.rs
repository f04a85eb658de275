//! Tests `confold pull`, with confold as the server.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    thread,
};

use crate::{
    bodies::{Call, account_import, create_contact_group, everything, mark_contact, user},
    harness::{ADMIN, APP, Client, KEY, Server, accepted, eventually, import_accounts, printed, said},
    serving::{Authority, Site},
    wait::Finish,
};

fn pull(url: &str, folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confold"));
    command.args(["pull", "--url", url, "--app", &APP.to_string(), "--admin", ADMIN]).env("CONFOLD_KEY", KEY);
    command.arg("--users").arg(folder.join("users")).arg("--output").arg(folder.join("out.ndjson"));
    command.args(more).finish()
}

/// Gives an owner groups with this many conversations, some of them marked.
fn fill(client: &mut Client, owner: &str, conversations: usize) {
    let peers: Vec<String> = (0..conversations).map(|peer| format!("peer{peer:03}")).collect();
    import_accounts(client, &[owner.to_owned()]);
    import_accounts(client, &peers);
    for (index, some) in peers.chunks(100).enumerate() {
        client.does(&create_contact_group(owner, &format!("分组{index}")).with_users(some));
        let mark = |call: Call, peer: &String| call.set(user(peer), [3, 40]).custom(user(peer), "note");
        client.does(&some.iter().take(10).fold(mark_contact(owner), mark));
    }
}

#[test]
fn what_is_pulled_page_by_page_is_imported_to_the_same_replies() {
    let (first, second) = (Server::dev(&["--rate-limit", "off"]), Server::dev(&[]));
    let folder = tempfile::tempdir().unwrap();
    let mut client = first.client();
    fill(&mut client, "ann", 250);
    fill(&mut client, "bob", 3);
    import_accounts(&mut client, &["none".to_owned()]);
    fs::write(folder.path().join("users"), "ann\r\nbob\n\nnone\n").unwrap();
    let output = pull(&format!("http://{}", first.address), folder.path(), &["--rate", "1000"]);
    assert_eq!(printed(&output), "pulled 3, already there 0, refused 0\n");
    let url = format!("http://{}", second.address);
    let import = Command::new(env!("CARGO_BIN_EXE_confold"))
        .args(["import", "--url", &url, "--app", &format!("{APP}:{KEY}:{ADMIN}")])
        .arg(folder.path().join("out.ndjson"))
        .finish();
    assert!(import.status.success(), "{}", said(&import));
    for owner in ["ann", "bob", "none"] {
        assert_eq!(
            everything(&mut first.client(), owner),
            everything(&mut second.client(), owner),
            "{owner}"
        );
    }
}

#[test]
fn profiles_are_pulled_if_they_are_asked_for() {
    let (first, second) = (Server::dev(&[]), Server::dev(&[]));
    let folder = tempfile::tempdir().unwrap();
    let mut client = first.client();
    fill(&mut client, "ann", 3);
    let set = r#"{"From_Account":"ann","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Ann"},
        {"Tag":"Tag_Profile_IM_Level","Value":3}]}"#;
    assert_eq!(client.call("profile/portrait_set", set).code(), 0);
    fs::write(folder.path().join("users"), "ann\n").unwrap();
    let url = format!("http://{}", first.address);
    let out = folder.path().join("out.ndjson");
    let lines = || fs::read_to_string(&out).unwrap().lines().count();
    assert_eq!(printed(&pull(&url, folder.path(), &[])), "pulled 1, already there 0, refused 0\n");
    assert_eq!(lines(), 1);
    fs::remove_file(&out).unwrap();
    for summary in ["pulled 1, already there 0, refused 0\n", "pulled 0, already there 1, refused 0\n"] {
        assert_eq!(printed(&pull(&url, folder.path(), &["--profiles"])), summary);
        assert_eq!(lines(), 2);
    }
    let url = format!("http://{}", second.address);
    let mut import = Command::new(env!("CARGO_BIN_EXE_confold"));
    import.args(["import", "--url", &url, "--app", &format!("{APP}:{KEY}:{ADMIN}")]).arg(&out);
    assert!(import.finish().status.success());
    let get = r#"{"To_Account":["ann"],"TagList":["Tag_Profile_IM_Nick","Tag_Profile_IM_Level"]}"#;
    let replies = [&first, &second].map(|server| server.client().call("profile/portrait_get", get).body);
    assert_eq!(replies[0], replies[1]);
    assert!(replies[0].contains(r#""Value":3"#), "{}", replies[0]);
    assert_eq!(everything(&mut first.client(), "ann"), everything(&mut second.client(), "ann"));
}

/// Sends a request to the controls of `confold dev`.
fn control(client: &mut Client, path: &str, body: &str) {
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(client.raw(request.as_bytes()).unwrap().status, 200);
}

/// Returns everything in the recent list of a user, sorted, and the number of pages.
fn recent_list(server: &Server, user: &str) -> (Vec<String>, usize) {
    let (mut items, mut pages, mut time, mut top) = (Vec::new(), 0, 0, 0);
    loop {
        let body = serde_json::json!({
            "From_Account": user, "TimeStamp": time, "StartIndex": 0, "TopTimeStamp": top, "TopStartIndex": 0,
            "AssistFlags": 7,
        });
        let page = server.client().ok("recentcontact/get_list", &body.to_string());
        items.extend(page["SessionItem"].as_array().unwrap().iter().map(ToString::to_string));
        pages += 1;
        if page["CompleteFlag"] == 1 {
            break;
        }
        (time, top) = (page["TimeStamp"].as_u64().unwrap(), page["TopTimeStamp"].as_u64().unwrap());
    }
    // Pins are listed again with each page that is read in the second of the pinning.
    items.sort();
    items.dedup();
    (items, pages)
}

/// Imports what was pulled.
fn import(server: &Server, folder: &Path) {
    let url = format!("http://{}", server.address);
    let mut import = Command::new(env!("CARGO_BIN_EXE_confold"));
    import.args(["import", "--url", &url, "--app", &format!("{APP}:{KEY}:{ADMIN}")]);
    let output = import.arg(folder.join("out.ndjson")).finish();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn recent_lists_are_pulled_page_by_page_and_can_be_pulled_again() {
    let options = ["--messages", "accept", "--extensions", "recent", "--recent-page-size", "2"];
    let (first, second) = (Server::dev(&options), Server::dev(&["--rate-limit", "off"]));
    let mut client = first.client();
    let mut now = 1_700_000_000;
    let mut tick = |client: &mut Client| {
        now += 1;
        control(client, "/_dev/clock", &format!("{{\"Freeze\":{now}}}"));
        now
    };
    for server in [&first, &second] {
        let mut client = server.client();
        import_accounts(&mut client, &["ann", "p0", "p1", "p2", "p3", "p4", "none"].map(str::to_owned));
        let group = r#"{"Type":"Public","Name":"Club","GroupId":"club","Owner_Account":"ann"}"#;
        client.ok("group_open_http_svc/create_group", group);
    }
    let message = |client: &mut Client, peer: usize, time: u64| {
        let body = serde_json::json!({
            "SyncFromOldSystem": 2, "From_Account": format!("p{peer}"), "To_Account": "ann", "MsgSeq": 1, "MsgRandom": time,
            "MsgTimeStamp": time, "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hi"}}],
        });
        client.ok("openim/importmsg", &body.to_string());
    };
    for peer in 0..4 {
        let time = tick(&mut client);
        message(&mut client, peer, time);
    }
    tick(&mut client);
    let body =
        r#"{"GroupId":"club","Random":7,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"}}]}"#;
    client.ok("group_open_http_svc/send_group_msg", body);
    tick(&mut client);
    for peer in ["p1", "p4"] {
        let item = serde_json::json!([{"Type": 1, "To_Account": peer}]);
        let pin = serde_json::json!({"From_Account": "ann", "OperationType": 1, "RecentContactItem": item});
        client.ok("recentcontact/top", &pin.to_string());
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "ann\nnone\n").unwrap();
    let url = format!("http://{}", first.address);
    let out = folder.path().join("out.ndjson");
    for round in 0..2 {
        let (listed, pages) = recent_list(&first, "ann");
        assert_eq!((listed.len(), listed.join("").matches("\"TopFlag\":1").count()), (6, 2), "{listed:?}");
        assert!(pages > 1, "{listed:?}");
        let output = pull(&url, folder.path(), &[]);
        assert_eq!(said(&output), "pulled 2, already there 0, refused 0\n");
        // A user without recent conversations gets no line about them.
        assert_eq!(fs::read_to_string(&out).unwrap().matches("\"sessions\"").count(), 1);
        // Applying the same lines again changes nothing.
        for _ in 0..2 {
            import(&second, folder.path());
            assert_eq!(recent_list(&second, "ann").0, listed, "in round {round}");
        }
        // The other list moves on, and the whole list is pulled again.
        let time = tick(&mut client);
        message(&mut client, 0, time);
        fs::remove_file(&out).unwrap();
    }
    assert_eq!(recent_list(&second, "none").0, Vec::<String>::new());
}

#[test]
fn a_pull_interrupted_after_the_line_of_a_recent_list_pulls_the_user_again() {
    let server = Server::dev(&["--extensions", "recent"]);
    let pin = r#"{"From_Account":"user0","OperationType":1,"RecentContactItem":[{"Type":1,"To_Account":"teacher4"}]}"#;
    server.client().ok("recentcontact/top", pin);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "user0\n").unwrap();
    let url = format!("http://{}", server.address);
    assert!(pull(&url, folder.path(), &[]).status.success());
    let out = folder.path().join("out.ndjson");
    let whole = fs::read_to_string(&out).unwrap();
    let first = whole.lines().next().unwrap();
    assert!(first.starts_with(r#"{"Kind":"sessions""#), "{whole}");
    fs::write(&out, format!("{first}\n")).unwrap();
    assert_eq!(printed(&pull(&url, folder.path(), &[])), "pulled 1, already there 0, refused 0\n");
    assert_eq!(fs::read_to_string(&out).unwrap(), format!("{first}\n{whole}"));
    assert_eq!(printed(&pull(&url, folder.path(), &[])), "pulled 0, already there 1, refused 0\n");
}

#[test]
fn a_server_that_refuses_recent_lists_is_pulled_without_them() {
    let server = Server::dev(&[]);
    import_accounts(&mut server.client(), &["a".to_owned(), "b".to_owned()]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "a\nb\n").unwrap();
    let url = format!("http://{}", server.address);
    for (code, reports, reported) in [
        (60009, 1, "the recent lists are left out, because the server refuses get_list: "),
        (50002, 2, "a: the recent list is left out: "),
    ] {
        let rule = format!(r#"{{"Command":"get_list","Code":{code}}}"#);
        control(&mut server.client(), "/_dev/faults", &rule);
        let output = pull(&url, folder.path(), &[]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(printed(&output), "pulled 2, already there 0, refused 0, without recent list 2\n");
        let shown = said(&output);
        assert!(shown.contains(reported) && shown.contains(&format!("({code})")), "{shown}");
        assert_eq!(shown.matches("left out").count(), reports, "{shown}");
        let out = folder.path().join("out.ndjson");
        assert_eq!(fs::read_to_string(&out).unwrap().matches("\"organizer\"").count(), 2);
        fs::remove_file(&out).unwrap();
        let forget = b"DELETE /_dev/faults HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(server.client().raw(forget).unwrap().status, 200);
    }
    // A signature that the server does not accept any more ends the pull.
    control(&mut server.client(), "/_dev/faults", r#"{"Command":"get_list","Code":70001}"#);
    let output = pull(&url, folder.path(), &[]);
    assert!(
        !output.status.success() && said(&output).contains("the server refuses every call: "),
        "{}",
        said(&output)
    );
}

/// The server stands for one of another kind, which knows only the six commands.
#[test]
fn a_server_without_the_path_of_recent_lists_is_pulled_without_them() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = thread::spawn(move || {
        // The second user is not asked about.
        ["get_contact_group", "get_list", "get_contact_group"].map(|command| {
            let mut socket = accepted(&listener);
            let mut request = BufReader::new(socket.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let start = head.len();
                request.read_line(&mut head).unwrap();
                let line = head[start..].to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            request.read_exact(&mut vec![0; length]).unwrap();
            let (status, body) = match command {
                "get_list" => ("404 Not Found", ""),
                _ => ("200 OK", r#"{"ErrorCode":0,"CompleteFlag":1}"#),
            };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            socket.write_all(answer.as_bytes()).unwrap();
            head.contains(&format!("/v4/recentcontact/{command}?"))
        })
    });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "a\nb\n").unwrap();
    let output = pull(&url, folder.path(), &[]);
    assert_eq!(printed(&output), "pulled 2, already there 0, refused 0, without recent list 2\n");
    assert!(said(&output).contains("the recent lists are left out, "), "{}", said(&output));
    assert_eq!(answering.join().unwrap(), [true; 3]);
}

/// Pulls a user whose records were all changed in the same second, in an order that differs from that of their names.
#[test]
fn the_order_within_a_second_is_kept() {
    let (first, second) = (Server::dev(&["--directory", "open"]), Server::dev(&[]));
    let mut client = first.client();
    client
        .raw(b"POST /_dev/clock HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\n{\"Freeze\":1700000000}")
        .unwrap();
    let peers: Vec<String> = (0..250).map(|number| format!("peer{:03}", number * 97 % 250)).collect();
    for some in peers.chunks(50) {
        client.does(&some.iter().fold(mark_contact("ann"), |call, peer| call.set(user(peer), [3])));
    }
    let folder = tempfile::tempdir().unwrap();
    // The list is written as a Windows editor would write it.
    fs::write(folder.path().join("users"), "\u{feff}ann\r\n").unwrap();
    let url = format!("http://{}", first.address);
    let output = pull(&url, folder.path(), &["--rate", "1000"]);
    assert_eq!(said(&output), "pulled 1, already there 0, refused 0\n");
    let file = folder.path().join("out.ndjson");
    let line: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let names = |items: &serde_json::Value| -> Vec<String> {
        items.as_array().unwrap().iter().map(|item| item["To_Account"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&line["ContactItem"]), peers);
    let url = format!("http://{}", second.address);
    let mut import = Command::new(env!("CARGO_BIN_EXE_confold"));
    import.args(["import", "--url", &url, "--app", &format!("{APP}:{KEY}:{ADMIN}")]).arg(&file);
    assert!(import.finish().status.success());
    assert_eq!(everything(&mut first.client(), "ann"), everything(&mut second.client(), "ann"));
}

#[test]
fn the_first_call_is_tried_again_as_the_others_are() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let rule = r#"{"Command":"get_contact_group","Drop":true,"Times":1}"#;
    let request =
        format!("POST /_dev/faults HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{rule}", rule.len());
    assert_eq!(client.raw(request.as_bytes()).unwrap().status, 200);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "user0\n").unwrap();
    let output = pull(&format!("http://{}", server.address), folder.path(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let shown = said(&output);
    assert!(shown.starts_with("pulled 1, already there 0, refused 0\n"), "{shown}");
    assert!(shown.contains(" cannot be reached: ") && shown.ends_with("; trying again\n"), "{shown}");
}

#[test]
fn a_list_of_users_in_another_encoding_is_refused_by_its_name() {
    let server = Server::dev(&[]);
    let folder = tempfile::tempdir().unwrap();
    let utf16: Vec<u8> = "\u{feff}user0\nuser1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, expected) in [
        (&utf16[..], "users: it is UTF-16; save it as UTF-8"),
        (b"user0\nJos\xe9\n", "users:2: the line is not UTF-8"),
    ] {
        fs::write(folder.path().join("users"), bytes).unwrap();
        let output = pull(&format!("http://{}", server.address), folder.path(), &[]);
        assert!(!output.status.success() && said(&output).contains(expected), "{}", said(&output));
        assert!(!said(&output).contains("stream did not contain"), "{}", said(&output));
    }
}

#[test]
fn an_interrupted_pull_continues() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let folder = tempfile::tempdir().unwrap();
    let users: Vec<String> = (0..30).map(|user| format!("u{user}")).collect();
    import_accounts(&mut server.client(), &users);
    fs::write(folder.path().join("users"), users.join("\n")).unwrap();
    let url = format!("http://{}", server.address);
    assert!(pull(&url, folder.path(), &["--rate", "1000"]).status.success());
    let file = folder.path().join("out.ndjson");
    let whole = fs::read_to_string(&file).unwrap();
    assert_eq!(whole.lines().count(), 30);
    // Cut the file in the eleventh line, as if the pull had been interrupted there.
    let ten: usize = whole.lines().take(10).map(|line| line.len() + 1).sum();
    fs::write(&file, &whole[..ten + 20]).unwrap();
    let output = pull(&url, folder.path(), &["--rate", "1000"]);
    assert_eq!(printed(&output), "pulled 20, already there 10, refused 0\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), whole);
}

#[test]
fn refused_users_are_listed_and_the_others_are_pulled() {
    let server = Server::dev(&[]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "nobody\nuser0\n").unwrap();
    let output = pull(&format!("http://{}", server.address), folder.path(), &[]);
    assert!(!output.status.success());
    let said = said(&output);
    assert!(
        said.contains("nobody: From_Account: the account \"nobody\" has not been imported")
            && said.contains("(50001)"),
        "{said}"
    );
    assert!(said.contains("pulled 1, already there 0, refused 1"), "{said}");
    let pulled = fs::read_to_string(folder.path().join("out.ndjson")).unwrap();
    assert!(
        pulled.contains(r#""From_Account":"user0""#) && pulled.contains(r#""CustomMark":"abcd""#),
        "{pulled}"
    );
}

#[test]
fn calls_beyond_the_rate_are_tried_again() {
    let (site, authority) = (Site::new(), Authority::new());
    authority.issue(&site.path("cert.pem"), &site.path("cert-key.pem"));
    site.configure(
        "[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"cert.pem\"\nkey = \"cert-key.pem\"",
        "calls_per_second = 3",
    );
    site.write("ca.pem", &authority.pem);
    let server = site.serve();
    let mut client = server.client();
    let users: Vec<String> = (0..8).map(|user| format!("u{user}")).collect();
    for user in &users {
        eventually("a second has room for an import", || client.make(&account_import(user)).code() == 0);
    }
    fs::write(site.path("users"), users.join("\n")).unwrap();
    let url = format!("https://localhost:{}", server.tls_address().port());
    let ca = site.path("ca.pem");
    let output = pull(&url, site.folder.path(), &["--rate", "1000", "--ca", ca.to_str().unwrap()]);
    assert_eq!(
        printed(&output),
        "pulled 8, already there 0, refused 0\n",
        "the pull should retry after 60011"
    );
    // Without the authority, nothing is sent.
    fs::remove_file(site.path("out.ndjson")).unwrap();
    let output = pull(&url, site.folder.path(), &[]);
    assert!(
        !output.status.success() && said(&output).contains("name the authority's certificate with --ca FILE"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_file_of_something_else_is_not_touched() {
    let server = Server::dev(&[]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "user0\n").unwrap();
    fs::write(folder.path().join("out.ndjson"), "my notes\n").unwrap();
    let output = pull(&format!("http://{}", server.address), folder.path(), &[]);
    assert!(
        !output.status.success() && said(&output).contains("line 1: the line is not a JSON object"),
        "{}",
        said(&output)
    );
    assert_eq!(fs::read_to_string(folder.path().join("out.ndjson")).unwrap(), "my notes\n");
}

#[test]
fn a_pull_without_access_ends_immediately() {
    let server = Server::dev(&[]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users"), "user0\nuser1\nuser2\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_confold"))
        .args([
            "pull",
            "--url",
            &format!("http://{}", server.address),
            "--app",
            &format!("{APP}:wrong:{ADMIN}"),
        ])
        .arg("--users")
        .arg(folder.path().join("users"))
        .arg("--output")
        .arg(folder.path().join("out.ndjson"))
        .finish();
    let said = said(&output);
    assert!(said.contains("the server refuses every call: ") && said.contains("(70009)"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
