use proptest::prelude::*;

use super::*;
use crate::auth::{Apps, Callback, Credentials, Gate, Identifier, SigningToken, Token, usersig};

const NOW: u64 = 1_700_000_000;

fn id(number: u32) -> AppId {
    AppId::new(number).unwrap()
}

fn key(text: &str) -> SecretKey {
    SecretKey::new(text).unwrap()
}

fn app(number: u32, admins: &[&str]) -> App {
    App::new(id(number), key("k"), admins.iter().map(|admin| (*admin).to_owned()).collect())
}

fn file(apps: Vec<(App, Vec<&'static str>)>, complete: bool) -> RefusedApps {
    RefusedApps {
        apps: apps.into_iter().map(|(app, unclear)| RefusedApp { app, unclear }).collect(),
        complete,
    }
}

#[test]
fn rights_are_removed_and_never_granted() {
    let running = [app(1, &["ann", "bob"]), app(2, &["ann"])];
    let refused = file(vec![(app(1, &["ann", "eve"]), vec![]), (app(3, &["ann"]), vec![])], true);
    let (next, said) = restrict(&running, &refused);
    assert_eq!(
        next.iter().map(|app| (app.id, app.admins.to_vec())).collect::<Vec<_>>(),
        [(id(1), vec!["ann".to_owned()])]
    );
    assert_eq!(said, ["app 1: the administrator \"bob\" is removed", "app 2 is removed"]);
    // The unreadable part of the file may contain another app.
    let (next, said) = restrict(&running, &file(vec![(app(1, &["ann", "bob"]), vec![])], false));
    assert_eq!((next.len(), said.len()), (2, 0));
}

#[test]
fn unclear_settings_keep_their_running_value() {
    let running = [app(1, &["ann", "bob"])];
    let all = app_keys().iter().map(|key| key.name).collect();
    let (next, said) = restrict(&running, &file(vec![(App::without_key(id(1)), all)], true));
    assert_eq!((next[0].admins.len(), next[0].key == Some(key("k")), said.len()), (2, true, 0));
    // With two tables for one app, only administrators who are in neither are removed.
    let twice = vec![(app(1, &["ann"]), vec![]), (App { disabled: true, ..app(1, &["eve"]) }, vec![])];
    let (next, said) = restrict(&running, &file(twice, true));
    assert_eq!((next[0].admins.to_vec(), next[0].disabled), (vec!["ann".to_owned()], false));
    assert_eq!(said, ["app 1: the administrator \"bob\" is removed"]);
}

#[test]
fn callbacks_lose_rights_but_get_none() {
    let callback = |secret: &str, token: Option<&str>, membership| {
        Arc::new(Callback {
            secret: Token::new(secret),
            token: token.map(SigningToken::new),
            membership,
            forward: None,
            body_bytes: 1,
            calls_per_second: None,
        })
    };
    let with = |callback| App { callback, ..app(1, &["ann"]) };
    let (plain, full) = (callback("old", None, false), callback("old", Some("t"), true));
    for (running, file_has, expected, said) in [
        (Some(&full), Some(&full), Some(full.clone()), 0),
        (Some(&full), None, None, 1),
        (None, Some(&full), None, 0),
        (Some(&plain), Some(&full), Some(callback("old", Some("t"), false)), 1),
        (Some(&full), Some(&plain), Some(callback("old", Some("t"), false)), 1),
        (Some(&full), Some(&callback("new", Some("u"), true)), Some(callback("new", Some("u"), true)), 2),
    ] {
        let (running, file_has) = (running.cloned(), file_has.cloned());
        let (next, changes) =
            restrict(&[with(running.clone())], &file(vec![(with(file_has.clone()), vec![])], true));
        assert_eq!(
            (&next[0].callback, changes.len()),
            (&expected, said),
            "{running:?} {file_has:?} {changes:?}"
        );
        let unclear = file(vec![(with(file_has), vec!["callback"])], true);
        assert_eq!(restrict(&[with(running.clone())], &unclear).0[0].callback, running);
    }
}

#[test]
fn feed_tokens_are_replaced_or_removed_but_not_added() {
    let token = |text: Option<&str>| text.map(crate::auth::Token::new);
    let with = |text: Option<&str>| App { feed_token: token(text), ..app(1, &["ann"]) };
    for (running, file_has, expected, changes) in [
        (Some("old"), Some("new"), Some("new"), vec!["app 1: its feed token is replaced"]),
        (Some("old"), None, None, vec!["app 1: its feed token is removed"]),
        (Some("old"), Some("old"), Some("old"), vec![]),
        (None, Some("new"), None, vec![]),
    ] {
        let (next, said) = restrict(&[with(running)], &file(vec![(with(file_has), vec![])], true));
        assert_eq!(
            (next[0].feed_token.clone(), said),
            (token(expected), changes.iter().map(|one| (*one).to_owned()).collect())
        );
        let unclear = file(vec![(with(file_has), vec!["feed_token"])], true);
        assert_eq!(
            restrict(&[with(running)], &unclear).0[0].feed_token,
            token(running),
            "an unclear one stays"
        );
    }
}

#[test]
fn keys_are_replaced_or_removed_but_not_added() {
    let with = |key: Option<SecretKey>| App { key, ..app(1, &["ann"]) };
    for (running, file_has, expected, changes) in [
        (Some(key("old")), Some(key("new")), Some(key("new")), 1),
        (Some(key("old")), None, None, 1),
        (Some(key("old")), Some(key("old")), Some(key("old")), 0),
        (None, Some(key("new")), None, 0),
    ] {
        let (next, said) = restrict(&[with(running)], &file(vec![(with(file_has), vec![])], true));
        assert_eq!((next[0].key.clone(), said.len()), (expected, changes), "{said:?}");
    }
}

#[test]
fn a_previous_key_is_kept_only_if_it_is_accepted_already() {
    let previous = |text: &str, until| Some(PreviousKey { key: key(text), until });
    let with = |present: &str, previous_key: Option<PreviousKey>| App {
        key: Some(key(present)),
        previous_key,
        ..app(1, &["ann"])
    };
    let replaced = "its key is replaced";
    let (removed, earlier) = ("its previous key is removed", "its previous key expires earlier");
    for (running, file_has, expected, changes) in [
        // A rotation starts, is unchanged, ends, is shortened, and is followed by another.
        (with("a", None), with("b", previous("a", 9)), previous("a", 9), vec![replaced]),
        (with("b", previous("a", 9)), with("b", previous("a", 9)), previous("a", 9), vec![]),
        (with("b", previous("a", 9)), with("b", None), None, vec![removed]),
        (with("b", previous("a", 9)), with("b", previous("a", 5)), previous("a", 5), vec![earlier]),
        (with("b", previous("a", 9)), with("c", previous("b", 9)), previous("b", 9), vec![replaced, removed]),
        // The rotation is reverted.
        (with("b", previous("a", 9)), with("a", previous("b", 9)), previous("b", 9), vec![replaced]),
        // Neither another key nor more time is granted.
        (with("b", None), with("b", previous("x", 9)), None, vec![]),
        (with("b", previous("a", 9)), with("b", previous("a", 99)), previous("a", 9), vec![]),
        (with("b", previous("a", 9)), with("b", previous("x", 9)), None, vec![removed]),
    ] {
        let (next, said) = restrict(&[running], &file(vec![(file_has, vec![])], true));
        let changes: Vec<String> = changes.iter().map(|change| format!("app 1: {change}")).collect();
        assert_eq!((next[0].previous_key.clone(), said), (expected, changes));
    }
    let running = with("b", previous("a", 9));
    let (next, said) = restrict(&[running], &file(vec![(with("b", None), vec!["previous_key"])], true));
    assert_eq!((next[0].previous_key.clone(), said.len()), (previous("a", 9), 0), "it is not clear");
}

/// Apps with random values in all settings that can take rights away.
fn settings() -> impl Strategy<Value = App> {
    let names = || prop::sample::subsequence(vec!["ann", "bob", "eve"], 0..=3);
    let services = prop::sample::subsequence(vec!["recentcontact", "interchange"], 0..=2);
    let networks = prop::sample::subsequence(
        vec!["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "192.168.0.0/16", "::/0", "2001:db8::/32"],
        0..=4,
    );
    let key = prop::option::of(prop::sample::select(vec!["k", "l"]));
    let previous = prop::option::of((prop::sample::select(vec!["k", "l", "m"]), NOW - 1..NOW + 2));
    (
        names(),
        names(),
        services,
        prop::option::of(networks),
        (key, previous),
        any::<bool>(),
        prop::option::of(NOW - 1..NOW + 2),
    )
        .prop_map(|(admins, denied, closed, sources, (secret, previous), disabled, plan_until)| {
            let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
            App {
                key: secret.map(key_of),
                // As the configuration does, refuse a previous key without a key or equal to it.
                previous_key: previous
                    .filter(|(text, _)| secret.is_some_and(|secret| secret != *text))
                    .map(|(text, until)| PreviousKey { key: key_of(text), until }),
                denied: owned(denied),
                closed_services: owned(closed),
                allowed_sources: sources.map(|networks| {
                    networks.into_iter().map(|network| Network::parse(network).unwrap()).collect()
                }),
                disabled,
                plan_until,
                ..App { admins: Arc::new(owned(admins)), ..App::without_key(id(1)) }
            }
        })
}

fn key_of(text: &str) -> SecretKey {
    key(text)
}

/// Returns whether the gate admits a call.
fn admits(app: &App, admin: &str, secret: &str, source: &str, service: &str) -> bool {
    let signature = usersig::make(app.id, &Identifier::parse(admin).unwrap(), &key(secret), NOW, 60);
    let said = Credentials {
        sdkappid: Some("1"),
        identifier: Some(admin),
        usersig: Some(&signature),
        look_alikes: &[],
        source: source.parse().unwrap(),
        service,
    };
    Gate::new(Apps::new([app.clone()])).admit(said, NOW).is_ok()
}

proptest! {
    /// A call is admitted afterwards exactly if both the running app and the file admit it, except that the file's key may
    /// replace the running one.
    #[test]
    fn calls_are_admitted_only_if_both_admit_them(running in settings(), read in settings()) {
        let (next, _) = restrict(std::slice::from_ref(&running), &file(vec![(read.clone(), vec![])], true));
        // An existing key is replaced by the file's.
        let replaced =
            App { key: running.key.as_ref().and(read.key.clone()), previous_key: None, ..running.clone() };
        for admin in ["ann", "bob", "eve"] {
            for secret in ["k", "l", "m"] {
                for source in ["10.1.2.3", "10.1.9.9", "10.9.9.9", "192.168.1.1", "2001:db8::1", "2001:db9::1"] {
                    for service in ["recentcontact", "interchange"] {
                        let lets_in = |app: &App| admits(app, admin, secret, source, service);
                        let before = lets_in(&replaced) || (running.key.is_some() && lets_in(&running));
                        let expected = before && lets_in(&read);
                        prop_assert_eq!(lets_in(&next[0]), expected, "{} {} {}", admin, secret, source);
                    }
                }
            }
        }
    }
}
