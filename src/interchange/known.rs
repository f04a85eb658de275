//! Which fields a line may have, and what a saved reply in it must say to be taken for all that a user has.

use crate::wire::{Fault, Fields, UnknownFields};

/// What else can be done about a field that is not known.
const CURE: &str = ", or import with --lenient (in a URL: lenient=1), which ignores such fields";

pub(super) const ACCOUNT: &[&str] = &["Kind", "SdkAppId", "UserID", "Nick", "FaceUrl"];
pub(super) const CHAT_GROUP: &[&str] = &[
    "Kind",
    "SdkAppId",
    "GroupId",
    "Incarnation",
    "Destroyed",
    "Type",
    "Name",
    "Owner_Account",
    "Introduction",
    "Notification",
    "FaceUrl",
    "MaxMemberCount",
    "ApplyJoinOption",
    "CreateTime",
    "MemberList",
];
pub(super) const MEMBER: &[&str] = &["Member_Account", "Role", "JoinTime"];
/// The second half is what a reply of `get_contact_group` has beside the lists, the service's own replies included.
pub(super) const ORGANIZER: &[&str] = &[
    "Kind",
    "SdkAppId",
    "From_Account",
    "Account",
    "Version",
    "LastGroupId",
    "LastTimestamp",
    "Renumberings",
    "LastRenumbering",
    "GroupItem",
    "ContactItem",
    "StartIndex",
    "CompleteFlag",
    "CompleteTime",
    "NextStartIndex",
    "ActionStatus",
    "ErrorCode",
    "ErrorInfo",
    "ErrorDisplay",
];
pub(super) const GROUP: &[&str] = &["GroupName", "GroupId", "Number"];
pub(super) const RECORD: &[&str] = &[
    "Type",
    "To_Account",
    "ToGroupId",
    "StandardMark",
    "CustomMark",
    "ContactGroupId",
    "Timestamp",
    "Number",
];

/// Checks that an object of a line has no fields but these.
pub(super) fn only(
    fields: Fields<'_>,
    known: &[&str],
    unknown: UnknownFields,
    what: &str,
) -> Result<(), Fault> {
    fields.only(known, unknown, what, CURE)
}

/// Refuses a line from which an unknown field was passed over while a list is missing: the field may well hold what the
/// list should, and the line would take away what is there.
pub(super) fn check_lists(fields: Fields<'_>, unknown: UnknownFields) -> Result<(), Fault> {
    let Some(stranger) = fields.names().find(|name| !ORGANIZER.contains(name)) else { return Ok(()) };
    let missing =
        ["ContactItem", "GroupItem"].into_iter().find(|list| !fields.names().any(|name| name == *list));
    match (unknown, missing) {
        (UnknownFields::Ignored, Some(list)) => {
            let said = format!(
                "it is not known, and {list} is missing: without it the line would take away what is there; rename the \
                 field, or add {list}, which may be empty"
            );
            Err(fields.refused(stranger, &said))
        }
        _ => Ok(()),
    }
}

/// Refuses a saved reply that is not all that the user has: a refusal, or one page of several. The line replaces
/// what is there, so that whatever is missing in it would be lost.
pub(super) fn check_saved_reply(fields: Fields<'_>) -> Result<(), Fault> {
    let number = |name| fields.optional(name, |value| value.read::<i64>());
    if let Some(code) = number("ErrorCode")?.filter(|code| *code != 0) {
        let said = format!(
            "the reply in this line is a refusal ({code}) and not what the user has; pull the user again"
        );
        return Err(fields.refused("ErrorCode", said));
    }
    if fields.optional_text("ActionStatus")?.is_some_and(|status| status != "OK") {
        let said = "the reply in this line is a refusal and not what the user has; pull the user again";
        return Err(fields.refused("ActionStatus", said));
    }
    let cure = "a line has all that a user has; put the ContactItem of all pages into one line, with CompleteFlag 1 and \
                without StartIndex and NextStartIndex, or use confold pull, which does so";
    let (complete, next) = (number("CompleteFlag")?, number("NextStartIndex")?);
    if let Some(flag) = complete.filter(|flag| *flag != 1) {
        let said = format!("it is {flag}, so that this is one page of several; {cure}");
        return Err(fields.refused("CompleteFlag", said));
    }
    if complete.is_none() && next.is_some_and(|next| next != 0) {
        let said = format!("another page follows this one; {cure}");
        return Err(fields.refused("NextStartIndex", said));
    }
    if let Some(start) = number("StartIndex")?.filter(|start| *start != 0) {
        let said = format!("it is {start}, so that other pages come before this one; {cure}");
        return Err(fields.refused("StartIndex", said));
    }
    // A list that is null has been left out by whatever wrote it; nobody can say whether it was empty.
    match ["GroupItem", "ContactItem"].into_iter().find(|name| fields.is_null(name)) {
        Some(name) => Err(fields.refused(name, "it is null; an empty list is written as []")),
        None => Ok(()),
    }
}
