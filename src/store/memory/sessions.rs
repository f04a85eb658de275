//! Sessions in memory.

use std::collections::HashMap;

use super::{Kept, MemoryStore};
use crate::{
    domain::{
        AppId, ChatGroupId, ChatGroupKind, Conversation, KnownSessions, Owner, Presence, RecentSession,
        Session, SessionChanged, SessionMarks, SessionTimes, UnixSeconds, keep_newest,
    },
    store::{Membership, RecentQuery, Write, recent::shown_incarnation},
};

impl Kept {
    /// Stores a session, or removes it if nothing is left of it.
    pub(super) fn put_session(&mut self, owner: &Owner, conversation: Conversation, session: Session) {
        let is_user = matches!(conversation, Conversation::User(_));
        let sessions = self.sessions.entry(owner.clone()).or_default();
        match is_user && session.times.last() == 0 && session.marks == SessionMarks::default() {
            true => sessions.remove(&conversation),
            false => sessions.insert(conversation, session),
        };
    }

    /// Applies a change of marks.
    pub(super) fn change_session(&mut self, owner: &Owner, change: &SessionChanged) {
        let kept = self.sessions.get(owner).and_then(|sessions| sessions.get(&change.conversation)).copied();
        self.put_session(owner, change.conversation.clone(), kept.unwrap_or_default().changed(change));
    }
}

impl MemoryStore {
    /// Returns a session as it is stored.
    pub(super) fn session(&self, owner: &Owner, conversation: &Conversation) -> Session {
        let kept = self.owners(owner);
        kept.sessions.get(owner).and_then(|sessions| sessions.get(conversation)).copied().unwrap_or_default()
    }

    /// Returns a session with the times that all members of its chat group share.
    fn shared(&self, owner: &Owner, conversation: &Conversation, session: Session) -> Session {
        let Some(id) = conversation.chat_group() else { return session };
        session.touched(self.times_of(owner.app, id, session.incarnation))
    }

    fn times_of(&self, app: AppId, id: &ChatGroupId, incarnation: u32) -> SessionTimes {
        let times = self.chat_groups(id).times.get(&(app, id.clone())).copied().unwrap_or_default();
        times.times.of(incarnation)
    }

    /// Returns the sessions in the chat groups of an owner whose account is deleted.
    pub(super) fn ended_sessions(&self, owner: &Owner, now: UnixSeconds) -> HashMap<Conversation, Session> {
        let ended = |Membership { id, incarnation, .. }| {
            let kept = self.chat_groups(&id).times.get(&(owner.app, id.clone())).copied().unwrap_or_default();
            let session = Session::ended(incarnation, kept.times.of(incarnation), now);
            (Conversation::ChatGroup(id), session)
        };
        self.living_memberships(owner).into_iter().map(ended).collect()
    }

    /// Returns what a write about sessions depends on.
    pub(super) fn known_sessions(&self, write: &Write) -> KnownSessions {
        let Write { owner, edit, terms, .. } = write;
        let mut known = KnownSessions::default();
        for conversation in edit.named() {
            let session = self.session(owner, conversation);
            let session = match self.presence(owner.app, conversation, &owner.user) {
                Presence::ChatGroup { life, is_member, is_listable } => {
                    let session = session.of(life.map_or(0, |life| life.incarnation));
                    if is_member && is_listable { self.shared(owner, conversation, session) } else { session }
                }
                Presence::User { .. } | Presence::Unreadable => session,
            };
            known.named.insert(conversation.clone(), session);
        }
        for (conversation, session) in self.pinned(owner) {
            let presence = self.presence(owner.app, &conversation, &owner.user);
            if shown_incarnation(owner, terms, &conversation, presence) == Some(session.incarnation) {
                known.pinned.insert(conversation);
            }
        }
        known
    }

    fn pinned(&self, owner: &Owner) -> Vec<(Conversation, Session)> {
        let kept = self.owners(owner);
        let sessions = kept.sessions.get(owner).into_iter().flatten();
        let pinned = sessions.filter(|(_, session)| session.marks.pinned > 0);
        pinned.map(|(conversation, session)| (conversation.clone(), *session)).collect()
    }

    pub(super) fn recent_sessions(&self, owner: &Owner, query: &RecentQuery) -> Vec<RecentSession> {
        let stored: Vec<(Conversation, Session)> = {
            let kept = self.owners(owner);
            let sessions = kept.sessions.get(owner).into_iter().flatten();
            sessions.map(|(conversation, session)| (conversation.clone(), *session)).collect()
        };
        let memberships = self.living_memberships(owner);
        let (mut pinned, mut others) = (Vec::new(), Vec::new());
        for (conversation, session) in stored {
            let presence = self.presence(owner.app, &conversation, &owner.user);
            if query.incarnation(owner, &conversation, presence) != Some(session.incarnation)
                || memberships.iter().any(|found| conversation.chat_group() == Some(&found.id))
            {
                continue;
            }
            let Session { times, marks, .. } = self.shared(owner, &conversation, session);
            let is_user = matches!(conversation, Conversation::User(_));
            let (last, seen, pin) = (times.last(), times.seen(), marks.pinned);
            let found = RecentSession { conversation, last, seen, pinned: pin };
            match pin > 0 {
                true => pinned.push(found),
                false if is_user && last >= query.oldest => others.push(found),
                false => {}
            }
        }
        for membership in memberships {
            let times =
                membership.seen_by_members(self.times_of(owner.app, &membership.id, membership.incarnation));
            let Membership { id, incarnation, kind, seen: joined, .. } = membership;
            let conversation = Conversation::ChatGroup(id);
            let session = self.session(owner, &conversation).of(incarnation);
            let Session { times, marks, .. } = session.touched(times);
            let (last, seen, pin) = (times.last(), times.seen().max(joined), marks.pinned);
            let found = RecentSession { conversation, last, seen, pinned: pin };
            match (kind, pin > 0) {
                (ChatGroupKind::AvChatRoom, _) => {}
                (_, true) => pinned.push(found),
                (_, false) if last >= query.oldest => others.push(found),
                (_, false) => {}
            }
        }
        keep_newest(&mut others, query.listed);
        pinned.append(&mut others);
        pinned
    }
}
