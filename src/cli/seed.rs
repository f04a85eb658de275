//! Seeding a store from NDJSON.

use std::io::BufRead;

use anyhow::{Context, bail};

use crate::{
    domain::Limits,
    interchange::{ApplyError, apply, read_line},
    store::Store,
};

/// Applies every line of `input`; blank ones are passed over. A bad line is named as
/// `name:line: reason`.
pub(super) async fn seed(
    store: &dyn Store,
    name: &str,
    input: impl BufRead,
    limits: Limits,
) -> anyhow::Result<()> {
    for (index, line) in input.lines().enumerate() {
        let place = || format!("{name}:{}", index + 1);
        let line = line.with_context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let read = read_line(&line).map_err(|reason| anyhow::anyhow!("{}: {reason}", place()))?;
        match apply(store, read, limits).await {
            Ok(()) => {}
            Err(ApplyError::Refused(reason)) => bail!("{}: {reason}", place()),
            Err(ApplyError::Store(error)) => return Err(error).with_context(place),
        }
    }
    Ok(())
}
