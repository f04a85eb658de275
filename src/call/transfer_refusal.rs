//! The reasons why a transfer is refused or breaks off.

use std::io;

use super::answer::{Answer, Status};
use crate::{
    api::{Error, Family},
    domain::AppId,
    excerpt,
    log_lines::log,
    store::StoreError,
    wire::code::Code,
};

/// Why a transfer was refused or broke off.
pub(super) struct TransferRefusal {
    pub(super) status: Status,
    pub(super) code: Code,
    pub(super) said: String,
    /// The app of an admitted caller.
    pub(super) app: Option<AppId>,
}

impl TransferRefusal {
    /// Converts the refusal to an answer.
    pub(super) fn answer(self) -> Answer {
        Answer::failure(self.status, self.code, &self.said)
    }

    pub(super) fn new(status: Status, error: &Error) -> TransferRefusal {
        let said = excerpt::line(&error.reply_text().info).into_owned();
        TransferRefusal { status, code: error.code(Family::RecentContact), said, app: None }
    }

    /// Refuses a request that a web page may have sent.
    pub(super) fn page(said: String) -> TransferRefusal {
        TransferRefusal { status: Status::Forbidden, code: Code::RESOURCE, said, app: None }
    }

    /// Refuses a bad query parameter.
    pub(super) fn query(said: String) -> TransferRefusal {
        TransferRefusal { status: Status::BadRequest, code: Code::HTTP, said, app: None }
    }

    /// Refuses a caller who is not admitted, or whose access ended during the transfer.
    pub(super) fn caller(error: &Error) -> TransferRefusal {
        TransferRefusal::new(Status::Forbidden, error)
    }

    /// Refuses an encoded body.
    pub(super) fn encoding(said: String) -> TransferRefusal {
        TransferRefusal { status: Status::BadRequest, code: Code::HTTP, said, app: None }
    }

    pub(super) fn store(error: StoreError) -> TransferRefusal {
        TransferRefusal::new(Status::Unavailable, &Error::Store(error))
    }

    /// Reports that a thread cannot be started.
    pub(super) fn thread(error: &io::Error) -> TransferRefusal {
        log!(NO_THREAD_FOR_TRANSFER, %error);
        let said = "the system cannot start a thread for this transfer; try again later".to_owned();
        TransferRefusal { status: Status::Unavailable, code: Code::OVERLOAD, said, app: None }
    }

    pub(super) fn body() -> TransferRefusal {
        let said = "the body is incomplete or too slow".to_owned();
        TransferRefusal { status: Status::BadRequest, code: Code::HTTP, said, app: None }
    }
}
