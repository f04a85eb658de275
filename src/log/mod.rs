//! The log: text for people, JSON for machines, on standard error.

mod json;
mod list;
mod queue;

use std::{io, sync::OnceLock};

use tracing_subscriber::{
    field::MakeExt,
    filter::{LevelFilter, Targets},
    fmt::{FormatFields, format},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

pub use list::List;

use crate::{clock::Deadline, display, excerpt};

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line each.
    Text,
    /// One JSON object each.
    Json,
}

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Nothing but failures of the server itself.
    Error,
    /// Also what an operator should look at.
    Warn,
    /// Also failed and slow calls.
    Info,
    /// Also every call.
    Debug,
}

/// Starts the log; called once by the command line. From then on panics are logged, too.
///
/// # Errors
/// When its thread cannot be started.
pub fn start(format: LogFormat, level: LogLevel) -> io::Result<()> {
    queue::start()?;
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Of the libraries only failures: what they warn of, strangers can cause as often as they like.
    let of_ours = Targets::new().with_target("confold", level).with_default(LevelFilter::ERROR);
    let log = tracing_subscriber::fmt().with_max_level(level).with_target(false).log_internal_errors(false);
    match format {
        LogFormat::Text => {
            let ansi = display::has_colours(std::io::IsTerminal::is_terminal(&std::io::stderr()));
            log.with_writer(queue::text)
                .with_ansi(ansi)
                .fmt_fields(fields(ansi))
                .finish()
                .with(of_ours)
                .init();
        }
        LogFormat::Json => {
            log.with_writer(queue::json).event_format(json::Json).finish().with(of_ours).init();
        }
    }
    // The default hook writes to standard error directly and would block on an unread pipe.
    std::panic::set_hook(Box::new(|panic| {
        let said = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a thread panicked, which is a defect: {said}");
    }));
    Ok(())
}

/// By when the process has to have ended, once that is known.
static END: OnceLock<Deadline> = OnceLock::new();

/// Says by when the process has to have ended, so that nobody waits longer for the log.
pub fn finish_by(end: &Deadline) {
    // A process ends once.
    let _ = END.set(end.clone());
}

/// Waits until everything that was logged has been written, for a moment at the most. Called when the process ends.
pub fn finish() {
    queue::flush(END.get().map(Deadline::left));
}

/// Whether the log was started, so that what is said keeps nobody waiting.
#[must_use]
pub fn is_started() -> bool {
    queue::is_started()
}

/// Writes what a command has to say to standard error: behind the lines of the log, if it was started, and without
/// waiting for long when nobody reads.
pub fn say(text: &str) {
    queue::say(text);
}

/// Writes the fields of a text line as tracing does, but each on one line and bounded, whatever it holds.
fn fields(ansi: bool) -> impl for<'writer> FormatFields<'writer> {
    let (slanted, dimmed, plain) = if ansi { ("\x1b[3m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    format::debug_fn(move |writer, field, value| {
        let value = format!("{value:?}");
        let value = excerpt::line(&value);
        match field.name() {
            "message" => write!(writer, "{value}"),
            name => write!(writer, "{slanted}{name}{plain}{dimmed}={plain}{value}"),
        }
    })
    .delimited(" ")
}
