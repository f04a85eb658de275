//! How far a long task is: a bar on a terminal, and elsewhere – in a pipe, in the log of a CI job – a plain line every
//! few seconds, so that a short task says nothing and a long one does not look as if it hung.

use std::{
    io::{IsTerminal, stderr},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::say;
use crate::display;

/// How long to wait before each plain line, the first one included.
const LINES_EVERY: Duration = Duration::from_secs(5);
/// How often a bar is drawn in a second.
const DRAWN: u8 = 5;

/// The progress of one task, counted in bytes.
pub(super) struct Progress {
    bar: ProgressBar,
    lines: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// The progress of a task whose size is known.
    pub(super) fn of(what: &'static str, bytes: u64) -> Progress {
        Progress::new(what, Some(bytes), "{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left", bytes_of)
    }

    /// The progress of a task whose bytes mean nothing to anybody but as a share of all.
    pub(super) fn share(what: &'static str, bytes: u64) -> Progress {
        Progress::new(what, Some(bytes), "{msg} {wide_bar} {percent} %, {eta} left", share_of)
    }

    /// The progress of a task that ends when it ends.
    pub(super) fn endless(what: &'static str) -> Progress {
        Progress::new(what, None, "{msg} {spinner} {bytes}, {bytes_per_sec}", bytes_of)
    }

    /// Nothing is shown: the output itself is on the terminal.
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
        // Without a thread nothing is said, and the task itself goes on.
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(work).ok();
        Progress { bar, lines: thread.map(|thread| (stop, thread)) }
    }

    /// So many bytes are done.
    pub(super) fn inc(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// What counts bytes that are done, for the place where they are read.
    pub(super) fn counter(&self) -> Counter {
        Counter(self.bar.clone())
    }

    /// Shows nothing any more.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// How many bytes are done.
    pub(super) fn position(&self) -> u64 {
        self.bar.position()
    }

    /// Says a line where a bar may stand.
    pub(super) fn say(&self, said: &str) {
        self.bar.suspend(|| say(said));
    }
}

/// Counts the bytes of a progress that somebody else ends.
pub(super) struct Counter(ProgressBar);

impl Counter {
    /// So many bytes are done.
    pub(super) fn inc(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        if let Some((stop, thread)) = self.lines.take() {
            drop(stop);
            // It can end by nothing but a defect otherwise.
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

/// How far a task is in a plain line: so many bytes of all, if that is known.
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
    fn a_line_says_how_much_of_what() {
        assert_eq!(bytes_of(512, Some(2_048)), "512 B of 2.00 KiB (25 %)");
        assert_eq!(bytes_of(1 << 20, None), "1.00 MiB");
        assert_eq!(bytes_of(5, Some(0)), "5 B");
        assert_eq!(share_of(1, Some(3)), "33 %");
    }
}
