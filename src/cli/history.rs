//! `confold history`: shows what calls have changed for a user.

use std::process::ExitCode;

use anyhow::{anyhow, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::{
    changes,
    remote::Asked,
    service::{self, NO_ANSWER, UNUSABLE, ask, failed, say_hint, say_refusal},
    terminal::{print_if_read, say},
};
use crate::{
    api::Command,
    display,
    domain::{UserId, utc},
    excerpt,
};

/// The most events that a call returns.
const PAGE: usize = 100;

/// The options of `history`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    server: service::Options,
    /// The user whose conversations are organized.
    #[arg(long, value_name = "ID", value_parser = service::user)]
    user: UserId,
    /// The most events to show.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = limit)]
    limit: usize,
    /// The id of the event before which to begin [default: the latest events].
    #[arg(long, value_name = "EVENT")]
    before: Option<String>,
    /// Print each event as one line of JSON, as the server sends it.
    #[arg(long)]
    json: bool,
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| *limit > 0);
    limit.ok_or_else(|| "must be a number of at least 1".to_owned())
}

pub(super) fn run(options: &Options) -> ExitCode {
    let prepared = options.server.caller().and_then(|caller| options.server.remote(&caller));
    let remote = match prepared {
        Ok(remote) => remote,
        Err(error) => return failed(UNUSABLE, &error),
    };
    let (mut left, mut before) = (options.limit, options.before.clone());
    let mut is_first = true;
    loop {
        let body = json!({
            "From_Account": options.user.as_str(),
            "MaxEvents": left.min(PAGE),
            "Before": before,
        });
        let path = Command::History.path();
        let (reply, fields) = match ask(&remote, &path, body.to_string().as_bytes(), Asked::default()) {
            Ok(answered) => answered,
            Err(error) => return failed(NO_ANSWER, &error),
        };
        if say_refusal(&reply, &fields) {
            say_hint(&reply);
            return ExitCode::FAILURE;
        }
        let (events, last) = match page(&fields) {
            Ok(page) => page,
            Err(error) => return failed(NO_ANSWER, &error),
        };
        let text = if options.json { lines(events) } else { table(events, is_first) };
        if let Err(error) = print_if_read(text) {
            return failed(1, &anyhow!(error));
        }
        is_first = false;
        left = left.saturating_sub(events.len());
        match last {
            Some(last) if left > 0 => before = Some(last),
            Some(last) => {
                say(format!("There are older events: add --before {}", excerpt::plain(&last)));
                return ExitCode::SUCCESS;
            }
            None => {
                if fields["RemovedFlag"] == 1 {
                    say("Older events were removed, because events are kept only for some time and up to some size.");
                }
                return ExitCode::SUCCESS;
            }
        }
    }
}

/// Returns the events of a page, and the id of the last one if there is another page.
fn page(fields: &Value) -> anyhow::Result<(&[Value], Option<String>)> {
    let unexpected = "the server answers with something else than a history";
    let events = fields["Event"].as_array().ok_or_else(|| anyhow!(unexpected))?;
    if fields["CompleteFlag"] != 0 {
        return Ok((events, None));
    }
    let last = events.last().and_then(|event| event["Id"].as_str());
    ensure!(last.is_some(), unexpected);
    Ok((events, last.map(str::to_owned)))
}

/// Formats events as lines of JSON.
fn lines(events: &[Value]) -> String {
    events.iter().fold(String::new(), |text, event| text + &excerpt::json(&event.to_string()) + "\n")
}

/// Formats events as a table for people.
fn table(events: &[Value], has_heading: bool) -> String {
    let cell = |text: &str| excerpt::plain(text).to_string();
    let rows: Vec<[String; 4]> = events
        .iter()
        .map(|event| {
            let seconds = event["Time"].as_i64().unwrap_or_default().div_euclid(1_000);
            let time = utc(seconds);
            let id = cell(event["Id"].as_str().unwrap_or_default());
            let operator = cell(event["Operator"].as_str().unwrap_or("-"));
            [time, id, operator, changes::of_event(event)]
        })
        .collect();
    let heading = ["time", "event", "by", "change"].map(str::to_owned);
    let rows: Vec<&[String; 4]> = has_heading.then_some(&heading).into_iter().chain(&rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (time, event, by) = (width(0), width(1), width(2));
    let line = |row: &&[String; 4]| {
        let line = format!("{:time$}  {:event$}  {:by$}  {}", row[0], row[1], row[2], row[3]);
        display::for_locale(&excerpt::line(line.trim_end())).into_owned()
    };
    rows.iter().fold(String::new(), |text, row| text + &line(row) + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_safe_on_a_terminal() {
        let events = [
            json!({"Id": "a1", "Time": 1_672_999_466_123_u64, "Operator": "administrator", "Kind": "erased"}),
            json!({"Id": "a12", "Time": 0, "Operator": "\u{1b}[31m", "Kind": "\u{202e}x"}),
            json!({"Id": 7, "Time": "soon", "Kind": "changed", "Changes": 3}),
        ];
        assert_eq!(
            table(&events, true),
            "time                  event  by             change\n\
             2023-01-06T10:04:26Z  a1     administrator  the content was erased\n\
             1970-01-01T00:00:00Z  a12    \\u{1b}[31m     \\u{202e}x\n\
             1970-01-01T00:00:00Z         -\n"
        );
        assert_eq!(lines(&events[1..2]).matches('\u{202e}').count(), 0);
    }

    #[test]
    fn a_page_that_is_not_the_last_one_has_an_event() {
        assert!(page(&json!({"Event": [], "CompleteFlag": 0})).is_err());
        assert!(page(&json!({"Event": [{"Id": 1}], "CompleteFlag": 0})).is_err());
        assert!(page(&json!({"CompleteFlag": 1})).is_err());
        let last = json!({"Event": [{"Id": "x"}], "CompleteFlag": 0});
        assert_eq!(page(&last).unwrap().1.as_deref(), Some("x"));
    }
}
