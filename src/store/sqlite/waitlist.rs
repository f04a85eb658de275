//! The list of callers who wait for reader threads, and the choice of the next one.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::{
    caller::Caller,
    work::{ReadTask, Work},
};
use crate::{domain::Owner, store::Loaded};

/// The minimum time between two complete searches of a full queue for callers who have left.
const SWEEP: Duration = Duration::from_millis(10);

/// The waiting callers, in the order in which they arrived.
#[derive(Default)]
pub(super) struct Waitlist {
    waiting: VecDeque<Waiting>,
    loads: HashMap<Owner, Load>,
    /// How many callers share the read of another caller for the same owner.
    joined: usize,
    /// When the whole queue was last searched for callers who have left.
    swept: Option<Duration>,
}

enum Waiting {
    /// A read of an owner. Its callers are in `loads`.
    Load(Owner),
    Read {
        task: Box<dyn ReadTask>,
        since: Duration,
        /// Whether the caller waits without a time limit, as an export does, which needs all of its parts.
        is_patient: bool,
    },
}

/// The callers who wait for one owner.
struct Load {
    callers: Vec<Caller<Loaded>>,
    /// When the last of them arrived.
    since: Duration,
}

impl Waitlist {
    /// Adds a caller who wants an owner. Returns true if a read of this owner is waiting already.
    pub(super) fn load(&mut self, owner: &Owner, caller: Caller<Loaded>, now: Duration) -> bool {
        if let Some(load) = self.loads.get_mut(owner) {
            load.callers.push(caller);
            load.since = now;
            self.joined += 1;
            return true;
        }
        self.loads.insert(owner.clone(), Load { callers: vec![caller], since: now });
        self.waiting.push_back(Waiting::Load(owner.clone()));
        false
    }

    /// Adds a caller with any other read.
    pub(super) fn read(&mut self, task: Box<dyn ReadTask>, since: Duration, is_patient: bool) {
        self.waiting.push_back(Waiting::Read { task, since, is_patient });
    }

    /// Removes reads from the front if no caller is waiting for them.
    fn trim(&mut self) {
        while self.waiting.front().is_some_and(|first| !self.is_wanted(first)) {
            let first = self.waiting.pop_front();
            first.map(|first| self.take(first));
        }
    }

    fn is_wanted(&self, waiting: &Waiting) -> bool {
        match waiting {
            Waiting::Load(owner) => {
                self.loads.get(owner).is_some_and(|load| load.callers.iter().any(Caller::is_waiting))
            }
            Waiting::Read { task, .. } => task.is_wanted(),
        }
    }

    /// Turns an entry that was removed from `waiting` into work, with all its callers.
    fn take(&mut self, waiting: Waiting) -> Work {
        match waiting {
            Waiting::Read { task, .. } => Work::Read(task),
            Waiting::Load(owner) => {
                let callers = self.loads.remove(&owner).map_or_else(Vec::new, |load| load.callers);
                self.joined -= callers.len().saturating_sub(1);
                Work::Load(owner, callers)
            }
        }
    }

    /// Takes the next work. Normally, this is the first entry. But if its last caller has waited for long, there are
    /// more calls than the threads can handle. Then the last entry is taken, which can still be answered quickly. The
    /// callers at the front stay until their time is over, because many would repeat the call immediately if they
    /// were refused earlier. A patient entry at the front is taken after the same time.
    pub(super) fn next(&mut self, now: Duration, patience: Duration) -> Option<Work> {
        self.trim();
        let (since, is_patient) = match self.waiting.front()? {
            Waiting::Load(owner) => (self.loads.get(owner).map_or(now, |load| load.since), false),
            Waiting::Read { since, is_patient, .. } => (*since, *is_patient),
        };
        let waited = now.saturating_sub(since);
        let is_due = is_patient && waited >= patience;
        let is_first = waited < patience / 8 || is_due;
        let next = if is_first { self.waiting.pop_front() } else { self.waiting.pop_back() };
        next.map(|next| self.take(next))
    }

    /// Returns the number of waiting callers, including those who have left but were not removed yet.
    pub(super) fn callers(&self) -> usize {
        self.waiting.len() + self.joined
    }

    /// Removes callers who have left. Most of them have run out of time and are at the front. Callers whose
    /// connections were closed may be anywhere, but searching the whole queue for each new caller would be too slow.
    pub(super) fn make_room(&mut self, now: Duration) {
        self.trim();
        if self.swept.is_some_and(|swept| now < swept + SWEEP) {
            return;
        }
        self.swept = Some(now);
        for load in self.loads.values_mut() {
            load.callers.retain(Caller::is_waiting);
        }
        self.loads.retain(|_, load| !load.callers.is_empty());
        self.joined = self.loads.values().map(|load| load.callers.len() - 1).sum();
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|waiting| self.is_wanted(waiting));
        self.waiting = waiting;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{AppId, UserId},
        store::sqlite::{
            caller::{Answer, caller},
            reader::Reader,
            work::Read,
        },
    };

    const PATIENCE: Duration = Duration::from_secs(8);

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn load(list: &mut Waitlist, name: &str, now: f64) -> Answer<Loaded> {
        let owner = Owner { app: AppId::new(7).unwrap(), user: UserId::parse(name).unwrap() };
        let (caller, answer) = caller();
        list.load(&owner, caller, at(now));
        answer
    }

    fn read(list: &mut Waitlist, now: f64, is_patient: bool) -> Answer<u32> {
        let (caller, answer) = caller();
        list.read(Box::new(Read { read: |_: &Reader| Ok(1), caller }), at(now), is_patient);
        answer
    }

    /// Describes the next work and its number of callers.
    fn next(list: &mut Waitlist, now: f64) -> String {
        match list.next(at(now), PATIENCE) {
            Some(Work::Load(owner, callers)) => format!("{} for {}", owner.user, callers.len()),
            Some(Work::Read(_)) => "read".to_owned(),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn when_the_first_has_waited_for_long_the_last_is_read() {
        let mut list = Waitlist::default();
        let _answers = [1, 2, 3, 4].map(|second| load(&mut list, &second.to_string(), second.into()));
        assert_eq!(next(&mut list, 1.9), "1 for 1", "the first caller has not waited for long");
        assert_eq!(next(&mut list, 3.0), "4 for 1", "the second has waited for a second");
        assert_eq!(next(&mut list, 3.9), "3 for 1");
        assert_eq!(next(&mut list, 12.0), "2 for 1");
        assert_eq!(next(&mut list, 12.0), "nothing");
    }

    #[test]
    fn an_owner_requested_a_moment_ago_keeps_their_place() {
        let mut list = Waitlist::default();
        let _answers = [("1", 1.0), ("2", 2.0), ("3", 3.0), ("1", 9.0)]
            .map(|(name, second)| load(&mut list, name, second));
        assert_eq!(next(&mut list, 9.9), "1 for 2");
        assert_eq!(next(&mut list, 9.9), "3 for 1");
    }

    #[test]
    fn a_patient_read_runs_once_it_has_waited_as_long_as_others_would() {
        let mut list = Waitlist::default();
        let _patient = read(&mut list, 0.0, true);
        let _answers = ["1", "2"].map(|name| load(&mut list, name, 1.0));
        assert_eq!(next(&mut list, 7.9), "2 for 1");
        assert_eq!(next(&mut list, 8.0), "read");
    }

    #[test]
    fn callers_for_the_same_owner_share_a_read_until_it_begins() {
        let mut list = Waitlist::default();
        let _answers = ["a", "b", "a", "a"].map(|name| load(&mut list, name, 0.0));
        assert_eq!(list.callers(), 4);
        assert_eq!(next(&mut list, 0.0), "a for 3");
        let _later = load(&mut list, "a", 0.0);
        assert_eq!(list.callers(), 2);
        assert_eq!(next(&mut list, 0.0), "b for 1");
        assert_eq!(next(&mut list, 0.0), "a for 1", "a caller cannot join a read that has begun");
        assert_eq!(list.callers(), 0);
    }

    #[test]
    fn callers_who_have_left_are_not_served() {
        let mut list = Waitlist::default();
        let (first, second, _third) =
            (read(&mut list, 0.0, false), load(&mut list, "a", 0.0), load(&mut list, "b", 0.0));
        drop((first, second));
        assert_eq!(next(&mut list, 0.0), "b for 1");
        assert_eq!((next(&mut list, 0.0).as_str(), list.callers()), ("nothing", 0));
    }

    #[test]
    fn callers_who_have_left_make_room_at_the_front_immediately_and_elsewhere_later() {
        let mut list = Waitlist::default();
        let mut answers: Vec<_> =
            ["a", "b", "a", "c", "d", "a"].map(|name| load(&mut list, name, 0.0)).into();
        list.make_room(at(1.0));
        assert_eq!(list.callers(), 6, "all callers are still waiting");
        for left in [4, 2, 1] {
            answers.remove(left); // d, a, b
        }
        list.make_room(at(1.009));
        assert_eq!(list.callers(), 6, "the last search was too recent, and the first read is wanted");
        list.make_room(at(1.01));
        assert_eq!(list.callers(), 3);
        answers.clear();
        list.make_room(at(1.011));
        assert_eq!(list.callers(), 0, "they are removed from the front");
    }
}
