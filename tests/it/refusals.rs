//! Tests what programs can read of a refusal: the vendor's texts, the names of unknown commands and parameters, and
//! what appears in the log, the journal and a header.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use confold::api::Absent;
use serde_json::{Value, json};

use crate::harness::{ADMIN, APP, Client, KEY, Server, eventually, query, sign};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
const CREATE: &str = "group_open_http_svc/create_group";
const HINT: &str = "x-confold-hint";

/// Encodes text as in a UserSig, with characters that are safe in URLs.
pub(crate) fn packed(members: &Value) -> String {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(members.to_string().as_bytes()).unwrap();
    STANDARD.encode(packer.finish().unwrap()).replace('+', "*").replace('/', "-").replace('=', "_")
}

fn info(client: &mut Client, target: &str) -> (u64, String) {
    let answer = client.post(target, BODY).unwrap();
    (answer.code(), answer.json()["ErrorInfo"].as_str().unwrap().to_owned())
}

fn journal(client: &mut Client, query: &str) -> Value {
    client.raw(format!("GET /_dev/journal{query} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap().json()
}

#[test]
fn random_may_be_anything_or_nothing() {
    let server = Server::dev(&[]);
    let strict = Server::dev(&["--strict"]);
    let (mut client, mut strict) = (server.client(), strict.client());
    let target = client.target(GET);
    assert!(target.contains("random=99999999"));
    for (random, is_number) in [
        ("random=6f1c7ad2-3f0e-4a7e-9b0e-2f6f3b1b5c11", false),
        ("random=1764237600123", false),
        ("random=123456789012345678901234567", false),
        ("random=abc", false),
        ("random=+1", false),
        ("random=", false),
        ("random", false),
        ("random=%ff%fe", false),
        ("random=%zz", false),
        ("random=5&random=x", true),
        ("random=079924292", true),
        ("x=1", true),
    ] {
        let target = target.replace("random=99999999", random);
        assert_eq!(client.post(&target, BODY).unwrap().code(), 0, "{random}");
        let code = if is_number { 0 } else { 60002 };
        assert_eq!(strict.post(&target, BODY).unwrap().code(), code, "{random} in the strict mode");
    }
}

#[test]
fn texts_that_programs_compare_are_exactly_the_vendors_and_our_explanation_is_the_hint() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let server = Server::logging_to(log.reopen().unwrap());
    let mut client = server.client();
    client.ok(CREATE, r#"{"Owner_Account":"user0","Type":"Public","GroupId":"g","Name":"n"}"#);
    let many = "ü".repeat(121);
    let cases = [
        (
            json!({"Owner_Account": "user0", "Type": "Public", "GroupId": "g", "Name": "n"}),
            (10025, "group id has be used by youself!"),
            r#"the group id "g" is already used by a chat group of the same owner; it can be used as it is"#,
        ),
        (
            json!({"Owner_Account": "teacher4", "Type": "Public", "GroupId": "g", "Name": "n"}),
            (10021, "group id has be used!"),
            r#"the group id "g" is already used by a chat group of another owner"#,
        ),
        (
            json!({"Type": "Public", "Name": many}),
            (10004, "group name is too long"),
            "Name is refused: it may have at most 30 bytes, found 242",
        ),
        (
            json!({"Type": "Public", "Name": "n", "Introduction": many}),
            (10004, "introduction is too long"),
            "Introduction is refused: it may have at most 240 bytes, found 242",
        ),
    ];
    for (body, (code, sentence), hint) in &cases {
        let answer = client.call(CREATE, &body.to_string());
        let expected = json!({"ActionStatus": "FAIL", "ErrorCode": code, "ErrorInfo": sentence});
        assert_eq!(answer.json(), expected);
        assert_eq!(answer.headers[HINT], *hint);
    }
    let calls = journal(&mut client, "?Command=create_group");
    for (call, (_, (code, sentence), hint)) in calls["Calls"].as_array().unwrap()[1..].iter().zip(&cases) {
        assert_eq!((&call["Code"], &call["Why"]), (&json!(code), &json!(hint)));
        assert_eq!(call["Reply"]["ErrorInfo"], *sentence);
    }
    // Other texts of the same service are confold's own, so they need no hint.
    let other = client
        .call(CREATE, &json!({"Type": "Public", "Name": "n", "Notification": "x".repeat(301)}).to_string());
    assert_eq!(
        other.json()["ErrorInfo"],
        "Notification is refused: it may have at most 300 bytes, found 301"
    );
    assert!(!other.headers.contains_key(HINT));
    // A refused item of a successful call contains the vendor's text, but the answer has no hint header.
    let deleted = client.call("im_open_login_svc/account_delete", r#"{"DeleteItem":[{"UserID":"ghost"}]}"#);
    let item = json!({"ResultCode": 70107, "ResultInfo": "Err_TLS_PT_Open_Login_Account_Not_Exist", "UserID": "ghost"});
    assert_eq!((deleted.code(), &deleted.json()["ResultItem"][0]), (0, &item));
    assert!(!deleted.headers.contains_key(HINT));
    let why = r#"DeleteItem: the account "ghost" has not been imported"#;
    assert_eq!(journal(&mut client, "?Command=account_delete")["Calls"][0]["Why"], why);
    let logged = |field: &str, said: &str| {
        let text = std::fs::read_to_string(log.path()).unwrap();
        text.lines().any(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line[field] == said))
    };
    eventually("the explanations are in the log", || {
        cases.iter().all(|(.., hint)| logged("error", hint)) && logged("hint", why)
    });
}

#[test]
fn a_hint_is_a_header_that_nobody_can_forge_and_stands_on_failed_calls_only() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let good = client.call(GET, BODY);
    assert!(!good.headers.keys().any(|name| name.starts_with("x-")), "{:?}", good.headers);
    // Try the longest possible id, and one that looks like a signature.
    let signature = &sign(APP, ADMIN, KEY)[..47];
    for id in [format!("{}!", "~".repeat(47)), signature.to_owned()] {
        let body =
            json!({"Owner_Account": "user0", "Type": "Public", "GroupId": id, "Name": "n"}).to_string();
        let made = client.call(CREATE, &body);
        assert!(made.code() == 0 && !made.headers.contains_key(HINT));
        let hint = client.call(CREATE, &body).headers[HINT].clone();
        assert!(hint.len() <= 1_024 && hint.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{hint}");
        assert!(hint.starts_with("the group id ") && !hint.contains(signature), "{hint}");
    }
}

#[test]
fn other_texts_begin_with_the_vendors_sentence_or_contain_its_phrase() {
    let server = Server::dev(&["--app", "7:key:boss"]);
    let mut client = server.client();
    let illegal = "The UserSig in use is illegal. Please regenerate UserSig through official API. (FYI: \
                   https://cloud.tencent.com/document/product/269/32688 ) This UserSig cannot be used: ";
    let forged = "UserSig verification Failed. The UserSig in use maybe generated by Secret Key from other SDKAppID. \
                  Please regenerate UserSig by Secret Key from its own SDKAppID. This UserSig is refused for app ";
    let path = format!("/v4/{GET}");
    let signed = |signature: &str| format!("{path}?sdkappid={APP}&identifier={ADMIN}&usersig={signature}");
    let incomplete = packed(&json!({"TLS.ver": "2.0", "TLS.sig": "AAAA"}));
    for (target, code, start) in [
        (
            format!("{path}?contenttype=xml"),
            60002,
            "HTTP parse Error: the query parameter contenttype must be json",
        ),
        (signed("xxx"), 70003, illegal),
        (signed(&incomplete), 70005, illegal),
        (format!("{path}?{}", query(APP, ADMIN, "another-key")), 70009, forged),
        (
            signed(&sign(7, "boss", "key")),
            70014,
            "The requested SDKAppID(88888888) does not match the Usersig(7). You can run a self-checking",
        ),
        (
            signed(&sign(APP, "other", KEY)),
            70013,
            r#"the identifier "admin" does not match the Usersig, which was made for the identifier "other""#,
        ),
    ] {
        let (found, said) = info(&mut client, &target);
        assert!(found == code && said.starts_with(start) && said.len() <= 1_024, "{target}: {found} {said}");
    }
    for (command, body, code, start) in [
        (
            GET,
            json!({"From_Account": 5}),
            60015,
            "body account invalid: From_Account must be a string, found the number 5",
        ),
        (
            "group_open_http_svc/destroy_group",
            json!({"GroupId": "none"}),
            10010,
            r#"this group does not exist: "none" is unknown or was disbanded"#,
        ),
        (
            "group_open_http_svc/destroy_group",
            json!({"GroupId": "x".repeat(49)}),
            10015,
            "invalid group id: GroupId is refused: a chat group id must have 1 to 48 bytes, found 49",
        ),
    ] {
        let answer = client.call(command, &body.to_string());
        let said = answer.json()["ErrorInfo"].as_str().unwrap().to_owned();
        assert!(answer.code() == code && said.starts_with(start), "{said}");
        assert!(
            !answer.headers.contains_key(HINT),
            "there should be no hint if the reply explains everything"
        );
    }
    // The text of a fault rule is returned unchanged.
    let rule = r#"{"Command":"create_group","Code":10021,"Info":"as you like"}"#;
    let request =
        format!("POST /_dev/faults HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{rule}", rule.len());
    assert_eq!(client.raw(request.as_bytes()).unwrap().status, 200);
    let answer = client.call(CREATE, r#"{"Type":"Public","Name":"n"}"#);
    assert_eq!(answer.json()["ErrorInfo"], "as you like");
}

#[test]
fn a_call_that_takes_too_long_gets_the_vendors_sentence() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let rule = r#"{"LatencyMs":60000}"#;
    let request =
        format!("POST /_dev/faults HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{rule}", rule.len());
    assert_eq!(client.raw(request.as_bytes()).unwrap().status, 200);
    let answer = client.call(GET, BODY);
    let said = answer.json()["ErrorInfo"].as_str().unwrap().to_owned();
    let start = "service timeout or request format error,please check and try again: the call was not answered in time";
    assert!(answer.code() == 60008 && said.starts_with(start), "{said}");
}

#[test]
fn commands_that_only_the_vendor_has_are_refused_by_name_and_counted() {
    let server = Server::dev(&["--rate-limit", "off"]);
    let mut client = server.client();
    for absent in Absent::all() {
        let (service, command) = (absent.service(), absent.command());
        let answer = client.call(&format!("{service}/{}", command.replace('*', "any_command")), "{}");
        let code = if service == "group_open_http_svc" { 10003 } else { 60009 };
        let name = if command == "*" {
            format!("the service v4/{service}")
        } else {
            format!("v4/{service}/{command}")
        };
        let said = format!(
            "confold does not implement {name}, because {} (see docs/compatibility.md)",
            absent.reason()
        );
        let mut expected = json!({"ActionStatus": "FAIL", "ErrorCode": code, "ErrorInfo": said});
        if command == "import_group_msg" {
            // A typed client cannot read the refusal without it.
            expected["ImportMsgResult"] = json!([]);
        }
        assert_eq!((answer.status, answer.json()), (200, expected));
    }
    client.call("openim/sendmsg", "{}");
    client.call("openim/nothing_like_it", "{}");
    client.call("room_engine_http_srv/one_more", "{}");
    let found = journal(&mut client, "?Command=sendmsg");
    assert_eq!(found["Calls"].as_array().unwrap().len(), 2);
    assert_eq!(found["Calls"][0]["Path"], "/v4/openim/sendmsg");
    let counted = found["Unimplemented"].as_object().unwrap();
    assert_eq!(counted.len(), Absent::COUNT, "unknown names should not be counted by name");
    assert_eq!((&counted["openim/sendmsg"], &counted["sns/friend_add"]), (&json!(2), &json!(1)));
    let metrics = client.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().body;
    for series in [
        r#"{service="openim",command="sendmsg"} 2"#,
        r#"{service="group_open_http_svc",command="import_group_msg"} 1"#,
        r#"{service="group_open_http_svc",command="forbid_send_msg"} 1"#,
        r#"{service="room_engine_http_srv",command="*"} 2"#,
    ] {
        assert!(metrics.contains(&format!("confold_unimplemented_calls_total{series}\n")), "{metrics}");
    }
    let named = metrics.lines().filter(|line| line.starts_with("confold_unimplemented_calls_total{")).count();
    assert_eq!(named, Absent::COUNT);
    client.raw(b"DELETE /_dev/journal HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(journal(&mut client, ""), json!({"Calls": []}));
}

#[test]
fn unknown_commands_name_the_nearest_one_also_among_those_that_are_absent() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    for (command, code, said) in [
        (
            "group_open_http_svc/destroy_group%20",
            10003,
            r#"the service group_open_http_svc has no command "destroy_group%20"; did you mean destroy_group?"#,
        ),
        (
            "im_open_login_svc/kick%20",
            60009,
            "the service im_open_login_svc has no command \"kick%20\"; did you mean kick?",
        ),
        (
            "recentcontact/page_gets",
            60009,
            "the service recentcontact has no command \"page_gets\"; did you mean page_get? confold does not implement \
             that, because only the device SDKs use it, and they do not connect to confold",
        ),
        ("openim/send_msg", 60009, "the service openim has no command \"send_msg\"; did you mean sendmsg?"),
        (
            "openim/modify_c2cmsg",
            60009,
            "the service openim has no command \"modify_c2cmsg\"; did you mean modify_c2c_msg? confold does not \
             implement that, because messages are not stored",
        ),
        (
            "sns/x",
            60009,
            "the service sns has no command \"x\"; confold implements no command of this service",
        ),
    ] {
        let answer = client.call(command, "{}");
        let found = answer.json();
        assert_eq!((answer.status, found["ErrorCode"].as_u64().unwrap()), (200, code));
        assert_eq!(found["ErrorInfo"], said);
    }
    let nowhere = client.call("no_service/x", "{}").json();
    assert!(
        nowhere["ErrorInfo"].as_str().unwrap().starts_with("there is nothing at \"/v4/no_service/x\""),
        "{nowhere}"
    );
}

#[test]
fn parameters_that_look_like_missing_ones_are_all_named() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let signature = sign(APP, ADMIN, KEY);
    let path = format!("/v4/{GET}");
    for (query, code, said) in [
        (
            format!("SdkAppid={APP}&identifier={ADMIN}&usersig={signature}"),
            60012,
            r#"the query parameter sdkappid is missing or empty; found "SdkAppid" (has to be sdkappid)"#,
        ),
        (
            format!("sdkappid={APP}&amp;identifier={ADMIN}&amp;usersig={signature}&amp;contenttype=json"),
            60004,
            "the query parameter identifier is missing; found \"amp;identifier\" (has to be identifier), \
             \"amp;usersig\" (has to be usersig), \"amp;contenttype\" (has to be contenttype); the address was escaped \
             for HTML; write & instead of &amp;",
        ),
        (
            format!("user_id={ADMIN}&UserSig={signature}&sdk_app_id={APP}&appid={APP}&contentType=json"),
            60012,
            "the query parameter sdkappid is missing or empty; found \"sdk_app_id\" (has to be sdkappid), \"appid\" (has \
             to be sdkappid), \"user_id\" (has to be identifier), \"UserSig\" (has to be usersig), \"contentType\" (has to \
             be contenttype)",
        ),
        (
            format!("sdkappid={APP}&userid={ADMIN}&usersig={signature}"),
            60004,
            r#"the query parameter identifier is missing; found "userid" (has to be identifier)"#,
        ),
        (
            format!("sdkappid={APP}&identifier={ADMIN}&user_sig={signature}"),
            60004,
            r#"the query parameter usersig is missing; found "user_sig" (has to be usersig)"#,
        ),
        (
            format!("sdkappid={APP}&identifier={ADMIN}&x={signature}"),
            60004,
            "the query parameter usersig is missing",
        ),
    ] {
        assert_eq!(info(&mut client, &format!("{path}?{query}")), (code, said.to_owned()), "{query}");
    }
}

#[test]
fn a_signature_made_with_a_private_key_is_explained() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let old = packed(&json!({
        "TLS.account_type": "0", "TLS.identifier": ADMIN, "TLS.appid_at_3rd": "0", "TLS.sdk_appid": APP.to_string(),
        "TLS.expire_after": "15552000", "TLS.version": "201512300000", "TLS.sig": "MEUCIQ==", "TLS.time": "1500000000",
    }));
    let (code, said) =
        info(&mut client, &format!("/v4/{GET}?sdkappid={APP}&identifier={ADMIN}&usersig={old}"));
    assert_eq!(code, 70005);
    for words in [
        "The UserSig in use is illegal.",
        "it is a version 1 signature, made with a private key",
        "secret key",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn an_expired_signature_says_when_and_what_the_clock_says() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    let signature = sign(APP, ADMIN, KEY);
    let target = format!("/v4/{GET}?sdkappid={APP}&identifier={ADMIN}&usersig={signature}");
    let mut freeze = |at: u64| {
        let body = format!("{{\"Freeze\":{at}}}");
        let request =
            format!("POST /_dev/clock HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(client.raw(request.as_bytes()).unwrap().status, 200);
        let answer = client.post(&target, BODY).unwrap();
        (answer.code(), answer.json()["ErrorInfo"].as_str().unwrap().to_owned())
    };
    // Freeze the clock in 2023 and then in 2100. Try the latter twice, because a verified signature is cached.
    assert_eq!(freeze(1_700_000_000).0, 0);
    for _ in 0..2 {
        let (code, said) = freeze(4_102_444_800);
        assert_eq!(code, 70001);
        let (start, rest) = said.split_at("The UserSig in use is expired: it was valid until ".len());
        assert_eq!(start, "The UserSig in use is expired: it was valid until ");
        let (until, rest) = rest.split_at("2026-11-27T10:00:00Z".len());
        assert!(until.starts_with("20") && until.ends_with('Z') && until.as_bytes()[10] == b'T', "{said}");
        assert_eq!(
            rest,
            ", and the clock of this server says 2100-01-01T00:00:00Z; make a new one, valid for a day or more"
        );
    }
}
