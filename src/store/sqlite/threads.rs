//! Threads of the store, and waiting for their end.

use std::{io, thread, time::Duration};

use tokio::sync::watch;

/// A thread that has been started.
pub(super) struct StoreThread {
    /// Closed when the thread ends, normally or by a panic.
    ended: watch::Receiver<()>,
}

impl StoreThread {
    /// Starts a thread.
    ///
    /// # Errors
    /// When the system cannot start another thread.
    pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<StoreThread> {
        let (alive, ended) = watch::channel(());
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Dropped after everything that the work holds.
            let _alive = alive;
            work();
        })?;
        Ok(StoreThread { ended })
    }

    /// Waits until the thread has ended.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        // Nothing is ever sent, so that this only ends with an error: the other end is gone.
        while ended.changed().await.is_ok() {}
    }
}

/// Waits for threads to end, but not for ever: one that hangs in the disk must not keep the process from ending, and
/// ending without it loses nothing that was acknowledged.
pub(super) async fn wait(threads: &[&StoreThread], within: Duration) {
    let all = async {
        for thread in threads {
            thread.ended().await;
        }
    };
    if tokio::time::timeout(within, all).await.is_err() {
        tracing::error!("threads of the store hang, probably in the disk; they are left behind");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_hangs_is_left_behind_and_one_that_panics_has_ended() {
        let (release, held) = mpsc::channel::<()>();
        let hangs = StoreThread::start("hangs", move || assert!(held.recv().is_err())).unwrap();
        let panics =
            StoreThread::start("panics", || panic!("this thread panics, as the test wants")).unwrap();
        tokio::time::timeout(Duration::from_secs(20), panics.ended()).await.unwrap();
        // Comes back although one of them goes on.
        wait(&[&hangs, &panics], Duration::from_millis(1)).await;
        drop(release);
    }
}
