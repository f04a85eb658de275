//! The reference store, which keeps everything in memory. It is meant for checks and tests.
//!
//! It has several partitions on purpose, like a store on several machines. Edits of different partitions are not
//! applied in the order in which they were submitted, and lists contain one partition after the other. Tests that
//! pass with this store therefore do not rely on a global order.

mod deliveries;
mod directory;
mod events;
mod listing;
mod maintenance;
mod operations;
mod sessions;
mod touches;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{oneshot, watch};

use self::{
    deliveries::Destinations,
    events::{AppLife, Logs},
    operations::Done,
};
use super::{Loaded, Owners, Pending, Revision, StoreError, Write, guarded};
use crate::domain::{
    AppId, Change, ChangeNumber, ChatGroupId, ChatGroupState, ChatGroupTraffic, Conversation, Decision,
    Delta, Outcome, Owner, OwnerState, Rejection, Session, UserId,
};

/// The number of partitions.
const PARTITIONS: usize = 3;
/// A store in memory.
#[derive(Default)]
pub(super) struct MemoryStore {
    partitions: [Partition; PARTITIONS],
    incarnation: Mutex<u64>,
    apps: Mutex<HashMap<AppId, AppLife>>,
    destinations: Mutex<Destinations>,
    /// The number of edits that were applied.
    changes: watch::Sender<u64>,
    closed: AtomicBool,
}

#[derive(Default)]
struct Partition {
    /// Edits in the order in which they were submitted. The queue stays locked while they are applied.
    queue: Mutex<VecDeque<Job>>,
    kept: Mutex<Kept>,
}

type Job = Box<dyn FnOnce(&MemoryStore) + Send>;

#[derive(Default)]
struct Kept {
    owners: HashMap<Owner, (OwnerState, Revision)>,
    chat_groups: HashMap<(AppId, ChatGroupId), ChatGroupState>,
    /// The keys of `chat_groups` in the order in which they were first stored.
    listed: Vec<(AppId, ChatGroupId)>,
    /// In which chat groups each user may be, with the incarnation in which the user joined.
    memberships: HashMap<Owner, BTreeMap<ChatGroupId, u32>>,
    /// When members left according to another service, in milliseconds.
    exits: HashMap<(AppId, ChatGroupId), HashMap<UserId, u64>>,
    sessions: HashMap<Owner, HashMap<Conversation, Session>>,
    times: HashMap<(AppId, ChatGroupId), ChatGroupTraffic>,
    events: Logs,
    operations: HashMap<Owner, Vec<Done>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the partition of an id. Any hash is good enough.
fn partition_of(id: &str) -> usize {
    id.bytes().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % PARTITIONS
}

impl MemoryStore {
    fn owners(&self, owner: &Owner) -> MutexGuard<'_, Kept> {
        lock(&self.partitions[partition_of(owner.user.as_str())].kept)
    }

    fn chat_groups(&self, id: &ChatGroupId) -> MutexGuard<'_, Kept> {
        lock(&self.partitions[partition_of(id.as_str())].kept)
    }

    /// Returns the owner as stored, with the numbers of the dead records.
    fn owner(&self, owner: &Owner) -> (OwnerState, Revision, Vec<ChangeNumber>) {
        let (state, revision) = self.owners(owner).owners.get(owner).cloned().unwrap_or_default();
        let dead = state
            .organizer
            .dead(|id| self.chat_group(owner.app, id).map_or(0, |state| state.group.incarnation));
        (state, revision, dead)
    }

    /// Returns the owner as clients see them, without dead records.
    fn living(&self, owner: &Owner) -> Loaded {
        let (state, revision, dead) = self.owner(owner);
        let organizer = Arc::new(state.organizer.living(&dead));
        Loaded { state: OwnerState { organizer, ..state }, revision }
    }

    fn edit_owner(&self, write: &Write) -> Result<Result<Outcome, Rejection>, StoreError> {
        let outcome = self.apply(write)?;
        if let (Ok(_), Some(slot)) = (&outcome, &write.place_after) {
            slot.put(self.current_place(&write.owner));
        }
        Ok(outcome)
    }

    fn apply(&self, write: &Write) -> Result<Result<Outcome, Rejection>, StoreError> {
        let Write { owner, edit, expected, .. } = write;
        let presences = (edit.named().into_iter())
            .map(|named| (named.clone(), self.presence(owner.app, named, &owner.user)))
            .collect();
        let (state, revision, dead) = self.owner(owner);
        if let Some(outcome) = self.find_repeated(write)? {
            return Ok(Ok(outcome));
        }
        if expected.is_some_and(|expected| expected != revision) {
            return Err(StoreError::Conflict(revision));
        }
        self.check_place(write, &state.organizer, &dead)?;
        let sessions = edit.is_about_sessions().then(|| self.known_sessions(write));
        let decision = guarded(|| write.decide(&state, &dead, &presences, sessions.as_ref()))?;
        let Decision { mut outcome, change } = match decision {
            Ok(decision) => decision,
            Err(rejection) => return Ok(Err(rejection)),
        };
        if write.dry_run {
            return Ok(Ok(outcome));
        }
        if edit.forgets_owner() {
            let mut kept = self.owners(owner);
            kept.sessions.remove(owner);
            kept.erase_events(owner);
            kept.operations.remove(owner);
        }
        if let Some(Change { next, deltas }) = change {
            // Check the deltas of every rule in all tests that use this store.
            assert_eq!(state.folded(&deltas), next, "deltas lead to the next state");
            let is_written = !Arc::ptr_eq(&next.organizer, &state.organizer);
            let revision = Revision(revision.0 + u64::from(is_written));
            let incarnation = *lock(&self.incarnation);
            let mut kept = self.owners(owner);
            if deltas.iter().any(Delta::is_recorded) {
                let event = kept.record(incarnation, write, &next.organizer, &deltas);
                outcome.note_event(event);
            }
            for delta in &deltas {
                if let Delta::SessionChanged(change) = delta {
                    kept.change_session(owner, change);
                }
            }
            kept.owners.insert(owner.clone(), (next, revision));
            drop(kept);
            self.delete_dead_memberships(owner);
            self.changes.send_modify(|count| *count += 1);
        }
        self.record_operation(write, &outcome);
        Ok(Ok(outcome))
    }

    /// Queues a job of a partition. It runs when its answer is awaited, or earlier together with another job.
    fn queue<T: Send + 'static>(
        &self,
        partition: usize,
        make: impl FnOnce(&MemoryStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        let (caller, answer) = oneshot::channel();
        let job: Job = Box::new(move |store| drop(caller.send(make(store))));
        lock(&self.partitions[partition].queue).push_back(job);
        Box::pin(async move {
            self.run_queued(partition);
            answer.await.map_err(|_| StoreError::Closed)?
        })
    }

    fn run_queued(&self, partition: usize) {
        let mut queue = lock(&self.partitions[partition].queue);
        while let Some(job) = queue.pop_front() {
            // After a close, dropping the job makes its caller receive `Closed`.
            if !self.is_closed() {
                job(self);
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Runs a read, unless the store is closed.
    fn read<T: Send + 'static>(&self, read: impl FnOnce() -> T) -> Pending<'static, T> {
        let found = match self.is_closed() {
            true => Err(StoreError::Closed),
            false => Ok(read()),
        };
        Box::pin(async { found })
    }
}

impl Owners for MemoryStore {
    fn peek(&self, _: &Owner) -> Option<Loaded> {
        None
    }

    fn load(&self, owner: &Owner) -> Pending<'_, Loaded> {
        self.run_queued(partition_of(owner.user.as_str()));
        self.read(|| self.living(owner))
    }

    fn commit(&self, write: Write) -> Pending<'_, Result<Outcome, Rejection>> {
        self.queue(partition_of(write.owner.user.as_str()), move |store| store.edit_owner(&write))
    }

    fn repeated(&self, write: Write) -> Pending<'_, Option<Outcome>> {
        self.queue(partition_of(write.owner.user.as_str()), move |store| store.find_repeated(&write))
    }
}
