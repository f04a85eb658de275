//! Writes log lines to standard error through a bounded queue and a thread.
//!
//! Standard error may be closed, a file on a full disk, or a pipe that nobody reads. Threads that serve requests must
//! neither wait nor fail because of it. So lines that do not fit into the queue are dropped, counted and reported.

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

use crate::{excerpt, log_lines::log};

/// The capacity of the queue, in lines and in bytes.
const MAX_LINES: usize = 8_192;
const MAX_BYTES: usize = 4 << 20;

/// How long a process that ends waits for the queue to be written.
const FLUSH: Duration = Duration::from_secs(1);
/// The same time for a process whose shutdown deadline has passed.
const MIN_FLUSH: Duration = Duration::from_millis(200);

enum Item {
    Line(Vec<u8>),
    /// Asks the thread to confirm that all items before this one are written.
    Flush(SyncSender<()>),
}

struct Queue {
    items: SyncSender<Item>,
    /// Bytes in the queue.
    waiting: AtomicUsize,
    /// Lines dropped since the last report because the queue was full.
    dropped: AtomicU64,
    /// Lines lost since the last report because writing them failed.
    failed: AtomicU64,
}

/// The queue of this process, or the error that its thread could not be started.
static QUEUE: LazyLock<io::Result<Queue>> = LazyLock::new(|| {
    let (items, received) = sync_channel(MAX_LINES);
    let started = thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&received));
    let queue =
        Queue { items, waiting: AtomicUsize::new(0), dropped: AtomicU64::new(0), failed: AtomicU64::new(0) };
    started.map(|_| queue)
});

/// The writer for `tracing_subscriber`, which passes each line in a single call.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueWriter {
    /// Whether lines are JSON. Hidden characters in their strings are escaped.
    json: bool,
}

/// Starts the queue and its thread.
pub(super) fn start() -> io::Result<()> {
    let failed = |error: &io::Error| {
        io::Error::new(error.kind(), format!("the thread that writes the log cannot be started: {error}"))
    };
    QUEUE.as_ref().map(drop).map_err(failed)
}

/// Returns whether the queue was started.
pub(super) fn is_started() -> bool {
    matches!(LazyLock::get(&QUEUE), Some(Ok(_)))
}

/// Returns a writer for text lines.
pub(super) fn text() -> QueueWriter {
    QueueWriter { json: false }
}

/// Returns a writer for JSON lines.
pub(super) fn json() -> QueueWriter {
    QueueWriter { json: true }
}

impl Write for QueueWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = line.len();
        let escaped = if self.json { std::str::from_utf8(line).ok().map(excerpt::json) } else { None };
        let line = escaped.as_ref().map_or(line, |text| text.as_bytes());
        if let Ok(queue) = &*QUEUE {
            // The writer thread must not queue its own reports: the queue may be full, and only it makes room.
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
        let fits = self.waiting.fetch_add(length, Ordering::Relaxed) + length <= MAX_BYTES;
        if !fits || self.items.try_send(Item::Line(line)).is_err() {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a line to standard error; a failure is counted.
    fn write(&self, line: &[u8]) {
        if io::stderr().write_all(line).is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Logs how many lines were dropped or lost.
    fn report(&self) {
        let (dropped, failed) =
            (self.dropped.swap(0, Ordering::Relaxed), self.failed.swap(0, Ordering::Relaxed));
        if dropped > 0 {
            log!(LINES_DROPPED, lines = dropped);
        }
        if failed > 0 {
            log!(LINES_LOST, lines = failed);
        }
    }
}

thread_local! {
    /// Whether this is the writer thread.
    static IS_WRITER: Cell<bool> = const { Cell::new(false) };
}

fn write_all(items: &Receiver<Item>) {
    IS_WRITER.set(true);
    while let Ok(item) = items.recv() {
        // An error means that the thread was not started, so this cannot happen.
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
                // Sending fails if `flush` has stopped waiting.
                let _ = done.try_send(());
            }
        }
    }
}

/// Waits until all lines queued so far are written: for the time that is `left` before the shutdown deadline, but at
/// least [`MIN_FLUSH`] and at most [`FLUSH`].
pub(super) fn flush(left: Option<Duration>) {
    let within = left.map_or(FLUSH, |left| left.clamp(MIN_FLUSH, FLUSH));
    // `get` does not start the queue if logging was never started.
    let Some(Ok(queue)) = LazyLock::get(&QUEUE) else { return };
    let (done, written) = sync_channel(1);
    // A full queue has room again in a moment if standard error is being read, so try for half of the time.
    let asked = (0..100).any(|_| {
        let asked = queue.items.try_send(Item::Flush(done.clone())).is_ok();
        if !asked {
            thread::park_timeout(within / 200);
        }
        asked
    });
    if asked {
        // On a timeout, give up the rest, because nobody is reading standard error.
        let _ = written.recv_timeout(within / 2);
    }
}

/// Prints text: through the queue if logging was started, otherwise directly.
pub(super) fn say(text: &str) {
    match LazyLock::get(&QUEUE) {
        Some(Ok(queue)) => queue.push(text.as_bytes().to_vec()),
        // If standard error cannot be written, there is no other place to report it.
        _ => drop(io::stderr().write_all(text.as_bytes())),
    }
}
