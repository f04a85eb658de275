//! The jobs of the writer: what to change, and where to send the result.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::{batch::Batch, deliveries::DeliveryJob, health::Health, lists::Unsettled};
use crate::{
    clock::Clock,
    domain::{
        ChatGroupOutcome, ChatGroupRejection, Conversation, Numbers, Outcome, Owner, Posting, Presence,
        Rejection, Touch,
    },
    store::{ChatGroupWrite, Damaged, Scope, StoreError, Write, guarded},
};

/// One job of the writer. It may run several times, because a transaction that another job made fail is repeated.
pub(super) enum Job {
    /// An edit of an owner.
    Owner {
        write: Box<Write>,
        /// The conversations that the edit names.
        presences: HashMap<Conversation, Presence>,
        slot: OutcomeSlot<Result<Outcome, Rejection>>,
        unsettled: Option<Unsettled>,
    },
    /// An edit of a chat group.
    ChatGroup {
        write: Box<ChatGroupWrite>,
        slot: OutcomeSlot<Result<ChatGroupOutcome, ChatGroupRejection>>,
        unsettled: Option<Unsettled>,
    },
    /// Touches of the sessions of one owner, or of one chat group.
    Touch { what: Damaged, touches: Vec<Touch>, slot: OutcomeSlot<()>, unsettled: Option<Unsettled> },
    /// Messages to a chat group, which take numbers.
    Post { posting: Box<Posting>, slot: OutcomeSlot<Option<Numbers>>, unsettled: Option<Unsettled> },
    /// Something about webhooks.
    Delivery(DeliveryJob),
    /// Records that the initial data of the store is complete.
    Filled(OutcomeSlot<()>),
    /// Deletes a part of the stored data.
    Reset(Scope, OutcomeSlot<()>),
    /// Checks whether changes can be made durable.
    Probe(OutcomeSlot<()>),
    /// Runs a function while nothing is being written.
    Pause(Box<dyn FnOnce() + Send>, OutcomeSlot<()>),
}

/// Keeps the outcome of a change until it is durable, and sends it to the caller then.
pub(super) struct OutcomeSlot<T> {
    outcome: Option<T>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T> OutcomeSlot<T> {
    /// Creates a slot, and the receiver for its caller.
    pub(super) fn new() -> (OutcomeSlot<T>, oneshot::Receiver<Result<T, StoreError>>) {
        let (caller, answer) = oneshot::channel();
        (OutcomeSlot { outcome: None, caller }, answer)
    }

    pub(super) fn keep(&mut self, outcome: T) {
        self.outcome = Some(outcome);
    }

    /// Answers the caller. If the caller has given up waiting, the change is still stored.
    pub(super) fn answer(self, committed: Result<(), StoreError>) {
        let outcome = committed.and_then(|()| self.outcome.ok_or(StoreError::Rule));
        let _ = self.caller.send(outcome);
    }
}

impl Job {
    /// Checks whether the job changes data that is known to be damaged.
    pub(super) fn is_about_damage(&self, health: &Health) -> bool {
        // Touches and edits of one owner are treated alike, because an edit may end the sessions.
        let is_of_owner = |owner: &Owner| {
            health.is_damaged(|| Damaged::Owner(owner.clone()))
                || health.is_damaged(|| Damaged::Sessions(owner.clone()))
        };
        match self {
            Job::Owner { write, .. } => is_of_owner(&write.owner),
            Job::Touch { what: Damaged::Sessions(owner), .. } => is_of_owner(owner),
            Job::ChatGroup { write, .. } => {
                health.is_damaged(|| Damaged::ChatGroup(write.app, write.id.clone()))
            }
            Job::Touch { what, .. } => health.is_damaged(|| what.clone()),
            Job::Post { posting, .. } => {
                health.is_damaged(|| Damaged::ChatGroupTimes(posting.app, posting.id.clone()))
            }
            Job::Delivery(_) | Job::Filled(_) | Job::Reset(..) | Job::Probe(_) | Job::Pause(..) => false,
        }
    }

    /// Checks whether the job affects all data, so that no other job may be moved past it.
    pub(super) fn is_about_all(&self) -> bool {
        matches!(self, Job::Filled(_) | Job::Reset(..))
    }

    /// Checks whether the job changes anything that others wait for. The progress of webhooks interests only those who
    /// record it.
    pub(super) fn is_visible(&self) -> bool {
        !matches!(self, Job::Delivery(_))
    }

    /// Runs the job as a part of a batch.
    pub(super) fn make(&mut self, batch: &mut Batch<'_>, clock: &Clock) -> Result<(), StoreError> {
        match self {
            Job::Owner { write, presences, slot, .. } => {
                slot.keep(batch.edit_owner(write, presences, clock.now_in_milliseconds())?);
            }
            Job::ChatGroup { write, slot, .. } => slot.keep(batch.edit_chat_group(write, clock.now())?),
            Job::Touch { what, touches, slot, .. } => slot.keep(batch.touch(what, touches)?),
            Job::Post { posting, slot, .. } => slot.keep(batch.post(posting)?),
            Job::Delivery(job) => job.make(batch)?,
            Job::Filled(slot) => slot.keep(batch.note_filled()?),
            Job::Reset(scope, slot) => slot.keep(batch.reset(scope)?),
            Job::Probe(slot) => slot.keep(batch.probe()?),
            // The writer runs pauses between two batches.
            Job::Pause(..) => {}
        }
        Ok(())
    }

    /// Sends the result to the caller.
    pub(super) fn answer(self, committed: Result<(), StoreError>) {
        match self {
            Job::Delivery(job) => job.answer(committed),
            // What has been written is settled before anybody learns of it.
            Job::Owner { slot, unsettled, .. } => {
                drop(unsettled);
                slot.answer(committed);
            }
            Job::ChatGroup { slot, unsettled, .. } => {
                drop(unsettled);
                slot.answer(committed);
            }
            Job::Touch { slot, unsettled, .. } => {
                drop(unsettled);
                slot.answer(committed);
            }
            Job::Post { slot, unsettled, .. } => {
                drop(unsettled);
                slot.answer(committed);
            }
            Job::Filled(slot) | Job::Reset(_, slot) | Job::Probe(slot) => {
                slot.answer(committed);
            }
            Job::Pause(work, mut slot) => {
                let done = committed.and_then(|()| guarded(work));
                slot.keep(());
                slot.answer(done);
            }
        }
    }
}
