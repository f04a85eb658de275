//! Chat groups, as the directory of accounts and chat groups stores them.

use super::{ChatGroupLife, Moment, MomentKind, Rejection, UnixSeconds, UserId};
use crate::excerpt::quoted;

/// A chat group in the directory. Destroyed chat groups stay in it, because their incarnation shows which records are
/// out of date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatGroup {
    /// Increases each time the chat group is destroyed (decision 20), up to [`super::MAX_NUMBER`]. A chat group that
    /// exists has a lower one, so that it can always be destroyed once more.
    pub incarnation: u32,
    /// The profile; `None` while the chat group is destroyed.
    pub profile: Option<ChatGroupProfile>,
    /// The number of members besides the owner; always 0 for an `AVChatRoom`.
    pub listed: usize,
    /// When the present life of the chat group began, if another service has reported it. Events from before have no effect.
    pub began: Moment,
    /// The newest joining that another service has reported, even if the user has left since. It shows that the chat group
    /// existed then.
    pub joined: Moment,
}

impl ChatGroup {
    /// Returns whether the chat group exists, and its incarnation.
    #[must_use]
    pub fn life(&self) -> ChatGroupLife {
        ChatGroupLife { incarnation: self.incarnation, alive: self.profile.is_some() }
    }

    /// Counts the members, including the owner.
    #[must_use]
    pub fn member_count(&self) -> usize {
        let owner = self.profile.as_ref().and_then(|profile| profile.owner.as_ref());
        self.listed + usize::from(owner.is_some())
    }
}

/// The settings of a chat group that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatGroupProfile {
    /// Its kind.
    pub kind: ChatGroupKind,
    /// Its name, at most 30 bytes.
    pub name: String,
    /// Its owner, if it has one.
    pub owner: Option<UserId>,
    /// Its introduction, at most 240 bytes.
    pub introduction: String,
    /// Its notification, at most 300 bytes.
    pub notification: String,
    /// The address of its portrait, at most 100 bytes.
    pub face_url: String,
    /// The highest number of members it may have.
    pub max_members: u32,
    /// How users join it.
    pub join_option: JoinOption,
    /// When it was created; 0 if that is unknown.
    pub created_at: UnixSeconds,
    /// Details that most chat groups do not have.
    pub details: ProfileDetails,
}

/// Parts of a profile that are set after the chat group was created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileDetails {
    /// When the profile was last changed; 0 if it was not.
    pub changed_at: UnixSeconds,
    /// Whether all members are muted. It is kept and shown, but nothing depends on it.
    pub mute_all: bool,
    /// How users are invited.
    pub invite_option: InviteOption,
    /// When the owner joined; 0 if the owner created the chat group.
    pub owner_joined_at: UnixSeconds,
    /// The details of the owner's membership.
    pub owner: MemberDetails,
}

/// Parts of a membership that most members do not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberDetails {
    /// The name that the member has in the chat group, at most 50 bytes.
    pub name_card: String,
    /// The milliseconds of the second in which the member joined, if they are known.
    pub millis: u16,
}

/// A member of a chat group who is not its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// Whether the user is an administrator of the chat group.
    pub admin: bool,
    /// When the user joined.
    pub joined_at: UnixSeconds,
    /// Details that most members do not have.
    pub details: MemberDetails,
}

impl Member {
    /// Creates a member without details.
    #[must_use]
    pub fn new(user: UserId, admin: bool, joined_at: UnixSeconds) -> Member {
        Member { user, admin, joined_at, details: MemberDetails::default() }
    }

    /// Creates an ordinary member who joined at this time, in milliseconds.
    pub(super) fn joined(user: UserId, at: u64) -> Member {
        let millis = u16::try_from(at % 1_000).unwrap_or(0);
        let details = MemberDetails { millis, ..MemberDetails::default() };
        Member { user, admin: false, joined_at: at / 1_000, details }
    }

    /// Returns the member with the name from these details.
    pub(super) fn with_card_of(mut self, details: &MemberDetails) -> Member {
        self.details.name_card.clone_from(&details.name_card);
        self
    }

    /// Returns the moment of joining.
    pub(super) fn moment(&self) -> Moment {
        let at = self.joined_at.saturating_mul(1_000).saturating_add(self.details.millis.into());
        Moment::new(at, MomentKind::Join)
    }
}

/// The role of a user in a chat group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `Owner`
    Owner,
    /// `Admin`
    Admin,
    /// `Member`
    Member,
    /// `NotMember`
    NotMember,
}

impl Role {
    /// Returns the name of the role on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Owner => "Owner",
            Role::Admin => "Admin",
            Role::Member => "Member",
            Role::NotMember => "NotMember",
        }
    }
}

impl ChatGroupProfile {
    /// The default for [`ChatGroupProfile::max_members`].
    pub const DEFAULT_MEMBERS: u32 = 2_000;
    /// The upper bound of [`ChatGroupProfile::max_members`].
    pub const MOST_MEMBERS: u32 = 6_000;

    /// Returns the profile of a chat group of which only the kind is known.
    pub(super) fn nameless(kind: ChatGroupKind) -> ChatGroupProfile {
        ChatGroupProfile {
            kind,
            name: String::new(),
            owner: None,
            introduction: String::new(),
            notification: String::new(),
            face_url: String::new(),
            max_members: ChatGroupProfile::MOST_MEMBERS,
            join_option: JoinOption::default(),
            created_at: 0,
            details: ProfileDetails::default(),
        }
    }

    /// Returns what is kept of the owner's membership, as if the owner were in the list of members.
    #[must_use]
    pub fn owner_seat(&self) -> Option<Member> {
        let details = &self.details;
        let joined_at = if details.owner_joined_at == 0 { self.created_at } else { details.owner_joined_at };
        let user = self.owner.clone()?;
        Some(Member { user, admin: false, joined_at, details: details.owner.clone() })
    }

    /// Makes a member the owner, or leaves the chat group without an owner.
    pub(super) fn set_owner(&mut self, seat: Option<Member>) {
        self.owner = seat.as_ref().map(|seat| seat.user.clone());
        let (joined_at, details) = seat.map_or_else(Default::default, |seat| (seat.joined_at, seat.details));
        self.details.owner_joined_at = if joined_at == self.created_at { 0 } else { joined_at };
        self.details.owner = details;
    }

    /// Removes the owner, and returns what was kept of the owner's membership.
    pub(super) fn take_owner(&mut self) -> Option<Member> {
        let seat = self.owner_seat();
        self.set_owner(None);
        seat
    }

    /// Returns when the profile was last changed, or when the chat group was created.
    #[must_use]
    pub fn changed_at(&self) -> UnixSeconds {
        self.details.changed_at.max(self.created_at)
    }

    /// Returns the role of `user`; `member` is their entry in the list of members, if there is one.
    #[must_use]
    pub fn role(&self, user: &UserId, member: Option<&Member>) -> Role {
        match member {
            _ if self.owner.as_ref() == Some(user) => Role::Owner,
            Some(Member { admin: true, .. }) => Role::Admin,
            Some(_) => Role::Member,
            None => Role::NotMember,
        }
    }
}

macro_rules! named {
    ($(#[$doc:meta])+ $type:ident: $($(#[$note:meta])* $variant:ident $name:literal,)+) => {
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = concat!("`", $name, "`")] $(#[$note])* $variant,)+
        }

        impl $type {
            /// All values. Stores save a value as its index in this list: append, but never reorder.
            pub const ALL: &[$type] = &[$($type::$variant,)+];

            /// The names of all values on the wire.
            pub const NAMES: &[&str] = &[$($name,)+];

            /// Returns the name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)+ }
            }

            /// Returns the value with this name.
            ///
            /// # Errors
            /// Returns [`Rejection::Unreadable`], whose text lists the known names, if no value has this name.
            pub fn parse(name: &str) -> Result<$type, Rejection> {
                (Self::ALL.iter().copied().find(|item| item.name() == name)).ok_or_else(|| {
                    Rejection::Unreadable(format!("must be one of {}, found {}", [$($name),+].join(", "), quoted(name)))
                })
            }
        }
    };
}

named! {
    /// The kinds of chat group. `Work` and `Meeting` are newer names of `Private` and `ChatRoom`; a chat group keeps
    /// the name that it was created with.
    ChatGroupKind:
    Public "Public",
    Private "Private",
    Work "Work",
    ChatRoom "ChatRoom",
    Meeting "Meeting",
    AvChatRoom "AVChatRoom",
    Community "Community",
}

impl ChatGroupKind {
    /// Returns all names of this kind of chat group, because some kinds have an older and a newer name.
    #[must_use]
    pub fn aliases(self) -> &'static [ChatGroupKind] {
        use ChatGroupKind::{ChatRoom, Meeting, Private, Work};
        match self {
            Private | Work => &[Private, Work],
            ChatRoom | Meeting => &[ChatRoom, Meeting],
            ChatGroupKind::Public => &[ChatGroupKind::Public],
            ChatGroupKind::AvChatRoom => &[ChatGroupKind::AvChatRoom],
            ChatGroupKind::Community => &[ChatGroupKind::Community],
        }
    }
}

named! {
    /// How users join a chat group.
    #[derive(Default)]
    JoinOption:
    FreeAccess "FreeAccess",
    #[default]
    NeedPermission "NeedPermission",
    DisableApply "DisableApply",
}

named! {
    /// How users are invited to a chat group.
    #[derive(Default)]
    InviteOption:
    #[default]
    FreeAccess "FreeAccess",
    NeedPermission "NeedPermission",
    DisableInvite "DisableInvite",
}
