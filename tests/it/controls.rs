//! The controls under `/_dev/`.

use serde_json::{Value, json};

use crate::{
    harness::{APP, Answer, Client, Server, import_accounts},
    serving::serving,
};

const GET: &str = "recentcontact/get_contact_group";
const MARK: &str = "recentcontact/mark_contact";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

/// Uses a control.
fn control(client: &mut Client, request: &str, body: &str) -> Answer {
    let length = body.len();
    client
        .raw(format!("{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes())
        .unwrap()
}

/// Uses a control, which has to work.
fn done(client: &mut Client, request: &str, body: &str) -> Value {
    let answer = control(client, request, body);
    assert_eq!(answer.status, 200, "{request}: {}", answer.body);
    answer.json()
}

fn records(client: &mut Client, owner: &str) -> Option<usize> {
    let answer = client.call(GET, &format!(r#"{{"From_Account":"{owner}","StartIndex":0}}"#));
    (answer.code() == 0).then(|| answer.json()["ContactItem"].as_array().unwrap().len())
}

fn mark(client: &mut Client, owner: &str, peer: &str) -> std::io::Result<Answer> {
    client.try_call(MARK, &format!(
        r#"{{"From_Account":"{owner}","MarkItem":[{{"OptType":1,"ContactItem":{{"Type":1,"To_Account":"{peer}"}},"SetMark":[1]}}]}}"#
    ))
}

#[test]
fn one_owner_one_app_or_everything_is_reset() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    import_accounts(&mut client, &["ann", "bob"].map(str::to_owned));
    mark(&mut client, "ann", "bob").unwrap();
    done(&mut client, "POST /_dev/reset", &json!({"SdkAppId": APP, "From_Account": "ann"}).to_string());
    assert_eq!((records(&mut client, "ann"), records(&mut client, "user0")), (None, Some(2)));
    done(&mut client, "POST /_dev/reset", &json!({"SdkAppId": 1}).to_string());
    assert_eq!(records(&mut client, "user0"), Some(2), "another app");
    done(&mut client, "POST /_dev/reset", &json!({"SdkAppId": APP}).to_string());
    assert_eq!(records(&mut client, "user0"), None);
    done(&mut client, "POST /_dev/reset", "");
    // As if nothing had ever been: numbers and ids begin anew.
    import_accounts(&mut client, &["ann", "bob"].map(str::to_owned));
    let create = r#"{"From_Account":"ann","GroupContactItem":[{"GroupName":"g","ContactItem":[{"Type":1,"To_Account":"bob"}]}]}"#;
    let reply = client.ok("recentcontact/create_contact_group", create);
    assert_eq!(reply["GroupResultItem"][0]["GroupItem"]["GroupId"], 1);
}

#[test]
fn lines_are_seeded_and_bad_ones_named() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let line = format!(
        r#"{{"Kind":"organizer","SdkAppId":{APP},"From_Account":"seeded","ContactItem":[{{"Type":1,"To_Account":"x","StandardMark":"1","Timestamp":1}}]}}"#
    );
    let reply = done(&mut client, "POST /_dev/seed", &line);
    assert_eq!((reply["Lines"].as_u64(), records(&mut client, "seeded")), (Some(1), Some(1)));
    let refused = control(&mut client, "POST /_dev/seed", "broken\n");
    assert_eq!((refused.status, refused.json()["Faults"][0]["Line"].as_u64()), (400, Some(1)));
}

#[test]
fn a_snapshot_is_brought_back_with_its_numbers() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let before = client.call(GET, BODY).body;
    done(&mut client, "POST /_dev/snapshot", r#"{"Name":"start"}"#);
    import_accounts(&mut client, &["peer".to_owned()]);
    mark(&mut client, "user0", "peer").unwrap();
    client.ok("recentcontact/del_contact_group", r#"{"From_Account":"user0","GroupName":["test1x"]}"#);
    assert_ne!(client.call(GET, BODY).body, before);
    for _ in 0..2 {
        done(&mut client, "POST /_dev/restore", r#"{"Name":"start"}"#);
        assert_eq!(client.call(GET, BODY).body, before);
        assert_eq!(records(&mut client, "peer"), None);
    }
    assert_eq!(done(&mut client, "GET /_dev/snapshots", ""), json!({"Snapshots": ["start"]}));
    let unknown = control(&mut client, "POST /_dev/restore", r#"{"Name":"none"}"#);
    assert_eq!((unknown.status, client.call(GET, BODY).body), (404, before));
}

#[test]
fn timestamps_and_signatures_follow_the_clock_and_rates_do_not() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let now = done(&mut client, "GET /_dev/clock", "")["Now"].as_u64().unwrap();
    let at = now + 100;
    assert_eq!(
        done(&mut client, "POST /_dev/clock", &json!({"Freeze": at}).to_string()),
        json!({"Now": at, "Frozen": true})
    );
    import_accounts(&mut client, &["peer".to_owned()]);
    assert_eq!(mark(&mut client, "user0", "peer").unwrap().code(), 0);
    let newest = |client: &mut Client| {
        client.call(GET, BODY).json()["ContactItem"].as_array().unwrap().last().unwrap()["Timestamp"].as_u64()
    };
    assert_eq!(newest(&mut client), Some(at));
    // The harness signs for a day; the signature is remembered by now.
    done(&mut client, "POST /_dev/clock", r#"{"Advance":86000}"#);
    assert_eq!(client.call(GET, BODY).code(), 0);
    done(&mut client, "POST /_dev/clock", r#"{"Advance":500}"#);
    assert_eq!(client.call(GET, BODY).code(), 70001);
    done(&mut client, "POST /_dev/clock", r#"{"Resume":true}"#);
    assert_eq!(client.call(GET, BODY).code(), 0);
    done(&mut client, "POST /_dev/clock", r#"{"Freeze":true}"#);
    // Windows of a second go on: more than 200 calls in all, though the clock stands still.
    let mut refused = 0;
    for _ in 0..450 {
        while client.call(GET, BODY).code() == 60007 {
            refused += 1;
        }
    }
    assert!(refused > 0, "rates are counted all the same");
    let nonsense = control(&mut client, "POST /_dev/clock", r#"{"Freeze":true,"Advance":1}"#);
    assert!(nonsense.status == 400 && nonsense.body.contains("give one of Freeze"), "{}", nonsense.body);
}

#[test]
fn faults_strike_those_whom_they_name() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    import_accounts(&mut client, &["peer", "other"].map(str::to_owned));
    let add = |client: &mut Client, rule: Value| done(client, "POST /_dev/faults", &rule.to_string());
    add(&mut client, json!({"Command": "mark_contact", "From_Account": "user0", "Code": 60007, "Times": 1}));
    add(&mut client, json!({"Command": "get_contact_group", "Code": 50005, "Info": "slow", "Times": 1}));
    assert_eq!(mark(&mut client, "other", "peer").unwrap().code(), 0, "another owner");
    let refused = mark(&mut client, "user0", "peer").unwrap();
    assert_eq!(
        (refused.code(), refused.json()["ErrorInfo"].as_str()),
        (60007, Some("injected by the fault rule 1"))
    );
    let refused = client.call(GET, BODY);
    assert_eq!((refused.code(), refused.json()["ErrorInfo"].as_str()), (50005, Some("slow")));
    assert_eq!(records(&mut client, "user0"), Some(2), "without effect; and both have ended");
    // A lost answer: the change is there, the answer is not.
    add(&mut client, json!({"Command": "mark_contact", "LoseAnswer": true, "Times": 1}));
    assert!(mark(&mut client, "user0", "peer").is_err());
    let mut client = server.client();
    assert_eq!(records(&mut client, "user0"), Some(3));
    // A dropped connection: neither.
    add(&mut client, json!({"Drop": true, "Times": 1}));
    assert!(mark(&mut client, "user0", "other").is_err());
    let mut client = server.client();
    assert_eq!(records(&mut client, "user0"), Some(3));
    let rules = done(&mut client, "GET /_dev/faults", "");
    let struck: Vec<_> =
        rules["Faults"].as_array().unwrap().iter().map(|rule| rule["Struck"].as_u64().unwrap()).collect();
    assert_eq!(struck, [1, 1, 1, 1]);
    // Latency: longer than a call may take.
    add(&mut client, json!({"LatencyMs": 60_000, "Times": 1}));
    assert_eq!(client.call(GET, BODY).code(), 60008);
    assert_eq!(done(&mut client, "DELETE /_dev/faults", ""), json!({"Removed": 5}));
    let refused = control(&mut client, "POST /_dev/faults", r#"{"Cod":1}"#);
    assert!(refused.status == 400 && refused.body.contains("unknown field `Cod`"), "{}", refused.body);
}

#[test]
fn the_journal_tells_what_was_asked_and_why_it_was_refused() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.call(GET, BODY);
    client.call(GET, r#"{"From_Account":"user0"}"#);
    client.call(GET, "no json");
    let target = client.target("recentcontact/nothing");
    client.post(&target, "{}").unwrap();
    let journal = done(&mut client, "GET /_dev/journal?Limit=10", "");
    let calls = journal["Calls"].as_array().unwrap();
    let codes: Vec<_> = calls.iter().map(|call| call["Code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [0, 50002, 60003, 60009]);
    assert_eq!(
        calls[1]["Why"],
        "StartIndex is missing (an integer: 0, then NextStartIndex of the reply before)"
    );
    assert_eq!(calls[0]["Request"], json!({"From_Account": "user0", "StartIndex": 0}));
    assert_eq!(calls[0]["Reply"]["CompleteFlag"], 1);
    assert_eq!((&calls[2]["Request"], &calls[0]["SdkAppId"]), (&json!("no json"), &json!(APP)));
    let text = journal.to_string();
    assert!(!text.contains("usersig") && !text.contains("eJ"), "no signature: {text}");
    let one = done(&mut client, "GET /_dev/journal?Code=50002", "");
    assert_eq!(one["Calls"].as_array().unwrap().len(), 1);
    let one = done(&mut client, "GET /_dev/journal?Command=nothing", "");
    assert_eq!(one["Calls"].as_array().unwrap().len(), 1);
    for _ in 0..550 {
        client.call(GET, BODY);
    }
    let all = done(&mut client, "GET /_dev/journal?Limit=9999", "");
    assert_eq!(all["Calls"].as_array().unwrap().len(), 500, "no more are remembered");
    done(&mut client, "DELETE /_dev/journal", "");
    assert_eq!(done(&mut client, "GET /_dev/journal", ""), json!({"Calls": []}));
}

/// Every path, with and without guessed tokens, on a server that is not for development.
#[test]
fn outside_dev_every_path_is_refused() {
    let (_site, server, mut client) = serving("", "directory = \"open\"");
    mark(&mut client, "user0", "peer").unwrap();
    for guess in [
        "",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer token\r\n",
        "Authorization: Basic YTpi\r\n",
        "X-Token: dev\r\n",
    ] {
        for path in [
            "reset",
            "seed",
            "snapshot",
            "restore",
            "snapshots",
            "clock",
            "faults",
            "journal",
            "",
            "x",
            "../_dev/reset",
        ] {
            for method in ["GET", "POST", "DELETE", "PUT", "PATCH"] {
                let body = r#"{"Name":"x","Advance":1}"#;
                let request = format!(
                    "{method} /_dev/{path} HTTP/1.1\r\nHost: x\r\n{guess}Content-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let answer = server.client().raw(request.as_bytes()).unwrap();
                assert_eq!(answer.status, 403, "{method} {path} {guess}: {}", answer.body);
                assert!(answer.body.contains("controls.token_file"), "{}", answer.body);
            }
        }
    }
    assert_eq!(records(&mut client, "user0"), Some(1));
}

#[test]
fn a_web_page_cannot_use_them() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let request =
        "POST /_dev/reset HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client.raw(request.as_bytes()).unwrap().status, 403);
    assert_eq!(records(&mut client, "user0"), Some(2));
    let unknown = control(&mut client, "GET /_dev/nothing", "");
    assert!(
        unknown.status == 404
            && unknown.body.contains("there is no GET of /_dev/nothing; there are GET and DELETE journal")
    );
}

#[test]
fn what_is_misspelt_or_null_does_not_widen_what_is_done() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    done(&mut client, "POST /_dev/faults", r#"{"Command":"destroy_group","Code":60007}"#);
    for (request, body) in [
        ("DELETE /_dev/faults?id=99", ""),
        ("DELETE /_dev/faults?Id", ""),
        ("POST /_dev/reset", r#"{"SdkAppId":null}"#),
        ("POST /_dev/reset", "[1,2]"),
        ("POST /_dev/clock", r#"{"Freeze":9223372036854775807}"#),
        ("POST /_dev/clock", r#"{"Freeze":0}"#),
    ] {
        assert_eq!(control(&mut client, request, body).status, 400, "{request} {body}");
    }
    assert_eq!(records(&mut client, "user0"), Some(2));
    assert_eq!(done(&mut client, "GET /_dev/faults", "")["Faults"].as_array().unwrap().len(), 1);
    let host = |host: &str| {
        let request = format!("GET /_dev/journal HTTP/1.1\r\nHost: {host}\r\n\r\n");
        server.client().raw(request.as_bytes()).unwrap().status
    };
    let allowed = ["localhost:8080", "127.0.0.1", "[::1]:80", "confold:8080", "host.docker.internal"];
    assert_eq!(allowed.map(host), [200; 5]);
    assert_eq!((host("evil.example"), host("evil.example:8080")), (403, 403));
}

#[test]
fn a_state_is_brought_back_whole_by_many_at_once() {
    let server = Server::dev(&[]);
    done(&mut server.client(), "POST /_dev/snapshot", r#"{"Name":"s"}"#);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = server.client();
                for _ in 0..4 {
                    let lines = done(&mut client, "POST /_dev/restore", r#"{"Name":"s"}"#)["Lines"].as_u64();
                    assert!(lines.is_some_and(|lines| lines > 5), "{lines:?}");
                }
            });
        }
    });
    assert_eq!(records(&mut server.client(), "user0"), Some(2));
}

#[test]
fn what_is_kept_is_written_at_exit_and_the_address_while_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let (file, ready) = (folder.path().join("out.ndjson"), folder.path().join("ready"));
    std::fs::write(&ready, "left behind").unwrap();
    let server =
        Server::dev(&["--export-on-exit", file.to_str().unwrap(), "--ready-file", ready.to_str().unwrap()]);
    while !std::fs::read_to_string(&ready).is_ok_and(|text| text.starts_with("http")) {}
    assert_eq!(std::fs::read_to_string(&ready).unwrap(), format!("http://{}\n", server.address));
    let url = format!("http://{}", server.address);
    let health = || {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_confold"))
            .args(["healthcheck", "--url", &url])
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(health(), (true, "ready\n".to_owned()));
    import_accounts(&mut server.client(), &["written".to_owned()]);
    server.terminate();
    assert!(server.ended_well());
    assert!(std::fs::read_to_string(&file).unwrap().contains(r#""UserID":"written""#));
    assert!(!ready.exists());
    assert!(!health().0);
    for option in ["--ready-file", "--export-on-exit"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_confold"))
            .args(["dev", "--listen", "127.0.0.1:0", option, "/nowhere/file"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("cannot write /nowhere/file"), "{said}");
    }
    // A server that cannot start leaves no file of an earlier one behind.
    std::fs::write(&ready, "left behind").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let failed = std::process::Command::new(env!("CARGO_BIN_EXE_confold"))
        .args(["dev", "--listen", &address, "--ready-file", ready.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(!failed.status.success() && !ready.exists());
}
