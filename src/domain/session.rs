//! Sessions: the entries of an owner's list of recent conversations, and the rule for pinning and deleting them.
//!
//! The times of a session follow from touches (see [`super::Touch`]). Pins and deletions are ordinary changes: they take
//! change numbers and are recorded as events, but they are not a part of the organizer.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Change, ChangeNumber, Conversation, Counters, Delta, LAST_SECOND, Organizer, OwnerState, Presence,
    Rejection, SessionTimes, UnixSeconds, World, removal::Numbers,
};

/// The most sessions that an owner can pin (error 51012 above it). No profile raises it.
pub const MOST_PINNED: usize = 50;

/// What callers have made of a session. A time of 0 means that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionMarks {
    /// When the session was pinned.
    pub pinned: UnixSeconds,
    /// Messages up to this second do not count, because the session was deleted.
    pub deleted: UnixSeconds,
}

/// What is stored about one session of an owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The incarnation of the chat group that the session belongs to; 0 for another user.
    pub incarnation: u32,
    /// The times. All sessions of a chat group share the time of the newest message, which is not stored here for them.
    pub times: SessionTimes,
    /// Pin and deletion.
    pub marks: SessionMarks,
}

impl Session {
    /// Returns the session in this incarnation of its chat group. A session of another incarnation is over.
    #[must_use]
    pub fn of(self, incarnation: u32) -> Session {
        if self.incarnation == incarnation { self } else { Session { incarnation, ..Session::default() } }
    }

    /// Returns the session after a touch with these times. Messages from before a deletion change nothing.
    #[must_use]
    pub fn touched(self, times: SessionTimes) -> Session {
        match times.last() > 0 && times.last() <= self.marks.deleted {
            true => self,
            false => Session { times: self.times.joined(times), ..self },
        }
    }

    /// Returns the session after a change of its marks.
    #[must_use]
    pub fn changed(self, change: &SessionChanged) -> Session {
        let Session { times, incarnation, .. } = self.of(change.incarnation);
        let last = if times.last() > change.after.deleted { times.last() } else { 0 };
        let times = SessionTimes::new(last, times.seen().max(change.at));
        Session { incarnation, times, marks: change.after }
    }
}

/// What a call makes of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// Keeps the session at the top of the list.
    Pin,
    /// Ends a pin.
    Unpin,
    /// Takes the session out of the list, until a later message arrives.
    Delete,
    /// Sets both marks, as an import does.
    Restore(SessionMarks),
}

/// A change of a session's marks, which is a [`Delta`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionChanged {
    /// The change number; `None` if an import has restored the marks, which is not recorded as an event.
    pub number: Option<ChangeNumber>,
    /// The conversation.
    pub conversation: Conversation,
    /// The incarnation of the chat group; 0 for another user.
    pub incarnation: u32,
    /// The time of the change.
    pub at: UnixSeconds,
    /// The marks before.
    pub before: SessionMarks,
    /// The marks after.
    pub after: SessionMarks,
}

/// The sessions that an edit depends on.
#[derive(Clone, Debug, Default)]
pub struct KnownSessions {
    /// The named sessions, in the current incarnations of their chat groups. The time of the newest message of a chat group
    /// is included. Sessions that do not exist may be missing.
    pub named: HashMap<Conversation, Session>,
    /// All pinned conversations that the list can show, without those whose user or chat group does not exist.
    pub pinned: HashSet<Conversation>,
}

/// Changes the marks of sessions, in the order of the items. Pinning needs a conversation that may exist; unpinning and
/// deleting always work.
///
/// # Errors
/// Returns the reason why a conversation cannot be pinned, or [`Rejection::TooManyPinned`]. Nothing changes then.
pub(super) fn change(
    state: &OwnerState,
    world: World<'_>,
    items: &[(Conversation, SessionChange)],
) -> Result<Option<Change>, Rejection> {
    let none = KnownSessions::default();
    let known = world.sessions.unwrap_or(&none);
    let now = world.terms.now.clamp(1, LAST_SECOND);
    let mut drafts: Vec<(&Conversation, Session, Session)> = Vec::new();
    for (conversation, change) in items {
        let place = drafts.iter().position(|(other, ..)| *other == conversation).unwrap_or_else(|| {
            let session = known.named.get(conversation).copied().unwrap_or_default();
            drafts.push((conversation, session, session));
            drafts.len() - 1
        });
        let (.., draft) = &mut drafts[place];
        match change {
            SessionChange::Pin if draft.marks.pinned > 0 && known.pinned.contains(conversation) => {}
            SessionChange::Pin => {
                draft.incarnation = pinnable(conversation, world)?;
                draft.marks.pinned = now;
            }
            SessionChange::Unpin => draft.marks.pinned = 0,
            SessionChange::Delete => {
                if draft.marks.pinned > 0 || draft.times.last() > draft.marks.deleted {
                    // A message may be newer than the clock. The session has to be gone nevertheless.
                    let deleted = draft.marks.deleted.max(draft.times.last()).max(now);
                    draft.marks = SessionMarks { pinned: 0, deleted };
                }
            }
            SessionChange::Restore(marks) => {
                draft.marks = SessionMarks {
                    pinned: marks.pinned.min(LAST_SECOND),
                    deleted: marks.deleted.max(draft.marks.deleted).min(LAST_SECOND),
                };
            }
        }
    }
    drafts.retain(|(_, before, after)| before != after);
    check_pins(known, &drafts)?;
    if drafts.is_empty() {
        return Ok(None);
    }
    let delta = |number, (conversation, before, after): (&Conversation, Session, Session)| {
        Delta::SessionChanged(Box::new(SessionChanged {
            number,
            conversation: conversation.clone(),
            incarnation: after.incarnation,
            at: now,
            before: before.marks,
            after: after.marks,
        }))
    };
    // What an import restores has had its numbers already.
    if items.iter().all(|(_, change)| matches!(change, SessionChange::Restore(_))) {
        let deltas = drafts.into_iter().map(|draft| delta(None, draft)).collect();
        return Ok(Some(Change { next: state.clone(), deltas }));
    }
    let (base, mut deltas) = state.organizer.with_room_for(drafts.len(), world.terms.now);
    let mut number = Numbers::after(base.counters());
    deltas.extend(drafts.into_iter().map(|draft| delta(Some(number.next()), draft)));
    let counters = Counters { version: number.last(), ..*base.counters() };
    let organizer = Organizer::assemble(counters, base.groups().to_vec(), base.records().to_vec());
    Ok(Some(Change { next: OwnerState { organizer: Arc::new(organizer), ..state.clone() }, deltas }))
}

/// Returns the incarnation in which a conversation can be pinned.
fn pinnable(conversation: &Conversation, world: World<'_>) -> Result<u32, Rejection> {
    let incarnation = world.incarnation(conversation)?;
    match (conversation, world.presences.get(conversation)) {
        // The list would never show it.
        (Conversation::ChatGroup(id), Some(Presence::ChatGroup { is_member: false, .. })) => {
            Err(Rejection::NotMember(id.clone()))
        }
        _ => Ok(incarnation),
    }
}

/// Checks the number of pins. Only a call that adds pins can be refused.
fn check_pins(known: &KnownSessions, drafts: &[(&Conversation, Session, Session)]) -> Result<(), Rejection> {
    let (mut pinned, before) = (known.pinned.clone(), known.pinned.len());
    for (conversation, _, after) in drafts {
        match after.marks.pinned > 0 {
            true => pinned.insert((*conversation).clone()),
            false => pinned.remove(*conversation),
        };
    }
    match pinned.len() > MOST_PINNED && pinned.len() > before {
        true => Err(Rejection::TooManyPinned { limit: MOST_PINNED }),
        false => Ok(()),
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
