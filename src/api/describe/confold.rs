//! Descriptions of confold's own commands (decision 33).

use super::{
    Description, Field,
    Shape::{self, Choice, List, Number, Object, Text},
    may, must,
    recentcontact::{
        COMPLETE_FLAG, ECHO, GROUP, IF_IN_STATE, NEXT_START_INDEX, OWNER, RECORD, RECORDS, START_INDEX,
    },
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

/// The most changes in one part.
pub(in crate::api) const MOST_CHANGES: usize = 1_000;
pub(in crate::api) const FROM_STATE: Field = may(
    "Since",
    Text,
    "The state that the client knows: a NewState, or a State that a reply contained; absent or empty to begin with nothing.",
);
pub(in crate::api) const MAX_CHANGES: Field = may(
    "MaxChanges",
    Number,
    "The most changes to return, 1 to 1000; the page size of the app if it is absent.",
);

pub(super) const CHANGES_SINCE: Description = Description {
    summary: "List what has changed for a user since a state, part by part",
    request: &[OWNER, FROM_STATE, MAX_CHANGES],
    reply: &[
        must("OldState", Text, "The state of the request."),
        must("NewState", Text, "The state after these changes, for the next call."),
        must("HasMoreChanges", Number, "1 if there are more changes, otherwise 0."),
        may(
            "Reset",
            Number,
            "1 if the changes since that state are not known. The client then discards everything that it knows; this reply \
             and the following ones contain everything.",
        ),
        must("GroupItem", List(&GROUP), "The conversation groups that were created or changed."),
        must("ContactItem", RECORDS, "The conversations whose groups or marks were changed."),
        must("GoneGroupId", List(&Number), "The ids of conversation groups that do not exist any more."),
        must("GoneContactItem", List(&ECHO), "The conversations that have no groups and marks any more."),
        may(
            "SessionItem",
            List(&Object(&[
                must("Type", Number, "1: one-to-one, 2: chat group."),
                may("To_Account", Text, "The user, for Type 1."),
                may("GroupId", Text, "The chat group, for Type 2."),
                must("TopFlag", Number, "1 if it is pinned in the recent list, otherwise 0."),
                may("DeleteTime", Number, "Messages up to this second do not count, if it was deleted."),
            ])),
            "The recent conversations that were pinned, unpinned or deleted, if there are any.",
        ),
    ],
    example: r#"{"From_Account":"user0","Since":""}"#,
};

/// The most events on a page of the history.
pub(in crate::api) const MOST_EVENTS: usize = 100;
pub(in crate::api) const MAX_EVENTS: Field =
    may("MaxEvents", Number, "The most events to return, 1 to 100; 20 if it is absent.");
pub(in crate::api) const BEFORE: Field =
    may("Before", Text, "The Id of the event before which to begin; absent for the latest events.");
pub(in crate::api) const REMOVED: Field = must(
    "RemovedFlag",
    Number,
    "1 on the last page if there were older events that have been removed, otherwise 0.",
);

const PINNED: Shape = Object(&[must(
    "RecentContactList",
    List(&Object(&[
        must("Type", Number, "1: one-to-one, 2: chat group."),
        may("To_Account", Text, "The user, for Type 1."),
        may("GroupId", Text, "The chat group, for Type 2."),
    ])),
    "One conversation.",
)]);
const UNLISTED: Shape = Object(&[must(
    "RecentContactList",
    List(&Object(&[
        must("Type", Number, "1: one-to-one, 2: chat group."),
        may("Peer_Account", Text, "The user, for Type 1."),
        may("GroupId", Text, "The chat group, for Type 2."),
    ])),
    "One conversation.",
)]);
const CHANGES: Shape = List(&Object(&[
    must("Change", Text, "What changed, such as group_created or record_changed."),
    may("Before", Shape::Any, "The group, conversation or account as it was before, if it existed."),
    may("GroupItem", GROUP, "The conversation group, as it is now or was last."),
    may("ContactItem", RECORD, "The conversation, as it is now or was last."),
    may("Incarnation", Number, "How often the chat group had been disbanded, if it had been."),
    may("Account", Shape::Any, "The profile of the account."),
    may("Counters", Shape::Any, "The counters that an import has set."),
    may("PushType", Number, "For the recent list 1: deleted, 2: pinned, 3: unpinned."),
    may("RecentContactTopItem", PINNED, "The recent conversation that was pinned or unpinned."),
    may("RecentContactDeleteItem", UNLISTED, "The recent conversation that was deleted."),
    may(
        "Time",
        Number,
        "When the owner was renumbered or the recent list was changed, in seconds since 1970.",
    ),
    may("Number", Number, "The change number."),
]));
const EVENT: Shape = Object(&[
    must("Id", Text, "The id of the event."),
    must("Kind", Shape::Word(&["changed", "account_deleted", "erased"]), ""),
    must("Owner", Text, "The user whose conversations are organized."),
    must("Version", Number, "The number of the last change after the call."),
    must("Time", Number, "The time of the call, in milliseconds since 1970."),
    may("Operator", Text, "The identifier that signed the call; absent for the command-line tools."),
    may("RequestId", Text, "The id of the request."),
    may("Changes", CHANGES, "What the call changed, for the kind changed."),
]);

pub(super) const HISTORY: Description = Description {
    summary: "List what calls have changed for a user, latest first, page by page",
    request: &[OWNER, MAX_EVENTS, BEFORE],
    reply: &[
        must("Event", List(&EVENT), "One event for each call that changed something, latest first."),
        COMPLETE_FLAG,
        REMOVED,
    ],
    example: r#"{"From_Account":"user0","MaxEvents":10}"#,
};

pub(in crate::api) const CHANGE: Field =
    may("Change", Text, "The Id of the event to undo. Exactly one of Change and Since has to be given.");
pub(in crate::api) const SINCE: Field =
    may("Since", Text, "The Id of the event after which everything is to be undone.");

pub(super) const UNDO: Description = Description {
    summary: "Undo what a call changed, or everything after a call",
    request: &[OWNER, CHANGE, SINCE, IF_IN_STATE],
    reply: &[
        may(
            "EventId",
            Text,
            "The Id of the event of this undo; absent in a dry run, and if nothing changed.",
        ),
        must("EventCount", Number, "The number of events that were undone."),
        must(
            "KeptItem",
            List(&Object(&[
                must(
                    "Field",
                    Shape::Word(&[
                        "Group",
                        "GroupName",
                        "ContactGroupId",
                        "StandardMark",
                        "CustomMark",
                        "Account",
                    ]),
                    "What stays: the existence or the name of a conversation group, whether it contains a conversation, \
                     marks, or the account.",
                ),
                may("ContactItem", ECHO, "The conversation."),
                may(
                    "GroupItem",
                    GROUP,
                    "The conversation group, with the name that it has or would have got back.",
                ),
                may("StandardMark", Text, "The standard marks that stay as they are, as binary digits."),
                must(
                    "Reason",
                    Shape::Word(&["ChangedLater", "UsedLater", "NoGroup", "Refused", "NotUndone"]),
                    "",
                ),
                must(
                    "ResultCode",
                    Number,
                    "The error code if a rule or limit refuses the old value, otherwise 0.",
                ),
                must("ResultInfo", Text, "The reason in words."),
            ])),
            "Every field that should have been undone and stays as it is.",
        ),
    ],
    example: r#"{"From_Account":"user0","Since":"a71f2d0c3e6b58942c"}"#,
};
