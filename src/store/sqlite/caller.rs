//! Both ends of a read: the caller who waits for it, and the place where a reader thread puts the answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use crate::store::StoreError;

type Outcome<T> = Result<T, StoreError>;

/// Where the answer for one caller goes.
pub(super) struct Caller<T> {
    turn: Turn,
    done: oneshot::Sender<Outcome<T>>,
}

/// What a caller waits for.
pub(super) struct Answer<T> {
    turn: Turn,
    done: oneshot::Receiver<Outcome<T>>,
}

/// Settles between a reader thread and a caller whether the read begins or the caller leaves.
#[derive(Clone, Default)]
struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Whether this is the first of the two who asks. The second has to respect what the first does.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// A caller, and what he waits for.
pub(super) fn caller<T>() -> (Caller<T>, Answer<T>) {
    let (done, answer) = oneshot::channel();
    let turn = Turn::default();
    (Caller { turn: turn.clone(), done }, Answer { turn, done: answer })
}

impl<T> Caller<T> {
    /// Whether he still waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.done.is_closed()
    }

    /// Whether he still waits when his read begins. From here on he waits until it ends.
    pub(super) fn begin(&self) -> bool {
        self.turn.take()
    }

    pub(super) fn answer(self, outcome: Outcome<T>) {
        let _ = self.done.send(outcome);
    }
}

impl<T> Answer<T> {
    /// Waits until the read has ended.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when the store is closed, and whatever the read met.
    pub(super) async fn wait(self) -> Outcome<T> {
        self.done.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits for `patience` at most until the read begins, and then until it ends.
    ///
    /// The worker of the caller ends the wait, by a timer of its own: the reader threads have better things to do.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when it did not begin, [`StoreError::Closed`] when the store is closed, and whatever the
    /// read met.
    pub(super) async fn wait_for(mut self, patience: Duration) -> Outcome<T> {
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
    async fn a_caller_leaves_when_his_patience_ends_unless_his_read_has_begun() {
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
