//! The commands of accounts.

use super::{
    Description, Field,
    Shape::{self, List, Number, Object, Text},
    may, must,
};

const CODE: Field = must("ResultCode", Number, "0, or why this item was refused.");
const INFO: Field = must("ResultInfo", Text, "The same in words.");
const USER_ITEM: Shape = Object(&[must("UserID", Text, "The user.")]);

pub(super) const ACCOUNT_IMPORT: Description = Description {
    summary: "Make a user known",
    request: &[
        may(
            "UserID",
            Text,
            "The user, 1 to 32 bytes of printable ASCII without blanks; this or Identifier is required.",
        ),
        may("Identifier", Text, "The same, as older clients say it."),
        may("Nick", Text, "At most 500 bytes."),
        may("FaceUrl", Text, "At most 500 bytes."),
    ],
    reply: &[],
    example: r#"{"UserID":"student1","Nick":"Ann"}"#,
};

pub(super) const MULTIACCOUNT_IMPORT: Description = Description {
    summary: "Make up to 100 users known",
    request: &[
        may("Accounts", List(&Text), "1 to 100 users; this or AccountList is required."),
        may(
            "AccountList",
            List(&Object(&[
                must("UserID", Text, "The user."),
                may("Nick", Text, "At most 500 bytes."),
                may("FaceUrl", Text, "At most 500 bytes."),
            ])),
            "1 to 100 users with their profiles.",
        ),
    ],
    reply: &[must("FailAccounts", List(&Text), "Those who could not be imported.")],
    example: r#"{"Accounts":["student2","student3"]}"#,
};

pub(super) const ACCOUNT_CHECK: Description = Description {
    summary: "Whether users are known",
    request: &[must("CheckItem", List(&USER_ITEM), "1 to 100 users, each as an object with its UserID.")],
    reply: &[must(
        "ResultItem",
        List(&Object(&[
            must("UserID", Text, "The user."),
            CODE,
            INFO,
            must("AccountStatus", Text, "Imported or NotImported."),
        ])),
        "Each.",
    )],
    example: r#"{"CheckItem":[{"UserID":"teacher4"}]}"#,
};

pub(super) const ACCOUNT_DELETE: Description = Description {
    summary: "Forget users and what they organized",
    request: &[must("DeleteItem", List(&USER_ITEM), "1 to 100 users, each as an object with its UserID.")],
    reply: &[must("ResultItem", List(&Object(&[CODE, INFO, must("UserID", Text, "The user.")])), "Each.")],
    example: r#"{"DeleteItem":[{"UserID":"teacher4"}]}"#,
};
