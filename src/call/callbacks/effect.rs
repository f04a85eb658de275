//! What webhooks change in the store.

use std::collections::HashSet;

use super::event::Reported;
use crate::{
    api::Service,
    auth::{App, Callback},
    domain::{
        ChatGroupEdit, ChatGroupId, ChatGroupTimes, Owner, SessionTimes, Touch, UnixSeconds, UserId,
        WantedMembers,
    },
    store::{CallContext, ChatGroupWrite, StoreError},
};

/// The app whose data webhooks change.
pub(super) struct Target<'a> {
    pub(super) service: &'a Service,
    pub(super) app: &'a App,
    pub(super) callback: &'a Callback,
}

/// What became of a webhook, for metrics and log: it had an effect, or none was needed.
const APPLIED: &str = "applied";
const IGNORED: &str = "ignored";
const UNKNOWN: &str = "unknown";

impl Target<'_> {
    /// Applies what a webhook reports. Once this returns, it is durable. Returns what became of it.
    ///
    /// # Errors
    /// Returns an error of the store. Applying the same webhook again is harmless.
    pub(super) async fn apply(
        &self,
        reported: Reported,
        context: impl Fn() -> CallContext,
    ) -> Result<&'static str, StoreError> {
        match reported {
            Reported::Message { from, to, at } => self.message(from, to, at).await,
            Reported::GroupMessage { group, at } => self.group_message(group, at).await,
            Reported::Membership { group, kind, event, at } if self.callback.membership => {
                let edit = ChatGroupEdit::Observed { event, kind, at };
                let terms = self.service.terms(self.app);
                let write = ChatGroupWrite {
                    context: context(),
                    ..ChatGroupWrite::new(self.app.id, group, edit, terms)
                };
                // The rules for events leave out what they do not admit, so a rejection has no further meaning.
                let outcome = self.service.store.commit_chat_group(write).await?;
                Ok(if outcome.is_ok_and(|outcome| outcome.changed) { APPLIED } else { IGNORED })
            }
            Reported::Unknown => Ok(UNKNOWN),
            Reported::Membership { .. } | Reported::Nothing | Reported::Before => Ok(IGNORED),
        }
    }

    /// Moves the sessions of both users, as far as they are known. An administrator's own side moves only if the app's
    /// settings want it, because administrators may write to everybody.
    async fn message(&self, from: UserId, to: UserId, at: UnixSeconds) -> Result<&'static str, StoreError> {
        let (app, directory) = (self.app.id, self.app.directory());
        let times = SessionTimes::new(at, self.service.clock.now());
        let strangers: Vec<UserId> =
            [&from, &to].into_iter().filter(|user| !directory.takes_for_granted(user)).cloned().collect();
        let mut unknown = HashSet::new();
        if !strangers.is_empty() {
            let known = self.service.store.accounts(app, strangers.clone()).await?;
            unknown
                .extend(strangers.into_iter().zip(known).filter(|(_, known)| !known).map(|(user, _)| user));
        }
        let moves = |owner: &UserId| {
            !unknown.contains(owner) && (self.app.touch_admins || !directory.appoints(owner))
        };
        let touches: Vec<Touch> = [(&from, &to), (&to, &from)]
            .into_iter()
            .filter(|(owner, _)| moves(owner))
            .map(|(owner, peer)| Touch::Peer {
                owner: Owner { app, user: owner.clone() },
                peer: peer.clone(),
                times,
                needs_account: !directory.takes_for_granted(owner),
            })
            .collect();
        if touches.is_empty() {
            return Ok(IGNORED);
        }
        self.service.store.touch(touches).await?;
        Ok(APPLIED)
    }

    /// Moves the sessions of all members of a chat group. One that nobody has mentioned moves as well, because its creation
    /// may be reported later.
    async fn group_message(&self, id: ChatGroupId, at: UnixSeconds) -> Result<&'static str, StoreError> {
        let times = SessionTimes::new(at, self.service.clock.now());
        let mut incarnation = self.incarnation(&id).await?;
        loop {
            let times = ChatGroupTimes { incarnation, times };
            self.service
                .store
                .touch(vec![Touch::ChatGroup { app: self.app.id, id: id.clone(), times }])
                .await?;
            // A new life may have begun in between, to which a touch of the life before does not belong.
            let now = self.incarnation(&id).await?;
            if now == incarnation {
                return Ok(APPLIED);
            }
            incarnation = now;
        }
    }

    async fn incarnation(&self, id: &ChatGroupId) -> Result<u32, StoreError> {
        let nobody = WantedMembers::Named(Vec::new());
        let found = self.service.store.chat_groups(self.app.id, vec![id.clone()], nobody).await?;
        Ok(found.into_iter().flatten().next().map_or(0, |state| state.group.incarnation))
    }
}
