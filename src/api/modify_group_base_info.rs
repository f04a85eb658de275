//! `modify_group_base_info`: changes the profile of a chat group.

use super::{
    Call, Error,
    describe::{groups, neighbours as field},
    members::{given, max_members, user},
    shapes::{Empty, bounded, chat_group_id, named},
};
use crate::{
    domain::{ChatGroupEdit, InviteOption, JoinOption, ProfilePatch},
    wire::{Fault, Field, Fields},
};

pub(super) async fn run(call: Call<'_>, request: Fields<'_>) -> Result<Vec<u8>, Error> {
    let id = request.required(&groups::GROUP_ID, chat_group_id)?;
    let operator = given(request, &field::OPERATOR, user)?;
    // An empty text clears, while other empty values are those that libraries send for fields that were not set.
    let text = |field: &'static Field, limit| request.optional(field, |value| bounded(value, limit));
    let name = request.optional(&field::NEW_NAME, |value| match bounded(value, 30)? {
        name if name.is_empty() => {
            Err(Error::Fault(Fault::refused(value.path, "it must have 1 to 30 bytes, found 0")))
        }
        name => Ok(name),
    })?;
    let introduction = text(&groups::INTRODUCTION, 240)?;
    let notification = text(&groups::NOTIFICATION, 300)?;
    let face_url = text(&groups::FACE_URL, 100)?;
    let most = match given(request, &field::MAX_MEMBER_NUM, max_members)? {
        Some(most) => Some(most),
        None => given(request, &groups::MAX_MEMBER_COUNT, max_members)?,
    };
    let join_option = given(request, &groups::APPLY_JOIN_OPTION, |value| named(value, JoinOption::parse))?;
    let invite_option =
        given(request, &field::INVITE_JOIN_OPTION, |value| named(value, InviteOption::parse))?;
    let is_on = |field| given(request, field, |value| Ok::<_, Fault>(value.word()? == "On"));
    let mute_all = is_on(&field::MUTE_ALL_MEMBER)?.or(is_on(&field::SHUT_UP_ALL_MEMBER)?);
    let patch = ProfilePatch {
        name,
        introduction,
        notification,
        face_url,
        max_members: most,
        join_option,
        invite_option,
        mute_all,
    };
    call.edit_chat_group(&id, ChatGroupEdit::ChangeProfile { patch, operator }).await?;
    Ok(call.ok(&Empty {}))
}
