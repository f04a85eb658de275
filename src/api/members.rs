//! What the member commands of the group service share.

use super::{Call, Error};
use crate::{
    domain::{ChatGroup, ChatGroupId, ChatGroupKind, ChatGroupProfile, Owner, UserId},
    wire::{Fault, Field, Fields, Node, Path, Value},
};

/// Reads a UserID that may or may not exist.
pub(super) fn user(value: Value<'_>) -> Result<UserId, Fault> {
    UserId::parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))
}

/// Checks how many members a list names: none is a wrong parameter, too many has its own number.
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

/// The living group of this id, in a rule or elsewhere.
pub(super) fn living<'g>(
    group: Option<&'g ChatGroup>,
    id: &ChatGroupId,
) -> Result<&'g ChatGroupProfile, Error> {
    group.and_then(|group| group.profile.as_ref()).ok_or_else(|| Error::NoChatGroup(id.clone()))
}

/// The same, refused when it has no list of members for `what` is asked.
pub(super) fn with_members<'g>(
    group: Option<&'g ChatGroup>,
    id: &ChatGroupId,
    what: &'static str,
) -> Result<&'g ChatGroupProfile, Error> {
    let profile = living(group, id)?;
    match profile.kind {
        ChatGroupKind::AvChatRoom => Err(Error::NoMemberList(what)),
        _ => Ok(profile),
    }
}

impl Call<'_> {
    /// Whether each of these users exists for the group service.
    pub(super) async fn known(&self, users: &[UserId]) -> Result<Vec<bool>, Error> {
        let owners = users.iter().map(|user| Owner { app: self.app.id, user: user.clone() }).collect();
        let imported = self.service.store.accounts(owners).await?;
        let directory = self.app.directory();
        let granted = |user| directory.takes_for_granted(user);
        Ok(imported.into_iter().zip(users).map(|(imported, user)| imported || granted(user)).collect())
    }
}
