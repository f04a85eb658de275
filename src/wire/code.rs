//! Every error number this server answers with.
//!
//! Public codes come from the gateway (60000–60099) and the signature check (70000–70099); the
//! rest belongs to a service. Numbers and meanings are Tencent Chat's, from its error code page
//! (product 1047, document 34348) and the pages of the commands.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal;)+) => {
        /// One error number of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct Code(u32);

        impl Code {
            $($(#[doc = $doc])+ pub const $name: Code = Code($number);)+

            /// All of them, with their names.
            pub const ALL: &[(&str, Code)] = &[$((stringify!($name), Code::$name)),+];

            /// Any number, for a fault rule that says it.
            #[must_use]
            pub fn of(number: u32) -> Code {
                Code(number)
            }

            /// What each of them means.
            pub const MEANINGS: &[(Code, &str)] = &[$((Code::$name, concat!($($doc),+))),+];

            /// The number as it stands in `ErrorCode` or `ResultCode`.
            #[must_use]
            pub fn number(self) -> u32 {
                self.0
            }
        }
    };
}

codes! {
    /// Success.
    OK = 0;
    /// Group service: an internal error.
    GROUP_INTERNAL = 10002;
    /// Group service: no such command.
    GROUP_COMMAND = 10003;
    /// Group service: a parameter is wrong.
    GROUP_PARAMETER = 10004;
    /// Group service: too many members in one call.
    GROUP_PACKET = 10005;
    /// Group service: the operation is not allowed on this kind of group.
    GROUP_PERMISSION = 10007;
    /// Group service: the owner cannot leave.
    GROUP_OWNER = 10009;
    /// Group service: the chat group does not exist or was disbanded.
    GROUP_ABSENT = 10010;
    /// Group service: the chat group is full.
    GROUP_FULL = 10014;
    /// Group service: this cannot be the id of a chat group.
    GROUP_ID = 10015;
    /// Group service: a user does not exist.
    GROUP_USER = 10019;
    /// Group service: the id is used by somebody else's chat group.
    GROUP_ID_TAKEN = 10021;
    /// Group service: the id is used by a chat group of the same owner.
    GROUP_ID_OWN = 10025;
    /// Account service: a text of the profile is above 500 bytes.
    PROFILE_LENGTH = 40601;
    /// The account has not been imported.
    ACCOUNT_ABSENT = 50001;
    /// A parameter is wrong; the description says which.
    PARAMETER = 50002;
    /// An internal error; may be tried again.
    INTERNAL = 50004;
    /// The number of conversations of a call is zero or above 100.
    BATCH = 51006;
    /// The chat group does not exist or was disbanded.
    CHAT_GROUP = 51007;
    /// More than 1,000 conversations.
    CONVERSATIONS = 51008;
    /// The conversation group does not exist.
    GROUP_UNKNOWN = 51009;
    /// More than 20 conversation groups.
    GROUPS = 51010;
    /// The name of a conversation group is empty or above 32 bytes.
    GROUP_NAME = 51011;
    /// The app's edition does not allow groups and standard marks to be written.
    EDITION = 51013;
    /// The HTTP request or its URL cannot be read.
    HTTP = 60002;
    /// The JSON of the request cannot be read.
    JSON = 60003;
    /// The identifier or signature in the URL is missing.
    IDENTITY = 60004;
    /// The sdkappid in the URL is malformed.
    APP_ID = 60006;
    /// Too many calls of one command in a second.
    FREQUENCY = 60007;
    /// The service did not answer in time.
    TIMEOUT = 60008;
    /// There is no such resource.
    RESOURCE = 60009;
    /// The caller is no administrator of the app.
    ADMIN = 60010;
    /// Too many calls of an app in a second, over all commands.
    APP_FREQUENCY = 60011;
    /// The sdkappid is missing from the URL.
    APP_ID_MISSING = 60012;
    /// An account in the request is not a string.
    ACCOUNT_TYPE = 60015;
    /// The app is disabled.
    APP_DISABLED = 60016;
    /// Requests of this kind are disabled.
    SERVICE_CLOSED = 60017;
    /// The server is overloaded and does not take the call.
    OVERLOAD = 60018;
    /// The plan has expired or was not bought.
    PLAN_EXPIRED = 60020;
    /// The source address is not permitted.
    SOURCE = 60021;
    /// The signature has expired.
    SIG_EXPIRED = 70001;
    /// The signature has no bytes.
    SIG_EMPTY = 70002;
    /// The signature cannot be decoded.
    SIG_ILLEGAL = 70003;
    /// The signature decodes but is incomplete.
    SIG_INCOMPLETE = 70005;
    /// The signature was not made with the app's key.
    SIG_FORGED = 70009;
    /// The signature is another identifier's.
    SIG_IDENTIFIER = 70013;
    /// The signature is for another app.
    SIG_APP = 70014;
    /// There is no key to verify with.
    NO_KEY = 70016;
    /// No such app on this server.
    APP_UNKNOWN = 70020;
    /// Too many failed verifications; to be tried again in a minute.
    SIG_FAILURES = 70050;
    /// The account is on the deny list.
    DENIED = 70051;
    /// Account service: no such account.
    ACCOUNT_UNKNOWN = 70107;
    /// Account service: a parameter is wrong.
    ACCOUNT_PARAMETER = 70402;
    /// Account service: an internal error.
    ACCOUNT_INTERNAL = 70500;
    /// Account service: the account cannot be deleted.
    ACCOUNT_KEPT = 71000;
}
