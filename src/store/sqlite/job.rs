//! One change on its way to the writer: what it changes, and who waits for it.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::{batch::Batch, health::Health};
use crate::{
    clock::Clock,
    domain::{AppId, ChatGroupId, Conversation, Owner, Presence},
    store::{ChatGroupRule, Damaged, OwnerRule, Scope, StoreError, guarded},
};

type Done = oneshot::Sender<Result<(), StoreError>>;

/// One change to make.
pub(super) struct Job {
    pub(super) change: Change,
    pub(super) done: Done,
}

/// What a job changes. It may be done more than once: a transaction that fails because of another job is made anew.
pub(super) enum Change {
    Owner {
        owner: Owner,
        /// The conversations that the rule asks about.
        presences: HashMap<Conversation, Presence>,
        rule: OwnerRule,
    },
    ChatGroup {
        app: AppId,
        id: ChatGroupId,
        rule: ChatGroupRule,
    },
    /// Notes that the first filling of the store is complete.
    Filled,
    /// Forgets a part of what is kept.
    Reset(Scope),
    /// Asks whether a change would be durable.
    Probe,
}

impl Change {
    /// Whether it is about an owner or a chat group that is known to be damaged.
    pub(super) fn is_about_damage(&self, health: &Health) -> bool {
        match self {
            Change::Owner { owner, .. } => health.is_damaged(|| Damaged::Owner(owner.clone())),
            Change::ChatGroup { app, id, .. } => health.is_damaged(|| Damaged::ChatGroup(*app, id.clone())),
            Change::Filled | Change::Reset(_) | Change::Probe => false,
        }
    }

    /// Whether changes before it and after it may not change places with it.
    pub(super) fn is_about_all(&self) -> bool {
        matches!(self, Change::Filled | Change::Reset(_))
    }

    /// Makes the change as a part of a batch.
    pub(super) fn make(&mut self, batch: &mut Batch<'_>, clock: &Clock) -> Result<(), StoreError> {
        match self {
            Change::Owner { owner, presences, rule } => batch.change_owner(owner, presences, rule),
            Change::ChatGroup { app, id, rule } => batch.change_chat_group(*app, id, rule, clock.now()),
            Change::Filled => batch.note_filled(),
            Change::Reset(scope) => batch.reset(scope),
            Change::Probe => batch.probe(),
        }
    }
}

impl Job {
    /// Answers it. Who asked may have given up waiting; the change is made all the same.
    pub(super) fn answer(self, outcome: Result<(), StoreError>) {
        let Job { change, done } = self;
        discard(change);
        let _ = done.send(outcome);
    }
}

/// Drops a rule. What it has done or refused stays so even if something it holds panics then.
fn discard<T>(rule: T) {
    if guarded(|| drop(rule)).is_err() {
        tracing::error!("a rule failed when it was dropped");
    }
}
