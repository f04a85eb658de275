//! `add_group_member`: adds members to a chat group. Calls are made by administrators, so no approval is needed.

use serde::Serialize;

use super::{
    Call, Error,
    describe::groups as field,
    members::{check_members, user},
    shapes::chat_group_id,
};
use crate::{
    domain::{ChatGroupEdit, ChatGroupOutcome, Joining, Member, UserId, batch},
    wire::Fields,
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Reply<'a> {
    pub(super) member_list: Vec<MemberResult<'a>>,
}

#[derive(Serialize)]
pub(super) struct MemberResult<'a> {
    #[serde(rename = "Member_Account")]
    account: &'a str,
    /// 0: not added, for example because the account does not exist; 1: added; 2: was a member already.
    #[serde(rename = "Result")]
    result: u8,
}

impl<'a> MemberResult<'a> {
    pub(super) fn new(user: &'a UserId, joined: Joining) -> MemberResult<'a> {
        let result = match joined {
            Joining::Unknown | Joining::Impossible => 0,
            Joining::Added => 1,
            Joining::Present => 2,
        };
        MemberResult { account: user.as_str(), result }
    }
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&field::GROUP_ID, chat_group_id)?;
    check_members(request, &field::MEMBER_LIST, batch::ADDED_MEMBERS)?;
    let users = request.required(&field::MEMBER_LIST, |list| {
        list.each(|item| item.fields()?.required(&field::MEMBER_ACCOUNT, user))
    })?;
    let joined_at = call.service.clock.now();
    let members = users.iter().map(|user| Member::new(user.clone(), false, joined_at)).collect();
    let ChatGroupOutcome { joined, .. } =
        call.edit_chat_group(&id, ChatGroupEdit::AddMembers(members)).await?;
    let member_list =
        (users.iter().zip(joined)).map(|(user, joined)| MemberResult::new(user, joined)).collect();
    Ok(call.ok(&Reply { member_list }))
}
