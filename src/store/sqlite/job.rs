//! One change on its way to the writer: what it changes, and who waits for it.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::{batch::Batch, health::Health};
use crate::{
    clock::Clock,
    domain::{ChatGroupOutcome, ChatGroupRejection, Conversation, Outcome, Presence, Rejection},
    store::{ChatGroupWrite, Damaged, Scope, StoreError, Write, guarded},
};

/// One change to make. It may be made more than once: a transaction that fails because of another job is made anew.
pub(super) enum Job {
    /// An edit of an owner.
    Owner {
        write: Box<Write>,
        /// The conversations that the edit names.
        presences: HashMap<Conversation, Presence>,
        slot: OutcomeSlot<Result<Outcome, Rejection>>,
    },
    /// An edit of a chat group.
    ChatGroup { write: Box<ChatGroupWrite>, slot: OutcomeSlot<Result<ChatGroupOutcome, ChatGroupRejection>> },
    /// Notes that the first filling of the store is complete.
    Filled(OutcomeSlot<()>),
    /// Forgets a part of what is kept.
    Reset(Scope, OutcomeSlot<()>),
    /// Asks whether a change would be durable.
    Probe(OutcomeSlot<()>),
    /// Runs something while nothing is written.
    Pause(Box<dyn FnOnce() + Send>, OutcomeSlot<()>),
}

/// Keeps the outcome of a change until it is durable, and sends it to the caller then.
pub(super) struct OutcomeSlot<T> {
    outcome: Option<T>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T> OutcomeSlot<T> {
    /// A slot, and where its caller waits.
    pub(super) fn new() -> (OutcomeSlot<T>, oneshot::Receiver<Result<T, StoreError>>) {
        let (caller, answer) = oneshot::channel();
        (OutcomeSlot { outcome: None, caller }, answer)
    }

    fn keep(&mut self, outcome: T) {
        self.outcome = Some(outcome);
    }

    /// Answers the caller, who may have given up waiting; the change is made all the same.
    fn answer(self, committed: Result<(), StoreError>) {
        let outcome = committed.and_then(|()| self.outcome.ok_or(StoreError::Rule));
        let _ = self.caller.send(outcome);
    }
}

impl Job {
    /// Whether it is about an owner or a chat group that is known to be damaged.
    pub(super) fn is_about_damage(&self, health: &Health) -> bool {
        match self {
            Job::Owner { write, .. } => health.is_damaged(|| Damaged::Owner(write.owner.clone())),
            Job::ChatGroup { write, .. } => {
                health.is_damaged(|| Damaged::ChatGroup(write.app, write.id.clone()))
            }
            Job::Filled(_) | Job::Reset(..) | Job::Probe(_) | Job::Pause(..) => false,
        }
    }

    /// Whether changes before it and after it may not change places with it.
    pub(super) fn is_about_all(&self) -> bool {
        matches!(self, Job::Filled(_) | Job::Reset(..))
    }

    /// Makes the change as a part of a batch.
    pub(super) fn make(&mut self, batch: &mut Batch<'_>, clock: &Clock) -> Result<(), StoreError> {
        match self {
            Job::Owner { write, presences, slot } => slot.keep(batch.edit_owner(write, presences)?),
            Job::ChatGroup { write, slot } => slot.keep(batch.edit_chat_group(write, clock.now())?),
            Job::Filled(slot) => slot.keep(batch.note_filled()?),
            Job::Reset(scope, slot) => slot.keep(batch.reset(scope)?),
            Job::Probe(slot) => slot.keep(batch.probe()?),
            // The writer runs it between two batches.
            Job::Pause(..) => {}
        }
        Ok(())
    }

    /// Answers it.
    pub(super) fn answer(self, committed: Result<(), StoreError>) {
        match self {
            Job::Owner { slot, .. } => slot.answer(committed),
            Job::ChatGroup { slot, .. } => slot.answer(committed),
            Job::Filled(slot) | Job::Reset(_, slot) | Job::Probe(slot) => slot.answer(committed),
            Job::Pause(work, mut slot) => {
                let done = committed.and_then(|()| guarded(work));
                slot.keep(());
                slot.answer(done);
            }
        }
    }
}
