//! Memberships, as the store lists them for a user.

use crate::domain::{
    ChatGroup, ChatGroupDelta, ChatGroupId, ChatGroupKind, ChatGroupState, Member, Moment, Role,
    SessionTimes, UnixSeconds, UserId,
};

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
    /// When the user joined. A caller may have chosen this time.
    pub joined_at: UnixSeconds,
    /// When the user joined by the clock of the server; 0 if a format without this time was upgraded.
    pub seen: UnixSeconds,
    /// When the present life of the chat group began, if another service has reported it.
    pub began: Moment,
}

impl Membership {
    /// Returns the membership of a user; `None` if the chat group does not exist or the user is not in it. `state` needs no
    /// members besides the user.
    #[must_use]
    pub fn of(
        user: &UserId,
        id: &ChatGroupId,
        state: &ChatGroupState,
        seen: UnixSeconds,
    ) -> Option<Membership> {
        let profile = state.group.profile.as_ref()?;
        let member = state.members.iter().find(|member| member.user == *user);
        let role = profile.role(user, member);
        let joined_at = match (role, member) {
            (Role::NotMember, _) => return None,
            (Role::Owner, _) | (_, None) => profile.owner_seat()?.joined_at,
            (_, Some(member)) => member.joined_at,
        };
        let ChatGroup { incarnation, began, .. } = state.group;
        Some(Membership { id: id.clone(), incarnation, kind: profile.kind, role, joined_at, seen, began })
    }

    /// Returns the times of the chat group as its members see them: without a message of an earlier life. Such a message may
    /// have arrived before the beginning of the present life was known.
    pub(super) fn seen_by_members(&self, times: SessionTimes) -> SessionTimes {
        match self.began.precedes_message_in(times.last()) {
            true => times,
            false => SessionTimes::new(0, times.seen()),
        }
    }
}

/// Returns the users whom an edit of a chat group adds as its owner or members.
pub(super) fn added(deltas: &[ChatGroupDelta]) -> impl Iterator<Item = &UserId> {
    deltas.iter().filter_map(|delta| match delta {
        ChatGroupDelta::Joined(Member { user, .. }) => Some(user),
        ChatGroupDelta::Profiled { before, profile } => {
            let owner_before = before.as_ref().and_then(|before| before.owner.as_ref());
            profile.owner.as_ref().filter(|owner| owner_before != Some(owner))
        }
        _ => None,
    })
}
