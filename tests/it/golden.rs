//! Tests requests and the exact bytes of their replies, one file per command in `golden/`.
//!
//! Each file contains a sequence of calls to one fresh server: `> service/command`, the body on the next line, then
//! `< ` and the reply. Lines with `# ` are comments. Run with `GOLDEN=write` to write the server's current replies,
//! and review the difference.

use std::{fmt::Write, fs, path::PathBuf};

use crate::harness::Server;

fn golden(name: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).unwrap();
    let server = Server::dev(&[]);
    let mut client = server.client();
    let mut recorded = String::new();
    let mut lines = text.lines();
    let mut calls_of_the_command = 0;
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("> ") else {
            if !line.starts_with("< ") {
                writeln!(recorded, "{line}").unwrap();
            }
            continue;
        };
        calls_of_the_command += usize::from(command.ends_with(&format!("/{name}")));
        let body = lines.next().unwrap();
        let answer = client.call(command, body);
        assert_eq!(answer.status, 200);
        writeln!(recorded, "> {command}\n{body}\n< {}", settled(&answer.body, &text)).unwrap();
    }
    assert!(calls_of_the_command > 0, "{name} is never called");
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, recorded).unwrap();
        return;
    }
    for (expected, found) in text.lines().zip(recorded.lines()) {
        assert_eq!(expected, found, "in {}", path.display());
    }
    assert_eq!(text.lines().count(), recorded.lines().count(), "in {}", path.display());
}

/// Replaces current times and generated ids with placeholders.
fn settled(reply: &str, story: &str) -> String {
    let mut out = String::new();
    let mut rest = reply;
    while let Some(at) = ["Timestamp\":", "Time\":", "GroupId\":\"@TGS#"]
        .iter()
        .filter_map(|mark| Some((rest.find(mark)?, *mark)))
        .min()
    {
        let (start, mark) = at;
        out.push_str(&rest[..start + mark.len()]);
        rest = &rest[start + mark.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
        let value = &rest[..end];
        match value.parse::<u64>() {
            Ok(time) if time > 1_760_000_000 => out.push_str("NOW"),
            Err(_) if end == 9 && !story.contains(value) => out.push_str("GENERATED"),
            _ => out.push_str(value),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

macro_rules! stories {
    ($($name:ident)+) => {
        $(#[test] fn $name() { golden(stringify!($name)); })+

        #[test]
        fn every_command_has_a_story() {
            let stories = [$(stringify!($name)),+];
            for command in confold::api::Command::ALL {
                assert!(stories.contains(&command.name()), "{} has no golden file", command.name());
            }
        }
    };
}

stories! {
    add_group_member delete_group_member get_appid_group_list get_role_in_group
    account_check account_delete account_import create_contact_group create_group del_contact_group
    destroy_group get_contact_group get_group_info import_group mark_contact multiaccount_import
    search search_contact_group update_contact_group
}
