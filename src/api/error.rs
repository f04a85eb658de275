//! The reasons why calls are refused, and confold's own text for each (decision 24).

use super::Absent;
use crate::{
    auth::Refusal,
    domain::{ChatGroupId, Rejection, UserId},
    excerpt::quoted,
    store::StoreError,
    wire::{Fault, ProfileProblem, code::Code},
};

/// What is wrong with a call of the service `openim`, or with a message. Each has a code of its own there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageProblem {
    /// The list of users is empty.
    NoUsers,
    /// The message has no elements, or an element has no type or content.
    Empty,
    /// The receiver is missing or has the wrong form.
    Receiver,
    /// The random number is missing or has the wrong form.
    Random,
    /// The time is missing or has the wrong form.
    Time,
    /// The body is missing or no array.
    Body,
    /// The sender is missing or does not exist.
    Sender,
    /// An element of the body has the wrong form.
    Element,
    /// Too many users are named.
    ManyUsers,
    /// The receiver does not exist.
    UnknownReceiver,
    /// The list of receivers is missing or no array.
    Receivers,
    /// The list of receivers is empty.
    NoReceivers,
    /// `SyncFromOldSystem` is missing or has another value.
    OldSystem,
    /// `SyncOtherMachine` is not a number.
    OtherMachine,
    /// `OfflinePushInfo` is not an object.
    Push,
    /// `MsgLifeTime` is not a number.
    LifeTime,
    /// The message is too long.
    Long,
    /// The message to several receivers is too long.
    LongBatch,
    /// The message mentions too many members of a group.
    ManyMentions,
}

/// Why a whole call is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is not valid HTTP, or its URL is not valid for this service.
    #[error("{0}")]
    Http(String),
    /// A fault rule refuses the call.
    #[error("{1}")]
    Injected(Code, String),
    /// The path does not exist.
    #[error("{0}")]
    NoResource(String),
    /// The service in the path does not have this command.
    #[error("the service {service} has no command {}{}", quoted(name), Absent::suggestion(service, name))]
    NoCommand {
        /// The service.
        service: &'static str,
        /// The name in the path.
        name: String,
    },
    /// The vendor has this command, but confold does not implement it.
    #[error("{0}")]
    Absent(Absent),
    /// The command is an extension that the app has not switched on.
    #[error(
        "v4/{command} is an extension that is switched off for this app; switch it on with the app's setting extensions = \
         [\"recent\"], or start dev with --extensions recent"
    )]
    NotSwitchedOn {
        /// The command with its service.
        command: String,
    },
    /// The caller was not admitted.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Too many calls of a command in one second.
    #[error(
        "more than {limit} calls of {command} in one second by this app; this call had no effect, wait {wait_ms} ms"
    )]
    Frequency {
        /// The command.
        command: &'static str,
        /// The calls allowed per second.
        limit: u32,
        /// The milliseconds until the next second begins.
        wait_ms: u32,
    },
    /// Too many calls by an app in one second, across all commands.
    #[error(
        "more than {limit} calls in one second by this app, across all commands; this call had no effect, wait {wait_ms} ms"
    )]
    AppFrequency {
        /// The calls allowed per second.
        limit: u32,
        /// The milliseconds until the next second begins.
        wait_ms: u32,
    },
    /// The app's edition does not include what the call writes.
    #[error(
        "{what} cannot be written by an app of this edition; custom marks and all reads can be used (setting edition, or confold dev --edition ultimate)"
    )]
    Edition {
        /// What the call writes.
        what: &'static str,
    },
    /// The body is not a JSON object.
    #[error("the body must be one JSON object: {0}")]
    Json(String),
    /// A field whose name ends in `_Account` contains something other than strings.
    #[error("{0}")]
    AccountType(Fault),
    /// A field of the request is missing or invalid.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// A rule refuses the call.
    #[error("{}", explain(.0))]
    Rejected(#[from] Rejection),
    /// A conversation cannot be pinned, because the owner is not in its chat group.
    #[error("{}; {JOIN}", Rejection::NotMember(.0.clone()))]
    Outsider(ChatGroupId),
    /// A value of the request breaks a rule that has its own error code.
    #[error("{path}: {}", explain(rejection))]
    At {
        /// The path of the field.
        path: String,
        /// The broken rule.
        rejection: Rejection,
    },
    /// A string field of a chat group is too long.
    #[error("{path} is refused: it may have at most {limit} bytes, found {bytes}")]
    GroupTextLength {
        /// The path of the field.
        path: String,
        /// The maximum number of bytes.
        limit: usize,
        /// The number of bytes found.
        bytes: usize,
    },
    /// A string field of an account's profile is too long.
    #[error("{path} may have at most {limit} bytes, found {bytes}")]
    ProfileLength {
        /// The path of the field.
        path: String,
        /// The maximum number of bytes.
        limit: usize,
        /// The number of bytes found.
        bytes: usize,
    },
    /// A field of a profile is refused.
    #[error("{1}")]
    Profile(ProfileProblem, Fault),
    /// No users are named whose profiles to return.
    #[error("{0}")]
    NoProfiles(Fault),
    /// A message, or a question for the presence of users, is refused.
    #[error("{1}")]
    Message(MessageProblem, Fault),
    /// The account in this field does not exist.
    #[error("{path}: {}", explain(&Rejection::UnknownPeer(user.clone())))]
    NoAccount {
        /// The path of the field.
        path: &'static str,
        /// The user.
        user: UserId,
    },
    /// A chat group does not exist.
    #[error(
        "{} is unknown or was disbanded; {}",
        quoted(.0.as_str()), creation(.0)
    )]
    NoChatGroup(ChatGroupId),
    /// The id of a chat group is malformed.
    #[error("{0}")]
    ChatGroupIdForm(Fault),
    /// The id of a chat group is in use by another owner.
    #[error("the group id {} is already used by a chat group of another owner", quoted(.0.as_str()))]
    ChatGroupTaken(ChatGroupId),
    /// The id of a chat group is in use by the same owner.
    #[error("the group id {} is already used by a chat group of the same owner; it can be used as it is", quoted(.0.as_str()))]
    ChatGroupOwn(ChatGroupId),
    /// A call names too many members.
    #[error("{path} may have at most {limit} members per call, found {found}")]
    ManyMembers {
        /// The path of the field.
        path: String,
        /// The maximum number of members.
        limit: usize,
        /// The number of members found.
        found: usize,
    },
    /// The kind of the chat group has no list of members.
    #[error("an AVChatRoom has no list of members, so {0} cannot be used with it")]
    NoMemberList(&'static str),
    /// Members of this kind of chat group cannot be removed.
    #[error("GroupId: the group {} is an AVChatRoom, from which nobody can be removed", quoted(.0))]
    NoRemoval(String),
    /// The chat group has no room for all new members.
    #[error("MemberList: the group would have more members than its MaxMemberCount of {0}; nobody was added")]
    ChatGroupFull(u32),
    /// The owner of a chat group cannot be removed from it.
    #[error("MemberToDel_Account: {} is the owner of the group and cannot be removed from it", quoted(.0.as_str()))]
    OwnerStays(UserId),
    /// A value does not fit the chat group.
    #[error("{0}")]
    ChatGroupValue(String),
    /// The chat group does not allow the call.
    #[error("{0}")]
    ChatGroupDenied(String),
    /// The reply would be too large.
    #[error(
        "the reply would have {bytes} bytes, and it may have at most {limit}; use Limit and {place} to get it in parts"
    )]
    LongReply {
        /// The size of the reply.
        bytes: usize,
        /// The largest size.
        limit: usize,
        /// The field that says where a part of the list begins.
        place: &'static str,
    },
    /// A user named in a chat group call does not exist.
    #[error("{}", explain(&Rejection::UnknownPeer(.0.clone())))]
    NoUser(UserId),
    /// The call was not answered in time. It may have had an effect.
    #[error(
        "the call was not answered in time and may or may not have taken effect; check what it should have changed \
         before you repeat it"
    )]
    Timeout,
    /// The owner was changed again whenever the call was about to be decided.
    #[error(
        "other calls changed the owner at the same time, {attempts} times in a row; this call had no effect, try again \
         in a second"
    )]
    Contended {
        /// How often the call was tried.
        attempts: usize,
    },
    /// The memory for request bodies is used up.
    #[error(
        "the bodies of calls use all the memory that this server allows for them ({limit} bytes, setting \
         limits.bodies); this call had no effect, try again in a second"
    )]
    ManyBodies {
        /// The maximum number of bytes for all bodies.
        limit: usize,
    },
    /// The store failed. Callers do not see the details, which are only logged.
    #[error("{}", about_store(.0))]
    Store(#[from] StoreError),
}

/// Returns what a caller may learn about a failure of the store.
fn about_store(error: &StoreError) -> &'static str {
    match error {
        StoreError::Busy => "too many calls are waiting for the store of this server; try again in a second",
        StoreError::Elsewhere(_) => {
            "the state of the owner is not the one in IfInState or If-Match, so nothing was changed; read what has \
             changed since, and try again with the State of that reply"
        }
        StoreError::KeyReused => {
            "Idempotency-Key: this key was used for another call within the last 24 hours, so nothing was changed; choose a \
             new key for each call, and repeat a call with exactly the same body"
        }
        _ => "internal error, please try again",
    }
}

/// Describes a rejection and adds a cure: a command, a flag, or the rule for ids (decision 24).
pub(super) fn explain(rejection: &Rejection) -> String {
    match rejection {
        Rejection::UnknownOwner(user) | Rejection::UnknownPeer(user) => {
            match UserId::importable(user.as_str()) {
                Ok(_) => format!(
                    "{rejection}; import it with v4/im_open_login_svc/account_import, or start dev with {OPEN}"
                ),
                Err(rule) => format!("{rejection} and cannot be: {rule}"),
            }
        }
        Rejection::UnknownChatGroup(id) => {
            format!("{rejection}; {}, or start dev with {OPEN}", creation(id))
        }
        Rejection::DisbandedChatGroup(id) => format!(
            "{rejection}; to use its id again, {}; earlier records about it are not restored",
            creation(id)
        ),
        Rejection::NotMember(_) => {
            format!("{rejection}; {JOIN}, or set the app's setting membership to ignore")
        }
        other => other.to_string(),
    }
}

/// How a user gets into a chat group.
const JOIN: &str = "add the owner with v4/group_open_http_svc/add_group_member";

/// The option with which every well-formed id counts as existing.
const OPEN: &str = "--directory open (confold serve: with the app's setting directory)";

/// Returns how a chat group with this id can be created.
fn creation(id: &ChatGroupId) -> &'static str {
    match id.as_str() {
        text if text.len() > ChatGroupId::MAX_CREATED_BYTES => {
            "import it from a file with confold import, because no command creates an id of more than 48 bytes"
        }
        text if text.starts_with(ChatGroupId::RESERVED_PREFIX) => {
            "create it with v4/group_open_http_svc/import_group, the only command that accepts an id that begins with @TGS#"
        }
        _ => "create it with v4/group_open_http_svc/create_group or import_group",
    }
}

/// Converts a rejection. If it is that of the owner whom a request names, the error names the field.
pub(super) fn of_owner(rejection: Rejection) -> Error {
    match rejection {
        Rejection::UnknownOwner(_) => Error::At { path: super::OWNER.name.to_owned(), rejection },
        other => other.into(),
    }
}
