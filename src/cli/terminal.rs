//! Printing to standard output, where a failure is an error, and to standard error, where it is ignored.

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
    log_lines::log,
    output::{Output, OutputError},
    signals::TerminationSignal,
    unfinished,
};

/// How long to wait for the last message of a process, because standard error may be a pipe that nobody reads.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(1);

/// The exit status for an invalid command line.
const USAGE: u8 = 2;

/// Prints text to standard output.
///
/// # Errors
/// Returns an error if the text cannot be printed. [`exit_code`] treats a broken pipe as success.
pub(super) fn print(text: impl AsRef<[u8]>) -> Result<(), OutputError> {
    let mut out = Output::standard();
    out.write(text.as_ref())?;
    out.finish().map(drop)
}

/// Prints text to standard output and ignores a broken pipe. For commands whose exit status matters more than their
/// output.
pub(super) fn print_if_read(text: impl AsRef<[u8]>) -> Result<(), OutputError> {
    match print(text) {
        Err(error) if error.is_broken_pipe() => Ok(()),
        other => other,
    }
}

/// Prints the greeting of a server. The server runs even if this fails.
pub(super) fn greet(text: &str) {
    if let Err(error) = print_if_read(display::for_locale(text).as_bytes()) {
        let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        log!(ADDRESSES_NOT_PRINTED, error = why);
    }
}

/// Prints a line to standard error, escaped and bounded. Failures are ignored.
pub(super) fn say(line: impl Display) {
    let line = line.to_string();
    let line = excerpt::line(&line);
    log::say(&format!("{}\n", display::for_locale(&line)));
}

/// Returns the exit code for the result of a command, and prints its error.
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

/// Prints a usage error, or the help or version that was asked for, and returns the exit code.
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

/// Removes temporary files, and prints the signal and how to continue. Called when a signal ends the process.
pub(super) fn on_signal(signal: TerminationSignal, advice: &str) {
    unfinished::remove_all();
    // Clear a progress bar.
    let begin = if display::can_redraw(io::stderr().is_terminal()) { "\r\u{1b}[2K" } else { "" };
    let line = format!("{begin}ended by {}{advice}\n", signal.name());
    let (said, heard) = mpsc::channel();
    let words = line.clone();
    let speak = move || {
        log::say(&words);
        log::finish();
        // Sending fails if the wait below has timed out.
        let _ = said.send(());
    };
    if thread::Builder::new().spawn(speak).is_ok() {
        let _ = heard.recv_timeout(MESSAGE_TIMEOUT);
    } else if log::is_started() {
        // Without a thread the message is printed only if the log's queue ensures that this cannot block.
        log::say(&line);
        log::finish();
    }
}
