//! Forwards SQLite's own messages to the log, for example about recovery or damage.

use std::{
    os::raw::c_int,
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use rusqlite::ffi;

use crate::{clock::Clock, excerpt, log_lines::log};

/// How many messages are logged per second. There can be many, since every read of a damaged page causes one.
const LINES_PER_SECOND: u32 = 10;

/// Forwards the messages of all connections that are opened from now on.
pub(super) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        #[expect(
            unsafe_code,
            reason = "SQLite only allows setting the logger while no other call is running"
        )]
        // SAFETY: every use of SQLite in this program begins with `Files::connect`, which waits for this call; no
        // other one runs at the same time. `note` is a plain function that does not call SQLite and may be called
        // by any thread.
        let started = unsafe { rusqlite::trace::config_log(Some(note)) };
        if let Err(error) = started {
            log!(SQLITE_NOTICES_OFF, %error);
        }
    });
}

/// The number of messages in the current second.
struct Budget {
    clock: Clock,
    began: Duration,
    lines: u32,
}

impl Budget {
    /// Counts one more message, and checks whether it may be logged.
    fn allows_one(&mut self) -> bool {
        let now = self.clock.elapsed();
        if now >= self.began + Duration::from_secs(1) {
            let left_out = self.lines.saturating_sub(LINES_PER_SECOND);
            (self.began, self.lines) = (now, 0);
            if left_out > 0 {
                log!(SQLITE_NOTICES_LEFT_OUT, left_out);
            }
        }
        self.lines += 1;
        self.lines <= LINES_PER_SECOND
    }
}

/// Logs one message of SQLite.
fn note(code: c_int, text: &str) {
    static BUDGET: Mutex<Option<Budget>> = Mutex::new(None);
    let new = || Budget { clock: Clock::system(), began: Duration::ZERO, lines: 0 };
    if !BUDGET.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(new).allows_one() {
        return;
    }
    let text = excerpt::line(text);
    // The lowest byte is the kind of message, and the rest gives details.
    match code & 0xff {
        ffi::SQLITE_NOTICE => log!(SQLITE_NOTICE[text], code),
        ffi::SQLITE_WARNING => log!(SQLITE_WARNING[text], code),
        // A statement had to be prepared again, which is normal.
        ffi::SQLITE_SCHEMA => log!(SQLITE_DETAIL[text], code),
        _ => log!(SQLITE_ERROR[text], code),
    }
}
