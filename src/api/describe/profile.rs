//! Descriptions of the profile commands.

use super::{
    Description, Field,
    Shape::{List, Number, Object, Text},
    may, must,
    recentcontact::OWNER,
};
use crate::wire::{PROFILE_ITEM, PROFILE_TAG, PROFILE_VALUE};

pub(in crate::api) const PROFILE_ITEMS: Field =
    must("ProfileItem", List(&PROFILE_ITEM), "1 to 100 fields; the last one of a repeated tag counts.");

pub(super) const PORTRAIT_SET: Description = Description {
    summary: "Set fields of a user's profile",
    request: &[OWNER, PROFILE_ITEMS],
    reply: &[],
    example: r#"{"From_Account":"user0","ProfileItem":[{"Tag":"Tag_Profile_IM_Nick","Value":"Ada"}]}"#,
};

pub(in crate::api) const TO_ACCOUNT: Field = must("To_Account", List(&Text), "1 to 100 users.");
pub(in crate::api) const TAG_LIST: Field = must("TagList", List(&Text), "1 to 100 tags.");

pub(super) const PORTRAIT_GET: Description = Description {
    summary: "Get fields of users' profiles",
    request: &[TO_ACCOUNT, TAG_LIST],
    reply: &[
        must(
            "UserProfileItem",
            List(&Object(&[
                must("To_Account", Text, "The user."),
                may(
                    "ProfileItem",
                    List(&Object(&[PROFILE_TAG, PROFILE_VALUE])),
                    "The fields that are set, in the order of TagList; absent for a user who does not exist.",
                ),
                must("ResultCode", Number, "0 on success, otherwise the error code."),
                must("ResultInfo", Text, "The reason in words; empty on success."),
            ])),
            "One entry per user, in the order of the request.",
        ),
        may(
            "Fail_Account",
            List(&Text),
            "The users whose profiles could not be read; absent if there are none.",
        ),
    ],
    example: r#"{"To_Account":["user0"],"TagList":["Tag_Profile_IM_Nick"]}"#,
};
