//! The log line of a call: at debug for every one, at info for failures and slow
//! ones, at error when the store failed. It never
//! holds a signature, a key or a body.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tracing::{debug, error, info, warn};

use crate::{
    api::{Command, Error},
    chance,
    domain::AppId,
    store::StoreError,
    wire::code::Code,
};

/// A call that takes longer is told at info.
const SLOW: Duration = Duration::from_millis(500);

/// What is known of a call when it ends.
pub(super) struct Entry {
    pub(super) command: Option<Command>,
    pub(super) app: Option<AppId>,
    pub(super) took: Duration,
}

macro_rules! line {
    ($level:ident, $entry:expr, $code:expr, $($rest:tt)+) => {
        $level!(
            request = request_id(),
            app = $entry.app.map(AppId::number),
            command = $entry.command.map(Command::name),
            code = $code.number(),
            ms = ($entry.took.as_secs_f64() * 1e6).round() / 1e3,
            $($rest)+
        )
    };
}

impl Entry {
    pub(super) fn succeeded(&self) {
        if self.took > SLOW {
            line!(info, self, Code::OK, "slow call");
        } else {
            line!(debug, self, Code::OK, "call");
        }
    }

    pub(super) fn failed(&self, code: Code, reason: &Error) {
        // A store's own words are for the log alone.
        match reason {
            Error::Store(StoreError::Busy) => line!(warn, self, code, error = %reason, "failed call"),
            Error::Store(inner) => line!(error, self, code, error = %inner, "failed call"),
            other => line!(info, self, code, error = %other, "failed call"),
        }
    }
}

/// Tells log lines of one request from all others: a random part per process and a count.
fn request_id() -> String {
    static PROCESS: LazyLock<String> =
        LazyLock::new(|| chance::text(6, b"abcdefghijklmnopqrstuvwxyz0123456789"));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}
