//! Descriptions of the message commands, of both services.

use super::{
    Description, Field,
    Shape::{Any, List, Number, Object, Text, Word},
    groups::GROUP_ID,
    may, must,
};

pub(in crate::api) const SENDER: Field =
    may("From_Account", Text, "The sender; the administrator who calls if it is absent or empty.");
pub(in crate::api) const IMPORTED_SENDER: Field = must("From_Account", Text, "The sender.");
pub(in crate::api) const RECEIVER: Field = must("To_Account", Text, "The receiver.");
pub(in crate::api) const RECEIVERS: Field = must("To_Account", List(&Text), "1 to 500 receivers.");
pub(in crate::api) const MSG_RANDOM: Field = must("MsgRandom", Number, "A random number below 2^32.");
pub(in crate::api) const MSG_SEQ: Field =
    may("MsgSeq", Number, "A number below 2^32; a random one if it is absent.");
pub(in crate::api) const MSG_TIME_STAMP: Field =
    must("MsgTimeStamp", Number, "When the message was sent, in seconds since 1970.");
const IGNORED_TIME: Field =
    may("MsgTimeStamp", Number, "It has no effect, because the time is the server's.");
pub(in crate::api) const SYNC_FROM_OLD_SYSTEM: Field = must(
    "SyncFromOldSystem",
    Number,
    "1, 2 or 5: whether the message is new or from the past, which makes no difference.",
);
pub(in crate::api) const SYNC_OTHER_MACHINE: Field =
    may("SyncOtherMachine", Number, "2: the message does not move the sender's list.");
pub(in crate::api) const ONLINE_ONLY_FLAG: Field =
    may("OnlineOnlyFlag", Number, "1: only for those who are online, so no list moves.");
pub(in crate::api) const MSG_ONLINE_ONLY_FLAG: Field =
    may("MsgOnlineOnlyFlag", Number, "Another name of OnlineOnlyFlag.");
pub(in crate::api) const MSG_LIFE_TIME: Field = may(
    "MsgLifeTime",
    Number,
    "How long the message is kept for those who are offline, in seconds; 0: no list moves.",
);
pub(in crate::api) const SEND_MSG_CONTROL: Field =
    may("SendMsgControl", List(&Text), "NoLastMsg: no list moves. Other words have no effect.");
pub(in crate::api) const OFFLINE_PUSH_INFO: Field =
    may("OfflinePushInfo", Any, "An object. It has no effect, because nothing is pushed to devices.");
const FORBID_CALLBACK_CONTROL: Field = may("ForbidCallbackControl", List(&Text), "Ignored.");
const CLOUD_CUSTOM_DATA: Field = may("CloudCustomData", Text, "Ignored.");
const SUPPORT_MESSAGE_EXTENSION: Field = may("SupportMessageExtension", Number, "Ignored.");
const IS_NEED_READ_RECEIPT: Field = may("IsNeedReadReceipt", Number, "Ignored.");
const NEED_READ_RECEIPT: Field = may("NeedReadReceipt", Number, "Ignored.");

pub(in crate::api) const MSG_TYPE: Field = must(
    "MsgType",
    Word(&[
        "TIMTextElem",
        "TIMLocationElem",
        "TIMFaceElem",
        "TIMCustomElem",
        "TIMSoundElem",
        "TIMImageElem",
        "TIMFileElem",
        "TIMVideoFileElem",
        "TIMRelayElem",
    ]),
    "",
);
pub(in crate::api) const MSG_CONTENT: Field = must("MsgContent", Any, "The content, an object.");
pub(in crate::api) const MSG_BODY: Field = must(
    "MsgBody",
    List(&Object(&[MSG_TYPE, MSG_CONTENT])),
    "The elements of the message, together at most 12 KiB.",
);

const MSG_TIME: Field = must("MsgTime", Number, "The time of the message, in seconds since 1970.");
const MSG_KEY: Field = must("MsgKey", Text, "MsgSeq, MsgRandom and the time, with underscores between them.");
const MSG_ID: Field =
    must("MsgId", Text, "A number of the sender, the time and MsgRandom, with hyphens between them.");

pub(super) const SEND_MSG: Description = Description {
    summary: "Accept a message to a user and drop it; it moves the recent lists of both",
    request: &[
        SENDER,
        RECEIVER,
        MSG_RANDOM,
        MSG_BODY,
        MSG_SEQ,
        IGNORED_TIME,
        SYNC_OTHER_MACHINE,
        ONLINE_ONLY_FLAG,
        MSG_LIFE_TIME,
        SEND_MSG_CONTROL,
        FORBID_CALLBACK_CONTROL,
        CLOUD_CUSTOM_DATA,
        OFFLINE_PUSH_INFO,
        SUPPORT_MESSAGE_EXTENSION,
        IS_NEED_READ_RECEIPT,
    ],
    reply: &[MSG_TIME, MSG_KEY, MSG_ID],
    example: r#"{"From_Account":"user0","To_Account":"teacher4","MsgRandom":1287657,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hello"}}]}"#,
};

pub(super) const BATCH_SEND_MSG: Description = Description {
    summary: "Accept a message to several users and drop it; it moves the recent lists of all of them",
    request: &[
        SENDER,
        RECEIVERS,
        MSG_RANDOM,
        MSG_BODY,
        MSG_SEQ,
        SYNC_OTHER_MACHINE,
        ONLINE_ONLY_FLAG,
        MSG_LIFE_TIME,
        SEND_MSG_CONTROL,
        CLOUD_CUSTOM_DATA,
        OFFLINE_PUSH_INFO,
        SUPPORT_MESSAGE_EXTENSION,
        IS_NEED_READ_RECEIPT,
    ],
    reply: &[
        MSG_KEY,
        MSG_ID,
        may(
            "ErrorList",
            List(&Object(&[
                must("To_Account", Text, "The user."),
                must("ErrorCode", Number, "The error code."),
            ])),
            "The receivers who do not exist; absent if all of them do. ActionStatus is SomeError then.",
        ),
    ],
    example: r#"{"From_Account":"user0","To_Account":["teacher4"],"MsgRandom":1287657,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hello"}}]}"#,
};

pub(super) const IMPORT_MSG: Description = Description {
    summary: "Accept a message that was sent elsewhere and drop it; it moves the recent lists of both users",
    request: &[
        IMPORTED_SENDER,
        RECEIVER,
        MSG_RANDOM,
        MSG_BODY,
        MSG_TIME_STAMP,
        SYNC_FROM_OLD_SYSTEM,
        MSG_SEQ,
        CLOUD_CUSTOM_DATA,
        SUPPORT_MESSAGE_EXTENSION,
        IS_NEED_READ_RECEIPT,
    ],
    reply: &[],
    example: r#"{"SyncFromOldSystem":2,"From_Account":"user0","To_Account":"teacher4","MsgRandom":1287657,"MsgTimeStamp":1767220000,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hello"}}]}"#,
};

pub(in crate::api) const RANDOM: Field = must("Random", Number, "A random number below 2^32.");
const IGNORED_RANDOM: Field = may("Random", Number, "It has no effect.");
pub(in crate::api) const MSG_PRIORITY: Field = may("MsgPriority", Word(&["High", "Normal", "Low"]), "");
pub(in crate::api) const SOME_MEMBERS: Field =
    may("To_Account", List(&Text), "At most 50 members who alone get the message, so no list moves.");
pub(in crate::api) const GROUP_AT_INFO: Field = may(
    "GroupAtInfo",
    List(&Object(&[may("GroupAtAllFlag", Number, "Ignored."), may("GroupAt_Account", Text, "Ignored.")])),
    "At most 30 mentions.",
);
pub(in crate::api) const TOPIC_ID: Field =
    may("TopicId", Text, "A topic of the community; messages to topics move no list.");

pub(super) const SEND_GROUP_MSG: Description = Description {
    summary: "Accept a message to a chat group and drop it; it moves the recent lists of the members",
    request: &[
        GROUP_ID,
        RANDOM,
        MSG_BODY,
        SENDER,
        MSG_PRIORITY,
        ONLINE_ONLY_FLAG,
        MSG_ONLINE_ONLY_FLAG,
        SEND_MSG_CONTROL,
        SOME_MEMBERS,
        GROUP_AT_INFO,
        TOPIC_ID,
        FORBID_CALLBACK_CONTROL,
        CLOUD_CUSTOM_DATA,
        OFFLINE_PUSH_INFO,
        SUPPORT_MESSAGE_EXTENSION,
        NEED_READ_RECEIPT,
    ],
    reply: &[MSG_TIME, must("MsgSeq", Number, "The number of the message in the chat group.")],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","Random":8912345,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hello"}}]}"#,
};

pub(in crate::api) const SEND_TIME: Field = must(
    "SendTime",
    Number,
    "When the message was sent, in seconds since 1970: not before the message in front of it.",
);
pub(in crate::api) const MSG_LIST: Field = must(
    "MsgList",
    List(&Object(&[IMPORTED_SENDER, SEND_TIME, IGNORED_RANDOM, MSG_BODY])),
    "1 to 7 messages.",
);
pub(in crate::api) const RECENT_CONTACT_FLAG: Field =
    may("RecentContactFlag", Number, "1: the messages move the recent lists of the members.");

pub(super) const IMPORT_GROUP_MSG: Description = Description {
    summary: "Accept messages to a chat group that were sent elsewhere, and drop them",
    request: &[GROUP_ID, MSG_LIST, RECENT_CONTACT_FLAG, TOPIC_ID],
    reply: &[must(
        "ImportMsgResult",
        List(&Object(&[
            must("MsgSeq", Number, "The number of the message in the chat group; 0 if it is refused."),
            must("MsgTime", Number, "Its SendTime."),
            must("Result", Number, "0 on success, otherwise the error code."),
        ])),
        "One entry per message, in the order of the request.",
    )],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","MsgList":[{"From_Account":"user0","SendTime":1767220000,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"old"}}]}]}"#,
};

pub(in crate::api) const CONTENT: Field = must("Content", Text, "The notice.");
pub(in crate::api) const TO_MEMBERS: Field = may(
    "ToMembers_Account",
    List(&Text),
    "At most 500 members who alone get the notice; not for an AVChatRoom.",
);

pub(super) const SEND_GROUP_SYSTEM_NOTIFICATION: Description = Description {
    summary: "Accept a notice to a chat group and drop it; no list moves",
    request: &[GROUP_ID, CONTENT, TO_MEMBERS, TOPIC_ID],
    reply: &[],
    example: r#"{"GroupId":"@TGS#1N3RSUYG2","Content":"maintenance at noon"}"#,
};
