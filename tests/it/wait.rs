//! Waiting with a deadline: whatever a test waits for, it fails after two minutes and says what it waited for.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use confold::clock::Clock;
use rustix::process::{Pid, Signal, kill_process};

/// Far more than anything here takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Clock::system();
    while !is_so() {
        assert!(since.elapsed() < DEADLINE, "{DEADLINE:?} were not enough: {what}");
        // Leaves the processor to what is waited for.
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Does what may block, such as reading a FIFO, on a thread of its own.
pub(crate) fn start<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Work<T> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || drop(done.send(work())));
    Work { what, result }
}

/// Work that was started.
pub(crate) struct Work<T> {
    what: &'static str,
    result: Receiver<T>,
}

impl<T> Work<T> {
    /// What the work returned.
    #[track_caller]
    pub(crate) fn done(self) -> T {
        message(&self.result, self.what)
    }
}

/// The next message of another thread.
#[track_caller]
pub(crate) fn message<T>(from: &Receiver<T>, what: &str) -> T {
    match from.recv_timeout(DEADLINE) {
        Ok(message) => message,
        Err(RecvTimeoutError::Timeout) => panic!("{DEADLINE:?} were not enough: {what}"),
        Err(RecvTimeoutError::Disconnected) => panic!("the thread ended before: {what}"),
    }
}

/// The end of a process; nothing if it goes on.
pub(crate) fn end(child: &mut Child) -> Option<ExitStatus> {
    let since = Clock::system();
    loop {
        let status = child.try_wait().unwrap();
        if status.is_some() || since.elapsed() > DEADLINE {
            return status;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Programs that are run to their end.
pub(crate) trait Finish {
    /// Waits for the end of the program, and kills one that does not come to it.
    #[track_caller]
    fn finish(self) -> Output
    where
        Self: Sized,
    {
        self.finish_within(DEADLINE)
    }

    /// The same with another deadline, for what compiles or downloads.
    #[track_caller]
    fn finish_within(self, deadline: Duration) -> Output;
}

impl Finish for Child {
    #[track_caller]
    #[expect(clippy::disallowed_methods, reason = "on a thread, whose answer has a deadline")]
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
    /// With nothing on standard input; both outputs are kept.
    #[track_caller]
    fn finish_within(self, deadline: Duration) -> Output {
        self.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.get_program().display()));
        child.finish_within(deadline)
    }
}

/// The lines that a program prints on a pipe. A thread reads them, so that waiting for one can end.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Lines {
        let (print, printed) = mpsc::channel();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = String::new();
            // The pipe is closed when it has come to its end or nobody waits for lines any more.
            while pipe.read_line(&mut line).is_ok_and(|read| read > 0)
                && print.send(std::mem::take(&mut line)).is_ok()
            {}
        });
        Lines(printed)
    }

    /// What was printed until `is_complete` was true of it; the other variant if the program ended before.
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

    /// Everything that is printed until the end.
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
    // Its thread collects it, so that there is no process of this number any more.
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
