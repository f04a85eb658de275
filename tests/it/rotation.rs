//! Tests key rotation: signatures made with the previous key are accepted until it ends, not longer.

use confold::{
    auth::{App, Apps, Credentials, Gate, Generation, Identifier, PreviousKey, SecretKey, usersig},
    domain::AppId,
};
use rustix::process::Signal;

use crate::{
    harness::{ADMIN, APP, Client, KEY, Server, eventually, said},
    reload::until,
    serving::{Site, later},
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
const OLD: &str = "the-key-that-was-there-before-0123456789";

/// The setting for the current key.
const NEW: &str = "key_file = \"key\"\n";

/// Creates a site whose app had the key `OLD` and now has the page's.
fn rotated(until: &str) -> Site {
    let site = Site::new();
    site.write("old", OLD);
    configure(&site, until);
    site
}

fn configure(site: &Site, until: &str) {
    site.configure(
        "metrics.enabled = true",
        &format!("{NEW}previous_key_file = \"old\"\nprevious_key_until = {until}"),
    );
}

fn client(server: &Server, key: &str) -> Client {
    server.client().signed_for(APP, ADMIN, key)
}

#[test]
fn a_key_is_rotated_without_a_refused_call() {
    let site = Site::new();
    site.write("old", OLD);
    site.configure("", "key_file = \"old\"");
    let server = site.serve();
    let (mut late, mut early) = (client(&server, OLD), client(&server, KEY));
    assert_eq!((late.call(GET, BODY).code(), early.call(GET, BODY).code()), (50001, 70009));
    configure(&site, &later(30));
    server.signal(Signal::HUP);
    until(&mut early, 50001);
    assert_eq!(
        late.call(GET, BODY).code(),
        50001,
        "a cached signature made with the previous key should be accepted"
    );
    let mut anew = server.client().signed_for(APP, "nobody", OLD);
    assert_eq!(anew.call(GET, BODY).code(), 60010, "a new signature should be verified");
    // After the key is removed from the file, its signatures are refused immediately, including cached ones.
    site.configure("", "");
    server.signal(Signal::HUP);
    until(&mut late, 70009);
    assert_eq!(early.call(GET, BODY).code(), 50001);
}

#[test]
fn a_previous_key_ends_while_the_server_runs() {
    let id = AppId::new(7).unwrap();
    let key = |text: &str| SecretKey::new(text).unwrap();
    let admin = Identifier::parse("ann").unwrap();
    let made = |key: &SecretKey| usersig::make(id, &admin, key, 1_000, 100_000);
    let (old, new) = (made(&key("old")), made(&key("new")));
    let app = App {
        previous_key: Some(PreviousKey { key: key("old"), until: 2_000 }),
        ..App::new(id, key("new"), vec!["ann".to_owned()])
    };
    let gate = Gate::new(Apps::new([app.clone()]));
    let admits = |gate: &Gate, usersig: &str, now| {
        let said = Credentials {
            sdkappid: Some("7"),
            identifier: Some("ann"),
            usersig: Some(usersig),
            look_alikes: &[],
            source: [127, 0, 0, 1].into(),
            service: "recentcontact",
        };
        gate.admit(said, now).is_ok()
    };
    for now in [1_000, 2_000] {
        assert!(admits(&gate, &old, now) && admits(&gate, &new, now), "{now}");
    }
    assert!(!admits(&gate, &old, 2_001), "a cached signature that has not expired should be refused, too");
    assert!(admits(&gate, &new, 2_001));
    // The count continues when the apps change, and ends with the previous key.
    let moved = App { previous_key: Some(PreviousKey { key: key("old"), until: 3_000 }), ..app.clone() };
    let next = gate.with(Apps::new([moved]));
    assert!(admits(&next, &old, 2_500));
    let uses = next.previous_use();
    assert_eq!((uses.len(), uses[0].calls, uses[0].until), (1, 3, 3_000));
    assert_eq!(uses[0].last, Some(("ann".to_owned(), [127, 0, 0, 1].into())));
    let without = next.with(Apps::new([App { previous_key: None, ..app }]));
    assert!(!admits(&without, &old, 2_500) && without.previous_use().is_empty());
    assert_ne!(Generation::Current, Generation::Previous);
}

#[test]
fn calls_with_the_previous_key_are_counted_and_logged() {
    let site = rotated(&later(30));
    let server = site.serve();
    let counted = || {
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        let text = server.client().raw(request).unwrap().body;
        let series = format!("confold_previous_key_calls_total{{app=\"{APP}\"}} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned);
        assert!(
            text.contains(&format!("confold_previous_key_until_timestamp_seconds{{app=\"{APP}\"}} ")),
            "{text}"
        );
        found.unwrap_or_else(|| panic!("{series} in {text}"))
    };
    assert_eq!(client(&server, KEY).call(GET, BODY).code(), 50001);
    assert_eq!(counted(), "0");
    let mut late = client(&server, OLD);
    for _ in 0..3 {
        assert_eq!(late.call(GET, BODY).code(), 50001);
    }
    assert_eq!(counted(), "3");
    let line = "calls still come with the previous key of the app";
    eventually("the log says so", || {
        // The log line is written by a background task.
        late.call(GET, BODY);
        site.log().contains(line)
    });
    let log = site.log();
    let logged = log.lines().find(|found| found.contains(line)).unwrap();
    assert!(logged.contains(&format!("app={APP}")) && logged.contains("identifier=admin"), "{logged}");
    assert!(logged.contains("source=127.0.0.1") && logged.contains("until="), "{logged}");
    assert_eq!(log.matches(line).count(), 1, "there should be at most one line a minute: {log}");
}

#[test]
fn a_file_with_a_mistake_rotates_a_key_without_a_refused_call() {
    let site = Site::new();
    site.write("old", OLD);
    site.configure("", "key_file = \"old\"");
    let server = site.serve();
    let (mut late, mut early) = (client(&server, OLD), client(&server, KEY));
    assert_eq!(late.call(GET, BODY).code(), 50001);
    let rotation = format!("{NEW}previous_key_file = \"old\"\nprevious_key_until = {}", later(30));
    site.configure("lisen = []", &rotation);
    server.signal(Signal::HUP);
    until(&mut early, 50001);
    assert_eq!(late.call(GET, BODY).code(), 50001);
    // A leaked previous key is removed even by a file with a mistake.
    site.configure("lisen = []", "");
    server.signal(Signal::HUP);
    until(&mut late, 70009);
    eventually("the log says so", || site.log().contains("app 88888888: its previous key is removed"));
}

#[test]
fn a_mistake_in_a_rotation_does_not_lock_anybody_out() {
    let site = Site::new();
    site.write("old", OLD);
    site.configure("", "key_file = \"old\"");
    let server = site.serve();
    let (mut late, mut early) = (client(&server, OLD), client(&server, KEY));
    for (count, mistake) in [
        "previous_key_file = \"old\"".to_owned(),
        format!("previous_key_file = \"old\"\nprevious_key_untill = {}", later(30)),
        "previous_key_file = \"old\"\nprevious_key_until = 2030-01-01".to_owned(),
        format!("previous_key_file = \"old\"\nprevious_key_until = {}", later(400)),
        format!("previous_key_file = \"nowhere\"\nprevious_key_until = {}", later(30)),
        format!("previous_key_fil = \"old\"\nprevious_key_until = {}", later(30)),
    ]
    .iter()
    .enumerate()
    {
        site.configure("", &format!("{NEW}{mistake}"));
        server.signal(Signal::HUP);
        // Every rejected file produces at least one log line.
        eventually("it is refused", || site.log().matches("configuration rejected").count() > count);
        assert_eq!(late.call(GET, BODY).code(), 50001, "{mistake}: {}", site.log());
        assert_eq!(early.call(GET, BODY).code(), 70009, "{mistake}");
    }
    site.configure("", &format!("{NEW}previous_key_file = \"old\"\nprevious_key_until = {}", later(30)));
    server.signal(Signal::HUP);
    until(&mut early, 50001);
    assert_eq!(late.call(GET, BODY).code(), 50001);
    // The setting previous_key_until alone does not define a previous key.
    site.configure("", &format!("{NEW}previous_key_until = {}", later(30)));
    server.signal(Signal::HUP);
    until(&mut late, 70009);
    assert_eq!(early.call(GET, BODY).code(), 50001);
}

#[test]
fn what_is_wrong_with_a_rotation_is_named() {
    let refusal = |app: &str| {
        let site = Site::new();
        site.write("old", OLD);
        site.write("same", KEY);
        site.configure("", &format!("{NEW}{app}"));
        let output = site.check();
        assert!(!output.status.success(), "{app}");
        said(&output)
    };
    let until = format!("previous_key_until = {}", later(30));
    for (app, expected) in [
        (
            "previous_key_file = \"old\"".to_owned(),
            "app 88888888 has a previous key, but no previous_key_until; set it, for example to 2",
        ),
        (until.clone(), "app 88888888 has previous_key_until, but no previous key; set previous_key_file"),
        (
            format!("previous_key_file = \"old\"\nprevious_key_until = {}", later(400)),
            "app 88888888: previous_key_until is more than 366 days away; choose a time before 2",
        ),
        (
            format!("previous_key_file = \"same\"\n{until}"),
            "app 88888888 has the same value for its key and its previous key; set key to the new one",
        ),
        (
            format!("previous_key_file = \"old\"\nprevious_key_env = \"HOME\"\n{until}"),
            "has more than one of previous_key, previous_key_file and previous_key_env; keep one",
        ),
        (
            format!("previous_key_file = \"nowhere\"\n{until}"),
            "app 88888888: previous_key_file: cannot read ",
        ),
        (
            format!("previous_key = \"two words\"\n{until}"),
            "app.previous_key contains a space in the middle; it must be one word",
        ),
    ] {
        let found = refusal(&app);
        assert!(found.contains(expected), "{app}: {found}");
        assert_eq!(found.lines().count(), 1, "nothing else is wrong: {found}");
    }
    let site = rotated("2024-05-01T00:00:00Z");
    let output = site.check();
    let found = said(&output);
    assert!(output.status.success(), "{found}");
    let expected = "warning: the previous key of app 88888888 is not accepted any more, because previous_key_until \
                    (2024-05-01T00:00:00Z) has passed; remove both from the configuration";
    assert!(found.contains(expected), "{found}");
    assert!(found.contains("previous_key_file = \"") && !found.contains(OLD), "{found}");
}
