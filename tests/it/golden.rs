//! Tests requests and the exact bytes of their replies, one file per command in `golden/`.
//!
//! Each file contains a sequence of calls to one fresh server: `> service/command`, the body on the next line, then
//! `< ` and the reply. Lines with `# ` are comments. Run with `GOLDEN=write` to write the server's current replies,
//! and review the difference. `EVENT1` is the id of the first event that a reply shows, and so on; bodies may use it.
//! A line `# with ` names arguments of the server.

use std::{fmt::Write, fs, path::PathBuf};

use confold::api::Absent;

use crate::harness::Server;

/// The stories about the recent list, with the commands that have to be switched on.
const RECENT: [&str; 4] = ["get_list", "delete", "top", "batch_delete"];

fn golden(name: &str) {
    replay("golden", name, |command| command.ends_with(&format!("/{name}")));
}

/// Makes the calls of a story and compares the replies. At least one of its commands has to be of interest.
pub(crate) fn replay(folder: &str, name: &str, is_of_interest: impl Fn(&str) -> bool) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(folder).join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).unwrap();
    let arguments = text.lines().find_map(|line| line.strip_prefix("# with "));
    let arguments = match arguments {
        Some(line) => line.split(' ').collect(),
        None if RECENT.contains(&name) => vec!["--extensions", "recent"],
        None => Vec::new(),
    };
    let server = Server::dev(&arguments);
    let mut client = server.client();
    let mut recorded = String::new();
    let mut lines = text.lines();
    let mut calls_of_the_command = 0;
    let mut events = Vec::new();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("> ") else {
            if !line.starts_with("< ") {
                writeln!(recorded, "{line}").unwrap();
            }
            continue;
        };
        calls_of_the_command += usize::from(is_of_interest(command));
        let body = lines.next().unwrap();
        let answer = client.call(command, &with_ids(body, &events));
        assert_eq!(answer.status, 200);
        let reply = without_ids(&answer.body, &mut events);
        let reply = without_sequence(settled(&reply, &text), body);
        writeln!(recorded, "> {command}\n{body}\n< {reply}").unwrap();
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

/// Replaces the names of events in a body by their ids.
fn with_ids(body: &str, events: &[String]) -> String {
    // `EVENT1` is also the beginning of `EVENT10`.
    let numbered = events.iter().enumerate().rev();
    numbered.fold(body.to_owned(), |body, (index, id)| body.replace(&format!("EVENT{}", index + 1), id))
}

/// Replaces the ids of events and the states of owners in a reply by their names, and the ids of requests by a placeholder.
fn without_ids(reply: &str, events: &mut Vec<String>) -> String {
    let after = |mark: &'static str| reply.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
    for id in after(r#""Id":""#).chain(after(r#""EventId":""#)) {
        if !events.iter().any(|known| known == id) {
            events.push(id.to_owned());
        }
    }
    for state in after(r#"State":""#).filter(|state| state.len() > 20) {
        if !events.iter().any(|known| known == state) {
            events.push(state.to_owned());
        }
    }
    let mut out = after(r#""RequestId":""#).fold(reply.to_owned(), |out, id| out.replace(id, "REQUEST"));
    // The id of one event may be the beginning of another's.
    let mut numbered: Vec<_> = events.iter().zip(1..).collect();
    numbered.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
    for (id, number) in numbered {
        out = out.replace(id, &format!("EVENT{number}"));
    }
    out
}

/// Replaces current times and generated ids with placeholders.
fn settled(reply: &str, story: &str) -> String {
    let mut out = String::new();
    let mut rest = reply;
    while let Some(at) = ["Timestamp\":", "TimeStamp\":", "Time\":", "GroupId\":\"@TGS#"]
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
    without_times(&out)
}

/// Replaces the current time in the ids of messages, which consist of several numbers.
fn without_times(reply: &str) -> String {
    let mut out = reply.to_owned();
    for (mark, between) in [("\"MsgKey\":\"", '_'), ("\"MsgId\":\"", '-')] {
        for id in reply.split(mark).skip(1).filter_map(|rest| rest.split('"').next()) {
            let is_now =
                |part: &&str| (1_760_000_000..10_000_000_000).contains(&part.parse::<u64>().unwrap());
            let parts = id.split(between).map(|part| if is_now(&part) { "NOW" } else { part });
            out = out.replace(id, &parts.collect::<Vec<_>>().join(&between.to_string()));
        }
    }
    out
}

/// Replaces the number that the server gives a message whose request has none.
fn without_sequence(reply: String, request: &str) -> String {
    let mark = "\"MsgKey\":\"";
    match reply.split_once(mark) {
        Some((before, rest)) if !request.contains("\"MsgSeq\"") => {
            let (_, rest) = rest.split_once('_').unwrap();
            format!("{before}{mark}GENERATED_{rest}")
        }
        _ => reply,
    }
}

/// Calls every command that is refused by name. The list is made by the table of these commands.
#[test]
fn every_refused_command_is_in_the_story_of_refusals() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/refused_by_name.txt");
    let server = Server::dev(&["--rate-limit", "off"]);
    let mut client = server.client();
    let mut recorded =
        "# Every command of the vendor that is refused by name, as an app answers it by default.\n"
            .to_owned();
    for absent in Absent::all() {
        let command = format!("{}/{}", absent.service(), absent.command().replace('*', "any_command"));
        let answer = client.call(&command, "{}");
        assert_eq!(answer.status, 200);
        writeln!(recorded, "> {command}\n{{}}\n< {}", answer.body).unwrap();
    }
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, &recorded).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    for (expected, found) in text.lines().zip(recorded.lines()) {
        assert_eq!(expected, found, "in {}", path.display());
    }
    assert_eq!(text.lines().count(), recorded.lines().count(), "in {}", path.display());
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
    account_check account_delete account_import changes create_contact_group create_group del_contact_group
    destroy_group get_contact_group get_group_info history import_group mark_contact multiaccount_import
    search search_contact_group undo update_contact_group
    kick portrait_get portrait_set query_online_status querystate
    batchsendmsg import_group_msg importmsg send_group_msg send_group_system_notification sendmsg
    get_list delete top batch_delete
    change_group_owner get_group_member_info get_joined_group_list get_online_member_num import_group_member
    modify_group_base_info modify_group_member_info
}
