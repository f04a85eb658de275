//! The header `X-Confold-Dry-Run: 1`: a command decides and answers as if it had been called, but keeps nothing.

use super::head::{Head, Header};
use crate::{
    excerpt::quoted,
    wire::{Fault, Path},
};

/// The name of the header, as documents spell it.
const SPELT: &str = "X-Confold-Dry-Run";

/// Returns whether a call is a dry run.
///
/// # Errors
/// Returns a [`Fault`] if the header has another value than `1`, because a caller who sends it does not expect a
/// change.
pub(super) fn is_asked_for(head: &Head<'_>) -> Result<bool, Fault> {
    if head.headers.first(Header::DryRun).is_none() {
        return Ok(false);
    }
    match head.headers.all(Header::DryRun).into_iter().find(|value| *value != b"1") {
        None => Ok(true),
        Some(value) => {
            let found = String::from_utf8_lossy(value);
            let rule = format!(
                "this header must be 1, or be left out to make the change, found {}; this call had no effect",
                quoted(&found)
            );
            Err(Fault::refused(Path::Member(&Path::Root, SPELT), rule))
        }
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
            "the header {SPELT} works for commands below /v4/ only, and this request had no effect; \
             POST /interchange/check shows what an import would do"
        )),
        _ => Ok(()),
    }
}
