//! The threads of the store, and waiting for them to end.

use std::{io, thread, time::Duration};

use tokio::sync::watch;

use crate::log_lines::log;

/// A thread that has been started.
pub(super) struct StoreThread {
    /// A channel that is closed when the thread ends, normally or by a panic.
    ended: watch::Receiver<()>,
}

impl StoreThread {
    /// Starts a thread.
    ///
    /// # Errors
    /// Returns the error of the operating system if it cannot start another thread.
    pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<StoreThread> {
        let (alive, ended) = watch::channel(());
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // This is dropped after everything that `work` owns.
            let _alive = alive;
            work();
        })?;
        Ok(StoreThread { ended })
    }

    /// Waits until the thread has ended.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        // Nothing is ever sent. The loop ends with an error when the sender is dropped at the end of the thread.
        while ended.changed().await.is_ok() {}
    }
}

/// Waits for threads to end, but only for a limited time. A thread that waits for a broken disk must not prevent the
/// process from ending, and no acknowledged change is lost by leaving it behind. Returns whether all have ended.
pub(super) async fn wait(threads: &[&StoreThread], within: Duration) -> bool {
    let all = async {
        for thread in threads {
            thread.ended().await;
        }
    };
    let all_ended = tokio::time::timeout(within, all).await.is_ok();
    if !all_ended {
        log!(STORE_THREADS_HANG);
    }
    all_ended
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_hangs_is_left_behind_and_one_that_panics_has_ended() {
        let (release, held) = mpsc::channel::<()>();
        let hangs = StoreThread::start("hangs", move || assert!(held.recv().is_err())).unwrap();
        let panics = StoreThread::start("panics", || panic!("this thread always panics")).unwrap();
        tokio::time::timeout(Duration::from_secs(20), panics.ended()).await.unwrap();
        // This returns although one of the threads is still running.
        assert!(!wait(&[&hangs, &panics], Duration::from_millis(1)).await);
        assert!(wait(&[&panics], Duration::from_secs(20)).await);
        drop(release);
    }
}
