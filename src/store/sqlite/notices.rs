//! What SQLite itself has to say, such as what it recovered from its log or where it found damage, brought to our log.

use std::{
    os::raw::c_int,
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use rusqlite::ffi;

use crate::{clock::Clock, excerpt};

/// How many lines are written in one second: a damaged page is reported anew by every call that meets it.
const LINES_PER_SECOND: u32 = 10;

/// Sends the notices of all connections that are opened from now on to the log.
pub(super) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        #[expect(unsafe_code, reason = "SQLite takes its logger by a call that may not run beside others")]
        // SAFETY: every use of SQLite in this program begins with `Files::connect`, which waits for this call; no
        // other one runs at the same time. `note` is a plain function that makes no call of SQLite's and may be
        // called by any thread.
        let started = unsafe { rusqlite::trace::config_log(Some(note)) };
        if let Err(error) = started {
            tracing::warn!(%error, "notices of SQLite are not logged");
        }
    });
}

/// The lines of the present second.
struct Budget {
    clock: Clock,
    began: Duration,
    lines: u32,
}

impl Budget {
    /// Whether one more line may be written now.
    fn allows_one(&mut self) -> bool {
        let now = self.clock.elapsed();
        if now >= self.began + Duration::from_secs(1) {
            let left_out = self.lines.saturating_sub(LINES_PER_SECOND);
            (self.began, self.lines) = (now, 0);
            if left_out > 0 {
                tracing::warn!(left_out, "further notices of SQLite were left out");
            }
        }
        self.lines += 1;
        self.lines <= LINES_PER_SECOND
    }
}

/// One notice.
fn note(code: c_int, text: &str) {
    static BUDGET: Mutex<Option<Budget>> = Mutex::new(None);
    let new = || Budget { clock: Clock::system(), began: Duration::ZERO, lines: 0 };
    if !BUDGET.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(new).allows_one() {
        return;
    }
    let text = excerpt::line(text);
    // The lowest byte is the kind; the rest says more exactly what it is.
    match code & 0xff {
        ffi::SQLITE_NOTICE => tracing::info!(code, "SQLite: {text}"),
        ffi::SQLITE_WARNING => tracing::warn!(code, "SQLite: {text}"),
        // A statement is prepared anew: part of normal work.
        ffi::SQLITE_SCHEMA => tracing::debug!(code, "SQLite: {text}"),
        _ => tracing::error!(code, "SQLite: {text}"),
    }
}
