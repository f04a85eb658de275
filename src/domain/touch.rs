//! Touches: the times of sessions, which only ever rise.
//!
//! A session is one entry of an owner's list of recent conversations. Its times are maximums, so touches can arrive in
//! any order and any number of times. Pins and deletions are not times of this kind and do not belong here; what
//! depends on them is decided when the list is read.

use super::{AppId, ChatGroupId, LAST_SECOND, LastMessage, Owner, UnixSeconds, UserId};

/// The times of a session. A time of 0 means that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionTimes {
    last: UnixSeconds,
    seen: UnixSeconds,
}

impl SessionTimes {
    /// Creates times. Those after [`LAST_SECOND`] become that second, because a time can never be lowered again.
    #[must_use]
    pub fn new(last: UnixSeconds, seen: UnixSeconds) -> SessionTimes {
        SessionTimes { last: last.min(LAST_SECOND), seen: seen.min(LAST_SECOND) }
    }

    /// Returns the time of the newest message that counts.
    #[must_use]
    pub fn last(self) -> UnixSeconds {
        self.last
    }

    /// Returns when the session last moved, by the clock of the server.
    #[must_use]
    pub fn seen(self) -> UnixSeconds {
        self.seen
    }

    /// Returns the later of both times each.
    #[must_use]
    pub fn joined(self, other: SessionTimes) -> SessionTimes {
        SessionTimes { last: self.last.max(other.last), seen: self.seen.max(other.seen) }
    }
}

/// The times that all sessions of a chat group share, within one incarnation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatGroupTimes {
    /// The incarnation of the chat group.
    pub incarnation: u32,
    /// Its times.
    pub times: SessionTimes,
}

impl ChatGroupTimes {
    /// Returns the times of the later incarnation, or the later times within the same one.
    #[must_use]
    pub fn joined(self, other: ChatGroupTimes) -> ChatGroupTimes {
        match self.incarnation.cmp(&other.incarnation) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal => ChatGroupTimes { times: self.times.joined(other.times), ..self },
        }
    }

    /// Returns the times in this incarnation. Any other incarnation has none.
    #[must_use]
    pub fn of(self, incarnation: u32) -> SessionTimes {
        if self.incarnation == incarnation { self.times } else { SessionTimes::default() }
    }
}

/// One touch: it raises the times of one session, or of all sessions of one chat group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// Raises the times of an owner's session with one peer.
    Peer {
        /// The owner of the session.
        owner: Owner,
        /// The other user.
        peer: UserId,
        /// The lowest times that the session may have from now on.
        times: SessionTimes,
        /// Whether nothing happens if the owner has no account by then, so that nothing of an account that is deleted at the
        /// same time comes back.
        needs_account: bool,
    },
    /// Raises the times of a chat group. If a later incarnation has been touched, nothing happens.
    ChatGroup {
        /// The app of the chat group.
        app: AppId,
        /// The chat group.
        id: ChatGroupId,
        /// The incarnation that the touch belongs to, and the lowest times that it may have from now on.
        times: ChatGroupTimes,
    },
    /// Raises the number and the time of the last message to a chat group, which an import restores. If a later incarnation
    /// has begun, nothing happens.
    Messages {
        /// The app of the chat group.
        app: AppId,
        /// The chat group.
        id: ChatGroupId,
        /// The incarnation that the message belongs to.
        incarnation: u32,
        /// The message.
        last: LastMessage,
    },
}

impl Touch {
    /// Returns when the sessions of the touch are seen to move.
    #[must_use]
    pub fn seen(&self) -> UnixSeconds {
        match self {
            Touch::Peer { times, .. } => times.seen(),
            Touch::ChatGroup { times, .. } => times.times.seen(),
            // No session moves.
            Touch::Messages { .. } => LAST_SECOND,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times() -> impl Strategy<Value = ChatGroupTimes> {
        (0..3u32, 0..6u64, 0..6u64).prop_map(|(incarnation, last, seen)| ChatGroupTimes {
            incarnation,
            times: SessionTimes::new(last, seen),
        })
    }

    fn all(touches: &[ChatGroupTimes]) -> ChatGroupTimes {
        touches.iter().copied().fold(ChatGroupTimes::default(), ChatGroupTimes::joined)
    }

    fn of_session(touches: &[ChatGroupTimes]) -> SessionTimes {
        touches.iter().map(|touch| touch.times).fold(SessionTimes::default(), SessionTimes::joined)
    }

    proptest! {
        #[test]
        fn order_repetition_and_splitting_do_not_matter(
            (touches, shuffled) in prop::collection::vec(times(), 1..12)
                .prop_flat_map(|touches| (Just(touches.clone()), Just(touches).prop_shuffle())),
            repeated in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            split in any::<prop::sample::Index>(),
        ) {
            let mut other = shuffled;
            other.extend(repeated.iter().map(|index| *index.get(&touches)));
            let (left, right) = other.split_at(split.index(other.len()));
            prop_assert_eq!(all(left).joined(all(right)), all(&touches));
            prop_assert_eq!(all(&[all(right), all(left), all(right)]), all(&touches));
            prop_assert_eq!(of_session(left).joined(of_session(right)), of_session(&touches));
            // The result has to be the maximum, not merely the same value for every order.
            let newest = touches.iter().map(|touch| touch.incarnation).max().unwrap();
            let of_newest = |time: fn(SessionTimes) -> u64| {
                touches.iter().filter(|touch| touch.incarnation == newest).map(|touch| time(touch.times)).max()
            };
            let found = all(&touches).of(newest);
            prop_assert_eq!(Some(found.last()), of_newest(SessionTimes::last));
            prop_assert_eq!(Some(found.seen()), of_newest(SessionTimes::seen));
        }
    }

    #[test]
    fn no_time_is_beyond_repair() {
        let far = SessionTimes::new(u64::MAX, u64::MAX);
        assert_eq!((far.last(), far.seen()), (LAST_SECOND, LAST_SECOND));
    }
}
