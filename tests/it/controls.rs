//! Tests the controls under `/_dev/`.

use serde_json::{Value, json};

use crate::{
    bodies::{create_contact_group, del_contact_group, get_contact_group, mark_contact, user},
    harness::{APP, Answer, Client, Server, eventually, import_accounts},
    serving::serving,
    wait::Finish,
    windows::assert_calls_a_second,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

/// Sends a request to a control.
fn control(client: &mut Client, request: &str, body: &str) -> Answer {
    let length = body.len();
    client
        .raw(format!("{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes())
        .unwrap()
}

/// Sends a request to a control, which has to succeed.
fn done(client: &mut Client, request: &str, body: &str) -> Value {
    let answer = control(client, request, body);
    assert_eq!(answer.status, 200, "{request}: {}", answer.body);
    answer.json()
}

fn records(client: &mut Client, owner: &str) -> Option<usize> {
    let answer = client.make(&get_contact_group(owner));
    (answer.code() == 0).then(|| answer.json()["ContactItem"].as_array().unwrap().len())
}

fn mark(client: &mut Client, owner: &str, peer: &str) -> std::io::Result<Answer> {
    let mark = mark_contact(owner).set(user(peer), [1]);
    client.try_call(mark.command, &mark.body())
}

#[test]
fn one_owner_one_app_or_everything_is_reset() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    import_accounts(&mut client, &["ann", "bob"].map(str::to_owned));
    mark(&mut client, "ann", "bob").unwrap();
    done(&mut client, "POST /_dev/reset", &json!({"SdkAppId": APP, "From_Account": "ann"}).to_string());
    assert_eq!((records(&mut client, "ann"), records(&mut client, "user0")), (None, Some(2)));
    done(&mut client, "POST /_dev/reset", &json!({"SdkAppId": 1_400_000_000}).to_string());
    assert_eq!(records(&mut client, "user0"), Some(2), "another app");
    done(&mut client, "POST /_dev/reset", &json!({"SdkAppId": APP}).to_string());
    assert_eq!(records(&mut client, "user0"), None);
    done(&mut client, "POST /_dev/reset", "");
    // Everything is as in a new store: numbers and ids start from the beginning.
    import_accounts(&mut client, &["ann", "bob"].map(str::to_owned));
    let reply = client.does(&create_contact_group("ann", "g").with(user("bob")));
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
fn a_snapshot_is_restored_with_its_numbers() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let before = client.call(GET, BODY).body;
    done(&mut client, "POST /_dev/snapshot", r#"{"Name":"start"}"#);
    import_accounts(&mut client, &["peer".to_owned()]);
    mark(&mut client, "user0", "peer").unwrap();
    client.does(&del_contact_group("user0", &["test1x"]));
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
    // The signature is valid for a day and is already cached.
    done(&mut client, "POST /_dev/clock", r#"{"Advance":86000}"#);
    assert_eq!(client.call(GET, BODY).code(), 0);
    done(&mut client, "POST /_dev/clock", r#"{"Advance":500}"#);
    assert_eq!(client.call(GET, BODY).code(), 70001);
    done(&mut client, "POST /_dev/clock", r#"{"Resume":true}"#);
    assert_eq!(client.call(GET, BODY).code(), 0);
    done(&mut client, "POST /_dev/clock", r#"{"Freeze":true}"#);
    // The rate limit's windows advance even though the clock is frozen.
    assert_calls_a_second(&mut client, GET, BODY, 200, 60007);
    let nonsense = control(&mut client, "POST /_dev/clock", r#"{"Freeze":true,"Advance":1}"#);
    assert!(nonsense.status == 400 && nonsense.body.contains("give one of Freeze"), "{}", nonsense.body);
}

#[test]
fn fault_rules_apply_only_to_matching_calls() {
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
    assert_eq!(records(&mut client, "user0"), Some(2), "the refused calls should have no effect");
    // An answer is lost: the change is made, but no answer arrives.
    add(&mut client, json!({"Command": "mark_contact", "LoseAnswer": true, "Times": 1}));
    assert!(mark(&mut client, "user0", "peer").is_err());
    let mut client = server.client();
    assert_eq!(records(&mut client, "user0"), Some(3));
    // A connection is dropped: no change is made, and no answer arrives.
    add(&mut client, json!({"Drop": true, "Times": 1}));
    assert!(mark(&mut client, "user0", "other").is_err());
    let mut client = server.client();
    assert_eq!(records(&mut client, "user0"), Some(3));
    let rules = done(&mut client, "GET /_dev/faults", "");
    let struck: Vec<_> =
        rules["Faults"].as_array().unwrap().iter().map(|rule| rule["Struck"].as_u64().unwrap()).collect();
    assert_eq!(struck, [1, 1, 1, 1]);
    // The latency is longer than a call may take.
    add(&mut client, json!({"LatencyMs": 60_000, "Times": 1}));
    assert_eq!(client.call(GET, BODY).code(), 60008);
    assert_eq!(done(&mut client, "DELETE /_dev/faults", ""), json!({"Removed": 5}));
    let refused = control(&mut client, "POST /_dev/faults", r#"{"Cod":1}"#);
    assert!(refused.status == 400 && refused.body.contains("did you mean Code?"), "{}", refused.body);
}

#[test]
fn the_journal_shows_requests_and_reasons_for_refusals() {
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
        "StartIndex is missing (an integer: 0 for the first page, then the NextStartIndex of the previous reply)"
    );
    assert_eq!(calls[0]["Request"], json!({"From_Account": "user0", "StartIndex": 0}));
    assert_eq!(calls[0]["Reply"]["CompleteFlag"], 1);
    assert_eq!((&calls[2]["Request"], &calls[0]["SdkAppId"]), (&json!("no json"), &json!(APP)));
    let text = journal.to_string();
    assert!(
        !text.contains("usersig") && !text.contains("eJ"),
        "the journal should contain no signature: {text}"
    );
    let one = done(&mut client, "GET /_dev/journal?Code=50002", "");
    assert_eq!(one["Calls"].as_array().unwrap().len(), 1);
    let one = done(&mut client, "GET /_dev/journal?Command=nothing", "");
    assert_eq!(one["Calls"].as_array().unwrap().len(), 1);
    for _ in 0..550 {
        client.call(GET, BODY);
    }
    let all = done(&mut client, "GET /_dev/journal?Limit=9999", "");
    assert_eq!(all["Calls"].as_array().unwrap().len(), 500, "the journal should keep 500 calls");
    done(&mut client, "DELETE /_dev/journal", "");
    assert_eq!(done(&mut client, "GET /_dev/journal", ""), json!({"Calls": []}));
}

/// Tries every path, with and without guessed tokens, on a server without controls.
#[test]
fn without_controls_every_path_is_refused() {
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
            && unknown.body.contains(
                "GET /_dev/nothing does not exist; available below /_dev/ are GET and DELETE journal"
            )
    );
}

#[test]
fn misspelt_or_null_parameters_do_not_widen_a_request() {
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
fn a_reset_reports_what_stays_and_resets_the_controls_on_request() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    client.call(GET, BODY);
    done(&mut client, "POST /_dev/faults", r#"{"Command":"destroy_group","Code":60007}"#);
    done(&mut client, "POST /_dev/snapshot", r#"{"Name":"start"}"#);
    done(&mut client, "POST /_dev/clock", r#"{"Freeze":1700000000}"#);
    let stays = |clock: &str, faults: u32, journal: u32, snapshots: u32| json!({"Stays": {"Clock": clock, "Faults": faults, "Journal": journal, "Snapshots": snapshots}});
    assert_eq!(done(&mut client, "POST /_dev/reset", ""), stays("frozen", 1, 1, 1));
    let narrow = json!({"SdkAppId": APP, "Controls": false}).to_string();
    assert_eq!(done(&mut client, "POST /_dev/reset", &narrow), stays("frozen", 1, 1, 1));
    done(&mut client, "POST /_dev/clock", r#"{"Resume":true}"#);
    done(&mut client, "POST /_dev/clock", r#"{"Advance":60}"#);
    assert_eq!(done(&mut client, "POST /_dev/reset", ""), stays("moved on", 1, 1, 1));
    let all = done(&mut client, "POST /_dev/reset", r#"{"Controls":true}"#);
    assert_eq!(all, stays("as the system's", 0, 0, 0));
    assert_eq!(done(&mut client, "GET /_dev/faults", ""), json!({"Faults": []}));
    assert_eq!(done(&mut client, "GET /_dev/journal", ""), json!({"Calls": []}));
    assert_eq!(done(&mut client, "GET /_dev/snapshots", ""), json!({"Snapshots": []}));
}

/// Mistaken requests to the controls: request, body, status, and a part of the message.
const MISTAKES: &[(&str, &str, u16, &str)] = &[
    (
        "POST /_dev/reset",
        r#"{"SdkAppId":1}"#,
        400,
        "SdkAppId: this server has no app 1 and no data about it; the apps are 88888888, 1400000000",
    ),
    ("POST /_dev/reset", r#"{"SdkAppId":1,"From_Account":"user0"}"#, 400, "this server has no app 1 and"),
    (
        "POST /_dev/reset",
        r#"{"SdkAppId":0}"#,
        400,
        "SdkAppId must be a number from 1 to 4294967295, found the number 0",
    ),
    (
        "POST /_dev/reset",
        r#"{"SdkAppID":88888888}"#,
        400,
        "SdkAppID is refused: the body of /_dev/reset has no such field; did you mean SdkAppId?",
    ),
    ("POST /_dev/reset", r#"{"SdkAppId":88888888,"From_Acount":"ann"}"#, 400, "did you mean From_Account?"),
    ("POST /_dev/reset", r#"{"SdkAppId":88888888,"From_Account":""}"#, 400, "From_Account is refused: "),
    ("POST /_dev/reset", r#"{"Control":true}"#, 400, "did you mean Controls?"),
    ("POST /_dev/reset", r#"{"Controls":"yes"}"#, 400, "Controls must be true or false, found the string"),
    (
        "POST /_dev/reset",
        r#"{"From_Account":"ann"}"#,
        400,
        "From_Account is refused: it requires SdkAppId as well",
    ),
    (
        "POST /_dev/reset",
        r#"{"SdkAppId":"#,
        400,
        "the body is not a JSON object: it ends at byte 12, before the value is complete",
    ),
    (
        "POST /_dev/reset",
        "everything",
        400,
        r#"the body is not a JSON object: \"e\" is not expected at column 1"#,
    ),
    ("POST /_dev/snapshot", "{}", 400, "Name is missing"),
    (
        "POST /_dev/snapshot",
        r#"{"Name":""}"#,
        400,
        "the name of the snapshot is empty; choose one, such as start",
    ),
    ("POST /_dev/snapshot", r#"{"Name":7}"#, 400, "Name must be a string, found the number 7"),
    (
        "POST /_dev/restore",
        r#"{"Name":"starts"}"#,
        404,
        r#"there is no snapshot \"starts\"; did you mean \"start\"?"#,
    ),
    (
        "DELETE /_dev/snapshots?Name=star",
        "",
        404,
        r#"there is no snapshot \"star\"; did you mean \"start\"?"#,
    ),
    ("DELETE /_dev/snapshots?Nam=start", "", 400, "did you mean Name?"),
    ("DELETE /_dev/snapshots?Name=", "", 400, "the parameter Name is empty; omit it or give it a value"),
    ("DELETE /_dev/snapshots?Name=start&Name=other", "", 400, "the parameter Name is given twice"),
    (
        "DELETE /_dev/snapshots",
        r#"{"Name":"start"}"#,
        400,
        "DELETE /_dev/snapshots takes no body; use query parameters instead",
    ),
    ("DELETE /_dev/faults", r#"{"Id":1}"#, 400, "DELETE /_dev/faults takes no body"),
    ("DELETE /_dev/faults?Id=one", "", 400, r#"Id must be a number from 0 to 4294967295, found \"one\""#),
    ("GET /_dev/journal?Comand=mark_contact", "", 400, "did you mean Command?"),
    (
        "GET /_dev/journal?Command=mark_contacts",
        "",
        400,
        r#"Command: there is no command \"mark_contacts\", and no call of it in the journal; did you mean mark_contact?"#,
    ),
    ("GET /_dev/journal?Command=", "", 400, "the parameter Command is empty"),
    (
        "GET /_dev/journal?Code=5002",
        "",
        400,
        "Code must be 0 or an error code from 10000 to 99999, found 5002",
    ),
    ("GET /_dev/clock?At=1", "", 400, r#"this request has no parameter \"At=1\"; it takes none"#),
    (
        "POST /_dev/clock",
        r#"{"Freeze":"now"}"#,
        400,
        r#"Freeze must be true, or a time in seconds since 1970, from 1 to 253402300799, found the string \"now\""#,
    ),
    (
        "POST /_dev/clock",
        r#"{"Freeze":false}"#,
        400,
        "Freeze must be true, or a time in seconds since 1970, from 1 to 253402300799, found the boolean false",
    ),
    ("POST /_dev/clock", r#"{"Freeze":1.5}"#, 400, "found the number 1.5"),
    (
        "POST /_dev/clock",
        r#"{"Advance":-1}"#,
        400,
        "Advance must be a number of seconds from 0 to 4294967295, found the number -1",
    ),
    ("POST /_dev/clock", r#"{"Resume":false}"#, 400, "Resume must be true, found the boolean false"),
    ("POST /_dev/clock", r#"{"Frieze":true}"#, 400, "did you mean Freeze?"),
    ("POST /_dev/clock", "{}", 400, "the body is refused: give one of Freeze"),
    ("POST /_dev/faults", r#"{"Command":"mark_contcat","Code":60007}"#, 400, "did you mean mark_contact?"),
    (
        "POST /_dev/faults",
        r#"{"Code":60007,"Times":"twice"}"#,
        400,
        "Times must be a number from 0 to 4294967295, found the string",
    ),
    (
        "POST /_dev/faults",
        r#"{"Code":60007,"Probability":"all"}"#,
        400,
        "Probability must be a number from 0 to 1, found the string",
    ),
    ("POST /_dev/faults", r#"{"Code":60007,"Latency_Ms":1}"#, 400, "did you mean LatencyMs?"),
    ("GET /_dev/snapshot", "", 404, "GET /_dev/snapshot does not exist; available below /_dev/ are"),
    ("GET /_dev/jurnal", "", 404, "GET /_dev/jurnal does not exist; did you mean /_dev/journal?"),
];

#[test]
fn mistaken_control_requests_are_refused_with_a_suggestion() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    done(&mut client, "POST /_dev/snapshot", r#"{"Name":"start"}"#);
    done(&mut client, "POST /_dev/faults", r#"{"Command":"destroy_group","Code":60007}"#);
    for (request, body, status, said) in MISTAKES {
        let answer = control(&mut client, request, body);
        assert!(
            answer.status == *status && answer.body.contains(said),
            "{request} {body}: {} {}",
            answer.status,
            answer.body
        );
        let reply = answer.json();
        assert_eq!((&reply["ActionStatus"], reply["ErrorCode"].is_u64()), (&json!("FAIL"), true), "{reply}");
        for theirs in ["untagged", "expected value", "invalid type", "unknown field", "line 1 column"] {
            assert!(!answer.body.contains(theirs), "{}", answer.body);
        }
    }
    assert_eq!(records(&mut client, "user0"), Some(2), "nothing should have been reset");
    assert_eq!(done(&mut client, "GET /_dev/snapshots", ""), json!({"Snapshots": ["start"]}));
    assert_eq!(done(&mut client, "GET /_dev/faults", "")["Faults"].as_array().unwrap().len(), 1);
    // A known command, and an app that has data without being served, are accepted.
    assert_eq!(done(&mut client, "GET /_dev/journal?Command=destroy_group", ""), json!({"Calls": []}));
    done(&mut client, "POST /_dev/seed", r#"{"Kind":"account","SdkAppId":7,"UserID":"a"}"#);
    done(&mut client, "POST /_dev/reset", "\u{feff}{\"SdkAppId\":7}");
}

#[test]
fn snapshots_and_fault_rules_are_bounded_and_can_be_removed() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let named = |name: &str| json!({ "Name": name }).to_string();
    for number in 0..99 {
        done(&mut client, "POST /_dev/snapshot", &named(&format!("s{number}")));
    }
    done(&mut client, "POST /_dev/snapshot", &named("with a blank & more"));
    let full = control(&mut client, "POST /_dev/snapshot", &named("one more"));
    assert!(
        full.status == 400
            && full.body.contains("there are already 100 snapshots, the maximum; reuse the name of one of them, or remove some with DELETE /_dev/snapshots"),
        "{}",
        full.body
    );
    done(&mut client, "POST /_dev/snapshot", &named("s7"));
    let long = control(&mut client, "POST /_dev/snapshot", &named(&"x".repeat(257)));
    assert!(long.status == 400 && long.body.contains("at most 256 bytes, found 257"), "{}", long.body);
    let one = done(&mut client, "DELETE /_dev/snapshots?Name=with%20a%20blank%20%26%20more", "");
    assert_eq!(one, json!({"Removed": 1}));
    done(&mut client, "POST /_dev/snapshot", &named("one more"));
    assert_eq!(done(&mut client, "DELETE /_dev/snapshots", ""), json!({"Removed": 100}));
    assert_eq!(done(&mut client, "GET /_dev/snapshots", ""), json!({"Snapshots": []}));
    for _ in 0..1_000 {
        done(&mut client, "POST /_dev/faults", r#"{"Command":"destroy_group","Drop":true}"#);
    }
    let full = control(&mut client, "POST /_dev/faults", r#"{"Command":"destroy_group","Drop":true}"#);
    assert!(
        full.status == 400
            && full.body.contains(
                "there are already 1000 fault rules, the maximum; remove some with DELETE /_dev/faults"
            ),
        "{}",
        full.body
    );
}

#[test]
fn a_slow_body_does_not_block_other_requests() {
    let server = Server::dev(&[]);
    let line = r#"{"Kind":"account","SdkAppId":88888888,"UserID":"slow"}"#;
    // Each client withholds the last byte of its body.
    let slow = [
        ("reset", r#"{"SdkAppId":1400000000}"#),
        ("seed", line),
        ("snapshot", r#"{"Name":"slow"}"#),
        ("restore", r#"{"Name":"quick"}"#),
        ("clock", r#"{"Resume":true}"#),
    ];
    let mut waiting: Vec<(Client, &str)> = (slow.iter())
        .map(|(path, body)| {
            let mut client = server.client();
            let (begun, last) = body.split_at(body.len() - 1);
            let length = body.len();
            let request =
                format!("POST /_dev/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{begun}");
            client.send(request.as_bytes()).unwrap();
            (client, last)
        })
        .collect();
    let mut client = server.client();
    for _ in 0..3 {
        done(&mut client, "POST /_dev/snapshot", r#"{"Name":"quick"}"#);
        done(&mut client, "POST /_dev/seed", r#"{"Kind":"account","SdkAppId":88888888,"UserID":"quick"}"#);
        done(&mut client, "POST /_dev/restore", r#"{"Name":"quick"}"#);
        done(&mut client, "GET /_dev/journal", "");
    }
    assert_eq!(
        records(&mut client, "slow"),
        None,
        "no part of a body should be applied before it is complete"
    );
    for (client, last) in &mut waiting {
        client.send(last.as_bytes()).unwrap();
        let answer = client.answer(false).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    // The last request restored a snapshot without the user `slow`.
    assert_eq!(done(&mut client, "GET /_dev/snapshots", ""), json!({"Snapshots": ["quick", "slow"]}));
}

#[test]
fn lines_that_break_off_change_nothing() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let line = r#"{"Kind":"account","SdkAppId":88888888,"UserID":"early"}"#;
    let chunk = format!("{:x}\r\n{line}\n\r\n", line.len() + 1);
    let request =
        format!("POST /_dev/seed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}zz\r\n");
    client.send(request.as_bytes()).unwrap();
    let answer = client.answer(false).unwrap();
    assert!(answer.status == 400 && answer.body.contains("nothing was applied"), "{}", answer.body);
    assert_eq!(records(&mut server.client(), "early"), None);
}

#[test]
fn a_restore_completes_even_if_its_client_disconnects() {
    let server = Server::dev(&[]);
    let account =
        |number| format!("{{\"Kind\":\"account\",\"SdkAppId\":88888888,\"UserID\":\"u{number}\"}}\n");
    let lines: String = (0..5_000).map(account).collect();
    done(&mut server.client(), "POST /_dev/seed", &lines);
    done(&mut server.client(), "POST /_dev/snapshot", r#"{"Name":"s"}"#);
    let mut client = server.client();
    let body = r#"{"Name":"s"}"#;
    let request =
        format!("POST /_dev/restore HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    client.send(request.as_bytes()).unwrap();
    drop(client);
    // This snapshot is taken after the restore that is in progress.
    done(&mut server.client(), "POST /_dev/snapshot", r#"{"Name":"after"}"#);
    assert_eq!(records(&mut server.client(), "u4999"), Some(0));
}

#[test]
fn concurrent_restores_leave_a_complete_state() {
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
fn the_export_is_written_at_exit_and_the_address_while_serving() {
    let folder = tempfile::tempdir().unwrap();
    let (file, ready) = (folder.path().join("out.ndjson"), folder.path().join("ready"));
    std::fs::write(&ready, "left behind").unwrap();
    let server =
        Server::dev(&["--export-on-exit", file.to_str().unwrap(), "--ready-file", ready.to_str().unwrap()]);
    eventually("the ready file is written", || {
        std::fs::read_to_string(&ready).is_ok_and(|text| text.starts_with("http"))
    });
    assert_eq!(std::fs::read_to_string(&ready).unwrap(), format!("http://{}\n", server.address));
    let url = format!("http://{}", server.address);
    let health = || {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_confold"))
            .args(["healthcheck", "--url", &url])
            .finish();
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
            .finish();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("cannot write /nowhere/file"), "{said}");
    }
    // A server that fails to start removes the ready file of an earlier one.
    std::fs::write(&ready, "left behind").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let failed = std::process::Command::new(env!("CARGO_BIN_EXE_confold"))
        .args(["dev", "--listen", &address, "--ready-file", ready.to_str().unwrap()])
        .finish();
    assert!(!failed.status.success() && !ready.exists());
}
