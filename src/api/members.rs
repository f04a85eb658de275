//! Helpers that the member commands of the group service share.

use super::{Command, Error};
use crate::{
    domain::{
        ChatGroupId, ChatGroupKind, ChatGroupProfile, ChatGroupRejection, ChatGroupState, Member, UserId,
    },
    wire::{Fault, Field, Fields, Node, Path, Value},
};

/// Reads a user id. The user need not exist.
pub(super) fn user(value: Value<'_>) -> Result<UserId, Fault> {
    UserId::parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))
}

/// Checks the length of a list of members. An empty list is reported as an invalid parameter; too many members have
/// their own code.
pub(super) fn check_members(request: Fields<'_>, field: &'static Field, limit: usize) -> Result<(), Error> {
    let found = request.required(field, |value| match value.read::<&[Node<'_>]>()?.len() {
        0 => Err(Fault::unfit(value.path, format!("an array of 1 to {limit}"), value.node)),
        found => Ok(found),
    })?;
    match found > limit {
        true => Err(Error::ManyMembers {
            path: Path::Member(&request.path, field.name).to_string(),
            limit,
            found,
        }),
        false => Ok(()),
    }
}

/// Reads a number of at most `most`.
pub(super) fn number(value: Value<'_>, most: usize) -> Result<usize, Fault> {
    (usize::try_from(value.read::<i64>()?).ok().filter(|number| *number <= most)).ok_or_else(|| {
        let rule = match most {
            usize::MAX => "0 or a larger number".to_owned(),
            most => format!("a number from 0 to {most}"),
        };
        Fault::unfit(value.path, rule, value.node)
    })
}

/// Reads the maximum number of members of a chat group.
pub(super) fn max_members(value: Value<'_>) -> Result<u32, Fault> {
    let most = ChatGroupProfile::MOST_MEMBERS;
    (value.read::<i64>().ok())
        .and_then(|count| u32::try_from(count).ok())
        .filter(|count| (1..=most).contains(count))
        .ok_or_else(|| Fault::unfit(value.path, format!("a number from 1 to {most}"), value.node))
}

/// Reads an optional value that is not a text, in a command in which an empty text clears. Libraries send empty values for
/// fields that were not set.
pub(super) fn given<T>(
    request: Fields<'_>,
    field: &'static Field,
    read: impl FnOnce(Value<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let read = |value: Value<'_>| if value.node.is_empty() { Ok(None) } else { read(value).map(Some) };
    request.optional(field, read).map(Option::flatten)
}

/// The largest reply, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// Returns a reply, unless it is too large.
pub(super) fn checked_size(reply: Vec<u8>) -> Result<Vec<u8>, Error> {
    match reply.len() {
        ..=MOST_BYTES => Ok(reply),
        bytes => Err(Error::LongReply { bytes, limit: MOST_BYTES }),
    }
}

/// Returns a chat group and its members. The group must exist and its kind must have a list of members.
pub(super) fn with_members<'g>(
    group: Option<&'g ChatGroupState>,
    id: &ChatGroupId,
    command: Command,
) -> Result<(&'g ChatGroupProfile, &'g [Member]), Error> {
    let found = group.and_then(|state| Some((state.group.profile.as_ref()?, &state.members[..])));
    let (profile, members) = found.ok_or_else(|| Error::NoChatGroup(id.clone()))?;
    match profile.kind {
        ChatGroupKind::AvChatRoom => Err(Error::NoMemberList(command.name())),
        _ => Ok((profile, members)),
    }
}

impl Error {
    /// Converts a rejection of a change that `command` made to the chat group `id`.
    pub(super) fn of_chat_group(rejection: ChatGroupRejection, id: &ChatGroupId, command: Command) -> Error {
        match rejection {
            ChatGroupRejection::Unknown => Error::NoChatGroup(id.clone()),
            ChatGroupRejection::UnknownUser(user) => Error::NoUser(user),
            ChatGroupRejection::Taken | ChatGroupRejection::Spent => Error::ChatGroupTaken(id.clone()),
            ChatGroupRejection::Own => Error::ChatGroupOwn(id.clone()),
            // The vendor answers this command with "wrong parameter", unlike `add_group_member`.
            ChatGroupRejection::NoMemberList if command == Command::DeleteGroupMember => {
                Error::NoRemoval(id.to_string())
            }
            ChatGroupRejection::NoMemberList if command == Command::CreateGroup => {
                Error::NoMemberList("MemberList")
            }
            ChatGroupRejection::NoMemberList => Error::NoMemberList(command.name()),
            ChatGroupRejection::Full(limit) => Error::ChatGroupFull(limit),
            ChatGroupRejection::OwnerStays(owner) => Error::OwnerStays(owner),
            refused @ ChatGroupRejection::TooMany { .. } => {
                Error::ChatGroupValue(format!("MaxMemberNum is refused: {refused}; remove members first"))
            }
            refused @ ChatGroupRejection::NotInGroup(_) => {
                let field = match command {
                    Command::ChangeGroupOwner => "NewOwner_Account",
                    _ => "Member_Account",
                };
                let cure = "add the user with v4/group_open_http_svc/add_group_member first";
                Error::ChatGroupValue(format!("{field} is refused: {refused}; {cure}"))
            }
            refused @ ChatGroupRejection::OwnersRole(_) => {
                let cure = "make another member the owner with v4/group_open_http_svc/change_group_owner";
                Error::ChatGroupDenied(format!("Role is refused: {refused}; {cure}"))
            }
            refused @ ChatGroupRejection::OwnerOnly => {
                Error::ChatGroupDenied(format!("Member_Account is refused: {refused}"))
            }
            refused @ ChatGroupRejection::NoMuting => {
                Error::ChatGroupDenied(format!("MuteTime is refused: {refused}"))
            }
        }
    }
}
