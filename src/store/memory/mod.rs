//! The reference store, which keeps everything in memory. It is meant for checks and tests.
//!
//! It has several partitions on purpose, like a store on several machines. Edits of different partitions are not
//! applied in the order in which they were submitted, and lists contain one partition after the other. Tests that
//! pass with this store therefore do not rely on a global order.

mod deliveries;
mod events;
mod listing;
mod maintenance;
mod operations;
mod touches;

use std::{
    collections::{HashMap, HashSet, VecDeque},
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
use super::{
    ChatGroupPage, ChatGroupQuery, ChatGroupWrite, Directory, Loaded, Owners, Pending, Revision, StoreError,
    Write, guarded,
};
use crate::domain::{
    AppId, Change, ChangeNumber, ChatGroupId, ChatGroupKind, ChatGroupOutcome, ChatGroupRejection,
    ChatGroupState, ChatGroupTimes, ChatGroupWorld, Conversation, Decision, Outcome, Owner, OwnerState,
    Presence, Rejection, SessionTimes, UserId, WantedMembers,
};

/// The number of partitions.
const PARTITIONS: usize = 3;
/// How many bits of a page's start are the place within the partition; the higher bits are the partition.
const PLACE_BITS: u32 = 40;

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
    sessions: HashMap<Owner, HashMap<UserId, SessionTimes>>,
    times: HashMap<(AppId, ChatGroupId), ChatGroupTimes>,
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

    fn chat_group(&self, app: AppId, id: &ChatGroupId) -> Option<ChatGroupState> {
        self.chat_groups(id).chat_groups.get(&(app, id.clone())).cloned()
    }

    fn is_imported(&self, owner: &Owner) -> bool {
        self.owners(owner).owners.get(owner).is_some_and(|(state, _)| state.account.is_some())
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

    fn presence(&self, app: AppId, named: &Conversation, member: &UserId) -> Presence {
        match named {
            Conversation::User(user) => {
                Presence::User { imported: self.is_imported(&Owner { app, user: user.clone() }) }
            }
            Conversation::ChatGroup(id) => {
                let found = self.chat_group(app, id);
                let is_member = found.as_ref().is_none_or(|state| {
                    let profile = state.group.profile.as_ref();
                    profile.is_some_and(|profile| {
                        profile.kind == ChatGroupKind::AvChatRoom || profile.owner.as_ref() == Some(member)
                    }) || state.members.iter().any(|listed| listed.user == *member)
                });
                Presence::ChatGroup { life: found.map(|state| state.group.life()), is_member }
            }
        }
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
        let decision = guarded(|| write.decide(&state, &dead, &presences))?;
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
            let event = kept.record(incarnation, write, &next.organizer, &deltas);
            outcome.note_event(event);
            kept.owners.insert(owner.clone(), (next, revision));
            self.changes.send_modify(|count| *count += 1);
        }
        self.record_operation(write, &outcome);
        Ok(Ok(outcome))
    }

    fn edit_chat_group(
        &self,
        write: &ChatGroupWrite,
    ) -> Result<Result<ChatGroupOutcome, ChatGroupRejection>, StoreError> {
        let ChatGroupWrite { app, id, edit, terms, .. } = write;
        let is_imported = |user: &&UserId| self.is_imported(&Owner { app: *app, user: (*user).clone() });
        let imported: HashSet<UserId> = edit.users().into_iter().filter(is_imported).cloned().collect();
        let old = self.chat_group(*app, id);
        let members = old.as_ref().map_or(Vec::new(), |state| wanted_of(state, &edit.wanted()));
        let world = ChatGroupWorld { terms, imported: &imported, members: &members };
        let decision = guarded(|| edit.decide(old.as_ref().map(|state| &state.group), world))?;
        let Decision { outcome, change } = match decision {
            Ok(decision) => decision,
            Err(rejection) => return Ok(Err(rejection)),
        };
        if let Some(change) = change.filter(|_| !write.dry_run) {
            let old_incarnation = old.as_ref().map_or(0, |state| state.group.incarnation);
            let next = old.unwrap_or_default().folded(&change.deltas);
            assert_eq!(next.group, change.next, "deltas lead to the next state");
            if next.group.incarnation > old_incarnation {
                self.record_disbanding(*app, id, next.group.incarnation, terms.now);
            }
            let mut kept = self.chat_groups(id);
            let key = (*app, id.clone());
            if kept.chat_groups.insert(key.clone(), next).is_none() {
                kept.listed.push(key);
            }
            self.changes.send_modify(|count| *count += 1);
        }
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

fn wanted_of(state: &ChatGroupState, wanted: &WantedMembers) -> Vec<crate::domain::Member> {
    match wanted {
        WantedMembers::All => state.members.clone(),
        WantedMembers::Named(users) => {
            state.members.iter().filter(|member| users.contains(&member.user)).cloned().collect()
        }
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

impl Directory for MemoryStore {
    fn accounts(&self, app: AppId, users: Vec<UserId>) -> Pending<'_, Vec<bool>> {
        self.read(|| users.into_iter().map(|user| self.is_imported(&Owner { app, user })).collect())
    }

    fn presences(&self, app: AppId, named: Vec<Conversation>) -> Pending<'_, Vec<Presence>> {
        let without_membership = |presence| match presence {
            Presence::ChatGroup { life, .. } => Presence::ChatGroup { life, is_member: true },
            other => other,
        };
        let nobody = UserId::parse("-").expect("one byte is a user id");
        let presence = |named: &Conversation| without_membership(self.presence(app, named, &nobody));
        self.read(|| named.iter().map(presence).collect())
    }

    fn chat_groups(
        &self,
        app: AppId,
        ids: Vec<ChatGroupId>,
        wanted: WantedMembers,
    ) -> Pending<'_, Vec<Option<ChatGroupState>>> {
        let find = |id: &ChatGroupId| {
            let state = self.chat_group(app, id)?;
            let members = wanted_of(&state, &wanted);
            Some(ChatGroupState { group: state.group, members })
        };
        self.read(|| ids.iter().map(find).collect())
    }

    fn commit_chat_group(
        &self,
        write: ChatGroupWrite,
    ) -> Pending<'_, Result<ChatGroupOutcome, ChatGroupRejection>> {
        self.queue(partition_of(write.id.as_str()), move |store| store.edit_chat_group(&write))
    }

    fn list_chat_groups(&self, app: AppId, query: ChatGroupQuery) -> Pending<'_, ChatGroupPage> {
        let mut living: Vec<(u64, ChatGroupId)> = Vec::new();
        for (partition, number) in self.partitions.iter().zip(0u64..) {
            let kept = lock(&partition.kept);
            for (key, place) in kept.listed.iter().zip(1u64..) {
                let Some(profile) = &kept.chat_groups[key].group.profile else { continue };
                let fits = query.kind.is_none_or(|wanted| wanted.aliases().contains(&profile.kind));
                if key.0 == app && fits {
                    living.push((number << PLACE_BITS | place, key.1.clone()));
                }
            }
        }
        let total = living.len();
        let mut rest = living.into_iter().filter(|(place, _)| *place >= query.from);
        let ids = rest.by_ref().take(query.limit).map(|(_, id)| id).collect();
        let page = ChatGroupPage { ids, next: rest.next().map(|(place, _)| place), total };
        self.read(|| page)
    }
}
