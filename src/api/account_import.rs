//! `account_import`: makes one account known, or known better.

use serde::Serialize;

use super::{Call, Error};
use crate::{
    domain::{Edit, Outcome, Owner, Rejection, UserId},
    store::Pending,
    wire::{Fault, Fields, Path, Value},
};

/// The longest nick and the longest portrait address, in bytes.
const PROFILE_BYTES: usize = 500;

#[derive(Serialize)]
struct Reply {}

/// The account of one request or list element. What is absent stays as it was.
pub(super) struct Import {
    pub(super) nick: Option<String>,
    pub(super) face_url: Option<String>,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    // Older clients name the field Identifier.
    let name = match request.optional_text("UserID")? {
        None if request.optional_text("Identifier")?.is_some() => "Identifier",
        _ => "UserID",
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
    let text = |name| match fields.optional_text(name)? {
        Some(text) if text.len() > PROFILE_BYTES => {
            let path = Path::Member(&fields.path, name).to_string();
            Err(Error::ProfileLength { path, limit: PROFILE_BYTES, bytes: text.len() })
        }
        text => Ok(text.map(str::to_owned)),
    };
    Ok(Import { nick: text("Nick")?, face_url: text("FaceUrl")? })
}

/// Queues the import at once; the future waits for it.
pub(super) fn submit<'a>(
    call: &'a Call<'_>,
    user: UserId,
    import: Import,
) -> Pending<'a, Result<Outcome, Rejection>> {
    let Import { nick, face_url } = import;
    call.commit(Owner { app: call.app.id, user }, Edit::ImportAccount { nick, face_url })
}

/// Reads the `UserID` of a list element as whoever it names, importable or not.
pub(super) fn user(item: Value<'_>) -> Result<UserId, Fault> {
    item.fields()?.required("UserID", |value| {
        UserId::parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))
    })
}
