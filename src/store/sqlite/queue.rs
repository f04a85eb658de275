//! The queue of reads that wait for a reader thread. Its length and the waiting time are limited. Under overload, some
//! callers are therefore refused early, instead of all of them running into time-outs.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    caller::{Answer, caller},
    reader::Reader,
    waitlist::Waitlist,
    work::{Read, Work},
};
use crate::{
    clock::Clock,
    domain::Owner,
    store::{Loaded, StoreError},
};

/// The queue of waiting reads.
pub(super) struct Queue {
    /// The waiting callers; `None` after the queue was closed.
    list: Mutex<Option<Waitlist>>,
    arrived: Condvar,
    /// How many callers may wait.
    limit: usize,
    /// How long a caller waits for the read to begin. A later read would miss the deadline of its call.
    patience: Duration,
    clock: Clock,
    refused: AtomicU64,
}

impl Queue {
    pub(super) fn new(limit: usize, patience: Duration) -> Queue {
        let (list, arrived, refused) =
            (Mutex::new(Some(Waitlist::default())), Condvar::new(), AtomicU64::new(0));
        Queue { list, arrived, limit, patience, clock: Clock::system(), refused }
    }

    fn list(&self) -> MutexGuard<'_, Option<Waitlist>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `enter` add one more caller. `enter` returns whether there is new work for a thread.
    ///
    /// # Errors
    /// Returns [`StoreError::Busy`] if the queue is full, or [`StoreError::Closed`] if the store is closed.
    fn add(
        &self,
        is_patient: bool,
        enter: impl FnOnce(&mut Waitlist, Duration) -> bool,
    ) -> Result<(), StoreError> {
        let now = self.clock.elapsed();
        let mut list = self.list();
        let open = list.as_mut().ok_or(StoreError::Closed)?;
        if open.callers() >= self.limit {
            open.make_room(now);
        }
        // Patient callers are always accepted, because there are only a few of them.
        if open.callers() >= self.limit && !is_patient {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Busy);
        }
        if enter(open, now) {
            drop(list);
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Queues a read of an owner. If a read of the same owner is already waiting, both callers get its answer. That is
    /// correct, because a read that begins after a call sees everything that was acknowledged before the call.
    ///
    /// # Errors
    /// Returns the same errors as [`Queue::read`].
    pub(super) fn load(&self, owner: &Owner) -> Result<Answer<Loaded>, StoreError> {
        let (caller, answer) = caller();
        self.add(false, |list, now| !list.load(owner, caller, now))?;
        Ok(answer)
    }

    /// Queues any other read.
    ///
    /// # Errors
    /// Returns [`StoreError::Busy`] if the queue is full, or [`StoreError::Closed`] if the store is closed.
    pub(super) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
        is_patient: bool,
    ) -> Result<Answer<T>, StoreError> {
        let (caller, answer) = caller();
        self.add(is_patient, |list, now| {
            list.read(Box::new(Read { read, caller }), now, is_patient);
            true
        })?;
        Ok(answer)
    }

    /// Waits for a limited time until the read begins, and then until it ends.
    ///
    /// # Errors
    /// Returns [`StoreError::Busy`] if the read did not begin in time, [`StoreError::Closed`] if the store is closed,
    /// or the error of the read.
    pub(super) async fn wait<T>(&self, answer: Answer<T>) -> Result<T, StoreError> {
        let outcome = answer.wait_for(self.patience).await;
        if let Err(StoreError::Busy) = outcome {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Waits for the next work. Returns `None` when the queue is closed.
    pub(super) fn next(&self) -> Option<Work> {
        let mut list = self.list();
        loop {
            let next = list.as_mut()?.next(self.clock.elapsed(), self.patience);
            if next.is_some() {
                return next;
            }
            list = self.arrived.wait(list).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends every thread that waits for work, and drops all waiting reads.
    pub(super) fn close(&self) {
        let left = self.list().take();
        self.arrived.notify_all();
        drop(left);
    }

    /// Returns the number of waiting callers and the number of refused ones.
    pub(super) fn statistics(&self) -> (u64, u64) {
        (self.list().as_ref().map_or(0, Waitlist::callers) as u64, self.refused.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AppId, UserId};

    fn queue(limit: usize, patience: u64) -> Queue {
        Queue::new(limit, Duration::from_secs(patience))
    }

    fn owner(name: &str) -> Owner {
        Owner { app: AppId::new(7).unwrap(), user: UserId::parse(name).unwrap() }
    }

    fn ask(queue: &Queue) -> Result<Answer<u32>, StoreError> {
        queue.read(|_: &Reader| Ok(1), false)
    }

    #[test]
    fn the_number_of_waiting_reads_is_limited_except_for_patient_ones() {
        let queue = queue(3, 60);
        let mut loads: Vec<_> = ["a", "a"].map(|name| queue.load(&owner(name)).unwrap()).into();
        let _read = ask(&queue).unwrap();
        assert!(matches!(ask(&queue), Err(StoreError::Busy)));
        assert!(matches!(queue.load(&owner("a")), Err(StoreError::Busy)), "joined callers count, too");
        let _patient = queue.read(|_: &Reader| Ok(1), true).unwrap();
        assert_eq!(queue.statistics(), (4, 2));
        loads.clear();
        let _read = ask(&queue).unwrap();
        assert_eq!(queue.statistics(), (3, 2), "callers who have left make room");
    }

    #[tokio::test]
    async fn callers_who_leave_without_an_answer_are_counted() {
        let queue = queue(10, 0);
        let (hasty, patient) = (ask(&queue).unwrap(), queue.read(|_: &Reader| Ok(1), true).unwrap());
        assert!(matches!(queue.wait(hasty).await, Err(StoreError::Busy)));
        assert_eq!(queue.statistics(), (2, 1), "a thread will skip the first");
        assert!(matches!(queue.next(), Some(Work::Read(task)) if task.is_wanted()));
        assert!(matches!(patient.wait().await, Err(StoreError::Closed)), "the task was dropped");
        assert_eq!(queue.statistics(), (0, 1));
    }

    #[tokio::test]
    async fn a_closed_queue_accepts_and_returns_nothing() {
        let queue = queue(10, 60);
        let (answer, load) = (ask(&queue).unwrap(), queue.load(&owner("a")).unwrap());
        queue.close();
        assert!(queue.next().is_none());
        assert!(matches!(queue.read(|_: &Reader| Ok(1), true), Err(StoreError::Closed)));
        assert!(matches!(queue.load(&owner("a")), Err(StoreError::Closed)));
        assert!(matches!(queue.wait(answer).await, Err(StoreError::Closed)));
        assert!(matches!(queue.wait(load).await, Err(StoreError::Closed)));
    }
}
