//! The commands of chat groups.

use super::{
    Description, Field,
    Shape::{self, List, Number, Object, Text, Word},
    may, must,
};
use crate::domain::{ChatGroupKind, JoinOption};

const MEMBER: Shape =
    Object(&[must("Member_Account", Text, "The user."), may("Role", Word(&["Admin", "Member"]), "")]);
const GROUP_ID: Field = must("GroupId", Text, "The id of the chat group.");
const PROFILE: [Field; 8] = [
    may("Owner_Account", Text, "Its owner."),
    may("GroupId", Text, "Its id; one is made when it is absent or empty."),
    may("Introduction", Text, "At most 240 bytes."),
    may("Notification", Text, "At most 300 bytes."),
    may("FaceUrl", Text, "The address of its portrait, at most 100 bytes."),
    may("MaxMemberCount", Number, "From 1 to 6000 [2000]."),
    may("ApplyJoinOption", Word(JoinOption::NAMES), ""),
    may("CreateTime", Number, "Seconds; import_group only."),
];
const CHAT_GROUP: &[Field] = &[
    must("Type", Word(ChatGroupKind::NAMES), ""),
    must("Name", Text, "1 to 30 bytes."),
    PROFILE[0],
    PROFILE[1],
    PROFILE[2],
    PROFILE[3],
    PROFILE[4],
    PROFILE[5],
    PROFILE[6],
    PROFILE[7],
    may("MemberList", List(&MEMBER), "Its members, at most 100; create_group only."),
];

const MADE: &[Field] = &[
    must("GroupId", Text, "Its id."),
    may("Type", Text, "For a community."),
    may("HugeGroupFlag", Number, "For a community."),
];

pub(super) const CREATE_GROUP: Description = Description {
    summary: "Create a chat group",
    request: CHAT_GROUP,
    reply: MADE,
    example: r#"{"Type":"Public","Name":"Class 1","GroupId":"class1","Owner_Account":"user0"}"#,
};

pub(super) const IMPORT_GROUP: Description = Description {
    summary: "Take a chat group over that exists elsewhere",
    request: CHAT_GROUP,
    reply: MADE,
    example: r#"{"Type":"Public","Name":"Class 2","GroupId":"@TGS#class2"}"#,
};

pub(super) const DESTROY_GROUP: Description = Description {
    summary: "Disband a chat group; everything kept about it is gone",
    request: &[GROUP_ID],
    reply: &[],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2"}"#,
};

pub(super) const GET_GROUP_INFO: Description = Description {
    summary: "What is known of chat groups",
    request: &[
        must("GroupIdList", List(&Text), "1 to 50 ids."),
        may(
            "ResponseFilter",
            Object(&[
                may("GroupBaseInfoFilter", List(&Text), "Which fields of groups."),
                may("MemberInfoFilter", List(&Text), "Which fields of members."),
                may("AppDefinedDataFilter_Group", List(&Text), "Not looked at."),
                may("AppDefinedDataFilter_GroupMember", List(&Text), "Not looked at."),
            ]),
            "All when it is absent.",
        ),
    ],
    reply: &[must(
        "GroupInfo",
        List(&Object(&[
            must("GroupId", Text, "Its id."),
            must("ErrorCode", Number, "0, or why it is not described."),
            must("ErrorInfo", Text, "The same in words."),
        ])),
        "Each; further fields as asked for.",
    )],
    example: r#"{"GroupIdList":["@TGS#1N3RSUYG2"]}"#,
};

pub(super) const GET_APPID_GROUP_LIST: Description = Description {
    summary: "The chat groups of the app",
    request: &[
        may("Limit", Number, "1 to 10000 [10000]."),
        may("Next", Number, "0, then Next of the reply before."),
        may("GroupType", Word(ChatGroupKind::NAMES), "Only of this type; all when it is empty."),
    ],
    reply: &[
        must("TotalCount", Number, "How many there are."),
        must("GroupIdList", List(&Object(&[GROUP_ID])), "Some of them."),
        must("Next", Number, "Where the next page begins; 0 at the end."),
    ],
    example: r#"{"Limit":10}"#,
};

pub(super) const ADD_GROUP_MEMBER: Description = Description {
    summary: "Add members to a chat group",
    request: &[
        GROUP_ID,
        must("MemberList", List(&MEMBER), "1 to 300 users, each as an object with its Member_Account."),
        may("Silence", Number, "Not looked at."),
    ],
    reply: &[must(
        "MemberList",
        List(&Object(&[
            must("Member_Account", Text, "The user."),
            must("Result", Number, "0: failed, 1: added, 2: was one already."),
        ])),
        "Each.",
    )],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","MemberList":[{"Member_Account":"teacher4"}]}"#,
};

pub(super) const DELETE_GROUP_MEMBER: Description = Description {
    summary: "Remove members from a chat group",
    request: &[
        GROUP_ID,
        must("MemberToDel_Account", List(&Text), "1 to 500 users."),
        may("Silence", Number, "Not looked at."),
        may("Reason", Text, "Not looked at."),
    ],
    reply: &[],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","MemberToDel_Account":["teacher4"]}"#,
};

pub(super) const GET_ROLE_IN_GROUP: Description = Description {
    summary: "What users are in a chat group",
    request: &[GROUP_ID, must("User_Account", List(&Text), "1 to 500 users.")],
    reply: &[must(
        "UserIdList",
        List(&Object(&[
            must("Member_Account", Text, "The user."),
            must("Role", Text, "Owner, Admin, Member or NotMember."),
        ])),
        "Each.",
    )],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","User_Account":["teacher4"]}"#,
};
