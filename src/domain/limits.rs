//! The limits that a profile can change, and the fixed limits of one call.

/// A named set of limits (decision 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Groups per owner (error 51010 above it).
    pub groups: usize,
    /// Conversations of an owner that are in a group (error 51008 above it).
    pub grouped: usize,
    /// Conversations of an owner that have a mark or custom mark, counted separately (error 51008 above it).
    pub marked: usize,
}

impl Limits {
    /// The limits in Tencent Chat's documentation.
    pub const TENCENT: Limits = Limits { groups: 20, grouped: 1_000, marked: 1_000 };
    /// The highest limits that a profile may set.
    pub const OPEN: Limits = Limits { groups: 100, grouped: 10_000, marked: 10_000 };
}

/// How many things one call may name.
pub mod batch {
    /// Conversations per create, update or mark call (error 51006 above it, and for an empty list).
    pub const CHANGED: usize = 100;
    /// Conversations per search call.
    pub const SEARCHED: usize = 300;
    /// Members per `create_group`.
    pub const FIRST_MEMBERS: usize = 100;
    /// Members per `add_group_member`: the larger of two documented numbers (ambiguity A32).
    pub const ADDED_MEMBERS: usize = 300;
    /// Members per `delete_group_member` (A32) and `get_role_in_group`.
    pub const NAMED_MEMBERS: usize = 500;
    /// Chat groups per `get_joined_group_list`.
    pub const JOINED: usize = 5_000;
    /// Chat groups per page of `get_appid_group_list`.
    pub const LISTED: usize = 10_000;
    /// Accounts per account call.
    pub const ACCOUNTS: usize = 100;
    /// Fields of a profile per profile call.
    pub const PROFILE: usize = 100;
    /// Users per question for their presence, and receivers of a message.
    pub const RECEIVERS: usize = 500;
    /// Messages per `import_group_msg`.
    pub const IMPORTED_MESSAGES: usize = 7;
    /// Chat groups per `get_group_info`.
    pub const CHAT_GROUPS: usize = 50;
    /// Records per page of `get_contact_group`.
    pub const PAGE: usize = 100;
}
