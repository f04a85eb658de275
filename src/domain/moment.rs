//! Moments in the life of a chat group, which decide the order of events.

use super::UnixSeconds;

/// A moment in the life of a chat group: the time of an event in milliseconds, and at equal times the kind of event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// The kinds of event, in their order at equal times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MomentKind {
    /// The chat group is created.
    Creation,
    /// A user joins.
    Join,
    /// A message is sent.
    Message,
    /// A user leaves.
    Exit,
    /// The chat group is disbanded.
    Destruction,
}

/// The number of bits for the kind of event.
const KIND_BITS: u32 = 3;

impl Moment {
    /// Returns the moment of an event at a time in milliseconds. Times that are too large count as the last possible one.
    #[must_use]
    pub fn new(at: u64, kind: MomentKind) -> Moment {
        Moment(at.min(i64::MAX as u64 >> KIND_BITS) << KIND_BITS | kind as u64)
    }

    /// Returns the number under which a store keeps the moment. Numbers have the order of the moments.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// Returns the moment with this number.
    #[must_use]
    pub fn of_number(number: u64) -> Moment {
        Moment(number)
    }

    /// Returns the time in milliseconds.
    #[must_use]
    pub fn at(self) -> u64 {
        self.0 >> KIND_BITS
    }

    /// Checks whether a message of this second belongs to the life that began at this moment. Of the second of the beginning
    /// itself, messages belong to a chat group that was created in it, but not to one that was disbanded in it.
    #[must_use]
    pub fn precedes_message_in(self, second: UnixSeconds) -> bool {
        let began = self.at() / 1_000;
        second > began || second == began && self != Moment::new(self.at(), MomentKind::Destruction)
    }

    /// Checks whether it is that of a creation in this second.
    pub(super) fn is_creation_in(self, second: UnixSeconds) -> bool {
        self != Moment::default()
            && self == Moment::new(self.at(), MomentKind::Creation)
            && self.at() / 1_000 == second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_second_in_which_a_life_begins_messages_belong_to_a_creation_only() {
        for (kind, expected) in
            [(MomentKind::Creation, [false, true, true]), (MomentKind::Destruction, [false, false, true])]
        {
            for millis in [5_000, 5_999] {
                let began = Moment::new(millis, kind);
                assert_eq!([4, 5, 6].map(|second| began.precedes_message_in(second)), expected, "{kind:?}");
            }
        }
        assert!(Moment::default().precedes_message_in(0), "nothing is known about the beginning");
    }
}
