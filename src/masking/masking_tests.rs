use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A signature made by one of the official libraries.
const SIGNATURE: &str = "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkElNyM-Myi0uKEkvyi2BKilOyEwsKMlOACgxNDKAAKpdaUZBZlAqUsTAzgQuWZOaChAzN0RQXZ6aDLKn0cUzVLjcPD00NLS1MCrPM0A*JMcoNTLMD3HP1M60jCowLDUOKMiLNDOwVaoFAD4PNPI_";

fn shows(shown: &str, secret: &str) -> bool {
    secret.as_bytes().windows(16).any(|part| shown.contains(std::str::from_utf8(part).unwrap()))
}

#[test]
fn values_of_secret_names_are_masked_in_every_form() {
    for (shown, expected) in [
        (r#"{"usersig":"abc","b":1}"#, r#"{"usersig":"…","b":1}"#),
        (r#"{"UserSig" : "a\"bc" }"#, r#"{"UserSig" : "…" }"#),
        (r#"{"user\u0073ig":"abc"}"#, r#"{"user\u0073ig":"…"}"#),
        (r#"{"token":12345,"b":[1]}"#, r#"{"token":"…","b":[1]}"#),
        (r#"{"token":true,"key":null,"secret":""}"#, r#"{"token":true,"key":null,"secret":""}"#),
        (r#"{"secret":{"a":["]","x"]},"b":2}"#, r#"{"secret":"…","b":2}"#),
        (r#"{"secret":["abc"#, r#"{"secret":"…""#),
        (r#"{"password":"abc"#, r#"{"password":"…"#),
        (r#"{"a":"{\"password\":\"abc\",\"b\":1}"}"#, r#"{"a":"{\"password\":\"…\",\"b\":1}"}"#),
        (r#"c","usersig":"abc","x"#, r#"c","usersig":"…","x"#),
        (r#"c\",\"usersig\":\"abc\",\"x\""#, r#"c\",\"usersig\":\"…\",\"x\""#),
        ("POST /v4/x?sdkappid=1&usersig=abc&random=2", "POST /v4/x?sdkappid=1&usersig=…&random=2"),
        ("usersig=abc", "usersig=…"),
        ("found \"usersig=abc&x=1\"", "found \"usersig=…&x=1\""),
        ("Authorization: Bearer abc, x\r\nHost: y", "Authorization: …\r\nHost: y"),
        ("a password: abc, and more", "a password: … and more"),
        ("{'password': 'a\\'bc', 'b': 1}", "{'password': '…', 'b': 1}"),
        ("key = \"abc\"", "key = \"…\""),
        ("array('secret' => 'abc')", "array('secret' => '…')"),
        ("https://user:abc@host/path", "https://…@host/path"),
        ("tls.key: cannot read /etc/key.pem", "tls.key: cannot read /etc/key.pem"),
        ("app 5: key_file: cannot read x", "app 5: key_file: cannot read x"),
        ("wrong key: try another", "wrong key: try another"),
        ("https://host/a@b", "https://host/a@b"),
    ] {
        assert_eq!(text(shown), expected, "{shown}");
        assert_eq!(text(expected), expected, "masking again changes nothing");
    }
}

#[test]
fn signatures_are_masked_in_every_place_and_encoding() {
    let escaped = SIGNATURE.chars().fold(String::new(), |text, c| text + &format!("\\u{:04x}", u32::from(c)));
    let percent = SIGNATURE.replace('*', "%2A").replace('-', "%2D").replacen('e', "%65", 1);
    let lines: Vec<&str> =
        SIGNATURE.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    for shown in [
        SIGNATURE.to_owned(),
        format!("the field {SIGNATURE} is unknown"),
        format!("/v4/recentcontact/{SIGNATURE}"),
        format!("x{SIGNATURE}"),
        format!("a.{SIGNATURE}."),
        format!(r#"{{"From_Account":"x{SIGNATURE}y"}}"#),
        format!(r#"{{"{SIGNATURE}":1}}"#),
        format!(r#"{{"a":["{escaped}"]}}"#),
        escaped.clone(),
        format!("/x?a={percent}&b=2"),
        lines.join("\n"),
        json!({ "a": lines.join("\r\n  ") }).to_string(),
        format!("found \"{}\"…", &SIGNATURE[..40]),
        SIGNATURE[..16].to_owned(),
        SIGNATURE.replace('*', "+").replace('-', "/").replace('_', "="),
    ] {
        let masked = text(&shown);
        assert!(masked.contains(MARK) && !shows(&masked, SIGNATURE), "{shown} as {masked}");
        if let Ok(value) = serde_json::from_str::<Value>(&shown) {
            let masked = serde_json::from_str::<Value>(&masked).unwrap();
            assert!(value != masked && !shows(&masked.to_string(), SIGNATURE), "{masked}");
        }
    }
}

#[test]
fn text_without_secrets_is_unchanged() {
    for shown in [
        "",
        "createNotificationHandlerForContactGroups/fromTheAGroup_createNodeForEverything/onceNowAndOnceNotNow",
        "updateJobConfiguration_handleJoinGroupRequestNotification",
        "the query parameter usersig is missing; found \"UserSig\", but names are case-sensitive",
        "The UserSig in use is illegal: it is not base64 in the alphabet A-Z a-z 0-9 * - _, or was cut",
        "app 7 has no key on this server; give it one with --app 7:KEY (confold serve: with the app's setting key_file)",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "{\"MsgKey\":\"1_2_3\",\"Name\":\"a \\\"b\\\" \\u6d4b测试\"}",
        "\"",
        "a\\",
        "\"\\",
        "\"\\测",
        "=:\"'",
    ] {
        assert!(matches!(text(shown), Cow::Borrowed(same) if same == shown), "{shown} as {}", text(shown));
    }
    // Requests and replies of the service contain no secret.
    for file in std::fs::read_dir("tests/it/golden").unwrap() {
        let story = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in story.lines() {
            assert_eq!(text(line), line);
        }
    }
}

#[test]
fn invalid_utf_8_is_unchanged_unless_it_contains_a_secret() {
    let binary = [0xff, b'a', 0, 0xc3];
    assert!(matches!(json_or_text(&binary), Cow::Borrowed(same) if same == binary));
    let (head, tail) = SIGNATURE.as_bytes().split_at(70);
    let broken = [&[0xff], head, &[0xfe], tail].concat();
    let masked = String::from_utf8(json_or_text(&broken).into_owned()).unwrap();
    assert!(masked.contains(MARK) && !shows(&masked, SIGNATURE), "{masked}");
}

#[test]
fn a_hostile_text_is_read_in_one_pass() {
    // Each text is a megabyte long. An algorithm with quadratic time would take minutes.
    for part in [
        "a=", "\"", "\\\"", "\\", "key:[", "\"key\":", "eJy", "eNo ", "%65%4A", "a ", "://", "\"a\\\\", "key",
    ] {
        let length = text(&part.repeat((1 << 20) / part.len())).len();
        assert!(length <= (1 << 20) + 16, "{part}: {length}");
    }
}

/// Signatures with random identifiers, compressed at random levels.
fn signatures() -> impl Strategy<Value = String> {
    ("[a-z0-9_\"测]{0,40}", 0u32..=9, prop::collection::vec(any::<u8>(), 32), any::<u32>()).prop_map(
        |(identifier, level, sig, time)| {
            let members = json!({
                "TLS.ver": "2.0", "TLS.identifier": identifier, "TLS.sdkappid": 1_400_000_000, "TLS.time": time,
                "TLS.expire": 86400, "TLS.sig": STANDARD.encode(sig),
            });
            let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
            packer.write_all(members.to_string().as_bytes()).unwrap();
            let text = STANDARD.encode(packer.finish().unwrap());
            text.replace('+', "*").replace('/', "-").replace('=', "_")
        },
    )
}

/// Returns JSON values that contain a string at a random place, as a value or as a name.
fn around(inner: String) -> impl Strategy<Value = Value> {
    Just(Value::String(inner)).prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), any::<i64>()).prop_map(|(inner, number)| json!([number, inner, null])),
            ("[A-Za-z_]{0,10}", inner.clone())
                .prop_map(|(name, inner)| json!({ name: inner, "b": "x=1&y=2" })),
            (inner.clone(), any::<bool>()).prop_map(|(inner, flag)| json!({ inner.to_string(): flag })),
            (inner, "[ -~测]{0,9}")
                .prop_map(|(inner, text)| json!(text.clone() + &inner.to_string() + &text)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_part_of_a_signature_is_shown(
        (signature, body) in signatures().prop_flat_map(|signature| (Just(signature.clone()), around(signature))),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let body = body.to_string();
        let masked = text(&body);
        prop_assert!(!shows(&masked, &signature), "{masked}");
        // The result is valid JSON, and does not show the signature after decoding its escapes either.
        let value = serde_json::from_str::<Value>(&masked).unwrap();
        prop_assert!(!shows(&value.to_string(), &signature));
        // The same holds for the beginning of the text, and between random bytes.
        let mut cut = cut.index(body.len());
        while !body.is_char_boundary(cut) {
            cut -= 1;
        }
        prop_assert!(!shows(&text(&body[..cut]), &signature), "{}", text(&body[..cut]));
        let bytes = [&noise[..], body.as_bytes(), &noise[..]].concat();
        prop_assert!(!shows(&String::from_utf8_lossy(&json_or_text(&bytes)), &signature));
        let named = format!("{body}&usersig={signature} {body}");
        prop_assert!(!shows(&text(&named), &signature), "{}", text(&named));
    }

    #[test]
    fn any_text_is_masked_without_a_panic_and_valid_json_stays_valid(shown in any::<String>(), hostile in "[\"'\\\\:={}\\[\\]key%u0069 ,\n@/测-]{0,60}") {
        for shown in [shown, hostile] {
            let masked = text(&shown);
            prop_assert_eq!(text(&masked), &*masked, "again");
            let wrapped = json!({ "token": shown, "a": shown, &*shown: [shown] }).to_string();
            let value = serde_json::from_str::<Value>(&text(&wrapped)).unwrap();
            prop_assert!(value["token"] == MARK || shown.is_empty());
        }
    }
}
