//! Memberships, as the store lists them for a user.

use crate::domain::{ChatGroup, ChatGroupId, ChatGroupKind, ChatGroupState, Role, UnixSeconds, UserId};

/// A chat group that a user owns or is a member of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The id of the chat group.
    pub id: ChatGroupId,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its kind.
    pub kind: ChatGroupKind,
    /// The role of the user.
    pub role: Role,
    /// When the user joined.
    pub joined_at: UnixSeconds,
}

impl Membership {
    /// Returns the membership of a user; `None` if the chat group does not exist or the user is not in it. `state` needs no
    /// members besides the user.
    #[must_use]
    pub fn of(user: &UserId, id: &ChatGroupId, state: &ChatGroupState) -> Option<Membership> {
        let profile = state.group.profile.as_ref()?;
        let member = state.members.iter().find(|member| member.user == *user);
        let role = profile.role(user, member);
        let joined_at = match (role, member) {
            (Role::NotMember, _) => return None,
            (Role::Owner, _) | (_, None) => profile.owner_seat()?.joined_at,
            (_, Some(member)) => member.joined_at,
        };
        let ChatGroup { incarnation, .. } = state.group;
        Some(Membership { id: id.clone(), incarnation, kind: profile.kind, role, joined_at })
    }
}
