//! The only mapping from the reasons for a refusal to error numbers.

use super::{
    Family,
    error::{Error, MessageProblem, explain},
};
use crate::{
    auth::{Refusal, usersig::Flaw},
    domain::Rejection,
    store::StoreError,
    wire::{ProfileProblem, code::Code},
};

impl Error {
    /// Returns the error code, which depends on the service.
    #[must_use]
    pub fn code(&self, family: Family) -> Code {
        match self {
            Error::Http(_) => Code::HTTP,
            Error::Injected(code, _) => *code,
            Error::NoCommand { service, .. } => no_command_code(service),
            Error::Absent(absent) => no_command_code(absent.service()),
            Error::NoResource(_) | Error::NotSwitchedOn { .. } => Code::RESOURCE,
            Error::Refused(refusal) => refusal_code(refusal),
            Error::Frequency { .. } => Code::FREQUENCY,
            Error::AppFrequency { .. } => Code::APP_FREQUENCY,
            Error::Edition { .. } => Code::EDITION,
            Error::Json(_) => Code::JSON,
            Error::AccountType(_) => Code::ACCOUNT_TYPE,
            Error::Fault(_) | Error::Store(StoreError::Elsewhere(_) | StoreError::KeyReused) => {
                parameter_code(family)
            }
            Error::Rejected(rejection) | Error::At { rejection, .. } => rejection_code(rejection, family),
            Error::ProfileLength { .. } => Code::PROFILE_LENGTH,
            Error::Profile(problem, _) => profile_code(*problem),
            Error::NoProfiles(_) => Code::PROFILE_USERS,
            Error::Message(problem, _) => message_code(*problem, family),
            Error::NoAccount { .. } => Code::ACCOUNT_UNKNOWN,
            Error::NoChatGroup(_) => Code::GROUP_ABSENT,
            Error::ChatGroupIdForm(_) => Code::GROUP_ID,
            Error::ChatGroupTaken(_) => Code::GROUP_ID_TAKEN,
            Error::ChatGroupOwn(_) => Code::GROUP_ID_OWN,
            Error::NoUser(_) => Code::GROUP_USER,
            Error::ManyMembers { .. } => Code::GROUP_PACKET,
            Error::NoMemberList(_) | Error::ChatGroupDenied(_) => Code::GROUP_PERMISSION,
            Error::NoRemoval(_) | Error::GroupTextLength { .. } | Error::ChatGroupValue(_) => {
                Code::GROUP_PARAMETER
            }
            Error::LongReply { .. } => Code::GROUP_REPLY,
            Error::ChatGroupFull(_) => Code::GROUP_FULL,
            Error::OwnerStays(_) => Code::GROUP_OWNER,
            Error::Timeout => Code::TIMEOUT,
            Error::Contended { .. } | Error::ManyBodies { .. } | Error::Store(StoreError::Busy) => {
                Code::OVERLOAD
            }
            Error::Store(
                StoreError::Failed(_)
                | StoreError::Full(_)
                | StoreError::ReadOnly(_)
                | StoreError::Lost(_)
                | StoreError::Moved(_)
                | StoreError::Damaged { .. }
                | StoreError::Rule
                | StoreError::Conflict(_)
                | StoreError::Closed,
            ) => internal_code(family),
        }
    }
}

/// Returns the code for an unknown command. The group service has its own.
fn no_command_code(service: &str) -> Code {
    if service == Family::Group.name() { Code::GROUP_COMMAND } else { Code::RESOURCE }
}

fn refusal_code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::NoAppId { .. } => Code::APP_ID_MISSING,
        Refusal::MalformedAppId(_) => Code::APP_ID,
        Refusal::UnknownApp(_) => Code::APP_UNKNOWN,
        Refusal::NoIdentity { .. } => Code::IDENTITY,
        Refusal::NoKey(_) => Code::NO_KEY,
        Refusal::TooManyFailures(_) => Code::SIG_FAILURES,
        Refusal::Denied(_) => Code::DENIED,
        Refusal::Disabled(_) => Code::APP_DISABLED,
        Refusal::Closed { .. } => Code::SERVICE_CLOSED,
        Refusal::PlanExpired(_) => Code::PLAN_EXPIRED,
        Refusal::Source { .. } => Code::SOURCE,
        Refusal::NotAdmin { .. } => Code::ADMIN,
        Refusal::Signature { flaw, .. } => flaw_code(flaw),
    }
}

/// Returns the code for a `UserSig` with this flaw.
#[must_use]
pub fn flaw_code(flaw: &Flaw) -> Code {
    match flaw {
        Flaw::Empty => Code::SIG_EMPTY,
        Flaw::TooLong | Flaw::Base64 | Flaw::Zlib | Flaw::TooLarge | Flaw::Json => Code::SIG_ILLEGAL,
        Flaw::Version1 | Flaw::Field(_) | Flaw::IdentifierForm(_) | Flaw::Userbuf => Code::SIG_INCOMPLETE,
        Flaw::App(_) => Code::SIG_APP,
        Flaw::Identifier(_) => Code::SIG_IDENTIFIER,
        Flaw::Forged => Code::SIG_FORGED,
        Flaw::Expired { .. } => Code::SIG_EXPIRED,
    }
}

fn profile_code(problem: ProfileProblem) -> Code {
    match problem {
        ProfileProblem::Form => Code::PROFILE_PARAMETER,
        ProfileProblem::Tag => Code::PROFILE_TAG,
        ProfileProblem::Length => Code::PROFILE_LENGTH,
        ProfileProblem::Value => Code::PROFILE_VALUE,
        ProfileProblem::Type => Code::PROFILE_TYPE,
    }
}

fn message_code(problem: MessageProblem, family: Family) -> Code {
    match problem {
        MessageProblem::Long if family == Family::Group => Code::GROUP_LONG_MESSAGE,
        MessageProblem::ManyMentions => Code::GROUP_MENTIONS,
        _ if family == Family::Group => Code::GROUP_PARAMETER,
        MessageProblem::NoUsers => Code::OPENIM_PARAMETER,
        MessageProblem::Empty => Code::MESSAGE_EMPTY,
        MessageProblem::Receiver => Code::MESSAGE_RECEIVER,
        MessageProblem::Random => Code::MESSAGE_RANDOM,
        MessageProblem::Time => Code::MESSAGE_TIME,
        MessageProblem::Body => Code::MESSAGE_BODY,
        MessageProblem::Sender => Code::MESSAGE_SENDER,
        MessageProblem::Element => Code::MESSAGE_ELEMENT,
        MessageProblem::ManyUsers => Code::MESSAGE_USERS,
        MessageProblem::UnknownReceiver => Code::MESSAGE_UNKNOWN_RECEIVER,
        MessageProblem::Receivers => Code::MESSAGE_RECEIVERS,
        MessageProblem::NoReceivers => Code::MESSAGE_NO_RECEIVERS,
        MessageProblem::OldSystem => Code::MESSAGE_OLD_SYSTEM,
        MessageProblem::OtherMachine => Code::MESSAGE_OTHER_MACHINE,
        MessageProblem::Push => Code::MESSAGE_PUSH,
        MessageProblem::LifeTime => Code::MESSAGE_LIFE_TIME,
        MessageProblem::Long => Code::MESSAGE_LONG,
        MessageProblem::LongBatch => Code::MESSAGE_LONG_BATCH,
    }
}

fn rejection_code(rejection: &Rejection, family: Family) -> Code {
    match rejection {
        Rejection::UnknownOwner(_) if family == Family::Profile => Code::PROFILE_ACCOUNT,
        Rejection::TooManyTags { .. } => Code::PROFILE_TAG,
        Rejection::UnknownOwner(_) | Rejection::UnknownPeer(_) => Code::ACCOUNT_ABSENT,
        Rejection::UnknownChatGroup(_) | Rejection::DisbandedChatGroup(_) | Rejection::NotMember(_) => {
            Code::CHAT_GROUP
        }
        Rejection::Administrator(_) => Code::ACCOUNT_KEPT,
        Rejection::UnreadablePeer(_) => internal_code(family),
        Rejection::TooManyGrouped { .. } | Rejection::TooManyMarked { .. } => Code::CONVERSATIONS,
        Rejection::TooManyPinned { .. } => Code::PINNED,
        Rejection::TooManyGroups { .. } | Rejection::NoGroupIdLeft => Code::GROUPS,
        Rejection::NoSuchGroup(_) => Code::GROUP_UNKNOWN,
        Rejection::NameLength { .. } => Code::GROUP_NAME,
        Rejection::BatchSize { .. } => Code::BATCH,
        Rejection::Import(_)
        | Rejection::NameTaken(_)
        | Rejection::NameCharacter { .. }
        | Rejection::IdLength { .. }
        | Rejection::IdCharacter { .. }
        | Rejection::MarkBit { .. }
        | Rejection::MarkText { .. }
        | Rejection::CustomMarkLength { .. }
        | Rejection::Unreadable(_)
        | Rejection::NothingToApply { .. }
        | Rejection::NothingToUndo
        | Rejection::Erased => parameter_code(family),
    }
}

fn parameter_code(family: Family) -> Code {
    match family {
        Family::RecentContact | Family::Confold => Code::PARAMETER,
        Family::Account => Code::ACCOUNT_PARAMETER,
        Family::Group => Code::GROUP_PARAMETER,
        Family::Profile => Code::PROFILE_PARAMETER,
        Family::OpenIm => Code::OPENIM_PARAMETER,
    }
}

fn internal_code(family: Family) -> Code {
    match family {
        Family::RecentContact | Family::Confold => Code::INTERNAL,
        Family::Account => Code::ACCOUNT_INTERNAL,
        Family::Group => Code::GROUP_INTERNAL,
        Family::Profile => Code::PROFILE_INTERNAL,
        Family::OpenIm => Code::OPENIM_INTERNAL,
    }
}

/// Returns `ResultCode` and `ResultInfo` for one item of a call.
pub(super) fn item_result(result: &Result<(), Rejection>) -> (u32, String) {
    match result {
        Ok(()) => (Code::OK.number(), String::new()),
        Err(rejection) => (rejection_code(rejection, Family::RecentContact).number(), explain(rejection)),
    }
}
