//! Descriptions of the commands of the service `openim`.

use super::{
    Description, Field,
    Shape::{List, Number, Object, Text},
    may, must,
};

pub(in crate::api) const TO_ACCOUNTS: Field = must("To_Account", List(&Text), "1 to 500 users.");
const REQUEST: &[Field] = &[
    TO_ACCOUNTS,
    may("IsNeedDetail", Number, "Ignored."),
    may("IsReturnInstid", Number, "Ignored."),
    may("IsReturnCustomStatus", Number, "Ignored."),
];
const QUERY_RESULT: Field = must(
    "QueryResult",
    List(&Object(&[
        must("To_Account", Text, "The user."),
        must("Status", Text, "Always Offline, because no devices connect to confold."),
        must("State", Text, "The older name of Status."),
    ])),
    "One entry per user, in the order of the request.",
);

pub(super) const QUERY_ONLINE_STATUS: Description = Description {
    summary: "Ask whether users are online",
    request: REQUEST,
    reply: &[
        QUERY_RESULT,
        must(
            "ErrorList",
            List(&Object(&[
                must("To_Account", Text, "The user."),
                must("ErrorCode", Number, "The error code."),
            ])),
            "The users who do not exist; they are not in QueryResult.",
        ),
    ],
    example: r#"{"To_Account":["user0"]}"#,
};

pub(super) const QUERY_STATE: Description = Description {
    summary: "Ask whether users are online, by the older name of query_online_status",
    request: REQUEST,
    reply: &[QUERY_RESULT],
    example: r#"{"To_Account":["user0"]}"#,
};
