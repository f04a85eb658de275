//! `confold webhooks`: shows and operates the webhooks of an app of a running server, or those in a data directory.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{app_option::AppName, caller, remote::Remote, terminal, webhooks_stopped::Stopped};
use crate::{excerpt, webhooks::is_name};

/// The options of `webhooks`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("place").required(true).args(["data", "url"])))]
pub(super) struct Options {
    /// What to do.
    #[arg(value_enum)]
    task: Task,
    /// The name of the webhook, for all tasks except `list`.
    #[arg(value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// The data directory. No server may be using it. `test` needs a running server.
    #[arg(long, alias = "store-directory", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration that has the address and the secrets of the receiver, for `replay` with --data.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    config: Option<PathBuf>,
    /// The address of a running confold server.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A PEM file with the certificate authority that issued the server's certificate [default: the authorities that
    /// browsers trust].
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    caller: caller::Options,
    /// Print the reply as JSON.
    #[arg(long)]
    json: bool,
}

/// Where the webhooks are.
enum Place {
    Server(Remote),
    Data(Stopped),
}

/// What to do with webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Task {
    /// Show all webhooks and their state.
    List,
    /// Send a message to the receiver, and show what it answers.
    Test,
    /// Send the events again that were given up, oldest first. Those that are refused again stay in the list.
    Replay,
    /// Send everything that is waiting at once, even if the receiver has switched the webhook off by answering 410.
    Enable,
}

fn name(text: &str) -> Result<String, String> {
    let rule = "must be the name of a webhook: 1 to 32 letters, digits, - and _";
    is_name(text).then(|| text.to_owned()).ok_or_else(|| rule.to_owned())
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let name = match (options.task, &options.name) {
        (Task::List, Some(_)) => bail!("list shows all webhooks; leave the name out"),
        (Task::List, None) => "",
        (_, name) => name.as_deref().context("the name of the webhook is missing; list shows all names")?,
    };
    let place = options.place()?;
    let reply = match options.task {
        Task::List => place.ask(Task::List, name, 0),
        Task::Replay => replay(&place, name),
        task => place.ask(task, name, 0),
    };
    if let Place::Data(stopped) = &place {
        stopped.close()?;
    }
    let reply = reply?;
    let text = if options.json { format!("{reply}\n") } else { shown(options.task, &reply) };
    terminal::print(text)?;
    let is_well = match options.task {
        Task::List | Task::Enable => true,
        Task::Test => reply["Delivered"] == true,
        Task::Replay => reply["Reason"].is_null(),
    };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Options {
    fn place(&self) -> anyhow::Result<Place> {
        if let Some(directory) = &self.data {
            if self.task == Task::Test {
                bail!("test sends a message through a running server; use --url URL instead of --data");
            }
            if self.task == Task::Replay && self.config.is_none() {
                bail!(
                    "the address and the secrets of the receiver are in the configuration of the server; add --config FILE"
                );
            }
            let app = self.caller.app.as_ref().map(|app: &AppName| app.id);
            return Ok(Place::Data(Stopped::open(directory, app, self.config.as_deref())?));
        }
        let url = self.url.as_deref().context("either --data or --url is needed")?;
        let caller = self.caller.caller(Some(AppName::sample()))?;
        Ok(Place::Server(Remote::new(url, self.ca.as_deref(), &caller)?))
    }
}

impl Place {
    /// Does one step of a task. A replay goes on after the place `after`.
    fn ask(&self, task: Task, name: &str, after: u64) -> anyhow::Result<Value> {
        let query = format!("&webhook={name}&after={after}");
        match (self, task) {
            (Place::Server(remote), Task::List) => remote.operate("/webhooks/list", ""),
            (Place::Server(remote), Task::Test) => remote.operate("/webhooks/test", &query),
            (Place::Server(remote), Task::Replay) => remote.operate("/webhooks/replay", &query),
            (Place::Server(remote), Task::Enable) => remote.operate("/webhooks/enable", &query),
            (Place::Data(stopped), Task::Replay) => stopped.replay(name, after),
            (Place::Data(stopped), Task::Enable) => stopped.enable(name),
            (Place::Data(stopped), Task::List | Task::Test) => stopped.list(),
        }
    }
}

/// Sends all events again that were given up, in several steps. Returns the reply to the last one with the sums of all.
fn replay(place: &Place, name: &str) -> anyhow::Result<Value> {
    let (mut sums, mut after, mut why) = ([0; 3], 0, Value::Null);
    loop {
        let mut reply = place.ask(Task::Replay, name, after)?;
        for (sum, field) in sums.iter_mut().zip(["Delivered", "Gone", "Refused"]) {
            *sum += reply[field].as_u64().unwrap_or(0);
            reply[field] = json!(*sum);
        }
        if !reply["Reason"].is_null() {
            why = reply["Reason"].clone();
        }
        reply["Reason"] = why.clone();
        match reply["Next"].as_u64() {
            // If the server did not move on, this loop would never end.
            Some(next) if next > after => after = next,
            _ => return Ok(reply),
        }
    }
}

/// Formats a reply. Its texts come from another machine.
fn shown(task: Task, reply: &Value) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => excerpt::line(text).into_owned(),
        other => excerpt::line(&other.to_string()).into_owned(),
    };
    match task {
        Task::List => {
            let all = ["App", "Name", "State", "WaitingLanes", "GivenUp", "Delivered", "Failed", "Receiver"];
            let is_stopped = reply["Stopped"] == true;
            // A running server lists the webhooks of one app. A data directory may hold several apps, but no counts
            // of deliveries.
            let is_there = |column: &&str| match *column {
                "App" => is_stopped,
                "Delivered" | "Failed" | "Receiver" => !is_stopped,
                _ => true,
            };
            let columns: Vec<&str> = all.into_iter().filter(is_there).collect();
            let rows = reply["Webhooks"].as_array().map_or(&[][..], Vec::as_slice);
            let cells: Vec<Vec<String>> =
                std::iter::once(columns.iter().map(|column| (*column).to_owned()).collect())
                    .chain(rows.iter().map(|row| columns.iter().map(|column| plain(&row[*column])).collect()))
                    .collect();
            table(&cells)
        }
        Task::Test if reply["Delivered"] == true => {
            format!("delivered in {} ms\n", plain(&reply["Milliseconds"]))
        }
        Task::Test => format!("not delivered: {}\n", plain(&reply["Reason"])),
        Task::Replay => {
            let [delivered, refused, left] =
                ["Delivered", "Refused", "Left"].map(|field| plain(&reply[field]));
            let why = match &reply["Reason"] {
                Value::Null => String::new(),
                why if refused == "0" => format!("; the receiver accepts nothing at present: {}", plain(why)),
                why => format!("; refused again: {refused}, the last one with {}", plain(why)),
            };
            format!("delivered: {delivered}, left: {left}{why}\n")
        }
        Task::Enable if reply["Stopped"] == true => {
            "everything that is waiting will be sent when the server starts\n".to_owned()
        }
        Task::Enable => "everything that is waiting is sent now\n".to_owned(),
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
