//! Reads the values of fields in lines, and writes lines without the fields that have their default value.

use serde::Serialize;

use crate::{
    domain::{ChangeNumber, LAST_SECOND, MAX_NUMBER, Rejection, UserId},
    wire::{Fault, Field, Fields, Value},
};

/// The maximum length of a text. It is above the limits of any service, and low enough that no exported line exceeds the
/// longest accepted one.
const TEXT_BYTES: usize = 64 * 1024;

pub(super) fn text_of(fields: Fields<'_>, field: &'static Field) -> Result<String, Fault> {
    let text = fields.optional(field, |value| match value.read::<&str>()? {
        text if text.len() > TEXT_BYTES => {
            let said = format!("it may have at most {TEXT_BYTES} bytes, found {}", text.len());
            Err(Fault::refused(value.path, said))
        }
        text => Ok(text.to_owned()),
    })?;
    Ok(text.unwrap_or_default())
}

pub(super) fn importable(value: Value<'_>) -> Result<UserId, Fault> {
    parsed(value, UserId::importable)
}

pub(super) fn any_user(value: Value<'_>) -> Result<UserId, Fault> {
    parsed(value, UserId::parse)
}

pub(super) fn parsed<T>(value: Value<'_>, parse: impl Fn(&str) -> Result<T, Rejection>) -> Result<T, Fault> {
    parse(value.read()?).map_err(|reason| Fault::refused(value.path, reason))
}

/// Reads a counter or id, within the range that typed clients can read.
pub(super) fn number(value: Value<'_>) -> Result<ChangeNumber, Fault> {
    (u32::try_from(value.read::<i64>()?).ok().filter(|number| *number <= MAX_NUMBER))
        .ok_or_else(|| Fault::unfit(value.path, format!("a number from 0 to {MAX_NUMBER}"), value.node))
}

pub(super) fn optional_number(fields: Fields<'_>, field: &'static Field) -> Result<Option<u32>, Fault> {
    fields.optional(field, number)
}

/// Reads a time up to the year 9999, the latest supported time.
pub(super) fn seconds(value: Value<'_>) -> Result<u64, Fault> {
    (u64::try_from(value.read::<i64>()?).ok().filter(|time| *time <= LAST_SECOND)).ok_or_else(|| {
        Fault::unfit(value.path, format!("a time in seconds since 1970, at most {LAST_SECOND}"), value.node)
    })
}

/// Reads a time that is only displayed.
pub(super) fn any_seconds(value: Value<'_>) -> Result<u64, Fault> {
    u64::try_from(value.read::<i64>()?)
        .map_err(|_| Fault::unfit(value.path, "a time in seconds since 1970", value.node))
}

/// Appends a line.
pub(super) fn write(line: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, line).expect("writing to memory cannot fail");
    out.push(b'\n');
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field by reference")]
pub(super) fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field by reference")]
pub(super) fn is_no_time(time: &u64) -> bool {
    *time == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field by reference")]
pub(super) fn is_false(flag: &bool) -> bool {
    !*flag
}
