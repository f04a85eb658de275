//! The fields that a line may have, and the checks that a saved reply contains everything about a user.

pub(super) use crate::wire::TO_ACCOUNT;
use crate::wire::{
    Fault, Field, Fields, PROFILE_TAG, PROFILE_VALUE, Path, Shape, TO_GROUP_ID, TYPE, UnknownFields, bare,
    may,
};

/// Another way to deal with an unknown field, for error texts.
const CURE: &str = ", or import with --lenient (in a URL: lenient=1), which ignores such fields";

pub(super) const KIND: Field = bare("Kind");
pub(super) const SDK_APP_ID: Field = bare("SdkAppId");
pub(super) const USER_ID: Field = bare("UserID");
pub(super) const NICK: Field = bare("Nick");
pub(super) const FACE_URL: Field = bare("FaceUrl");
pub(super) const PROFILE_ITEM: Field = bare("ProfileItem");
pub(super) const GROUP_ID: Field = bare("GroupId");
pub(super) const INCARNATION: Field = bare("Incarnation");
pub(super) const DESTROYED: Field = bare("Destroyed");
pub(super) const CHAT_GROUP_TYPE: Field = bare("Type");
pub(super) const NAME: Field = bare("Name");
pub(super) const OWNER_ACCOUNT: Field = bare("Owner_Account");
pub(super) const INTRODUCTION: Field = bare("Introduction");
pub(super) const NOTIFICATION: Field = bare("Notification");
pub(super) const MAX_MEMBER_COUNT: Field = bare("MaxMemberCount");
pub(super) const APPLY_JOIN_OPTION: Field = bare("ApplyJoinOption");
pub(super) const CREATE_TIME: Field = bare("CreateTime");
pub(super) const MEMBER_LIST: Field = bare("MemberList");
pub(super) const MEMBER_ACCOUNT: Field = bare("Member_Account");
pub(super) const ROLE: Field = bare("Role");
pub(super) const JOIN_TIME: Field = bare("JoinTime");
pub(super) const LAST_INFO_TIME: Field = bare("LastInfoTime");
pub(super) const MUTE_ALL_MEMBER: Field = bare("MuteAllMember");
pub(super) const INVITE_JOIN_OPTION: Field = bare("InviteJoinOption");
pub(super) const OWNER_JOIN_TIME: Field = bare("OwnerJoinTime");
pub(super) const OWNER_NAME_CARD: Field = bare("OwnerNameCard");
pub(super) const NAME_CARD: Field = bare("NameCard");
pub(super) const FROM_ACCOUNT: Field = bare("From_Account");
pub(super) const HAS_ACCOUNT: Field = bare("Account");
pub(super) const VERSION: Field = bare("Version");
pub(super) const LAST_GROUP_ID: Field = bare("LastGroupId");
pub(super) const LAST_TIMESTAMP: Field = bare("LastTimestamp");
pub(super) const RENUMBERINGS: Field = bare("Renumberings");
pub(super) const LAST_RENUMBERING: Field = bare("LastRenumbering");
pub(super) const GROUP_ITEM: Field = bare("GroupItem");
pub(super) const CONTACT_ITEM: Field = bare("ContactItem");
pub(super) const START_INDEX: Field = bare("StartIndex");
pub(super) const COMPLETE_FLAG: Field = bare("CompleteFlag");
pub(super) const COMPLETE_TIME: Field = bare("CompleteTime");
pub(super) const NEXT_START_INDEX: Field = bare("NextStartIndex");
pub(super) const ACTION_STATUS: Field = bare("ActionStatus");
pub(super) const ERROR_CODE: Field = bare("ErrorCode");
pub(super) const ERROR_INFO: Field = bare("ErrorInfo");
pub(super) const ERROR_DISPLAY: Field = bare("ErrorDisplay");
pub(super) const GROUP_NAME: Field = bare("GroupName");
pub(super) const NUMBER: Field = bare("Number");
pub(super) const STANDARD_MARK: Field = bare("StandardMark");
pub(super) const CUSTOM_MARK: Field = bare("CustomMark");
pub(super) const CONTACT_GROUP_ID: Field = bare("ContactGroupId");
pub(super) const TIMESTAMP: Field = bare("Timestamp");
pub(super) const LAST_MSG_TIME: Field = bare("LastMsgTime");
pub(super) const SESSION_ITEM: Field = bare("SessionItem");
pub(super) const SESSION_TYPE: Field =
    may("Type", Shape::Choice(&[(1, "one-to-one, with To_Account"), (2, "group, with GroupId")]), "");
pub(super) const MSG_TIME: Field = bare("MsgTime");
pub(super) const TOP_FLAG: Field = may("TopFlag", Shape::Choice(&[(0, "not pinned"), (1, "pinned")]), "");
pub(super) const PIN_TIME: Field = bare("PinTime");
pub(super) const DELETE_TIME: Field = bare("DeleteTime");

pub(super) const ACCOUNT: &[Field] = &[KIND, SDK_APP_ID, USER_ID, NICK, FACE_URL, PROFILE_ITEM];
pub(super) const PROFILE_FIELD: &[Field] = &[PROFILE_TAG, PROFILE_VALUE];
pub(super) const CHAT_GROUP: &[Field] = &[
    KIND,
    SDK_APP_ID,
    GROUP_ID,
    INCARNATION,
    DESTROYED,
    CHAT_GROUP_TYPE,
    NAME,
    OWNER_ACCOUNT,
    INTRODUCTION,
    NOTIFICATION,
    FACE_URL,
    MAX_MEMBER_COUNT,
    APPLY_JOIN_OPTION,
    CREATE_TIME,
    LAST_INFO_TIME,
    MUTE_ALL_MEMBER,
    INVITE_JOIN_OPTION,
    OWNER_JOIN_TIME,
    OWNER_NAME_CARD,
    MEMBER_LIST,
    LAST_MSG_TIME,
];
pub(super) const SESSIONS: &[Field] = &[KIND, SDK_APP_ID, FROM_ACCOUNT, SESSION_ITEM];
pub(super) const SESSION: &[Field] =
    &[SESSION_TYPE, TO_ACCOUNT, GROUP_ID, INCARNATION, MSG_TIME, TOP_FLAG, PIN_TIME, DELETE_TIME];
pub(super) const MEMBER: &[Field] = &[MEMBER_ACCOUNT, ROLE, JOIN_TIME, NAME_CARD];
/// The fields of the line of an organizer. The second half consists of the other fields of `get_contact_group` replies,
/// including those of the vendor.
pub(super) const ORGANIZER: &[Field] = &[
    KIND,
    SDK_APP_ID,
    FROM_ACCOUNT,
    HAS_ACCOUNT,
    VERSION,
    LAST_GROUP_ID,
    LAST_TIMESTAMP,
    RENUMBERINGS,
    LAST_RENUMBERING,
    GROUP_ITEM,
    CONTACT_ITEM,
    START_INDEX,
    COMPLETE_FLAG,
    COMPLETE_TIME,
    NEXT_START_INDEX,
    ACTION_STATUS,
    ERROR_CODE,
    ERROR_INFO,
    ERROR_DISPLAY,
];
pub(super) const GROUP: &[Field] = &[GROUP_NAME, GROUP_ID, NUMBER];
pub(super) const RECORD: &[Field] =
    &[TYPE, TO_ACCOUNT, TO_GROUP_ID, STANDARD_MARK, CUSTOM_MARK, CONTACT_GROUP_ID, TIMESTAMP, NUMBER];

/// Checks that an object of a line has only these fields.
pub(super) fn only<'n>(
    fields: Fields<'n>,
    known: &'static [Field],
    unknown: UnknownFields,
    what: &str,
) -> Result<Fields<'n>, Fault> {
    fields.only(known, unknown, what, CURE)
}

/// Refuses a line that lacks a list and has an ignored unknown field: that field may contain the list, and importing
/// the line would delete existing data.
pub(super) fn check_lists(fields: Fields<'_>, unknown: UnknownFields) -> Result<(), Fault> {
    let is_known = |name: &&str| ORGANIZER.iter().any(|field| field.name == *name);
    let Some(stranger) = fields.names().find(|name| !is_known(name)) else { return Ok(()) };
    let missing =
        [CONTACT_ITEM, GROUP_ITEM].into_iter().find(|list| !fields.names().any(|name| name == list.name));
    match (unknown, missing) {
        (UnknownFields::Ignored, Some(Field { name: list, .. })) => {
            let said = format!(
                "the field is unknown and {list} is missing, so the line would delete existing data; rename the \
                 field, or add {list}, which may be empty"
            );
            Err(Fault::refused(Path::Member(&fields.path, stranger), said))
        }
        _ => Ok(()),
    }
}

/// Refuses a saved reply that does not contain everything about the user: an error, or one page of several. The line
/// replaces existing data, so everything missing from it would be lost.
pub(super) fn check_saved_reply(fields: Fields<'_>) -> Result<(), Fault> {
    let number = |field: &'static Field| fields.optional(field, |value| value.read::<i64>());
    if let Some(code) = number(&ERROR_CODE)?.filter(|code| *code != 0) {
        let said = format!(
            "the reply in this line is a refusal ({code}) instead of the user's data; pull the user again"
        );
        return Err(fields.refused(&ERROR_CODE, said));
    }
    if fields.optional_text(&ACTION_STATUS)?.is_some_and(|status| status != "OK") {
        let said = "the reply in this line is a refusal instead of the user's data; pull the user again";
        return Err(fields.refused(&ACTION_STATUS, said));
    }
    let cure = "a line must contain everything that a user has; put the ContactItem of all pages into one line, with \
                CompleteFlag 1 and without StartIndex and NextStartIndex, or use confold pull, which does so";
    let (complete, next) = (number(&COMPLETE_FLAG)?, number(&NEXT_START_INDEX)?);
    if let Some(flag) = complete.filter(|flag| *flag != 1) {
        let said = format!("it is {flag}, so this is one page of several; {cure}");
        return Err(fields.refused(&COMPLETE_FLAG, said));
    }
    if complete.is_none() && next.is_some_and(|next| next != 0) {
        let said = format!("another page follows this one; {cure}");
        return Err(fields.refused(&NEXT_START_INDEX, said));
    }
    if let Some(start) = number(&START_INDEX)?.filter(|start| *start != 0) {
        let said = format!("it is {start}, so other pages come before this one; {cure}");
        return Err(fields.refused(&START_INDEX, said));
    }
    // A null list was omitted by the program that wrote it; whether it was empty is unknown.
    match [GROUP_ITEM, CONTACT_ITEM].into_iter().find(|list| fields.is_null(list)) {
        Some(list) => Err(fields.refused(&list, "it is null; write an empty list as []")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_the_format_names_every_field() {
        let page = include_str!("../../docs/interchange.md");
        let named: Vec<&str> =
            page.split('`').skip(1).step_by(2).map(|word| word.trim_end_matches("[]")).collect();
        for field in
            [ACCOUNT, PROFILE_FIELD, CHAT_GROUP, MEMBER, ORGANIZER, GROUP, RECORD, SESSIONS, SESSION].concat()
        {
            assert!(named.contains(&field.name), "docs/interchange.md does not name {}", field.name);
        }
    }
}
