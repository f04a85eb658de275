//! `account_check`: reports which accounts have been imported. Administrators count as imported (decision 28). An
//! unknown account is not an error.

use serde::Serialize;

use super::{Call, Error, account_import::user, describe::accounts as field, shapes::check_count};
use crate::{domain::batch, wire::Fields};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    result_item: Vec<ResultItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResultItem<'a> {
    #[serde(rename = "UserID")]
    user_id: &'a str,
    result_code: u32,
    result_info: &'static str,
    account_status: &'static str,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let users = request.required(&field::CHECK_ITEM, |value| {
        check_count(value, batch::ACCOUNTS)?;
        value.each(user)
    })?;
    let imported = call.service.store.accounts(call.app.id, users.clone()).await?;
    let directory = call.app.directory();
    let result_item = (users.iter().zip(imported))
        .map(|(user, imported)| (user, imported || directory.appoints(user)))
        .map(|(user, imported)| ResultItem {
            user_id: user.as_str(),
            result_code: 0,
            result_info: "",
            account_status: if imported { "Imported" } else { "NotImported" },
        })
        .collect();
    Ok(call.ok(&Reply { result_item }))
}
