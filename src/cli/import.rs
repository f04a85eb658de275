//! `confold import`: imports lines into a data directory or a running server, after checking all of them.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde_json::Value;

use super::{
    data,
    effects::{count, losses, summary},
    guarded_paths,
    input::{Input, Reading},
    place::{self, Place},
    profile::Profile,
    terminal::{print_if_read, say},
};
use crate::{
    clock::Clock,
    excerpt,
    interchange::{ImportReport, ImportTerms, Purpose, UnknownFields, take_in},
    signals::Signals,
    store,
};

/// The options of `import`.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Files in the format of docs/interchange.md; - is standard input.
    #[arg(value_name = "FILE", required = true, value_parser = guarded_paths::text)]
    files: Vec<String>,
    #[command(flatten)]
    place: place::Options,
    /// Only check: report invalid lines, what would change and who would lose data, without changing anything.
    #[arg(long)]
    dry_run: bool,
    /// Ignore unknown fields instead of refusing them, except for those that look like a misspelt field.
    #[arg(long)]
    lenient: bool,
    /// The limits for each owner in a data directory: 20 groups and 1,000 conversations (tencent), or 100 and 10,000
    /// (open). A running server applies its own.
    #[arg(long, value_enum, default_value_t = Profile::Tencent)]
    profile: Profile,
}

/// Checks all lines, then applies them owner by owner. If the second step is interrupted, the import can be repeated: lines
/// that were applied already change nothing.
pub(super) fn run(options: &Options, signals: &Signals) -> anyhow::Result<ExitCode> {
    signals.set_advice(": nothing was changed; run the same command again");
    let input = Input::open(&options.files)?;
    options.place.open()?.close_after(|place| import(options, signals, &input, place))
}

fn import(
    options: &Options,
    signals: &Signals,
    input: &Input,
    place: &mut Place,
) -> anyhow::Result<ExitCode> {
    let mut reading = input.read("checking")?;
    let checked = pass(place, options, Purpose::Check, &mut reading)?;
    if report_faults(&checked, &reading) {
        bail!("nothing was changed");
    }
    drop(reading);
    if options.dry_run {
        let good = if checked.lines == 1 { "is good" } else { "are good" };
        print_if_read(format!(
            "{} {good}; nothing was changed\n{}{}",
            count(checked.lines, "line"),
            summary(&checked.tally),
            losses(&checked.tally, false)
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    signals.set_advice(": a part was imported; run the same command again to complete it");
    place.create()?;
    let mut reading = input.read("importing")?;
    let applied = pass(place, options, Purpose::Apply, &mut reading)?;
    if report_faults(&applied, &reading) {
        bail!(
            "the data changed after it was checked: lines before this one were imported, later ones may have been"
        );
    }
    drop(reading);
    if let Place::Data(store) = place {
        data::wait(store.note_filled())?;
    }
    print_if_read(format!(
        "imported {} ({} changed something)\n{}",
        count(applied.lines, "line"),
        applied.changed,
        losses(&applied.tally, true)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn pass(
    place: &Place,
    options: &Options,
    purpose: Purpose,
    reading: &mut Reading<'_>,
) -> anyhow::Result<ImportReport> {
    let (limits, only) = (options.profile.limits(), options.place.app());
    let unknown = if options.lenient { UnknownFields::Ignored } else { UnknownFields::Refused };
    let terms = ImportTerms { only, unknown, ..ImportTerms::of_tools(purpose, limits, Clock::system()) };
    match place {
        Place::Data(store) => data::wait(take_in(&**store, terms, reading)),
        Place::Nothing(_) => data::wait(take_in(&*store::in_memory(), terms, reading)),
        Place::Server(remote) => {
            let path = match purpose {
                Purpose::Check => "/interchange/check",
                Purpose::Apply => "/interchange/import",
            };
            let (is_success, reply) = remote.send_lines(path, unknown, reading)?;
            let outcome = outcome_of(&reply);
            if !is_success && outcome.faults.is_empty() {
                bail!("the server refused the lines without naming one or a reason");
            }
            if is_success && options.dry_run && !reply["Effect"].is_object() {
                bail!("the server is older than this tool and does not report what the lines would change");
            }
            Ok(outcome)
        }
    }
}

/// Converts a server's report about lines.
fn outcome_of(reply: &Value) -> ImportReport {
    let number = |name: &str| reply[name].as_u64().unwrap_or(0);
    let fault = |fault: &Value| Some((fault["Line"].as_u64()?, fault["Reason"].as_str()?.to_owned()));
    let faults = reply["Faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    ImportReport {
        lines: number("Lines"),
        changed: number("Changed"),
        faults: faults.iter().filter_map(fault).collect(),
        more_faults: number("MoreFaults"),
        tally: serde_json::from_value(reply["Effect"].clone()).unwrap_or_default(),
    }
}

/// Prints the invalid lines on standard error. Returns whether there are any.
fn report_faults(outcome: &ImportReport, reading: &Reading<'_>) -> bool {
    if !outcome.faults.is_empty() {
        reading.end_progress();
    }
    for (line, reason) in &outcome.faults {
        say(format!("{}: {}", reading.place(*line), excerpt::line(reason)));
    }
    if outcome.more_faults > 0 {
        say(format!("and {} more", outcome.more_faults));
    }
    !outcome.faults.is_empty()
}
