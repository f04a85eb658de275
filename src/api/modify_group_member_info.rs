//! `modify_group_member_info`: changes the role or the name of a member in a chat group.

use super::{
    Call, Error,
    describe::{groups, neighbours as field},
    members::{given, user},
    shapes::{Empty, bounded, chat_group_id},
};
use crate::{
    domain::{ChatGroupEdit, MemberPatch},
    wire::{Fault, Fields, Value},
};

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&groups::GROUP_ID, chat_group_id)?;
    let member = request.required(&groups::MEMBER_ACCOUNT, user)?;
    let admin = given(request, &groups::ROLE, |value| Ok::<_, Fault>(value.word()? == "Admin"))?;
    let name_card = request.optional(&field::NAME_CARD, |value| bounded(value, 50))?;
    // These are checked, and nothing of them is kept.
    given(request, &field::MSG_FLAG, |value| value.word().map(drop))?;
    let seconds = |value: Value<'_>| match value.read::<i64>()? {
        ..0 => Err(Fault::unfit(value.path, "a number of seconds", value.node)),
        _ => Ok(()),
    };
    let mut mutes = false;
    for field in [&field::MUTE_TIME, &field::SHUT_UP_TIME, &field::MUTE_UNTIL, &field::SHUT_UP_UNTIL] {
        mutes |= request.optional(field, seconds)?.is_some();
    }
    let patch = MemberPatch { admin, name_card, mutes };
    call.edit_chat_group(&id, ChatGroupEdit::ChangeMember { user: member, patch }).await?;
    Ok(call.ok(&Empty {}))
}
