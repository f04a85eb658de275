//! What is printed: to standard output, where a failure matters, and to standard error, where it must not.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{
    display, excerpt, log,
    output::{Output, OutputError},
    signals::TerminationSignal,
    unfinished,
};

/// How long the last words of a process may take: standard error may be a pipe that nobody reads.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(1);

/// The status of a command line that cannot be understood.
const USAGE: u8 = 2;

/// Prints a text on standard output.
///
/// # Errors
/// When it cannot be printed. [`exit_code`] turns the error into a status, and knows that a reader who has gone
/// away is not a failure.
pub(super) fn print(text: impl AsRef<[u8]>) -> Result<(), OutputError> {
    let mut out = Output::standard();
    out.write(text.as_ref())?;
    out.finish().map(drop)
}

/// Prints a text on standard output; a reader who has gone away changes nothing. For tasks whose status says
/// more than what they print.
pub(super) fn print_if_read(text: impl AsRef<[u8]>) -> Result<(), OutputError> {
    match print(text) {
        Err(error) if error.is_broken_pipe() => Ok(()),
        other => other,
    }
}

/// Prints what a server says when it is ready. It serves all the same if that fails.
pub(super) fn greet(text: &str) {
    if let Err(error) = print_if_read(display::for_locale(text).as_bytes()) {
        let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(error = why, "where the server listens cannot be printed");
    }
}

/// Says a line on standard error, printable whatever is in it. If nobody can hear it, nothing happens.
pub(super) fn say(line: impl Display) {
    let line = line.to_string();
    let line = excerpt::line(&line);
    log::say(&format!("{}\n", display::for_locale(&line)));
}

/// Ends a task: an error is said, each line of it as a line.
pub(super) fn exit_code(result: anyhow::Result<ExitCode>) -> ExitCode {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    if error.downcast_ref::<OutputError>().is_some_and(OutputError::is_broken_pipe) {
        return ExitCode::SUCCESS;
    }
    let text = format!("error: {error:#}");
    for line in text.lines() {
        say(line);
    }
    ExitCode::FAILURE
}

/// Ends a command line that was not understood, or that asked for help.
pub(super) fn usage_exit_code(error: &clap::Error) -> ExitCode {
    let text = |on_terminal: bool| {
        let text = match display::has_colours(on_terminal) {
            true => error.render().ansi().to_string(),
            false => error.render().to_string(),
        };
        display::for_locale(&text).into_owned()
    };
    if error.use_stderr() {
        let _ = io::stderr().write_all(text(io::stderr().is_terminal()).as_bytes());
        return ExitCode::from(USAGE);
    }
    let printed = print(text(io::stdout().is_terminal()));
    exit_code(printed.map(|()| ExitCode::SUCCESS).map_err(anyhow::Error::from))
}

/// What happens when a signal ends the process: unfinished files go away, and a line says how to go on.
pub(super) fn on_signal(signal: TerminationSignal, advice: &str) {
    unfinished::remove_all();
    // A progress bar may stand where the line begins.
    let begin = if display::can_redraw(io::stderr().is_terminal()) { "\r\u{1b}[2K" } else { "" };
    let line = format!("{begin}ended by {}{advice}\n", signal.name());
    let (said, heard) = mpsc::channel();
    let words = line.clone();
    let speak = move || {
        log::say(&words);
        log::finish();
        // Nobody waits for it after a second.
        let _ = said.send(());
    };
    if thread::Builder::new().spawn(speak).is_ok() {
        let _ = heard.recv_timeout(MESSAGE_TIMEOUT);
    } else if log::is_started() {
        // Without a thread only what cannot block is said.
        log::say(&line);
        log::finish();
    }
}
