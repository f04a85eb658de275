//! `add_group_member`: adds members to a chat group. An administrator needs nobody's approval.

use serde::Serialize;

use super::{
    Call, Error,
    describe::groups as field,
    members::{check_members, user, with_members},
    shapes::chat_group_id,
};
use crate::{
    domain::{ChatGroup, Member, batch},
    wire::Fields,
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    member_list: Vec<MemberResult<'a>>,
}

#[derive(Serialize)]
struct MemberResult<'a> {
    #[serde(rename = "Member_Account")]
    account: &'a str,
    /// 0 failed (no such account), 1 added, 2 was in it already.
    #[serde(rename = "Result")]
    result: u8,
}

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&field::GROUP_ID, chat_group_id)?;
    check_members(request, &field::MEMBER_LIST, batch::ADDED_MEMBERS)?;
    let users = request.required(&field::MEMBER_LIST, |list| {
        list.each(|item| item.fields()?.required(&field::MEMBER_ACCOUNT, user))
    })?;
    let known = call.known(&users).await?;
    let joined_at = call.service.clock.now();
    let newcomers: Vec<Member> = (users.iter().zip(&known))
        .filter(|(_, known)| **known)
        .map(|(user, _)| Member { user: user.clone(), admin: false, joined_at })
        .collect();
    let rule_id = id.clone();
    let rule = move |old: Option<&ChatGroup>| {
        let mut profile = match with_members(old, &rule_id, "add_group_member") {
            Ok(profile) => profile.clone(),
            Err(error) => return (Err(error), None),
        };
        let Some(added) = profile.add(newcomers.iter().cloned()) else {
            return (Err(Error::ChatGroupFull(profile.max_members)), None);
        };
        let next = added.contains(&true).then(|| old.cloned().unwrap_or_default().revived(profile));
        (Ok(added), next)
    };
    let added = call.service.store.change_chat_group_telling(call.app.id, id, rule).await??;
    let mut added = added.into_iter();
    let member_list = (users.iter().zip(known))
        .map(|(user, known)| {
            let result = match known.then(|| added.next()).flatten() {
                None => 0,
                Some(true) => 1,
                Some(false) => 2,
            };
            MemberResult { account: user.as_str(), result }
        })
        .collect();
    Ok(call.ok(&Reply { member_list }))
}
