//! Reads a reply to `portrait_get`, for pulling profiles from another server.

use super::{known, line::Refusable};
use crate::{
    domain::Account,
    wire::{
        Fault, Field, Fields, Node, PROFILE_TAG, PROFILE_VALUE, Value, bare, read_profile_field, unreadable,
    },
};

/// The profile of one user, as `portrait_get` returns it.
#[derive(Clone, Debug)]
pub struct ProfileReply {
    /// `ErrorCode`; if it is not 0, there is no profile.
    pub code: i64,
    /// `ErrorInfo`.
    pub info: String,
    /// The profile; `None` if the user does not exist.
    pub account: Option<Account>,
    /// The number of fields that cannot be stored.
    pub skipped: usize,
}

impl Refusable for ProfileReply {
    fn refusal(&self) -> (i64, &str) {
        (self.code, &self.info)
    }
}

const USERS: Field = bare("UserProfileItem");
const RESULT_CODE: Field = bare("ResultCode");
const REPLY: &[Field] = &[USERS, known::ERROR_CODE, known::ERROR_INFO];
const USER: &[Field] = &[known::PROFILE_ITEM, RESULT_CODE];
const FIELD: &[Field] = &[PROFILE_TAG, PROFILE_VALUE];

/// Reads a reply about one user.
///
/// # Errors
/// Returns what is wrong with the reply: the field, the rule and what was found.
pub fn read_profile_reply(text: &[u8]) -> Result<ProfileReply, String> {
    let node = Node::parse(text)
        .map_err(|error| format!("the reply is not a JSON object: {}", unreadable(text, &error)))?;
    let fields = Fields::of_request(&node).map_err(|fault| format!("the reply {fault}"))?;
    read(fields.described(REPLY)).map_err(|fault| fault.to_string())
}

fn read(fields: Fields<'_>) -> Result<ProfileReply, Fault> {
    let mut reply = ProfileReply {
        code: fields.required(&known::ERROR_CODE, |value| value.read::<i64>())?,
        info: fields.optional_text(&known::ERROR_INFO)?.unwrap_or_default().to_owned(),
        account: None,
        skipped: 0,
    };
    if reply.code == 0 {
        let users =
            fields.optional(&USERS, |users| users.each(|user| read_user(user.fields()?.described(USER))))?;
        if let Some((account, skipped)) = users.unwrap_or_default().into_iter().flatten().next() {
            reply.account = Some(account);
            reply.skipped = skipped;
        }
    }
    Ok(reply)
}

/// Reads the profile of a user, and the number of fields that cannot be stored.
fn read_user(fields: Fields<'_>) -> Result<Option<(Account, usize)>, Fault> {
    let code = fields.optional(&RESULT_CODE, |value| value.read::<i64>())?;
    if code.is_some_and(|code| code != 0) {
        return Ok(None);
    }
    let field = |item: Value<'_>| Ok::<_, Fault>(read_profile_field(item.fields()?.described(FIELD)).ok());
    let items = fields.optional(&known::PROFILE_ITEM, |items| items.each(field))?.unwrap_or_default();
    let (mut account, mut skipped) = (Account::default(), 0);
    for item in items {
        match item {
            Some((tag, value)) => account.set(tag, value),
            None => skipped += 1,
        }
    }
    Ok(Some((account, skipped)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ProfileTag, ProfileValue};

    #[test]
    fn a_profile_is_read_and_what_cannot_be_stored_is_counted() {
        let read = |text: &str| read_profile_reply(text.as_bytes());
        let found = read(
            r#"{"UserProfileItem":[{"To_Account":"a","ProfileItem":[
                {"Tag":"Tag_Profile_IM_Nick","Value":"Ada"},{"Tag":"Tag_Profile_IM_Level","Value":"3"},
                {"Tag":"Tag_Profile_IM_Other","Value":1},{"Tag":"Tag_Profile_IM_Gender","Value":"?"}],
                "ResultCode":0,"ResultInfo":""}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        )
        .unwrap();
        let account = found.account.unwrap();
        assert_eq!((account.nick.as_str(), found.skipped), ("Ada", 2));
        assert_eq!(account.value(&ProfileTag::Level), Some(ProfileValue::Number(3)));
        let nobody = r#"{"UserProfileItem":[{"To_Account":"a","ResultCode":40003}],"ErrorCode":0}"#;
        assert!(read(nobody).unwrap().account.is_none());
        let refused = read(r#"{"ErrorCode":40003,"ErrorInfo":"no"}"#).unwrap();
        assert!(refused.account.is_none() && (refused.code, &*refused.info) == (40003, "no"));
        assert!(read(r#"{"ErrorCode":0,"UserProfileItem":7}"#).unwrap_err().contains("must be an array"));
        assert!(read("x").unwrap_err().contains("the reply is not a JSON object"));
    }
}
