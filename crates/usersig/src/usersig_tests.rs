//! Tests with vectors of the official libraries, with hostile texts, and of signing against verifying.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::Value;
use sha2::Sha256;

use crate::{Claims, Flaw, Identifier, IdentifierError, MAX_TEXT, UserSig, packing};

const APP: u64 = 1_400_000_000;
const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

fn named(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../tests/vectors.json")).unwrap()
}

/// Returns the error code of the service for this flaw.
fn code(flaw: &Flaw) -> u64 {
    match flaw {
        Flaw::Empty => 70002,
        Flaw::TooLong | Flaw::Base64 | Flaw::Zlib | Flaw::TooLarge | Flaw::Json => 70003,
        Flaw::Version1 | Flaw::Field(_) | Flaw::IdentifierForm(_) | Flaw::Userbuf => 70005,
        Flaw::Forged => 70009,
        Flaw::Identifier(_) => 70013,
        Flaw::App(_) => 70014,
        Flaw::Expired { .. } => 70001,
    }
}

/// The vectors were made with the official libraries of two languages, and each was verified independently.
#[test]
fn all_vectors_have_their_code() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 15);
    for vector in &vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let number = |name: &str| vector[name].as_u64().unwrap();
        let outcome = UserSig::decode(text("usersig")).and_then(|usersig| {
            usersig.verify(number("sdkappid"), text("identifier"), text("key"), number("now"))
        });
        assert_eq!(outcome.as_ref().map_or_else(code, |()| 0), number("error_code"), "{}", vector["name"]);
    }
}

#[test]
fn a_new_signature_verifies_and_expires() {
    for identifier in ["administrator", "user_0001-测试", "a\"b\\"] {
        let text = Claims::new(APP, named(identifier), 1_000, 60).sign(KEY);
        let claims = UserSig::decode(&text).unwrap();
        assert_eq!(claims.verify(APP, identifier, KEY, 1_060), Ok(()));
        assert_eq!(
            claims.verify(APP, identifier, KEY, 1_061),
            Err(Flaw::Expired { until: 1_060, now: 1_061 })
        );
        assert_eq!(
            claims.verify(APP, identifier, "another", 1_061),
            Err(Flaw::Forged),
            "forged, not expired"
        );
    }
}

#[test]
fn a_userbuf_is_covered_by_the_signature() {
    let text = vectors()[3]["usersig"].as_str().unwrap().to_owned();
    let mut usersig = UserSig::decode(&text).unwrap();
    assert_eq!(usersig.claims.userbuf().as_deref(), Some(&b"abc"[..]));
    // The HMAC equals that of the official library.
    let ours = Claims::new(APP, named("xiaojun"), 1_700_000_000, 86_400).with_userbuf(b"abc").sign(KEY);
    assert_eq!(UserSig::decode(&ours).unwrap(), usersig);
    usersig.claims.userbuf = Some("YWJk".to_owned());
    assert_eq!(usersig.verify(APP, "xiaojun", KEY, 1_700_000_001), Err(Flaw::Forged));
}

/// Packs a JSON text like a UserSig.
fn packed(json: &[u8]) -> String {
    packing::pack(json)
}

#[test]
fn hostile_texts_are_refused_within_bounds() {
    assert_eq!(UserSig::decode(""), Err(Flaw::Empty));
    assert_eq!(UserSig::decode(&"A".repeat(MAX_TEXT + 1)), Err(Flaw::TooLong));
    assert_eq!(UserSig::decode("+/=="), Err(Flaw::Base64), "the standard base64 alphabet is refused");
    assert_eq!(UserSig::decode("AAAA"), Err(Flaw::Zlib));
    // 5 MB of zeros in 5 KB of text: inflated only up to the bound.
    let bomb = packed(&vec![b'0'; 5 << 20]);
    assert!(bomb.len() < MAX_TEXT);
    assert_eq!(UserSig::decode(&bomb), Err(Flaw::TooLarge));
    assert_eq!(UserSig::decode(&packed(b"[]")), Err(Flaw::Json));
    assert_eq!(UserSig::decode(&packed(b"{}")), Err(Flaw::Field("TLS.ver")));
}

#[test]
fn a_signature_made_with_a_private_key_is_recognized() {
    // The libraries of version 1 write these members; some add a version, others do not.
    let old = serde_json::json!({
        "TLS.account_type": "0", "TLS.identifier": "administrator", "TLS.appid_at_3rd": "0", "TLS.sdk_appid": "1400000000",
        "TLS.expire_after": "15552000", "TLS.version": "201512300000", "TLS.sig": "MEUCIQ==", "TLS.time": "1500000000",
    });
    let with_version = |version: Value| {
        let mut members = old.clone();
        members["TLS.ver"] = version;
        members
    };
    let third = serde_json::json!({
        "TLS.3rd_appid": "1400000000", "TLS.identifier": "a", "TLS.sig": "MEUCIQ==", "TLS.expire_after": "1",
    });
    for members in [old.clone(), third, with_version("1.0".into()), with_version(serde_json::json!(1.0))] {
        assert_eq!(
            UserSig::decode(&packed(members.to_string().as_bytes())),
            Err(Flaw::Version1),
            "{members}"
        );
    }
    let said = Flaw::Version1.to_string();
    assert!(
        said.contains("private key") && said.contains("version 2") && said.contains("secret key"),
        "{said}"
    );
    // Other signatures are incomplete. A signature of version 2 may have any further fields.
    for members in
        [with_version("3.0".into()), with_version(Value::Null), serde_json::json!({"TLS.sig": "AAAA"})]
    {
        let decoded = UserSig::decode(&packed(members.to_string().as_bytes()));
        assert_eq!(decoded, Err(Flaw::Field("TLS.ver")), "{members}");
    }
    let both = serde_json::json!({
        "TLS.identifier": "administrator", "TLS.sdkappid": 1_400_000_000, "TLS.time": 1, "TLS.expire": 9, "TLS.version": "x",
    });
    assert!(UserSig::decode(&foreign(&both, "")).is_ok());
}

/// Creates a UserSig as another program might: with these members, and the HMAC of `signed`.
fn foreign(members: &Value, signed: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let mut members = members.clone();
    members["TLS.ver"] = "2.0".into();
    members["TLS.sig"] = STANDARD.encode(mac.finalize().into_bytes()).into();
    packed(members.to_string().as_bytes())
}

#[test]
fn the_signature_of_one_name_cannot_stand_for_another() {
    // An attacker gives a signing program an identifier that looks like further lines of the signed text.
    let lines = "TLS.sdkappid:1400000000\nTLS.time:1\nTLS.expire:9999999999\n";
    let signed = format!("TLS.identifier:administrator\n{lines}TLS.userbuf:x\n{lines}");
    let name = format!("administrator\n{lines}TLS.userbuf:x");
    let with = |identifier: &str, userbuf: Option<&str>| {
        let mut members = serde_json::json!({
            "TLS.identifier": identifier, "TLS.sdkappid": 1_400_000_000, "TLS.time": 1, "TLS.expire": 9_999_999_999u64,
        });
        if let Some(userbuf) = userbuf {
            members["TLS.userbuf"] = userbuf.into();
        }
        UserSig::decode(&foreign(&members, &signed))
    };
    // Both the signature as the program made it and the one that the attacker derives from it are refused.
    assert!(matches!(
        with(&name, None),
        Err(Flaw::IdentifierForm(IdentifierError::Control { found: '\n', .. }))
    ));
    let rest = lines.trim_end();
    assert_eq!(with("administrator", Some(&format!("x\n{rest}"))), Err(Flaw::Userbuf));
    let plain = "TLS.identifier:administrator\n".to_owned() + lines;
    let members = serde_json::json!({
        "TLS.identifier": "administrator", "TLS.sdkappid": 1_400_000_000, "TLS.time": 1, "TLS.expire": 9_999_999_999u64,
    });
    let good = UserSig::decode(&foreign(&members, &plain)).unwrap();
    assert_eq!(good.verify(APP, "administrator", KEY, 1_700_000_000), Ok(()), "the helper signs correctly");
}

#[test]
fn identifiers_and_userbufs_that_are_not_one_short_line_are_refused_and_not_shown() {
    let decoded = |name: &str, value: &str| {
        let mut members = serde_json::json!({
            "TLS.identifier": "a", "TLS.sdkappid": 7, "TLS.time": 1, "TLS.expire": 60,
        });
        members[name] = value.into();
        UserSig::decode(&foreign(&members, ""))
    };
    for bad in [
        "",
        "a\nb",
        "a\rb",
        "\u{1b}[31m",
        "a\0",
        "a\u{7f}",
        "a\u{9b}b",
        &"x".repeat(257),
        &"\u{7f}".repeat(60_000),
    ] {
        let flaw = decoded("TLS.identifier", bad).unwrap_err();
        assert_eq!(code(&flaw), 70005, "{flaw}");
        let said = flaw.to_string();
        assert!(said.len() < 100 && !said.chars().any(char::is_control), "{said:?}");
    }
    assert!(decoded("TLS.identifier", &"x".repeat(256)).is_ok());
    // The official libraries write the standard alphabet with padding.
    for good in ["", "YWJj", "YWI=", "YQ==", "+/+/"] {
        assert!(decoded("TLS.userbuf", good).is_ok(), "{good}");
    }
    for bad in ["x", "YWI", "YWJj\n", "YWJj\nYWJj", " YWJj", "-_-_", "*-*-", "YW=j", "测试测试"] {
        assert_eq!(decoded("TLS.userbuf", bad), Err(Flaw::Userbuf), "{bad}");
    }
}

#[test]
fn one_signature_has_one_meaning() {
    let full = r#"{"TLS.ver":"2.0","TLS.identifier":"a","TLS.sdkappid":7,"TLS.expire":60,"TLS.time":9,"TLS.userbuf":"","TLS.sig":"AAAA"}"#;
    assert!(UserSig::decode(&packed(full.as_bytes())).is_ok());
    for name in
        ["TLS.ver", "TLS.identifier", "TLS.sdkappid", "TLS.expire", "TLS.time", "TLS.userbuf", "TLS.sig"]
    {
        let member = full.trim_matches(['{', '}']).split(',').find(|member| member.contains(name)).unwrap();
        let twice = full.replace('{', &format!("{{{member},"));
        assert_eq!(UserSig::decode(&packed(twice.as_bytes())), Err(Flaw::Field(name)), "{twice}");
    }
    for text in ["+60", "060", "-0", " 60", "60 ", "60\\n", "6e1", "0x3c", ""] {
        let other = full.replace("\"TLS.expire\":60", &format!("\"TLS.expire\":\"{text}\""));
        assert_eq!(UserSig::decode(&packed(other.as_bytes())), Err(Flaw::Field("TLS.expire")), "{text}");
    }
}

proptest! {
    /// A signed text is unambiguous: splitting it at its line feeds gives back the claims.
    #[test]
    fn a_signed_text_can_be_read_in_only_one_way(
        identifier in "(TLS\\.(sdkappid|time|userbuf):|[0-9a-z=\n\r测]){0,9}",
        userbuf in prop::option::of("([A-Z0-9+/]{4}){0,3}|(TLS\\.time:|[A-Z=\n]){0,6}"),
        numbers in any::<(u32, i64, i64)>(),
    ) {
        let (app, time, expire) = numbers;
        let mut members = serde_json::json!({
            "TLS.identifier": identifier, "TLS.sdkappid": app, "TLS.time": time, "TLS.expire": expire,
        });
        if let Some(userbuf) = &userbuf {
            members["TLS.userbuf"] = userbuf.clone().into();
        }
        let Ok(usersig) = UserSig::decode(&foreign(&members, "")) else { return Ok(()) };
        let signed = usersig.claims.signed_text();
        let mut lines: Vec<(&str, &str)> =
            signed.trim_end_matches('\n').split('\n').map(|line| line.split_once(':').unwrap()).collect();
        let last = (lines.len() == 5).then(|| lines.pop().unwrap().1);
        prop_assert_eq!(last, userbuf.as_deref());
        let numbers = [app.to_string(), time.to_string(), expire.to_string()];
        prop_assert_eq!(lines, [
            ("TLS.identifier", &*identifier),
            ("TLS.sdkappid", &*numbers[0]),
            ("TLS.time", &*numbers[1]),
            ("TLS.expire", &*numbers[2]),
        ]);
    }
}

#[test]
fn fields_may_be_numbers_or_strings_and_must_be_present() {
    let full = r#"{"TLS.ver":"2.0","TLS.identifier":"a","TLS.sdkappid":"7","TLS.expire":"60","TLS.time":"9","TLS.sig":"AAAA","other":[]}"#;
    let usersig = UserSig::decode(&packed(full.as_bytes())).unwrap();
    let claims = usersig.claims();
    assert_eq!((claims.app, claims.issued_at, claims.valid_for), (7, 9, 60));
    for (name, broken) in [
        ("TLS.ver", full.replace("2.0", "2.1")),
        ("TLS.identifier", full.replace(r#""TLS.identifier":"a""#, r#""TLS.identifier":5"#)),
        ("TLS.sdkappid", full.replace(r#""7""#, r#""-7""#)),
        ("TLS.expire", full.replace(r#""60""#, "true")),
        ("TLS.time", full.replace("TLS.time", "TLS.tima")),
        ("TLS.sig", full.replace("AAAA", "*")),
    ] {
        assert_eq!(UserSig::decode(&packed(broken.as_bytes())), Err(Flaw::Field(name)));
    }
}

#[test]
fn a_validity_beyond_all_bounds_does_not_overflow() {
    let json = format!(
        r#"{{"TLS.ver":"2.0","TLS.identifier":"a","TLS.sdkappid":7,"TLS.expire":{0},"TLS.time":{0},"TLS.sig":"AAAA"}}"#,
        i64::MAX
    );
    assert_eq!(UserSig::decode(&packed(json.as_bytes())).unwrap().claims().expires_at(), i64::MAX);
}
