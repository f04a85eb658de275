//! Seeding a store from NDJSON.

use std::{collections::VecDeque, io::BufRead};

use anyhow::{Context, anyhow};

use crate::{
    domain::Limits,
    interchange::{ApplyError, Applying, apply, read_line},
    store::Store,
};

/// How many lines are on their way into the store at once: they share commits.
const AT_ONCE: usize = 512;

/// Applies every line of `input`; blank ones are passed over. A bad line is named as
/// `name:line: reason`.
pub(super) async fn seed(
    store: &dyn Store,
    name: &str,
    input: impl BufRead,
    limits: Limits,
) -> anyhow::Result<()> {
    let mut on_their_way: VecDeque<(usize, Applying<'_>)> = VecDeque::new();
    for (index, line) in input.lines().enumerate() {
        let number = index + 1;
        let line = line.with_context(|| format!("{name}:{number}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let line = read_line(&line).map_err(|reason| anyhow!("{name}:{number}: {reason}"))?;
        on_their_way.push_back((number, apply(store, line, limits)));
        if on_their_way.len() == AT_ONCE {
            finish(name, on_their_way.pop_front()).await?;
        }
    }
    while !on_their_way.is_empty() {
        finish(name, on_their_way.pop_front()).await?;
    }
    Ok(())
}

async fn finish(name: &str, line: Option<(usize, Applying<'_>)>) -> anyhow::Result<()> {
    let Some((number, applying)) = line else { return Ok(()) };
    applying.await.map_err(|error| match error {
        ApplyError::Refused(reason) => anyhow!("{name}:{number}: {reason}"),
        ApplyError::Store(error) => anyhow!(error).context(format!("{name}:{number}")),
    })
}
