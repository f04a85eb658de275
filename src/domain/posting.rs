//! Messages to chat groups. Each of them takes a number and is then dropped; only the last number and time are kept.

use super::{AppId, ChatGroupId, ChatGroupTimes, SessionTimes, UnixSeconds};

/// The last message to a chat group, in one incarnation. Everything is 0 if there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastMessage {
    /// Its number. The first message has the number 1.
    pub number: u32,
    /// The time of the last message that was not only for members who are online.
    pub at: UnixSeconds,
}

/// What is kept of the messages to a chat group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatGroupTraffic {
    /// The times that the sessions of the chat group share, and their incarnation.
    pub times: ChatGroupTimes,
    /// The last message, in the same incarnation.
    pub last: LastMessage,
}

/// Messages to one chat group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The app of the chat group.
    pub app: AppId,
    /// The chat group.
    pub id: ChatGroupId,
    /// The incarnation that the messages belong to.
    pub incarnation: u32,
    /// The messages, in their order.
    pub messages: Vec<Post>,
    /// The time at which the messages arrive.
    pub now: UnixSeconds,
    /// For messages that were sent elsewhere: the earliest time that they may have. They also have to be in order.
    pub earliest: Option<UnixSeconds>,
    /// Whether to keep nothing.
    pub dry_run: bool,
}

/// One message to a chat group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// When it was sent.
    pub at: UnixSeconds,
    /// Whether it is only for members who are online. Such a message is not the last one of the chat group.
    pub is_fleeting: bool,
    /// Whether it moves the sessions of the members.
    pub moves: bool,
}

/// The number of each message; `None` for one that is refused because of its time.
pub type Numbers = Vec<Option<u32>>;

impl ChatGroupTraffic {
    /// Raises the times. A later incarnation begins without messages.
    #[must_use]
    pub fn touched(self, times: ChatGroupTimes) -> ChatGroupTraffic {
        let times = self.times.joined(times);
        let last =
            if times.incarnation == self.times.incarnation { self.last } else { LastMessage::default() };
        ChatGroupTraffic { times, last }
    }

    /// Returns the last message in this incarnation. Any other incarnation has none.
    #[must_use]
    pub fn of(self, incarnation: u32) -> LastMessage {
        if self.times.incarnation == incarnation { self.last } else { LastMessage::default() }
    }
}

impl Posting {
    /// Gives the messages their numbers. Returns `None` if the chat group was destroyed in the meantime.
    #[must_use]
    pub fn decide(&self, kept: ChatGroupTraffic) -> Option<(Numbers, ChatGroupTraffic)> {
        if kept.times.incarnation > self.incarnation {
            return None;
        }
        let begun = ChatGroupTimes { incarnation: self.incarnation, ..ChatGroupTimes::default() };
        let mut next = kept.touched(begun);
        let mut number = |post: &Post| {
            let in_order = |earliest: UnixSeconds| (earliest.max(next.last.at)..=self.now).contains(&post.at);
            if !self.earliest.is_none_or(in_order) {
                return None;
            }
            next.last.number = next.last.number.saturating_add(1);
            if !post.is_fleeting {
                next.last.at = next.last.at.max(post.at);
            }
            if post.moves {
                next.times.times =
                    next.times.times.joined(SessionTimes::new(post.at.min(self.now), self.now));
            }
            Some(next.last.number)
        };
        let numbers = self.messages.iter().map(&mut number).collect();
        Some((numbers, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posting(incarnation: u32, messages: Vec<Post>) -> Posting {
        let (app, id) = (AppId::new(1).unwrap(), ChatGroupId::parse("g").unwrap());
        Posting { app, id, incarnation, messages, now: 100, earliest: None, dry_run: false }
    }

    const SENT: Post = Post { at: 100, is_fleeting: false, moves: true };

    #[test]
    fn numbers_continue_within_a_life_and_begin_again_in_the_next() {
        let (numbers, kept) =
            posting(1, vec![SENT, Post { at: 200, ..SENT }]).decide(ChatGroupTraffic::default()).unwrap();
        assert_eq!(numbers, [Some(1), Some(2)]);
        assert_eq!(kept.of(1), LastMessage { number: 2, at: 200 });
        assert_eq!(kept.of(2), LastMessage::default());
        assert_eq!(kept.times.of(1), SessionTimes::new(100, 100), "a time in the future counts as now");
        let (numbers, kept) = posting(1, vec![SENT]).decide(kept).unwrap();
        assert_eq!((numbers, kept.of(1).at), (vec![Some(3)], 200));
        let (numbers, later) = posting(2, vec![SENT]).decide(kept).unwrap();
        assert_eq!((numbers, later.of(2)), (vec![Some(1)], LastMessage { number: 1, at: 100 }));
        assert_eq!(
            posting(1, vec![SENT]).decide(later),
            None,
            "the chat group was destroyed in the meantime"
        );
        // A touch of the next life ends the numbers of the one before it.
        let touch = ChatGroupTimes { incarnation: 2, times: SessionTimes::new(7, 7) };
        assert_eq!(kept.touched(touch), ChatGroupTraffic { times: touch, last: LastMessage::default() });
    }

    #[test]
    fn a_message_that_does_not_move_the_list_leaves_its_times() {
        let quiet = [Post { moves: false, ..SENT }, Post { moves: false, is_fleeting: true, ..SENT }];
        let (numbers, kept) = posting(0, quiet.to_vec()).decide(ChatGroupTraffic::default()).unwrap();
        assert_eq!((numbers, kept.of(0)), (vec![Some(1), Some(2)], LastMessage { number: 2, at: 100 }));
        assert_eq!(kept.times.of(0), SessionTimes::default());
        let (_, kept) = posting(0, quiet[1..].to_vec()).decide(ChatGroupTraffic::default()).unwrap();
        assert_eq!(kept.of(0), LastMessage { number: 1, at: 0 });
    }

    #[test]
    fn imported_messages_have_to_be_in_order() {
        let at = |at| Post { at, ..SENT };
        let imported = vec![at(49), at(50), at(60), at(60), at(55), at(101), at(100)];
        let posting = Posting { earliest: Some(50), ..posting(0, imported) };
        let (numbers, kept) = posting.decide(ChatGroupTraffic::default()).unwrap();
        assert_eq!(numbers, [None, Some(1), Some(2), Some(3), None, None, Some(4)]);
        assert_eq!(kept.of(0), LastMessage { number: 4, at: 100 });
        assert_eq!(posting.decide(kept).unwrap().0, [None, None, None, None, None, None, Some(5)]);
    }
}
