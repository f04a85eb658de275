//! The stored form of profiles.

use super::encoding::{Fault, Reader, Writer};
use crate::domain::{Account, Profile, ProfileKind, ProfileTag, ProfileValue};

/// The current format of profiles.
const FORMAT: u64 = 1;

/// Encodes a profile; one without fields has no stored form.
pub(in crate::store) fn encode_profile(profile: &Profile) -> Option<Vec<u8>> {
    if profile.fields().is_empty() {
        return None;
    }
    let mut out = Writer(Vec::with_capacity(profile.bytes()));
    out.number(FORMAT);
    out.profile(profile);
    Some(out.0)
}

/// Returns an account with these values. `profile` is the stored form of the rest of its profile.
///
/// # Errors
/// Returns a description of the damage.
pub(in crate::store) fn decode_account(
    nick: String,
    face_url: String,
    profile: Option<&[u8]>,
) -> Result<Account, Fault> {
    let mut account = Account { nick, face_url, ..Account::default() };
    if let Some(bytes) = profile {
        let mut input = Reader(bytes);
        input.format(FORMAT)?;
        input.profile(&mut account)?;
        input.end()?;
    }
    Ok(account)
}

impl Writer {
    pub(super) fn profile(&mut self, profile: &Profile) {
        self.count(profile.fields().len());
        for (tag, value) in profile.fields() {
            self.text(&tag.name());
            match value {
                ProfileValue::Text(text) => self.text(text),
                ProfileValue::Number(number) => self.number((*number).into()),
            }
        }
    }
}

impl Reader<'_> {
    /// Reads the fields of a profile into an account.
    pub(super) fn profile(&mut self, account: &mut Account) -> Result<(), Fault> {
        let fields = self.list(|input| {
            let name = input.text()?;
            let tag = ProfileTag::parse(name).ok_or_else(|| format!("an unknown tag ({name:?})"))?;
            let value = match tag.kind() {
                ProfileKind::Number => ProfileValue::Number(input.small()?),
                ProfileKind::Text(_) | ProfileKind::Word(_) => ProfileValue::Text(input.text()?.into()),
            };
            Ok((tag, value))
        })?;
        for (tag, value) in fields {
            account.set(tag, Some(value));
        }
        Ok(())
    }
}
