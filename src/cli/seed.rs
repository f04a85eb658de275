//! Fills a store from NDJSON lines, for `dev --seed`.

use std::io::Read;

use anyhow::{Context, bail};

use crate::{
    clock::Clock,
    domain::Limits,
    interchange::{ImportTerms, Purpose, take_in, uncompressed},
    store::Store,
};

/// Applies the lines of `input`. Stops at the first invalid line and returns the error `name:line: reason`.
pub(super) async fn seed(
    store: &dyn Store,
    name: &str,
    input: impl Read,
    limits: Limits,
) -> anyhow::Result<()> {
    let terms = ImportTerms::of_tools(Purpose::Apply, limits, Clock::system());
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
