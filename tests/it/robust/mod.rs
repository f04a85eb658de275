//! Tests failures of the store as operators and clients of the real server see them: lost logs and databases, damaged
//! pages, full or read-only disks, and directories that are moved away.

mod damage;
mod disks;
mod opening;

use crate::{
    bodies::{mark_contact, records, user},
    harness::{Client, Server},
    serving::Site,
};

/// Returns a site with its own data directory, directory mode `open`, and no rate limit.
fn site() -> Site {
    let site = Site::new();
    site.configure(
        "[store]\ndirectory = \"data\"\n[limits]\nrate_limit = false\n[metrics]\nenabled = true",
        "directory = \"open\"",
    );
    site
}

/// Sets the custom mark of an owner's conversation with themselves; returns the code of the item, or of the call.
fn mark(client: &mut Client, owner: &str, value: &str) -> u64 {
    let answer = client.make(&mark_contact(owner).custom(user(owner), value));
    match answer.code() {
        0 => answer.json()["ResultItem"][0]["ResultCode"].as_u64().unwrap(),
        code => code,
    }
}

/// Reads the custom mark that `mark` has set.
fn marked(client: &mut Client, owner: &str) -> Option<String> {
    let items = records(client, owner);
    let item = items.iter().find(|item| item["To_Account"] == owner)?;
    Some(item["CustomMark"].as_str().unwrap().to_owned())
}

/// Requests a path, and returns the status and the body.
fn look(server: &Server, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = server.client().raw(request.as_bytes()).unwrap();
    (answer.status, answer.body)
}

/// Returns the value of a metric.
fn metric(server: &Server, name: &str) -> u64 {
    server.client().metric(name)
}
