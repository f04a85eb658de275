//! The two ends of a read: the reader thread's end, which sends the answer, and the caller's end, which waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use crate::store::StoreError;

type ReadOutcome<T> = Result<T, StoreError>;

/// The reader thread's end, for answering one caller.
pub(super) struct Caller<T> {
    turn: Turn,
    done: oneshot::Sender<ReadOutcome<T>>,
}

/// The caller's end, for receiving the answer.
pub(super) struct Answer<T> {
    turn: Turn,
    done: oneshot::Receiver<ReadOutcome<T>>,
}

/// Decides whether the reader thread begins the read first, or the caller gives up first.
#[derive(Clone, Default)]
struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Returns true for the first call only, from either end. The other end then knows that it is too late.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// Creates both ends.
pub(super) fn caller<T>() -> (Caller<T>, Answer<T>) {
    let (done, answer) = oneshot::channel();
    let turn = Turn::default();
    (Caller { turn: turn.clone(), done }, Answer { turn, done: answer })
}

impl<T> Caller<T> {
    /// Checks whether the caller is still waiting.
    pub(super) fn is_waiting(&self) -> bool {
        !self.done.is_closed()
    }

    /// Begins the read, unless the caller has given up. From here on, the caller waits until the read has ended.
    pub(super) fn begin(&self) -> bool {
        self.turn.take()
    }

    pub(super) fn answer(self, outcome: ReadOutcome<T>) {
        let _ = self.done.send(outcome);
    }
}

impl<T> Answer<T> {
    /// Waits until the read has ended.
    ///
    /// # Errors
    /// Returns [`StoreError::Closed`] if the store is closed, or the error of the read.
    pub(super) async fn wait(self) -> ReadOutcome<T> {
        self.done.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits up to `patience` until the read begins, and then until it ends.
    ///
    /// The caller's task has the timer, so that the reader threads do not spend time on callers who give up.
    ///
    /// # Errors
    /// Returns [`StoreError::Busy`] if the read did not begin in time, [`StoreError::Closed`] if the store is closed,
    /// or the error of the read.
    pub(super) async fn wait_for(mut self, patience: Duration) -> ReadOutcome<T> {
        match tokio::time::timeout(patience, &mut self.done).await {
            Ok(answered) => answered.map_err(|_| StoreError::Closed)?,
            Err(_) if self.turn.take() => Err(StoreError::Busy),
            Err(_) => self.wait().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_caller_leaves_when_their_patience_ends_unless_their_read_has_begun() {
        let (left, answer) = caller::<()>();
        assert!(matches!(answer.wait_for(Duration::ZERO).await, Err(StoreError::Busy)));
        assert!(!left.begin() && !left.is_waiting());

        let (begun, answer) = caller();
        assert!(begun.is_waiting() && begun.begin());
        let (answered, ()) = tokio::join!(answer.wait_for(Duration::ZERO), async { begun.answer(Ok(2)) });
        assert_eq!(answered.unwrap(), 2);

        let (dropped, answer) = caller::<()>();
        let (answered, ()) = tokio::join!(answer.wait(), async { drop(dropped) });
        assert!(matches!(answered, Err(StoreError::Closed)));
    }
}
