//! Descriptions of the account commands.

use super::{
    Description, Field,
    Shape::{self, List, Number, Object, Text},
    may, must,
};

const CODE: Field = must("ResultCode", Number, "0 on success, otherwise the error code.");
const INFO: Field = must("ResultInfo", Text, "The reason in words; empty on success.");
pub(in crate::api) const USER: Field = must("UserID", Text, "The user.");
const USER_ITEM: Shape = Object(&[USER]);
const USERS: &str = "1 to 100 users, each as an object with its UserID.";

pub(in crate::api) const IMPORTED_USER: Field = may(
    "UserID",
    Text,
    "The user, 1 to 32 bytes of printable ASCII without blanks; this or Identifier is required.",
);
pub(in crate::api) const IDENTIFIER: Field =
    may("Identifier", Text, "The name that older clients use for UserID.");
pub(in crate::api) const NICK: Field = may("Nick", Text, "At most 500 bytes.");
pub(in crate::api) const FACE_URL: Field = may("FaceUrl", Text, "At most 500 bytes.");

pub(super) const ACCOUNT_IMPORT: Description = Description {
    summary: "Import a user, or update their profile",
    request: &[IMPORTED_USER, IDENTIFIER, NICK, FACE_URL],
    reply: &[],
    example: r#"{"UserID":"student1","Nick":"Ann"}"#,
};

pub(in crate::api) const ACCOUNTS: Field =
    may("Accounts", List(&Text), "1 to 100 users; this or AccountList is required.");
pub(in crate::api) const ACCOUNT_LIST: Field =
    may("AccountList", List(&Object(&[USER, NICK, FACE_URL])), "1 to 100 users with their profiles.");

pub(super) const MULTIACCOUNT_IMPORT: Description = Description {
    summary: "Import up to 100 users",
    request: &[ACCOUNTS, ACCOUNT_LIST],
    reply: &[must("FailAccounts", List(&Text), "The users who could not be imported.")],
    example: r#"{"Accounts":["student2","student3"]}"#,
};

pub(in crate::api) const CHECK_ITEM: Field = must("CheckItem", List(&USER_ITEM), USERS);

pub(super) const ACCOUNT_CHECK: Description = Description {
    summary: "Check whether users are imported",
    request: &[CHECK_ITEM],
    reply: &[must(
        "ResultItem",
        List(&Object(&[USER, CODE, INFO, must("AccountStatus", Text, "Imported or NotImported.")])),
        "One result per user, in the order of the request.",
    )],
    example: r#"{"CheckItem":[{"UserID":"teacher4"}]}"#,
};

pub(in crate::api) const KICKED_USER: Field =
    may("UserID", Text, "The user; this or Identifier is required.");

pub(super) const KICK: Description = Description {
    summary: "End the sessions of a user, of which there are none",
    request: &[KICKED_USER, IDENTIFIER],
    reply: &[],
    example: r#"{"UserID":"user0"}"#,
};

pub(in crate::api) const DELETE_ITEM: Field = must("DeleteItem", List(&USER_ITEM), USERS);

pub(super) const ACCOUNT_DELETE: Description = Description {
    summary: "Delete users and everything that they organized",
    request: &[DELETE_ITEM],
    reply: &[must(
        "ResultItem",
        List(&Object(&[CODE, INFO, USER])),
        "One result per user, in the order of the request.",
    )],
    example: r#"{"DeleteItem":[{"UserID":"teacher4"}]}"#,
};
