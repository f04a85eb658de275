//! The commands of accounts.

use super::{
    Description, Field,
    Shape::{self, List, Number, Object, Text},
    may, must,
};

const CODE: Field = must("ResultCode", Number, "0, or why this item was refused.");
const INFO: Field = must("ResultInfo", Text, "The same in words.");
pub(in crate::api) const USER: Field = must("UserID", Text, "The user.");
const USER_ITEM: Shape = Object(&[USER]);
const USERS: &str = "1 to 100 users, each as an object with its UserID.";

pub(in crate::api) const IMPORTED_USER: Field = may(
    "UserID",
    Text,
    "The user, 1 to 32 bytes of printable ASCII without blanks; this or Identifier is required.",
);
pub(in crate::api) const IDENTIFIER: Field = may("Identifier", Text, "The same, as older clients say it.");
pub(in crate::api) const NICK: Field = may("Nick", Text, "At most 500 bytes.");
pub(in crate::api) const FACE_URL: Field = may("FaceUrl", Text, "At most 500 bytes.");

pub(super) const ACCOUNT_IMPORT: Description = Description {
    summary: "Make a user known",
    request: &[IMPORTED_USER, IDENTIFIER, NICK, FACE_URL],
    reply: &[],
    example: r#"{"UserID":"student1","Nick":"Ann"}"#,
};

pub(in crate::api) const ACCOUNTS: Field =
    may("Accounts", List(&Text), "1 to 100 users; this or AccountList is required.");
pub(in crate::api) const ACCOUNT_LIST: Field =
    may("AccountList", List(&Object(&[USER, NICK, FACE_URL])), "1 to 100 users with their profiles.");

pub(super) const MULTIACCOUNT_IMPORT: Description = Description {
    summary: "Make up to 100 users known",
    request: &[ACCOUNTS, ACCOUNT_LIST],
    reply: &[must("FailAccounts", List(&Text), "Those who could not be imported.")],
    example: r#"{"Accounts":["student2","student3"]}"#,
};

pub(in crate::api) const CHECK_ITEM: Field = must("CheckItem", List(&USER_ITEM), USERS);

pub(super) const ACCOUNT_CHECK: Description = Description {
    summary: "Whether users are known",
    request: &[CHECK_ITEM],
    reply: &[must(
        "ResultItem",
        List(&Object(&[USER, CODE, INFO, must("AccountStatus", Text, "Imported or NotImported.")])),
        "Each.",
    )],
    example: r#"{"CheckItem":[{"UserID":"teacher4"}]}"#,
};

pub(in crate::api) const DELETE_ITEM: Field = must("DeleteItem", List(&USER_ITEM), USERS);

pub(super) const ACCOUNT_DELETE: Description = Description {
    summary: "Forget users and what they organized",
    request: &[DELETE_ITEM],
    reply: &[must("ResultItem", List(&Object(&[CODE, INFO, USER])), "Each.")],
    example: r#"{"DeleteItem":[{"UserID":"teacher4"}]}"#,
};
