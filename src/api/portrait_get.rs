//! `portrait_get`: returns fields of users' profiles. Fields that were never set are left out.

use serde::Serialize;

use super::{Call, Error, describe::profile as field, portrait_set::form, shapes::check_count};
use crate::{
    domain::{Account, Owner, ProfileTag, ProfileValue, Rejection, UserId, batch},
    store::StoreError,
    wire::{Fields, ProfileFault, ProfileItem, code::Code, read_profile_tag},
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    user_profile_item: Vec<UserProfile<'a>>,
    #[serde(rename = "Fail_Account", skip_serializing_if = "Vec::is_empty")]
    failed: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserProfile<'a> {
    #[serde(rename = "To_Account")]
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_item: Option<Vec<ProfileItem<'a>>>,
    result_code: u32,
    result_info: &'static str,
}

/// The values of one user, in the order of the tags; an error if there are none.
type Values = Result<Vec<Option<ProfileValue>>, (Code, &'static str)>;

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let users: Vec<String> = request
        .required(&field::TO_ACCOUNT, |value| {
            check_count(value, batch::ACCOUNTS).map_err(|fault| match value.node.is_empty() {
                true => Error::NoProfiles(fault),
                false => form(fault),
            })?;
            value.each(|user| user.read::<&str>().map(str::to_owned)).map_err(form)
        })
        .map_err(|error: Error| match error {
            Error::Fault(missing) => Error::NoProfiles(missing),
            other => other,
        })?;
    let tags = request.required(&field::TAG_LIST, |value| -> Result<_, ProfileFault> {
        check_count(value, batch::PROFILE)?;
        value.each(read_profile_tag)
    });
    let tags: Vec<ProfileTag> =
        tags.map_err(|ProfileFault { problem, fault }| Error::Profile(problem, fault))?;
    let owner = |user: &String| Some(Owner { app: call.app.id, user: UserId::parse(user).ok()? });
    let owners: Vec<Option<Owner>> = users.iter().map(owner).collect();
    let loads: Vec<_> =
        owners.iter().map(|owner| owner.as_ref().map(|owner| call.service.store.load(owner))).collect();
    let mut found = Vec::with_capacity(users.len());
    for (owner, load) in owners.iter().zip(loads) {
        let (Some(owner), Some(load)) = (owner, load) else {
            found.push(Err((Code::PROFILE_ACCOUNT, NOT_IMPORTED)));
            continue;
        };
        let account = match load.await {
            Ok(loaded) => loaded.state.account,
            // The profiles of the other users are still returned.
            Err(StoreError::Damaged { .. }) => {
                found.push(Err((Code::PROFILE_INTERNAL, UNREADABLE)));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let exists = account.is_some() || call.app.directory().takes_for_granted(&owner.user);
        found.push(if exists {
            Ok(values(account.as_deref().unwrap_or(&Account::default()), &tags))
        } else {
            call.items.hint(|| format!("To_Account: {}", Rejection::UnknownPeer(owner.user.clone())));
            Err((Code::PROFILE_ACCOUNT, NOT_IMPORTED))
        });
    }
    Ok(call.ok(&reply(call, &users, &tags, &found)))
}

/// The text for a user who does not exist.
const NOT_IMPORTED: &str = "this account is not imported";

/// The vendor's text for a profile that cannot be read.
const UNREADABLE: &str = "Err_Profile_PortraitGet_Read_Custom_Data_Fail";

fn values(account: &Account, tags: &[ProfileTag]) -> Vec<Option<ProfileValue>> {
    tags.iter().map(|tag| account.value(tag)).collect()
}

fn reply<'a>(call: Call<'_>, users: &'a [String], tags: &'a [ProfileTag], found: &'a [Values]) -> Reply<'a> {
    let mut reply = Reply { user_profile_item: Vec::with_capacity(users.len()), failed: Vec::new() };
    for (user, found) in users.iter().zip(found) {
        let (profile_item, (code, result_info)) = match found {
            Ok(values) => {
                let set = tags.iter().zip(values);
                let items = set.filter_map(|(tag, value)| Some(ProfileItem(tag, value.as_ref()?)));
                (Some(items.collect()), (Code::OK, ""))
            }
            Err(failure) => {
                reply.failed.push(user);
                (None, *failure)
            }
        };
        call.items.note(code.number());
        reply.user_profile_item.push(UserProfile {
            user,
            profile_item,
            result_code: code.number(),
            result_info,
        });
    }
    reply
}
