//! Closes the store when a server ends. Closing may hang, which must not keep the process from ending.

use std::time::Duration;

use super::data;
use crate::{
    clock::{Clock, Deadline},
    log_lines::log,
    store::Store,
};

/// How long closing may take even if requests have used up the shutdown time.
const AT_LEAST: Duration = Duration::from_millis(500);

/// Closes the store, but waits no longer than the deadline. Ending without a proper close is safe, because everything
/// that was acknowledged is durable already.
pub(super) fn close(store: &dyn Store, by: &Deadline) {
    let within = by.at_least(AT_LEAST).left();
    let closed = data::wait(async { anyhow::Ok(tokio::time::timeout(within, store.close()).await) });
    if !matches!(closed, Ok(Ok(()))) {
        log!(STORE_NOT_CLOSED);
    }
}

/// Closes the store if the preparation between opening and serving it failed.
pub(super) fn unless_ready<T>(store: &dyn Store, prepared: anyhow::Result<T>) -> anyhow::Result<T> {
    if prepared.is_err() {
        close(store, &Deadline::after(&Clock::system(), AT_LEAST));
    }
    prepared
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::store::{self, StoreConfig};

    #[test]
    fn closing_does_not_wait_for_a_hanging_store() {
        let directory = tempfile::tempdir().unwrap();
        let store = store::open(&StoreConfig::new(directory.path())).unwrap();
        let (release, held) = mpsc::channel::<()>();
        let pause = store.between_writes(Box::new(move || assert!(held.recv().is_ok())));
        let clock = Clock::system();
        close(&*store, &Deadline::after(&clock, Duration::ZERO));
        release.send(()).expect("the writer is still held");
        // The writer is released, so this call closes the store completely.
        close(&*store, &Deadline::after(&clock, Duration::from_secs(60)));
        data::wait(pause).unwrap();
        assert!(data::wait(store.note_filled()).is_err(), "a closed store should refuse changes");
    }
}
