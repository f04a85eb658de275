//! Failures of the store as operators and clients of the real server see them: lost logs and databases, damaged pages,
//! full or read-only disks, and directories that are moved away.

mod damage;
mod disks;
mod opening;

use crate::{
    harness::{Client, Server},
    serving::Site,
};

const GET: &str = "recentcontact/get_contact_group";
const MARK: &str = "recentcontact/mark_contact";
const IMPORT: &str = "im_open_login_svc/account_import";

/// A site with its own data directory, directory mode `open`, and no rate limit.
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
    let body = format!(
        r#"{{"From_Account":"{owner}","MarkItem":[{{"OptType":2,"ContactItem":{{"Type":1,"To_Account":"{owner}"}},"CustomMark":"{value}"}}]}}"#
    );
    let answer = client.call(MARK, &body);
    match answer.code() {
        0 => answer.json()["ResultItem"][0]["ResultCode"].as_u64().unwrap(),
        code => code,
    }
}

/// Reads the custom mark that `mark` has set.
fn marked(client: &mut Client, owner: &str) -> Option<String> {
    let reply = client.ok(GET, &format!(r#"{{"From_Account":"{owner}","StartIndex":0}}"#));
    let items = reply["ContactItem"].as_array().unwrap();
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
    let (_, text) = look(server, "/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.parse().unwrap()
}
