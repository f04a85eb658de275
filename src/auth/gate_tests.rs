//! Tests of the gate: what it refuses, the order of its checks, and which signatures it remembers.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    App, Apps, Credentials, Gate, Identifier, Refusal, SecretKey,
    usersig::{Flaw, make},
};
use crate::domain::AppId;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

fn app() -> AppId {
    AppId::new(1_400_000_000).unwrap()
}

fn named(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn key(text: &str) -> SecretKey {
    SecretKey::new(text).unwrap()
}

#[test]
fn a_remembered_signature_ends_with_its_validity_its_key_and_its_admin() {
    let text = make(app(), &named("boss"), &key(KEY), 1_000, 60);
    let gate =
        |key: SecretKey, admin: &str| Gate::new(Apps::new([App::new(app(), key, vec![admin.to_owned()])]));
    let said = Credentials {
        sdkappid: Some("1400000000"),
        identifier: Some("boss"),
        usersig: Some(&text),
        look_alikes: &[],
        source: HERE,
        service: "recentcontact",
    };
    let good = gate(key(KEY), "boss");
    assert!(good.admit(said, 1_000).is_ok());
    assert!(good.admit(said, 1_060).is_ok());
    let expired = good.admit(said, 1_061).unwrap_err();
    assert!(expired.to_string().contains("The UserSig in use is expired"), "{expired}");
    let other = Credentials { identifier: Some("bosz"), ..said };
    assert!(matches!(good.admit(other, 1_000), Err(Refusal::Signature { flaw: Flaw::Identifier(_), .. })));
    assert!(matches!(gate(key(KEY), "other").admit(said, 1_000), Err(Refusal::NotAdmin { .. })));
    assert!(matches!(
        gate(key("new"), "boss").admit(said, 1_000),
        Err(Refusal::Signature { flaw: Flaw::Forged, .. })
    ));
}

#[test]
fn the_gate_names_what_is_missing_in_order() {
    let gate = Gate::new(Apps::new([App::new(app(), key(KEY), Vec::new())]));
    let admit = |sdkappid, identifier, usersig| {
        gate.admit(
            Credentials {
                sdkappid,
                identifier,
                usersig,
                look_alikes: &[],
                source: HERE,
                service: "recentcontact",
            },
            0,
        )
        .unwrap_err()
    };
    assert_eq!(admit(None, None, None), Refusal::NoAppId { look_alikes: Vec::new() });
    assert_eq!(admit(Some(""), None, None), Refusal::NoAppId { look_alikes: Vec::new() });
    for malformed in ["0", "-1", "+7", "1e3", "4294967296", "7 ", "x"] {
        assert_eq!(admit(Some(malformed), None, None), Refusal::MalformedAppId(malformed.to_owned()));
    }
    assert_eq!(admit(Some("7"), None, None), Refusal::UnknownApp(AppId::new(7).unwrap()));
    assert_eq!(
        admit(Some("1400000000"), None, None),
        Refusal::NoIdentity { name: "identifier", look_alikes: Vec::new() }
    );
    assert_eq!(
        admit(Some("1400000000"), Some("a"), None),
        Refusal::NoIdentity { name: "usersig", look_alikes: Vec::new() }
    );
    assert!(matches!(
        admit(Some("1400000000"), Some("a"), Some("")),
        Refusal::Signature { flaw: Flaw::Empty, .. }
    ));
}

#[test]
fn a_vector_of_the_official_libraries_gets_the_same_answer_when_it_is_cached() {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../crates/usersig/tests/vectors.json")).unwrap();
    for vector in &vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let number = |name: &str| vector[name].as_u64().unwrap();
        let app = AppId::new(u32::try_from(number("sdkappid")).unwrap()).unwrap();
        let gate =
            Gate::new(Apps::new([App::new(app, key(text("key")), vec![text("identifier").to_owned()])]));
        let id = app.to_string();
        let said = Credentials {
            sdkappid: Some(&id),
            identifier: Some(text("identifier")),
            usersig: Some(text("usersig")),
            look_alikes: &[],
            source: HERE,
            service: "recentcontact",
        };
        let admit = || gate.admit(said, number("now")).map(|caller| caller.app.id);
        let verified = admit();
        assert_eq!(verified.is_ok(), number("error_code") == 0, "{}: {verified:?}", vector["name"]);
        assert_eq!(gate.cached_signatures(), usize::from(verified.is_ok()));
        assert_eq!(admit(), verified, "{}", vector["name"]);
    }
}
