//! Chat groups: the directory's side of group conversations.

use super::{ChatGroupLife, Rejection, UnixSeconds, UserId};
use crate::excerpt::quoted;

/// A chat group as the directory keeps it, destroyed ones included: their incarnation is what
/// keeps old records dead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatGroup {
    /// Raised by each destruction (decision 20), up to [`super::MAX_NUMBER`]. A living group is below it, so that it can
    /// always be destroyed once more.
    pub incarnation: u32,
    /// The group itself; `None` while it is destroyed.
    pub profile: Option<ChatGroupProfile>,
    /// How many members it has beside its owner; always 0 for an `AVChatRoom`.
    pub listed: usize,
}

impl ChatGroup {
    /// Where the group stands in its life.
    #[must_use]
    pub fn life(&self) -> ChatGroupLife {
        ChatGroupLife { incarnation: self.incarnation, alive: self.profile.is_some() }
    }

    /// How many members it has, the owner included.
    #[must_use]
    pub fn member_count(&self) -> usize {
        let owner = self.profile.as_ref().and_then(|profile| profile.owner.as_ref());
        self.listed + usize::from(owner.is_some())
    }
}

/// What is known of a living chat group.
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
    /// The most members it may have.
    pub max_members: u32,
    /// How one joins it.
    pub join_option: JoinOption,
    /// When it was created.
    pub created_at: UnixSeconds,
}

/// A member of a chat group who is not its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Whether they administer the group.
    pub admin: bool,
    /// When they joined.
    pub joined_at: UnixSeconds,
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
    /// Its name.
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
    /// How many members a group may have when nothing is said.
    pub const DEFAULT_MEMBERS: u32 = 2_000;
    /// How many members it may have at the most.
    pub const MOST_MEMBERS: u32 = 6_000;

    /// What `user` is in it; `member` is the entry in its list of members, if there is one.
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
            /// All of them. How one is stored is its place here: append, never reorder.
            pub const ALL: &[$type] = &[$($type::$variant,)+];

            /// Their names.
            pub const NAMES: &[&str] = &[$($name,)+];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)+ }
            }

            /// The one of this name.
            ///
            /// # Errors
            /// [`Rejection::Unreadable`] for another name; the text lists the known ones.
            pub fn parse(name: &str) -> Result<$type, Rejection> {
                (Self::ALL.iter().copied().find(|item| item.name() == name)).ok_or_else(|| {
                    Rejection::Unreadable(format!("must be one of {}, found {}", [$($name),+].join(", "), quoted(name)))
                })
            }
        }
    };
}

named! {
    /// The kinds of chat group. `Work` and `Meeting` are newer names of `Private` and `ChatRoom`;
    /// a group keeps the one it was created with.
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
    /// All names of this kind of group: some have an older and a newer one.
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
    /// How one joins a chat group.
    #[derive(Default)]
    JoinOption:
    FreeAccess "FreeAccess",
    #[default]
    NeedPermission "NeedPermission",
    DisableApply "DisableApply",
}
