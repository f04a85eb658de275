//! Every error code that confold answers with.
//!
//! Public codes come from the gateway (60000–60099) and the signature check (70000–70099); the
//! rest belongs to a service. Numbers and meanings are Tencent Chat's, from its error code page
//! (product 1047, document 34348) and the pages of the commands.

macro_rules! codes {
    (
        here { $($(#[doc = $doc:literal])+ $name:ident = $number:literal;)+ }
        elsewhere { $($(#[doc = $far_doc:literal])+ $far_name:ident = $far_number:literal;)+ }
    ) => {
        /// One error number of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct Code(u32);

        impl Code {
            $($(#[doc = $doc])+ pub const $name: Code = Code($number);)+
            $($(#[doc = $far_doc])+ pub const $far_name: Code = Code($far_number);)+

            /// All codes that confold answers with, sorted by number, with their names. A duplicate number does not compile.
            pub const ALL: &[(&str, Code)] = &by_number([$((stringify!($name), Code::$name)),+]);

            /// Codes that other servers of this API answer with, but confold does not.
            pub const ELSEWHERE: &[Code] = &[$(Code::$far_name),+];

            /// The meaning of every code that confold answers with.
            pub const MEANINGS: &[(Code, &str)] = &[$((Code::$name, concat!($($doc),+))),+];
        }
    };
}

/// Sorts at compile time, so that a new line may be added anywhere in the table.
const fn by_number<const N: usize>(mut all: [(&str, Code); N]) -> [(&str, Code); N] {
    let mut end = 1;
    while end < N {
        let mut at = end;
        while at > 0 && all[at - 1].1.0 >= all[at].1.0 {
            assert!(all[at - 1].1.0 != all[at].1.0, "two codes have the same number");
            (all[at - 1], all[at]) = (all[at], all[at - 1]);
            at -= 1;
        }
        end += 1;
    }
    all
}

impl Code {
    /// Returns the code of a number that comes from a fault rule or from another server.
    #[must_use]
    pub const fn of(number: u32) -> Code {
        Code(number)
    }

    /// Returns the number for `ErrorCode` or `ResultCode`.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Returns whether the error is temporary: too many calls, a time-out or an internal error.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(
            self,
            Code::FREQUENCY
                | Code::TIMEOUT
                | Code::APP_FREQUENCY
                | Code::TRANSLATION
                | Code::OVERLOAD
                | Code::SERVER_BUSY
                | Code::INTERNAL
                | Code::NETWORK
                | Code::LOGIN_TIMEOUT
                | Code::LOGIN_INTERNAL
                | Code::ACCOUNT_INTERNAL
        )
    }

    /// Returns whether the error refuses the caller, so that calls about other users would fail in the same way.
    #[must_use]
    pub fn is_about_caller(self) -> bool {
        match self {
            Code::RESOURCE
            | Code::ADMIN
            | Code::APP_ID_MISSING
            | Code::APP_DISABLED
            | Code::SERVICE_CLOSED
            | Code::PLAN_EXPIRED
            | Code::SOURCE => true,
            // This includes all gateway codes about the request itself, and all codes about signatures.
            code => code.is_about_signature() || matches!(code.0, 60_002..=60_006),
        }
    }

    /// Returns whether the error is about the signature of the caller.
    #[must_use]
    pub fn is_about_signature(self) -> bool {
        matches!(self.0, 70_001..=70_060)
    }
}

codes! {
    here {
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
        /// Group service: the reply is too large.
        GROUP_REPLY = 10018;
        /// Group service: the user does not exist.
        GROUP_USER = 10019;
        /// Group service: a message mentions too many members.
        GROUP_MENTIONS = 10053;
        /// Group service: the id is used by a chat group of another owner.
        GROUP_ID_TAKEN = 10021;
        /// Group service: the id is used by a chat group of the same owner.
        GROUP_ID_OWN = 10025;
        /// Profile service: a parameter is missing or has the wrong form.
        PROFILE_PARAMETER = 40001;
        /// Profile service: no users are named.
        PROFILE_USERS = 40002;
        /// Profile service: the account has not been imported.
        PROFILE_ACCOUNT = 40003;
        /// Profile service: an internal error.
        PROFILE_INTERNAL = 40006;
        /// Profile service: there is no field with this tag.
        PROFILE_TAG = 40009;
        /// Account and profile services: a profile text is longer than 500 bytes.
        PROFILE_LENGTH = 40601;
        /// Profile service: the field cannot have this value.
        PROFILE_VALUE = 40605;
        /// Profile service: the value of the field has the wrong type.
        PROFILE_TYPE = 40610;
        /// The account has not been imported.
        ACCOUNT_ABSENT = 50001;
        /// A parameter is wrong; the description says which.
        PARAMETER = 50002;
        /// An internal error; the call may be repeated.
        INTERNAL = 50004;
        /// The number of conversations of a call is zero or above 100.
        BATCH = 51006;
        /// The chat group does not exist or was disbanded.
        CHAT_GROUP = 51007;
        /// The owner would have more than 1,000 conversations.
        CONVERSATIONS = 51008;
        /// The conversation group does not exist.
        GROUP_UNKNOWN = 51009;
        /// The owner would have more than 20 conversation groups.
        GROUPS = 51010;
        /// The name of a conversation group is empty or longer than 32 bytes.
        GROUP_NAME = 51011;
        /// The owner would have more than 50 pinned conversations.
        PINNED = 51012;
        /// The app's edition does not allow writing conversation groups and standard marks.
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
        /// The caller is not an administrator of the app.
        ADMIN = 60010;
        /// Too many calls by an app in a second, across all commands.
        APP_FREQUENCY = 60011;
        /// The sdkappid is missing from the URL.
        APP_ID_MISSING = 60012;
        /// An account in the request is not a string.
        ACCOUNT_TYPE = 60015;
        /// The app is disabled.
        APP_DISABLED = 60016;
        /// Requests of this kind are disabled.
        SERVICE_CLOSED = 60017;
        /// The server is overloaded and does not accept the call.
        OVERLOAD = 60018;
        /// The plan has expired or was not bought.
        PLAN_EXPIRED = 60020;
        /// The source address is not permitted.
        SOURCE = 60021;
        /// The signature has expired.
        SIG_EXPIRED = 70001;
        /// The signature is empty.
        SIG_EMPTY = 70002;
        /// The signature cannot be decoded.
        SIG_ILLEGAL = 70003;
        /// The signature decodes but is incomplete.
        SIG_INCOMPLETE = 70005;
        /// The signature was not made with the app's key.
        SIG_FORGED = 70009;
        /// The signature was made for another identifier.
        SIG_IDENTIFIER = 70013;
        /// The signature was made for another app.
        SIG_APP = 70014;
        /// The server has no key to verify the signature with.
        NO_KEY = 70016;
        /// The app does not exist on this server.
        APP_UNKNOWN = 70020;
        /// Too many failed verifications; try again in a minute.
        SIG_FAILURES = 70050;
        /// The account is on the deny list.
        DENIED = 70051;
        /// Account service: the account does not exist.
        ACCOUNT_UNKNOWN = 70107;
        /// Account service: a parameter is wrong.
        ACCOUNT_PARAMETER = 70402;
        /// Account service: an internal error.
        ACCOUNT_INTERNAL = 70500;
        /// Account service: the account cannot be deleted.
        ACCOUNT_KEPT = 71000;
        /// Group service: the message is too long.
        GROUP_LONG_MESSAGE = 80002;
        /// Service openim: a parameter is wrong.
        OPENIM_PARAMETER = 90001;
        /// Service openim: the message has no elements, or an element has no type or content.
        MESSAGE_EMPTY = 90002;
        /// Service openim: the receiver is missing or has the wrong form.
        MESSAGE_RECEIVER = 90003;
        /// Service openim: the random number of the message is missing or has the wrong form.
        MESSAGE_RANDOM = 90005;
        /// Service openim: the time of the message is missing or has the wrong form.
        MESSAGE_TIME = 90006;
        /// Service openim: the body of the message is missing or no array.
        MESSAGE_BODY = 90007;
        /// Service openim: the sender is missing or does not exist.
        MESSAGE_SENDER = 90008;
        /// Service openim: an element of the message has the wrong form.
        MESSAGE_ELEMENT = 90010;
        /// Service openim: too many users are named.
        MESSAGE_USERS = 90011;
        /// Service openim: the receiver does not exist.
        MESSAGE_UNKNOWN_RECEIVER = 90012;
        /// Service openim: the list of receivers is missing or no array.
        MESSAGE_RECEIVERS = 90028;
        /// Service openim: the list of receivers is empty.
        MESSAGE_NO_RECEIVERS = 90029;
        /// Service openim: an imported message does not say whether it is new, or has another value for it.
        MESSAGE_OLD_SYSTEM = 90030;
        /// Service openim: whether the sender gets a copy of the message is no integer.
        MESSAGE_OTHER_MACHINE = 90031;
        /// Service openim: what to push to devices is not an object.
        MESSAGE_PUSH = 90043;
        /// Service openim: the life time of the message is no integer.
        MESSAGE_LIFE_TIME = 90044;
        /// Service openim: the message to several receivers is too long.
        MESSAGE_LONG_BATCH = 90055;
        /// Service openim: an internal error; the call may be repeated.
        OPENIM_INTERNAL = 91000;
        /// Service openim: the message is too long.
        MESSAGE_LONG = 93000;
    }
    elsewhere {
        /// The service cannot reach another service that it depends on.
        NETWORK = 50005;
        /// The accounts of the request were not resolved in time.
        TRANSLATION = 60014;
        /// The server is too busy.
        SERVER_BUSY = 60019;
        /// The login service did not answer in time.
        LOGIN_TIMEOUT = 70169;
        /// The login service has an internal error.
        LOGIN_INTERNAL = 70202;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_stand_anywhere() {
        let all = by_number([("c", Code(3)), ("a", Code(1)), ("b", Code(2))]);
        assert_eq!(all.map(|(name, _)| name), ["a", "b", "c"]);
        assert!(Code::ALL.is_sorted_by_key(|(_, code)| code.number()));
    }

    #[test]
    fn a_pull_ends_tries_again_or_goes_on_as_the_code_says() {
        let all = || (0..100_000).map(Code::of);
        let passing: Vec<u32> = all().filter(|code| code.passes()).map(Code::number).collect();
        assert_eq!(passing, [50004, 50005, 60007, 60008, 60011, 60014, 60018, 60019, 70169, 70202, 70500]);
        let (gateway, signatures): (Vec<u32>, Vec<u32>) = all()
            .filter(|code| code.is_about_caller())
            .map(Code::number)
            .partition(|number| *number < 70_000);
        assert_eq!(
            gateway,
            [60002, 60003, 60004, 60005, 60006, 60009, 60010, 60012, 60016, 60017, 60020, 60021]
        );
        assert!(signatures.into_iter().eq(70_001..=70_060));
    }
}
