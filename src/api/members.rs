//! What the member commands of the group service share.

use super::{Command, Error};
use crate::{
    domain::{ChatGroupId, ChatGroupKind, ChatGroupProfile, ChatGroupState, Member, UserId},
    wire::{Fault, Fields, Node, Path, Value},
};

/// Reads a UserID that may or may not exist.
pub(super) fn user(value: Value<'_>) -> Result<UserId, Fault> {
    UserId::parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))
}

/// Checks how many members a list names: none is a wrong parameter, too many has its own number.
pub(super) fn check_members(request: Fields<'_>, name: &str, limit: usize) -> Result<(), Error> {
    let found = request.required(name, |value| match value.read::<&[Node<'_>]>()?.len() {
        0 => Err(Fault::unfit(value.path, format!("an array of 1 to {limit}"), value.node)),
        found => Ok(found),
    })?;
    match found > limit {
        true => Err(Error::ManyMembers { path: Path::Member(&request.path, name).to_string(), limit, found }),
        false => Ok(()),
    }
}

/// The chat group of this id, which has to be alive and of a kind with a list of members.
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
