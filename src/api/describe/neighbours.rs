//! Descriptions of the commands for the members and profiles of chat groups that stand beside those that conversation
//! groups need.

use super::{
    Description, Field,
    Shape::{self, Any, Choice, List, Number, Object, Text, Word},
    groups::{
        APPLY_JOIN_OPTION, FACE_URL, GROUP_BASE_INFO_FILTER, GROUP_ID, GROUP_TYPE, INTRODUCTION,
        MAX_MEMBER_COUNT, MEMBER_ACCOUNT, MEMBER_INFO_FILTER, NOTIFICATION, ROLE, info,
    },
    may, must,
};
use crate::domain::InviteOption;

const IS_WANTED: Shape = Choice(&[(0, "no"), (1, "yes")]);

pub(in crate::api) const OPERATOR: Field = may("From_Account", Text, "The user who makes the change.");
pub(in crate::api) const OFFSET: Field = may("Offset", Number, "How many to skip; the default is 0.");

pub(in crate::api) const IMPORTED_ROLE: Field = may("Role", Word(&["Admin", "Member", "Owner"]), "");
pub(in crate::api) const JOIN_TIME: Field =
    may("JoinTime", Number, "When the user joined, in seconds since 1970; the default is now.");
pub(in crate::api) const IMPORTED_MEMBERS: Field = must(
    "MemberList",
    List(&Object(&[
        MEMBER_ACCOUNT,
        IMPORTED_ROLE,
        JOIN_TIME,
        may("UnreadMsgNum", Number, "Ignored."),
        may("MsgSeq", Number, "It has no effect."),
        may("MsgFlag", Text, "Ignored here."),
        may("LastSendMsgTime", Number, "Ignored."),
        may("NameCard", Text, "Ignored here."),
        may("ShutUpUntil", Number, "Ignored here."),
        may("MuteUntil", Number, "Ignored here."),
        may("AppMemberDefinedData", List(&Any), "Ignored."),
    ])),
    "1 to 300 users.",
);

pub(in crate::api::describe) const IMPORT_GROUP_MEMBER: Description = Description {
    summary: "Add members to a chat group who joined it elsewhere",
    request: &[GROUP_ID, IMPORTED_MEMBERS],
    reply: &[must(
        "MemberList",
        List(&Object(&[
            MEMBER_ACCOUNT,
            must("Result", Number, "0: failed, 1: imported, 2: was a member already."),
        ])),
        "One entry per user, in the order of the request.",
    )],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","MemberList":[{"Member_Account":"teacher4"}]}"#,
};

pub(in crate::api) const JOINED_LIMIT: Field =
    may("Limit", Number, "0 to 5000; without it, or with 0, all groups are listed.");
pub(in crate::api) const WITH_HUGE_GROUPS: Field =
    may("WithHugeGroups", IS_WANTED, "Whether to list the AVChatRooms that the user owns as well.");
pub(in crate::api) const SUPPORT_TOPIC: Field =
    may("SupportTopic", IS_WANTED, "1 needs the GroupType Community, and has no other effect.");
pub(in crate::api) const SELF_INFO_FILTER: Field =
    may("SelfInfoFilter", List(&Text), "The fields of the user's membership to return.");
pub(in crate::api) const JOINED_FILTER: Field = may(
    "ResponseFilter",
    Object(&[GROUP_BASE_INFO_FILTER, SELF_INFO_FILTER]),
    "The fields to return; without it, only the ids.",
);
pub(in crate::api) const UNREAD_MSG_NUM: Field =
    may("UnreadMsgNum", Number, "Always 0, because messages are not kept.");
pub(in crate::api) const SELF_INFO: Field = may(
    "SelfInfo",
    Object(&[info::ROLE, info::JOIN_TIME, info::MSG_FLAG, info::MSG_SEQ, info::NAME_CARD, UNREAD_MSG_NUM]),
    "The membership of the user, if the request asks for it.",
);

pub(in crate::api::describe) const GET_JOINED_GROUP_LIST: Description = Description {
    summary: "List the chat groups that a user is in",
    request: &[
        MEMBER_ACCOUNT,
        JOINED_LIMIT,
        OFFSET,
        GROUP_TYPE,
        WITH_HUGE_GROUPS,
        may("WithNoActiveGroups", Number, "Ignored."),
        SUPPORT_TOPIC,
        JOINED_FILTER,
    ],
    reply: &[
        must("TotalCount", Number, "The number of all matching groups."),
        must(
            "GroupIdList",
            List(&Object(&[
                GROUP_ID,
                info::TYPE,
                info::NAME,
                info::APP_ID,
                info::INTRODUCTION,
                info::NOTIFICATION,
                info::FACE_URL,
                info::OWNER_ACCOUNT,
                info::CREATE_TIME,
                info::LAST_INFO_TIME,
                info::LAST_MSG_TIME,
                info::NEXT_MSG_SEQ,
                info::MEMBER_NUM,
                info::MAX_MEMBER_NUM,
                info::APPLY_JOIN_OPTION,
                info::INVITE_JOIN_OPTION,
                info::MUTE_ALL_MEMBER,
                info::SHUT_UP_ALL_MEMBER,
                SELF_INFO,
            ])),
            "The groups, sorted by their ids, with the fields that the request asks for.",
        ),
    ],
    example: r#"{"Member_Account":"user0"}"#,
};

pub(in crate::api) const MEMBER_LIMIT: Field =
    may("Limit", Number, "0 to 6000; without it, or with 0, all members are listed.");
pub(in crate::api) const MEMBER_NEXT: Field =
    may("Next", Text, "For a community instead of Offset: empty, or the Next of the previous reply.");
pub(in crate::api) const MEMBER_ROLE_FILTER: Field = may(
    "MemberRoleFilter",
    List(&Word(&["Owner", "Admin", "Member"])),
    "Lists only members with these roles.",
);

pub(in crate::api::describe) const GET_GROUP_MEMBER_INFO: Description = Description {
    summary: "List the members of a chat group",
    request: &[
        GROUP_ID,
        MEMBER_LIMIT,
        OFFSET,
        MEMBER_NEXT,
        MEMBER_INFO_FILTER,
        MEMBER_ROLE_FILTER,
        may("AppDefinedDataFilter_GroupMember", List(&Text), "Ignored."),
    ],
    reply: &[
        may("Next", Text, "Only for a community: the Next to continue with, or empty at the end."),
        must("MemberNum", Number, "The number of all members, whatever is listed."),
        must("MemberList", List(&info::MEMBER), "The owner, and then the members in the order of joining."),
    ],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","Limit":100,"Offset":0}"#,
};

pub(in crate::api) const NEW_NAME: Field = may("Name", Text, "1 to 30 bytes.");
pub(in crate::api) const MAX_MEMBER_NUM: Field =
    may("MaxMemberNum", Number, "1 to 6000, and not below the number of members.");
pub(in crate::api) const INVITE_JOIN_OPTION: Field = may("InviteJoinOption", Word(InviteOption::NAMES), "");
pub(in crate::api) const MUTE_ALL_MEMBER: Field = may("MuteAllMember", Word(&["On", "Off"]), "");
pub(in crate::api) const SHUT_UP_ALL_MEMBER: Field = may("ShutUpAllMember", Word(&["On", "Off"]), "");

pub(in crate::api::describe) const MODIFY_GROUP_BASE_INFO: Description = Description {
    summary: "Change the profile of a chat group",
    request: &[
        GROUP_ID,
        OPERATOR,
        NEW_NAME,
        INTRODUCTION,
        NOTIFICATION,
        FACE_URL,
        MAX_MEMBER_NUM,
        MAX_MEMBER_COUNT,
        APPLY_JOIN_OPTION,
        INVITE_JOIN_OPTION,
        MUTE_ALL_MEMBER,
        SHUT_UP_ALL_MEMBER,
        may("AppDefinedData", List(&Any), "Ignored."),
        may("EnablePermission", Number, "Ignored."),
        may("DefaultPermission", Number, "Ignored."),
        may("HistoryMsgBeforeJoin", Any, "Ignored."),
    ],
    reply: &[],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","Name":"Class 1"}"#,
};

pub(in crate::api) const NAME_CARD: Field = may("NameCard", Text, "At most 50 bytes.");
pub(in crate::api) const MSG_FLAG: Field =
    may("MsgFlag", Word(&["AcceptAndNotify", "AcceptNotNotify", "Discard"]), "");
pub(in crate::api) const MUTE_TIME: Field =
    may("MuteTime", Number, "Seconds, or 0; it is checked, and nobody is muted.");
pub(in crate::api) const SHUT_UP_TIME: Field = may("ShutUpTime", Number, "The older name of MuteTime.");
pub(in crate::api) const MUTE_UNTIL: Field =
    may("MuteUntil", Number, "Seconds since 1970, instead of MuteTime.");
pub(in crate::api) const SHUT_UP_UNTIL: Field = may("ShutUpUntil", Number, "The older name of MuteUntil.");

pub(in crate::api::describe) const MODIFY_GROUP_MEMBER_INFO: Description = Description {
    summary: "Change the role or the name of a member of a chat group",
    request: &[
        GROUP_ID,
        MEMBER_ACCOUNT,
        ROLE,
        MSG_FLAG,
        NAME_CARD,
        MUTE_TIME,
        SHUT_UP_TIME,
        MUTE_UNTIL,
        SHUT_UP_UNTIL,
        may("AppMemberDefinedData", List(&Any), "Ignored."),
    ],
    reply: &[],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","Member_Account":"user0","NameCard":"Ada"}"#,
};

pub(in crate::api) const NEW_OWNER_ACCOUNT: Field = must("NewOwner_Account", Text, "A member of the group.");

pub(in crate::api::describe) const CHANGE_GROUP_OWNER: Description = Description {
    summary: "Make a member the owner of a chat group",
    request: &[GROUP_ID, NEW_OWNER_ACCOUNT, OPERATOR],
    reply: &[],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","NewOwner_Account":"user0"}"#,
};

pub(in crate::api::describe) const GET_ONLINE_MEMBER_NUM: Description = Description {
    summary: "Count the users who are online in an AVChatRoom",
    request: &[GROUP_ID],
    reply: &[must("OnlineMemberNum", Number, "Always 0, because confold does not track who is online.")],
    example: r#"{"GroupId":"@TGS#aC4SZEAEL"}"#,
};
