//! `import_group_member`: adds members to a chat group with the times at which they joined it elsewhere.

use super::{
    Call, Error,
    add_group_member::{MemberResult, Reply},
    describe::{
        groups::{GROUP_ID, MEMBER_ACCOUNT},
        neighbours as field,
    },
    members::{check_members, user},
    shapes::chat_group_id,
};
use crate::{
    domain::{ChatGroupEdit, ChatGroupOutcome, Joining, Member, UserId, batch},
    wire::{Fault, Fields},
};

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&GROUP_ID, chat_group_id)?;
    check_members(request, &field::IMPORTED_MEMBERS, batch::ADDED_MEMBERS)?;
    let now = call.service.clock.now();
    // Members who cannot be imported at all have no entry, so that the others are imported nevertheless.
    let named = request.required(&field::IMPORTED_MEMBERS, |list| {
        list.each(|item| -> Result<(UserId, Option<Member>), Fault> {
            let fields = item.fields()?;
            let user = fields.required(&MEMBER_ACCOUNT, user)?;
            let role =
                fields.optional(&field::IMPORTED_ROLE, |role| Ok::<_, Fault>(role.word()?.to_owned()))?;
            let joined_at = fields.optional(&field::JOIN_TIME, |value| value.read::<i64>())?;
            let joined_at = joined_at.map_or(Some(now), |time| u64::try_from(time).ok());
            let joined_at = joined_at.filter(|_| role.as_deref() != Some("Owner"));
            let member =
                joined_at.map(|time| Member::new(user.clone(), role.as_deref() == Some("Admin"), time));
            Ok((user, member))
        })
    })?;
    let members = named.iter().filter_map(|(_, member)| member.clone()).collect();
    let ChatGroupOutcome { joined, .. } =
        call.edit_chat_group(&id, ChatGroupEdit::ImportMembers(members)).await?;
    let mut joined = joined.into_iter();
    let member_list = (named.iter())
        .map(|(user, member)| {
            let joining = member.as_ref().and_then(|_| joined.next()).unwrap_or(Joining::Impossible);
            MemberResult::new(user, joining)
        })
        .collect();
    Ok(call.ok(&Reply { member_list }))
}
