//! The list of recent conversations: which sessions it shows, in which order, and how clients page through it and ask
//! for what has moved since.
//!
//! The cursor is a second of the server's clock. A page lists the sessions that moved in that second or later, so that a
//! session is found even if its newest message is older than the cursor. No page ends within a second.

use std::borrow::Borrow;

use super::{Conversation, UnixSeconds};

/// The highest time that the list shows, because some clients read it as a signed 32-bit integer.
const LAST_SHOWN: UnixSeconds = i32::MAX as u64;

/// One session of an owner, of a user or chat group that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentSession {
    /// The conversation.
    pub conversation: Conversation,
    /// The time of the newest message; 0 if there is none.
    pub last: UnixSeconds,
    /// When the session moved last, by the clock of the server.
    pub seen: UnixSeconds,
    /// When it was pinned; 0 if it is not.
    pub pinned: UnixSeconds,
}

/// Which sessions the list of an app shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentRules {
    /// The number of newest sessions that are listed, besides the pinned ones.
    pub listed: usize,
    /// The number of sessions on a page, unless more have moved in its last second.
    pub page_size: usize,
    /// How long a session lives after its newest message, in seconds; 0 for ever.
    pub retention: UnixSeconds,
}

impl Default for RecentRules {
    fn default() -> RecentRules {
        RecentRules { listed: 100, page_size: 500, retention: 0 }
    }
}

impl RecentRules {
    /// The highest value of `listed`.
    pub const MOST_LISTED: usize = 500;

    /// Returns the first second whose messages still count.
    #[must_use]
    pub fn oldest(&self, now: UnixSeconds) -> UnixSeconds {
        if self.retention == 0 { 1 } else { now.saturating_sub(self.retention).max(1) }
    }
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecentRequest {
    /// The second from which sessions are listed.
    pub from: UnixSeconds,
    /// The second from which pinned sessions are listed.
    pub from_pinned: UnixSeconds,
    /// Whether pinned sessions are listed first and marked as such.
    pub knows_pins: bool,
    /// Whether sessions without a message are listed.
    pub wants_empty: bool,
}

/// One line of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentItem<'a> {
    /// The conversation.
    pub conversation: &'a Conversation,
    /// The time of its newest message, or the time of the pin.
    pub time: UnixSeconds,
    /// Whether it is listed as pinned.
    pub is_pinned: bool,
}

/// A page of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentPage<'a> {
    /// The pinned sessions, then the others, each in ascending order of their times.
    pub items: Vec<RecentItem<'a>>,
    /// Whether nothing is left.
    pub is_complete: bool,
    /// The second from which the next page lists sessions.
    pub next: UnixSeconds,
    /// The second from which the next page lists pinned sessions.
    pub next_pinned: UnixSeconds,
}

/// Returns a page of a list. `now` is the time up to which `sessions` are complete.
#[must_use]
pub fn recent_page(
    sessions: &[RecentSession],
    rules: RecentRules,
    request: RecentRequest,
    now: UnixSeconds,
) -> RecentPage<'_> {
    let oldest = rules.oldest(now);
    let time = |session: &RecentSession| if session.last < oldest { session.pinned } else { session.last };
    let is_shown =
        |session: &&RecentSession| session.last >= oldest || session.pinned > 0 && request.wants_empty;
    let (mut pinned, mut others): (Vec<&RecentSession>, Vec<&RecentSession>) =
        sessions.iter().filter(is_shown).partition(|session| session.pinned > 0);
    keep_newest(&mut others, rules.listed);
    if !request.knows_pins {
        others.append(&mut pinned);
    }
    // The clock may have been set back.
    let seen = |session: &RecentSession| session.seen.min(now);
    pinned.retain(|session| seen(session) >= request.from_pinned);
    others.retain(|session| seen(session) >= request.from);
    others.sort_by_key(|session| seen(session));
    let mut end = others.len().min(rules.page_size.max(1));
    while end > 0 && end < others.len() && seen(others[end]) == seen(others[end - 1]) {
        end += 1;
    }
    let is_complete = end == others.len();
    let next = match is_complete {
        true => now.max(request.from),
        false => seen(others[end - 1]) + 1,
    };
    others.truncate(end);
    let items = [(pinned, true), (others, false)].into_iter().flat_map(|(sessions, is_pinned)| {
        let mut items: Vec<_> = sessions.into_iter().map(|session| (time(session), session)).collect();
        items.sort_by(|a, b| (a.0, &a.1.conversation).cmp(&(b.0, &b.1.conversation)));
        items.into_iter().map(move |(time, session)| RecentItem {
            conversation: &session.conversation,
            time: time.min(LAST_SHOWN),
            is_pinned,
        })
    });
    RecentPage { items: items.collect(), is_complete, next, next_pinned: now }
}

/// Removes all sessions but the `most` newest.
pub fn keep_newest<T: Borrow<RecentSession>>(sessions: &mut Vec<T>, most: usize) {
    let newer = |a: &T, b: &T| {
        let (a, b) = (a.borrow(), b.borrow());
        (b.last, &a.conversation).cmp(&(a.last, &b.conversation))
    };
    if most == 0 {
        sessions.clear();
    } else if sessions.len() > most {
        sessions.select_nth_unstable_by(most - 1, newer);
        sessions.truncate(most);
    }
}

#[cfg(test)]
#[path = "recent_tests.rs"]
mod tests;
