//! The headers of confold's extensions. `X-Confold-Dry-Run: 1`: a command decides and answers as if it had been called, but
//! keeps nothing. `X-Confold-State: 1`: the reply contains the state of the owner. `If-Match`: the owner must have this
//! state.

use super::head::{Head, Header};
use crate::{
    api::Asked,
    excerpt::quoted,
    wire::{Fault, Path},
};

/// The names of the headers, as documents spell them.
const DRY_RUN: &str = "X-Confold-Dry-Run";
const STATE: &str = "X-Confold-State";
const IF_MATCH: &str = "If-Match";

/// Returns what the headers of a call ask for, or `None` if they ask for nothing.
///
/// # Errors
/// Returns a [`Fault`] if a header has a value that it cannot have, because a caller who sends it expects something.
pub(super) fn asked(head: &Head<'_>) -> Result<Option<Asked>, Fault> {
    if !head.headers.ask_for_extensions() {
        return Ok(None);
    }
    let asked = Asked {
        dry_run: is_set(head, Header::DryRun, DRY_RUN, "be left out to make the change")?,
        state: is_set(head, Header::State, STATE, "be left out")?,
        if_match: if_match(head)?,
    };
    Ok(Some(asked))
}

/// Checks whether a header that can only be 1 is there.
fn is_set(head: &Head<'_>, header: Header, spelt: &'static str, otherwise: &str) -> Result<bool, Fault> {
    let values = head.headers.all(header);
    match values.iter().find(|value| **value != b"1") {
        None => Ok(!values.is_empty()),
        Some(value) => {
            let found = String::from_utf8_lossy(value);
            let rule = format!(
                "this header must be 1, or {otherwise}, found {}; this call had no effect",
                quoted(&found)
            );
            Err(Fault::refused(Path::Member(&Path::Root, spelt), rule))
        }
    }
}

/// Returns the state in `If-Match`, which may be in quotation marks like an entity tag (RFC 9110, section 13.1.1). `*`
/// stands for any state, and is no condition.
fn if_match(head: &Head<'_>) -> Result<Option<String>, Fault> {
    let values = head.headers.all(Header::IfMatch);
    let refused = |found: &[u8]| {
        let rule = format!(
            "this header must be one State that confold has returned, with or without quotation marks, found {}; this call \
             had no effect",
            quoted(&String::from_utf8_lossy(found))
        );
        Fault::refused(Path::Member(&Path::Root, IF_MATCH), rule)
    };
    let value = match values[..] {
        [] => return Ok(None),
        [value] => value.trim_ascii(),
        [_, second, ..] => return Err(refused(second)),
    };
    let inner = value.strip_prefix(b"\"").map_or(Some(value), |rest| rest.strip_suffix(b"\""));
    let text = inner.and_then(|inner| std::str::from_utf8(inner).ok()).ok_or_else(|| refused(value))?;
    let is_token = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match text {
        "*" => Ok(None),
        text if is_token && !text.is_empty() => Ok(Some(text.to_owned())),
        _ => Err(refused(value)),
    }
}

/// Refuses the header on a request that is not a call of a command and may change something.
///
/// # Errors
/// Returns a message with the rule and what to do.
pub(super) fn check_absent(head: &Head<'_>) -> Result<(), String> {
    let is_reading = matches!(head.method, "GET" | "HEAD" | "OPTIONS");
    match head.headers.first(Header::DryRun) {
        Some(_) if !is_reading => Err(format!(
            "the header {DRY_RUN} works for commands below /v4/ only, and this request had no effect; \
             POST /interchange/check shows what an import would do"
        )),
        _ => Ok(()),
    }
}
