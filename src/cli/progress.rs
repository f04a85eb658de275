//! Shows the progress of long tasks: a bar on a terminal, and otherwise – in a pipe or a CI log – a plain line every
//! few seconds, so that short tasks print nothing and long ones do not seem to hang.

use std::{
    io::{IsTerminal, stderr},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::say;
use crate::display;

/// The interval between plain lines. The first line is also printed after this interval.
const LINES_EVERY: Duration = Duration::from_secs(5);
/// How many times per second a bar is redrawn.
const DRAWN: u8 = 5;

/// The progress of a task, in bytes.
pub(super) struct Progress {
    bar: ProgressBar,
    lines: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Shows the number of bytes done, out of a known total.
    pub(super) fn of(what: &'static str, bytes: u64) -> Progress {
        Progress::new(what, Some(bytes), "{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left", bytes_of)
    }

    /// Shows only the percentage, for totals that have no meaning for users.
    pub(super) fn share(what: &'static str, bytes: u64) -> Progress {
        Progress::new(what, Some(bytes), "{msg} {wide_bar} {percent} %, {eta} left", share_of)
    }

    /// Shows the number of bytes done, without a total.
    pub(super) fn endless(what: &'static str) -> Progress {
        Progress::new(what, None, "{msg} {spinner} {bytes}, {bytes_per_sec}", bytes_of)
    }

    /// Shows nothing, for when the output itself is on the terminal.
    pub(super) fn hidden() -> Progress {
        Progress { bar: ProgressBar::hidden(), lines: None }
    }

    fn new(what: &'static str, bytes: Option<u64>, template: &str, words: Words) -> Progress {
        if display::can_redraw(stderr().is_terminal()) {
            let target = ProgressDrawTarget::stderr_with_hz(DRAWN);
            let bar = ProgressBar::with_draw_target(bytes, target).with_message(what);
            bar.set_style(style(template));
            return Progress { bar, lines: None };
        }
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::hidden());
        let (stop, stopped) = mpsc::channel();
        let seen = bar.clone();
        let work = move || {
            while stopped.recv_timeout(LINES_EVERY) == Err(RecvTimeoutError::Timeout) {
                say(format!("{what}: {}", words(seen.position(), bytes)));
            }
        };
        // If the thread cannot be started, the task runs without progress lines.
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(work).ok();
        Progress { bar, lines: thread.map(|thread| (stop, thread)) }
    }

    /// Adds bytes done.
    pub(super) fn inc(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Returns a counter for the code that reads the bytes.
    pub(super) fn counter(&self) -> Counter {
        Counter(self.bar.clone())
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Returns the number of bytes done.
    pub(super) fn position(&self) -> u64 {
        self.bar.position()
    }

    /// Prints a line without disturbing a bar.
    pub(super) fn say(&self, said: &str) {
        self.bar.suspend(|| say(said));
    }
}

/// A handle that adds bytes to a [`Progress`] without ending it.
pub(super) struct Counter(ProgressBar);

impl Counter {
    /// Adds bytes done.
    pub(super) fn inc(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        if let Some((stop, thread)) = self.lines.take() {
            drop(stop);
            // An error would mean that the thread panicked, which the panic hook has reported.
            let _ = thread.join();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the templates of this file are valid");
    match display::is_utf8() {
        true => style,
        false => style.progress_chars("#>-").tick_chars("-\\|/ "),
    }
}

/// Formats the progress for a plain line, from the bytes done and the total, if that is known.
type Words = fn(u64, Option<u64>) -> String;

fn bytes_of(done: u64, all: Option<u64>) -> String {
    match all.filter(|all| *all > 0) {
        Some(all) => format!("{} of {} ({})", HumanBytes(done), HumanBytes(all), share_of(done, Some(all))),
        None => HumanBytes(done).to_string(),
    }
}

fn share_of(done: u64, all: Option<u64>) -> String {
    let all = all.unwrap_or_default().max(1);
    format!("{} %", u128::from(done.min(all)) * 100 / u128::from(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_bytes_and_percentage() {
        assert_eq!(bytes_of(512, Some(2_048)), "512 B of 2.00 KiB (25 %)");
        assert_eq!(bytes_of(1 << 20, None), "1.00 MiB");
        assert_eq!(bytes_of(5, Some(0)), "5 B");
        assert_eq!(share_of(1, Some(3)), "33 %");
    }
}
