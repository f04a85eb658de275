//! The headers of confold's extensions. `X-Confold-Dry-Run: 1`: a command decides and answers as if it had been called, but
//! keeps nothing. `X-Confold-State: 1`: the reply contains the state of the owner. `If-Match`: the owner must have this
//! state. `Idempotency-Key`: the call has an effect only once, however often it is repeated.

use std::sync::Arc;

use super::head::{Head, Header};
use crate::{
    api::{Asked, Command},
    excerpt::quoted,
    opaque,
    store::Operation,
    wire::{Fault, Path},
};

/// The names of the headers, as documents spell them.
const DRY_RUN: &str = "X-Confold-Dry-Run";
const STATE: &str = "X-Confold-State";
const IF_MATCH: &str = "If-Match";

/// The longest key, in bytes.
const KEY_BYTES: usize = 255;

/// What the fingerprint of an operation is made of, apart from the key.
pub(super) struct Request<'a> {
    pub(super) identifier: &'a str,
    pub(super) command: Command,
    pub(super) body: &'a [u8],
}

/// Returns what the headers of a call ask for, or `None` if they ask for nothing.
///
/// # Errors
/// Returns a [`Fault`] if a header has a value that it cannot have, because a caller who sends it expects something.
pub(super) fn asked(head: &Head<'_>, request: &Request<'_>) -> Result<Option<Box<Asked>>, Fault> {
    if !head.headers.ask_for_extensions() {
        return Ok(None);
    }
    let asked = Asked {
        dry_run: is_set(head, Header::DryRun, DRY_RUN, "be left out to make the change")?,
        state: is_set(head, Header::State, STATE, "be left out")?,
        if_match: if_match(head)?,
        operation: operation(head, request)?,
    };
    Ok(Some(Box::new(asked)))
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

/// Returns the operation of the key in `Idempotency-Key`, which may be in quotation marks like a string of structured
/// fields (RFC 8941, section 3.3.3).
fn operation(head: &Head<'_>, request: &Request<'_>) -> Result<Option<Operation>, Fault> {
    let values = head.headers.all(Header::IdempotencyKey);
    let refused = |found: &[u8]| {
        let rule = format!(
            "this header must be one key of 1 to {KEY_BYTES} visible ASCII characters other than quotation marks, \
             between which the whole key may be, found {}; this call had no effect",
            quoted(&String::from_utf8_lossy(found))
        );
        Fault::refused(Path::Member(&Path::Root, "Idempotency-Key"), rule)
    };
    let value = match values[..] {
        [] => return Ok(None),
        [value] => value.trim_ascii(),
        [_, second, ..] => return Err(refused(second)),
    };
    let inner = value.strip_prefix(b"\"").map_or(Some(value), |rest| rest.strip_suffix(b"\""));
    let is_key = |key: &&[u8]| {
        (1..=KEY_BYTES).contains(&key.len())
            && key.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'"')
    };
    let key =
        inner.filter(is_key).and_then(|key| std::str::from_utf8(key).ok()).ok_or_else(|| refused(value))?;
    Ok(Some(Operation {
        identifier: request.identifier.into(),
        key: key.into(),
        fingerprint: opaque::fingerprint(&request.command.full_name(), request.body),
        is_repeated: Arc::default(),
    }))
}

/// Returns the state in `If-Match`, which may be in quotation marks like an entity tag (RFC 9110, section 13.1.1). `*`
/// stands for any state.
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
    if value == b"*" {
        return Ok(None);
    }
    let inner = value.strip_prefix(b"\"").map_or(Some(value), |rest| rest.strip_suffix(b"\""));
    let text = inner.and_then(|inner| std::str::from_utf8(inner).ok()).ok_or_else(|| refused(value))?;
    let is_token = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match is_token && !text.is_empty() {
        true => Ok(Some(text.to_owned())),
        false => Err(refused(value)),
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
