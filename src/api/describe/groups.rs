//! Descriptions of the chat group commands.

use super::{
    Description, Field,
    Shape::{self, List, Number, Object, Text, Word},
    may, must,
};
use crate::domain::{ChatGroupKind, JoinOption};

pub(in crate::api) const MEMBER_ACCOUNT: Field = must("Member_Account", Text, "The user.");
pub(in crate::api) const ROLE: Field = may("Role", Word(&["Admin", "Member"]), "");
const MEMBER: Shape = Object(&[MEMBER_ACCOUNT, ROLE]);
pub(in crate::api) const GROUP_ID: Field = must("GroupId", Text, "The id of the chat group.");

pub(in crate::api) const TYPE: Field = must("Type", Word(ChatGroupKind::NAMES), "");
pub(in crate::api) const NAME: Field = must("Name", Text, "1 to 30 bytes.");
pub(in crate::api) const OWNER_ACCOUNT: Field = may("Owner_Account", Text, "The user who owns it.");
pub(in crate::api) const NEW_GROUP_ID: Field =
    may("GroupId", Text, "The id of the group; if it is absent or empty, one is generated.");
pub(in crate::api) const INTRODUCTION: Field = may("Introduction", Text, "At most 240 bytes.");
pub(in crate::api) const NOTIFICATION: Field = may("Notification", Text, "At most 300 bytes.");
pub(in crate::api) const FACE_URL: Field =
    may("FaceUrl", Text, "The URL of the group's portrait, at most 100 bytes.");
pub(in crate::api) const MAX_MEMBER_COUNT: Field =
    may("MaxMemberCount", Number, "1 to 6000; the default is 2000.");
pub(in crate::api) const APPLY_JOIN_OPTION: Field = may("ApplyJoinOption", Word(JoinOption::NAMES), "");
pub(in crate::api) const CREATE_TIME: Field =
    may("CreateTime", Number, "In seconds since 1970; only for import_group.");
pub(in crate::api) const FIRST_MEMBERS: Field =
    may("MemberList", List(&MEMBER), "At most 100 members; only for create_group.");

const CHAT_GROUP: &[Field] = &[
    TYPE,
    NAME,
    OWNER_ACCOUNT,
    NEW_GROUP_ID,
    INTRODUCTION,
    NOTIFICATION,
    FACE_URL,
    MAX_MEMBER_COUNT,
    APPLY_JOIN_OPTION,
    CREATE_TIME,
    FIRST_MEMBERS,
];

const MADE: &[Field] = &[
    must("GroupId", Text, "Its id."),
    may("Type", Text, "Only for a community."),
    may("HugeGroupFlag", Number, "Only for a community."),
];

pub(super) const CREATE_GROUP: Description = Description {
    summary: "Create a chat group",
    request: CHAT_GROUP,
    reply: MADE,
    example: r#"{"Type":"Public","Name":"Class 1","GroupId":"class1","Owner_Account":"user0"}"#,
};

pub(super) const IMPORT_GROUP: Description = Description {
    summary: "Create a chat group that was exported from elsewhere",
    request: CHAT_GROUP,
    reply: MADE,
    example: r#"{"Type":"Public","Name":"Class 2","GroupId":"@TGS#class2"}"#,
};

pub(super) const DESTROY_GROUP: Description = Description {
    summary: "Disband a chat group, and hide everything that users organized with it",
    request: &[GROUP_ID],
    reply: &[],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2"}"#,
};

pub(in crate::api) const GROUP_ID_LIST: Field = must("GroupIdList", List(&Text), "1 to 50 ids.");
pub(in crate::api) const GROUP_BASE_INFO_FILTER: Field =
    may("GroupBaseInfoFilter", List(&Text), "The group fields to return.");
pub(in crate::api) const MEMBER_INFO_FILTER: Field =
    may("MemberInfoFilter", List(&Text), "The member fields to return.");
pub(in crate::api) const RESPONSE_FILTER: Field = may(
    "ResponseFilter",
    Object(&[
        GROUP_BASE_INFO_FILTER,
        MEMBER_INFO_FILTER,
        may("AppDefinedDataFilter_Group", List(&Text), "Ignored."),
        may("AppDefinedDataFilter_GroupMember", List(&Text), "Ignored."),
    ]),
    "The fields to return; all of them if it is absent.",
);

/// The fields that `get_group_info` returns for a chat group.
pub(in crate::api) mod info {
    use super::{
        Field,
        Shape::{self, List, Number, Object, Text},
        may, must,
    };

    pub(in crate::api) const GROUP_ID: Field = must("GroupId", Text, "Its id.");
    pub(in crate::api) const ERROR_CODE: Field = must(
        "ErrorCode",
        Number,
        "0 on success, otherwise the error code that explains why the group is not described.",
    );
    pub(in crate::api) const ERROR_INFO: Field =
        must("ErrorInfo", Text, "The reason in words; empty on success.");
    pub(in crate::api) const TYPE: Field = may("Type", Text, "The type of the group.");
    pub(in crate::api) const NAME: Field = may("Name", Text, "Its name.");
    pub(in crate::api) const APP_ID: Field = may("Appid", Number, "The app it belongs to.");
    pub(in crate::api) const INTRODUCTION: Field = may("Introduction", Text, "Its introduction.");
    pub(in crate::api) const NOTIFICATION: Field = may("Notification", Text, "Its notification.");
    pub(in crate::api) const FACE_URL: Field = may("FaceUrl", Text, "The URL of its portrait.");
    pub(in crate::api) const OWNER_ACCOUNT: Field =
        may("Owner_Account", Text, "Its owner; empty if it has none.");
    pub(in crate::api) const CREATE_TIME: Field =
        may("CreateTime", Number, "When it was created, in seconds since 1970.");
    pub(in crate::api) const LAST_INFO_TIME: Field =
        may("LastInfoTime", Number, "When its profile was last changed, in seconds since 1970.");
    pub(in crate::api) const LAST_MSG_TIME: Field =
        may("LastMsgTime", Number, "The time of the last message; 0 if there was none.");
    pub(in crate::api) const NEXT_MSG_SEQ: Field =
        may("NextMsgSeq", Number, "The number that the next message will get.");
    pub(in crate::api) const MEMBER_NUM: Field =
        may("MemberNum", Number, "The number of members, including the owner.");
    pub(in crate::api) const MAX_MEMBER_NUM: Field =
        may("MaxMemberNum", Number, "The maximum number of members.");
    pub(in crate::api) const APPLY_JOIN_OPTION: Field =
        may("ApplyJoinOption", Text, "How users may join it.");
    pub(in crate::api) const INVITE_JOIN_OPTION: Field =
        may("InviteJoinOption", Text, "How users may be invited; only if it is asked for.");
    pub(in crate::api) const MUTE_ALL_MEMBER: Field =
        may("MuteAllMember", Text, "On or Off; it is kept, and nothing depends on it.");
    pub(in crate::api) const SHUT_UP_ALL_MEMBER: Field =
        may("ShutUpAllMember", Text, "The older name of MuteAllMember; only if it is asked for.");

    pub(in crate::api) const MEMBER_ACCOUNT: Field = must("Member_Account", Text, "The user.");
    pub(in crate::api) const ROLE: Field = may("Role", Text, "Owner, Admin or Member.");
    pub(in crate::api) const JOIN_TIME: Field =
        may("JoinTime", Number, "When the user joined, in seconds since 1970.");
    pub(in crate::api) const MSG_SEQ: Field =
        may("MsgSeq", Number, "Always 0, because messages are not kept.");
    pub(in crate::api) const MSG_FLAG: Field = may("MsgFlag", Text, "Always AcceptAndNotify.");
    pub(in crate::api) const LAST_SEND_MSG_TIME: Field =
        may("LastSendMsgTime", Number, "Always 0, because messages are not kept.");
    pub(in crate::api) const MUTE_UNTIL: Field =
        may("MuteUntil", Number, "Always 0, because nobody is muted.");
    pub(in crate::api) const SHUT_UP_UNTIL: Field =
        may("ShutUpUntil", Number, "The older name of MuteUntil; only if it is asked for.");
    pub(in crate::api) const NAME_CARD: Field = may("NameCard", Text, "The name of the member in the group.");

    pub(in crate::api) const MEMBER: Shape = Object(&[
        MEMBER_ACCOUNT,
        ROLE,
        JOIN_TIME,
        MSG_SEQ,
        MSG_FLAG,
        LAST_SEND_MSG_TIME,
        MUTE_UNTIL,
        SHUT_UP_UNTIL,
        NAME_CARD,
    ]);
    pub(in crate::api) const MEMBER_LIST: Field = may(
        "MemberList",
        List(&MEMBER),
        "Its members; absent for an AVChatRoom. They have a NameCard if it is asked for.",
    );

    pub(super) const ALL: &[Field] = &[
        GROUP_ID,
        ERROR_CODE,
        ERROR_INFO,
        TYPE,
        NAME,
        APP_ID,
        INTRODUCTION,
        NOTIFICATION,
        FACE_URL,
        OWNER_ACCOUNT,
        CREATE_TIME,
        LAST_INFO_TIME,
        LAST_MSG_TIME,
        NEXT_MSG_SEQ,
        MEMBER_NUM,
        MAX_MEMBER_NUM,
        APPLY_JOIN_OPTION,
        INVITE_JOIN_OPTION,
        MUTE_ALL_MEMBER,
        SHUT_UP_ALL_MEMBER,
        MEMBER_LIST,
    ];
}

pub(super) const GET_GROUP_INFO: Description = Description {
    summary: "Get the fields of chat groups",
    request: &[GROUP_ID_LIST, RESPONSE_FILTER],
    reply: &[must("GroupInfo", List(&Object(info::ALL)), "One entry per group, with the requested fields.")],
    example: r#"{"GroupIdList":["@TGS#1N3RSUYG2"]}"#,
};

pub(in crate::api) const LIMIT: Field = may("Limit", Number, "1 to 10000; the default is 10000.");
pub(in crate::api) const NEXT: Field =
    may("Next", Number, "0 for the first page, then the Next of the previous reply.");
pub(in crate::api) const GROUP_TYPE: Field = may(
    "GroupType",
    Word(ChatGroupKind::NAMES),
    "Lists only groups of this type; all types if it is absent or empty.",
);

pub(super) const GET_APPID_GROUP_LIST: Description = Description {
    summary: "List the chat groups of the app",
    request: &[LIMIT, NEXT, GROUP_TYPE],
    reply: &[
        must("TotalCount", Number, "The total number of matching groups."),
        must("GroupIdList", List(&Object(&[GROUP_ID])), "The ids of one page of groups."),
        must("Next", Number, "The Next to request the following page with; 0 on the last page."),
    ],
    example: r#"{"Limit":10}"#,
};

pub(in crate::api) const MEMBER_LIST: Field =
    must("MemberList", List(&MEMBER), "1 to 300 users, each as an object with its Member_Account.");
const SILENCE: Field = may("Silence", Number, "Ignored.");

pub(super) const ADD_GROUP_MEMBER: Description = Description {
    summary: "Add members to a chat group",
    request: &[GROUP_ID, MEMBER_LIST, SILENCE],
    reply: &[must(
        "MemberList",
        List(&Object(&[
            MEMBER_ACCOUNT,
            must("Result", Number, "0: failed, 1: added, 2: was a member already."),
        ])),
        "One entry per user, in the order of the request.",
    )],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","MemberList":[{"Member_Account":"teacher4"}]}"#,
};

pub(in crate::api) const MEMBER_TO_DEL_ACCOUNT: Field =
    must("MemberToDel_Account", List(&Text), "1 to 500 users.");

pub(super) const DELETE_GROUP_MEMBER: Description = Description {
    summary: "Remove members from a chat group",
    request: &[GROUP_ID, MEMBER_TO_DEL_ACCOUNT, SILENCE, may("Reason", Text, "Ignored.")],
    reply: &[],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","MemberToDel_Account":["teacher4"]}"#,
};

pub(in crate::api) const USER_ACCOUNT: Field = must("User_Account", List(&Text), "1 to 500 users.");

pub(super) const GET_ROLE_IN_GROUP: Description = Description {
    summary: "Get the roles of users in a chat group",
    request: &[GROUP_ID, USER_ACCOUNT],
    reply: &[must(
        "UserIdList",
        List(&Object(&[MEMBER_ACCOUNT, must("Role", Text, "Owner, Admin, Member or NotMember.")])),
        "One entry per user, in the order of the request.",
    )],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","User_Account":["teacher4"]}"#,
};
