//! What a webhook reports, read from its body. Fields that are not needed are not looked at, and a field of another type
//! counts as absent, because the vendor adds fields and changes the types of others.

use crate::{
    domain::{ChatGroupEvent, ChatGroupId, ChatGroupKind, UnixSeconds, UserId},
    wire::Node,
};

/// The longest name of a chat group, in bytes.
const NAME_BYTES: usize = 30;

/// What a webhook reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reported {
    /// Something that has not happened yet and may be refused by somebody else.
    Before,
    /// A message from one user to another.
    Message { from: UserId, to: UserId, at: UnixSeconds },
    /// A message in a chat group.
    GroupMessage { group: ChatGroupId, at: UnixSeconds },
    /// Something about a chat group and its members, at a time in milliseconds.
    Membership { group: ChatGroupId, kind: ChatGroupKind, event: ChatGroupEvent, at: u64 },
    /// Something that has no effect here.
    Nothing,
    /// A kind of webhook that is not known.
    Unknown,
}

/// The kinds that are known and have no effect.
const WITHOUT_EFFECT: &[&str] = &[
    "C2C.CallbackAfterMsgReport",
    "C2C.CallbackAfterMsgWithDraw",
    "Group.CallbackAfterRecallMsg",
    "Group.CallbackAfterGroupInfoChanged",
    "Group.CallbackAfterChangeGroupOwner",
    "Group.CallbackAfterMemberFieldChanged",
];

/// Reads what a webhook of this kind reports. `now` is the time of its arrival, in milliseconds.
pub(super) fn read(kind: &str, body: &Node<'_>, now: u64) -> Reported {
    if is_before(kind) {
        return Reported::Before;
    }
    let found = match kind {
        "C2C.CallbackAfterSendMsg" => message(body, now),
        "Group.CallbackAfterSendMsg" => group_message(body, now),
        "Group.CallbackAfterCreateGroup" => membership(body, now, |body| {
            let name = text(body, "Name").unwrap_or_default();
            Some(ChatGroupEvent::Created {
                name: name[..name.floor_char_boundary(NAME_BYTES)].to_owned(),
                owner: user(body, "Owner_Account"),
                members: users(body, "MemberList"),
            })
        }),
        "Group.CallbackAfterNewMemberJoin" => {
            membership(body, now, |body| some(users(body, "NewMemberList")).map(ChatGroupEvent::Joined))
        }
        "Group.CallbackAfterMemberExit" => {
            membership(body, now, |body| some(users(body, "ExitMemberList")).map(ChatGroupEvent::Left))
        }
        "Group.CallbackAfterGroupDestroyed" => membership(body, now, |_| Some(ChatGroupEvent::Destroyed)),
        known if WITHOUT_EFFECT.contains(&known) => None,
        _ => return Reported::Unknown,
    };
    found.unwrap_or(Reported::Nothing)
}

/// Returns whether webhooks of this kind ask for permission: `….CallbackBefore…`, and `Sns.CallbackPrev…`.
pub(super) fn is_before(kind: &str) -> bool {
    let name = kind.split_once('.').map_or(kind, |(_, name)| name);
    ["CallbackBefore", "CallbackPrev"].iter().any(|before| name.starts_with(before))
}

fn message(body: &Node<'_>, now: u64) -> Option<Reported> {
    let is_online_only = number(body, "OnlineOnlyFlag") == Some(1);
    let is_sent = number(body, "SendMsgResult").is_none_or(|result| result == 0);
    let at = number(body, "MsgTime").unwrap_or_else(|| time(body, now) / 1_000);
    let (from, to) = (user(body, "From_Account")?, user(body, "To_Account")?);
    (is_sent && !is_online_only).then_some(Reported::Message { from, to, at })
}

fn group_message(body: &Node<'_>, now: u64) -> Option<Reported> {
    if number(body, "OnlineOnlyFlag") == Some(1) || kind_of(body) == ChatGroupKind::AvChatRoom {
        return None;
    }
    // The time decides to which life of the chat group the message belongs, so it is that of the event if there is one, as for
    // the events about the group itself.
    let at = match number(body, "EventTime").or_else(|| number(body, "MsgTime")?.checked_mul(1_000)) {
        Some(at) => at,
        None => now,
    };
    Some(Reported::GroupMessage { group: group(body)?, at: at / 1_000 })
}

fn membership(
    body: &Node<'_>,
    now: u64,
    event: impl Fn(&Node<'_>) -> Option<ChatGroupEvent>,
) -> Option<Reported> {
    let (group, event) = (group(body)?, event(body)?);
    Some(Reported::Membership { group, kind: kind_of(body), event, at: time(body, now) })
}

/// Returns the time of the event in milliseconds, or that of its arrival.
fn time(body: &Node<'_>, now: u64) -> u64 {
    number(body, "EventTime").unwrap_or(now)
}

/// Returns the chat group, unless the webhook is about a topic in it.
fn group(body: &Node<'_>) -> Option<ChatGroupId> {
    let is_topic = text(body, "TopicId").is_some_and(|topic| !topic.is_empty());
    ChatGroupId::parse(text(body, "GroupId")?).ok().filter(|_| !is_topic)
}

fn kind_of(body: &Node<'_>) -> ChatGroupKind {
    text(body, "Type").and_then(|kind| ChatGroupKind::parse(kind).ok()).unwrap_or(ChatGroupKind::Public)
}

fn user(body: &Node<'_>, name: &str) -> Option<UserId> {
    UserId::parse(text(body, name)?).ok()
}

/// Returns the users in a list of objects with `Member_Account`.
fn users(body: &Node<'_>, name: &str) -> Vec<UserId> {
    let Some(Node::Array(items)) = body.member(name) else { return Vec::new() };
    items.iter().filter_map(|item| user(item, "Member_Account")).collect()
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

pub(super) fn text<'a>(body: &'a Node<'_>, name: &str) -> Option<&'a str> {
    match body.member(name)? {
        Node::Text(text) => Some(text),
        _ => None,
    }
}

/// Reads a number, which may be written as a text.
fn number(body: &Node<'_>, name: &str) -> Option<u64> {
    match body.member(name)? {
        Node::Integer(number) => u64::try_from(*number).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        Node::Float(number) if (0.0..9e15).contains(number) => Some(*number as u64),
        Node::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_500;

    fn reads(kind: &str, body: &str) -> Reported {
        read(kind, &Node::parse(body.as_bytes()).unwrap(), NOW)
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    fn room(name: &str) -> ChatGroupId {
        ChatGroupId::parse(name).unwrap()
    }

    #[test]
    fn messages_between_users_are_read() {
        let expected = |at| Reported::Message { from: user("a"), to: user("b"), at };
        let kind = "C2C.CallbackAfterSendMsg";
        let plain = r#""From_Account":"a","To_Account":"b""#;
        for (more, at) in [
            (r#","MsgTime":1670574414"#, 1_670_574_414),
            (r#","MsgTime":"1670574414","EventTime":1670574415123"#, 1_670_574_414),
            (r#","EventTime":"1670574415123""#, 1_670_574_415),
            (
                r#","SendMsgResult":0,"OnlineOnlyFlag":0,"MsgBody":[],"New":{"a":1},"EventTime":null"#,
                NOW / 1_000,
            ),
            (r#","EventTime":1.670574415123e12"#, 1_670_574_415),
        ] {
            assert_eq!(reads(kind, &format!("{{{plain}{more}}}")), expected(at), "{more}");
        }
        for more in [
            r#","SendMsgResult":80001"#,
            r#","SendMsgResult":"20006""#,
            r#","OnlineOnlyFlag":1"#,
            r#","OnlineOnlyFlag":"1""#,
            r#","To_Account":"""#,
            r#","From_Account":7"#,
        ] {
            assert_eq!(reads(kind, &format!("{{{plain}{more}}}")), Reported::Nothing, "{more}");
        }
        assert_eq!(reads(kind, "{}"), Reported::Nothing);
    }

    #[test]
    fn messages_in_chat_groups_are_read() {
        let kind = "Group.CallbackAfterSendMsg";
        let plain = r#""GroupId":"@TGS#1","Type":"Public""#;
        for (more, at) in [
            (r#","MsgTime":1670574414,"EventTime":"1670574414123""#, 1_670_574_414),
            (r#","MsgTime":1670574414,"EventTime":1670574415123"#, 1_670_574_415),
            (r#","MsgTime":1670574414"#, 1_670_574_414),
            (r#","TopicId":"""#, NOW / 1_000),
        ] {
            let expected = Reported::GroupMessage { group: room("@TGS#1"), at };
            assert_eq!(reads(kind, &format!("{{{plain}{more}}}")), expected, "{more}");
        }
        for more in [
            r#","OnlineOnlyFlag":1"#,
            r#","TopicId":"@TGS#_@TGS#1@TOPIC#_1""#,
            r#","Type":"AVChatRoom""#,
            r#","GroupId":null"#,
        ] {
            assert_eq!(reads(kind, &format!("{{{plain}{more}}}")), Reported::Nothing, "{more}");
        }
    }

    #[test]
    fn memberships_are_read() {
        let plain = r#""GroupId":"g","Type":"Work","EventTime":"1670574414123""#;
        let members = r#"[{"Member_Account":"a"},{"Member_Account":7},{},"x",{"Member_Account":"b"}]"#;
        let expected = |event| Reported::Membership {
            group: room("g"),
            kind: ChatGroupKind::Work,
            event,
            at: 1_670_574_414_123,
        };
        let both = vec![user("a"), user("b")];
        let name = "äöüäöüäöüäöüäöüäöü";
        for (kind, more, event) in [
            (
                "Group.CallbackAfterCreateGroup",
                format!(r#""Owner_Account":"a","Name":"{name}","MemberList":{members}"#),
                ChatGroupEvent::Created {
                    name: name[..30].to_owned(),
                    owner: Some(user("a")),
                    members: both.clone(),
                },
            ),
            (
                "Group.CallbackAfterNewMemberJoin",
                format!(r#""JoinType":"Apply","NewMemberList":{members}"#),
                ChatGroupEvent::Joined(both.clone()),
            ),
            (
                "Group.CallbackAfterMemberExit",
                format!(r#""ExitType":"Kicked","ExitMemberList":{members}"#),
                ChatGroupEvent::Left(both),
            ),
            ("Group.CallbackAfterGroupDestroyed", r#""x":1"#.to_owned(), ChatGroupEvent::Destroyed),
        ] {
            assert_eq!(reads(kind, &format!("{{{plain},{more}}}")), expected(event), "{kind}");
            assert_eq!(reads(kind, &format!("{{{more}}}")), Reported::Nothing, "{kind}");
            let topic = format!(r#"{{{plain},{more},"TopicId":"t"}}"#);
            assert_eq!(reads(kind, &topic), Reported::Nothing, "{kind}");
        }
    }

    #[test]
    fn other_kinds_have_no_effect() {
        let body = r#"{"From_Account":"a","To_Account":"b","GroupId":"g"}"#;
        for kind in
            ["C2C.CallbackBeforeSendMsg", "Group.CallbackBeforeInviteJoinGroup", "Sns.CallbackPrevFriendAdd"]
        {
            assert_eq!(reads(kind, body), Reported::Before, "{kind}");
        }
        for kind in WITHOUT_EFFECT {
            assert_eq!(reads(kind, body), Reported::Nothing, "{kind}");
        }
        for kind in ["State.StateChange", "Profile.CallbackPortraitSet", "", "C2C.AfterCallbackBefore"] {
            assert_eq!(reads(kind, body), Reported::Unknown, "{kind}");
        }
    }
}
