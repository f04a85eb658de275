//! Descriptions of the six commands of conversation groups and marks.

use super::{
    Description, Field,
    Shape::{self, Choice, List, Number, Object, Text},
    may, must,
};
use crate::wire::CONTACT;

/// The owner whose data a call reads or changes.
pub const OWNER: Field = must("From_Account", Text, "The user whose conversations are organized.");
/// `IfInState`, an extension: the state that the owner must have.
pub(in crate::api) const IF_IN_STATE: Field = may(
    "IfInState",
    Text,
    "An extension of confold: the State that the owner must have; otherwise the call is refused and changes nothing.",
);
const CONTACTS: Shape = List(&CONTACT);
/// The conversation that the result of an item repeats; empty if the item could not be read.
pub(super) const ECHO: Shape = Object(&[
    may("Type", Number, "1 or 2."),
    may("To_Account", Text, "The user."),
    may("ToGroupId", Text, "The chat group."),
]);
const CODE: Field = must("ResultCode", Number, "0 on success, otherwise the error code.");
const INFO: Field = must("ResultInfo", Text, "The reason in words; empty on success.");
pub(super) const GROUP: Shape = Object(&[
    must("GroupName", Text, "The name of the conversation group."),
    must("GroupId", Number, "Its id, which is never assigned to another group."),
]);
pub(super) const RECORD: Shape = Object(&[
    must("Type", Number, "1: one-to-one, 2: chat group."),
    may("To_Account", Text, "The user, for Type 1."),
    may("ToGroupId", Text, "The chat group, for Type 2."),
    must("StandardMark", Text, "The standard marks as binary digits, bit 0 last; empty if none is set."),
    may("CustomMark", Text, "The custom mark, if one is set."),
    may("ContactGroupId", List(&Number), "The ids of the conversation groups that contain it, if any."),
    must("Timestamp", Number, "When it was last changed, in seconds since 1970."),
]);
pub(super) const RECORDS: Shape = List(&RECORD);

pub(in crate::api) const GROUP_NAME: Field = must("GroupName", Text, "1 to 32 bytes.");
pub(in crate::api) const GROUPED: Field = must("ContactItem", CONTACTS, "1 to 100 conversations.");
pub(in crate::api) const GROUP_CONTACT_ITEM: Field = must(
    "GroupContactItem",
    List(&Object(&[GROUP_NAME, GROUPED])),
    "Exactly one element, with a GroupName and a ContactItem.",
);

pub(super) const CREATE_CONTACT_GROUP: Description = Description {
    summary: "Create a conversation group, or add conversations to one that exists",
    request: &[OWNER, GROUP_CONTACT_ITEM, IF_IN_STATE],
    reply: &[must(
        "GroupResultItem",
        List(&Object(&[
            must("GroupItem", GROUP, "The conversation group."),
            must(
                "ResultItem",
                List(&Object(&[must("ContactItem", ECHO, "The conversation."), CODE, INFO])),
                "One result per conversation, in the order of the request.",
            ),
        ])),
        "The group; the array always has one element.",
    )],
    example: r#"{"From_Account":"user0","GroupContactItem":[{"GroupName":"friends","ContactItem":[{"Type":1,"To_Account":"teacher4"}]}]}"#,
};

pub(in crate::api) const UPDATE_TYPE: Field = must("UpdateType", Choice(&[(1, "the only one defined")]), "");
pub(in crate::api) const UPDATE_GROUP_TYPE: Field = must(
    "UpdateGroupType",
    Choice(&[(1, "rename, with NewGroupName"), (2, "change members, with ContactUpdateItem")]),
    "",
);
pub(in crate::api) const OLD_GROUP_NAME: Field = must("OldGroupName", Text, "The current name of the group.");
pub(in crate::api) const NEW_GROUP_NAME: Field =
    may("NewGroupName", Text, "The new name, for UpdateGroupType 1.");
pub(in crate::api) const CONTACT_OPT_TYPE: Field =
    must("ContactOptType", Choice(&[(1, "add"), (2, "remove")]), "");
pub(in crate::api) const UPDATED: Field = must("ContactItem", CONTACT, "The conversation.");
pub(in crate::api) const CONTACT_UPDATE_ITEM: Field = may(
    "ContactUpdateItem",
    List(&Object(&[CONTACT_OPT_TYPE, UPDATED])),
    "1 to 100 conversations, for UpdateGroupType 2.",
);
pub(in crate::api) const UPDATE_GROUP: Field = must(
    "UpdateGroup",
    Object(&[UPDATE_GROUP_TYPE, OLD_GROUP_NAME, NEW_GROUP_NAME, CONTACT_UPDATE_ITEM]),
    "What to change.",
);

pub(super) const UPDATE_CONTACT_GROUP: Description = Description {
    summary: "Rename a conversation group, or add and remove conversations",
    request: &[OWNER, UPDATE_TYPE, UPDATE_GROUP, IF_IN_STATE],
    reply: &[
        must("UpdateType", Number, "1."),
        must(
            "UpdateGroupResult",
            Object(&[
                must("UpdateGroupType", Number, "1 or 2."),
                must("GroupName", Text, "The name of the group after the update."),
                must("GroupId", Number, "Its id."),
                must("OldGroupName", Text, "The name of the group before the update."),
                must(
                    "ContactResultItem",
                    List(&Object(&[
                        must("ContactOptType", Number, "1 or 2."),
                        must("ContactItem", ECHO, "The conversation."),
                        CODE,
                        INFO,
                    ])),
                    "One result per conversation, in the order of the request.",
                ),
            ]),
            "The result.",
        ),
    ],
    example: r#"{"From_Account":"user0","UpdateType":1,"UpdateGroup":{"UpdateGroupType":1,"OldGroupName":"test1x","NewGroupName":"school"}}"#,
};

pub(in crate::api) const DELETED: Field = must("GroupName", List(&Text), "Exactly one name.");

pub(super) const DEL_CONTACT_GROUP: Description = Description {
    summary: "Delete a conversation group",
    request: &[OWNER, DELETED, IF_IN_STATE],
    reply: &[must("GroupItem", List(&GROUP), "The deleted group.")],
    example: r#"{"From_Account":"user0","GroupName":["test10"]}"#,
};

pub(in crate::api) const OPT_TYPE: Field =
    must("OptType", Choice(&[(1, "standard marks"), (2, "custom mark"), (3, "both")]), "");
pub(in crate::api) const MARKED: Field = may("ContactItem", CONTACT, "The conversation.");
pub(in crate::api) const SET_MARK: Field = may("SetMark", List(&Number), "Bits to set, 0 to 63.");
pub(in crate::api) const CLEAR_MARK: Field = may("ClearMark", List(&Number), "Bits to clear, 0 to 63.");
pub(in crate::api) const CUSTOM_MARK: Field = may("CustomMark", Text, "At most 256 bytes; empty clears it.");
pub(in crate::api) const MARK_ITEM: Field = must(
    "MarkItem",
    List(&Object(&[OPT_TYPE, MARKED, SET_MARK, CLEAR_MARK, CUSTOM_MARK])),
    "1 to 100 conversations, each with its changes.",
);

pub(super) const MARK_CONTACT: Description = Description {
    summary: "Set and clear marks of conversations",
    request: &[OWNER, MARK_ITEM, IF_IN_STATE],
    reply: &[must(
        "ResultItem",
        List(&Object(&[
            may("OptType", Number, "1, 2 or 3."),
            must("ContactItem", ECHO, "The conversation."),
            CODE,
            INFO,
        ])),
        "One result per item, in the order of the request.",
    )],
    example: r#"{"From_Account":"user0","MarkItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"teacher4"},"SetMark":[1],"CustomMark":"abcd"}]}"#,
};

pub(in crate::api) const SEARCHED: Field = must("ContactItem", CONTACTS, "1 to 300 conversations.");

pub(super) const SEARCH_CONTACT_GROUP: Description = Description {
    summary: "Look up given conversations",
    request: &[OWNER, SEARCHED],
    reply: &[
        must(
            "ContactResultItem",
            RECORDS,
            "The records of these conversations, in the order of the request.",
        ),
        must("GroupItem", List(&GROUP), "The conversation groups that contain them."),
    ],
    example: r#"{"From_Account":"user0","ContactItem":[{"Type":1,"To_Account":"teacher4"}]}"#,
};

/// The position at which the requested page begins.
pub const START_INDEX: Field =
    must("StartIndex", Number, "0 for the first page, then the NextStartIndex of the previous reply.");

pub(in crate::api) const COMPLETE_FLAG: Field =
    must("CompleteFlag", Number, "1 on the last page, otherwise 0.");
pub(super) const NEXT_START_INDEX: Field =
    must("NextStartIndex", Number, "The StartIndex of the next page; 0 on the last page.");

pub(super) const GET_CONTACT_GROUP: Description = Description {
    summary: "List all conversation groups and conversations, page by page",
    request: &[OWNER, START_INDEX],
    reply: &[
        must("ContactItem", RECORDS, "One page of conversations, in the order of their last change."),
        must("GroupItem", List(&GROUP), "All conversation groups, on every page."),
        COMPLETE_FLAG,
        NEXT_START_INDEX,
    ],
    example: r#"{"From_Account":"user0","StartIndex":0}"#,
};
