//! How the threads of a store say that it cannot go on.

use std::sync::Arc;

use tokio::sync::watch;

/// Why a store cannot go on: the server that uses it has to stop, and to start again from what is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFailure {
    /// The disk failed under a commit or a checkpoint.
    #[error(
        "the disk failed under a commit ({0}), and what it holds is not known; check it, then start again"
    )]
    Disk(String),
    /// The files are not where they were opened.
    #[error(
        "the files of the store were moved or deleted while it was in use ({0}), so that what was acknowledged last may be \
         elsewhere; put them back, then start again"
    )]
    Moved(String),
    /// A thread panicked.
    #[error(
        "a defect ended the {0} thread of the store; what was acknowledged is kept, so start again, and report what the log says"
    )]
    Thread(&'static str),
}

/// Raised once, by the first thread that fails.
#[derive(Clone)]
pub(super) struct Alarm(Arc<watch::Sender<Option<StoreFailure>>>);

impl Alarm {
    pub(super) fn new() -> Alarm {
        Alarm(Arc::new(watch::Sender::new(None)))
    }

    /// Says that the store cannot go on.
    pub(super) fn raise(&self, failure: StoreFailure) {
        self.0.send_if_modified(|first| {
            let quiet = first.is_none();
            first.get_or_insert(failure);
            quiet
        });
    }

    /// Raises the alarm when the calling thread ends other than by [`Guard::end`]: a panic anywhere in it must not
    /// leave a server behind that accepts calls and answers none.
    pub(super) fn guard(&self, thread: &'static str) -> Guard {
        Guard { alarm: self.clone(), thread, ended: false }
    }

    /// Ends when the alarm is raised.
    pub(super) fn raised(&self) -> impl Future<Output = StoreFailure> + use<> {
        let mut raised = self.0.subscribe();
        async move {
            if let Ok(failure) = raised.wait_for(Option::is_some).await
                && let Some(failure) = &*failure
            {
                return failure.clone();
            }
            // The store was closed in good order.
            std::future::pending().await
        }
    }
}

/// Held by a thread for as long as it works.
pub(super) struct Guard {
    alarm: Alarm,
    thread: &'static str,
    ended: bool,
}

impl Guard {
    /// The thread ends in good order, or has already said why it does not.
    pub(super) fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.ended {
            self.alarm.raise(StoreFailure::Thread(self.thread));
        }
    }
}
