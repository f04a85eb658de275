//! Seeding a store from NDJSON.

use std::io::BufRead;

use anyhow::bail;

use super::lines::Lines;
use crate::{
    domain::Limits,
    interchange::{Intake, Purpose, Terms},
    store::Store,
};

/// Applies every line of `input` up to the first bad one, which is named as `name:line: reason`.
pub(super) async fn seed(
    store: &dyn Store,
    name: &str,
    input: impl BufRead,
    limits: Limits,
) -> anyhow::Result<()> {
    let terms = Terms { purpose: Purpose::Apply, limits: Box::new(move |_| limits), only: None };
    let mut intake = Intake::new(store, terms);
    let mut lines = Lines::new(input);
    while let Some((number, line)) = lines.next()? {
        match line {
            Ok(line) => intake.take(number, line).await?,
            Err(reason) => intake.refuse(number, reason).await?,
        }
        if !intake.so_far().faults.is_empty() {
            break;
        }
    }
    match intake.end().await?.faults.first() {
        Some((number, reason)) => bail!("{name}:{number}: {reason}"),
        None => Ok(()),
    }
}
