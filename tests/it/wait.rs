//! Waits with a deadline: a test that waits for more than two minutes fails and names what it waited for.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use confold::clock::Clock;
use rustix::process::{Pid, Signal, kill_process};

/// The longest time to wait, which is far more than anything here takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Clock::system();
    while !is_so() {
        assert!(since.elapsed() < DEADLINE, "{DEADLINE:?} were not enough: {what}");
        // Leave the processor to the work being waited for.
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Runs work that may block, such as reading a FIFO, on a separate thread.
pub(crate) fn start<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Work<T> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || drop(done.send(work())));
    Work { what, result }
}

/// Work in progress.
pub(crate) struct Work<T> {
    what: &'static str,
    result: Receiver<T>,
}

impl<T> Work<T> {
    /// Waits for the result of the work.
    #[track_caller]
    pub(crate) fn done(self) -> T {
        message(&self.result, self.what)
    }
}

/// Waits for the next message of another thread.
#[track_caller]
pub(crate) fn message<T>(from: &Receiver<T>, what: &str) -> T {
    match from.recv_timeout(DEADLINE) {
        Ok(message) => message,
        Err(RecvTimeoutError::Timeout) => panic!("{DEADLINE:?} were not enough: {what}"),
        Err(RecvTimeoutError::Disconnected) => panic!("the thread ended before this happened: {what}"),
    }
}

/// Waits for the end of a process. Returns `None` if it continues.
pub(crate) fn end(child: &mut Child) -> Option<ExitStatus> {
    end_within(child, DEADLINE)
}

/// Like [`end`], but with another deadline.
pub(crate) fn end_within(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let since = Clock::system();
    loop {
        let status = child.try_wait().unwrap();
        if status.is_some() || since.elapsed() > deadline {
            return status;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Running programs to their end, with a deadline.
pub(crate) trait Finish {
    /// Waits for the end of the program, and kills it at the deadline.
    #[track_caller]
    fn finish(self) -> Output
    where
        Self: Sized,
    {
        self.finish_within(DEADLINE)
    }

    /// Like [`Finish::finish`], but with another deadline, for programs that compile or download.
    #[track_caller]
    fn finish_within(self, deadline: Duration) -> Output;
}

impl Finish for Child {
    #[track_caller]
    #[expect(clippy::disallowed_methods, reason = "runs on a thread whose result has a deadline")]
    fn finish_within(self, deadline: Duration) -> Output {
        let id = self.id();
        let (done, output) = mpsc::channel();
        thread::spawn(move || drop(done.send(self.wait_with_output())));
        let Ok(output) = output.recv_timeout(deadline) else {
            let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let _ = kill_process(Pid::from_raw(id.cast_signed()).unwrap(), Signal::KILL);
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            panic!("{deadline:?} were not enough for the process {id} to end: {command}");
        };
        output.unwrap()
    }
}

impl Finish for &mut Command {
    /// Runs with empty standard input, and captures both outputs.
    #[track_caller]
    fn finish_within(self, deadline: Duration) -> Output {
        self.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.get_program().display()));
        child.finish_within(deadline)
    }
}

/// The lines that a program prints to a pipe. A thread reads them, so that waiting for one can time out.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Lines {
        let (print, printed) = mpsc::channel();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = String::new();
            // Reading ends with the output, or when the receiver has been dropped.
            while pipe.read_line(&mut line).is_ok_and(|read| read > 0)
                && print.send(std::mem::take(&mut line)).is_ok()
            {}
        });
        Lines(printed)
    }

    /// Returns the output up to the point where `is_complete` returns true for it, or an error with all output if the
    /// program ended before.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_complete: impl Fn(&str) -> bool) -> Result<String, String> {
        let mut text = String::new();
        while !is_complete(&text) {
            match self.0.recv_timeout(DEADLINE) {
                Ok(line) => text.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => return Err(text),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{DEADLINE:?} were not enough: {what}; it printed {text:?}")
                }
            }
        }
        Ok(text)
    }

    /// Returns everything that is printed until the end.
    #[track_caller]
    pub(crate) fn rest(&self, what: &str) -> String {
        let (Ok(text) | Err(text)) = self.until(what, |_| false);
        text
    }
}

#[test]
fn a_program_that_hangs_is_killed_and_named() {
    let mut hangs = Command::new("sleep");
    let child = hangs.arg("86399").spawn().unwrap();
    let id = child.id();
    let failure = std::panic::catch_unwind(|| child.finish_within(Duration::from_millis(50))).unwrap_err();
    let said = failure.downcast_ref::<String>().unwrap();
    assert!(said.contains("50ms were not enough") && said.contains("sleep 86399"), "{said}");
    // The waiting thread reaps the process, so that it does not exist any more.
    eventually("the program is gone", || !std::path::Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn lines_end_with_the_program() {
    let mut child = Command::new("printf").arg("one\\ntwo\\n").stdout(Stdio::piped()).spawn().unwrap();
    let lines = Lines::of(child.stdout.take().unwrap());
    assert_eq!(lines.until("the first line", |text| text.contains("one")).as_deref(), Ok("one\n"));
    assert_eq!(lines.until("a third line", |text| text.contains("three")).unwrap_err(), "two\n");
    assert!(child.finish().status.success());
}
