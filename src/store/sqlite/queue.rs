//! What waits for a reader thread. The queue is bounded in length and in time: under overload some callers are refused
//! early instead of all of them timing out.

use std::{
    collections::VecDeque,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::reader::Reader;
use crate::{
    clock::Clock,
    store::{StoreError, guarded},
};

/// How often a full queue is searched for callers who have left.
const SWEEP: Duration = Duration::from_millis(10);

/// Something to read.
pub(super) trait Task: Send {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
    /// Reads, and answers.
    fn run(self: Box<Self>, reader: &Reader);
    /// Answers that there was no time for it.
    fn refuse(self: Box<Self>);
}

/// A task made of a function.
pub(super) struct Read<T, F> {
    read: F,
    done: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Read<T, F> {
    pub(super) fn new(read: F) -> (Read<T, F>, oneshot::Receiver<Result<T, StoreError>>) {
        let (done, answer) = oneshot::channel();
        (Read { read, done }, answer)
    }
}

impl<T: Send, F: FnOnce(&Reader) -> Result<T, StoreError> + Send> Task for Read<T, F> {
    fn is_wanted(&self) -> bool {
        !self.done.is_closed()
    }

    fn run(self: Box<Self>, reader: &Reader) {
        let Read { read, done } = *self;
        let _ = done.send(guarded(|| read(reader)).and_then(|outcome| outcome));
    }

    fn refuse(self: Box<Self>) {
        let _ = self.done.send(Err(StoreError::Busy));
    }
}

/// The tasks that wait.
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    /// How many may wait.
    limit: usize,
    /// How long a caller waits for the reading to begin. A later read would miss the deadline of its call.
    patience: Duration,
    clock: Clock,
    refused: AtomicU64,
}

struct State {
    waiting: VecDeque<Waiting>,
    is_open: bool,
    /// When those who have left were looked for last, and nobody had.
    swept: Option<Duration>,
}

struct Waiting {
    task: Box<dyn Task>,
    since: Duration,
    /// Waits however long it takes: part of something that would be useless without it, such as an export.
    is_patient: bool,
}

impl Queue {
    pub(super) fn new(limit: usize, patience: Duration) -> Queue {
        let state = Mutex::new(State { waiting: VecDeque::new(), is_open: true, swept: None });
        let clock = Clock::system();
        Queue { state, arrived: Condvar::new(), limit, patience, clock, refused: AtomicU64::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a task.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when as many wait as may, [`StoreError::Closed`] when the store is closed.
    pub(super) fn push(&self, task: Box<dyn Task>, is_patient: bool) -> Result<(), StoreError> {
        let mut state = self.state();
        if !state.is_open {
            return Err(StoreError::Closed);
        }
        let now = self.clock.elapsed();
        if state.waiting.len() >= self.limit && state.swept.is_none_or(|swept| now >= swept + SWEEP) {
            // Callers who have left make room. This looks at the whole queue: not for each newcomer when it was in vain.
            state.waiting.retain(|waiting| waiting.task.is_wanted());
            state.swept = (state.waiting.len() >= self.limit).then_some(now);
        }
        // Those that are patient are few: their number is bounded elsewhere.
        if state.waiting.len() >= self.limit && !is_patient {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Busy);
        }
        state.waiting.push_back(Waiting { task, since: now, is_patient });
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next task that is worth running; nothing when the queue is closed. Waits for one.
    pub(super) fn next(&self) -> Option<Box<dyn Task>> {
        loop {
            let Waiting { task, since, is_patient } = self.pop()?;
            if !task.is_wanted() {
                continue;
            }
            if is_patient || self.clock.elapsed() < since.saturating_add(self.patience) {
                return Some(task);
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            task.refuse();
        }
    }

    fn pop(&self) -> Option<Waiting> {
        let mut state = self.state();
        loop {
            if !state.is_open {
                return None;
            }
            if let Some(waiting) = self.choose(&mut state.waiting, self.clock.elapsed()) {
                return Some(waiting);
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes one task out of the queue: the first, as long as it has not waited for long. Otherwise more is asked than
    /// can be read, and then the last one is taken, which can still be answered soon. Those at the front are refused
    /// when their time is over, and not before, because many would come again at once.
    fn choose(&self, waiting: &mut VecDeque<Waiting>, now: Duration) -> Option<Waiting> {
        let waited = now.saturating_sub(waiting.front()?.since);
        match is_late(waited, self.patience) {
            true => waiting.pop_back(),
            false => waiting.pop_front(),
        }
    }

    /// Ends every thread that waits for a task. What waits is given up.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_open = false;
        state.waiting.clear();
        drop(state);
        self.arrived.notify_all();
    }

    /// How many wait now, and how many were refused.
    pub(super) fn statistics(&self) -> (u64, u64) {
        (self.state().waiting.len() as u64, self.refused.load(Ordering::Relaxed))
    }
}

/// Whether a task that has waited so long keeps its place while later ones are run.
fn is_late(waited: Duration, patience: Duration) -> bool {
    waited >= patience / 8 && waited < patience
}

#[cfg(test)]
mod tests {
    use super::*;

    type Asked = (Box<dyn Task>, oneshot::Receiver<Result<u32, StoreError>>);

    fn ask(value: u32) -> Asked {
        let (read, answer) = Read::new(move |_: &Reader| Ok(value));
        (Box::new(read), answer)
    }

    fn queue(limit: usize, patience: u64) -> Queue {
        Queue::new(limit, Duration::from_secs(patience))
    }

    #[test]
    fn callers_who_have_left_cost_nothing_and_make_room() {
        let queue = queue(3, 60);
        let mut answers = Vec::new();
        for value in 0..3 {
            let (task, answer) = ask(value);
            queue.push(task, false).unwrap();
            answers.push(answer);
        }
        answers.remove(1);
        let (task, _answer) = ask(3);
        queue.push(task, false).unwrap();
        assert!(matches!(queue.push(ask(4).0, false), Err(StoreError::Busy)), "three wait");
        answers.remove(0);
        assert!(queue.next().is_some() && queue.next().is_some(), "the third and the last");
        assert_eq!(queue.statistics(), (0, 1));
    }

    #[test]
    fn expired_reads_are_refused_unless_they_are_patient() {
        let queue = queue(10, 0);
        let (task, mut hasty) = ask(1);
        queue.push(task, false).unwrap();
        let (task, mut patient) = ask(2);
        queue.push(task, true).unwrap();
        assert!(queue.next().is_some());
        assert!(matches!(hasty.try_recv(), Ok(Err(StoreError::Busy))));
        assert!(matches!(patient.try_recv(), Err(oneshot::error::TryRecvError::Closed)), "taken and dropped");
        assert_eq!(queue.statistics(), (0, 1));
    }

    #[test]
    fn when_the_first_has_waited_for_long_the_last_is_read_until_the_first_is_to_be_refused() {
        let patience = Duration::from_millis(2_400);
        let late = |milliseconds| is_late(Duration::from_millis(milliseconds), patience);
        assert_eq!(
            [late(0), late(299), late(300), late(2_399), late(2_400)],
            [false, false, true, true, false]
        );
        let queue = Queue::new(10, patience);
        let at = Duration::from_secs;
        let mut waiting: VecDeque<_> =
            (1..=4).map(|since| Waiting { task: ask(0).0, since: at(since), is_patient: false }).collect();
        let mut taken = |now| queue.choose(&mut waiting, now).map(|chosen| chosen.since);
        assert_eq!(taken(at(1)), Some(at(1)), "nobody has waited for long");
        assert_eq!(
            taken(at(4)),
            Some(at(4)),
            "the second has waited for two seconds, and the last can be served"
        );
        assert_eq!(taken(at(5)), Some(at(2)), "whose time is over");
        assert_eq!(taken(at(6)), Some(at(3)));
        assert_eq!(taken(at(6)), None);
    }

    #[test]
    fn a_closed_queue_takes_and_gives_nothing() {
        let queue = queue(10, 60);
        let (task, mut answer) = ask(1);
        queue.push(task, false).unwrap();
        queue.close();
        assert!(queue.next().is_none());
        assert!(matches!(queue.push(ask(2).0, true), Err(StoreError::Closed)));
        assert!(matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }
}
