//! `portrait_set`: sets fields of a user's profile. Either all of them are set, or none.

use serde::Serialize;

use super::{Call, Error, describe::profile as field, error::of_owner, shapes::check_count};
use crate::{
    domain::{Edit, batch},
    wire::{Fields, ProfileFault, ProfileProblem, read_profile_item},
};

#[derive(Serialize)]
struct Reply {}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let owner = call.owner(request).map_err(form)?;
    let fields = request.required(&field::PROFILE_ITEMS, |value| -> Result<_, ProfileFault> {
        check_count(value, batch::PROFILE)?;
        value.each(read_profile_item)
    });
    let fields = fields.map_err(|ProfileFault { problem, fault }| Error::Profile(problem, fault))?;
    call.commit(owner, Edit::SetProfile(fields)).await?.map_err(of_owner)?;
    Ok(call.ok(&Reply {}))
}

/// Creates the error for a part of the request that is missing or has the wrong form.
pub(super) fn form(fault: crate::wire::Fault) -> Error {
    Error::Profile(ProfileProblem::Form, fault)
}
