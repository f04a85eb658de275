//! Logging to standard error, as text or JSON.

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

use crate::{clock::Deadline, display, excerpt, log_lines::log};

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A readable line per event.
    Text,
    /// A JSON object per event.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Logs only failures of the server itself.
    Error,
    /// Also logs problems that an operator should look into.
    Warn,
    /// Also logs failed and slow calls.
    Info,
    /// Also logs all other calls.
    Debug,
}

/// Starts logging. Must be called at most once per process. From then on panics are logged, too.
///
/// # Errors
/// Fails if the thread that writes the log cannot be started.
pub fn start(format: LogFormat, level: LogLevel) -> io::Result<()> {
    queue::start()?;
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Libraries may log errors only: clients could cause their warnings as often as they like.
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
    // The default hook writes directly to standard error and would block if that is a pipe nobody reads.
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string);
        log!(THREAD_PANICKED[message], place);
    }));
    Ok(())
}

/// When the process must have ended, once a stop has begun.
static END: OnceLock<Deadline> = OnceLock::new();

/// Sets the deadline for [`finish`].
pub fn finish_by(end: &Deadline) {
    // Only the first deadline counts, because a process stops once.
    let _ = END.set(end.clone());
}

/// Waits for all log lines to be written, for at most a second and at most slightly past the shutdown deadline. Called when
/// the process ends.
pub fn finish() {
    queue::flush(END.get().map(Deadline::left));
}

/// Returns whether logging was started, so that messages go through its queue and never block.
#[must_use]
pub fn is_started() -> bool {
    queue::is_started()
}

/// Prints a message to standard error. If logging was started, the message goes through its queue, to keep the order and
/// not to block.
pub fn say(text: &str) {
    queue::say(text);
}

/// Formats the fields of a text line as `tracing` does, but makes each value printable on one line and bounded.
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
