//! `kick`: ends the sessions of a user. Devices do not connect to confold, so only the user is checked.

use serde::Serialize;

use super::{Call, Error, describe::accounts as field, members::user};
use crate::wire::Fields;

#[derive(Serialize)]
struct Reply {}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    // Older clients name the field Identifier.
    let name = match request.optional_text(&field::KICKED_USER)? {
        None if request.optional_text(&field::IDENTIFIER)?.is_some() => &field::IDENTIFIER,
        _ => &field::KICKED_USER,
    };
    let user = request.required(name, user)?;
    match call.exist(std::slice::from_ref(&user)).await?[..] {
        [true] => Ok(call.ok(&Reply {})),
        _ => Err(Error::NoAccount { path: name.name, user }),
    }
}
