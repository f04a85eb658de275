//! `confold webhooks`: shows and operates the webhooks of an app of a running server.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{app_option::AppName, caller, remote::Remote, terminal};
use crate::{excerpt, webhooks::is_name};

/// The options of `webhooks`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// What to do.
    #[arg(value_enum)]
    task: Task,
    /// The name of the webhook, for all tasks except `list`.
    #[arg(value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// The address of a running confold server.
    #[arg(long, value_name = "URL")]
    url: String,
    /// A PEM file with the certificate authority that issued the server's certificate [default: the authorities that
    /// browsers trust].
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    caller: caller::Options,
    /// Print the server's reply as JSON.
    #[arg(long)]
    json: bool,
}

/// What to do with webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Task {
    /// Show all webhooks of the app and how they are.
    List,
    /// Send a message to the receiver, and show what it answers.
    Test,
    /// Send events again that were given up, oldest first, until one is refused.
    Replay,
    /// Send everything that waits at once, also if the receiver has switched itself off.
    Enable,
}

fn name(text: &str) -> Result<String, String> {
    let rule = "must be the name of a webhook: 1 to 32 letters, digits, - and _";
    is_name(text).then(|| text.to_owned()).ok_or_else(|| rule.to_owned())
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let remote =
        Remote::new(&options.url, options.ca.as_deref(), &options.caller.caller(Some(AppName::sample()))?)?;
    let name = match (options.task, &options.name) {
        (Task::List, Some(_)) => bail!("list shows all webhooks; leave the name out"),
        (Task::List, None) => "",
        (_, name) => name.as_deref().context("the name of the webhook is missing; list shows all names")?,
    };
    let (path, query) = (
        match options.task {
            Task::List => "/webhooks/list",
            Task::Test => "/webhooks/test",
            Task::Replay => "/webhooks/replay",
            Task::Enable => "/webhooks/enable",
        },
        format!("&webhook={name}"),
    );
    let mut delivered = 0;
    loop {
        let reply = remote.operate(path, if name.is_empty() { "" } else { &query })?;
        delivered += reply["Delivered"].as_u64().unwrap_or(0);
        let is_moving = reply["Delivered"] != 0 || reply["Gone"] != 0;
        let goes_on = options.task == Task::Replay
            && reply["Reason"].is_null()
            && reply["Left"].as_u64().is_some_and(|left| left > 0)
            && is_moving;
        if goes_on {
            continue;
        }
        let text = if options.json { format!("{reply}\n") } else { shown(options.task, &reply, delivered) };
        terminal::print(text)?;
        let is_well = match options.task {
            Task::List | Task::Enable => true,
            Task::Test => reply["Delivered"] == true,
            Task::Replay => reply["Reason"].is_null(),
        };
        return Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
}

/// Formats a reply. Its texts come from another machine.
fn shown(task: Task, reply: &Value, delivered: u64) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => excerpt::line(text).into_owned(),
        other => excerpt::line(&other.to_string()).into_owned(),
    };
    match task {
        Task::List => {
            let columns = ["Name", "State", "WaitingLanes", "GivenUp", "Delivered", "Failed", "Receiver"];
            let rows = reply["Webhooks"].as_array().map_or(&[][..], Vec::as_slice);
            let cells: Vec<Vec<String>> = std::iter::once(columns.map(str::to_owned).to_vec())
                .chain(rows.iter().map(|row| columns.iter().map(|column| plain(&row[*column])).collect()))
                .collect();
            table(&cells)
        }
        Task::Test if reply["Delivered"] == true => {
            format!("delivered in {} ms\n", plain(&reply["Milliseconds"]))
        }
        Task::Test => format!("not delivered: {}\n", plain(&reply["Reason"])),
        Task::Replay => {
            let left = plain(&reply["Left"]);
            let why = match &reply["Reason"] {
                Value::Null => String::new(),
                why => format!("; the next one was refused again: {}", plain(why)),
            };
            format!("{delivered} events delivered, {left} left{why}\n")
        }
        Task::Enable => "everything that waits is sent now\n".to_owned(),
    }
}

/// Formats rows with aligned columns.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
