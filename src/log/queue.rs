//! The way of log lines to standard error: a bounded queue and a thread that writes.
//!
//! Standard error may be a pipe that nobody reads, a full disk, or closed. Nothing that serves may wait for it, and
//! nothing may fail by it: lines for which there is no room are dropped, counted and reported.

use std::{
    cell::Cell,
    io::{self, Write},
    sync::{
        LazyLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::excerpt;

/// How many lines, and how many bytes of them, wait at the most.
const LINES: usize = 8_192;
const BYTES: usize = 4 << 20;

/// How long the end of the process waits for lines to be written, and how long when the time of a stop is over.
const FLUSH: Duration = Duration::from_secs(1);
const LAST_FLUSH: Duration = Duration::from_millis(200);

enum Item {
    Line(Vec<u8>),
    /// Everything before this was written when the sender hears of it.
    Flush(SyncSender<()>),
}

struct Queue {
    items: SyncSender<Item>,
    /// Bytes that wait.
    waiting: AtomicUsize,
    /// Lines that were dropped since the last report, because there was no room for them.
    dropped: AtomicU64,
    /// Lines that standard error did not take.
    failed: AtomicU64,
}

/// The queue of this process, or why its thread cannot be started.
static QUEUE: LazyLock<io::Result<Queue>> = LazyLock::new(|| {
    let (items, received) = sync_channel(LINES);
    let started = thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&received));
    let queue =
        Queue { items, waiting: AtomicUsize::new(0), dropped: AtomicU64::new(0), failed: AtomicU64::new(0) };
    started.map(|_| queue)
});

/// What tracing writes its lines to, each in one piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueWriter {
    /// Whether a line is JSON, in whose strings anything may stand.
    json: bool,
}

/// Starts the queue and its thread.
pub(super) fn start() -> io::Result<()> {
    let said = |error: &io::Error| {
        io::Error::new(error.kind(), format!("the thread that writes the log cannot be started: {error}"))
    };
    QUEUE.as_ref().map(drop).map_err(said)
}

/// Whether there is a queue.
pub(super) fn is_started() -> bool {
    matches!(LazyLock::get(&QUEUE), Some(Ok(_)))
}

/// A writer of text lines into the queue.
pub(super) fn text() -> QueueWriter {
    QueueWriter { json: false }
}

/// A writer of JSON lines into the queue.
pub(super) fn json() -> QueueWriter {
    QueueWriter { json: true }
}

impl Write for QueueWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = line.len();
        let escaped = if self.json { std::str::from_utf8(line).ok().map(excerpt::json) } else { None };
        let line = escaped.as_ref().map_or(line, |text| text.as_bytes());
        if let Ok(queue) = &*QUEUE {
            // What the thread that writes has to say itself needs no room in the queue.
            match IS_WRITER.get() {
                true => queue.write(line),
                false => queue.push(line.to_vec()),
            }
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    fn push(&self, line: Vec<u8>) {
        let length = line.len();
        let fits = self.waiting.fetch_add(length, Ordering::Relaxed) + length <= BYTES;
        if !fits || self.items.try_send(Item::Line(line)).is_err() {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a line, which is counted as lost when standard error does not take it.
    fn write(&self, line: &[u8]) {
        if io::stderr().write_all(line).is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Logs what was lost.
    fn report(&self) {
        let (dropped, failed) =
            (self.dropped.swap(0, Ordering::Relaxed), self.failed.swap(0, Ordering::Relaxed));
        if dropped > 0 {
            tracing::warn!(
                lines = dropped,
                "log lines were dropped, because standard error was not read in time"
            );
        }
        if failed > 0 {
            tracing::warn!(
                lines = failed,
                "log lines were lost, because standard error could not be written"
            );
        }
    }
}

thread_local! {
    /// Whether this is the thread that writes.
    static IS_WRITER: Cell<bool> = const { Cell::new(false) };
}

fn write_all(items: &Receiver<Item>) {
    IS_WRITER.set(true);
    while let Ok(item) = items.recv() {
        // The queue is being made while the first line is on its way; then there is nothing to report yet.
        let Ok(queue) = &*QUEUE else { return };
        match item {
            Item::Line(line) => {
                let failed = queue.failed.load(Ordering::Relaxed);
                queue.write(&line);
                queue.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                if queue.failed.load(Ordering::Relaxed) == failed {
                    queue.report();
                }
            }
            Item::Flush(done) => {
                // The end of the process may have stopped waiting.
                let _ = done.try_send(());
            }
        }
    }
}

/// Waits until everything before this was written, for a moment at the most, and not beyond what is `left`.
pub(super) fn flush(left: Option<Duration>) {
    let within = left.map_or(FLUSH, |left| left.clamp(LAST_FLUSH, FLUSH));
    // Without a log there is nothing to wait for, and no thread to start.
    let Some(Ok(queue)) = LazyLock::get(&QUEUE) else { return };
    let (done, written) = sync_channel(1);
    // The queue may be full although somebody reads: then there is room in a moment.
    let asked = (0..100).any(|_| {
        let asked = queue.items.try_send(Item::Flush(done.clone())).is_ok();
        if !asked {
            thread::park_timeout(within / 200);
        }
        asked
    });
    if asked {
        // After this time the process ends without what nobody reads.
        let _ = written.recv_timeout(within / 2);
    }
}

/// Writes a text: behind the lines of the log, or at once where there is none.
pub(super) fn say(text: &str) {
    match LazyLock::get(&QUEUE) {
        Some(Ok(queue)) => queue.push(text.as_bytes().to_vec()),
        // A tool that did not start the log says it itself; when that fails, nobody can be told.
        _ => drop(io::stderr().write_all(text.as_bytes())),
    }
}
