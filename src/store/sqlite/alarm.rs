//! Reports that a store cannot continue because one of its threads failed.

use std::sync::Arc;

use tokio::sync::watch;

use crate::store::StoreFailure;

/// The first failure of any thread of a store; later failures are ignored.
#[derive(Clone)]
pub(super) struct Alarm(Arc<watch::Sender<Option<StoreFailure>>>);

impl Alarm {
    pub(super) fn new() -> Alarm {
        Alarm(Arc::new(watch::Sender::new(None)))
    }

    /// Reports that the store cannot continue.
    pub(super) fn raise(&self, failure: StoreFailure) {
        self.0.send_if_modified(|first| {
            let quiet = first.is_none();
            first.get_or_insert(failure);
            quiet
        });
    }

    /// Returns a guard that raises the alarm if the calling thread ends without [`Guard::end`]. Otherwise, after a
    /// panic in that thread, the server would continue to accept calls that are never answered.
    pub(super) fn guard(&self, thread: &'static str) -> Guard {
        Guard { alarm: self.clone(), thread, ended: false }
    }

    /// Completes when the alarm is raised.
    pub(super) fn raised(&self) -> impl Future<Output = StoreFailure> + use<> {
        let mut raised = self.0.subscribe();
        async move {
            if let Ok(failure) = raised.wait_for(Option::is_some).await
                && let Some(failure) = &*failure
            {
                return failure.clone();
            }
            // The store was closed normally.
            std::future::pending().await
        }
    }
}

/// Raises the alarm when it is dropped without [`Guard::end`].
pub(super) struct Guard {
    alarm: Alarm,
    thread: &'static str,
    ended: bool,
}

impl Guard {
    /// Ends the guard without an alarm. The thread ends normally, or has already raised the alarm with a better reason.
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
