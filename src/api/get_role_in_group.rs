//! `get_role_in_group`: returns the roles of users in a chat group.

use serde::Serialize;

use super::{
    Call, Error,
    describe::groups as field,
    members::{check_members, user, with_members},
    shapes::chat_group_id,
};
use crate::{
    domain::{UserId, WantedMembers, batch},
    wire::Fields,
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    user_id_list: Vec<UserRole<'a>>,
}

#[derive(Serialize)]
struct UserRole<'a> {
    #[serde(rename = "Member_Account")]
    account: &'a str,
    #[serde(rename = "Role")]
    role: &'static str,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&field::GROUP_ID, chat_group_id)?;
    check_members(request, &field::USER_ACCOUNT, batch::NAMED_MEMBERS)?;
    let users = request.required(&field::USER_ACCOUNT, |list| list.each(user))?;
    let wanted = WantedMembers::Named(users.clone());
    let groups = call.service.store.chat_groups(call.app.id, vec![id.clone()], wanted).await?;
    let (profile, members) = with_members(groups.first().and_then(Option::as_ref), &id, call.command)?;
    let role = |user: &UserId| profile.role(user, members.iter().find(|member| member.user == *user));
    let user_id_list =
        users.iter().map(|user| UserRole { account: user.as_str(), role: role(user).name() }).collect();
    Ok(call.ok(&Reply { user_id_list }))
}
