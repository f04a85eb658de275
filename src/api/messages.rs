//! What the message commands share. Messages are checked, get their ids and are dropped; they only move the recent lists.

use sha2::{Digest, Sha256};

use super::{
    Absent, Call, Error,
    describe::messages as field,
    error::{MessageProblem, explain},
};
use crate::{
    auth::MessageMode,
    domain::{Owner, Rejection, SessionTimes, Touch, UnixSeconds, UserId},
    random,
    wire::{Fault, Field, Fields, Node, Path, Value},
};

/// The most bytes of the elements of one message.
const BODY_BYTES: usize = 12 * 1_024;

/// The word with which a message leaves the recent lists as they are.
const NO_LAST_MSG: &str = "NoLastMsg";

/// Who sends a message.
pub(super) struct Sender {
    name: Box<str>,
    /// The user; an administrator's name may be too long for one.
    pub(super) user: Option<UserId>,
}

/// The ids of a message to a user. They look like the vendor's.
pub(super) struct Ids {
    pub(super) time: UnixSeconds,
    pub(super) key: String,
    pub(super) id: String,
}

/// Which sides of a message to a user move.
#[derive(Clone, Copy)]
pub(super) struct Sides {
    pub(super) sender: bool,
    pub(super) receiver: bool,
}

impl Sides {
    pub(super) const BOTH: Sides = Sides { sender: true, receiver: true };

    /// Reads the fields that decide it.
    pub(super) fn read(request: Fields<'_>) -> Result<Sides, Error> {
        let life_time = request.optional_number(&field::MSG_LIFE_TIME, |value| {
            value.read::<i64>().map_err(of(MessageProblem::LifeTime))
        })?;
        let copies = request.optional(&field::SYNC_OTHER_MACHINE, |value| {
            value.read::<i64>().map_err(of(MessageProblem::OtherMachine))
        })?;
        let is_fleeting = flag(request, &field::ONLINE_ONLY_FLAG)? || life_time == Some(0);
        let moves = !is_fleeting && !leaves_lists(request)?;
        Ok(Sides { sender: moves && copies != Some(2), receiver: moves })
    }
}

/// Returns whether a flag is 1.
pub(super) fn flag(request: Fields<'_>, field: &'static Field) -> Result<bool, Fault> {
    Ok(request.optional(field, |value| value.read::<i64>())? == Some(1))
}

/// Returns whether `SendMsgControl` says that the message leaves the recent lists as they are.
pub(super) fn leaves_lists(request: Fields<'_>) -> Result<bool, Fault> {
    let words = request.optional(&field::SEND_MSG_CONTROL, |value| {
        value.each(|word| Ok::<_, Fault>(matches!(word.node, Node::Text(text) if text == NO_LAST_MSG)))
    })?;
    Ok(words.unwrap_or_default().contains(&true))
}

/// Returns a function that gives a fault its problem.
pub(super) fn of(problem: MessageProblem) -> impl Fn(Fault) -> Error {
    move |fault| Error::Message(problem, fault)
}

/// Reads a required field. `absent` is the problem if it is missing.
pub(super) fn required<T>(
    fields: Fields<'_>,
    name: &'static Field,
    absent: MessageProblem,
    read: impl FnOnce(Value<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    fields.required(name, read).map_err(|error| match error {
        Error::Fault(missing) => Error::Message(absent, missing),
        other => other,
    })
}

/// Reads a number below 2^32.
pub(super) fn number(value: Value<'_>) -> Result<u32, Fault> {
    let unfit = |_| Fault::unfit(value.path, format!("a number from 0 to {}", u32::MAX), value.node);
    value.read::<i64>().and_then(|number| u32::try_from(number).map_err(unfit))
}

/// Reads a time in seconds.
pub(super) fn seconds(value: Value<'_>) -> Result<UnixSeconds, Fault> {
    let unfit = |_| Fault::unfit(value.path, "a time in seconds since 1970", value.node);
    value.read::<i64>().and_then(|number| u64::try_from(number).map_err(unfit))
}

/// Checks the elements of a message, but not their contents.
pub(super) fn check_body(fields: Fields<'_>, long: MessageProblem) -> Result<(), Error> {
    required(fields, &field::MSG_BODY, MessageProblem::Body, |body| {
        if body.read::<&[Node<'_>]>().map_err(of(MessageProblem::Body))?.is_empty() {
            return Err(Error::Message(
                MessageProblem::Empty,
                Fault::unfit(body.path, "an array of at least 1 element", body.node),
            ));
        }
        body.each(|element| {
            let fields = element.fields().map_err(of(MessageProblem::Element))?;
            required(fields, &field::MSG_TYPE, MessageProblem::Empty, |kind| {
                kind.word().map(drop).map_err(of(MessageProblem::Element))
            })?;
            required(fields, &field::MSG_CONTENT, MessageProblem::Empty, |content| match content.node {
                Node::Object(_) => Ok(()),
                // PHP writes an empty object like this (decision 32).
                Node::Array(items) if items.is_empty() => Ok(()),
                other => Err(Error::Message(
                    MessageProblem::Element,
                    Fault::unfit(content.path, "an object", other),
                )),
            })
        })?;
        match body.node.length() {
            bytes if bytes <= BODY_BYTES => Ok(()),
            bytes => {
                let rule = format!("a message may have at most {BODY_BYTES} bytes, found {bytes}");
                Err(Error::Message(long, Fault::refused(body.path, rule)))
            }
        }
    })
}

/// Checks that what is sent to devices is an object.
pub(super) fn check_push(request: Fields<'_>) -> Result<(), Error> {
    request.optional(&field::OFFLINE_PUSH_INFO, |value| match value.node {
        Node::Object(_) => Ok(()),
        other => Err(Error::Message(MessageProblem::Push, Fault::unfit(value.path, "an object", other))),
    })?;
    Ok(())
}

/// Reads `MsgSeq`, or returns a random one.
pub(super) fn sequence(request: Fields<'_>) -> Result<u32, Fault> {
    let given = request.optional(&field::MSG_SEQ, number)?;
    Ok(given.unwrap_or_else(|| u32::from_le_bytes(random::array())))
}

/// Creates the fault for a user who does not exist.
pub(super) fn unknown(path: Path<'_>, name: &str) -> Fault {
    match UserId::parse(name) {
        Ok(user) => Fault::refused(path, explain(&Rejection::UnknownPeer(user))),
        Err(rule) => Fault::refused(path, rule),
    }
}

impl Call<'_> {
    /// Refuses the call unless the app accepts messages. Commands call this before they read anything.
    pub(super) fn check_messages(&self) -> Result<(), Error> {
        let absent = Absent::find(self.command.family().name(), self.command.name());
        match (self.app.messages, absent) {
            (MessageMode::Refuse, Some(absent)) => Err(Error::Absent(absent)),
            _ => Ok(()),
        }
    }

    /// Returns the administrator who calls, as the sender of a message.
    pub(super) fn caller(&self) -> Sender {
        let name = (self.context)().identifier.map_or_else(Box::default, |name| Box::from(&*name));
        let user = UserId::parse(&name).ok();
        Sender { name, user }
    }

    /// Returns this user as the sender of a message, or `None` if they do not exist.
    pub(super) async fn named_sender(&self, name: &str) -> Result<Option<Sender>, Error> {
        let exists = self.exist_by_name(&[name.to_owned()]).await? == [true];
        Ok(exists.then(|| Sender { name: name.into(), user: UserId::parse(name).ok() }))
    }

    /// Returns the touches of a message from one user to another. An administrator's own side moves only if the app's
    /// settings want it, because administrators may write to everybody.
    pub(super) fn touches_of(
        &self,
        sender: &Sender,
        receiver: &UserId,
        sides: Sides,
        at: UnixSeconds,
    ) -> Vec<Touch> {
        let now = self.service.clock.now();
        let times = SessionTimes::new(at.min(now), now);
        let Some(sender) = &sender.user else { return Vec::new() };
        let directory = self.app.directory();
        [(sides.sender, sender, receiver), (sides.receiver, receiver, sender)]
            .into_iter()
            .filter(|(moves, owner, _)| *moves && (self.app.touch_admins || !directory.appoints(owner)))
            .map(|(_, owner, peer)| Touch::Peer {
                owner: Owner { app: self.app.id, user: owner.clone() },
                peer: peer.clone(),
                times,
                needs_account: !directory.takes_for_granted(owner),
            })
            .collect()
    }

    /// Moves sessions, unless the call is a dry run.
    pub(super) async fn touch(&self, touches: Vec<Touch>) -> Result<(), Error> {
        match touches.is_empty() || self.is_dry_run() {
            true => Ok(()),
            false => Ok(self.service.store.touch(touches).await?),
        }
    }

    /// Returns the ids of a message to a user that is sent now.
    pub(super) fn ids(&self, sender: &Sender, sequence: u32, random: u32) -> Ids {
        let time = self.service.clock.now();
        let number = number_of(&format!("{}/{}", self.app.id, sender.name));
        Ids { time, key: format!("{sequence}_{random}_{time}"), id: format!("{number}-{time}-{random}") }
    }
}

/// Returns a number for a sender that looks like the vendor's: 2^57 and 40 bits of a hash.
fn number_of(sender: &str) -> u64 {
    let hash = Sha256::digest(sender);
    let low = hash.iter().take(5).fold(0, |number, byte| number << 8 | u64::from(*byte));
    (1 << 57) + low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_sender_is_stable_and_above_2_to_57() {
        let number = number_of("88888888/user0");
        assert_eq!(number, number_of("88888888/user0"));
        assert_ne!(number, number_of("88888888/user1"));
        assert!((1 << 57..(1 << 57) + (1 << 40)).contains(&number));
        // SHA-256 of the empty text begins with e3b0c44298.
        assert_eq!(number_of(""), (1 << 57) + 0xe3_b0c4_4298);
    }
}
