//! Descriptions of confold's own commands (decision 33).

use super::{
    Description, Field,
    Shape::{self, Choice, List, Number, Text},
    may, must,
    recentcontact::{COMPLETE_FLAG, NEXT_START_INDEX, OWNER, RECORDS, START_INDEX},
};

const BITS: Shape = List(&Number);

pub(in crate::api) const ALL: Field =
    may("All", BITS, "Bits 0 to 63 of standard marks that must all be set.");
pub(in crate::api) const ANY: Field =
    may("Any", BITS, "Bits 0 to 63 of standard marks of which at least one must be set.");
pub(in crate::api) const NONE: Field =
    may("None", BITS, "Bits 0 to 63 of standard marks of which none may be set.");
pub(in crate::api) const IN_GROUP: Field =
    may("GroupName", Text, "The conversation group that must contain the conversation.");
pub(in crate::api) const NOT_IN_GROUP: Field =
    may("NotInGroup", Text, "The conversation group that must not contain the conversation.");
pub(in crate::api) const CUSTOM_PREFIX: Field =
    may("CustomPrefix", Text, "What the custom mark must begin with, at most 256 bytes.");
pub(in crate::api) const KIND: Field = may("Type", Choice(&[(1, "one-to-one"), (2, "chat group")]), "");

pub(super) const SEARCH: Description = Description {
    summary: "List the conversations whose marks and groups meet conditions, page by page",
    request: &[OWNER, ALL, ANY, NONE, IN_GROUP, NOT_IN_GROUP, CUSTOM_PREFIX, KIND, START_INDEX],
    reply: &[
        must(
            "ContactItem",
            RECORDS,
            "One page of the conversations that meet all conditions, in the order of their last change.",
        ),
        COMPLETE_FLAG,
        NEXT_START_INDEX,
    ],
    example: r#"{"From_Account":"user0","All":[0,3],"GroupName":"test10","StartIndex":0}"#,
};
