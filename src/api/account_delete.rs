//! `account_delete`: deletes accounts and everything that they organized. Their counters are kept
//! (decision 9), and so are the records that other owners have about them.

use serde::Serialize;

use super::{
    Call, Error, account_import::user, describe::accounts as field, sentences::NO_ACCOUNT,
    shapes::check_count,
};
use crate::{
    domain::{Edit, Outcome, Owner, Rejection, UserId, batch},
    store::StoreError,
    wire::{Fields, code::Code},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    result_item: Vec<ResultItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResultItem<'a> {
    result_code: u32,
    result_info: &'static str,
    #[serde(rename = "UserID")]
    user_id: &'a str,
}

/// The reason why an administrator cannot be deleted (decision 28).
const ADMINISTRATOR: &str = "administrators are set in the configuration, and this one cannot be deleted; first \
                             remove the user from the app's setting admins (confold dev: the option --app)";

impl<'a> ResultItem<'a> {
    fn new(code: Code, result_info: &'static str, user: &'a UserId) -> ResultItem<'a> {
        ResultItem { result_code: code.number(), result_info, user_id: user.as_str() }
    }
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let users = request.required(&field::DELETE_ITEM, |value| {
        check_count(value, batch::ACCOUNTS)?;
        value.each(user)
    })?;
    let deletions: Vec<_> = (users.iter())
        .map(|user| call.commit(Owner { app: call.app.id, user: user.clone() }, Edit::DeleteAccount))
        .collect();
    let mut result_item = Vec::with_capacity(users.len());
    for (user, deletion) in users.iter().zip(deletions) {
        let (code, result_info) = match deletion.await {
            Ok(Ok(Outcome::Account { existed: true, .. })) => (Code::OK, ""),
            Ok(Ok(_)) => (Code::ACCOUNT_UNKNOWN, NO_ACCOUNT),
            Ok(Err(Rejection::Administrator(_))) => (Code::ACCOUNT_KEPT, ADMINISTRATOR),
            Ok(Err(rejection)) => return Err(rejection.into()),
            // The other accounts are still deleted.
            Err(StoreError::Damaged { .. }) => (Code::ACCOUNT_INTERNAL, "internal error, please try again"),
            Err(error) => return Err(error.into()),
        };
        call.items.note(code.number());
        if result_info == NO_ACCOUNT {
            call.items.hint(|| format!("DeleteItem: {}", Rejection::UnknownPeer(user.clone())));
        }
        result_item.push(ResultItem::new(code, result_info, user));
    }
    Ok(call.ok(&Reply { result_item }))
}
