//! `account_import`: imports one account, or updates its profile.

use serde::Serialize;

use super::{Call, Error, describe::accounts as field};
use crate::{
    domain::{Edit, Outcome, Owner, Rejection, UserId},
    store::Pending,
    wire::{Fault, Field, Fields, Path, Value},
};

/// The maximum length of a nickname and of a portrait address.
const PROFILE_BYTES: usize = 500;

#[derive(Serialize)]
struct Reply {}

/// The profile in a request or in one list element. Absent fields keep their values.
pub(super) struct Import {
    pub(super) nick: Option<String>,
    pub(super) face_url: Option<String>,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    // Older clients name the field Identifier.
    let name = match request.optional_text(&field::IMPORTED_USER)? {
        None if request.optional_text(&field::IDENTIFIER)?.is_some() => &field::IDENTIFIER,
        _ => &field::IMPORTED_USER,
    };
    let user = request.required(name, |value| {
        UserId::importable(value.read()?).map_err(|why| Fault::refused(value.path, why))
    })?;
    let import = read_profile(request)?;
    submit(&call, user, import).await??;
    Ok(call.ok(&Reply {}))
}

/// Reads `Nick` and `FaceUrl`.
pub(super) fn read_profile(fields: Fields<'_>) -> Result<Import, Error> {
    let text = |field: &'static Field| match fields.optional_text(field)? {
        Some(text) if text.len() > PROFILE_BYTES => {
            let path = Path::Member(&fields.path, field.name).to_string();
            Err(Error::ProfileLength { path, limit: PROFILE_BYTES, bytes: text.len() })
        }
        text => Ok(text.map(str::to_owned)),
    };
    Ok(Import { nick: text(&field::NICK)?, face_url: text(&field::FACE_URL)? })
}

/// Queues the import immediately; the returned future waits for its outcome.
pub(super) fn submit<'a>(
    call: &'a Call<'_>,
    user: UserId,
    import: Import,
) -> Pending<'a, Result<Outcome, Rejection>> {
    let Import { nick, face_url } = import;
    call.commit(Owner { app: call.app.id, user }, Edit::ImportAccount { nick, face_url })
}

/// Reads the `UserID` of a list element. Any valid user id is accepted, even one that an account cannot be imported
/// under.
pub(super) fn user(item: Value<'_>) -> Result<UserId, Fault> {
    item.fields()?.required(&field::USER, |value| {
        UserId::parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))
    })
}
