//! Descriptions of the commands of the recent list.

use super::{
    Description, Field,
    Shape::{self, Choice, List, Number, Object, Text},
    may, must,
    recentcontact::OWNER,
};

const KINDS: Shape =
    Choice(&[(1, "one-to-one, with To_Account"), (2, "group, with the id of the chat group")]);

pub(in crate::api) const TYPE: Field = must("Type", KINDS, "");
pub(in crate::api) const LOWER_TYPE: Field =
    may("type", KINDS, "Another spelling of Type, which some clients use.");
pub(in crate::api) const TO_ACCOUNT: Field = may("To_Account", Text, "The user, for Type 1.");
pub(in crate::api) const GROUP_ID: Field = may("GroupId", Text, "The chat group, for Type 2.");
pub(in crate::api) const TO_GROUPID: Field = may("ToGroupid", Text, "The chat group, for Type 2.");
pub(in crate::api) const TO_GROUP_ID: Field =
    may("ToGroupId", Text, "Another spelling of ToGroupid, which some clients use.");
pub(in crate::api) const CLEAR_RAMBLE: Field = may(
    "ClearRamble",
    Choice(&[(0, "keep the messages"), (1, "clear them")]),
    "0 or 1; it has no effect, because confold keeps no messages.",
);

pub(in crate::api) const TIME_STAMP: Field =
    must("TimeStamp", Number, "0 for the first page, then the TimeStamp of the previous reply.");
pub(in crate::api) const START_INDEX: Field =
    must("StartIndex", Number, "0, or the StartIndex of the previous reply, which is always 0.");
pub(in crate::api) const TOP_TIME_STAMP: Field =
    must("TopTimeStamp", Number, "0 for the first page, then the TopTimeStamp of the previous reply.");
pub(in crate::api) const TOP_START_INDEX: Field =
    must("TopStartIndex", Number, "0, or the TopStartIndex of the previous reply, which is always 0.");
pub(in crate::api) const ASSIST_FLAGS: Field = must(
    "AssistFlags",
    Number,
    "A bit field: bit 0 lists pinned conversations first, bit 1 also those without a message, bits 4 and 5 bring marks and \
     conversation groups. Other bits have no effect.",
);
pub(in crate::api) const COMPLETE_FLAG: Field =
    must("CompleteFlag", Number, "1 if nothing is left, otherwise 0.");

pub(super) const GET_LIST: Description = Description {
    summary: "List the recent conversations of a user, page by page",
    request: &[OWNER, TIME_STAMP, START_INDEX, TOP_TIME_STAMP, TOP_START_INDEX, ASSIST_FLAGS],
    reply: &[
        must(
            "SessionItem",
            List(&Object(&[
                must("Type", Number, "1: one-to-one, 2: chat group."),
                TO_ACCOUNT,
                GROUP_ID,
                must("MsgTime", Number, "The time of the newest message, in seconds since 1970."),
                must("TopFlag", Number, "1 if the conversation is pinned, otherwise 0."),
                may("StandardMark", Text, "The standard marks as binary digits, if any is set."),
                may("CustomMark", Text, "The custom mark, if one is set."),
                may(
                    "ContactGroupId",
                    List(&Number),
                    "The ids of the conversation groups that contain it, if any.",
                ),
            ])),
            "The pinned conversations, then the others, each in the order of MsgTime.",
        ),
        COMPLETE_FLAG,
        must("TimeStamp", Number, "The TimeStamp of the next call."),
        must("StartIndex", Number, "0."),
        must("TopTimeStamp", Number, "The TopTimeStamp of the next call."),
        must("TopStartIndex", Number, "0."),
    ],
    example: r#"{"From_Account":"user0","TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"AssistFlags":63}"#,
};

pub(super) const DELETE: Description = Description {
    summary: "Take a conversation out of the recent list",
    request: &[OWNER, TYPE, LOWER_TYPE, TO_ACCOUNT, TO_GROUPID, TO_GROUP_ID, CLEAR_RAMBLE],
    reply: &[],
    example: r#"{"From_Account":"user0","Type":1,"To_Account":"teacher4","ClearRamble":1}"#,
};

pub(in crate::api) const OPERATION_TYPE: Field =
    must("OperationType", Choice(&[(1, "pin"), (2, "unpin")]), "");
pub(in crate::api) const RECENT_CONTACT_ITEM: Field =
    must("RecentContactItem", List(&Object(&[TYPE, TO_ACCOUNT, GROUP_ID])), "1 to 100 conversations.");

pub(super) const TOP: Description = Description {
    summary: "Pin and unpin conversations in the recent list, an extension (setting `extensions`)",
    request: &[OWNER, OPERATION_TYPE, RECENT_CONTACT_ITEM],
    reply: &[],
    example: r#"{"From_Account":"user0","OperationType":1,"RecentContactItem":[{"Type":1,"To_Account":"teacher4"}]}"#,
};

pub(in crate::api) const CONTACT_ITEM: Field = must(
    "ContactItem",
    List(&Object(&[TYPE, LOWER_TYPE, TO_ACCOUNT, TO_GROUPID, TO_GROUP_ID])),
    "1 to 100 conversations.",
);

pub(super) const BATCH_DELETE: Description = Description {
    summary: "Take conversations out of the recent list, an extension (setting `extensions`)",
    request: &[OWNER, CONTACT_ITEM, CLEAR_RAMBLE],
    reply: &[must(
        "ResultItem",
        List(&Object(&[
            must("Type", Number, "1 or 2."),
            TO_ACCOUNT,
            TO_GROUPID,
            must("ResultCode", Number, "0, because deleting always works."),
            must("ResultInfo", Text, "Empty."),
        ])),
        "One result per conversation, in the order of the request.",
    )],
    example: r#"{"From_Account":"user0","ContactItem":[{"Type":1,"To_Account":"teacher4"}],"ClearRamble":0}"#,
};
