//! Fills a store from NDJSON lines, for `dev --seed`.

use std::io::Read;

use anyhow::{Context, bail};

use crate::{
    clock::Clock,
    domain::Limits,
    interchange::{Purpose, Terms, UnknownFields, take_in, uncompressed},
    store::Store,
};

/// Applies the lines of `input`. Stops at the first invalid line and returns the error `name:line: reason`.
pub(super) async fn seed(
    store: &dyn Store,
    name: &str,
    input: impl Read,
    limits: Limits,
) -> anyhow::Result<()> {
    let (unknown, clock) = (UnknownFields::Refused, Clock::system());
    let terms = Terms { purpose: Purpose::Apply, limits, only: None, unknown, clock };
    let outcome = match uncompressed(input) {
        Ok(input) => take_in(store, terms, input).await,
        Err(error) => Err(error.into()),
    };
    let outcome = outcome.with_context(|| name.to_owned())?;
    match outcome.faults.first() {
        Some((number, reason)) => bail!("{name}:{number}: {reason}"),
        None => Ok(()),
    }
}
