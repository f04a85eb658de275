//! `confold undo`: reverts what calls have changed for a user.

use std::{fmt::Write, process::ExitCode};

use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};

use super::{
    changes,
    remote::Asked,
    service::{self, ITEMS_REFUSED, NO_ANSWER, UNUSABLE, ask, confirms, failed, say_hint, say_refusal},
    terminal::{print_if_read, say},
};
use crate::{api::Command, display, domain::UserId, excerpt};

/// The options of `undo`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("target").required(true).args(["change", "since"])))]
pub(super) struct Options {
    #[command(flatten)]
    server: service::Options,
    /// The user whose conversations are organized.
    #[arg(long, value_name = "ID", value_parser = service::user)]
    user: UserId,
    /// The id of the event to undo; confold history shows it. What later calls changed stays as it is.
    #[arg(long, value_name = "EVENT")]
    change: Option<String>,
    /// The id of the event after which everything is undone.
    #[arg(long, value_name = "EVENT")]
    since: Option<String>,
    /// Undo only if the user still has this state, so that nothing is undone that happened in the meantime. A dry run
    /// prints the state.
    #[arg(long, value_name = "STATE", value_parser = state)]
    if_in_state: Option<String>,
    /// Ask what the undo would do, and keep nothing of it.
    #[arg(long)]
    dry_run: bool,
    /// Print the reply of the server as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Refuses an empty state, for example that of a shell variable that is not set, because the server takes it for absent.
fn state(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must be a state that confold undo --dry-run has printed".to_owned()),
        state => Ok(state.to_owned()),
    }
}

pub(super) fn run(options: &Options) -> ExitCode {
    let prepared = options.server.caller().and_then(|caller| options.server.remote(&caller));
    let remote = match prepared {
        Ok(remote) => remote,
        Err(error) => return failed(UNUSABLE, &error),
    };
    let body = json!({
        "From_Account": options.user.as_str(),
        "Change": options.change,
        "Since": options.since,
        "IfInState": options.if_in_state,
    });
    let path = Command::Undo.path();
    let asked = Asked { dry_run: options.dry_run, state: options.dry_run };
    let (reply, fields) = match ask(&remote, &path, body.to_string().as_bytes(), asked) {
        Ok(answered) => answered,
        Err(error) => return failed(NO_ANSWER, &error),
    };
    if say_refusal(&reply, &fields) {
        say_hint(&reply);
        return ExitCode::FAILURE;
    }
    let text = match options.json {
        true => format!("{}\n", excerpt::json(String::from_utf8_lossy(&reply.body).trim_end())),
        false => summary(&fields, options.dry_run && reply.dry_run),
    };
    if let Err(error) = print_if_read(text) {
        return failed(1, &anyhow!(error));
    }
    if !confirms(&reply, options.dry_run) {
        return ExitCode::FAILURE;
    }
    if options.dry_run
        && let Some(state) = fields["State"].as_str()
    {
        say(format!("To undo exactly this, add --if-in-state {}", excerpt::plain(state)));
    }
    match fields["KeptItem"].as_array() {
        Some(kept) if !kept.is_empty() => ExitCode::from(ITEMS_REFUSED),
        _ => ExitCode::SUCCESS,
    }
}

/// Describes a reply for people: what was undone, and each field that stays.
fn summary(fields: &Value, dry_run: bool) -> String {
    let events = match fields["EventCount"].as_u64().unwrap_or_default() {
        1 => "1 event".to_owned(),
        count => format!("{count} events"),
    };
    let mut lines = vec![match fields["EventId"].as_str() {
        _ if dry_run => format!("would undo {events}; nothing was changed"),
        Some(id) => format!("undid {events}; the undo itself is the event {}", excerpt::plain(id)),
        None => format!("looked at {events}; nothing had to be changed"),
    }];
    for kept in fields["KeptItem"].as_array().into_iter().flatten() {
        let reason = kept["ResultInfo"].as_str().unwrap_or_default();
        lines.push(format!("kept {}: {}", field(kept), excerpt::line(reason)));
    }
    lines.iter().fold(String::new(), |mut text, line| {
        let line = excerpt::line(line);
        writeln!(text, "{}", display::for_locale(&line)).expect("writing to a string cannot fail");
        text
    })
}

/// Describes a field that stays as it is.
fn field(kept: &Value) -> String {
    let (contact, group) = (&kept["ContactItem"], &kept["GroupItem"]);
    match kept["Field"].as_str().unwrap_or_default() {
        "Group" => changes::group(group),
        "GroupName" => {
            let name = group["GroupName"].as_str().unwrap_or_default();
            let id = group["GroupId"].to_string();
            format!("the name of group {}, which was {}", excerpt::plain(&id), excerpt::quoted(name))
        }
        "ContactGroupId" => {
            format!("whether {} is in {}", changes::conversation(contact), changes::group(group))
        }
        "StandardMark" => {
            let bits: Vec<String> =
                changes::bits(&kept["StandardMark"]).iter().map(ToString::to_string).collect();
            format!("standard marks {} of {}", bits.join(" "), changes::conversation(contact))
        }
        "CustomMark" => format!("the custom mark of {}", changes::conversation(contact)),
        "Account" => "the account".to_owned(),
        other => excerpt::plain(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_that_stays_is_described() {
        let contact = json!({"Type": 1, "To_Account": "bob"});
        let group = json!({"GroupName": "work", "GroupId": 3});
        let kept = json!([
            {"Field": "Group", "GroupItem": group, "ResultInfo": "one"},
            {"Field": "GroupName", "GroupItem": group, "ResultInfo": "two"},
            {"Field": "ContactGroupId", "ContactItem": contact, "GroupItem": group, "ResultInfo": "three"},
            {"Field": "StandardMark", "ContactItem": contact, "StandardMark": "1001", "ResultInfo": "four"},
            {"Field": "CustomMark", "ContactItem": {"Type": 2, "ToGroupId": "club"}, "ResultInfo": "five"},
            {"Field": "Account", "ResultInfo": "six\u{1b}[2J"},
            {"Field": "\u{202e}", "ResultInfo": 7},
        ]);
        assert_eq!(
            summary(&json!({"EventId": "a1", "EventCount": 1, "KeptItem": kept}), false),
            "undid 1 event; the undo itself is the event a1\n\
             kept group \"work\" (3): one\n\
             kept the name of group 3, which was \"work\": two\n\
             kept whether \"bob\" is in group \"work\" (3): three\n\
             kept standard marks 0 3 of \"bob\": four\n\
             kept the custom mark of chat group \"club\": five\n\
             kept the account: six\\u{1b}[2J\n\
             kept \\u{202e}: \n"
        );
        let none = json!({"EventCount": 0, "KeptItem": []});
        assert_eq!(summary(&none, false), "looked at 0 events; nothing had to be changed\n");
        assert_eq!(summary(&none, true), "would undo 0 events; nothing was changed\n");
    }
}
