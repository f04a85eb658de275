//! Tests signatures crafted to be read differently from what was signed, and the identifiers that would allow this.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    harness::{ADMIN, APP, KEY, Server, confold, said},
    serving::Site,
    wait::Finish,
};

/// Packs `members` as a UserSig, with the HMAC of the text `signed` under the page's key.
fn packed(mut members: Value, signed: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    members["TLS.ver"] = "2.0".into();
    members["TLS.sig"] = STANDARD.encode(mac.finalize().into_bytes()).into();
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(members.to_string().as_bytes()).unwrap();
    let text = STANDARD.encode(packer.finish().unwrap());
    text.chars()
        .map(|c| match c {
            '+' => '*',
            '/' => '-',
            '=' => '_',
            c => c,
        })
        .collect()
}

fn target(usersig: &str) -> String {
    format!("/v4/recentcontact/get_contact_group?sdkappid={APP}&identifier={ADMIN}&usersig={usersig}")
}

const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;

#[test]
fn a_signature_of_a_name_with_line_feeds_gives_no_access() {
    let server = Server::dev(&[]);
    let mut client = server.client();
    // A backend has signed this name for one of its users, so the attacker has the HMAC.
    let lines = format!("TLS.sdkappid:{APP}\nTLS.time:1\nTLS.expire:9999999999\n");
    let signed = format!("TLS.identifier:{ADMIN}\n{lines}TLS.userbuf:x\n{lines}");
    let members = json!({ "TLS.identifier": ADMIN, "TLS.sdkappid": APP, "TLS.time": 1, "TLS.expire": 9_999_999_999u64 });
    let with = |name: &str, value: &str| {
        let mut members = members.clone();
        members[name] = value.into();
        target(&packed(members, &signed))
    };
    let rest = lines.trim_end();
    for (name, value, rule) in [
        ("TLS.userbuf", format!("x\n{rest}"), "TLS.userbuf is not base64"),
        ("TLS.identifier", format!("{ADMIN}\n{lines}TLS.userbuf:x"), "the control character U+000A"),
    ] {
        let answer = client.post(&with(name, &value), BODY).unwrap();
        assert_eq!(answer.code(), 70005, "{}", answer.body);
        assert!(answer.body.contains(rule) && !answer.body.contains("9999999999"), "{}", answer.body);
    }
    // The same fields are accepted if the HMAC covers each of them as the field that it is.
    let good = packed(members.clone(), &format!("TLS.identifier:{ADMIN}\n{lines}"));
    assert_eq!(client.post(&target(&good), BODY).unwrap().code(), 0);
}

#[test]
fn a_long_identifier_in_a_signature_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let server = Server::logging_to(std::fs::File::create(&log).unwrap());
    let mut client = server.client();
    for identifier in ["\u{7f}".repeat(64_000), "x".repeat(257), "x\ny".to_owned(), "\u{9b}31m".to_owned()] {
        let members =
            json!({ "TLS.identifier": identifier, "TLS.sdkappid": APP, "TLS.time": 1, "TLS.expire": 2 });
        let answer = client.post(&target(&packed(members, "")), BODY).unwrap();
        assert_eq!(answer.code(), 70005, "{}", answer.body);
        assert!(answer.body.len() < 512, "{} bytes", answer.body.len());
        assert!(!answer.body.chars().any(char::is_control), "{}", answer.body);
    }
    drop(client);
    server.terminate();
    assert!(server.ended_well());
    let written = std::fs::read_to_string(&log).unwrap();
    assert!(written.matches("70005").count() >= 4, "{written}");
    assert!(written.len() < 8 * 1024, "{} bytes of log for four refused calls", written.len());
}

#[test]
fn identifiers_that_would_be_refused_are_not_signed() {
    let app = format!("{APP}:{KEY}");
    let long = "x".repeat(257);
    for (identifier, rule) in [
        ("a\nb", "contains the control character U+000A at byte 1"),
        ("\u{1b}[2J", "contains the control character U+001B at byte 0"),
        (&long, "has 257 bytes; at most 256 are allowed"),
        ("", "is empty"),
    ] {
        for (task, option) in
            [("usersig", "--identifier"), ("usersig", "--admin"), ("verify-usersig", "--identifier")]
        {
            let mut arguments = vec![task, "--app", &app, option, identifier];
            arguments.extend((task == "verify-usersig").then_some("x"));
            let output = confold(&arguments).finish();
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains(&format!("{option}: the identifier {rule}")), "{said}");
            assert!(output.stdout.is_empty() && said.len() < 200, "{said}");
        }
        // The greeting has no signature of such a name, and the error does not repeat the key.
        let output = confold(&["dev", "--app", &format!("{app}:{identifier}")]).finish();
        let said = said(&output);
        assert!(!output.status.success() && said.contains(&format!("the administrator {rule}")), "{said}");
        assert!(!said.contains(KEY) && said.len() < 400, "{said}");
    }
}

#[test]
fn a_configuration_accepts_only_identifiers_that_can_be_signed() {
    let site = Site::new();
    for (key, value) in
        [("admins", "a\\nb"), ("denied", "a\\u001b[2J"), ("admins", &*"x".repeat(257)), ("denied", "")]
    {
        site.configure("", &format!("{key} = [\"ann\", \"{value}\"]"));
        let output = site.check();
        let said = said(&output);
        assert!(!output.status.success(), "{said}");
        let rule = format!("app.{key} must contain identifiers of 1 to 256 bytes without control characters");
        assert!(said.contains(&rule), "{said}");
    }
    site.configure("", &format!("admins = [\"{}\", \"测试\"]", "x".repeat(256)));
    let output = site.check();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_malformed_app_option_is_not_repeated() {
    for app in [format!("x:{KEY}"), KEY.to_owned(), format!("{APP}:{KEY}:")] {
        for task in ["dev", "usersig", "export"] {
            let output = confold(&[task, "--app", &app]).finish();
            let said = said(&output);
            assert!(!output.status.success() && said.contains("--app"), "{said}");
            assert!(!said.contains(&KEY[..16]), "a key is never printed: {said}");
        }
    }
}
