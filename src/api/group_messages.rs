//! `send_group_msg`, `import_group_msg` and `send_group_system_notification`: messages and notices to a chat group.

use serde::Serialize;

use super::{
    Call, Error,
    describe::{groups::GROUP_ID, messages as field},
    error::MessageProblem,
    messages::{check_body, flag, leaves_lists, number, seconds, unknown},
    shapes::{chat_group_id, check_count},
};
use crate::{
    domain::{
        ChatGroupId, ChatGroupKind, ChatGroupState, DirectoryMode, LastMessage, Numbers, Post, Posting,
        UnixSeconds, UserId, WantedMembers, batch,
    },
    wire::{Fault, Fields, Node, Path, Value, code::Code},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    msg_time: u64,
    msg_seq: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Imported {
    import_msg_result: Vec<ImportedMessage>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImportedMessage {
    msg_seq: u32,
    msg_time: u64,
    result: u32,
}

#[derive(Serialize)]
struct Noticed {}

/// The chat group of a message.
struct Target {
    id: ChatGroupId,
    incarnation: u32,
    kind: Option<ChatGroupKind>,
    created_at: UnixSeconds,
}

impl Target {
    /// Returns whether the members have it in their recent lists.
    fn is_listed(&self) -> bool {
        self.kind != Some(ChatGroupKind::AvChatRoom)
    }
}

/// `send_group_msg`
pub(super) async fn send(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    call.check_messages()?;
    let id = request.required(&GROUP_ID, chat_group_id)?;
    request.required(&field::RANDOM, number)?;
    check_body(request, MessageProblem::Long).map_err(in_a_group)?;
    request.optional(&field::MSG_PRIORITY, |value| value.word().map(drop))?;
    let is_online_only =
        flag(request, &field::ONLINE_ONLY_FLAG)? || flag(request, &field::MSG_ONLINE_ONLY_FLAG)?;
    let leaves_lists = leaves_lists(request)?;
    let is_for_some = request.optional(&field::SOME_MEMBERS, |value| at_most(value, 50))?.is_some();
    let mentions = request.optional(&field::GROUP_AT_INFO, |value| {
        at_most(value, 30).map_err(|fault| match value.read::<&[Node<'_>]>() {
            Ok(_) => Error::Message(MessageProblem::ManyMentions, fault),
            Err(_) => fault.into(),
        })
    });
    mentions?;
    let has_topic = request.optional_text(&field::TOPIC_ID)?.is_some();
    if let Some(name) = request.optional_text(&field::SENDER)?
        && call.named_sender(name).await?.is_none()
    {
        return Err(match UserId::parse(name) {
            Ok(user) => Error::NoUser(user),
            Err(rule) => request.refused(&field::SENDER, rule).into(),
        });
    }
    let target = target(&call, id).await?;
    let now = call.service.clock.now();
    let is_fleeting = has_topic || is_online_only && target.is_listed();
    let moves = target.is_listed() && !is_fleeting && !leaves_lists && !is_for_some;
    let numbers = post(&call, &target, vec![Post { at: now, is_fleeting, moves }], None).await?;
    let msg_seq = numbers.first().copied().flatten().unwrap_or_default();
    Ok(call.ok(&Sent { msg_time: now, msg_seq }))
}

/// One message that was sent elsewhere.
struct Past {
    sender: String,
    at: UnixSeconds,
    /// Whether it is short enough.
    fits: bool,
}

/// `import_group_msg`
pub(super) async fn import(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    call.check_messages()?;
    let id = request.required(&GROUP_ID, chat_group_id)?;
    let messages: Vec<Past> = request.required(&field::MSG_LIST, |list| -> Result<_, Error> {
        check_count(list, batch::IMPORTED_MESSAGES)?;
        list.each(|item| {
            let fields = item.fields()?;
            let fits = match check_body(fields, MessageProblem::Long) {
                Err(Error::Message(MessageProblem::Long, _)) => false,
                checked => checked.map_err(in_a_group).map(|()| true)?,
            };
            Ok(Past {
                sender: fields.text(&field::IMPORTED_SENDER)?.to_owned(),
                at: fields.required(&field::SEND_TIME, seconds)?,
                fits,
            })
        })
    })?;
    let moves = flag(request, &field::RECENT_CONTACT_FLAG)?;
    let has_topic = request.optional_text(&field::TOPIC_ID)?.is_some();
    let senders: Vec<String> = messages.iter().map(|message| message.sender.clone()).collect();
    let known = call.exist_by_name(&senders).await?;
    if let Some(index) = known.iter().position(|is_known| !is_known) {
        let list = Path::Member(&request.path, field::MSG_LIST.name);
        let item = Path::Element(&list, index);
        let path = Path::Member(&item, field::IMPORTED_SENDER.name);
        return Err(unknown(path, &senders[index]).into());
    }
    let target = target(&call, id).await?;
    if !target.is_listed() {
        return Err(Error::NoMemberList(call.command.name()));
    }
    let post_of =
        |message: &Past| Post { at: message.at, is_fleeting: has_topic, moves: moves && !has_topic };
    let posts: Vec<Post> = messages.iter().filter(|message| message.fits).map(post_of).collect();
    let mut numbers = post(&call, &target, posts, Some(target.created_at)).await?.into_iter();
    let result = |message: Past| {
        let (msg_seq, code) = match message.fits {
            false => (0, Code::GROUP_LONG_MESSAGE),
            true => match numbers.next().flatten() {
                Some(number) => (number, Code::OK),
                None => (0, Code::GROUP_PARAMETER),
            },
        };
        call.items.note(code.number());
        ImportedMessage { msg_seq, msg_time: message.at, result: code.number() }
    };
    let import_msg_result = messages.into_iter().map(result).collect();
    Ok(call.ok(&Imported { import_msg_result }))
}

/// `send_group_system_notification`
pub(super) async fn notify(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    call.check_messages()?;
    let id = request.required(&GROUP_ID, chat_group_id)?;
    request.text(&field::CONTENT)?;
    let names_members =
        request.optional(&field::TO_MEMBERS, |value| at_most(value, batch::RECEIVERS))?.is_some();
    let target = target(&call, id).await?;
    if names_members && !target.is_listed() {
        let rule = "a notice to an AVChatRoom is for everybody, so no members can be named";
        return Err(request.refused(&field::TO_MEMBERS, rule).into());
    }
    Ok(call.ok(&Noticed {}))
}

impl Call<'_> {
    /// Returns the last messages to these chat groups, which have been found in these states.
    pub(super) async fn last_messages(
        &self,
        ids: &[ChatGroupId],
        found: &[Option<ChatGroupState>],
    ) -> Result<Vec<LastMessage>, Error> {
        let life = |state: &Option<ChatGroupState>| state.as_ref().map_or(0, |state| state.group.incarnation);
        let lives = ids.iter().cloned().zip(found.iter().map(life)).collect();
        Ok(self.service.store.last_messages(self.app.id, lives).await?)
    }
}

/// Checks a list of strings or objects that may have at most this many elements.
fn at_most(value: Value<'_>, most: usize) -> Result<(), Fault> {
    match value.read::<&[Node<'_>]>() {
        Ok(items) if items.len() <= most => Ok(()),
        _ => Err(Fault::unfit(value.path, format!("an array of at most {most}"), value.node)),
    }
}

/// Converts a problem with a message, for which the group service has no code of its own.
fn in_a_group(error: Error) -> Error {
    match error {
        Error::Message(MessageProblem::Long, fault) => Error::Message(MessageProblem::Long, fault),
        Error::Message(_, fault) => fault.into(),
        other => other,
    }
}

/// Looks up the chat group of a message. In an open directory, one that is not known counts as existing.
async fn target(call: &Call<'_>, id: ChatGroupId) -> Result<Target, Error> {
    let wanted = WantedMembers::Named(Vec::new());
    let found = call.service.store.chat_groups(call.app.id, vec![id.clone()], wanted).await?.pop().flatten();
    match found.map(|state| state.group) {
        None if call.app.directory == DirectoryMode::Open => {
            Ok(Target { id, incarnation: 0, kind: None, created_at: 0 })
        }
        Some(group) => match group.profile {
            Some(profile) => Ok(Target {
                id,
                incarnation: group.incarnation,
                kind: Some(profile.kind),
                created_at: profile.created_at,
            }),
            None => Err(Error::NoChatGroup(id)),
        },
        None => Err(Error::NoChatGroup(id)),
    }
}

/// Gives messages their numbers.
async fn post(
    call: &Call<'_>,
    target: &Target,
    messages: Vec<Post>,
    earliest: Option<UnixSeconds>,
) -> Result<Numbers, Error> {
    let posting = Posting {
        app: call.app.id,
        id: target.id.clone(),
        incarnation: target.incarnation,
        messages,
        now: call.service.clock.now(),
        earliest,
        dry_run: call.is_dry_run(),
    };
    let numbers = call.service.store.post(posting).await?;
    numbers.ok_or_else(|| Error::NoChatGroup(target.id.clone()))
}
