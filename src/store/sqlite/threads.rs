//! Threads of the store, and waiting for their end.

use std::{
    convert::Infallible,
    io,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use crate::clock::Clock;

/// A thread that has been started.
pub(super) struct StoreThread {
    /// Disconnected when the thread ends, in whichever way.
    ended: Mutex<mpsc::Receiver<Infallible>>,
}

impl StoreThread {
    /// Starts a thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<StoreThread> {
        let (alive, ended) = mpsc::channel();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Dropped after everything that the work holds.
            let _alive = alive;
            work();
        })?;
        Ok(StoreThread { ended: Mutex::new(ended) })
    }

    fn ends_within(&self, within: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.recv_timeout(within) == Err(mpsc::RecvTimeoutError::Disconnected)
    }
}

/// Waits for threads to end, but not for ever: one that hangs in the disk must not keep the process from ending, and
/// ending without it loses nothing that was acknowledged.
pub(super) fn wait(threads: &[StoreThread], within: Duration) {
    let clock = Clock::system();
    let hangs = |thread: &&StoreThread| !thread.ends_within(within.saturating_sub(clock.elapsed()));
    let hanging = threads.iter().filter(hangs).count();
    if hanging > 0 {
        tracing::error!("{hanging} threads of the store hang, probably in the disk; they are left behind");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_is_left_behind_and_one_that_panics_has_ended() {
        let (release, held) = mpsc::channel::<()>();
        let hangs = StoreThread::start("hangs", move || assert!(held.recv().is_err())).unwrap();
        let panics =
            StoreThread::start("panics", || panic!("this thread panics, as the test wants")).unwrap();
        assert!(panics.ends_within(Duration::from_secs(20)));
        // Comes back although one of them goes on.
        wait(&[hangs, panics], Duration::from_millis(1));
        drop(release);
    }
}
