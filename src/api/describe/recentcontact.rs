//! The six commands of conversation groups and marks.

use super::{
    Description, Field,
    Shape::{self, Choice, List, Number, Object, Text},
    may, must,
};
use crate::wire::CONTACT;

const OWNER: Field = must("From_Account", Text, "The user who organizes his conversations.");
const CONTACTS: Shape = List(&CONTACT);
/// What an item echoes: nothing when it could not be read.
const ECHO: Shape = Object(&[
    may("Type", Number, "1 or 2."),
    may("To_Account", Text, "The user."),
    may("ToGroupId", Text, "The chat group."),
]);
const CODE: Field = must("ResultCode", Number, "0, or why this item was refused.");
const INFO: Field = must("ResultInfo", Text, "The same in words.");
const GROUP: Shape = Object(&[
    must("GroupName", Text, "The name of the conversation group."),
    must("GroupId", Number, "Its id; never used again."),
]);
const RECORD: Shape = Object(&[
    must("Type", Number, "1: with a user, 2: in a chat group."),
    may("To_Account", Text, "The user, for Type 1."),
    may("ToGroupId", Text, "The chat group, for Type 2."),
    must("StandardMark", Text, "The marks in binary digits, bit 0 last; empty when there is none."),
    may("CustomMark", Text, "The custom mark, when there is one."),
    may("ContactGroupId", List(&Number), "The conversation groups it is in, when it is in one."),
    must("Timestamp", Number, "When it was last changed, in seconds."),
]);
const RECORDS: Shape = List(&RECORD);

pub(super) const CREATE_CONTACT_GROUP: Description = Description {
    summary: "Create a conversation group, or add conversations to one that exists",
    request: &[
        OWNER,
        must(
            "GroupContactItem",
            List(&Object(&[
                must("GroupName", Text, "1 to 32 bytes."),
                must("ContactItem", CONTACTS, "1 to 100 conversations."),
            ])),
            "Exactly one, with its GroupName and its ContactItem.",
        ),
    ],
    reply: &[must(
        "GroupResultItem",
        List(&Object(&[
            must("GroupItem", GROUP, "The conversation group."),
            must(
                "ResultItem",
                List(&Object(&[must("ContactItem", ECHO, "Which."), CODE, INFO])),
                "Each conversation.",
            ),
        ])),
        "The one group.",
    )],
    example: r#"{"From_Account":"user0","GroupContactItem":[{"GroupName":"friends","ContactItem":[{"Type":1,"To_Account":"teacher4"}]}]}"#,
};

pub(super) const UPDATE_CONTACT_GROUP: Description = Description {
    summary: "Rename a conversation group, or add and remove conversations",
    request: &[
        OWNER,
        must("UpdateType", Choice(&[(1, "the only one defined")]), ""),
        must(
            "UpdateGroup",
            Object(&[
                must(
                    "UpdateGroupType",
                    Choice(&[
                        (1, "rename, with NewGroupName"),
                        (2, "change members, with ContactUpdateItem"),
                    ]),
                    "",
                ),
                must("OldGroupName", Text, "Which group."),
                may("NewGroupName", Text, "Its new name, for UpdateGroupType 1."),
                may(
                    "ContactUpdateItem",
                    List(&Object(&[
                        must("ContactOptType", Choice(&[(1, "add"), (2, "remove")]), ""),
                        must("ContactItem", CONTACT, "Which conversation."),
                    ])),
                    "1 to 100 conversations, for UpdateGroupType 2.",
                ),
            ]),
            "What to change.",
        ),
    ],
    reply: &[
        must("UpdateType", Number, "1."),
        must(
            "UpdateGroupResult",
            Object(&[
                must("UpdateGroupType", Number, "1 or 2."),
                must("GroupName", Text, "Its name now."),
                must("GroupId", Number, "Its id."),
                must("OldGroupName", Text, "Its name before."),
                must(
                    "ContactResultItem",
                    List(&Object(&[
                        must("ContactOptType", Number, "1 or 2."),
                        must("ContactItem", ECHO, "Which."),
                        CODE,
                        INFO,
                    ])),
                    "Each conversation.",
                ),
            ]),
            "What became of it.",
        ),
    ],
    example: r#"{"From_Account":"user0","UpdateType":1,"UpdateGroup":{"UpdateGroupType":1,"OldGroupName":"test1x","NewGroupName":"school"}}"#,
};

pub(super) const DEL_CONTACT_GROUP: Description = Description {
    summary: "Delete a conversation group",
    request: &[OWNER, must("GroupName", List(&Text), "Exactly one name.")],
    reply: &[must("GroupItem", List(&GROUP), "The group that is gone.")],
    example: r#"{"From_Account":"user0","GroupName":["test10"]}"#,
};

pub(super) const MARK_CONTACT: Description = Description {
    summary: "Set and clear marks of conversations",
    request: &[
        OWNER,
        must(
            "MarkItem",
            List(&Object(&[
                must("OptType", Choice(&[(1, "standard marks"), (2, "custom mark"), (3, "both")]), ""),
                may("ContactItem", CONTACT, "Which conversation."),
                may("SetMark", List(&Number), "Bits to set, 0 to 63."),
                may("ClearMark", List(&Number), "Bits to clear, 0 to 63."),
                may("CustomMark", Text, "At most 256 bytes; empty clears it."),
            ])),
            "1 to 100 conversations, each with what to do.",
        ),
    ],
    reply: &[must(
        "ResultItem",
        List(&Object(&[
            may("OptType", Number, "1, 2 or 3."),
            must("ContactItem", ECHO, "Which."),
            CODE,
            INFO,
        ])),
        "Each item.",
    )],
    example: r#"{"From_Account":"user0","MarkItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"teacher4"},"SetMark":[1],"CustomMark":"abcd"}]}"#,
};

pub(super) const SEARCH_CONTACT_GROUP: Description = Description {
    summary: "What is kept about conversations",
    request: &[OWNER, must("ContactItem", CONTACTS, "1 to 300 conversations.")],
    reply: &[
        must("ContactResultItem", RECORDS, "What is kept, in the order asked for."),
        must("GroupItem", List(&GROUP), "The conversation groups of these."),
    ],
    example: r#"{"From_Account":"user0","ContactItem":[{"Type":1,"To_Account":"teacher4"}]}"#,
};

pub(super) const GET_CONTACT_GROUP: Description = Description {
    summary: "Everything that is kept, page by page",
    request: &[OWNER, must("StartIndex", Number, "0, then NextStartIndex of the reply before.")],
    reply: &[
        must("ContactItem", RECORDS, "A page of conversations, by the time of their change."),
        must("GroupItem", List(&GROUP), "All conversation groups, on every page."),
        must("CompleteFlag", Number, "1 when nothing is left."),
        must("NextStartIndex", Number, "Where the next page begins."),
    ],
    example: r#"{"From_Account":"user0","StartIndex":0}"#,
};
