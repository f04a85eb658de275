//! `confold call`: sends a single signed call, interactively or in a script.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    process::ExitCode,
};

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use serde_json::Value;

use super::{
    caller, pretty,
    remote::{Asked, Remote, Reply},
    service::{self, ITEMS_REFUSED, NO_ANSWER, UNUSABLE, ask, confirms, failed, say_hint, say_refusal},
    terminal::{print_if_read, say},
};
use crate::{
    api::{Absent, Command},
    display, excerpt,
};

/// The maximum size of a body that is read from a file.
const BODY_BYTES: u64 = 64 << 20;
/// How many refused items are listed on standard error.
const NAMED_ITEMS: usize = 10;
/// How many refused items are collected. A batch has at most a hundred, but a hostile server may send millions.
const MAX_ITEMS: usize = 1_000;

/// The options of `call`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The command: SERVICE/COMMAND, its full path, or its name alone.
    #[arg(value_name = "COMMAND")]
    command: String,
    /// The body, a JSON object; @FILE reads it from a file, and - from standard input.
    #[arg(value_name = "BODY", default_value = "{}")]
    body: String,
    #[command(flatten)]
    server: service::Options,
    /// The identifier that signs and calls, if it is not the administrator.
    #[arg(long, value_name = "NAME", conflicts_with = "admin")]
    identifier: Option<String>,
    /// Ask what the call would do, and keep nothing of it. Servers other than confold ignore this and make the call, which
    /// is then reported as an error.
    #[arg(long)]
    dry_run: bool,
    /// Print the reply without formatting, even on a terminal.
    #[arg(long)]
    raw: bool,
}

/// The outcome of a call.
enum CallOutcome {
    Done,
    Refused,
    ItemsRefused,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let (remote, path, body) = match prepared(options) {
        Ok(prepared) => prepared,
        Err(error) => return failed(UNUSABLE, &error),
    };
    let asked = Asked { dry_run: options.dry_run, ..Asked::default() };
    let (reply, fields) = match ask(&remote, &path, &body, asked) {
        Ok(answered) => answered,
        Err(error) => return failed(NO_ANSWER, &error),
    };
    if let Err(error) = print_if_read(shown(&reply.body, options.raw)) {
        return failed(1, &anyhow!(error));
    }
    match report(&reply, &fields, &path) {
        CallOutcome::Refused => ExitCode::FAILURE,
        _ if !confirms(&reply, options.dry_run) => ExitCode::FAILURE,
        CallOutcome::Done => ExitCode::SUCCESS,
        CallOutcome::ItemsRefused => ExitCode::from(ITEMS_REFUSED),
    }
}

/// Prepares the call: everything that can fail before it is sent.
fn prepared(options: &Options) -> anyhow::Result<(Remote, String, Vec<u8>)> {
    let path = path(&options.command)?;
    let mut caller = options.server.caller()?;
    if let Some(identifier) = caller::identifier("--identifier", options.identifier.as_deref())? {
        caller.admin = identifier;
    }
    let body = body(&options.body)?;
    Ok((options.server.remote(&caller)?, path, body))
}

/// Returns the path of a command. A name with its service is not checked, because another server may have commands that
/// confold does not know.
fn path(name: &str) -> anyhow::Result<String> {
    let name = name.strip_prefix('/').unwrap_or(name);
    let name = name.strip_prefix("v4/").unwrap_or(name);
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    if let Some((service, command)) = name.split_once('/') {
        ensure!(
            is_word(service) && is_word(command),
            "the command must be SERVICE/COMMAND, such as recentcontact/get_contact_group, found {}",
            excerpt::quoted(name)
        );
        return Ok(format!("/v4/{service}/{command}"));
    }
    let known = || Command::ALL.iter().filter(|command| command.name() == name);
    match (known().next(), known().nth(1)) {
        (Some(command), None) => Ok(command.path()),
        (Some(one), Some(other)) => bail!(
            "{name} is a command of several services; name the service: {} or {}",
            one.full_name(),
            other.full_name()
        ),
        (None, _) if let Some(absent) = Absent::all().find(|absent| absent.command() == name) => bail!(
            "confold does not implement {name} of the service {}, because {}",
            absent.service(),
            absent.reason()
        ),
        (None, _) => {
            let cure = Command::nearest(name).map_or_else(
                || {
                    format!(
                        "the commands are {}",
                        Command::ALL.iter().map(|command| command.name()).collect::<Vec<_>>().join(", ")
                    )
                },
                |meant| format!("did you mean {}?", meant.name()),
            );
            bail!("there is no command {}; {cure}", excerpt::quoted(name))
        }
    }
}

/// Reads the body to send. It is not checked, because the server's message about invalid JSON is better.
fn body(given: &str) -> anyhow::Result<Vec<u8>> {
    let read = |input: &mut dyn Read, name: &str| {
        let mut body = Vec::new();
        let cannot = || format!("cannot read {name}");
        input.take(BODY_BYTES + 1).read_to_end(&mut body).with_context(cannot)?;
        ensure!(body.len() as u64 <= BODY_BYTES, "{name} has more than {} MiB", BODY_BYTES >> 20);
        Ok(body)
    };
    match given.strip_prefix('@') {
        None if given == "-" => read(&mut io::stdin().lock(), "standard input"),
        None => Ok(given.as_bytes().to_vec()),
        Some("-") => read(&mut io::stdin().lock(), "standard input"),
        Some(file) => {
            let mut opened = File::open(file).with_context(|| format!("cannot read {file}"))?;
            read(&mut opened, file)
        }
    }
}

/// Formats a reply for output: readable and escaped on a terminal, unchanged elsewhere.
fn shown(body: &[u8], raw: bool) -> String {
    let text = String::from_utf8_lossy(body);
    let on_terminal = io::stdout().is_terminal();
    match (on_terminal, raw) {
        (true, false) => pretty::json(&text, display::has_colours(true)),
        (true, true) => excerpt::json(text.trim_end()).into_owned() + "\n",
        (false, _) => text.trim_end().to_owned() + "\n",
    }
}

/// Prints on standard error why the service refused the call or some of its items.
fn report(reply: &Reply, fields: &Value, path: &str) -> CallOutcome {
    let outcome = if say_refusal(reply, fields) {
        let info = fields["ErrorInfo"].as_str().unwrap_or_default();
        // Suggest a command only if the server has not.
        let name = path.trim_start_matches("/v4/");
        if let Some(meant) = Command::nearest(name).filter(|meant| meant.full_name() != name)
            && !info.contains("did you mean")
        {
            say(format!("hint: did you mean {}?", meant.full_name()));
        }
        CallOutcome::Refused
    } else {
        let mut refused = Vec::new();
        refused_items(fields, "", &mut refused);
        for item in refused.iter().take(NAMED_ITEMS) {
            say(format!("refused: {item}"));
        }
        match refused.len() {
            MAX_ITEMS.. => say("and many more"),
            count if count > NAMED_ITEMS => say(format!("and {} more", count - NAMED_ITEMS)),
            _ => {}
        }
        if refused.is_empty() { CallOutcome::Done } else { CallOutcome::ItemsRefused }
    };
    say_hint(reply);
    outcome
}

/// Collects the items that were refused in a successful call: those with an error code of their own, accounts in
/// `FailAccounts`, and members whose `Result` is 0.
fn refused_items(value: &Value, path: &str, refused: &mut Vec<String>) {
    match value {
        _ if refused.len() >= MAX_ITEMS => {}
        Value::Array(items) => {
            for (index, item) in
                items.iter().enumerate().filter(|(_, item)| item.is_object() || item.is_array())
            {
                refused_items(item, &format!("{path}[{index}]"), refused);
            }
        }
        Value::Object(fields) => {
            for (code, info) in [("ResultCode", "ResultInfo"), ("ErrorCode", "ErrorInfo")] {
                if let Some(code) = fields.get(code).and_then(Value::as_i64).filter(|code| *code != 0) {
                    let info = fields.get(info).and_then(Value::as_str).unwrap_or("without a reason");
                    refused.push(format!("{}: {} ({code})", excerpt::plain(path), excerpt::line(info)));
                }
            }
            if let (Some(Value::String(member)), Some(0)) =
                (fields.get("Member_Account"), fields.get("Result").and_then(Value::as_i64))
            {
                refused.push(format!("{}: {} was not added", excerpt::plain(path), excerpt::quoted(member)));
            }
            if let Some(accounts) = fields.get("FailAccounts").and_then(Value::as_array) {
                let named = accounts.iter().filter_map(Value::as_str);
                let named = named.take(MAX_ITEMS);
                refused.extend(named.map(|name| format!("FailAccounts: {}", excerpt::quoted(name))));
            }
            for (name, field) in fields {
                let name = excerpt::plain(name);
                let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                refused_items(field, &path, refused);
            }
        }
        _ => {}
    }
}
