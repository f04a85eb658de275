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
        }
    }
}
