//! `multiaccount_import`: imports up to 100 accounts, given in the old form (a list of ids) or in
//! the newer one (a list of objects).

use serde::Serialize;

use super::{
    Call, Error,
    account_import::{Import, read_profile, submit},
    describe::accounts as field,
    shapes::check_count,
};
use crate::{
    domain::{UserId, batch},
    store::StoreError,
    wire::{Fields, code::Code},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    fail_accounts: Vec<String>,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let newer = request.optional(&field::ACCOUNT_LIST, |value| -> Result<_, Error> {
        check_count(value, batch::ACCOUNTS)?;
        value.each(|item| -> Result<_, Error> {
            let fields = item.fields()?;
            let profile = match read_profile(fields) {
                Err(Error::ProfileLength { .. }) => None,
                profile => Some(profile?),
            };
            Ok((fields.text(&field::USER)?.to_owned(), profile))
        })
    })?;
    let accounts = match newer {
        Some(accounts) => accounts,
        None => request.required(&field::ACCOUNTS, |value| -> Result<_, Error> {
            check_count(value, batch::ACCOUNTS)?;
            value.each(|item| {
                Ok((item.read::<&str>()?.to_owned(), Some(Import { nick: None, face_url: None })))
            })
        })?,
    };
    let mut fail_accounts = Vec::new();
    let mut pending = Vec::new();
    for (id, profile) in accounts {
        if let (Ok(user), Some(profile)) = (UserId::importable(&id), profile) {
            pending.push((id, submit(&call, user, profile)));
        } else {
            call.items.note(Code::ACCOUNT_PARAMETER.number());
            fail_accounts.push(id);
        }
    }
    for (id, import) in pending {
        match import.await {
            Ok(imported) => drop(imported?),
            // The other accounts are still imported.
            Err(StoreError::Damaged { .. }) => {
                call.items.note(Code::ACCOUNT_INTERNAL.number());
                fail_accounts.push(id);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(call.ok(&Reply { fail_accounts }))
}
