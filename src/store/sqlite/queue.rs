//! What waits for a reader thread. The queue is bounded in length and in time: under overload some callers are refused
//! early instead of all of them timing out.

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

/// The work that waits.
pub(super) struct Queue {
    /// The callers, until the queue is closed.
    list: Mutex<Option<Waitlist>>,
    arrived: Condvar,
    /// How many callers may wait.
    limit: usize,
    /// How long a caller waits for the reading to begin. A later read would miss the deadline of its call.
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

    /// Lets `enter` add one more caller. It says whether there is new work to do.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when as many wait as may, [`StoreError::Closed`] when the store is closed.
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
        // Those that are patient are few: their number is bounded elsewhere.
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

    /// Asks for an owner. Whoever asks for the same one before the reading begins gets the same answer: a read that
    /// begins after a call has come shows everything that was acknowledged before it.
    ///
    /// # Errors
    /// As [`Queue::read`].
    pub(super) fn load(&self, owner: &Owner) -> Result<Answer<Loaded>, StoreError> {
        let (caller, answer) = caller();
        self.add(false, |list, now| !list.load(owner, caller, now))?;
        Ok(answer)
    }

    /// Asks for something else.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when as many wait as may, [`StoreError::Closed`] when the store is closed.
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

    /// Waits for what was asked for, as long as it may take: patience until the reading begins, then until it ends.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when no reader thread had time for it, [`StoreError::Closed`] when the store is closed,
    /// and whatever the read met.
    pub(super) async fn wait<T>(&self, answer: Answer<T>) -> Result<T, StoreError> {
        let outcome = answer.wait_for(self.patience).await;
        if let Err(StoreError::Busy) = outcome {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// What is to be done next; nothing when the queue is closed. Waits for it.
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

    /// Ends every thread that waits for work. What waits is given up.
    pub(super) fn close(&self) {
        let left = self.list().take();
        self.arrived.notify_all();
        drop(left);
    }

    /// How many callers wait now, and how many were refused.
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
    fn only_so_many_wait_but_those_that_are_patient_always_may() {
        let queue = queue(3, 60);
        let mut loads: Vec<_> = ["a", "a"].map(|name| queue.load(&owner(name)).unwrap()).into();
        let _read = ask(&queue).unwrap();
        assert!(matches!(ask(&queue), Err(StoreError::Busy)));
        assert!(matches!(queue.load(&owner("a")), Err(StoreError::Busy)), "who joins needs a place as well");
        let _patient = queue.read(|_: &Reader| Ok(1), true).unwrap();
        assert_eq!(queue.statistics(), (4, 2));
        loads.clear();
        let _read = ask(&queue).unwrap();
        assert_eq!(queue.statistics(), (3, 2), "those who have left made room");
    }

    #[tokio::test]
    async fn those_who_wait_in_vain_are_counted() {
        let queue = queue(10, 0);
        let (hasty, patient) = (ask(&queue).unwrap(), queue.read(|_: &Reader| Ok(1), true).unwrap());
        assert!(matches!(queue.wait(hasty).await, Err(StoreError::Busy)));
        assert_eq!(queue.statistics(), (2, 1), "the first is left to be skipped");
        assert!(matches!(queue.next(), Some(Work::Read(task)) if task.is_wanted()));
        assert!(matches!(patient.wait().await, Err(StoreError::Closed)), "taken and dropped");
        assert_eq!(queue.statistics(), (0, 1));
    }

    #[tokio::test]
    async fn a_closed_queue_takes_and_gives_nothing() {
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
