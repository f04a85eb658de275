//! Reads and writes lines of sessions: parts of the recent lists of owners. A saved reply of `get_list` is nearly such a line.

use serde::Serialize;

use super::{
    known::{self, only},
    values::{any_user, is_no_time, optional_number, parsed, seconds, write},
};
use crate::{
    domain::{
        AppId, ChatGroupId, Conversation, Edit, Owner, Session, SessionChange, SessionMarks, SessionTimes,
        Touch, UnixSeconds, UserId,
    },
    wire::{Fault, Fields, UnknownFields, Value},
};

/// The most sessions that are written into one line.
const PER_LINE: usize = 500;

/// The sessions in a line.
#[derive(Clone, Debug)]
pub struct SessionsLine {
    /// The owner.
    pub owner: Owner,
    /// Some of the owner's sessions.
    pub sessions: Vec<SessionItem>,
}

/// One session of a line.
#[derive(Clone, Debug)]
pub struct SessionItem {
    /// The conversation.
    pub conversation: Conversation,
    /// The incarnation of the chat group in which the session was, if the line says so.
    pub incarnation: Option<u32>,
    /// The time of the newest message; 0 if there is none.
    pub last: UnixSeconds,
    /// Pin and deletion.
    pub marks: SessionMarks,
}

impl SessionsLine {
    /// Returns the edit that gives the sessions their marks.
    #[must_use]
    pub fn edit(&self) -> Edit {
        let restored = |item: &SessionItem| (item.conversation.clone(), SessionChange::Restore(item.marks));
        Edit::ChangeSessions(self.sessions.iter().map(restored).collect())
    }

    /// Returns the conversations with other users that have a message.
    #[must_use]
    pub fn peers(&self) -> Vec<(UserId, UnixSeconds)> {
        let peer = |item: &SessionItem| match &item.conversation {
            Conversation::User(user) if item.last > 0 => Some((user.clone(), item.last)),
            _ => None,
        };
        self.sessions.iter().filter_map(peer).collect()
    }

    /// Returns the touches that raise the times of these peers, seen at `now`.
    #[must_use]
    pub fn touches(&self, peers: Vec<(UserId, UnixSeconds)>, now: UnixSeconds) -> Vec<Touch> {
        let touch = |(peer, last)| Touch::Peer {
            owner: self.owner.clone(),
            peer,
            times: SessionTimes::new(last, now),
            needs_account: false,
        };
        peers.into_iter().map(touch).collect()
    }
}

/// Reads the fields of a line of sessions.
pub(super) fn sessions(
    app: AppId,
    fields: Fields<'_>,
    unknown: UnknownFields,
) -> Result<SessionsLine, Fault> {
    let fields = only(fields, known::SESSIONS, unknown, "a list of sessions")?;
    let user = fields.required(&known::FROM_ACCOUNT, any_user)?;
    let sessions =
        fields.required(&known::SESSION_ITEM, |items| items.each(|item| session(item, unknown)))?;
    Ok(SessionsLine { owner: Owner { app, user }, sessions })
}

fn session(item: Value<'_>, unknown: UnknownFields) -> Result<SessionItem, Fault> {
    let fields = only(item.fields()?, known::SESSION, unknown, "a session")?;
    let time = |field| fields.optional(field, seconds).map(Option::unwrap_or_default);
    let conversation = match fields.required(&known::SESSION_TYPE, |value| value.choice())? {
        1 => fields
            .required(&known::TO_ACCOUNT, |value| parsed(value, UserId::parse))
            .map(Conversation::User)?,
        _ => fields
            .required(&known::GROUP_ID, |value| parsed(value, ChatGroupId::parse))
            .map(Conversation::ChatGroup)?,
    };
    let last = time(&known::MSG_TIME)?;
    // A reply of get_list shows that a conversation is pinned, but not since when.
    let is_top = fields.optional(&known::TOP_FLAG, |value| value.choice())? == Some(1);
    let pinned = match time(&known::PIN_TIME)? {
        0 if is_top => last.max(1),
        pinned => pinned,
    };
    let marks = SessionMarks { pinned, deleted: time(&known::DELETE_TIME)? };
    let incarnation = optional_number(fields, &known::INCARNATION)?;
    Ok(SessionItem { conversation, incarnation, last, marks })
}

/// Appends the lines of sessions, which are sorted by owner.
pub fn write_sessions(app: AppId, sessions: &[(UserId, Conversation, Session)], out: &mut Vec<u8>) {
    for of_owner in sessions.chunk_by(|a, b| a.0 == b.0) {
        let items: Vec<ItemOut<'_>> = of_owner.iter().filter_map(ItemOut::of).collect();
        for part in items.chunks(PER_LINE) {
            let user = of_owner[0].0.as_str();
            write(&LineOut { kind: "sessions", app: app.number(), user, sessions: part }, out);
        }
    }
}

impl<'a> ItemOut<'a> {
    /// Returns `None` for a session of which nothing has to be kept.
    fn of((_, conversation, session): &'a (UserId, Conversation, Session)) -> Option<ItemOut<'a>> {
        let Session { incarnation, times, marks: SessionMarks { pinned, deleted } } = *session;
        if times.last() == 0 && (pinned, deleted) == (0, 0) {
            return None;
        }
        let (kind, user, group) = match conversation {
            Conversation::User(user) => (1, Some(user.as_str()), None),
            Conversation::ChatGroup(id) => (2, None, Some(id.as_str())),
        };
        let incarnation = group.map(|_| incarnation);
        Some(ItemOut { kind, user, group, incarnation, last: times.last(), pinned, deleted })
    }
}

#[derive(Serialize)]
struct LineOut<'a> {
    #[serde(rename = "Kind")]
    kind: &'static str,
    #[serde(rename = "SdkAppId")]
    app: u32,
    #[serde(rename = "From_Account")]
    user: &'a str,
    #[serde(rename = "SessionItem")]
    sessions: &'a [ItemOut<'a>],
}

#[derive(Serialize)]
struct ItemOut<'a> {
    #[serde(rename = "Type")]
    kind: u32,
    #[serde(rename = "To_Account", skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(rename = "GroupId", skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(rename = "Incarnation", skip_serializing_if = "Option::is_none")]
    incarnation: Option<u32>,
    #[serde(rename = "MsgTime", skip_serializing_if = "is_no_time")]
    last: u64,
    #[serde(rename = "PinTime", skip_serializing_if = "is_no_time")]
    pinned: u64,
    #[serde(rename = "DeleteTime", skip_serializing_if = "is_no_time")]
    deleted: u64,
}
